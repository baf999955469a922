"""Conversations about one face: a label, a rationale, free words, follow-ups; what each reply claims is known while it is written.

The row path and the engine share this module, so that a row gives the same Samples either way.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from pydantic import Field, ValidationError

from emollm.config import Settings
from emollm.data_engines.composing import question
from emollm.data_engines.recipe import BuildSettings, TaskShares
from emollm.data_engines.writing.face import Face
from emollm.data_engines.writing.moment import Moment, MomentWriter
from emollm.data_engines.writing.naming import Sentence
from emollm.data_engines.writing.replies import Replies
from emollm.emotions import LabelSet
from emollm.errors import ConfigError, unknown_name
from emollm.rationale_text import join
from emollm.samples import Mark, Task
from emollm.types import Part, Rationale


class Options(Settings):
    """The engine's own settings (``options`` of a recipe)."""

    unsupported: Literal["reject", "say", "own"] = "reject"
    """A gold label that the muscles do not show: reject the item; ``say`` honestly that annotators say so and the muscles do not; or
    ``own``: as a model has to say it that sees the picture and knows no annotator, the label by the face as a whole, not by the muscles."""
    weights: bool = True
    """Whether conclusions tell the weights of the labels; a model that is not shown them cannot know them."""
    most_follow_ups: int = Field(default=2, ge=1, le=4)
    """Most questions behind a reasoning turn."""


def options_of(settings: BuildSettings) -> Options:
    """The engine's options of a recipe.

    Raises:
        ConfigError: An option that does not exist, or a value that it cannot have.
    """
    if unknown := sorted(set(settings.options) - set(Options.model_fields)):
        raise ConfigError(f"engine exp_cot: {unknown_name('option', unknown[0], tuple(Options.model_fields))}")
    try:
        return Options.model_validate(settings.options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"engine exp_cot: options.{place}: {first['msg']}, got {first['input']!r}") from error


class Verdict(NamedTuple):
    """The label a conversation gives, or why there is none."""

    label: str | None
    marks: tuple[Mark, ...] = ()
    gold: str | None = None
    """What annotators say, where the text is to say that the muscles do not show it."""
    rejected: str | None = None


@dataclass
class Reply:
    """One turn."""

    asked: str
    text: str
    claims: list[tuple[Part, Sentence]]
    """Sentences in the order of the text, with their part."""


@dataclass
class Conversation:
    """What becomes a Sample."""

    task: Task
    turns: list[Reply]
    label: str | None
    marks: tuple[Mark, ...]


Keep = Callable[[Part, Sequence[Sentence]], list[Sentence]]
"""Which sentences hold of a clip."""


class Extra(NamedTuple):
    """Further sentences of a clip: what the moment does not show."""

    observations: Sequence[str] = ()
    interpretation: Sequence[str] = ()
    conclusion: Sequence[str] = ()


def judged(face: Face, gold: Sequence[str] | None, options: Options) -> Verdict:
    """The label of an item: the evidence's own, accepted or rejected by the gold label.

    Args:
        face: What the evidence leads to.
        gold: Labels that people gave, in the words of the set, the main one first; None without any.
        options: What happens where both differ.
    """
    answered = face.weights.outcome.startswith("answered")
    if not gold:
        return Verdict(face.weights.label) if answered else Verdict(None, (Mark.ABSTAINED,))
    if answered and face.weights.label in gold:
        return Verdict(face.weights.label)
    if options.unsupported != "reject":
        return Verdict(gold[0], (Mark.UNSUPPORTED,), gold[0])
    by = (
        f"the muscles speak for {face.weights.label}"
        if answered
        else f"the muscles decide nothing ({face.weights.outcome})"
    )
    return Verdict(None, rejected=f"label not supported: annotators say {gold[0]}, {by}")


class Conversations:
    """Words the conversations of one recipe.

    Args:
        labels: The label set of the answers.
        shares: How many conversations of each kind an item gives.
        options: The engine's own settings.
        writer: Words faces.
    """

    def __init__(self, labels: LabelSet, shares: TaskShares, options: Options, writer: MomentWriter) -> None:
        self.labels = labels
        self.shares = shares
        self.options = options
        self.writer = writer
        self.replies = Replies(labels, writer.segments)

    def about(
        self,
        face: Face,
        verdict: Verdict,
        random: Random,
        extra: Extra | None = None,
        gaps: Sequence[str] = (),
        keep: Keep | None = None,
    ) -> Iterator[Conversation]:
        """The conversations about one face.

        Args:
            face: What was measured.
            verdict: From :func:`judged`, not a rejection.
            random: Chooses tasks and wordings.
            extra: Further sentences of a clip.
            gaps: Units that were not measured.
            keep: Which sentences hold of a clip; all of a row do.
        """
        extra = extra or Extra()
        keep = keep or _all
        label, marks = verdict.label, verdict.marks
        for _ in range(_count(self.shares.recognition, random)):
            word = label if label is not None else self.replies.unclear
            asked = question(Task.RECOGNITION, random, self.labels.labels)
            yield Conversation(Task.RECOGNITION, [Reply(asked, word, [])], label, marks)
        for _ in range(_count(self.shares.reasoning, random)):
            yield Conversation(Task.REASONING, [self._reasoning(face, verdict, random, extra, keep)], label, marks)
        for _ in range(_count(self.shares.open_vocabulary, random)):
            asked = question(Task.OPEN_VOCABULARY, random)
            sentences = self.replies.open_words(face, random)
            kept = keep(Part.OBSERVATIONS, sentences) or self.replies.least(face, random)
            yield Conversation(Task.OPEN_VOCABULARY, [_plain(asked, kept)], None, marks)
        for _ in range(_count(self.shares.follow_up, random)):
            turns = [self._reasoning(face, verdict, random, extra, keep)]
            topics = random.sample(
                ("cue", "other", "missing", "knowing"), 1 + int(random.random() * self.options.most_follow_ups)
            )
            for topic in topics:
                values, sentences = self.replies.follow_up(topic, face, verdict.label, gaps, random)
                asked = question(Task.FOLLOW_UP, random, topic=topic, **values)
                if kept := keep(Part.OBSERVATIONS, sentences):
                    turns.append(_plain(asked, kept))
            yield Conversation(Task.FOLLOW_UP, turns, label, marks)

    def _reasoning(self, face: Face, verdict: Verdict, random: Random, extra: Extra, keep: Keep) -> Reply:
        moment = self.writer.write(face, random, verdict.gold)
        parts = {part: keep(part, getattr(moment, part.value)) for part in Part}
        if verdict.label is not None and not any(
            verdict.label.lower() in one.text.lower() for one in parts[Part.CONCLUSION]
        ):
            parts[Part.CONCLUSION] = [self.writer.labelled(face, verdict.label, random), *parts[Part.CONCLUSION]]
        moment = Moment(*parts.values())
        claims = [(part, one) for part, sentences in parts.items() for one in sentences if one.claims]
        asked = question(Task.REASONING, random, self.labels.labels)
        return Reply(asked, join(rationale(moment, extra)), claims)


def _all(part: Part, sentences: Sequence[Sentence]) -> list[Sentence]:
    return list(sentences)


def rationale(moment: Moment, extra: Extra) -> Rationale:
    """The three parts as text."""
    return Rationale(
        observations=_text(moment.observations, extra.observations),
        interpretation=_text(moment.interpretation, extra.interpretation),
        conclusion=_text(moment.conclusion, extra.conclusion),
    )


def _text(sentences: Sequence[Sentence], more: Sequence[str]) -> str:
    return " ".join([*(one.text for one in sentences), *more])


def _plain(asked: str, sentences: Sequence[Sentence]) -> Reply:
    claims = [(Part.OBSERVATIONS, one) for one in sentences if one.claims]
    return Reply(asked, " ".join(one.text for one in sentences), claims)


def _count(share: float, random: Random) -> int:
    """How many conversations a share gives this time."""
    whole = int(share)
    rest = share - whole
    return whole + (rest > 0 and random.random() < rest)
