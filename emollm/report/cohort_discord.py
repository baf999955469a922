"""Ambivalence moments: where the face, the words and the voice of one person point different ways, or one of them does within itself.

After BAH (González-González et al. 2025). The comparison is that of :mod:`emollm.reasoner.discord`; here it is put into rows with the
times and the ids of the cues on both sides. What a discord means is not told.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emollm.emotions import LabelSet
from emollm.perception.voice.wording import SCALES, describe
from emollm.reasoner.assumptions import voice_signs
from emollm.reasoner.channels import Channels, Level
from emollm.reasoner.conflict import tone
from emollm.reasoner.discord import Comparer, Comparison, Pair, Reading
from emollm.reasoner.weighing import ReasonerSettings
from emollm.report.cohort_counts import Sized, figure
from emollm.report.cohort_numbers import Ambivalence, Discord
from emollm.types import Cue, Extent, Observation, Track

MOST = 200
"""Discords that are listed."""
_BETWEEN = {
    "words": "face and words",
    "voice": "face and voice",
    "within words": "within the words",
    "within face": "within the face",
}
_SIDES = {"positive": "pleasant", "negative": "unpleasant", "neutral": "neutral"}
_UNITS = 3
"""Movements of a face that are named."""
_BESIDE = 1.0
"""Seconds around a moment in which a pause is told beside it."""
_MORE = {"pitch": ("higher", "lower"), "loudness": ("louder", "softer"), "rate": ("faster", "slower")}


@dataclass(frozen=True)
class Compared:
    """What came of comparing the streams of one person."""

    clip: str
    discords: tuple[Discord, ...]
    disagree: bool
    """Whether the face disagrees with words or voice."""
    within: bool
    """Whether the face or the words go both ways."""
    why_not: str
    """Why the face could not be held against words or voice; empty where it was."""


def compared(
    observation: Observation,
    track: Track | None,
    person: str,
    labels: LabelSet,
    settings: ReasonerSettings,
    own_words: bool,
    named: bool,
) -> Compared:
    """The streams of one person beside each other.

    Args:
        observation: What was measured.
        track: Whose face; None where nobody is seen.
        person: What the person is called.
        labels: The set that faces are read in.
        settings: Of the reasoner.
        own_words: The words of each clip are known to be those of the person seen.
        named: Whether the clip may be named.
    """
    channels = Channels(observation, track, settings)
    comparer = Comparer(channels, labels, own_words)
    found = comparer.compare()
    rows = tuple(_discord(pair, channels, found, person, observation.id if named else None) for pair in found.discords)
    between = [pair for pair in found.pairs if not pair.kind.startswith("within")]
    within = len(found.pairs) > len(between)
    why_not = "" if between else _why_not(channels, found, comparer.is_own)
    return Compared(observation.id, rows, any(not pair.agree for pair in between), within, why_not)


def ambivalence(people: Sequence[Compared], own_words: bool) -> Ambivalence:
    """The discords of a cohort, strongest first."""
    could = [one for one in people if not one.why_not]
    discords = sorted((row for one in people for row in one.discords), key=lambda row: (-row.score, row.person))
    return Ambivalence(
        compared=len(could),
        discordant=figure([Sized(float(one.disagree), one.clip) for one in could], share=True),
        within=sum(one.within for one in people),
        discords=tuple(discords[:MOST]),
        left_out=max(0, len(discords) - MOST),
        incomparable=tuple(Counter(one.why_not for one in people if one.why_not).most_common()),
        own_words=own_words,
    )


def _why_not(channels: Channels, found: Comparison, own: bool) -> str:
    heard = bool(channels.said or channels.voice or channels.transcript)
    if not channels.has_face:
        return "no face is seen"
    if not heard:
        return "nothing is heard of them"
    if not own:
        return "whose voice or words these are was not found out"
    if found.face is None:
        return "the face has no clear reading"
    return "the face has no side, or voice and words have none"


def _discord(pair: Pair, channels: Channels, found: Comparison, person: str, clip: str | None) -> Discord:
    pauses = [*_pauses(pair, channels)]
    halting = _halting(channels)
    return Discord(
        person=person,
        clip=clip,
        track=channels.person.id if channels.person is not None else None,
        between=_BETWEEN[pair.kind],  # type: ignore[arg-type]
        start=pair.start,
        end=pair.end,
        score=round(pair.score, 3),
        face="; then ".join(_faces(pair)),
        words="; ".join(_toned(cue) for cue in _said(pair)),
        voice=_voice(pair, channels, found),
        quote=" … ".join(filter(None, (_quote(cue, channels) for cue in _said(pair)))),
        holding_back="; ".join([*(f"pause of {cue.value or 0.0:.1f} s at {cue.start:.1f} s" for cue in pauses), *halting]),
        cues=tuple(dict.fromkeys([*_cues(pair, channels), *(cue.id for cue in pauses)])),
    )  # fmt: skip


# ---- the sides ------------------------------------------------------------------------------------------------------


def _readings(pair: Pair) -> Iterator[Reading]:
    yield from (one for one in (pair.face, pair.other) if one is not None)


def _faces(pair: Pair) -> Iterator[str]:
    for one in _readings(pair):
        told = [f"{name} {(_best(one, name).value or 0.0):.2f}" for name in _told(one)]
        told += [f"face net {net.value or 0.0:.2f}"] if (net := one.evidence.expression(one.label)) is not None else []
        when = f" at {one.time:.1f} s" if one.time is not None else ""
        side = f", {_SIDES[one.side]}" if one.side is not None and _SIDES[one.side] != one.label else ""
        yield f"{one.label}{side}{when}" + (f" ({', '.join(told)})" if told else "")


def _told(reading: Reading) -> list[str]:
    return [name for name in reading.present if reading.evidence.best(name) is not None][:_UNITS]


def _best(reading: Reading, name: str) -> Cue:
    cue = reading.evidence.best(name)
    assert cue is not None
    return cue


def _said(pair: Pair) -> list[Cue]:
    """The polarities of a pair, in the order of time."""
    return sorted((cue for cue in (pair.polarity, pair.second) if cue is not None), key=lambda cue: (cue.start, cue.id))


def _toned(cue: Cue) -> str:
    when = f" from {cue.start:.1f} to {cue.end:.1f} s" if cue.end > cue.start else ""
    return f"{tone(cue)} ({cue.value or 0.0:+.2f}){when}".replace("-", "−")


def _quote(polarity: Cue, channels: Channels) -> str:
    here = [one.words.text or "" for one in channels.said if one.polarity is polarity]
    given = channels.transcript
    return here[0] if here else (given.text or "") if given is not None else ""


def _voice(pair: Pair, channels: Channels, found: Comparison) -> str:
    """How activated the voice is, where that is a side; else where it departs from its usual at that time."""
    if pair.kind == "voice" and found.voice is not None and found.voice.level is not Level.ORDINARY:
        much = "much" if found.voice.level is Level.HIGH else "little"
        return f"{much} activation ({', '.join(found.voice.signs)})"
    if pair.start is None or pair.end is None or pair.kind.startswith("within"):
        return ""
    told = []
    for cue in channels.departures if channels.is_own_voice else ():
        if cue.start < pair.end and pair.start < cue.end:
            up = (cue.value or 0.0) > (1.0 if cue.name == "rate" else 0.0)
            told.append(f"{_MORE[cue.name][0 if up else 1]} than usual")
    return ", ".join(dict.fromkeys(told))


def _pauses(pair: Pair, channels: Channels) -> Iterator[Cue]:
    """Long pauses beside a moment: signs of hesitancy, which prove nothing."""
    if pair.start is None or pair.end is None or pair.kind.startswith("within"):
        return
    for cue in channels.pauses if channels.is_own_voice else ():
        if cue.start < pair.end + _BESIDE and pair.start - _BESIDE < cue.end:
            yield cue


def _halting(channels: Channels) -> list[str]:
    cue = channels.whole("pause_share") if channels.is_own_voice else None
    return ["halting speech"] if cue is not None and describe(cue.name, cue.value or 0.0) == "halting" else []


def _cues(pair: Pair, channels: Channels) -> Iterator[str]:
    """Ids of the cues that both sides rest on; ``<id>@<time>`` is the course of that cue at that time."""
    for reading in _readings(pair):
        net = reading.evidence.expression(reading.label)
        told = [_best(reading, name) for name in _told(reading)]
        for shown in [*told, *([net] if net is not None else [])]:
            yield _id(shown, reading.time, channels)
    for polarity in _said(pair):
        yield from (one.words.id for one in channels.said if one.polarity is polarity)
        yield polarity.id
    if pair.kind == "voice":
        heard = [cue for name in SCALES if (cue := channels.whole(name)) is not None]
        yield from (cue.id for cue in heard if describe(cue.name, cue.value or 0.0) in voice_signs())


def _id(cue: Cue, time: float | None, channels: Channels) -> str:
    """Id of what was measured at a moment: the cue of the apex, the event that covers another time, else the course at that time."""
    apex = channels.peak.time if channels.peak is not None else None
    if time is None or time == apex:
        return cue.id
    events = (
        one for one in channels.cues
        if one.name == cue.name and one.kind is cue.kind and one.extent is Extent.EVENT and one.start <= time <= one.end
    )  # fmt: skip
    event = next(events, None)
    return event.id if event is not None else f"{cue.id}@{time:.1f}s"
