"""From raw values to intensities over time, each person against their own calm face.

A face at rest is not zero, and differs from person to person. What a backend with spans gives is therefore counted from the
15th percentile of the clip, but from no more than a quarter of the unit's span above the span's own low end: somebody who
smiles all the time is not neutral. With less than two seconds of the face nothing is corrected. Values of other tools and
probabilities are reported as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emollm.facs import ABSENT, LIKELY, PRESENT
from emollm.perception.course.samples import Array, Samples
from emollm.perception.course.timeline import Timeline
from emollm.types import Scale

if TYPE_CHECKING:
    from emollm.perception.backends import Span

CLOSURE = ("AU43", "AU45", "AU46")
"""Units of the lids: what is quick in them is a blink, not noise to be smoothed away."""
SMOOTH = 0.15
"""Seconds of the running median that takes wild frames out of a unit; never under three frames."""
_CALM = 15
"""Percentile of a clip that stands for the person's calm face."""
_REACH = 0.25
"""Share of a unit's span by which the calm face may lie above the span's low end."""
_ENOUGH = 2.0
"""Seconds of the face from which on its calm level is known."""


class Bounds(NamedTuple):
    """Values from which on a unit counts."""

    present: float
    """It is there: an event reaches so much."""
    gone: float
    """An event is over below this."""
    moved: float
    """Least rise above the calm face that tells of a movement."""


def bounds(scale: Scale) -> Bounds:
    """The bounds of a scale; a probability is likely from one half."""
    return (
        Bounds(LIKELY, LIKELY / 2, LIKELY / 2) if scale is Scale.PROBABILITY else Bounds(PRESENT, PRESENT / 2, ABSENT)
    )


@dataclass(frozen=True)
class Level:
    """One unit over the frames in which it was measured."""

    code: str
    frames: Timeline
    """N of the person's T frames."""
    known: Array
    """(T,) which frames these are."""
    values: Array
    """(N,) float32 in [0, 1], freed of wild frames; for a unit with sides the larger one."""
    low: float
    high: float
    """Raw values at which the intensity is 0 and 1."""

    def scaled(self, raw: Array) -> Array:
        """Raw values on the scale of the level."""
        scaled: Array = np.clip((raw - np.float32(self.low)) / np.float32(self.high - self.low), 0, 1)
        return scaled

    def value(self, raw: float) -> float:
        """One raw value on the scale of the level."""
        return min(max((raw - self.low) / (self.high - self.low), 0.0), 1.0)

    def spread(self) -> Array:
        """(T,) the values over all the person's frames; NaN where it was not measured."""
        if len(self.values) == len(self.known):
            return self.values
        out = np.full(len(self.known), np.nan, np.float32)
        out[self.known] = self.values
        return out


def levels(samples: Samples, timeline: Timeline) -> Iterator[Level]:
    """Each unit that was measured in some frame."""
    for code, raw in samples.raw.items():
        known = np.isfinite(raw)
        if not known.any():
            continue
        frames = timeline.subset(known)
        values = raw if frames is timeline else raw[known]
        low, high = _span(values, None if samples.spans is None else samples.spans[code], frames.seconds)
        if code not in CLOSURE:
            sides = samples.sides.get(code, ())
            smoothed = [frames.median(side if frames is timeline else side[known], SMOOTH) for side in sides]
            values = np.maximum(*smoothed) if smoothed else frames.median(values, SMOOTH)
        level = Level(code, frames, known, values, low, high)
        yield Level(code, frames, known, level.scaled(values).astype(np.float32, copy=False), low, high)


def _span(raw: Array, span: "Span | None", seconds: float) -> tuple[float, float]:
    """Raw values of intensity 0 and 1 for this person."""
    if span is None:
        return 0.0, 1.0
    if seconds < _ENOUGH:
        return span.low, span.high
    calm = float(np.percentile(raw, _CALM))
    return min(max(calm, span.low), span.low + _REACH * (span.high - span.low)), span.high
