"""A voice or words alone, with the label that people gave: what is measurable of them, how far it fits the label, what stays open.

A voice shows activation and words show polarity; neither names an emotion by itself (docs/evidence.md). So the label here is always that
of people, and the text says whether the measured cues bear it out, leave it open, or point elsewhere. The model has the sound or the
sentence itself to learn from.
"""

from collections.abc import Iterator
from enum import StrEnum
from random import Random
from typing import Literal, NamedTuple

from emollm.config import Settings
from emollm.data_engines.base import Item, Rejected
from emollm.data_engines.clues import PROMPT as CLUES
from emollm.data_engines.clues import Clues
from emollm.data_engines.composing import compose, question
from emollm.data_engines.phrases import Phrases, opened
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.rulings import count, main_person, told
from emollm.emotions import LabelSet, label_set
from emollm.prompts import prompt
from emollm.rationale_text import join
from emollm.reasoner.assumptions import voice_prior
from emollm.reasoner.channels import Level
from emollm.reasoner.conflict import activation, tone, valence
from emollm.reasoner.wording import Wording, listed
from emollm.samples import Mark, Sample, Task
from emollm.types import Observation, Rationale

_PROMPT = "engines/streams"
_TASKS = (Task.RECOGNITION, Task.REASONING, Task.OPEN_VOCABULARY, Task.FOLLOW_UP)


class Options(Settings):
    """The engine's own settings (``options`` of a recipe)."""

    label_of: Literal["people", "own"] = "people"
    """Whose label the text tells: that of the ``people`` who gave it, or the text's ``own``, as a model has to say it that hears or reads
    the clip and knows no annotator."""


class Fit(StrEnum):
    """How the measured cues stand to the label; also the block that concludes."""

    SHOWN = "shown"
    OPEN = "told"
    AGAINST = "denied"


class _Case(NamedTuple):
    """What is known of one item."""

    item: Item
    observation: Observation
    clues: Clues
    label: str
    words: Phrases
    who: str


class Engine:
    """Writes about a voice or words without a face.

    Raises:
        ConfigError: The recipe names no label set.
    """

    name = "streams"
    version = 1

    def __init__(self, settings: BuildSettings) -> None:
        self.settings = settings
        self.options = Options.model_validate(settings.options)
        self.labels: LabelSet = label_set(settings.labels)

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        """The conversations about one voice, or the words of one clip."""
        gold = told(item.gold, self.labels)
        if not gold or item.gold is None:
            yield Rejected(item.clip.id, "write", "gold: no label in the words of the label set")
            return
        words = Phrases(_PROMPT, random)
        clues = Clues(observation, main_person(observation), self.settings.reasoner, random)
        case = _Case(item, observation, clues, gold[0], words, "")
        by = item.gold.by if self.options.label_of == "people" else _whole(case)
        case = case._replace(who=words.told(f"who_{by}"))
        if not case.clues.channels.voice and not _said(case):
            yield Rejected(item.clip.id, "write", "nothing heard: neither a voice nor words were measured")
            return
        for task in _TASKS:
            for index in range(count(getattr(self.settings.tasks, task.value), random)):
                yield self._sample(case, task, index, random)

    def _sample(self, case: _Case, task: Task, index: int, random: Random) -> Sample:
        asked = question(Task.REASONING if task is Task.FOLLOW_UP else task, random, self.labels.labels)
        reading, fit = self._interpretation(case)
        if task is Task.RECOGNITION:
            turns = [(asked, case.label)]
        elif task is Task.OPEN_VOCABULARY:
            turns = [(asked, " ".join([f"{opened(case.label)}.", *_observed(case), *reading, self._end(case, fit)]))]
        else:
            ends = [self._end(case, fit), *([opened(case.words.say("caveat"))] if random.random() < _CAVEAT else [])]
            rationale = Rationale(
                observations=" ".join(_observed(case)), interpretation=" ".join(reading), conclusion=" ".join(ends)
            )
            turns = [(asked, join(rationale)), *(_further(case, random) if task is Task.FOLLOW_UP else ())]
        return compose(
            case.item, case.observation, None, task, turns, label=case.label, label_set=self.labels.id,
            marks=() if fit is Fit.SHOWN else (Mark.UNSUPPORTED,), prompts=(prompt(_PROMPT).ref, prompt(CLUES).ref),
            engine=f"{self.name}@{self.version}", index=index,
        )  # fmt: skip

    def _interpretation(self, case: _Case) -> tuple[list[str], Fit]:
        """How the cues stand to the label, in sentences and in one word."""
        found = [one for one in (self._of_voice(case), self._of_words(case)) if one is not None]
        fits = {fit for _, fit in found}
        fit = Fit.AGAINST if Fit.AGAINST in fits else Fit.SHOWN if Fit.SHOWN in fits else Fit.OPEN
        return [opened(text) for text, _ in found], fit

    def _of_voice(self, case: _Case) -> tuple[str, Fit] | None:
        heard = case.clues.channels.activation
        if heard is None:
            return None
        usual = activation(case.label, self.labels)
        if heard.level is Level.ORDINARY or usual is None:
            return case.words.say("voice_open"), Fit.OPEN
        prior = voice_prior()
        emotions = prior.high if heard.level is Level.HIGH else prior.low
        fit = usual == heard.level.value
        values = {"signs": listed(heard.signs), "emotions": listed(emotions), "cite": prior.cite, "label": case.label}
        return case.words.say("voice_fits" if fit else "voice_against", **values), Fit.SHOWN if fit else Fit.AGAINST

    def _of_words(self, case: _Case) -> tuple[str, Fit] | None:
        if not _said(case):
            return None
        cue = max(case.clues.polarities, key=lambda cue: abs(cue.value or 0.0), default=None)
        side = valence(case.label, self.labels)
        if cue is None or abs(cue.value or 0.0) < self.settings.reasoner.clear_polarity or side is None:
            return case.words.say("words_open"), Fit.OPEN
        fit = side == tone(cue)
        said = case.words.say("words_fit" if fit else "words_against", label=case.label, tone=tone(cue))
        return said, Fit.SHOWN if fit else Fit.AGAINST

    def _end(self, case: _Case, fit: Fit) -> str:
        block = fit.value if self.options.label_of == "people" else f"{fit.value}_own"
        return opened(case.words.say(block, label=case.label, who=case.who))


_CAVEAT = 0.3
"""How often a rationale ends with what it cannot know."""


def _whole(case: _Case) -> str:
    """What the label of a text of its own goes by."""
    return "both" if case.clues.channels.voice and _said(case) else "words" if _said(case) else "voice"


def _said(case: _Case) -> bool:
    channels = case.clues.channels
    return bool(channels.said) or channels.transcript is not None


def _observed(case: _Case) -> list[str]:
    return [*_sound(case), *case.clues.subtitle()]


def _sound(case: _Case) -> list[str]:
    """The voice in words, and two of its quantities in numbers."""
    clues = case.clues
    if not clues.channels.voice:
        return []
    words = Wording("reasoner/clip", clues.random)
    cues = ((block, digits, clues.channels.whole(name)) for name, block, digits in _QUANTITIES)
    known = [(block, f"{cue.value:.{digits}f}") for block, digits, cue in cues if cue is not None]
    chosen = clues.random.sample(known, k=min(2, len(known)))
    return [*clues.voice(3), *(words.say(block, value=value) for block, value in chosen)]


_QUANTITIES = (("f0_median", "voice_pitch", 0), ("f0_range", "voice_range", 1), ("speech_rate", "voice_rate", 1))
"""Quantities of a whole voice, their blocks in ``reasoner/clip``, and decimals."""


def _further(case: _Case, random: Random) -> Iterator[tuple[str, str]]:
    """One question about what was measured, and often one about what cannot be known."""
    if case.clues.channels.voice:
        yield case.words.say("asked_voice"), " ".join(_sound(case))
    else:
        yield case.words.say("asked_words"), " ".join(case.clues.subtitle())
    if random.random() < 0.5:
        yield case.words.say("asked_feeling"), opened(case.words.say("feeling"))


ENGINE = Engine
