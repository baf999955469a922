"""Whether face, voice and words agree, where they do not, and by which cues: ambivalence and hesitancy as in BAH.

The answer names the channels, the times and the cues of each discord, and of agreement just so; never what it means.
"""

from collections.abc import Iterator
from random import Random
from typing import Literal, NamedTuple

from emollm.data_engines.base import Item, Rejected
from emollm.data_engines.clues import PROMPT as CLUES
from emollm.data_engines.clues import Clues
from emollm.data_engines.composing import compose, question
from emollm.data_engines.phrases import Phrases, opened
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.rulings import Outcome, Ruling, UnsupportedOption, count, main_person, refused, rule
from emollm.emotions import label_set
from emollm.prompts import prompt
from emollm.reasoner.channels import Level
from emollm.reasoner.conflict import tone
from emollm.reasoner.discord import Comparer, Comparison, Pair, Reading
from emollm.reasoner.wording import listed, seconds, two
from emollm.samples import Mark, Sample, Task
from emollm.types import Observation

_PROMPT = "engines/ambivalence"
_BAH = "bah"
_TASKS = (Task.CONFLICT, Task.RECOGNITION, Task.FOLLOW_UP)
_CHANNELS = {"words": ("face", "words"), "voice": ("face", "voice")}
_MOST = 3
"""Discords, or agreements, that are told at most."""


class Options(UnsupportedOption):
    """The engine's own settings."""

    own_words: bool = False
    """The data set says that the words are those of the person seen (people who recorded themselves), where that was not
    measured."""
    incomparable: Literal["write", "reject"] = "write"
    """What becomes of a clip in which no two channels can be compared: a Sample that says so, or none."""


class _Case(NamedTuple):
    """All that is known of one item when it is written about."""

    item: Item
    observation: Observation
    clues: Clues
    found: Comparison
    ruling: Ruling
    label: str | None
    words: Phrases


class Engine:
    """Writes conversations about the agreement of channels; labels are those of the set ``bah``, faces are read in the recipe's."""

    name = "ambivalence"
    version = 1

    def __init__(self, settings: BuildSettings) -> None:
        self.settings = settings
        self.options = Options.model_validate(settings.options)
        self.labels = label_set(settings.labels)

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        """The conversations about the most prominent person of one clip."""
        person = main_person(observation)
        clues = Clues(observation, person, self.settings.reasoner, random, self.options.own_words)
        found = Comparer(clues.channels, self.labels, clues.is_own).compare()
        label = None if found.score is None else "present" if found.discords else "absent"
        ruling = _ruled(label, item)
        words = Phrases(_PROMPT, random)
        case = _Case(item, observation, clues, found, ruling, ruling.gold or label, words)
        if (reject := refused(item, ruling, label, self.options, "channels")) is not None:
            yield reject
            return
        if found.score is None and self.options.incomparable == "reject":
            yield Rejected(item.clip.id, "write", "nothing to compare: no two channels are clear")
            return
        for task in _TASKS:
            wanted = count(getattr(self.settings.tasks, task.value), random)
            for index in range(wanted if case.label is not None or task is not Task.RECOGNITION else 0):
                yield self._sample(case, task, index, random)

    def _sample(self, case: _Case, task: Task, index: int, random: Random) -> Sample:
        if task is Task.RECOGNITION:
            turns = [(case.words.say("ask_label"), case.label or "")]
        else:
            turns = [(question(Task.CONFLICT, random), " ".join(_reply(case)))]
            turns += list(_further(case, random)) if task is Task.FOLLOW_UP else []
        marks = [*([Mark.UNSUPPORTED] if case.ruling.shown else []), *([Mark.ABSTAINED] if case.label is None else [])]
        sample = compose(
            case.item, case.observation, case.clues.track, task, turns, label=case.label, label_set=_BAH, marks=marks,
            prompts=(prompt(_PROMPT).ref, prompt(CLUES).ref, prompt("reasoner/units").ref),
            engine=f"{self.name}@{self.version}", index=index,
        )  # fmt: skip
        return sample.model_copy(update={"extra": {"conflict": _spans(case.found)}})


def _ruled(label: str | None, item: Item) -> Ruling:
    """People's label beside that of the channels: absence of a measured discord is no proof that there is none."""
    ruling = rule(label, item.gold, label_set(_BAH))
    if ruling.outcome is Outcome.DIFFERS and label == "absent":
        return Ruling(Outcome.UNSUPPORTED, ruling.gold)
    return ruling


# ---- the answer -----------------------------------------------------------------------------------------------------


def _reply(case: _Case) -> Iterator[str]:
    """The verdict, the reading of each channel, the discords or agreements with their times, and what they do not say."""
    found, says = case.found, case.words
    yield opened(_verdict(case))
    yield from _readings(case)
    told = found.discords or [one for one in found.pairs if one.agree]
    for pair in told[:_MOST]:
        yield from (opened(one) for one in _told(case, pair))
    yield from _hesitancy(case)
    if case.ruling.shown:
        yield opened(says.say("unsupported", gold=case.ruling.gold))
    yield opened(says.say("caveat" if found.discords else "caveat_agree" if found.pairs else "caveat_open"))


def _verdict(case: _Case) -> str:
    found, says = case.found, case.words
    if found.discords:
        named = [_named(case, pair) for pair in found.discords[:_MOST]]
        return says.say("discord", channels=listed(list(dict.fromkeys(named))))
    if not found.pairs:
        return says.say("nothing")
    channels = ["face", *(["voice"] if any(one.kind == "voice" for one in found.pairs) else [])]
    channels += ["words"] if any(one.kind == "words" for one in found.pairs) else []
    return says.say("agree", channels=listed(channels))


def _named(case: _Case, pair: Pair) -> str:
    if pair.kind in _CHANNELS:
        return case.words.say("discord_between", words=_CHANNELS[pair.kind])
    return case.words.say("discord_within", words=pair.kind.removeprefix("within "))


def _readings(case: _Case) -> Iterator[str]:
    """What each channel is by itself."""
    clues, found, says = case.clues, case.found, case.words
    yield from clues.face(most=4, first=found.face.present if found.face is not None else ())
    if found.face is not None:
        side = {"positive": "pleasant", "negative": "unpleasant"}.get(found.face.side or "", "")
        yield opened(says.say("face", label=found.face.label, side=side))
    elif clues.has_face:
        yield opened(says.say("face_open"))
    yield from clues.voice(1)
    sound = found.voice
    if sound is not None and sound.level is not Level.ORDINARY:
        values = {"level": sound.level.value, "signs": listed(sound.signs), "count": len(sound.signs)}
        text = clues.told(lambda: says.say("voice_level", **values))
        yield from () if text is None else (text,)
    elif sound is not None:
        yield opened(says.say("voice_plain"))
    yield from clues.subtitle()
    heard = bool(clues.channels.voice) or bool(clues.polarities)
    if heard and clues.has_face and not clues.is_own:
        yield opened(says.say("not_own"))


def _told(case: _Case, pair: Pair) -> Iterator[str]:
    """One discord or agreement, with its cues and times."""
    says, face, way = case.words, pair.face, "agree" if pair.agree else "differ"
    timed = pair.start is not None and pair.end is not None
    if pair.kind == "within words":
        yield from _mixed_words(case, pair)
    elif face is None:
        return
    elif pair.kind == "within face" and pair.other is not None:
        times = {"time": seconds(face.time or 0.0), "until": seconds(pair.other.time or 0.0)}
        yield says.say("face_mixed", label=face.label, other=pair.other.label, **times)
    elif pair.kind == "voice" and case.found.voice is not None:
        signs = listed(case.found.voice.signs)
        yield _asserted(case, f"voice_{way}", face, signs=signs)
        if timed and not pair.agree:
            yield says.say("when_voice", start=seconds(pair.start or 0.0), end=seconds(pair.end or 0.0))
    elif pair.polarity is not None:
        values = {"tone": tone(pair.polarity), "value": two(pair.polarity.value)}
        yield _asserted(case, f"words_{way}" if timed else f"words_{way}_plain", face, pair, **values)


def _asserted(case: _Case, block: str, face: Reading, pair: Pair | None = None, **values: str) -> str:
    """A sentence on two channels that the checker reads as true; without its units where it reads none so."""

    def worded(told: bool = True) -> str:
        span = {"window": case.clues.span(pair.start or 0.0, pair.end or 0.0, "window")} if pair is not None else {}
        units = _units(case, face) if told else ""
        return case.words.say(block, label=face.label, units=units, **span, **values)

    return case.clues.told(worded) or worded(told=False)


def _mixed_words(case: _Case, pair: Pair) -> Iterator[str]:
    if pair.polarity is None or pair.second is None:
        return
    first, then = sorted((pair.polarity, pair.second), key=lambda cue: (cue.start, cue.id))

    def worded() -> str:
        spans = {"span": case.clues.span(first.start, first.end), "window": case.clues.span(then.start, then.end)}
        return case.words.say("words_mixed", tone=tone(first), side=tone(then), **spans)

    yield case.clues.told(worded) or worded()


def _units(case: _Case, face: Reading) -> str:
    """The two units that speak most for a reading, with their values, where that is the moment that is told."""
    peak = case.clues.channels.peak
    if face.time is not None and (peak is None or peak.time != face.time):
        return ""
    values = case.clues.units.values(face.present[:2])
    return listed(values) if values else ""


def _hesitancy(case: _Case) -> Iterator[str]:
    """Signs that speech is held back; they are no discord by themselves."""
    told = case.clues.channels.pauses
    if case.clues.is_own and len(told) > 1:
        cue = told[1]
        text = case.clues.told(lambda: case.words.say("pause", span=case.clues.span(cue.start, cue.end)))
        yield from () if text is None else (text,)


def _further(case: _Case, random: Random) -> Iterator[tuple[str, str]]:
    """Questions for the times, for the meaning, and for the channel to be believed."""
    says, found = case.words, case.found
    topics = random.sample(("when", "meaning", "believe"), k=random.randint(1, 2))
    for topic in topics:
        if topic != "when":
            yield says.say(f"ask_{topic}"), opened(says.say(topic))
            continue
        spans = [(one.start, one.end) for one in found.discords[:1]]
        if not spans:
            reply = says.say("when_never" if found.pairs else "when_unknown")
        elif spans[0][0] is None or spans[0][1] is None:
            reply = says.say("when_open")
        else:
            reply = says.say("when", start=seconds(spans[0][0]), end=seconds(spans[0][1]))
        yield says.say("ask_when"), opened(reply)


def _spans(found: Comparison) -> dict[str, object]:
    """The conflict score, the reading of each channel and the spans, for those who train on them."""
    face = found.face
    return {
        "score": round(found.score, 3) if found.score is not None else None,
        "face": {"label": face.label, "side": face.side, "weight": round(face.weight, 3)} if face is not None else None,
        "voice": found.voice.level.value if found.voice is not None else None,
        "discords": [
            {"channels": one.kind, "score": round(one.score, 3), "start": one.start, "end": one.end}
            for one in found.discords
        ],
        "agreements": [one.kind for one in found.pairs if one.agree],
    }


ENGINE = Engine
