"""One piece of evidence, told to its reader: the public, a researcher, or a teacher.

What is told and how depends on the reader. The public gets no numbers and no codes, a researcher both. Teachers say who they are by
orientation, condition and preference (Yamamoto Ravenor 2023); they are told of the class, never of a single pupil, with no verdict, no
diagnosis and no name for an emotion.
"""

from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Literal, NamedTuple

from pydantic import Field

from emollm.data_engines.base import Item, Rejected
from emollm.data_engines.clues import PROMPT as CLUES
from emollm.data_engines.clues import Clues
from emollm.data_engines.composing import compose, question
from emollm.data_engines.phrases import Phrases, opened
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.rulings import Ruling, RulingOptions, count, main_person, refused, rule
from emollm.emotions import label_set
from emollm.facs import strength
from emollm.prompts import prompt
from emollm.reasoner import reason
from emollm.reasoner.conflict import POLAR, tone
from emollm.reasoner.weighing import Match, weigh
from emollm.reasoner.wording import listed, seconds, two
from emollm.samples import Mark, Sample, Task
from emollm.types import Answer, Observation

Reader = Literal["general", "teacher", "researcher"]
_PROMPT = "engines/audience"
_ORIENTATIONS = ("learning", "subject", "doubtful")
_CONDITIONS = ("room", "online", "recorded", "single")
_PREFERENCES = ("overview", "cues", "moments", "limits", "next")
_LEAST = 0.01
_JOINED = 0.6
"""How often median and range of the pitch are told in one sentence."""


class Options(RulingOptions):
    """The engine's own settings."""

    readers: tuple[Reader, ...] = Field(default=("general", "teacher", "researcher"), min_length=1)
    """Who is written for; one of them a Sample."""


class _Teacher(NamedTuple):
    """Who asks: the three parts of the teacher-user category."""

    orientation: str
    condition: str
    preference: str


class _Case(NamedTuple):
    """All that is known of one item when it is written about."""

    item: Item
    observation: Observation
    clues: Clues
    answer: Answer
    match: Match | None
    ruling: Ruling
    words: Phrases


class Engine:
    """Writes answers for readers, and further questions."""

    name = "audience"
    version = 1

    def __init__(self, settings: BuildSettings) -> None:
        self.settings = settings
        self.options = Options.model_validate(settings.options)
        self.labels = label_set(settings.labels)

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        """The conversations about the most prominent person of one clip."""
        settings = self.settings.reasoner
        person = main_person(observation)
        clues = Clues(observation, person, settings, random)
        answer = reason(observation, self.labels, settings, person.id if person is not None else None)
        speaking = clues.channels.peak is not None and clues.channels.peak.speaking and clues.channels.speaks
        matches = weigh(clues.evidence, self.labels, 1.0, settings, speaking).matches
        ruling = rule(answer.label, item.gold, self.labels)
        case = _Case(
            item, observation, clues, answer, matches.get(answer.label or ""), ruling, Phrases(_PROMPT, random)
        )  # fmt: skip
        if (reject := refused(item, ruling, answer.label, self.options)) is not None:
            yield reject
            return
        for task in (Task.AUDIENCE, Task.FOLLOW_UP):
            for index in range(count(getattr(self.settings.tasks, task.value), random)):
                yield self._sample(case, task, index, random)

    def _sample(self, case: _Case, task: Task, index: int, random: Random) -> Sample:
        reader: Reader = random.choice(self.options.readers)
        says = case.words
        ask = question(Task.AUDIENCE, random, reader=says.say(f"reader_{reader}"))
        if reader == "teacher":
            who = _Teacher(random.choice(_ORIENTATIONS), random.choice(_CONDITIONS), random.choice(_PREFERENCES))
            parts = [says.say(f"{part}_{getattr(who, part)}") for part in who._fields]
            ask, reply = " ".join([ask, *parts]), " ".join(_for_teacher(case, who))
        else:
            reply = " ".join(_for_public(case) if reader == "general" else _for_researcher(case))
        turns = [(ask, reply)]
        if task is Task.FOLLOW_UP:
            kind = "pupil" if reader == "teacher" else "more"
            turns.append((says.say(f"ask_{kind}"), opened(says.say("no_pupil" if kind == "pupil" else "more"))))
        gold = case.ruling.gold if case.ruling.shown else None
        label = None if reader == "teacher" else gold or case.answer.label
        marks = [Mark.UNSUPPORTED] if gold and label else []
        silent = label is None and reader != "teacher"
        sample = compose(
            case.item, case.observation, case.clues.track, task, turns, label=label, label_set=self.labels.id,
            marks=[*marks, *([Mark.ABSTAINED] if silent else [])],
            prompts=(prompt(_PROMPT).ref, prompt(CLUES).ref, prompt("reasoner/units").ref),
            engine=f"{self.name}@{self.version}", index=index,
        )  # fmt: skip
        return sample.model_copy(update={"extra": {"reader": reader}})


# ---- the public -----------------------------------------------------------------------------------------------------


def _for_public(case: _Case) -> Iterator[str]:
    """No numbers, no codes, no terms of the trade."""
    clues, says = case.clues, case.words
    heard = [("plain_speech" if name == "speech_rate" else "plain_voice", word) for name, word in clues.manners.items()]
    parts = [[opened(_plain_face(case))], [opened(says.say(block, how=word)) for block, word in heard]]
    parts.append([*_plain_words(case)])
    says.random.shuffle(parts)
    for part in parts:
        yield from part
    if clues.has_face:
        yield opened(_plain_label(case))
    if case.ruling.shown:
        yield opened(says.say("plain_unsupported", gold=case.ruling.gold))
    yield opened(says.say("plain_caveat"))


def _plain_face(case: _Case) -> str:
    clues, says = case.clues, case.words
    if not clues.has_face:
        return says.say("plain_no_face")
    if clauses := _plain_movements(case):
        return says.say("plain_face", clauses=listed(clauses))
    return says.say("plain_still") if not clues.moving and clues.absent else opened(clues.words.say("nothing"))


def _plain_movements(case: _Case) -> list[str]:
    """Up to three movements in plain words; those that have none are left out."""
    first = case.match.present if case.match is not None else ()
    moving = sorted(case.clues.moving, key=lambda cue: cue.name not in first)
    told = (text for cue in moving if (text := case.clues.movements.plain(cue)) is not None)
    return [text for _, text in zip(range(3), told, strict=False)]


def _plain_words(case: _Case) -> Iterator[str]:
    said = case.clues.channels.telling
    cue = said.words if said is not None else case.clues.channels.transcript
    if cue is None or (words := case.clues.quote(cue)) is None:
        return
    side = said.polarity if said is not None else next(iter(case.clues.polarities), None)
    clear = side is not None and abs(side.value or 0.0) >= POLAR
    yield opened(case.words.say("plain_words", words=words, tone=tone(side) if side is not None and clear else ""))


def _plain_label(case: _Case) -> str:
    answer, says = case.answer, case.words
    ranked = [one.label for one in answer.labels[:2] if one.score >= _LEAST]
    label, second = (*ranked, "", "")[:2]
    if answer.label is None:
        return says.say("plain_unclear", label=label, second=second)
    how = says.say(f"how_{strength(answer.intensity)}") if answer.intensity is not None else ""
    return says.say("plain_label", label=answer.label, second=second, strength=how)


# ---- researchers ----------------------------------------------------------------------------------------------------


def _for_researcher(case: _Case) -> Iterator[str]:
    """Codes, intensities or probabilities, times, weights, backends and gaps."""
    clues, says, answer = case.clues, case.words, case.answer
    yield from clues.face(most=8, first=case.match.present if case.match is not None else ())
    yield from clues.network()
    yield from clues.voice(case.words.random.randint(1, 4))
    yield from _figures(case)
    yield from clues.subtitle()
    if (match := case.match) is not None and clues.units.values(match.present):

        def worded() -> str:
            units = listed(clues.movements.values(match.present))
            return says.say("core", units=units, label=match.emotion, words=match.prior.cite)

        text = clues.told(worded)
        yield from () if text is None else (text,)
    ranked = [one for one in answer.labels[:2] if one.score >= _LEAST]
    if ranked:
        second = {"second": ranked[1].label, "second_score": two(ranked[1].score)} if len(ranked) > 1 else {}
        values = {"label": ranked[0].label, "score": two(ranked[0].score)}
        yield opened(says.say("ranked", **values, **(second or {"second": "", "second_score": ""})))
    if answer.label is None and clues.has_face:
        yield opened(says.say("undecided"))
    if case.ruling.shown:
        yield opened(says.say("research_unsupported", gold=case.ruling.gold))
    backends = sorted({f"{cue.source.backend} {cue.source.version}" for cue in clues.channels.cues})
    if backends:
        yield opened(says.say("method", backends=listed(backends)))
    if gaps := [gap.replace("_", " ") for gap in clues.missing]:
        yield opened(says.say("gaps", streams=listed(gaps)))
    yield opened(says.say("research_caveat"))


def _figures(case: _Case) -> Iterator[str]:
    """The pitch and the rate of the voice in numbers."""
    clues, says = case.clues, case.words
    known = {name: cue for name in ("f0_median", "f0_range", "speech_rate") if (cue := clues.channels.whole(name))}
    texts = {name: f"{cue.value:.{0 if name == 'f0_median' else 1}f}" for name, cue in known.items()}
    if {"f0_median", "f0_range"} <= {*known} and case.words.random.random() < _JOINED:
        values = {"value": texts.pop("f0_median"), "other": texts.pop("f0_range")}
        text = clues.told(lambda: says.say("f0_both", **values), ("f0_median", "f0_range"))
        yield from () if text is None else (text,)
    for name, value in texts.items():
        text = clues.told(partial(says.say, name, value=value), (name,))
        yield from () if text is None else (text,)


# ---- teachers -------------------------------------------------------------------------------------------------------


def _for_teacher(case: _Case, who: _Teacher) -> Iterator[str]:
    """The class, no single pupil: what is visible as far as it was asked for, what it does not say, what can be done."""
    says, wanted = case.words, who.preference
    yield opened(_class(case))
    if case.clues.has_face:
        if wanted in ("cues", "overview"):
            clauses = _plain_movements(case)[: 1 if wanted == "overview" else 3]
            yield opened(says.say("class_moves", clauses=listed(clauses)) if clauses else says.say("class_still"))
        peak = case.clues.channels.peak
        if wanted == "moments" and peak is not None and peak.reason is None:
            yield opened(says.say("class_moment", time=seconds(peak.time)))
        elif wanted == "moments":
            yield opened(says.say("class_still"))
    if wanted in ("cues", "moments"):
        for name, word in case.clues.manners.items():
            yield opened(says.say("class_voice", words="speech" if name == "speech_rate" else "voice", how=word))
    yield opened(says.say("teacher_limits"))
    if wanted == "limits":
        yield opened(says.say("teacher_law"))
    yield opened(says.say(f"teacher_{who.condition}"))
    if wanted in ("next", "overview") or who.orientation == "doubtful":
        yield opened(says.say(f"next_{who.orientation}"))


def _class(case: _Case) -> str:
    faces, says = len(case.observation.tracks), case.words
    if not case.clues.has_face:
        return says.say("class_none")
    if faces < 2:
        return says.say("class_one")
    numbers = says.told("numbers").split()
    return says.say("class_some", faces=numbers[faces - 1] if faces <= len(numbers) else says.told("many"))


ENGINE = Engine
