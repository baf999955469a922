"""Draws the moments of a clip beside each other as one picture: a contact sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from emollm.errors import MediaError
from emollm.files import replacing
from emollm.report.axis import clock
from emollm.report.overlay import draw_overlay, font, format_of
from emollm.types import Answer, Cue, CueKind, Extent, Observation, Scale, Series

if TYPE_CHECKING:
    from PIL.Image import Image

    from emollm.media.images import Picture

CELL = 640
"""Longest side of one frame on the sheet, in pixels."""

_PAPER, _INK, _MAIN = (17, 21, 27), (231, 234, 239), (255, 183, 43)
_MARGIN = 16
_MOST_COLUMNS = 4
_ONE_ROW = 3


def write_contact_sheet(path: Path, observation: Observation, answer: Answer, frames: Mapping[float, Picture]) -> None:
    """Writes the frames at the peaks of faces, in the order of time, each with its overlay and its time.

    Args:
        path: ``.png``, ``.jpg`` or ``.jpeg``; it is replaced as a whole or not at all.
        observation: What was measured, in pixels of the original file.
        answer: What is said about the clip.
        frames: By the time of the peak (:func:`emollm.report.media.apex_frames`).

    Raises:
        ConfigError: The suffix is no known format.
        MediaError: There are no frames.
        EmollmError: The file cannot be written.
    """
    kind = format_of(path)
    sheet = draw_contact_sheet(observation, answer, frames)
    with replacing(path) as file:
        sheet.save(file, kind, **({"quality": 92} if kind == "JPEG" else {}))


def draw_contact_sheet(observation: Observation, answer: Answer, frames: Mapping[float, Picture]) -> Image:
    """The contact sheet, RGB; see :func:`write_contact_sheet`."""
    from PIL import Image, ImageDraw

    if not frames:
        raise MediaError(f"{observation.id}: no face was found in it, so that there is no frame for a contact sheet")
    times = sorted(frames)
    cells = [
        draw_overlay(at_moment(observation, time), answer, frames[time], nameless=_elsewhere(observation, time))
        for time in times
    ]
    for cell in cells:
        cell.thumbnail((CELL, CELL))
    width, height = max(cell.width for cell in cells), max(cell.height for cell in cells)
    columns = len(cells) if len(cells) <= _ONE_ROW else min(math.ceil(math.sqrt(len(cells))), _MOST_COLUMNS)
    rows = math.ceil(len(cells) / columns)
    size = max(11.0, width / 30)
    line = round(1.9 * size)
    sheet = Image.new(
        "RGB",
        (columns * (width + _MARGIN) + _MARGIN, rows * (height + line + _MARGIN) + _MARGIN),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for i, (time, cell) in enumerate(zip(times, cells, strict=True)):
        x = _MARGIN + (i % columns) * (width + _MARGIN)
        y = _MARGIN + (i // columns) * (height + line + _MARGIN)
        sheet.paste(cell, (x, y))
        main, text = _caption(observation, answer, time)
        draw.text((x, y + cell.height + 0.3 * size), text, fill=_MAIN if main else _INK, font=font(size))
    return sheet


def at_moment(observation: Observation, time: float) -> Observation:
    """The Observation as of one peak: the faces seen there, with the units and angles of that time.

    At a person's main peak the values are its moment cues; elsewhere those of its series.
    """
    tracks, cues = [], []
    for track in observation.tracks:
        for place, (peak, face) in enumerate(zip(track.peaks, track.faces, strict=False)):
            if peak.time == time:
                tracks.append(track.model_copy(update={"faces": (face,), "peaks": ()}))
                cues += _at_main(observation, track.id) if place == 0 else _at_other(observation, track.id, time)
                break
    return Observation(id=observation.id, media=observation.media, tracks=tuple(tracks), cues=tuple(cues))


def _elsewhere(observation: Observation, time: float) -> list[str]:
    """Tracks whose main peak, which their label is of, is at another time."""
    return [track.id for track in observation.tracks if not track.peaks or track.peaks[0].time != time]


def _at_main(observation: Observation, track: str) -> list[Cue]:
    return [cue for cue in observation.cues if cue.track == track and cue.extent is Extent.MOMENT]


def _at_other(observation: Observation, track: str, time: float) -> list[Cue]:
    kinds = (CueKind.ACTION_UNIT, CueKind.HEAD_POSE, CueKind.GAZE)
    own = [series for series in observation.series if series.track == track and series.kind in kinds]
    return [_cue(series, value, time) for series in own if (value := series.at(time)) is not None]


def _cue(series: Series, value: float, time: float) -> Cue:
    limited = min(max(value, 0.0), 1.0) if series.scale in (Scale.INTENSITY, Scale.PROBABILITY) else value
    return Cue(
        id=f"{series.track}.{series.name}",
        kind=series.kind,
        name=series.name,
        scale=series.scale,
        value=limited,
        track=series.track,
        start=time,
        end=time,
        source=series.source,
    )


def _caption(observation: Observation, answer: Answer, time: float) -> tuple[bool, str]:
    """Whether it is the main peak of the person the answer is for; and the time with who and which units."""
    main, parts = False, [clock(time)]
    for track in observation.tracks:
        for place, peak in enumerate(track.peaks):
            if peak.time == time:
                main = main or (place == 0 and track.id == answer.track)
                parts.append(" ".join((track.id, *peak.units[:3])) if peak.units else track.id)
    return main, "   ".join(parts)
