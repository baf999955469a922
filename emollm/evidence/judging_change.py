"""Whether a movement or a quantity begins, grows, fades or ends when a claim says so."""

import math
from collections.abc import Sequence

from emollm.evidence.assertions import Assertion
from emollm.evidence.judging import C, Finding, S, U, reason
from emollm.evidence.judging_time import ENDS, Window, ids, placed, when
from emollm.evidence.lookup import Evidence
from emollm.facs import ABSENT
from emollm.types import Cue, CueKind, Scale

GROWN = {
    Scale.INTENSITY: 0.1,
    Scale.PROBABILITY: 0.1,
    Scale.DEGREES: 5.0,
    Scale.HERTZ: 1.5,
    Scale.DECIBELS: 3.0,
}
"""Difference over a window from which a quantity grows or fades; of a pitch in semitones."""


def changed(name: str, item: Assertion, evidence: Evidence, sign: int = 1) -> Finding:
    """Whether something begins or grows, or fades or ends, when the claim says so.

    Args:
        name: The unit or quantity.
        item: The claim; ``change`` says which way.
        evidence: What was measured.
        sign: Direction of the events that count.
    """
    found = evidence.events(name, sign)
    if not found and (rest := evidence.never(name)) is not None and rest.reliable:
        return Finding(C, (rest.id,), reason("steady", name=name))
    events = [cue for cue in found if not _is_cut(cue, item.change, evidence)]
    cut = [cue for cue in found if cue not in events]
    if not item.windows:
        if not events and cut:
            return _unseen(cut, item.change)
        return _begun(events[:1], item.change) if events else Finding(U, (), reason("no_event", name=name))
    findings = []
    for moment in item.windows:
        window, decided = placed(moment, evidence)
        if window is None:
            return decided or Finding(U)
        if hit := [cue for cue in events if _turns(cue, window, item)]:
            findings.append(_begun(hit, item.change))
            continue
        if hit := [cue for cue in cut if _at_edge(cue, window, item.change)]:
            findings.append(_unseen(hit, item.change))
            continue
        trend = _trend(name, window, item, evidence, found)
        if item.edge and trend.verdict is not U and events:
            trend = _elsewhere(name, item, evidence, events, trend)
        findings.append(trend)
    return next((one for verdict in (C, U, S) for one in findings if one.verdict is verdict), Finding(U))


def _begun(events: Sequence[Cue], change: int) -> Finding:
    """That events begin, or end, with their times."""
    edges = [f"{_edge(cue, change):.1f} s" for cue in events]
    key = "onset" if change > 0 else "offset"
    return Finding(S, ids(events), reason(key, name=events[0].name, times=", ".join(edges)))


def _elsewhere(name: str, item: Assertion, evidence: Evidence, events: Sequence[Cue], found: Finding) -> Finding:
    """That something begins (or ends) at other times: a rise from rest is enough, the growth of what is there is not."""
    if found.verdict is S:
        return found
    if evidence.left_out(name):
        return Finding(U, (), reason("left_out", name=name))
    return _begun(events, item.change)._replace(verdict=C)


def _turns(cue: Cue, window: Window, item: Assertion) -> bool:
    """Whether an event begins (or ends) in a window; what grows (or fades) may also be on its way at one time."""
    if _at_edge(cue, window, item.change):
        return True
    if item.edge:
        return False
    edge = _edge(cue, item.change)
    peak = cue.peak if cue.peak is not None else edge
    low, high = (cue.start, peak) if item.change > 0 else (peak, cue.end)
    return window[1] - window[0] < 2 * ENDS and low <= window[1] and high >= window[0]


def _edge(cue: Cue, change: int) -> float:
    return cue.start if change > 0 else cue.end


def _at_edge(cue: Cue, window: Window, change: int) -> bool:
    return window[0] - ENDS <= _edge(cue, change) <= window[1] + ENDS


def _is_cut(cue: Cue, change: int, evidence: Evidence) -> bool:
    """Whether an event begins (or ends) only because the face comes into view (or is lost) there."""
    if cue.kind not in (CueKind.ACTION_UNIT, CueKind.HEAD_POSE, CueKind.GAZE):
        return False
    lost = evidence.lost(cue.start, cue.end)
    return lost.before if change > 0 else lost.after


def _unseen(events: Sequence[Cue], change: int) -> Finding:
    """That the beginning (or the end) of events was not seen."""
    key = "unseen_onset" if change > 0 else "unseen_offset"
    return Finding(U, ids(events), reason(key, name=events[0].name, time=_edge(events[0], change)))


def _trend(name: str, window: Window, item: Assertion, evidence: Evidence, events: Sequence[Cue]) -> Finding:
    """Whether a series grows or falls from the start of a window to its end; what begins does so from rest."""
    first, last = window if window[1] - window[0] >= 2 * ENDS else (window[0] - 0.5, window[1] + 0.5)
    third = (last - first) / 3
    start, end = evidence.values(name, max(0.0, first), first + third), evidence.values(name, last - third, last)
    if not start or not end:
        key = "not_then" if evidence.series(name) or events else "no_cue"
        return Finding(U, (), reason(key, name=name, when=when(window)))
    series = evidence.series(name)
    scale = series.scale if series is not None else Scale.INTENSITY
    least = GROWN.get(scale, 0.1)
    low, high = sum(start) / len(start), sum(end) / len(end)
    difference = 12 * math.log2(high / low) if scale is Scale.HERTZ and min(low, high) > 0 else high - low
    text = reason("trend", name=name, change=difference)
    if abs(difference) < least / 2:
        return Finding(C, (), reason("steady", name=name))
    if item.edge and (low if item.change > 0 else high) >= ABSENT:
        return Finding(C, (), text)
    return Finding(U if abs(difference) < least else S if difference * item.change > 0 else C, (), text)
