"""Claims about a voice, speech and words: one judge for each topic; tremor, numbers with units, and the order of movements."""

from collections.abc import Callable

from emollm.evidence.assertions import Heard, Polarity, Topic
from emollm.evidence.judging import C, Finding, S, U, all_of, reason
from emollm.evidence.judging_levels import judge_level, judge_manner
from emollm.evidence.judging_numbers import overlapping, quantities
from emollm.evidence.judging_reports import judge_report
from emollm.evidence.judging_speech import judge_pause, judge_silence, judge_sound, judge_speech
from emollm.evidence.judging_time import ids, narrowed, placed
from emollm.evidence.judging_words import judge_polarity, judge_quote, judge_understood, spoken_at
from emollm.evidence.lookup import Evidence
from emollm.evidence.times import Moment, When
from emollm.types import CueKind

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


# ---- tremor, numbers, order -----------------------------------------------------------------------------------------


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
    Topic.LEVEL: judge_level,
    Topic.MANNER: judge_manner,
    Topic.VALUE: _judge_value,
    Topic.PAUSE: judge_pause,
    Topic.SILENCE: judge_silence,
    Topic.SPEECH: judge_speech,
    Topic.SOUND: judge_sound,
    Topic.OTHER: _judge_other,
    Topic.ORDER: _judge_order,
    Topic.QUOTE: judge_quote,
    Topic.REPORT: judge_report,
    Topic.POLARITY: lambda item, evidence: judge_polarity(item, evidence, quantities(item, evidence)),
    Topic.UNDERSTOOD: judge_understood,
}
"""Judges by topic; one without is unverifiable."""
