"""The pictures of a clip that the evidence is drawn on, and where a face net looked in them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from emollm.errors import EmollmError
from emollm.types import Clip, Observation

if TYPE_CHECKING:
    from emollm.media.images import Picture
    from emollm.report.heatmap_faces import Heatmaps
    from emollm.report.heatmap_view import HeatView

THUMB = 320
"""Longest side of the picture of a clip in the conversation, in pixels."""


class Pictures(NamedTuple):
    """What is shown of a clip."""

    photo: Picture | None = None
    frames: Mapping[float, Picture] = {}
    """Of a video, by the times of the peaks."""


def pictures_of(clip: Clip, observation: Observation) -> Pictures:
    """The photo, or the frames of a video at the peaks of its faces; nothing of a sound.

    Raises:
        MediaError: The photo cannot be read.
    """
    if clip.image is not None:
        from emollm.media.images import read_image

        return Pictures(read_image(clip.image))
    if clip.video is not None:
        from emollm.report.media import apex_frames

        return Pictures(frames=apex_frames(observation, clip.video))
    return Pictures()


def thumbnail(clip: Clip) -> str | None:
    """A small picture of a clip as a data URI; None of a sound, or where it cannot be read."""
    from emollm.media.images import Picture, read_image
    from emollm.media.video import frame_at
    from emollm.report.pictures import picture_uri
    from emollm.types import MediaInfo

    try:
        if clip.image is not None:
            return picture_uri(read_image(clip.image), THUMB)
        if clip.video is not None:
            frame = frame_at(clip.video, 0.0)
            return picture_uri(Picture(frame.pixels, MediaInfo(kind="video"), frame.scale), THUMB)
    except EmollmError:
        return None
    return None


def heat_views(observation: Observation, pictures: Pictures) -> dict[str, HeatView]:
    """Where the face net looked in the face of each person, of a video at the main peak; empty where nets cannot be looked into."""
    from emollm.report.contact import at_moment
    from emollm.report.heatmap_view import view

    maps = _maps()
    if maps is None or not observation.tracks:
        return {}
    if pictures.photo is not None:
        return {item.track: view(item, maps.name) for item in maps(observation, pictures.photo)}
    main = {track.id: track.peaks[0].time for track in observation.tracks if track.peaks}
    found = {}
    for time in sorted({*main.values()} & {*pictures.frames}):
        for item in maps(at_moment(observation, time), pictures.frames[time]):
            if main.get(item.track) == time:
                found[item.track] = view(item, maps.name)
    return found


@cache
def _maps() -> Heatmaps | None:
    """The net of the heat maps, opened once; None where what it needs is not installed."""
    from emollm.report.heatmap_faces import Heatmaps, HeatmapSettings

    try:
        return Heatmaps(HeatmapSettings())
    except EmollmError:
        return None
