"""Stretches of a clip in which there are no frames."""

import heapq
from array import array

import numpy as np

Gap = tuple[float, float]
"""Start and end, in seconds from the clip's zero."""

SHORTEST_GAP = 1.0
"""Seconds beyond the usual interval from which a gap is told."""

MOST_GAPS = 20

_MOST_STEPS = 10_000
"""Intervals of which the usual one is the median."""


class Gaps:
    """The longest gaps, kept while times go by; memory does not grow with the clip."""

    def __init__(self) -> None:
        self._steps = array("d")
        self._longest: list[tuple[float, float]] = []

    def step(self, before: float, after: float) -> None:
        """Takes the times of two frames that follow each other."""
        if len(self._steps) < _MOST_STEPS:
            self._steps.append(after - before)
        self.add(before, after)

    def add(self, start: float, end: float) -> None:
        """Takes a stretch without frames, if it is among the longest."""
        length = end - start
        if length <= SHORTEST_GAP:
            return
        if len(self._longest) < MOST_GAPS:
            heapq.heappush(self._longest, (length, start))
        else:
            heapq.heappushpop(self._longest, (length, start))

    def longest(self) -> tuple[Gap, ...]:
        """In order of time; a frame counts as shown for the usual interval, and what is usual is no gap."""
        usual = float(np.median(self._steps)) if self._steps else 0.0
        least = max(usual + SHORTEST_GAP, 2 * usual)
        return tuple(
            (start + usual, start + length)
            for length, start in sorted(self._longest, key=lambda gap: gap[1])
            if length > least
        )
