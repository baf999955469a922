"""Blinks, winks and closed eyes.

A blink is quick: at 24 frames a second one or two frames show the lids on their way, and none shows them shut, so the
intensity of a still face misses most blinks. They are found as what rises by 0.12 of the raw closure above its surroundings (the
geometric mean of both eyes) and is over within half a second; a rise of 0.4 counts as 1. What lasts longer is an eye
closure, on the scale of the still face; lids that follow eyes that look down do not close them. One eye that does it alone,
in a face seen from the front, winks.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from emollm.facs import LIKELY, PRESENT
from emollm.perception.course.cues import ANGLES, FRONTAL
from emollm.perception.course.levels import CLOSURE, SMOOTH, Level, bounds, levels
from emollm.perception.course.rises import Rises, rises
from emollm.perception.course.samples import Array, Samples
from emollm.perception.course.timeline import Timeline
from emollm.types import CueKind, Scale

_BLINK, _WINK = 0.5, 1.0
"""Seconds in which a blink, a wink is over (FACS: AU45 is at most half a second, else AU43)."""
_FULL = 0.4
"""Rise of the raw closure that is a full blink. The five blinks of a clip rose by .126 to .356 at 12, 24, 30 and 60 frames
a second, and nothing else in it by .114 (docs/perception.md)."""
GAZE_UNITS = ("AU61", "AU62", "AU63", "AU64")
"""Units of where the eyes look: left, right, up, down."""
_ALONE = 1 / 3
"""Share of a wink that the other eye may join in."""


class Closing(NamedTuple):
    """Rises of the lids' closure: blinks, winks, or eyes that stay closed."""

    code: str
    """AU45, AU46 or AU43."""
    rises: Rises
    """Its frames are those of ``Eyes.frames``."""
    values: Array
    """(R,) strength in [0, 1], or probability."""
    sides: tuple[Array, Array] | None
    """(R,), (R,) left and right of the same."""
    raw: Array
    """(R,) what the backend gave at the apex."""


class Eyes(NamedTuple):
    """What the lids do over a clip."""

    frames: Timeline
    """The frames in which they were measured."""
    blinks: Closing
    closed: Closing
    winks: Closing | None
    blinking: Array
    """(T,) which of all the person's frames lie in a blink or a wink."""
    shut: Array
    """(T,) in which frames both eyes are closed: they show no gaze."""


def eyes_of(samples: Samples, timeline: Timeline, units: Mapping[str, Level]) -> Eyes | None:
    """What the lids do; None if nothing measured them."""
    code = next((code for code in CLOSURE if code in units), None)
    if code is None:
        return None
    level = units[code]
    sides = samples.sides.get(code)
    raw = tuple(side[level.known] for side in sides) if sides else (samples.raw[code][level.known],)
    scaled = [level.scaled(side) * (1 if level.counts is None else level.counts) for side in raw]
    both = np.minimum(*scaled) if len(scaled) == 2 else scaled[0]
    closed = _closed(samples.scale, level, raw, scaled)
    blinks = _blinks(samples.scale, level.frames, raw)
    blinks = _without(blinks, closed.rises)
    winks = _winks(samples, level, raw) if len(raw) == 2 and samples.scale is Scale.INTENSITY else None
    margin = max(timeline.step, SMOOTH) / 2  # what moves with the lids is smoothed over so much
    spans = [
        (float(start) - margin, float(end) + margin)
        for quick in (blinks, winks)
        if quick is not None
        for start, end in zip(quick.rises.start, quick.rises.end, strict=True)
    ]
    blinking = timeline.during(spans)
    shut = np.zeros(len(timeline.times), dtype=bool)
    shut[level.known] = both >= bounds(samples.scale).present
    return Eyes(level.frames, blinks, closed, winks, blinking, shut)


def open_eyed(samples: Samples, timeline: Timeline, eyes: Eyes) -> tuple[Samples, dict[str, Level]]:
    """The samples without gaze where the eyes are shut, and the levels of the units of gaze that are left."""
    if not eyes.shut.any():
        return samples, {}
    raw = {code: np.where(eyes.shut, np.nan, samples.raw[code]) for code in GAZE_UNITS if code in samples.raw}
    angles = {
        name: np.where(eyes.shut, np.nan, degrees) if ANGLES[name] is CueKind.GAZE else degrees
        for name, degrees in samples.angles.items()
    }
    kept: Mapping[str, Array] = ChainMap(raw, samples.raw)  # type: ignore[arg-type]  # the second is only read
    seen = replace(samples, raw=kept, angles=angles)
    return seen, {level.code: level for level in levels(replace(seen, raw=raw), timeline)}


def _blinks(scale: Scale, frames: Timeline, raw: tuple[Array, ...]) -> Closing:
    """Rises of less than half a second that begin and end in sight."""
    each = [frames.short_rises(side, _BLINK) for side in raw]
    risen = np.sqrt(each[0] * each[1]) if len(each) == 2 else each[0]
    both = np.minimum(*raw) if len(raw) == 2 else raw[0]
    if scale is Scale.PROBABILITY:
        found = rises(frames, np.where(both >= LIKELY / 2, risen, 0.0), LIKELY / 2, LIKELY / 4, 0.0)
        found = found.take((found.cut == 0) & (both[found.apex] >= LIKELY) & (found.length <= _BLINK))
        return Closing("AU45", found, both[found.apex], None, both[found.apex])
    strength = risen / _FULL
    found = rises(frames, strength, PRESENT, PRESENT / 2, 0.0)
    found = found.take((found.cut == 0) & (found.length <= _BLINK))
    sides = None
    if len(raw) == 2:
        left, right = (np.clip(side[found.apex] / _FULL, 0, 1) for side in each)
        sides = left, right
    values = np.maximum(*sides) if sides is not None else np.clip(strength[found.apex], 0, 1)
    return Closing("AU45", found, values, sides, np.maximum.reduce([side[found.apex] for side in raw]))


def _closed(scale: Scale, level: Level, raw: tuple[Array, ...], scaled: list[Array]) -> Closing:
    """Both eyes closed for longer than a blink."""
    limits = bounds(scale)
    both = np.minimum(*scaled) if len(scaled) == 2 else scaled[0]
    found = rises(level.frames, both, limits.present, limits.gone, _BLINK)
    at = found.apex
    sides = (scaled[0][at], scaled[1][at]) if len(scaled) == 2 else None
    values = np.maximum(*sides) if sides is not None else both[at]
    return Closing("AU43", found, values, sides, np.maximum.reduce([side[at] for side in raw]))


def _winks(samples: Samples, level: Level, raw: tuple[Array, ...]) -> Closing:
    """One eye that closes and opens alone."""
    frames = level.frames
    left, right = (frames.short_rises(side, _WINK) / _FULL for side in raw)
    more, less = np.maximum(left, right), np.minimum(left, right)
    alone = less < _ALONE * more
    for name in ("yaw", "roll"):
        if (angle := samples.angles.get(name)) is not None:
            alone &= np.abs(np.nan_to_num(angle[level.known], nan=90.0)) <= FRONTAL
    found = rises(frames, np.where(alone, more, 0.0), 2 * PRESENT, PRESENT, 0.1)
    found = found.take((found.cut == 0) & (found.length <= _WINK))
    at = found.apex
    sides = np.clip(left[at], 0, 1), np.clip(right[at], 0, 1)
    return Closing("AU46", found, np.maximum(*sides), sides, np.maximum.reduce([side[at] for side in raw]))


def _without(blinks: Closing, closed: Rises) -> Closing:
    """The blinks outside of longer closures."""
    middle = (blinks.rises.start + blinks.rises.end) / 2
    kept = np.ones(len(middle), dtype=bool)
    for start, end in zip(closed.start, closed.end, strict=True):
        kept &= (middle < start) | (middle > end)
    sides = None if blinks.sides is None else (blinks.sides[0][kept], blinks.sides[1][kept])
    return Closing(blinks.code, blinks.rises.take(kept), blinks.values[kept], sides, blinks.raw[kept])
