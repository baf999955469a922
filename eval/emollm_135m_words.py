"""The measure of words: GoEmotions by Ekman's groups (Demszky et al. 2020), its dev rows with one label and all of them.

Six emotions and neutral count. Rows with one label are answered by a generated label. All rows are answered by every label whose
probability as the whole reply exceeds a threshold, which is chosen on rows of the training file, never on dev.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.eval.emollm_135m_asking import Question
from emollm.eval.emollm_135m_items import ask, drawn, labels, words_case
from emollm.eval.emollm_135m_proof import Proof
from emollm.eval.emollm_135m_scores import Flags, Row, Said, best_threshold, row, several_macro_f1
from emollm.metrics.bootstrap import bootstrap

FOLDER = "goemotions/ekman"
"""Below the data folder."""
TRAIN_ROWS = 2000
"""Rows of the training file on which the threshold is chosen, drawn by the seed."""

_SET = "goemotions-ekman"
_METRICS = ("macro_f1", "war")
_NAN = float("nan")
_QUOTED = Row(
    "words", "words", "TF-IDF + MiniLM + logistic regression", "macro-F1", 0.58, _NAN, _NAN, 0, None, "quoted, not computed here"
)  # fmt: skip


class Comment(NamedTuple):
    """A row of the corpus."""

    id: str
    text: str
    labels: tuple[str, ...]
    """In the words that are asked for."""


def words(proof: Proof) -> list[Row]:
    """Both protocols, beside majority, cues reasoner and untuned backbone."""
    return [*_single(proof), *_several(proof), _QUOTED]


def counted() -> tuple[str, ...]:
    """The labels that count, in the order of those asked for."""
    homes = set(label_set(_SET).map_to(labels()).values())
    return tuple(label for label in labels().labels if label in homes)


def read(folder: Path, split: str) -> list[Comment]:
    """The comments of a file that have text, in its order.

    Args:
        folder: With ``labels.txt`` and ``<split>.tsv``: text, label ids and comment id.
        split: ``train`` or ``dev``.

    Raises:
        DataError: A file is missing or a line has another form.
    """
    names = [line.strip() for line in _lines(folder / "labels.txt") if line.strip()]
    own = label_set(_SET)
    homes = own.map_to(labels())
    targets = [homes.get(own.find(name) or "") for name in names]
    found = []
    for number, line in enumerate(_lines(folder / f"{split}.tsv"), 1):
        cells = line.split("\t")
        if len(cells) != 3 or not all(one.isdigit() and int(one) < len(names) for one in cells[1].split(",")):
            raise DataError(
                f"{folder / split}.tsv:{number}: expected text, label ids and comment id, separated by tabs"
            )
        gold = dict.fromkeys(target for one in cells[1].split(",") if (target := targets[int(one)]) is not None)
        if cells[0].strip():
            found.append(Comment(f"goemotions/{cells[2]}", cells[0].strip(), tuple(gold)))
    return found


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text: {getattr(error, 'strerror', None) or error}") from error


def _single(proof: Proof) -> list[Row]:
    cases = proof.cases("words")
    told = proof.told("words", "words", cases, lambda case: ask(case, proof.folder, cues=case.seen))
    said = Said.of([case.gold for case in cases], told, counted())
    rows = said.rows("words", "rows of one label", proof.model.name, _METRICS, "a generated label")
    beside = proof.beside("words", cases, lambda case: case.seen, _METRICS, counted())
    return [*rows, *beside]


def _several(proof: Proof) -> list[Row]:
    folder, sizes = proof.data / FOLDER, proof.sizes
    train = drawn(read(folder, "train"), min(TRAIN_ROWS, sizes.limit or TRAIN_ROWS), sizes.seed)
    dev = drawn(read(folder, "dev"), sizes.limit, sizes.seed)
    threshold = best_threshold(flags(train), _scores(proof, train, "train"))
    gold, answer = flags(dev), _scores(proof, dev, "dev") > threshold
    usual = np.zeros_like(gold)
    usual[:, int(gold.sum(0).argmax())] = True
    found = bootstrap({"ours": several_macro_f1(gold, answer), "usual": several_macro_f1(gold, usual)}, len(gold))
    note = f"all labels above {threshold:.2f}, chosen on {len(train)} training rows; {answer.sum(1).mean():.2f} a row"
    who, floor = proof.model.name, found["usual"].value
    return [row(found["ours"], len(dev), "words", "all rows", who, "macro-F1, several labels", floor, note)]


def flags(comments: Sequence[Comment]) -> Flags:
    """(n, C) which of the labels that count each comment has."""
    return np.array([[label in one.labels for label in counted()] for one in comments], bool).reshape(
        -1, len(counted())
    )


def _scores(proof: Proof, comments: Sequence[Comment], split: str) -> np.ndarray:
    """(n, C) probabilities; 0 for a comment that could not be asked about, which then has no label."""
    questions = []
    for one in comments:
        case = words_case(one.id, one.text, " ".join(one.labels))
        questions.append(Question(one.id, f"scores, {split}", ask(case, proof.folder, cues=case.seen), case.gold))
    found = proof.answers.scores("words", proof.model, questions, counted())
    return np.array([one if one is not None else [0.0] * len(counted()) for one in found])
