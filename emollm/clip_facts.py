"""Facts on the course of a clip, its voice and its words, one short sentence each, for a language model to join.

Words that were said are quoted on one line and named a quotation; wordings are the prompt ``ask/evidence``.
"""

from collections.abc import Collection, Iterator
from typing import Any

from emollm.evidence import FAR
from emollm.facs import Strength, strength
from emollm.perception.voice.wording import SCALES, describe
from emollm.prompts import prompt
from emollm.reasoner.channels import Channels
from emollm.reasoner.conflict import tone
from emollm.reasoner.quotation import quoted
from emollm.reasoner.weighing import ReasonerSettings
from emollm.reasoner.wording import seconds
from emollm.types import Answer, Cue, Observation, Scale, Track

PROMPT = "ask/evidence"


def channels_of(answer: Answer, observation: Observation) -> Channels:
    """The channels of the person that an answer is about."""
    person: Track | None = next((one for one in observation.tracks if one.id == answer.track), None)
    return Channels(observation, person, ReasonerSettings())


def of_course(channels: Channels, names: Collection[str] = ()) -> Iterator[str]:
    """When movements came and went, in the order of time.

    Args:
        channels: What was measured.
        names: Only these units and angles; all if not given.
    """
    turns = [cue for cue in channels.turns if not names or cue.name in names]
    for cue in sorted((*channels.movements_of(names), *turns), key=lambda cue: (cue.start, cue.id)):
        yield _say("event", sentence=_clause(cue), **_span(cue))
    rate = channels.blink_rate
    if rate is not None and (not names or "AU45" in names):
        yield _say("blink_rate", value=f"{rate.value:.2f}")


def of_voice(channels: Channels) -> Iterator[str]:
    """What the voice is like as a whole, and where it departs from its usual."""
    if channels.is_silent:
        yield _say("no_speech")
    speech = channels.speech
    for cue in channels.departures:
        yield _say("departure", name=cue.name, value=_signed(cue), **_span(cue))
    for name in SCALES:
        whole = channels.whole(name)
        if whole is not None and (word := describe(name, whole.value or 0.0)) is not None:
            yield _say("manner", how=word)
    if speech:
        start, end = min(cue.start for cue in speech), max(cue.end for cue in speech)
        yield _say("speaks", other=channels.is_speaker, start=seconds(start), end=seconds(end))
    for name in ("f0_median", "speech_rate"):
        if (whole := channels.whole(name)) is not None:
            yield _say(name, value=f"{whole.value:.0f}" if name == "f0_median" else f"{whole.value:.1f}")
    for cue in channels.pauses:
        yield _say("pause", **_span(cue))


def of_words(channels: Channels) -> Iterator[str]:
    """What was said, quoted: at the apex or where it is most telling, then the rest in the order of time."""
    told = channels.telling
    if told is not None:
        for one in (told, *(other for other in channels.said if other is not told)):
            yield _say("quotation", words=quoted(one.words.text or ""), **_span(one.words))
    elif (given := channels.transcript) is not None:
        yield _say("quotation", words=quoted(given.text or ""), start="", end="", time="")
    elif channels.is_not_understood:
        yield _say("no_words")


def of_tone(channels: Channels) -> Iterator[str]:
    """Whether the words are positive or negative."""
    told = channels.telling
    if told is not None and told.polarity is not None:
        yield _say("tone", how=tone(told.polarity))


def _clause(cue: Cue) -> str:
    """A movement or a turn as a sentence without its full stop."""
    if cue.scale is Scale.DEGREES:
        slight, far = FAR[cue.kind]
        angle = abs(cue.value or 0.0)
        band = Strength.SLIGHT if angle < slight else Strength.MODERATE if angle < far else Strength.STRONG
    else:
        band = strength(cue.value or 0.0)
    known = cue.scale is not Scale.PROBABILITY
    return _say(cue.name, how=_say("how", strength=band.value if known else "present"), value=cue.value)


def _span(cue: Cue) -> dict[str, str]:
    return {
        "start": seconds(cue.start),
        "end": seconds(cue.end),
        "time": seconds(cue.peak) if cue.peak is not None else "",
    }


def _signed(cue: Cue) -> float:
    """How far a departure goes, below 0 where it is less than usual."""
    return (cue.value or 0.0) - (1.0 if cue.scale is Scale.RATIO else 0.0)


def _say(block: str, /, **values: Any) -> str:
    return prompt(PROMPT).render(block, **values)
