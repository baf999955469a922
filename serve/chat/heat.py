"""Where a face net looked in the pictures of a clip."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from emollm.errors import EmollmError

if TYPE_CHECKING:
    from emollm.report.heatmap_faces import Heatmaps
    from emollm.report.heatmap_view import HeatView
    from emollm.serve.decoding import Pictures
    from emollm.types import Observation


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
