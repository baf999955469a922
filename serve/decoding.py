"""What a chat shows of a file itself: whether it is a clip, its small picture, its frames, and the clip to be played.

:class:`Here` does it in this process, for files of our own; those of visitors are opened in a limited one, which does it by the same
functions (:mod:`emollm.serve.measuring`, :class:`emollm.serve.measurers_apart.Apart`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from emollm.clip_files import open_clip
from emollm.errors import EmollmError
from emollm.media.images import Picture, read_image
from emollm.report.media import Player, frames_at, peak_times, player
from emollm.types import Clip, MediaInfo, Observation

THUMB = 320
"""Longest side of the picture of a clip in the conversation, in pixels."""


class Opened(NamedTuple):
    """A file that is a clip."""

    clip: Clip
    thumb: str | None
    """A small picture of it, as a data URI; None of a sound, or of a video whose pictures cannot be read."""


class Pictures(NamedTuple):
    """What is shown of a clip."""

    photo: Picture | None = None
    frames: Mapping[float, Picture] = {}
    """Of a video, by the times of the peaks."""


class Decoder(Protocol):
    """Opens files of visitors."""

    def opened(self, path: Path) -> Opened:
        """The clip that a file is.

        Raises:
            MediaError: It is none, or cannot be read.
            DataError: A table that cannot be read.
        """

    def pictures(self, clip: Clip, observation: Observation) -> Pictures:
        """The photo, or the frames of a video at the peaks of its faces; nothing of a sound.

        Raises:
            MediaError: The photo cannot be read.
        """

    def player(self, clip: Clip) -> Player | None:
        """How a page plays the clip; None of a photo.

        Raises:
            MediaError: It cannot be opened.
        """


class Here:
    """Decodes in this process, without limits."""

    def opened(self, path: Path) -> Opened:
        """See :meth:`Decoder.opened`."""
        clip = open_clip(path)
        if clip.image is not None:
            return Opened(clip, _small(read_image(clip.image)))
        return Opened(clip, thumbnail(clip))

    def pictures(self, clip: Clip, observation: Observation) -> Pictures:
        """See :meth:`Decoder.pictures`."""
        return pictures_of(clip, times_of(clip, observation), observation.media)

    def player(self, clip: Clip) -> Player | None:
        """See :meth:`Decoder.player`."""
        path = clip.video or clip.audio
        return player(path) if path is not None else None


def times_of(clip: Clip, observation: Observation) -> list[float]:
    """The times of the frames that :func:`pictures_of` is to give, in seconds."""
    return peak_times(observation) if clip.video is not None else []


def pictures_of(clip: Clip, times: Sequence[float], info: MediaInfo) -> Pictures:
    """The photo, or the frames of a video at those times.

    Raises:
        MediaError: The photo cannot be read.
    """
    if clip.image is not None:
        return Pictures(read_image(clip.image))
    if clip.video is not None:
        return Pictures(frames=frames_at(clip.video, times, info))
    return Pictures()


def thumbnail(clip: Clip) -> str | None:
    """A small picture of a clip as a data URI; None of a sound, or where it cannot be read."""
    from emollm.media.video import frame_at

    try:
        if clip.image is not None:
            return _small(read_image(clip.image))
        if clip.video is not None:
            frame = frame_at(clip.video, 0.0)
            return _small(Picture(frame.pixels, MediaInfo(kind="video"), frame.scale))
    except EmollmError:
        return None
    return None


def _small(picture: Picture) -> str:
    from emollm.report.pictures import picture_uri

    return picture_uri(picture, THUMB)
