"""Multimodal reasoning over clues, as Emotion-LLaMA's MERR data has it (Cheng et al. 2024).

From the moment of strongest expression the clues are told one by one (face, expression network, voice, words, surroundings): the
coarse caption. The fine description then says what speaks for the label, and whether the clues agree. Other than in MERR each
sentence is backed by a cue, labels are not taken from single units, and nothing is told of what was not measured.
"""

import logging
from collections.abc import Iterator
from random import Random
from typing import Literal, NamedTuple

from emollm.data_engines.base import Item, Rejected
from emollm.data_engines.clues import PROMPT as CLUES
from emollm.data_engines.clues import Clues
from emollm.data_engines.composing import compose, question
from emollm.data_engines.phrases import Phrases, opened
from emollm.data_engines.pseudo import PseudoLabel, pseudo_label
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.rulings import Ruling, RulingOptions, count, main_person, refused, rule
from emollm.emotions import LabelSet, label_set
from emollm.facs import STRONG, priors, strength
from emollm.prompts import prompt
from emollm.reasoner import reason
from emollm.reasoner.channels import Level
from emollm.reasoner.conflict import activation, tone, valence
from emollm.reasoner.weighing import Match, Weighing, weigh
from emollm.reasoner.wording import listed, two
from emollm.samples import Mark, Sample, Task
from emollm.types import Answer, Cue, Observation, Scale

_PROMPT = "engines/merr"
_BY_UNITS = 0.1
"""Weight of a label by units alone up to which it is said to rest on the network."""
_MOST_FITTING = 3
"""Units that are said to fit a label, at most."""
_FOLLOW = ("face", "voice", "words")
_LOG = logging.getLogger(__name__)


class Options(RulingOptions):
    """The engine's own settings."""

    captions: Literal["coarse", "fine", "both"] = "both"
    """What a reasoning reply holds: the clues, the reasoning over them, or one after the other."""
    pseudo_labels: Literal["none", "du2014", "merr"] = "none"
    """A table whose combinations of units label a clip that no person labelled and the reasoner finds unclear."""
    single_units: bool = False
    """Take pseudo-labels from one unit alone, as much of MERR does."""
    own_words: bool = False
    """The data set says that the words are those of the person seen, where that was not measured."""
    tags: bool = True
    """Begin questions with Emotion-LLaMA's ``[emotion]`` and ``[reason]``."""


class _Case(NamedTuple):
    """All that is known of one item when it is written about."""

    item: Item
    observation: Observation
    clues: Clues
    answer: Answer
    weighing: Weighing
    pseudo: PseudoLabel | None
    ruling: Ruling
    label: str | None
    """What the Sample is labelled."""
    words: Phrases

    @property
    def marks(self) -> list[Mark]:
        out = [Mark.UNSUPPORTED] if self.ruling.shown else [Mark.PSEUDO_LABEL] if self.pseudo else []
        return out if self.label is not None else [*out, Mark.ABSTAINED]


class Engine:
    """Writes recognition, reasoning, open-vocabulary and follow-up conversations about clips.

    Raises:
        ConfigError: The recipe names no label set.
    """

    name = "merr"
    version = 1

    def __init__(self, settings: BuildSettings) -> None:
        self.settings = settings
        self.options = Options.model_validate(settings.options)
        self.labels: LabelSet = label_set(settings.labels)
        if self.options.pseudo_labels != "none":
            table, single = priors(self.options.pseudo_labels).cite, self.options.single_units
            _LOG.warning("%s", " ".join(prompt(_PROMPT).render("limits", table=table, share=single).split()))

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        """The conversations about the most prominent person of one clip."""
        case = self._case(item, observation, random)
        if (reject := refused(item, case.ruling, case.answer.label, self.options)) is not None:
            yield reject
            return
        tasks = self.settings.tasks
        index = {task: count(getattr(tasks, task.value), random) for task in _TASKS}
        if case.label is None:
            index |= {Task.RECOGNITION: 0, Task.OPEN_VOCABULARY: 0}
        for task, number in index.items():
            for one in range(number):
                yield self._sample(case, task, one, random)

    def _case(self, item: Item, observation: Observation, random: Random) -> _Case:
        settings = self.settings.reasoner
        person = main_person(observation)
        clues = Clues(observation, person, settings, random, self.options.own_words)
        answer = reason(observation, self.labels, settings, person.id if person is not None else None)
        speaking = clues.channels.peak is not None and clues.channels.peak.speaking and clues.channels.speaks
        weighing = weigh(clues.evidence, self.labels, 1.0, settings, speaking)
        found, pseudo, table = answer.label, None, self.options.pseudo_labels
        if found is None and item.gold is None and table != "none":
            pseudo = pseudo_label(clues.evidence, self.labels, table, speaking, self.options.single_units)
            found = pseudo.label if pseudo is not None else None
        ruling = rule(found, item.gold, self.labels)
        label = found if ruling.gold is None else ruling.gold
        return _Case(
            item, observation, clues, answer, weighing, pseudo, ruling, label, Phrases(_PROMPT, random)
        )  # fmt: skip

    def _sample(self, case: _Case, task: Task, index: int, random: Random) -> Sample:
        labels = self.labels.labels
        ask = question(Task.REASONING if task is Task.FOLLOW_UP else task, random, labels)
        tag = {Task.RECOGNITION: "tag_recognition", Task.REASONING: "tag_reasoning"}.get(task)
        if self.options.tags and tag is not None:
            ask = f"{case.words.told(tag)} {ask}"
        coarse, fine = "", ""
        match task:
            case Task.RECOGNITION:
                turns = [(ask, case.label or "")]
            case Task.OPEN_VOCABULARY:
                turns = [(ask, self._open(case, random))]
            case _:
                coarse, fine = " ".join(_coarse(case)), " ".join(self._fine(case))
                parts = {"coarse": [coarse], "fine": [fine], "both": [coarse, fine]}[self.options.captions]
                turns = [(ask, "\n\n".join(parts))]
                turns += list(_further(case, random)) if task is Task.FOLLOW_UP else []
        sample = compose(
            case.item, case.observation, case.clues.track, task, turns, label=case.label, label_set=self.labels.id,
            marks=case.marks, prompts=(prompt(_PROMPT).ref, prompt(CLUES).ref, prompt("reasoner/units").ref),
            engine=f"{self.name}@{self.version}", index=index,
        )  # fmt: skip
        return sample.model_copy(update={"extra": {"merr": _fields(case, coarse, fine)}}) if coarse else sample

    # the fine description

    def _fine(self, case: _Case) -> Iterator[str]:
        """What speaks for the label, whether the clues agree, and the conclusion."""
        found = case.answer.label
        if found is not None:
            yield from self._reasons(case, found)
            yield from self._together(case, found)
        elif case.answer.labels and case.clues.moving and case.pseudo is None:
            yield from self._reasons(case, case.answer.labels[0].label)
        yield from self._conclusion(case)

    def _reasons(self, case: _Case, label: str) -> Iterator[str]:
        match = case.weighing.matches.get(label)
        if label == case.weighing.neutral:
            if case.weighing.stillness > 0 and not case.clues.moving:
                yield opened(case.words.say("neutral_still", label=label))
            return
        if match is not None and (text := _fits(case, match)) is not None:
            yield text
        if case.weighing.expressions and case.weighing.by_units.get(label, 0.0) <= _BY_UNITS:
            yield opened(case.words.say("network_leads"))

    def _together(self, case: _Case, label: str) -> Iterator[str]:
        """Whether words and voice fit the face."""
        clues, says = case.clues, case.words
        heard = bool(clues.channels.voice) or bool(clues.channels.said) or clues.channels.transcript is not None
        if not heard:
            yield opened(says.say("one_clue"))
            return
        if not clues.is_own:
            yield opened(says.say("not_compared"))
            return
        agreements = []
        polarity = _clearest(clues, self.settings.reasoner.clear_polarity)
        face = valence(label, self.labels)
        if polarity is not None and face in ("positive", "negative"):
            agreements.append(face == tone(polarity))
            yield _beside_words(case, label, polarity, agreements[-1])
        elif clues.polarities:
            yield opened(says.say("words_open"))
        sound, usual = clues.channels.activation, activation(label, self.labels)
        if clues.channels.is_own_voice and sound is not None and sound.level is not Level.ORDINARY and usual:
            agreements.append(usual == sound.level)
            way = "voice_agree" if agreements[-1] else "voice_differ"
            yield opened(says.say(way, label=label, signs=listed(sound.signs)))
        if not all(agreements):
            yield opened(says.say("cannot_tell"))

    def _conclusion(self, case: _Case) -> Iterator[str]:
        answer, says = case.answer, case.words
        ranked = [one.label for one in answer.labels[:2] if one.score > _BY_UNITS]
        if case.pseudo is not None:
            yield opened(_pseudo(case))
            yield opened(says.say("pseudo_limit"))
        elif answer.label is not None:
            how = "" if answer.intensity is None else says.say(f"strength_{strength(answer.intensity)}")
            second = ranked[1] if len(ranked) > 1 and not how else ""
            yield opened(says.say("label", label=answer.label, strength=how, second=second))
        elif case.clues.has_face:
            label, second = ranked if len(ranked) == 2 else ("", "")
            yield opened(says.say("unclear", label=label, second=second))
        if case.ruling.shown:
            yield opened(says.say("unsupported", gold=case.ruling.gold))
        yield opened(case.clues.words.say("caveat"))

    def _open(self, case: _Case, random: Random) -> str:
        """Free words for the label, and the clues they rest on."""
        entry = self.labels.entry(case.label or "")
        band = "strong" if (case.answer.intensity or 0.0) >= STRONG else "mild"
        block = f"words_{entry.canonical}_{band}"
        free = case.words.told(block).split(", ") if block in case.words.prompt.blocks else [entry.label]
        chosen = [entry.label, *random.sample(free, k=min(len(free), random.randint(1, 3)))]
        body = [*case.clues.face(), *case.clues.network(), *case.clues.voice(1), *case.clues.subtitle()]
        if case.ruling.shown:
            body.append(opened(case.words.say("unsupported", gold=case.ruling.gold)))
        head = opened(case.words.say("open", words=list(dict.fromkeys(chosen))))
        return f"{head} {case.words.say('open_because')} {' '.join(body)}"


_TASKS = (Task.RECOGNITION, Task.REASONING, Task.OPEN_VOCABULARY, Task.FOLLOW_UP)


def _coarse(case: _Case) -> list[str]:
    """Each clue in its sentence."""
    clues, match = case.clues, case.weighing.matches.get(case.answer.label or "")
    seen = [
        *clues.face(case.words.random.randint(2, 5), match.present if match is not None else ()),
        *clues.network(),
        *clues.scene(),
    ]
    parts = [seen, clues.voice(case.words.random.randint(1, 2)), clues.subtitle()]
    case.words.random.shuffle(parts)
    return [sentence for part in parts for sentence in part]


def _fits(case: _Case, match: Match) -> str | None:
    """Which units speak for an emotion, and after whom."""
    if not case.clues.units.values(match.present):
        return None

    def worded() -> str:
        units = listed(case.clues.movements.values(match.present)[:_MOST_FITTING])
        return case.words.say("fits", units=units, emotion=match.emotion, cite=match.prior.cite)

    return case.clues.told(worded)


def _clearest(clues: Clues, least: float) -> Cue | None:
    """The polarity that tells most, where it is clear; that of what is said at the moment first."""
    said = clues.channels.telling
    cues = [said.polarity] if said is not None and said.polarity is not None else clues.polarities
    best = max(cues, key=lambda cue: abs(cue.value or 0.0), default=None)
    return best if best is not None and abs(best.value or 0.0) >= least else None


def _beside_words(case: _Case, label: str, polarity: Cue, agree: bool) -> str:
    says, timed = case.words, polarity.end > polarity.start
    block = f"{'words' if timed else 'plain'}_{'agree' if agree else 'differ'}"
    values = {"label": label, "tone": tone(polarity), "value": two(polarity.value)}

    def worded() -> str:
        span = {"span": case.clues.span(polarity.start, polarity.end)} if timed else {}
        return says.say(block, **values, **span)

    return case.clues.told(worded) or opened(worded())


def _pseudo(case: _Case) -> str:
    found = case.pseudo
    assert found is not None
    units = listed(case.clues.movements.values(found.units) or list(found.units))
    return case.words.say("pseudo", label=found.label, units=units, cite=found.cite)


def _further(case: _Case, random: Random) -> Iterator[tuple[str, str]]:
    """One or two further questions, each about a clue of its own."""
    says, clues = case.words, case.clues
    for topic in random.sample(_FOLLOW, k=random.randint(1, 2)):
        if topic == "face":
            reply = " ".join(clues.face(most=4))
        elif topic == "voice":
            reply = " ".join(clues.voice(3)) or opened(says.say("no_voice"))
        else:
            reply = " ".join(clues.subtitle()) or opened(says.say("no_transcript"))
        yield says.say(f"asked_{topic}"), reply


def _fields(case: _Case, coarse: str, fine: str) -> dict[str, object]:
    """MERR's own fields (PROTOCOLS.md 5.1), to be written back when the Sample is converted."""
    clues = case.clues
    peak, told = clues.channels.peak, clues.moving
    said = clues.channels.telling
    words = said.words if said is not None else clues.channels.transcript
    return {
        "AU_list": [cue.name for cue in told],
        "visual_prior_list": [clues.movements.clause(cue) for cue in told],
        "audio_prior_list": " ".join(clues.voice()),
        "visual_objective_list": " ".join(clues.scene()),
        "peak_time": peak.time if peak is not None else None,
        "peak_AU_list": [
            f"{cue.name}: {5 * (cue.value or 0.0):.2f}" if cue.scale is Scale.INTENSITY else cue.name for cue in told
        ],
        "text": (clues.quote(words) or "") if words is not None else "",
        "pseu_emotion": case.label,
        "caption": coarse,
        "smp_reason_caption": fine,
    }


ENGINE = Engine
