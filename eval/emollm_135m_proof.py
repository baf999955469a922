"""What all measures of the proof share: the set, the models, the answers, and the commonest ways to ask."""

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from emollm import measured_items
from emollm.emotions import LabelSet
from emollm.errors import ConfigError
from emollm.eval import emollm_135m_items as items
from emollm.eval.emollm_135m_asking import Answers, Question, Speaker, TextOnly
from emollm.eval.emollm_135m_items import Case
from emollm.eval.emollm_135m_scores import Row, Said
from emollm.generate import DEFAULT, open_generator
from emollm.modeling.speaking import Asked, EmoLLMGenerator
from emollm.reasoner import reason
from emollm.replies import label_in
from emollm.types import Observation

LABEL_TOKENS = 12
"""Length of a reply that is the label alone."""
UNTUNED_TOKENS = 48
"""Length of the untuned backbone's reply to the same question, which it answers in sentences."""


class Sizes(NamedTuple):
    """How much is asked; what is taken is chosen by the seed."""

    limit: int | None = None
    """At most so many items (rows, pairs) a measure, below its own number."""
    cued: int | None = None
    """At most so many faces, and so many combinations, where cue text is given: their prompts are long, about a second each on a CPU."""
    untuned: int = 100
    """Items that the untuned backbone is asked about."""
    seed: int = 0


class Proof:
    """One model under proof.

    Args:
        folder: The built set, with ``items``.
        data: Folder of the corpora.
        source: Name or folder of the model.
        answers: Where answers are kept.
        sizes: How much is asked.
        untuned: Name or folder of the untuned backbone.

    Raises:
        ConfigError: The model takes no pictures and voices.
        ModelError: There is no such model.
    """

    def __init__(
        self,
        folder: Path,
        data: Path,
        source: str,
        answers: Answers,
        sizes: Sizes | None = None,
        untuned: str = DEFAULT,
    ) -> None:
        model = open_generator(source)
        if not isinstance(model, EmoLLMGenerator):
            raise ConfigError(f"--model {source}: expected a model of our family, got a text model; give emollm-135m")
        self.model, self.source = model, source
        self.folder, self.data, self.answers, self.sizes = folder, data, answers, sizes or Sizes()
        self._untuned = untuned
        self.cases = cache(self._cases)

    @cached_property
    def untuned(self) -> Speaker:
        """The backbone before any training, given text alone."""
        return TextOnly(open_generator(self._untuned))

    @cached_property
    def labels(self) -> LabelSet:
        """What is asked for."""
        return measured_items.labels()

    def _cases(self, part: str, most: int | None = None) -> list[Case]:
        """Validation items of a part, no more than ``most`` and the limit."""
        bounds = [one for one in (most, self.sizes.limit) if one is not None]
        return items.drawn(measured_items.read(self.folder, part), min(bounds, default=None), self.sizes.seed)

    def few(self, cases: Sequence[Case], most: int | None = None) -> list[Case]:
        """Those that the untuned backbone is asked about."""
        return items.drawn(cases, self.sizes.untuned if most is None else most, self.sizes.seed)

    def told(
        self,
        measure: str,
        variant: str,
        cases: Sequence[Case],
        ask: Callable[[Case], Asked],
        speaker: Speaker | None = None,
    ) -> list[str | None]:
        """The label that a model names for each case; None where it names none.

        Args:
            measure: Whose file keeps the answers.
            variant: What is shown, for a reader of that file.
            cases: What is asked about.
            ask: The conversation about one of them.
            speaker: The model under proof if not given.
        """
        questions = [Question(case.id, variant, ask(case), case.gold) for case in cases]
        return self.named(measure, questions, speaker)

    def named(self, measure: str, questions: Sequence[Question], speaker: Speaker | None = None) -> list[str | None]:
        """The label named in the reply to each question; None where none is."""
        most = LABEL_TOKENS if speaker is None else UNTUNED_TOKENS
        replies = self.answers.replies(measure, speaker or self.model, questions, most)
        return [None if reply is None else label_in(reply, self.labels) for reply in replies]

    def said(self, cases: Sequence[Case], answers: Sequence[str | None]) -> Said:
        """Answers beside what people say."""
        return Said.of([case.gold for case in cases], answers, self.labels.labels)

    def beside(
        self,
        measure: str,
        cases: Sequence[Case],
        cues: Callable[[Case], Observation],
        metrics: Sequence[str],
        words: Sequence[str] | None = None,
    ) -> list[Row]:
        """What the cues reasoner and the untuned backbone make of the same cues.

        Args:
            measure: Name of the measure.
            cases: All of them; the backbone is asked about a few.
            cues: What is given.
            metrics: What is reported.
            words: The labels that count; those asked for if not given.
        """
        words = words or self.labels.labels
        told = [reason(cues(case), self.labels, track=case.track).label for case in cases]
        rows = Said.of([case.gold for case in cases], told, words).rows(measure, "cues", "cues reasoner", metrics)
        if few := self.few(cases):
            found = self.told(
                measure, "cues", few, lambda case: items.ask(case, self.folder, media=(), cues=cues(case)), self.untuned
            )
            said = Said.of([case.gold for case in few], found, words)
            rows += said.rows(
                measure, "cues as text", self.untuned.name, metrics, f"{len(few)} of {len(cases)}, by seed"
            )
        return rows
