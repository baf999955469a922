"""Times of a claim: which cues and which part of a series it is held against, and whether onset, apex, length and count fit.

A text is given 0.15 s either way: what it says is there is looked for in its window and that much beyond; what it says is
not there only in the window less that much. Where a claim says from when to when something lasts, both ends must lie within
0.3 s of those of an event, or of a run of events with little between them.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from emollm.evidence.assertions import Assertion, Heard, Number, Polarity
from emollm.evidence.judging import C, Finding, S, U, any_of, reason
from emollm.evidence.lookup import TOLERANCE, Evidence
from emollm.evidence.times import Moment, When
from emollm.facs import PRESENT
from emollm.types import Cue, CueKind, Extent, Scale, Series

ENDS = 0.3
"""Seconds by which a stated onset, offset, apex or length may be off."""
GAP = 0.5
"""Seconds between two events up to which a text may take them for one."""
FLAT = 0.05
"""How far below the strongest a moment still counts as the apex: of an intensity, else as a share of the strongest."""
THROUGHOUT, HALF = 0.9, 0.5
"""Share of the time from which something is there throughout, and up to which it is not."""
_LEAST = {CueKind.HEAD_POSE: 10.0, CueKind.GAZE: 10.0}
"""Degrees from which a turn is there."""

Window = tuple[float, float]


class Standing(NamedTuple):
    """What a claim is held against."""

    cues: tuple[Cue, ...] = ()
    decided: Finding | None = None
    """The verdict, where the time alone gives it."""


def when(window: Window) -> str:
    """A window for a reader."""
    first, last = window
    return f"at {first:.1f} s" if last - first < 0.05 else f"from {first:.1f} to {last:.1f} s"


def ids(cues: Sequence[Cue]) -> tuple[str, ...]:
    """Ids of cues; what stands for a part of a series has none."""
    return tuple(cue.id for cue in cues if cue.id)


def widened(window: Window) -> Window:
    """The window and the tolerance beyond."""
    return max(0.0, window[0] - TOLERANCE), window[1] + TOLERANCE


def narrowed(window: Window) -> Window:
    """The window without the tolerance at its ends; as it is where nothing would be left."""
    first, last = window[0] + TOLERANCE, window[1] - TOLERANCE
    return (first, last) if last > first else window


# ---- windows --------------------------------------------------------------------------------------------------------


def placed(moment: Moment, evidence: Evidence) -> tuple[Window | None, Finding | None]:
    """Seconds of a time, or the verdict where it lies outside of the clip or cannot be told."""
    window = moment.window(evidence.duration)
    if window is None:
        return None, Finding(U, (), reason("length"))
    end = evidence.duration
    stated = {When.AT: moment.first, When.AFTER: moment.first, When.BEFORE: 0.0}.get(moment.when, moment.last)
    slack = TOLERANCE if moment.when is When.AT else 0.0 if moment.when is When.AFTER else ENDS
    if end is not None and not moment.relative and stated > end + slack:
        return None, Finding(C, (), reason("outside", end=end))
    return window, None


def stand(name: str, item: Assertion, evidence: Evidence, moment: Moment | None, sign: int = 1) -> Standing:
    """The cues that a claim on a movement or an angle is held against.

    Args:
        name: The unit or angle.
        item: The claim.
        evidence: What was measured.
        moment: The time it speaks of; without, the whole clip.
        sign: Direction of an angle, 0 for either.
    """
    best = evidence.best(name)
    if not evidence.over_time:
        return Standing((best,) if best is not None else ())
    known = _alike(name, evidence)
    if moment is None:
        return Standing(_stated((*known, *_sample(name, known, evidence, None, sign)), name, item))
    window, decided = placed(moment, evidence)
    if window is None:
        return Standing((), decided)
    positive = item.polarity is Polarity.PRESENT
    over = _typical(name, known, item, moment, window, evidence)
    if moment.when is When.SPAN and positive and (events := evidence.events(name, sign)):
        bounded = _bounded(name, events, moment, window, evidence)
        return bounded if bounded.decided is not None or over is None else Standing((over,))
    if over is not None:
        return Standing((over,))
    frame = widened(window) if positive else narrowed(window)
    part = _sample(name, known, evidence, frame, sign)
    cues = [cue for cue in known if _counts(cue, frame, bool(part), positive, item)]
    if not cues and not part:
        key = "not_then" if known or evidence.series(name) else "no_cue"
        return Standing((), Finding(U, (), reason(key, name=name, when=when(window))))
    return Standing(_stated((*cues, *part), name, item))


def _typical(
    name: str, known: Sequence[Cue], item: Assertion, moment: Moment, window: Window, evidence: Evidence
) -> Cue | None:
    """What a strength is held against that is said over "from … to …": the median of the series then.

    None where no strength is said, where it is said of the strongest moment, or without a series on the scale of the events.
    """
    if item.strength is None or item.polarity is not Polarity.PRESENT:
        return None
    if not (moment.over or moment.when is When.SPAN) or any(one.when is When.APEX for one in item.moments):
        return None
    series, values = evidence.series(name), evidence.values(name, *window)
    if series is None or not values or series.kind is not CueKind.ACTION_UNIT:
        return None
    event = next((cue for cue in known if cue.start <= window[1] and cue.end >= window[0]), None)
    if event is None or event.scale is not series.scale:
        return None
    sides = {"left": None, "right": None}
    return event.model_copy(update={"value": round(median(values), 3), **sides})


def _alike(name: str, evidence: Evidence) -> tuple[Cue, ...]:
    """Moment and events of a name on the scale of the one that decides."""
    found = [cue for cue in evidence.all(name) if cue.extent is not Extent.WHOLE]
    return tuple(cue for cue in found if cue.scale is found[0].scale)


def _counts(cue: Cue, frame: Window, has_series: bool, positive: bool, item: Assertion) -> bool:
    """Whether a cue tells of a window: an event only at its strongest where more than its presence is asked."""
    if cue.start > frame[1] or cue.end < frame[0]:
        return False
    peak = cue.peak if cue.peak is not None else (cue.start + cue.end) / 2
    if cue.extent is Extent.MOMENT or frame[0] <= peak <= frame[1]:
        return True
    return (positive and item.strength is None) or not has_series


def _sample(name: str, known: Sequence[Cue], evidence: Evidence, frame: Window | None, sign: int) -> tuple[Cue, ...]:
    """A part of a series as one cue: its strongest value that way; 0 where it is known that nothing happens."""
    if name == "AU45":  # too quick for a series
        return _no_blink(known, evidence, frame)
    series = evidence.series(name)
    values = evidence.values(name, *(frame or ()))
    if series is None and frame is not None and (absent := evidence.never(name)) is not None and evidence.seen(*frame):
        return (absent.model_copy(update={"start": frame[0], "end": frame[1]}),)
    if series is None or not values or (known and known[0].scale is not series.scale):
        return ()
    value = max(values, key=lambda one: one * sign if sign else abs(one))
    first, last = frame or (series.start, series.start + series.step * len(series.values))
    return (_made(series, value, first, last, all(cue.reliable for cue in known)),)


def _no_blink(known: Sequence[Cue], evidence: Evidence, frame: Window | None) -> tuple[Cue, ...]:
    """No blink where all were listed, none lies there and the face was seen: the rate tells that they were looked for."""
    rate = evidence.best("blink_rate")
    if rate is None or evidence.left_out("AU45") or (frame is not None and not evidence.seen(*frame)):
        return ()
    first, last = frame or (0.0, max(rate.end, evidence.duration or 0.0))
    if any(cue.start <= last and cue.end >= first for cue in known):
        return ()
    blank = {"name": "AU45", "kind": CueKind.ACTION_UNIT, "scale": Scale.INTENSITY, "value": 0.0}
    return (rate.model_copy(update={**blank, "extent": Extent.EVENT, "start": first, "end": last}),)


def _made(series: Series, value: float, first: float, last: float, reliable: bool) -> Cue:
    return Cue(
        id="",
        kind=series.kind,
        name=series.name,
        scale=series.scale,
        value=value,
        start=first,
        end=max(first, last),
        reliable=reliable,
        source=series.source,
    )


def _stated(cues: tuple[Cue, ...], name: str, item: Assertion) -> tuple[Cue, ...]:
    """The cues that have a value which the claim gives, if there are any: those are meant."""
    meant = [cue for cue in cues if any(_is_value(cue, number) for number in item.numbers if number.name == name)]
    return tuple(meant) or cues


def _is_value(cue: Cue, number: Number) -> bool:
    within = 0.015 if cue.scale is not Scale.DEGREES else 1.0
    return number.side is None and abs(abs(cue.value or 0.0) - abs(number.value)) <= within


def numbered(name: str, item: Assertion, evidence: Evidence) -> Sequence[Cue]:
    """The cues that a stated value is held against: all of that name, or those at the times that are said."""
    cues = evidence.all(name)
    if not evidence.over_time or not item.windows:
        return cues
    out: list[Cue] = []
    known = _alike(name, evidence)
    for moment in item.windows:
        window, _ = placed(moment, evidence)
        if window is not None:
            out += [cue for cue in evidence.at(name, *window) if cue not in out]
            for frame in (widened(window), window):
                for sign in (1, -1) if name.startswith("gaze") or not name.startswith("AU") else (1,):
                    out += _sample(name, known, evidence, frame, sign)
    return out


# ---- events ---------------------------------------------------------------------------------------------------------


def run_of(events: Sequence[Cue], moment: Moment) -> tuple[Cue, ...]:
    """The event, or the run of events with little between them, that begins and ends as stated; empty if none does."""
    window, slack = (moment.first, moment.last), ENDS + moment.loose
    for first, event in enumerate(events):
        if abs(event.start - window[0]) > slack:
            continue
        reached = event.end
        for last in range(first, len(events)):
            if last > first and events[last].start - reached > GAP:
                break
            reached = max(reached, events[last].end)
            if abs(reached - window[1]) <= slack:
                return tuple(events[first : last + 1])
    return ()


def _bounded(name: str, events: Sequence[Cue], moment: Moment, window: Window, evidence: Evidence) -> Standing:
    if run := run_of(events, moment):
        return Standing(run)
    series = evidence.series(name)
    if series is not None and not evidence.values(name, *widened(window)):
        return Standing((), Finding(U, (), reason("not_then", name=name, when=when(window))))
    if evidence.left_out(name):
        return Standing((), Finding(U, (), reason("left_out", name=name)))
    return Standing((), off_bounds(name, events, window))


def off_bounds(name: str, events: Sequence[Cue], window: Window) -> Finding:
    """That no event begins and ends as stated, with the nearest one."""
    near = min(events, key=lambda cue: abs(cue.start - window[0]) + abs(cue.end - window[1]))
    text = reason("bounds", name=name, start=near.start, end=near.end, said=window[0], until=window[1])
    return Finding(C, (near.id,), text)


def timing(name: str, item: Assertion, evidence: Evidence, sign: int = 1) -> list[Finding]:
    """Whether apex, length, count and "throughout" are as said; nothing where nothing of the kind is said."""
    if not evidence.over_time:
        return []
    out = []
    events = evidence.events(name, sign)
    windows = [window for one in item.windows if (window := one.window(evidence.duration)) is not None]
    if windows:
        frames = [widened(window) for window in windows]
        events = [cue for cue in events if any(cue.start <= last and cue.end >= first for first, last in frames)]
    for moment in item.moments:
        match moment.when:
            case When.APEX:
                out.append(_apex(name, moment, events, evidence, sign))
            case When.DURATION:
                out.append(_lasts(name, moment, events))
            case When.COUNT:
                out.append(_count(name, moment, item, events, evidence))
            case When.ALWAYS:
                out.append(_always(name, item, events, evidence, sign))
            case When.BARE:
                both = [_lasts(name, moment, events)]
                if not isinstance(item, Heard):  # in parentheses behind a movement it may also say when
                    both.append(_apex(name, moment, events, evidence, sign))
                out.append(any_of(both))
    return out


def _apex(name: str, moment: Moment, events: Sequence[Cue], evidence: Evidence, sign: int) -> Finding:
    """Whether something is strongest at a time."""
    said = moment.first
    slack = max(ENDS, moment.loose)
    if evidence.duration is not None and said > evidence.duration + TOLERANCE:
        return Finding(C, (), reason("outside", end=evidence.duration))
    peaks = [(cue.peak if cue.peak is not None else (cue.start + cue.end) / 2, cue) for cue in events]
    if near := [cue for peak, cue in peaks if abs(peak - said) <= slack]:
        return Finding(S, (near[0].id,))
    moments = [cue for cue in evidence.all(name) if cue.extent is Extent.MOMENT]
    holding = [cue for cue in moments if cue.start - TOLERANCE <= said <= cue.end + TOLERANCE]
    over = [cue for cue in events if cue.start <= said <= cue.end]
    here = evidence.values(name, *widened((said, said)))
    strongest = max((abs(cue.value or 0.0) for cue in over), default=None)
    if strongest is None:
        strongest = max((abs(one) for one in evidence.values(name)), default=None) if not events else None
    if here and strongest is not None:
        flat = FLAT if name.startswith("AU") else FLAT * strongest
        if max(abs(one) for one in here) >= strongest - flat:
            return Finding(S, ids(over or holding))
    elif holding and not events:
        return Finding(S, ids(holding))
    if peaks:
        peak, cue = min(peaks, key=lambda pair: abs(pair[0] - said))
        return Finding(C, (cue.id,), reason("apex", name=name, peak=peak, said=said))
    if here:
        return Finding(C, (), reason("no_event", name=name))
    return Finding(U, (), reason("not_then", name=name, when=when((said, said))))


def _lasts(name: str, moment: Moment, events: Sequence[Cue]) -> Finding:
    """Whether an event is as long as said."""
    if not events:
        return Finding(U, (), reason("no_event", name=name))
    near = min(events, key=lambda cue: abs(cue.end - cue.start - moment.first))
    length = near.end - near.start
    fits = abs(length - moment.first) <= max(ENDS, moment.loose)
    return Finding(S if fits else C, (near.id,), reason("lasts", name=name, length=length, said=moment.first))


def _count(name: str, moment: Moment, item: Assertion, events: Sequence[Cue], evidence: Evidence) -> Finding:
    """Whether it happens as often as said."""
    more = evidence.left_out(name)
    count = len(events) + (more if not item.windows else 0)
    witness = evidence.all(name) or evidence.series(name) or (name == "AU45" and evidence.best("blink_rate"))
    if not count and not witness:
        return Finding(U, (), reason("no_cue", name=name))
    fits = count >= moment.first if moment.least else count == moment.first
    if more and item.windows and not (fits and moment.least):
        return Finding(U, ids(events), reason("left_out", name=name))
    return Finding(S if fits else C, ids(events), reason("count", name=name, count=count, said=moment.first))


def _always(name: str, item: Assertion, events: Sequence[Cue], evidence: Evidence, sign: int) -> Finding:
    """Whether it is there, or not there, all the time."""
    if item.polarity is not Polarity.PRESENT:
        return Finding(S)  # a denial without a time speaks of the whole clip already
    values = evidence.values(name)
    series = evidence.series(name)
    if values and series is not None:
        least = _LEAST.get(series.kind, PRESENT)
        share = sum((value * sign if sign else abs(value)) >= least for value in values) / len(values)
    elif events and evidence.duration:
        share = min(1.0, sum(cue.end - cue.start for cue in events) / evidence.duration)
    else:
        return Finding(U, (), reason("no_event", name=name))
    verdict = S if share >= THROUGHOUT else C if share <= HALF else U
    return Finding(verdict, ids(events), reason("share", name=name, share=share))
