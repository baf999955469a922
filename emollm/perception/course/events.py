"""Events: units that rise and fall, heads and eyes that turn, blinks."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from emollm.facs import UNITS
from emollm.perception.course.cues import ANGLES, Recorder, rounded
from emollm.perception.course.eyes import Closing, Eyes
from emollm.perception.course.levels import CLOSURE, SMOOTH, Level, bounds
from emollm.perception.course.rises import Rises, rises, strongest
from emollm.perception.course.samples import Array, Samples
from emollm.perception.course.settings import CourseSettings
from emollm.perception.course.timeline import Timeline
from emollm.types import Cue, CueKind, Extent, Missing, Scale

_SHORTEST = 0.12
"""Seconds from which on a rise of a unit is an event."""
_TURNED = {CueKind.HEAD_POSE: 12.0, CueKind.GAZE: 20.0}
"""Degrees from which on a head, eyes are turned. Degrees of gaze are not calibrated: glances that can hardly be seen read 15."""
_TOWARDS = {("gaze_yaw", 1): "AU61", ("gaze_yaw", -1): "AU62", ("gaze_pitch", 1): "AU63", ("gaze_pitch", -1): "AU64"}
"""The unit that says the same as an angle of gaze to one side, measured otherwise."""
_AGREES = 0.15
"""Raw value by which that unit stands above its own median during a glance."""
_TURN = 0.3
"""Seconds from which on a turn is an event."""
_STEADY = 0.2
"""Seconds of the running median that angles are freed of noise with."""
_BACK = 2 / 3
"""Share of those degrees below which the turn is over."""
_BLINK_RATE_SECONDS, _BLINK_RATE_FRAMES = 5.0, 12.0
"""Seconds of the face and frames a second that a blink rate needs: slower, blinks are lost between two frames."""


def events_of(
    samples: Samples, timeline: Timeline, levels: Iterable[Level], eyes: Eyes | None, settings: CourseSettings
) -> Iterator[Cue | Missing]:
    """Rises of units, blinks, turns of the head and the eyes; the strongest ones of each, and how many were left out."""
    finder = _Finder(samples, timeline, settings)
    for level in levels:
        if level.code not in CLOSURE and UNITS[level.code].speech_weight > 0:
            yield from finder.unit(level)
    if eyes is not None:
        for closing in (eyes.closed, eyes.blinks, eyes.winks):
            if closing is not None:
                yield from finder.closing(eyes, closing)
    for name in ANGLES:
        if name in samples.angles:
            yield from finder.turns(name, None if eyes is None else eyes.blinking)
    yield from finder.left_out()


def blink_rate(samples: Samples, timeline: Timeline, eyes: Eyes | None) -> Cue | Missing:
    """Blinks a second of the face, or why that cannot be told."""
    if eyes is None:
        hidden = any(code in samples.raw for code in CLOSURE)
        reason = "the eyes are never seen" if hidden else f"eye closure is not measured by {samples.source.backend}"
    elif (seen := eyes.frames.seconds + eyes.frames.step) < _BLINK_RATE_SECONDS - 1e-3:
        seconds = math.floor(100 * seen + 1e-6) / 100
        reason = f"the eyes are seen for {seconds:.2f} s, it needs {_BLINK_RATE_SECONDS:g} s"
    elif eyes.frames.step * _BLINK_RATE_FRAMES > 1.01:
        rate = 1 / eyes.frames.step
        reason = (
            f"measured at {rate:.1f} frames a second, it needs {_BLINK_RATE_FRAMES:g}: some blinks fall between two"
        )
    else:
        rate = len(eyes.blinks.rises) / seen
        start, end = timeline.times[[0, -1]].tolist()
        return Recorder(samples).whole("blink_rate", Scale.RATE, rate, start, end)
    return Missing(stream="blink_rate", reason=reason, track=samples.track)


class _Finder:
    """Finds events and remembers how many were left out."""

    def __init__(self, samples: Samples, timeline: Timeline, settings: CourseSettings) -> None:
        self._samples, self._timeline = samples, timeline
        self._most = settings.max_events
        self._recorder = Recorder(samples)
        self._dropped: dict[str, int] = {}

    def unit(self, level: Level) -> Iterator[Cue]:
        """Rises of a unit."""
        limits = bounds(self._samples.scale)
        found = rises(level.frames, level.values, limits.present, limits.gone, _SHORTEST)
        found = self._kept(level.code, found, level.values[found.apex])
        frames = np.flatnonzero(level.known)
        raw, sides = self._samples.raw[level.code], self._samples.sides.get(level.code)
        width = level.frames.width(SMOOTH, 3) // 2
        for number, apex in enumerate(found.apex, start=1):
            around = frames[_near(level.frames, int(apex), width)]
            both = None
            if sides is not None:
                left, right = (level.value(float(np.median(side[around]))) for side in sides)
                both = left, right
            yield self._recorder.unit(
                level.code,
                float(level.values[apex]),
                frames[[apex]],
                sides=both,
                raw=float(np.median(raw[around])) if self._samples.spans is not None else None,
                **self._when(found, number, level.frames),
            )

    def closing(self, eyes: Eyes, closing: Closing) -> Iterator[Cue]:
        """Blinks, winks or closed eyes."""
        chosen = strongest(closing.values, self._most)
        self._count(closing.code, len(closing.values) - len(chosen))
        found = closing.rises.take(chosen)
        frames = np.searchsorted(self._timeline.times, eyes.frames.times[found.apex])
        for number, index in enumerate(chosen, start=1):
            yield self._recorder.unit(
                closing.code,
                float(closing.values[index]),
                frames[[number - 1]],
                sides=None
                if closing.sides is None
                else (float(closing.sides[0][index]), float(closing.sides[1][index])),
                raw=float(closing.raw[index]) if self._samples.scale is Scale.INTENSITY else None,
                **self._when(found, number, eyes.frames),
            )

    def turns(self, name: str, blinking: Array | None) -> Iterator[Cue]:
        """Turns to either side that begin or end in sight; what lasts all the time is how the person is held, not a turn."""
        measured = self._samples.angles[name]
        known = np.isfinite(measured)
        if blinking is not None and ANGLES[name] is CueKind.GAZE:
            known = known & ~blinking
        if not known.any():
            return
        frames = self._timeline.subset(known)
        smooth = frames.median(measured[known], _STEADY)
        least = _TURNED[ANGLES[name]]
        both = [rises(frames, sign * smooth, least, least * _BACK, _TURN) for sign in (1, -1)]
        found = Rises(
            *(np.concatenate([getattr(part, field) for part in both]) for field in ("start", "end", "apex", "cut"))
        )
        found = found.take(np.argsort(found.start, kind="stable"))
        found = found.take(found.cut < 2)
        if ANGLES[name] is CueKind.GAZE:
            found = found.take(self._agrees(name, found, smooth, frames))
        found = self._kept(name, found, np.abs(smooth[found.apex]))
        at = np.flatnonzero(known)
        for number, apex in enumerate(found.apex, start=1):
            when = self._when(found, number, frames)
            degrees = float(smooth[apex])
            if ANGLES[name] is CueKind.GAZE:  # not calibrated: what lasts is worth more than the extreme
                degrees = float(np.median(smooth[frames.during([(found.start[number - 1], found.end[number - 1])])]))
            yield self._recorder.angle(name, degrees, at[[apex]], **when)

    def _agrees(self, name: str, found: Rises, smooth: Array, frames: Timeline) -> Array:
        """(R,) glances that the unit of the same direction tells of too, where the own backends measure one."""
        agree = np.ones(len(found), dtype=bool)
        for number, apex in enumerate(found.apex):
            raw = self._samples.raw.get(_TOWARDS[name, 1 if smooth[apex] > 0 else -1])
            if raw is None or self._samples.spans is None or not np.isfinite(raw).any():
                continue
            during = raw[self._timeline.during([(found.start[number], found.end[number])])]
            during = during[np.isfinite(during)]
            agree[number] = bool(len(during)) and float(np.median(during) - np.nanmedian(raw)) >= _AGREES
        return agree

    def left_out(self) -> Iterator[Missing]:
        """How many weaker events were left out, if any."""
        if self._dropped:
            counts = ", ".join(f"{count} of {name}" for name, count in self._dropped.items())
            reason = f"weaker ones than the course.max_events={self._most} strongest are left out: {counts}"
            yield Missing(stream="events", reason=reason, track=self._samples.track)

    def _kept(self, name: str, found: Rises, values: Array) -> Rises:
        chosen = strongest(values, self._most)
        self._count(name, len(found) - len(chosen))
        return found.take(chosen)

    def _count(self, name: str, dropped: int) -> None:
        if dropped:
            self._dropped[name] = dropped

    def _when(self, found: Rises, number: int, frames: Timeline) -> dict[str, object]:
        start, end = rounded(found.start[number - 1]), rounded(found.end[number - 1])
        peak = min(max(rounded(frames.times[found.apex[number - 1]]), start), end)
        return {"extent": Extent.EVENT, "start": start, "end": end, "peak": peak, "number": number}


def _near(frames: Timeline, at: int, half: int) -> slice:
    """The window of the running median around a frame."""
    first, last = (int(bound[at]) for bound in frames.bounds)
    low = min(max(at - half, first), max(last - 2 * half, first))
    return slice(low, min(low + 2 * half, last) + 1)
