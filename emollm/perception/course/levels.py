"""From raw values to intensities over time, each person against their own calm face.

A face at rest is not zero, and differs from person to person. What a backend with spans gives is therefore counted from the
15th percentile of the clip, the person's calm. Where that lies above the span's low end (what nine in ten neutral faces stay
below), intensity counts from there, but from no more than a quarter of the span above the low end: somebody who smiles all the
time is not neutral. Where it lies below, a movement begins a quarter of the span above the calm: what others' faces may show
at rest is a movement in this one. Lids and gaze keep the span as it is; 1 is always what one face in a hundred exceeds.
With less than two seconds of the face nothing is corrected. Values of other tools and probabilities are reported as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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
GAZE = ("AU61", "AU62", "AU63", "AU64")
SMOOTH = 0.15
"""Seconds of the running median that takes wild frames out of a unit; never under three frames."""
_DOWN = (0.3, 0.6)
"""Intensities of AU64 from which on eyes begin to count as looking down, and do."""
_SHUTS = (0.33, 0.5)
"""Closure of the lesser eye that, while the eyes look down, is still the lids' following them, and that shuts the eyes. In a
clip of a woman downcast eyes read up to .33 on the lesser side, shut ones from .46 on (docs/perception.md)."""
_CALM = 15
"""Percentile of a clip that stands for the person's calm face."""
_REACH = 0.25
"""Share of a unit's span: how far the calm face may lie above the span's low end, and from where above a calmer face it counts."""
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
    counts: Array | None = None
    """(N,) share of the intensity that counts in each frame, where it is not all of it; ``values`` have it in them."""

    def share(self, frames: Array) -> float:
        """Share that counts over some of the person's T frames, in the median of those measured."""
        if self.counts is None or not len(chosen := frames[self.known[frames]]):
            return 1.0
        return float(np.median(self.counts[np.searchsorted(np.flatnonzero(self.known), chosen)]))

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
        low, high = _span(code, values, None if samples.spans is None else samples.spans[code], frames.seconds)
        if code not in CLOSURE:
            sides = samples.sides.get(code, ())
            smoothed = [frames.median(side if frames is timeline else side[known], SMOOTH) for side in sides]
            values = np.maximum(*smoothed) if smoothed else frames.median(values, SMOOTH)
        level = Level(code, frames, known, values, low, high)
        yield Level(code, frames, known, level.scaled(values).astype(np.float32, copy=False), low, high)


def lids_of(samples: Samples, levels: Mapping[str, Level]) -> Level | None:
    """AU43 without what of it is only the lids' following of eyes that look down; None where that cannot be told."""
    lids, down, sides = levels.get("AU43"), levels.get("AU64"), samples.sides.get("AU43")
    if lids is None or down is None or sides is None or samples.spans is None:
        return None
    lesser = np.minimum(*(lids.scaled(side[lids.known]) for side in sides))
    turned = _ramp(np.nan_to_num(down.spread()[lids.known]), *_DOWN)
    counts = (1 - turned * (1 - _ramp(lesser, *_SHUTS))).astype(np.float32)
    return replace(lids, values=lids.values * counts, counts=counts)


def _ramp(values: Array, low: float, high: float) -> Array:
    """0 up to ``low``, 1 from ``high`` on."""
    ramp: Array = np.clip((values - low) / (high - low), 0, 1)
    return ramp


def _span(code: str, raw: Array, span: "Span | None", seconds: float) -> tuple[float, float]:
    """Raw values of intensity 0 and 1 for this person."""
    if span is None:
        return 0.0, 1.0
    if seconds < _ENOUGH:
        return span.low, span.high
    calm = float(np.percentile(raw, _CALM))
    part = _REACH * (span.high - span.low)
    if calm >= span.low or code in CLOSURE or code in GAZE:
        return min(max(calm, span.low), span.low + part), span.high
    return min(span.low, calm + part), span.high
