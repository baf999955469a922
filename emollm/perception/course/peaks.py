"""The moments at which a face is most expressive.

Score = Σ w · max(0, x − reference) over the units, smoothed over five frames of a video (0.2 seconds). Weights are those of
``facs.yaml``: blinks and gaze never count, mouth units little while speech is heard. The reference is the median of the
clip, but at most the value from which on a unit counts as present, so that a smile held for most of a clip stays an
expression. To somebody who speaks open lips are nothing special: there the units that speech moves most are counted from
the plain median. Moments are local maxima at least 0.4 seconds apart, with a dip between them.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from emollm.facs import UNITS
from emollm.perception.course.cues import rounded
from emollm.perception.course.levels import Level, bounds
from emollm.perception.course.samples import Array, Samples
from emollm.perception.course.settings import CourseSettings
from emollm.perception.course.timeline import Timeline
from emollm.types import Peak

_SMOOTH = 0.2
_APART = 0.4
"""Seconds between two moments."""
_DIP = 0.75
"""Share of the lesser moment's rise that lies between it and a greater one at most. Rise: the score above its lowest."""
_FURTHER = 1 / 3
"""Share of the greatest rise that a further moment reaches, and of its own at which a moment begins and ends."""
_REST = 1 / 8
"""Share of a moment's rise below which the face is at rest: a dip that stays above it does not end the movement."""
_INSTANT = 0.1
"""Seconds of rest that end a movement."""
_EXPRESSIVE = 0.5
"""Weight in speech from which on a unit that is held counts though the person speaks."""
_CALM = 15
"""Percentile of a unit from which its movement is judged."""
_SHARE = 0.1
"""Share of the score that a unit makes to be named."""
AROUND = 0.1
"""Seconds before and after the apex that tell the values of a moment."""


class Moments(NamedTuple):
    """The moments of one person, the main one first, and where their values are read."""

    peaks: tuple[Peak, ...]
    frames: Array
    """The frames within 0.1 seconds of the main apex."""


class _Score(NamedTuple):
    values: Array
    """(T,) float32, smoothed; over a blink the line between before and after."""
    references: dict[str, float]
    calm: dict[str, float]


def moments_of(
    samples: Samples,
    timeline: Timeline,
    levels: Mapping[str, Level],
    speaking: Array,
    heard: Array,
    blinking: Array,
    settings: CourseSettings,
) -> Moments:
    """The most expressive moments.

    Args:
        samples: The person.
        timeline: (T,) times.
        levels: Units over time.
        speaking: (T,) frames in which mouth units count little.
        heard: (T,) frames in which speech is heard.
        blinking: (T,) frames of blinks, which are never a moment.
        settings: How many moments.

    Returns:
        At least one moment: where nothing moves it has a ``reason``.
    """
    if len(timeline.times) == 1:
        return _moment(timeline, 0, blinking, reason="a single frame")
    spread = {code: level.spread() for code, level in levels.items() if UNITS[code].speech_weight > 0}
    score = _score(samples, timeline, spread, speaking, blinking)
    moved = bounds(samples.scale).moved
    main: list[int] = []
    peaks: list[Peak] = []
    risen = score.values - score.values.min()
    for at in _candidates(timeline, risen, blinking):
        if main and risen[at] < _FURTHER * risen[main[0]]:
            break
        if not _is_apart(timeline, risen, at, main):
            continue
        units = _units(spread, score, at, bool(speaking[at]), moved)
        if not units:
            if not main:
                break
            continue
        main.append(at)
        peaks.append(_peak(timeline, score.values, at, units, bool(heard[at])))
        if len(main) == settings.max_peaks:
            break
    if not main:
        at, how = _clearest(samples, timeline, blinking)
        only = "only the mouth moves, as in speech" if speaking.any() and _any_moves(spread, score, moved) else None
        reason = f"{only or 'no movement'}: {how}"
        return _moment(timeline, at, blinking, reason=reason, score=float(score.values[at]), heard=bool(heard[at]))
    return Moments(
        tuple(_bounded(timeline, risen, main, peaks)),
        timeline.around(float(timeline.times[main[0]]), AROUND, blinking),
    )


def _score(
    samples: Samples, timeline: Timeline, spread: Mapping[str, Array], speaking: Array, blinking: Array
) -> _Score:
    total = np.zeros(len(timeline.times), np.float32)
    references, calm = {}, {}
    present = bounds(samples.scale).present
    for code, values in spread.items():
        low, middle = np.nanpercentile(values, [_CALM, 50])
        weight = UNITS[code].speech_weight
        held = weight >= _EXPRESSIVE or not speaking.any()
        references[code] = float(min(middle, present) if held else middle)
        calm[code] = float(low)
        above = np.nan_to_num(np.maximum(values - np.float32(references[code]), 0))
        total += np.where(speaking, np.float32(weight), np.float32(1)) * above
    if blinking.any() and not blinking.all():
        total[blinking] = np.interp(timeline.times[blinking], timeline.times[~blinking], total[~blinking])
    return _Score(timeline.mean(total, _SMOOTH), references, calm)


def _candidates(timeline: Timeline, values: Array, blinking: Array) -> Iterator[int]:
    """Local maxima, greatest first; of a plateau its middle; beside a blink rather than in it."""
    first, last = timeline.bounds
    changes = np.concatenate([[True], values[1:] != values[:-1]]) | (np.arange(len(values)) == first)
    starts = np.flatnonzero(changes)
    ends = np.append(starts[1:] - 1, len(values) - 1)
    rises = (starts == first[starts]) | (values[starts] > values[starts - 1])
    falls = (ends == last[ends]) | (values[ends] > values[np.minimum(ends + 1, len(values) - 1)])
    tops = ((starts + ends) // 2)[rises & falls]
    for top in tops[np.argsort(-values[tops], kind="stable")]:
        if not blinking[top]:
            yield int(top)
        elif len(open_eyed := np.flatnonzero(~blinking[first[top] : last[top] + 1])):
            near = open_eyed + first[top]
            yield int(near[np.abs(timeline.times[near] - timeline.times[top]).argmin()])


def _is_apart(timeline: Timeline, values: Array, at: int, chosen: list[int]) -> bool:
    """Whether a moment is far enough from those chosen, with a dip in between."""
    if any(abs(timeline.times[at] - timeline.times[other]) < _APART for other in chosen):
        return False
    first, last = (int(bound[at]) for bound in timeline.bounds)
    near = sorted(other for other in chosen if first <= other <= last)
    left = max((other for other in near if other < at), default=None)
    right = min((other for other in near if other > at), default=None)
    return all(
        other is None or values[min(at, other) : max(at, other) + 1].min() <= _DIP * values[at]
        for other in (left, right)
    )


def _units(spread: Mapping[str, Array], score: _Score, at: int, speaking: bool, moved: float) -> tuple[str, ...]:
    """The units that make the score at a frame, most first; empty if none of them has moved."""
    parts: dict[str, float] = {}
    moves = False
    for code, values in spread.items():
        value = float(np.nan_to_num(values[at]))
        weight = UNITS[code].speech_weight if speaking else 1.0
        risen = value - score.calm[code]
        moves |= weight * risen >= moved
        if risen >= moved and value > score.references[code]:
            parts[code] = weight * (value - score.references[code])
    least = _SHARE * sum(parts.values())
    ranked = sorted((code for code in parts if parts[code] >= least), key=lambda code: -parts[code])
    return tuple(ranked) if moves else ()


def _any_moves(spread: Mapping[str, Array], score: _Score, moved: float) -> bool:
    return any(float(np.nanmax(values)) - score.calm[code] >= moved for code, values in spread.items())


def _peak(timeline: Timeline, values: Array, at: int, units: tuple[str, ...], heard: bool) -> Peak:
    time = rounded(timeline.times[at])
    score = rounded(max(float(values[at]), 0.0))
    return Peak(time=time, start=time, end=time, score=score, units=units, speaking=heard)


def _bounded(timeline: Timeline, values: Array, main: list[int], peaks: list[Peak]) -> Iterator[Peak]:
    """The moments with onset and offset: where, coming from rest, the score (T,) reaches a third of theirs, and leaves it.

    Moments that lie within each other's bounds are heights of one movement and have its bounds: those of the greatest. A
    lesser moment on the slope of a greater one, which ends before it, is bounded by the valley in between.
    """
    spans = {at: _span(timeline, values, at) for at in main}
    for at, peak in zip(main, peaks, strict=True):
        greater = main[: main.index(at)]
        same = [other for other in greater if _within(at, spans[other]) and _within(other, spans[at])]
        low, high = spans[at]
        if same:
            low, high = spans[same[0]]
        else:
            for other in greater:
                if low <= other < at:
                    low = other + int(values[other : at + 1].argmin())
                elif at < other <= high:
                    high = at + int(values[at : other + 1].argmin())
        spans[at] = low, high
        start, end = rounded(timeline.times[low]), rounded(timeline.times[high])
        yield peak.model_copy(update={"start": min(start, peak.time), "end": max(end, peak.time)})


def _span(timeline: Timeline, values: Array, at: int) -> tuple[int, int]:
    """Onset and offset of the movement that a moment is part of: it goes on until the score is near rest."""
    first, last = (int(bound[at]) for bound in timeline.bounds)
    rest = timeline.runs(values < _REST * values[at])
    rest = rest.take(timeline.times[rest.last] - timeline.times[rest.first] + timeline.step >= _INSTANT)
    before, after = (
        rest.last[(rest.last < at) & (rest.last >= first)],
        rest.first[(rest.first > at) & (rest.first <= last)],
    )
    low = int(before[-1]) if len(before) else first
    high = int(after[0]) if len(after) else last
    risen = np.flatnonzero(values[low : high + 1] >= _FURTHER * values[at]) + low
    return max(int(risen[0]) - 1, low), min(int(risen[-1]) + 1, high)


def _within(at: int, span: tuple[int, int]) -> bool:
    return span[0] <= at <= span[1]


def _clearest(samples: Samples, timeline: Timeline, blinking: Array) -> tuple[int, str]:
    """The frame to show where nothing moves: of the highest confidence, then nearest to the middle."""
    sure = np.round(np.nan_to_num(samples.confidence), 2)
    sure = np.where(blinking, -1.0, sure)
    best = np.flatnonzero(sure == sure.max())
    middle = (timeline.times[0] + timeline.times[-1]) / 2
    at = int(best[np.abs(timeline.times[best] - middle).argmin()])
    return at, "the clearest face" if len(best) < int((~blinking).sum()) else "the middle of the clip"


def _moment(
    timeline: Timeline, at: int, blinking: Array, *, reason: str, score: float = 0.0, heard: bool = False
) -> Moments:
    """A moment for want of a better one."""
    frames = timeline.around(float(timeline.times[at]), AROUND, blinking)
    start, end = (rounded(timeline.times[frame]) for frame in frames[[0, -1]])
    time = rounded(timeline.times[at])
    peak = Peak(
        time=time,
        start=min(start, time),
        end=max(end, time),
        score=rounded(max(score, 0.0)),
        speaking=heard,
        reason=reason,
    )
    return Moments((peak,), frames)
