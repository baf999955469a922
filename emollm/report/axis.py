"""The time axis of a clip: how times are written, where ticks stand, and series as curves of an SVG.

A drawing is :data:`WIDTH` units wide, whatever the length of the clip, and is stretched to the width of the screen.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

WIDTH = 2400
"""Width of a drawing in units of its SVG: four for each of 600 points."""

STEPS: tuple[float, ...] = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 18000)
"""Seconds between ticks; each divides the next, so that closer ticks only add to wider ones."""

ROOMS: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
"""Widths of a plot, in multiples of the narrowest, for which ticks are laid out."""

_TICKS_A_ROOM = 5


class Tick(NamedTuple):
    """A time on the axis."""

    at: float
    """Percent of the width."""
    text: str
    room: int
    """Of :data:`ROOMS`, the least in which there is place for it."""


class Scale(NamedTuple):
    """How the values of a lane become heights, in units of the drawing from its upper edge."""

    top: float
    height: float
    low: float
    high: float
    logarithmic: bool = False

    def y(self, value: float) -> float:
        """Height of a value, kept within the lane."""
        low, high, value = (
            (math.log(max(number, 1e-3)) if self.logarithmic else number) for number in (self.low, self.high, value)
        )
        share = (min(max(value, low), high) - low) / (high - low)
        return self.top + self.height * (1 - share)


def clock(seconds: float) -> str:
    """A time for the eye, to a tenth of a second: ``3.4 s``, ``2:03.4``, ``1:02:03.4``."""
    tenths = _tenths(seconds)
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{tenths / 10:04.1f}"


def spoken(seconds: float) -> str:
    """A time for the ear: ``3.4 seconds``, ``2 minutes 3.4 seconds``."""
    minutes, tenths = divmod(_tenths(seconds), 600)
    hours, minutes = divmod(minutes, 60)
    parts = [
        f"{number} {name}{'' if number == 1 else 's'}"
        for number, name in ((hours, "hour"), (minutes, "minute"))
        if number
    ]
    return " ".join([*parts, f"{tenths / 10:.1f} seconds"])


def _tenths(seconds: float) -> int:
    """Tenths of a second, rounded as ``f"{seconds:.1f}"`` rounds them, so that all places that tell a time agree."""
    return round(round(seconds, 1) * 10)


def exact(seconds: float) -> str:
    """A duration to a tenth of a second: ``19.7 s``; ``0.04 s`` where that would be nothing."""
    return f"{seconds:.1f} s" if seconds >= 0.095 or not round(seconds, 3) else f"{seconds:.1g} s"


def length(seconds: float) -> str:
    """A duration in few letters: ``0.04 s``, ``4.0 s``, ``12 s``, ``2:03``, ``1:02:03``."""
    if seconds < 9.95:
        return exact(seconds)
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return (f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}") + f":{rest % 60:02d}"


def percent(seconds: float, duration: float) -> float:
    """Where a time stands, in percent of the clip, from 0 to 100."""
    return round(min(max(seconds / duration, 0.0), 1.0) * 100, 3)


def ticks(duration: float) -> tuple[Tick, ...]:
    """The ticks of a clip of that many seconds, for plots of every width of :data:`ROOMS`.

    The last tick is left out where it would stand closer to the end than half a step: its text would be cut off.
    """
    found: dict[float, Tick] = {}
    for room in ROOMS:
        step = next((step for step in STEPS if duration / step <= _TICKS_A_ROOM * room), STEPS[-1])
        for i in range(int(duration / step + 1e-9) + 1):
            time = round(i * step, 3)
            if time <= duration - 0.4 * step or not i:
                found.setdefault(time, Tick(percent(time, duration), _tick_text(time, duration), room))
    return tuple(found[time] for time in sorted(found))


def _tick_text(time: float, duration: float) -> str:
    if duration < 60:
        return f"{time:g} s"
    tenths = round(time * 10)
    minutes, tenths = divmod(tenths, 600)
    seconds = f"{tenths // 10:02d}" if tenths % 10 == 0 else f"{tenths / 10:04.1f}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds}" if duration >= 3600 else f"{minutes}:{seconds}"


def runs(values: Sequence[object | None]) -> Iterator[tuple[int, int]]:
    """First index, and index after the last, of each stretch without None."""
    start = None
    for i, value in enumerate(values):
        if value is not None and start is None:
            start = i
        if value is None and start is not None:
            yield start, i
            start = None
    if start is not None:
        yield start, len(values)


def curve(
    values: Sequence[float | None], start: float, step: float, duration: float, scale: Scale, *, filled: bool
) -> str:
    """SVG path data of a series; it is interrupted where nothing was measured.

    Args:
        values: One for each ``step`` seconds from ``start``; drawn in the middle of its step.
        start: Seconds.
        step: Seconds.
        duration: Seconds that the drawing is wide.
        scale: Of the lane.
        filled: Close each stretch along the lower edge of the lane.
    """
    unit = WIDTH / duration
    base = scale.top + scale.height
    path = []
    for first, after in runs(values):
        x, end = round((start + first * step) * unit, 1), round(min(start + after * step, duration) * unit, 1)
        heights = [round(scale.y(value), 1) for value in values[first:after] if value is not None]
        path.append(f"M{x:g} {base:g}V{heights[0]:g}" if filled else f"M{x:g} {heights[0]:g}")
        for i, y in enumerate(heights):
            middle = round(min(start + (first + i + 0.5) * step, duration) * unit, 1)
            path.append(f"L{middle:g} {y:g}")
        path.append(f"H{end:g}" + (f"V{base:g}Z" if filled else ""))
    return "".join(path)
