"""The frames of one person: where they are cut apart, and filters that never reach across a cut.

Windows are given in seconds, so that 10 and 60 frames a second give the same result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BRIDGE = 0.5
"""Seconds between two frames beyond which nothing is said of what lies between them."""


class Runs(NamedTuple):
    """Stretches of neighbouring frames, in time order."""

    first: Array
    """(R,) frame at which each begins."""
    last: Array
    """(R,) its last frame."""
    cut: Array
    """(R,) how many of its ends, 0 to 2, lie where the face was not seen before or after: it may have been longer."""

    def take(self, chosen: Array) -> "Runs":
        """Those of a mask or of indices."""
        return Runs(self.first[chosen], self.last[chosen], self.cut[chosen])


@dataclass(frozen=True)
class Timeline:
    """Times of T frames, cut where two of them are more than :data:`BRIDGE` apart."""

    times: Array
    """(T,) float64 seconds, rising; at least one."""

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """(T,), (T,) first and last frame of the part that each frame lies in."""
        cuts = np.flatnonzero(np.diff(self.times) > BRIDGE) + 1
        starts = np.concatenate([[0], cuts])
        sizes = np.diff(np.concatenate([starts, [len(self.times)]]))
        return np.repeat(starts, sizes).astype(np.int32), np.repeat(starts + sizes - 1, sizes).astype(np.int32)

    @cached_property
    def step(self) -> float:
        """Seconds between two frames, in the median; 0 for one frame."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0

    @cached_property
    def seconds(self) -> float:
        """How long the face is seen, without what lies between the parts."""
        gaps = np.diff(self.times)
        return float(gaps[gaps <= BRIDGE].sum())

    def subset(self, chosen: Array) -> "Timeline":
        """The frames of a (T,) mask; the same object if that is all of them."""
        return self if chosen.all() else Timeline(self.times[chosen])

    def width(self, seconds: float, least: int = 1) -> int:
        """The odd number of frames that is nearest to a window."""
        if self.step <= 0:
            return 1
        return max(2 * round((seconds / self.step - 1) / 2) + 1, least)

    def median(self, values: Array, seconds: float, least: int = 3) -> Array:
        """Running median (T,); near a cut the window is moved inwards, so that one wild frame is dropped there too."""
        width = self.width(seconds, least)
        if width < 3 or len(values) < 3:
            return values
        first, last = self.bounds
        at = np.arange(len(values), dtype=np.int32) - width // 2
        at = np.clip(at, first, np.maximum(last - width + 1, first))
        windows = values[np.minimum(at[:, None] + np.arange(width, dtype=np.int32), last[:, None])]  # (T, width)
        return np.median(windows, axis=1).astype(values.dtype)

    def mean(self, values: Array, seconds: float) -> Array:
        """Running mean (T,); near a cut the window is cut too."""
        half = self.width(seconds) // 2
        first, last = self.bounds
        at = np.arange(len(values))
        sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        low, high = np.maximum(at - half, first), np.minimum(at + half, last) + 1
        return ((sums[high] - sums[low]) / (high - low)).astype(np.float32)

    def short_rises(self, values: Array, seconds: float) -> Array:
        """(T,) how far values stand above their surroundings in what lasts less than a window (a white top-hat)."""
        half = max(self.width(seconds) // 2, 1)
        floor = self._extreme(np.maximum, self._extreme(np.minimum, values, half), half)
        return values - floor

    def _extreme(self, of: Any, values: Array, half: int) -> Array:
        first, last = self.bounds
        at = np.arange(len(values), dtype=np.int32)
        out = values
        for offset in range(1, half + 1):
            out = of(out, of(values[np.maximum(at - offset, first)], values[np.minimum(at + offset, last)]))
        return out

    def runs(self, mask: Array) -> Runs:
        """Stretches in which a (T,) mask holds; a cut ends them."""
        first, last = self.bounds
        at = np.arange(len(mask))
        before = np.concatenate([[False], mask[:-1]]) & (at > first)
        after = np.concatenate([mask[1:], [False]]) & (at < last)
        starts, ends = np.flatnonzero(mask & ~before), np.flatnonzero(mask & ~after)
        cut = (starts == first[starts]).astype(int) + (ends == last[ends])
        return Runs(starts, ends, cut)

    def around(self, time: float, seconds: float, without: Array) -> Array:
        """Frames of the same part within so many seconds of the frame nearest to a time.

        Args:
            time: In seconds.
            seconds: To either side.
            without: (T,) frames to leave out, unless there are no others.
        """
        at = int(np.abs(self.times - time).argmin())
        first, last = (int(bound[at]) for bound in self.bounds)
        near = np.flatnonzero(np.abs(self.times[first : last + 1] - self.times[at]) <= seconds + 1e-6) + first
        return near if without[near].all() else near[~without[near]]

    def during(self, spans: Sequence[tuple[float, float]]) -> Array:
        """(T,) which frames lie in one of the spans of (start, end) seconds."""
        inside = np.zeros(len(self.times), dtype=bool)
        for start, end in spans:
            inside[np.searchsorted(self.times, start) : np.searchsorted(self.times, end, side="right")] = True
        return inside


def largest(values: Array, runs: Runs) -> Array:
    """(R,) largest value of each run."""
    if not len(runs.first):
        return np.zeros(0, values.dtype)
    edges = np.stack([runs.first, runs.last + 1], axis=1).ravel()
    return np.maximum.reduceat(np.append(values, values[-1:]), edges)[::2]
