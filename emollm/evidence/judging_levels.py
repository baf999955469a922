"""Claims about the level and the manner of a voice.

What a voice is like is said against its own usual: a phrase differs only where it stands out among the phrases of the clip
(docs/voice.md), so that "high" or "loud" in themselves are not decided by the lack of such a phrase. What is extreme ("shouts",
"very hurried", "in a whisper") stands out, and is decided.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from emollm.evidence.assertions import Heard, Polarity
from emollm.evidence.judging import C, Finding, S, U, all_of, any_of, reason, unit
from emollm.evidence.judging_change import changed
from emollm.evidence.judging_numbers import overlapping, quantities
from emollm.evidence.judging_speech import SPEECH
from emollm.evidence.judging_time import Window, ids, narrowed, off_bounds, placed, run_of, timing, when, widened
from emollm.evidence.lookup import Evidence
from emollm.evidence.reading_levels import LOUDNESS, PITCH, RATE
from emollm.evidence.times import Moment, When
from emollm.types import Cue, Scale

_WHOLE = {PITCH: "voice.f0_median", LOUDNESS: "voice.energy", RATE: "voice.speech_rate"}
"""The summary that is there where the quantity was measured."""
_SERIES = {PITCH: "voice.f0", LOUDNESS: "voice.energy"}
FEW = 0.1
"""Share of pauses below which a voice is not halting, and has not many pauses."""
MOST = 0.5
"""Share of the speech from which departures are what a voice is like as a whole."""
LEAST = 0.5
"""Share of the time of the opposite departures that those of a window must reach to be what it is like."""
INNER = 0.25
"""Share of the ordinary range within which a value at its edge may still be called by the word beyond it."""


def judge_level(item: Heard, evidence: Evidence) -> Finding:
    names = sorted({name for name, _ in item.directions})
    if item.polarity is not Polarity.PRESENT:
        return _judge_usual(item, evidence)
    findings = [_judge_side(name, sign, item, evidence) for name, sign in item.directions]
    found = any_of(findings)
    if len(names) > 1 and found.verdict is U and (hit := [one for one in findings if one.verdict is C]):
        found = hit[0]
    if found.verdict is C or not item.numbers:
        return found
    return all_of([found, *quantities(item, evidence)])


def _judge_side(name: str, sign: int, item: Heard, evidence: Evidence) -> Finding:
    """Whether some phrase differs from the usual in that way."""
    findings = [_side_at(name, sign, item, evidence, moment) for moment in item.windows or (None,)]
    found = all_of(findings)
    if item.change and found.verdict is not S and item.windows and evidence.series(_SERIES.get(name, "")) is not None:
        found = changed(_SERIES[name], item, evidence)
    counted = (
        item if item.change else replace(item, moments=[one for one in item.moments if one.when is not When.COUNT])
    )
    return all_of([found, *timing(name, counted, evidence, sign)]) if found.verdict is S else found


def _side_at(name: str, sign: int, item: Heard, evidence: Evidence, moment: Moment | None) -> Finding:
    window: Window | None = None
    events = _signed(name, sign, evidence)
    others = _signed(name, -sign, evidence) if sign else []
    if moment is not None:
        window, decided = placed(moment, evidence)
        if window is None:
            return decided or Finding(U)
        here = overlapping(events, widened(window))
        if moment.when is When.SPAN and here and not run_of(here, moment):
            return off_bounds(name, here, window)
        others = overlapping(others, narrowed(window))
        events = overlapping(events, narrowed(window)) if others else here
        if _shared(events, window) < LEAST * _shared(others, window):
            events = []
    if events:
        chosen = max(events, key=lambda cue: abs(_departure(cue)))
        return Finding(S, (chosen.id,), _event(chosen))
    if not item.relative and (found := _described(item, evidence)) is not None and found.verdict is S:
        return found
    if others and (moment is not None or item.relative or item.extreme or _most_of(others, evidence)):
        return Finding(C, (others[0].id,), _event(others[0]))
    return _not_there(name, item, evidence, window)


def _most_of(events: Sequence[Cue], evidence: Evidence) -> bool:
    """Whether departures make up at least half of the speech."""
    spoken = _length(evidence.events(SPEECH))
    return spoken > 0 and _length(events) >= MOST * spoken


def _length(events: Sequence[Cue]) -> float:
    """Seconds that are covered by events, which may overlap."""
    total, last = 0.0, -math.inf
    for cue in sorted(events, key=lambda one: one.start):
        total += max(0.0, cue.end - max(cue.start, last))
        last = max(last, cue.end)
    return total


def _shared(events: Sequence[Cue], window: Window) -> float:
    """Seconds of a window during which there are such departures."""
    return sum(max(0.0, min(cue.end, window[1]) - max(cue.start, window[0])) for cue in events)


def _not_there(name: str, item: Heard, evidence: Evidence, window: Window | None) -> Finding:
    """What it says that no phrase differs from the usual: nothing, unless there is a usual and a voice at that time."""
    whole = evidence.best(_WHOLE[name])
    if whole is None and evidence.series(_SERIES.get(name, name)) is None:
        gap = evidence.gap("voice", "audio", "prosody")
        return Finding(U, (), gap.reason if gap is not None else reason("no_voice"))
    if window is not None and not _is_voiced(evidence, window):
        return Finding(U, (), reason("no_voice_then", when=when(window)))
    if not item.relative and not item.extreme:
        return _described(item, evidence) or Finding(U, (), reason("absolute"))
    if (gap := evidence.gap("usual")) is not None:
        return Finding(U, (), gap.reason)
    return Finding(C, ids([whole] if whole is not None else ()), reason("usual"))


def _judge_usual(item: Heard, evidence: Evidence) -> Finding:
    """That no phrase differs in that way; one that is louder need not be shouted, and most may be usual where one is not."""
    findings = []
    for name, sign in item.directions:
        for moment in item.windows or (None,):
            window, decided = placed(moment, evidence) if moment is not None else (None, None)
            if decided is not None:
                findings.append(decided)
                continue
            events = _signed(name, sign, evidence)
            if window is not None:
                events = overlapping(events, narrowed(window))
            if events:
                open_ = item.extreme or (not sign and window is None and not _most_of(events, evidence))
                findings.append(Finding(U if open_ else C, (events[0].id,), _event(events[0])))
                continue
            found = _not_there(name, item, evidence, window)
            findings.append(found._replace(verdict=S) if found.verdict is C else found)
    return next((one for one in findings if one.verdict is C), all_of(findings))


def _described(item: Heard, evidence: Evidence) -> Finding | None:
    """What a value of the whole clip says of "fast" or "slow" in itself; None where it has no such words."""
    word = {(RATE, 1): "fast", (RATE, -1): "slow"}.get(item.directions[0])
    if word is None or item.windows:
        return None
    return _manner(word, evidence.best("voice.speech_rate"))


def _signed(name: str, sign: int, evidence: Evidence) -> list[Cue]:
    return [cue for cue in evidence.events(name) if not sign or _departure(cue) * sign > 0]


def _departure(cue: Cue) -> float:
    """How far a phrase is from the usual: a rate is a ratio to it."""
    value = cue.value or 0.0
    return value - 1 if cue.name == "rate" else value


def _event(cue: Cue) -> str:
    if cue.scale is Scale.RATIO:
        return reason("event_rate", value=cue.value, start=cue.start, end=cue.end)
    return reason("event", name=cue.name, value=cue.value, scale=unit(cue.scale), start=cue.start, end=cue.end)


def _is_voiced(evidence: Evidence, window: Window) -> bool:
    """Whether a voice was measured then."""
    if evidence.series("voice.f0") is not None:
        return bool(evidence.values("voice.f0", *widened(window)))
    return bool(overlapping(evidence.events(SPEECH), widened(window)))


# ---- manner ---------------------------------------------------------------------------------------------------------


def judge_manner(item: Heard, evidence: Evidence) -> Finding:
    cue = evidence.best(item.names[0])
    for moment in item.windows:
        window, _ = placed(moment, evidence)
        here = overlapping(evidence.events(item.names[0]), narrowed(window)) if window is not None else []
        cue = max(here, key=lambda one: one.end - one.start, default=None)
        if cue is None and not item.during:
            return Finding(U, (), reason("absolute"))
        cue = cue or evidence.best(item.names[0])
    cues = [cue] if item.windows else evidence.all(item.names[0])
    found = any_of([_manner(item.manner, one, inside=item.relative) for one in cues or [cue]])
    if item.polarity is not Polarity.PRESENT:
        return found._replace(verdict={S: C, C: S}.get(found.verdict, U))
    return found


def _manner(word: str, cue: Cue | None, inside: bool = False) -> Finding:
    """Whether a value of the whole clip has that word; whether one well inside the ordinary has not."""
    from emollm.perception.voice.wording import SCALES, describe

    if cue is None or cue.value is None:
        return Finding(U, (), reason("no_voice"))
    said, share = describe(cue.name, cue.value), "_share" if cue.scale is Scale.RATIO else ""
    values = {"name": cue.name, "value": cue.value, "scale": unit(cue.scale), "word": said}
    if said is None:
        few = word == "halting" and cue.value < FEW
        low, below, high, _ = SCALES[cue.name]
        edge = abs(cue.value - (low if word == below else high)) < INNER * (high - low)
        return Finding(C if few or (inside and not edge) else U, (cue.id,), reason(f"ordinary{share}", **values))
    text = reason(f"manner{share}", **values)
    return Finding(S if said == word else C, (cue.id,), text)
