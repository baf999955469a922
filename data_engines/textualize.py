"""All channels as text, and the compound emotion they show: two emotions at once.

After the textualised models for compound emotions on C-EXPR-DB (Richet et al. 2024): transcript, units above a threshold around the
moments of expression, an expression network's first guesses and the voice in words make the user's turn. Other than there a still
face is never called a missing one, and where two labels cannot be told apart the answer names both.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from pydantic import Field

from emollm.data_engines.base import Item, Rejected
from emollm.data_engines.clues import PROMPT as CLUES
from emollm.data_engines.clues import Clues
from emollm.data_engines.composing import compose
from emollm.data_engines.compounds import Blend, blend
from emollm.data_engines.phrases import Phrases, opened
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.recording_text import RecordingText
from emollm.data_engines.rulings import Outcome, Ruling, RulingOptions, count, main_person, refused, rule, told
from emollm.emotions import LabelSet, label_set
from emollm.errors import ConfigError
from emollm.facs import priors
from emollm.prompts import prompt
from emollm.reasoner import reason
from emollm.reasoner.conflict import tone
from emollm.reasoner.weighing import Match, Weighing, weigh
from emollm.reasoner.wording import listed, two
from emollm.samples import Mark, Sample, Task
from emollm.types import Cue, Observation

_PROMPT = "engines/textualize"
_TABLE = "du2014_compound"
_LIKE = {"sadly fearful": "fear"}
"""Compounds whose core is that of a single emotion (PROTOCOLS.md 1.6)."""
_TASKS = (Task.RECOGNITION, Task.REASONING, Task.OPEN_VOCABULARY, Task.FOLLOW_UP)
_ASK = {Task.RECOGNITION: "ask_label", Task.OPEN_VOCABULARY: "ask_open"}
_SINGLE = "basic8"


class Options(RulingOptions):
    """The engine's own settings."""

    intensity: float = Field(default=0.3, ge=0, le=1)
    """Intensity from which a unit is named around a moment."""
    probability: float = Field(default=0.5, ge=0, le=1)
    """The same for a probability."""
    window: float = Field(default=0.2, ge=0)
    """Seconds before and after a moment that count to it."""
    moments: int = Field(default=3, ge=1)
    """Most moments of one clip that are told."""
    guesses: int = Field(default=3, ge=1)
    """Most expressions of the network that are told."""


class _Case(NamedTuple):
    """All that is known of one item when it is written about."""

    item: Item
    observation: Observation
    clues: Clues
    weighing: Weighing
    blend: Blend
    ruling: Ruling
    label: str | None
    polarity: Cue | None
    words: Phrases


class Engine:
    """Writes conversations whose user gives the recording as text.

    Raises:
        ConfigError: The recipe's labels are no compound emotions.
    """

    name = "textualize"
    version = 1

    def __init__(self, settings: BuildSettings) -> None:
        self.settings = settings
        self.options = Options.model_validate(settings.options)
        self.labels = label_set(settings.labels)
        if self.labels.task != "compound":
            raise ConfigError(
                f"engine textualize: expected a set of compound labels, got {self.labels.id}; set labels: du-compound"
            )

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        """The conversations about the most prominent person of one clip."""
        case = self._case(item, observation, random)
        found = case.blend.best[0] if case.blend.best else None
        if (reject := refused(item, case.ruling, found, self.options)) is not None:
            yield reject
            return
        for task in _TASKS:
            share = getattr(self.settings.tasks, task.value)
            wanted = count(share, random)
            for index in range(wanted if case.label is not None or task is not Task.RECOGNITION else 0):
                yield self._sample(case, task, index, random)

    def _case(self, item: Item, observation: Observation, random: Random) -> _Case:
        settings = self.settings.reasoner
        person = main_person(observation)
        clues = Clues(observation, person, settings, random, own_words=True)
        speaking = clues.channels.peak is not None and clues.channels.peak.speaking and clues.channels.speaks
        weighing = weigh(clues.evidence, self.labels, 1.0, settings, speaking)
        alone = reason(observation, label_set(_SINGLE), settings, person.id if person is not None else None)
        clear = [cue for cue in clues.polarities if abs(cue.value or 0.0) >= settings.clear_polarity]
        polarity = max(clear, key=lambda cue: abs(cue.value or 0.0), default=None)
        found = blend(clues, weighing, self.labels, alone.label, tone(polarity) if polarity is not None else None)
        ruling = rule(_one(found, item, self.labels), item.gold, self.labels)
        label = ruling.gold or (found.best[0] if len(found.best) == 1 else None)
        return _Case(
            item, observation, clues, weighing, found, ruling, label, polarity, Phrases(_PROMPT, random)
        )  # fmt: skip

    def _sample(self, case: _Case, task: Task, index: int, random: Random) -> Sample:
        says = case.words
        labels = ", ".join(self.labels.labels)
        text = RecordingText(case.clues, says, self.options).text()
        ask = says.say(_ASK.get(task, "ask_reason"), labels=labels)
        match task:
            case Task.RECOGNITION:
                turns = [(f"{text}\n\n{ask}", case.label or "")]
            case Task.OPEN_VOCABULARY:
                turns = [(f"{text}\n\n{ask}", " ".join([self._open(case), *self._reasons(case)]))]
            case _:
                turns = [(f"{text}\n\n{ask}", self._reply(case))]
                turns += list(self._further(case, random)) if task is Task.FOLLOW_UP else []
        clip = case.item.clip.model_copy(update={"image": None, "video": None, "audio": None})
        return compose(
            case.item.model_copy(update={"clip": clip}), case.observation, case.clues.track, task, turns, label=case.label,
            label_set=self.labels.id, marks=_marks(case), prompts=(prompt(_PROMPT).ref, prompt(CLUES).ref),
            engine=f"{self.name}@{self.version}", index=index, cue_text=False,
        )  # fmt: skip

    # the answer

    def _reply(self, case: _Case) -> str:
        return " ".join([*self._verdict(case), *self._reasons(case), opened(case.clues.words.say("caveat"))])

    def _verdict(self, case: _Case) -> Iterator[str]:
        found, says = case.blend, case.words
        if case.ruling.shown:
            yield opened(says.say("unsupported", gold=case.ruling.gold))
        if len(found.best) == 1 or case.ruling.outcome is Outcome.AGREES:
            yield opened(says.say("answer", label=case.label if len(found.best) != 1 else found.best[0]))
        elif found.best:
            yield opened(says.say("either", labels=_either(found.best)))
        elif found.single is not None:
            yield opened(says.say("single", emotion=found.single))
        else:
            yield opened(says.say("unclear"))

    def _reasons(self, case: _Case) -> Iterator[str]:
        """What speaks for the compound by units and by the network, what cannot be separated, what words and voice add."""
        says, clues, found = case.words, case.clues, case.blend
        label = found.best[0] if found.best else None
        if label is not None:
            yield from self._units(case, label)
            yield from self._pair(case, label)
            yield from self._kin(case, label)
        elif not clues.has_face:
            yield opened(says.say("no_face"))
        elif not clues.moving:
            yield from ([opened(says.say("still"))] if clues.absent else [])
            yield from clues.face()
        else:
            yield from clues.face(most=4)
            yield from clues.network()
        yield from self._beside(case, label)

    def _units(self, case: _Case, label: str) -> Iterator[str]:
        match = case.weighing.matches.get(label)
        if match is None:
            return
        if case.clues.units.values(match.present):
            yield self._fitting(case, match, label)
        cues = [cue for unit in match.prototype.core if (cue := case.clues.evidence.best(unit)) is not None]
        lacking = [case.clues.units.value(cue) for cue in cues if cue.reliable and not case.clues.units.is_told(cue)]
        if lacking:
            yield opened(case.words.say("lacking", units=listed(lacking), count=len(lacking), label=label))

    def _fitting(self, case: _Case, match: Match, label: str) -> str:
        """Which units speak for a compound, and after whom."""

        def worded() -> str:
            units = listed(case.clues.movements.values(match.present))
            return case.words.say("units", units=units, label=label, cite=match.prior.cite)

        return case.clues.told(worded) or opened(worded())

    def _pair(self, case: _Case, label: str) -> Iterator[str]:
        """What the network gives the two emotions."""
        net = {word: cue.value or 0.0 for word, cue in case.clues.expressions}
        first, second = sorted(self.labels.entry(label).components, key=lambda one: -net.get(one, 0.0))
        score = next(one.pair for one in case.blend.ranked if one.label == label)
        if score is not None:
            values = {"value": two(net[first]), "second_score": two(net[second])}

            def worded() -> str:
                return case.words.say("pair", emotion=first, second=second, **values)

            yield case.clues.told(worded, (first, second)) or opened(worded())
            yield opened(case.words.say("pair_score", score=two(score)))

    def _kin(self, case: _Case, label: str) -> Iterator[str]:
        """Which labels the units cannot separate from this one."""
        cite = priors(_TABLE).cite
        if label in _LIKE:
            yield opened(case.words.say("like_single", label=label, emotion=_LIKE[label], cite=cite))
        table = priors(_TABLE).emotions
        core = table[label].core if label in table else None
        same = [one for one in self.labels.labels if one != label and one in table and table[one].core == core]
        if core is not None and same:
            yield opened(case.words.say("same_units", labels=listed([label, *same]), cite=cite))

    def _beside(self, case: _Case, label: str | None) -> Iterator[str]:
        """What words and voice add."""
        says, clues = case.words, case.clues
        said = clues.channels.telling
        cue = said.words if said is not None else clues.channels.transcript
        if cue is not None and (words := clues.quote(cue)) is not None:
            text = clues.told(lambda: self._quoted(case, cue, words))
            yield from () if text is None else (text,)
        if case.polarity is not None and label is not None:
            happy = "happiness" in self.labels.entry(label).components
            block = "words_side" if happy == (tone(case.polarity) == "positive") else "words_against"
            values = {"tone": tone(case.polarity), "value": two(case.polarity.value), "label": label}
            yield clues.told(lambda: says.say(block, **values)) or opened(says.say(block, **values))
        yield from clues.manner()

    def _quoted(self, case: _Case, cue: Cue, words: str) -> str:
        """What was said, with its time where that is known."""
        if cue.end <= cue.start:
            return case.words.say("words_quoted", words=words)
        return case.clues.words.say("said", span=case.clues.span(cue.start, cue.end), words=words)

    def _open(self, case: _Case) -> str:
        """Free words for the blend."""
        entry = self.labels.entry(case.label) if case.label is not None else None
        words = [entry.label, *entry.components] if entry is not None else [case.blend.single or "mixed"]
        return opened(case.words.say("open", words=words))

    def _further(self, case: _Case, random: Random) -> Iterator[tuple[str, str]]:
        """A question for one emotion alone, for another label, or for what is missing."""
        says, found = case.words, case.blend
        topics = ["missing", *(["single"] if found.best else []), *(["other"] if len(found.ranked) > 1 else [])]
        for topic in random.sample(topics, k=random.randint(1, len(topics))):
            if topic == "missing":
                streams = [stream.replace("_", " ") for stream in case.clues.missing]
                reply = says.say("missing", streams=listed(streams)) if streams else says.say("nothing_missing")
                yield says.say("ask_missing"), opened(reply)
            elif topic == "single":
                yield self._alone(case)
            elif found.best:
                first, other = found.ranked[0], next(one for one in found.ranked if one.label not in found.best[:1])
                values = {"score": two(other.score), "share": two(first.score), "label": first.label}
                reply = says.say("other_less", other=other.label, **values)
                if other.label in found.best:
                    reply = says.say("either", labels=_either(found.best))
                yield says.say("ask_other", other=other.label), opened(reply)

    def _alone(self, case: _Case) -> tuple[str, str]:
        says, label = case.words, case.blend.best[0]
        net = {word: cue.value or 0.0 for word, cue in case.clues.expressions}
        first, second = sorted(self.labels.entry(label).components, key=lambda one: -net.get(one, 0.0))
        if net.get(second, 0.0) >= 0.1:
            values = {"value": two(net[first]), "second_score": two(net[second])}
            return says.say("ask_single", emotion=first), opened(
                says.say("not_alone", emotion=first, second=second, **values)
            )
        return says.say("ask_single", emotion=first), opened(says.say("alone_open", emotion=first))


def _one(found: Blend, item: Item, labels: LabelSet) -> str | None:
    """The label that the cues speak for: of several that cannot be told apart, the one that people name."""
    said = [label for label in told(item.gold, labels) if label in found.best]
    return said[0] if said else found.best[0] if found.best and (len(found.best) == 1 or item.gold) else None


def _either(labels: Sequence[str]) -> str:
    return " or ".join((", ".join(labels[:2]), labels[2]) if len(labels) > 2 else labels)


def _marks(case: _Case) -> list[Mark]:
    silent = case.label is None and not case.blend.best and case.blend.single is None
    return [*([Mark.UNSUPPORTED] if case.ruling.shown else []), *([Mark.ABSTAINED] if silent else [])]


ENGINE = Engine
