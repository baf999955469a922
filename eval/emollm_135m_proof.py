"""What all measures of the proof share: the set, the models, the answers, and the commonest ways to ask."""

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from emollm import measured_items
from emollm.emotions import LabelSet
from emollm.errors import ConfigError, DataError
from emollm.eval import emollm_135m_items as items
from emollm.eval.emollm_135m_asking import Answers, Question, Speaker
from emollm.eval.emollm_135m_items import Case
from emollm.eval.emollm_135m_scores import Row, Said
from emollm.eval.emollm_135m_untuned import Untuned
from emollm.face_sets.copies import copies
from emollm.generate import DEFAULT, open_generator
from emollm.modeling.speaking import Asked, EmoLLMGenerator
from emollm.reasoner import reason
from emollm.replies import forms, label_in
from emollm.types import Observation

LABEL_TOKENS = 12
"""Length of a reply that is the label alone."""
UNTUNED_TOKENS = 48
"""Length of the untuned backbone's reply to the same question, which it answers in sentences."""
TILES = "ferplus/ferplus_train_valid.npz"
"""FER+ below the data folder: what tells which faces equal a training tile."""


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
    def untuned(self) -> Untuned:
        """The backbone before any training, given text alone."""
        return Untuned(self._untuned)

    @cached_property
    def labels(self) -> LabelSet:
        """What is asked for."""
        return measured_items.labels()

    def _cases(self, part: str, most: int | None = None) -> list[Case]:
        """Validation items of a part, no more than ``most`` and the limit."""
        bounds = [one for one in (most, self.sizes.limit) if one is not None]
        return items.drawn(measured_items.read(self.folder, part), min(bounds, default=None), self.sizes.seed)

    def is_copy(self, case: Case) -> bool:
        """Whether its face equals a training tile, pixel by pixel: it is drawn like all others, and then left out."""
        return "face" in case.streams and not copied(self.data).isdisjoint((case.id, *case.made_of))

    def fresh(self, cases: Sequence[Case]) -> list[Case]:
        """Those whose face is no copy of a training tile."""
        return [case for case in cases if not self.is_copy(case)]

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

        Of the backbone there are two answers: the first label word that it writes, and the label that it finds likeliest.

        Args:
            measure: Name of the measure.
            cases: All that were drawn; the backbone is asked about a few. Copies of training tiles are left out here.
            cues: What is given.
            metrics: What is reported.
            words: The labels that count; those asked for if not given.
        """
        words = words or self.labels.labels
        few, cases = self.fresh(self.few(cases)), self.fresh(cases)
        told = [reason(cues(case), self.labels, track=case.track).label for case in cases]
        rows = Said.of([case.gold for case in cases], told, words).rows(measure, "cues", "cues reasoner", metrics)
        if not few:
            return rows

        def asked(case: Case) -> Asked:
            return items.ask(case, self.folder, media=(), cues=cues(case))

        gold, drawn = [case.gold for case in few], f"{len(few)} of {len(cases)}, by seed"
        named = self.told(measure, "cues", few, asked, self.untuned)
        note = f"{drawn}; first label word of {UNTUNED_TOKENS} tokens"
        rows += Said.of(gold, named, words).rows(measure, "cues as text", self.untuned.name, metrics, note)
        shown = "cues as text, labels ranked by likelihood"
        ranked = Said.of(gold, self._likeliest(measure, few, asked), words)
        return rows + ranked.rows(measure, shown, self.untuned.name, metrics, drawn)

    def _likeliest(self, measure: str, cases: Sequence[Case], ask: Callable[[Case], Asked]) -> list[str | None]:
        """The label that the untuned backbone finds likeliest as the begin of its reply, by the likeliest of the words that it goes by.

        Our model's labels are ranked in the same way where it named one (:func:`emollm.answering.ranked`); as nothing was written here, each
        word counts in small letters and with a capital.
        """
        known = [(label, word) for label, own in forms(self.labels).items() for word in own]
        known += [(label, word.capitalize()) for label, word in known]
        questions = [Question(case.id, "cues, labels ranked", ask(case), case.gold) for case in cases]
        found = self.answers.scores(measure, self.untuned, questions, [word for _, word in known])
        return [None if scores is None else known[scores.index(max(scores))][0] for scores in found]


@cache
def copied(data: Path) -> frozenset[str]:
    """Ids of the validation faces of FER+ that equal a training tile.

    Raises:
        DataError: The tiles are not there, or cannot be read.
    """
    file = data / TILES
    if not file.is_file():
        raise DataError(
            f"--data: {file}: no such file; faces that equal a training tile are left out, which takes all tiles: "
            "give the folder of the corpora, or leave out the measures with faces"
        )
    return copies(file, "valid", "train")


def left_out(count: int, what: str = "") -> str:
    """The note of rows without faces that equal a training tile; nothing if there were none."""
    return f"{count} {what}left out: the face is a pixel-exact copy of a training tile" if count else ""
