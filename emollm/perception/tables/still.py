"""Cues of rows without times, or of one row: one cue a quantity.

* Units and expressions: the peak. The series is smoothed by a median over five rows, so that a single wild row is no
  peak. A table of one row gives that row.
* Angles: the median over all rows with a face.

Nothing is said of when: a frame number is no time.
"""

from collections.abc import Iterator

import numpy as np

from emollm.perception.course.cues import ANGLES
from emollm.perception.tables.person import Column, Person
from emollm.types import Cue, CueKind, Scale

_SMOOTHING = 5
"""Rows of the median filter."""


def still_cues(person: Person, track: str | None) -> Iterator[Cue]:
    """The cues of a person of whom it is not known when they did what."""
    prefix = f"{track}." if track is not None else ""
    for column in person.units:
        yield _peak(person, track, f"{prefix}{column.name}", CueKind.ACTION_UNIT, column)
    for column in person.expressions:
        yield _peak(person, track, f"{prefix}expression.{column.name}", CueKind.EXPRESSION, column)
    for name, degrees in person.angles.items():
        rows = np.flatnonzero(~np.isnan(degrees))
        yield Cue(
            id=f"{prefix}{name}",
            kind=ANGLES[name],
            name=name,
            scale=Scale.DEGREES,
            value=float(np.median(degrees[rows])),
            track=track,
            start=person.time(rows[0]),
            end=person.time(rows[-1]),
            confidence=None if person.confidence is None else person.trust(rows),
            source=person.source,
        )


def _peak(person: Person, track: str | None, id: str, kind: CueKind, column: Column) -> Cue:
    rows = np.flatnonzero(~np.isnan(column.values))
    smooth = _median_smoothed(column.values[rows])
    top = int(smooth.argmax())
    time = person.time(rows[top])
    return Cue(
        id=id,
        kind=kind,
        name=column.name,
        scale=column.scale,
        value=float(smooth[top]),
        track=track,
        start=time,
        end=time,
        confidence=person.sure(rows[top]),
        reliable=column.reliable,
        source=person.source,
    )


def _median_smoothed(values: np.ndarray) -> np.ndarray:
    """(T,) running median; the window shrinks at both ends so that it stays centred."""
    out = values.astype(np.float64)
    half = _SMOOTHING // 2
    if len(values) > 2 * half:
        windows = np.lib.stride_tricks.sliding_window_view(values, _SMOOTHING)  # (T - 4, 5)
        out[half:-half] = np.median(windows, axis=1)
    for row in {*range(1, min(half, len(values))), *range(max(len(values) - half, 0), len(values) - 1)}:
        reach = min(row, len(values) - 1 - row)
        out[row] = np.median(values[row - reach : row + reach + 1])
    if len(values) > 2:  # a window of one row is no smoothing: the ends take their neighbour if that is lower
        out[0], out[-1] = min(out[0], out[1]), min(out[-1], out[-2])
    return out
