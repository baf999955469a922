"""The clip itself in its page: embedded as it is, as a smaller copy, or not at all; and its frames at the peaks of faces.

A page has no files beside it, so that a clip is in it as a data URI or is not in it. What browsers do not play, or what is
too large, is written anew as H.264 and AAC where that is a matter of seconds.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from emollm.errors import MediaError
from emollm.report.settings import ReportSettings

if TYPE_CHECKING:
    from emollm.media.images import Picture
    from emollm.types import MediaInfo, Observation

MEGABYTE = 1_000_000

_VIDEOS: dict[str, tuple[str, set[str], set[str]]] = {
    "mp4": ("video/mp4", {"h264", "vp9", "av1"}, {"aac", "mp3", "opus", "flac"}),
    "webm": ("video/webm", {"vp8", "vp9", "av1"}, {"opus", "vorbis"}),
}
_SOUNDS: dict[str, tuple[str, set[str]]] = {
    "wav": ("audio/wav", {"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"}),
    "mp3": ("audio/mpeg", {"mp3"}),
    "ogg": ("audio/ogg", {"opus", "vorbis", "flac"}),
    "flac": ("audio/flac", {"flac"}),
    "mp4": ("audio/mp4", {"aac", "mp3", "flac", "opus"}),
    "webm": ("audio/webm", {"opus", "vorbis"}),
}
"""What Chromium, Firefox and Safari play between them: container of FFmpeg, type, codecs."""

_PIXELS = {"yuv420p", "yuvj420p"}
"""Other layouts (10 bits, 4:2:2) are played by few browsers."""

_COPY_WORK = 8_000_000_000
"""Pixels that a copy may have to decode: two minutes of 1920x1080, half a minute of 3840x2160."""

_ROUNDING = 0.006
"""Seconds by which a time may have been rounded down; less than half a frame of 60 a second."""


class Player(NamedTuple):
    """How a page plays its clip."""

    kind: Literal["video", "audio"]
    uri: str | None
    """A data URI; None where the clip is not embedded."""
    note: str
    """What a reader should know: that it is a smaller copy, or why there is nothing to play."""


def player(path: Path, settings: ReportSettings | None = None) -> Player:
    """The clip for embedding in a page.

    Args:
        path: A video or a sound file.
        settings: How large an embedded clip may be, and how long one that is copied for it.

    Raises:
        MediaError: The file cannot be opened, or is neither video nor sound.
    """
    settings = settings or ReportSettings()
    facts = _facts(path)
    limit = settings.embed * MEGABYTE
    if facts.mime and facts.size <= limit:
        try:
            return Player(facts.kind, _uri(facts.mime, path.read_bytes()), "")
        except OSError as error:
            raise MediaError(f"{path}: cannot be read: {error.strerror or error}") from error
    copied = _copied(path, facts, settings) if limit else None
    if copied is not None and len(copied) <= limit:
        return Player(facts.kind, _uri(f"{facts.kind}/mp4", copied), "A smaller copy of the clip, made for this page.")
    shown = f"{facts.size / MEGABYTE:.0f} MB" if facts.size >= MEGABYTE else f"{facts.size / 1000:.0f} kB"
    return Player(facts.kind, None, f"The clip ({shown}) is not embedded: open it beside this page.")


def apex_frames(observation: Observation, path: Path) -> dict[float, Picture]:
    """The frames at the peaks of all faces, by the time of the peak; a frame that cannot be read is left out.

    Args:
        observation: What was measured in the clip.
        path: The video.
    """
    return frames_at(path, peak_times(observation), observation.media)


def peak_times(observation: Observation) -> list[float]:
    """When the peaks are that are shown of any face, in seconds, in order."""
    from emollm.report.timeline import MOST_MOMENTS

    return sorted({peak.time for track in observation.tracks for peak in track.peaks[:MOST_MOMENTS]})


def frames_at(path: Path, times: Sequence[float], info: MediaInfo) -> dict[float, Picture]:
    """The frames of a video by their times; one that cannot be read is left out.

    Args:
        path: The video.
        times: Seconds.
        info: What is known of it.
    """
    from emollm.media.images import Picture
    from emollm.media.video import frame_at

    frames: dict[float, Picture] = {}
    for time in times:
        try:
            frame = frame_at(path, time + _ROUNDING)
        except MediaError:
            continue
        frames[time] = Picture(frame.pixels, info, frame.scale)
    return frames


class _Facts(NamedTuple):
    kind: Literal["video", "audio"]
    mime: str | None
    """None if browsers cannot be expected to play it."""
    size: int
    """Bytes."""
    duration: float | None
    pixels: float
    """Of all frames."""
    sound: bool


def _facts(path: Path) -> _Facts:
    import av

    from emollm.media.opening import open_container, picture_stream, sound_stream

    with open_container(path) as source:
        names = set(source.format.name.split(","))
        video, sound = picture_stream(source), sound_stream(source)
        duration = source.duration / av.time_base if source.duration else None
        codec = sound.codec_context.codec.canonical_name if sound is not None else None
        size = path.stat().st_size
        if video is None:
            if sound is None:
                raise MediaError(f"{path}: neither pictures nor sound are in it")
            return _Facts("audio", _sound_type(names, codec), size, duration, 0.0, True)
        context = video.codec_context
        mime = _video_type(names, context.codec.canonical_name, codec) if context.pix_fmt in _PIXELS else None
        pixels = context.width * context.height * float(video.average_rate or 30) * (duration or 0.0)
        return _Facts("video", mime, size, duration, pixels, sound is not None)


def _copied(path: Path, facts: _Facts, settings: ReportSettings) -> bytes | None:
    if facts.duration is None or facts.duration > settings.copy_up_to or facts.pixels > _COPY_WORK:
        return None
    from emollm.report.copying import smaller_copy

    return smaller_copy(path, video=facts.kind == "video", sound=facts.sound)


def _video_type(names: set[str], video: str, sound: str | None) -> str | None:
    fitting = (
        mime
        for name, (mime, videos, sounds) in _VIDEOS.items()
        if name in names and video in videos and (sound is None or sound in sounds)
    )
    return next(fitting, None)


def _sound_type(names: set[str], codec: str | None) -> str | None:
    return next((mime for name, (mime, codecs) in _SOUNDS.items() if name in names and codec in codecs), None)


def _uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
