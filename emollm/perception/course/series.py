"""Quantities over time on an even grid, thinned for pictures."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from emollm.facs import ABSENT
from emollm.perception.course.cues import ANGLES, rounded
from emollm.perception.course.levels import Level
from emollm.perception.course.samples import Array, Samples
from emollm.types import CueKind, Scale, Series, Source


def series_step(duration: float) -> float:
    """Seconds between the points of a series: a tenth, or more so that a clip of any length has at most some 600 points."""
    return max(0.1, math.ceil(duration / 6) / 100)


def series_of(samples: Samples, levels: Mapping[str, Level], step: float) -> Iterator[Series]:
    """Series of the units that are not absent all the time, and of all angles."""
    grid = Grid(samples.times, step)
    for level in levels.values():
        if level.values.max() >= ABSENT:
            yield grid.series(
                CueKind.ACTION_UNIT, level.code, samples.scale, level.spread(), samples.track, samples.source
            )
    for name, kind in ANGLES.items():
        if name in samples.angles and np.isfinite(samples.angles[name]).any():
            yield grid.series(kind, name, Scale.DEGREES, samples.angles[name], samples.track, samples.bearing)


class Grid:
    """Steps of equal length that cover some times.

    Args:
        times: (T,) seconds, rising; at least one.
        step: Seconds of a step; the first begins at a multiple of it.
    """

    def __init__(self, times: Array, step: float) -> None:
        index = np.floor(times / step + 1e-6).astype(int)
        self._start, self._step = int(index[0]), step
        self._count = int(index[-1] - index[0]) + 1
        self._filled, self._first = np.unique(index - index[0], return_index=True)

    def series(
        self, kind: CueKind, name: str, scale: Scale, values: Array, track: str | None, source: Source
    ) -> Series:
        """The series of (T,) values: the median of each step for degrees, else the largest; NaN counts as not measured."""
        angle = scale is Scale.DEGREES
        if angle:
            steps = np.split(values, self._first[1:])
            thin = [float(np.median(known)) if len(known := part[np.isfinite(part)]) else math.nan for part in steps]
        else:
            thin = np.fmax.reduceat(values, self._first).tolist()
        points: list[float | None] = [None] * self._count
        for index, value in zip(self._filled.tolist(), thin, strict=True):
            points[index] = None if math.isnan(value) else rounded(value, 1 if angle else 3)
        return Series(
            kind=kind,
            name=name,
            scale=scale,
            track=track,
            start=rounded(self._start * self._step),
            step=self._step,
            values=tuple(points),
            source=source,
        )
