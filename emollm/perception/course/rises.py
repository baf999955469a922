"""Stretches in which a quantity rises, stays up and falls again, with hysteresis."""

from dataclasses import dataclass

import numpy as np

from emollm.perception.course.timeline import Array, Runs, Timeline, largest

_MERGE = 0.15
"""Seconds of a dip that does not end a rise."""


@dataclass(frozen=True)
class Rises:
    """R stretches, in time order; they do not overlap."""

    start: Array
    """(R,) seconds: the onset, between two frames where that can be told."""
    end: Array
    """(R,) seconds: the offset."""
    apex: Array
    """(R,) frame of the largest value."""
    cut: Array
    """(R,) how many of its ends, 0 to 2, lie where the face was not seen before or after."""

    def take(self, chosen: Array) -> "Rises":
        """Those of a mask or of indices."""
        return Rises(self.start[chosen], self.end[chosen], self.apex[chosen], self.cut[chosen])

    @property
    def length(self) -> Array:
        """(R,) seconds."""
        return self.end - self.start

    def __len__(self) -> int:
        return len(self.apex)


def rises(frames: Timeline, values: Array, top: float, bottom: float, shortest: float) -> Rises:
    """Stretches that reach ``top`` and stay above ``bottom``.

    Onset and offset are where the value crosses ``bottom``, interpolated between frames. A dip under it of less than 0.15
    seconds does not end a rise.

    Args:
        frames: (T,) times.
        values: (T,) without NaN.
        top: Least value at the apex.
        bottom: Value at which it begins and ends; less than ``top``.
        shortest: Least length in seconds.
    """
    runs = frames.runs(values >= bottom)
    runs = runs.take(largest(values, runs) >= top)
    start, end = _crossings(frames, values, runs, bottom)
    first, last, cut = runs
    if len(first) > 1:
        joined = start[1:] - end[:-1] < _MERGE
        begins, ends = np.concatenate([[True], ~joined]), np.concatenate([~joined, [True]])
        cut = np.add.reduceat(cut, np.flatnonzero(begins))
        start, end, first, last = start[begins], end[ends], first[begins], last[ends]
    long = end - start >= shortest
    start, end, first, last, cut = start[long], end[long], first[long], last[long], cut[long]
    apex = np.array([_top(values, low, high) for low, high in zip(first, last, strict=True)], dtype=int)
    return Rises(start, end, apex, cut)


def _top(values: Array, first: int, last: int) -> int:
    """Frame of the largest value from one frame to another; of several the middle one."""
    inside = values[first : last + 1]
    tops = np.flatnonzero(inside == inside.max())
    return int(first + tops[len(tops) // 2])


def _crossings(frames: Timeline, values: Array, runs: Runs, level: float) -> tuple[Array, Array]:
    """(R,), (R,) seconds at which runs above a level begin and end."""
    times, (first, last) = frames.times, frames.bounds

    def crossing(inside: Array, outside: Array) -> Array:
        share = (values[inside] - level) / np.where(
            inside == outside, 1.0, np.maximum(values[inside] - values[outside], 1e-9)
        )
        return np.where(inside == outside, times[inside], times[inside] + share * (times[outside] - times[inside]))

    before = np.maximum(runs.first - 1, first[runs.first])
    after = np.minimum(runs.last + 1, last[runs.last])
    return crossing(runs.first, before), crossing(runs.last, after)


def strongest(values: Array, most: int) -> Array:
    """Indices, rising, of the ``most`` largest values (R,)."""
    return np.sort(np.argsort(-values, kind="stable")[:most])
