"""Claims about a voice and speech: level against the usual, manner, pauses, who speaks, numbers with units.

What a voice is like is said against its own usual: a phrase differs only where it stands out among the phrases of the clip
(docs/voice.md), so that "high" or "loud" in themselves are not decided by the lack of such a phrase.
"""

from collections.abc import Callable, Sequence

from emollm.evidence.assertions import Heard, Polarity, Topic
from emollm.evidence.judging import C, Finding, S, U, all_of, any_of, reason, unit
from emollm.evidence.judging_change import changed
from emollm.evidence.judging_numbers import overlapping, quantities
from emollm.evidence.judging_speech import SPEECH, judge_pause, judge_silence, judge_sound, judge_speech
from emollm.evidence.judging_time import Window, ids, narrowed, off_bounds, placed, run_of, timing, when, widened
from emollm.evidence.judging_words import judge_polarity, judge_quote, judge_understood, spoken_at
from emollm.evidence.lookup import Evidence
from emollm.evidence.reading_voice import LOUDNESS, PITCH, RATE
from emollm.evidence.times import Moment, When
from emollm.types import Cue, CueKind, Scale

_WHOLE = {PITCH: "voice.f0_median", LOUDNESS: "voice.energy", RATE: "voice.speech_rate"}
"""The summary that is there where the quantity was measured."""
_SERIES = {PITCH: "voice.f0", LOUDNESS: "voice.energy"}
FEW = 0.1
"""Share of pauses below which a voice is not halting, and has not many pauses."""
TREMOR = 0.7
"""Departure from the usual, in standard deviations, from which a voice trembles."""


def judge_voice(item: Heard, evidence: Evidence) -> Finding | None:
    """Verdict on one statement about the voice, speech, words, or the order of two movements."""
    if item.during and not item.windows and item.topic in (Topic.LEVEL, Topic.MANNER):
        spans = spoken_at(item.during, evidence)
        item.moments = [Moment(When.DURING, item.start, item.end, *span) for span in spans[:1]]
    judge = _TOPICS.get(item.topic)
    if judge is None:
        return Finding(U, (), reason("unread"))
    of_a_voice = item.topic in (Topic.LEVEL, Topic.MANNER, Topic.VALUE, Topic.PAUSE) and item.kind is CueKind.PROSODY
    silent = evidence.silence
    if of_a_voice and silent is not None and item.polarity is Polarity.PRESENT and not evidence.others:
        return Finding(C, (), silent.reason)
    found = judge(item, evidence)
    return _within_sound(found, item, evidence) if found is not None and item.topic in _OF_SOUND else found


def _within_sound(found: Finding, item: Heard, evidence: Evidence) -> Finding:
    """What was found, but open where the claim speaks of a time without sound, or of silence that is only in part heard."""
    findings = [found]
    for moment in item.windows:
        window, _ = placed(moment, evidence)
        if window is None or (gap := evidence.unsounded(*window)) is None:
            continue
        missing, throughout = gap
        if throughout or (found.verdict is S and not found.cues):
            findings.append(Finding(U, (), missing.reason))
    return findings[-1]


# ---- levels ---------------------------------------------------------------------------------------------------------


def _judge_level(item: Heard, evidence: Evidence) -> Finding:
    names = sorted({name for name, _ in item.directions})
    if item.polarity is not Polarity.PRESENT or not any(sign for _, sign in item.directions):
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
    return all_of([found, *timing(name, item, evidence, sign)]) if found.verdict is S else found


def _side_at(name: str, sign: int, item: Heard, evidence: Evidence, moment: Moment | None) -> Finding:
    window: Window | None = None
    events = _signed(name, sign, evidence)
    others = _signed(name, -sign, evidence)
    if moment is not None:
        window, decided = placed(moment, evidence)
        if window is None:
            return decided or Finding(U)
        here = overlapping(events, widened(window))
        if moment.when is When.SPAN and here and not run_of(here, moment):
            return off_bounds(name, here, window)
        others = overlapping(others, narrowed(window))
        events = overlapping(events, narrowed(window)) if others else here
    if events:
        chosen = max(events, key=lambda cue: abs(_departure(cue)))
        return Finding(S, (chosen.id,), _event(chosen))
    if not item.relative and (found := _described(item, evidence)) is not None and found.verdict is S:
        return found
    if others and (moment is not None or item.relative or _most_of(others, evidence)):
        return Finding(C, (others[0].id,), _event(others[0]))
    return _not_there(name, item, evidence, window)


def _most_of(events: Sequence[Cue], evidence: Evidence) -> bool:
    """Whether departures make up at least half of the speech."""
    spoken = sum(cue.end - cue.start for cue in evidence.events(SPEECH))
    return spoken > 0 and sum(cue.end - cue.start for cue in events) >= 0.5 * spoken


def _not_there(name: str, item: Heard, evidence: Evidence, window: Window | None) -> Finding:
    """What it says that no phrase differs from the usual: nothing, unless there is a usual and a voice at that time."""
    whole = evidence.best(_WHOLE[name])
    if whole is None and evidence.series(_SERIES.get(name, name)) is None:
        gap = evidence.gap("voice", "audio", "prosody")
        return Finding(U, (), gap.reason if gap is not None else reason("no_voice"))
    if window is not None and not _is_voiced(evidence, window):
        return Finding(U, (), reason("no_voice_then", when=when(window)))
    if not item.relative:
        return _described(item, evidence) or Finding(U, (), reason("absolute"))
    if (gap := evidence.gap("usual")) is not None:
        return Finding(U, (), gap.reason)
    return Finding(C, ids([whole] if whole is not None else ()), reason("usual"))


def _judge_usual(item: Heard, evidence: Evidence) -> Finding:
    """That no phrase differs in that way."""
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
                findings.append(Finding(C, (events[0].id,), _event(events[0])))
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


# ---- manner, numbers ------------------------------------------------------------------------------------------------


def _judge_manner(item: Heard, evidence: Evidence) -> Finding:
    cue = evidence.best(item.names[0])
    for moment in item.windows:
        window, _ = placed(moment, evidence)
        here = overlapping(evidence.events(item.names[0]), narrowed(window)) if window is not None else []
        cue = max(here, key=lambda one: one.end - one.start, default=None)
        if cue is None and not item.during:
            return Finding(U, (), reason("absolute"))
        cue = cue or evidence.best(item.names[0])
    cues = [cue] if item.windows else evidence.all(item.names[0])
    found = any_of([_manner(item.manner, one) for one in cues or [cue]])
    if item.polarity is not Polarity.PRESENT:
        return found._replace(verdict={S: C, C: S}.get(found.verdict, U))
    return found


def _manner(word: str, cue: Cue | None) -> Finding:
    """Whether a value of the whole clip has that word."""
    from emollm.perception.voice.wording import describe

    if cue is None or cue.value is None:
        return Finding(U, (), reason("no_voice"))
    said, share = describe(cue.name, cue.value), "_share" if cue.scale is Scale.RATIO else ""
    values = {"name": cue.name, "value": cue.value, "scale": unit(cue.scale), "word": said}
    if said is None:
        few = word == "halting" and cue.value < FEW
        return Finding(C if few else U, (cue.id,), reason(f"ordinary{share}", **values))
    text = reason(f"manner{share}", **values)
    return Finding(S if said == word else C, (cue.id,), text)


def _judge_other(item: Heard, evidence: Evidence) -> Finding:
    """A tremor where a backend measures one, as a departure from the usual in z; nothing else can be decided."""
    cue = evidence.best("voice.tremor") if item.manner == "tremor" else None
    for moment in item.windows if cue is not None else ():
        window, _ = placed(moment, evidence)
        here = overlapping(evidence.all("voice.tremor"), narrowed(window)) if window is not None else []
        cue = here[0] if here else None
    if cue is None or cue.value is None:
        return Finding(U, (), reason("unread"))
    there = cue.value >= TREMOR
    return Finding(S if there == (item.polarity is Polarity.PRESENT) else C, (cue.id,), reason("number", name="tremor", value=cue.value, said=TREMOR))  # fmt: skip


def _judge_value(item: Heard, evidence: Evidence) -> Finding:
    return all_of(quantities(item, evidence))


def _judge_order(item: Heard, evidence: Evidence) -> Finding:
    """Whether one movement begins before another."""
    first, second = (evidence.events(name) for name in item.names)
    if not first or not second:
        return Finding(U, (), reason("order"))
    one, two = first[0], second[0]
    text = reason("first", first=item.names[0], one=one.start, second=item.names[1], two=two.start)
    lead = (two.start - one.start) * item.sign
    return Finding(S if lead > 0.15 else C if lead < -0.15 else U, ids([one, two]), text)


_OF_SOUND = frozenset({Topic.LEVEL, Topic.PAUSE, Topic.SILENCE, Topic.SPEECH, Topic.QUOTE, Topic.POLARITY})
"""Topics of which nothing is known where there is no sound."""
_TOPICS: dict[Topic, Callable[[Heard, Evidence], Finding | None]] = {
    Topic.LEVEL: _judge_level,
    Topic.MANNER: _judge_manner,
    Topic.VALUE: _judge_value,
    Topic.PAUSE: judge_pause,
    Topic.SILENCE: judge_silence,
    Topic.SPEECH: judge_speech,
    Topic.SOUND: judge_sound,
    Topic.OTHER: _judge_other,
    Topic.ORDER: _judge_order,
    Topic.QUOTE: judge_quote,
    Topic.POLARITY: lambda item, evidence: judge_polarity(item, evidence, quantities(item, evidence)),
    Topic.UNDERSTOOD: judge_understood,
}
"""Judges by topic; one without is unverifiable."""
