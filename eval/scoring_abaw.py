"""The numbers of the ABAW challenges (Kollias et al. 2020 to 2024; PROTOCOLS 3.2), by what the references hold. A row is a frame or a clip.

``label``: EXPR and CE. ``valence`` and ``arousal``: VA. ``scores`` (in a table columns ``p_<name>``) that are 0 or 1 each: AU; other
``scores``: EMI. What the challenges mark as not labelled (−1, of VA −5) is left out and counted.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.eval.predictions import EMPTY, Notes, Row, Table
from emollm.eval.scoring import Aligned, Pair, Settings, Task, align
from emollm.eval.scoring_labels import closed, read
from emollm.metrics.abaw import IGNORED, expression, expression_2020, mimicry, units, units_2020, valence_arousal
from emollm.metrics.bootstrap import Statistic, among, value
from emollm.metrics.classification import Counts, best_blind, codes, counter, macro_f1, war
from emollm.metrics.report import Measure

_RATED = ("valence", "arousal")
_INVALID = -5.0
_LENIENT = "_lenient"
_REMARKS = {
    "expr": "expr: macro F1 over the fixed list (EXPR since 2022, CE); expr_2020: 0.67 macro F1 + 0.33 accuracy (2020 and 2021)",
    "va": "va: mean CCC of valence and arousal",
    "au": "au: mean F1 of the units (since 2022); au_2020: half of it and half the accuracy over all units of all frames",
    "emi": "emi: mean Pearson's r of the columns; one whose answers never vary has r = 0",
}


class Read(NamedTuple):
    """The answers of a challenge."""

    measures: dict[str, Measure]
    kinds: list[str]
    undefined: tuple[str, ...] = ()


def build(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of the challenge that the references are of.

    Raises:
        DataError: References of no challenge or of several, nothing to score, or no answer where agreement is measured.
        ConfigError: No such label set.
    """
    challenge = _challenge(gold)
    aligned = align(gold, said, lambda row: _lacks(row, challenge), settings)
    found = _READERS[challenge](aligned, gold, settings)
    kinds = Counter(found.kinds)
    primary = next(iter(found.measures))
    task = Task(
        "abaw",
        primary.removesuffix(_LENIENT),
        found.measures,
        {kind: kinds[kind] for kind in ("answered", "outside", "abstained", "unparsed", "missing")},
        undefined=found.undefined,
        by_group=(primary,),
        remarks=(_REMARKS[challenge],),
        told={"challenge": challenge},
    )
    return task, aligned


def _challenge(gold: Table) -> str:
    rows = list(gold.rows.values())
    levels = {level for row in rows for level in row.scores.values()}
    has = {
        "expr": any(row.labels for row in rows),
        "va": all(any(name in row.numbers for row in rows) for name in _RATED),
        "au": bool(levels) and levels <= {float(IGNORED), 0.0, 1.0},
        "emi": bool(levels - {float(IGNORED), 0.0, 1.0}),
    }
    found = [name for name, there in has.items() if there]
    if len(found) != 1:
        raise DataError(
            f"{gold.path}: expected references of one challenge, got {' and '.join(found) or 'none'}: label (EXPR), valence and arousal (VA), "
            "or scores (AU, EMI)"
        )
    return found[0]


def _lacks(row: Row, challenge: str) -> str:
    reason = row.fault("labels", "numbers", "scores")
    if reason and reason != EMPTY:
        return reason
    if challenge == "expr":
        if not row.labels or len(row.labels) != 1:
            return "without one label"
        return "labelled −1, which ABAW leaves out" if row.labels[0] == str(IGNORED) else ""
    if challenge == "va":
        if not all(name in row.numbers for name in _RATED):
            return "without valence and arousal"
        return "rated −5, which ABAW leaves out" if _INVALID in row.numbers.values() else ""
    return "" if row.scores else "without scores"


# ---- challenges -----------------------------------------------------------------------------------------------------


def _expr(aligned: Aligned, gold: Table, settings: Settings) -> Read:
    kept = {pair.gold.id: pair.gold for pair in aligned.pairs}
    labels = closed(settings.labels, gold._replace(rows=kept))
    by_code = {str(entry.code): entry.label for entry in labels.entries}
    words = [labels.find(_word(pair.gold, by_code)) for pair in aligned.pairs]
    for pair, word in zip(aligned.pairs, words, strict=True):
        if word is None:
            aligned.notes.add(f"references of a label outside {labels.id}, left out", pair.gold.id)
    reference, classes = (
        codes(words, labels.labels),
        len(labels.labels),
    )  # a stranger has the code of what is not labelled
    labelled = reference != IGNORED
    if not labelled.any():
        raise DataError(f"{gold.path}: nothing to score: no reference has a label of {labels.id}")
    found = [read(_worded(pair.said, by_code), labels, aligned.notes) for pair in aligned.pairs]
    predicted = np.array([one.code for one in found], np.int64)
    counts = counter(reference[labelled], predicted[labelled], classes)(np.ones((1, int(labelled.sum()))))[0]
    return Read(
        {
            "expr": Measure(expression(reference, predicted, classes), best_blind(macro_f1, counts)),
            "expr_2020": Measure(expression_2020(reference, predicted, classes), best_blind(_of_2020, counts)),
        },
        [one.kind for one in found],
    )


def _of_2020(counts: Counts) -> Counts:
    return 0.67 * macro_f1(counts) + 0.33 * war(counts)


def _word(row: Row, by_code: Mapping[str, str]) -> str:
    """The label of a reference, which the files of the challenges give as a number."""
    word = (row.labels or ("",))[0]
    return by_code.get(word, word)


def _worded(row: Row | None, by_code: Mapping[str, str]) -> Row | None:
    """An answer with the label that its number stands for."""
    if row is None or row.labels is None or len(row.labels) != 1:
        return row
    return row._replace(labels=(_word(row, by_code),))


def _va(aligned: Aligned, gold: Table, settings: Settings) -> Read:
    kinds = _kinds(aligned, lambda row: row.fault("numbers") or _without(_RATED, row.numbers))
    has, pairs = _answered(aligned, kinds, gold)
    wanted, said = (np.array([[one.numbers[name] for name in _RATED] for one in own]) for own in pairs)  # (n, 2) each
    return _of_answered("va", valence_arousal(wanted[:, 0], said[:, 0], wanted[:, 1], said[:, 1]), has, kinds)


def _emi(aligned: Aligned, gold: Table, settings: Settings) -> Read:
    names = _names(aligned.pairs)
    if strange := [pair.gold.id for pair in aligned.pairs if set(pair.gold.scores) != set(names)]:
        raise DataError(f"{gold.path}: expected the same scores in each reference, not so in that of {strange[0]!r}")
    kinds = _kinds(aligned, lambda row: row.fault("scores") or _without(names, row.scores))
    has, pairs = _answered(aligned, kinds, gold)
    wanted, said = (np.array([[one.scores[name] for name in names] for one in own]) for own in pairs)  # (n, K) each
    return _of_answered("emi", mimicry(wanted, said), has, kinds)


def _au(aligned: Aligned, gold: Table, settings: Settings) -> Read:
    names = _names(aligned.pairs)
    kinds = _kinds(aligned, lambda row: row.fault("scores") or _without(names, row.scores) or _not_binary(row))
    reference = np.array([[pair.gold.scores.get(name, IGNORED) for name in names] for pair in aligned.pairs], np.int64)
    said = np.where(reference == 1, 0, 1)  # what has no answer is wrong in every unit
    for k, (pair, kind) in enumerate(zip(aligned.pairs, kinds, strict=True)):
        if kind == "answered" and pair.said is not None:
            said[k] = [pair.said.scores[name] for name in names]
    n = len(reference)
    measures = {}
    for name, metric in (("au", units), ("au_2020", units_2020)):
        blind = max(value(metric(reference, np.full_like(reference, level)), n) for level in (0, 1))
        measures[name] = Measure(metric(reference, said), blind)
    return Read(measures, kinds)


_READERS: dict[str, Callable[[Aligned, Table, Settings], Read]] = {"expr": _expr, "va": _va, "au": _au, "emi": _emi}


# ---- answers --------------------------------------------------------------------------------------------------------


def _kinds(aligned: Aligned, lacks: Callable[[Row], str]) -> list[str]:
    """What became of each answer; why one cannot be used is noted."""
    return [_kind(pair.said, lacks, aligned.notes) for pair in aligned.pairs]


def _kind(row: Row | None, lacks: Callable[[Row], str], notes: Notes) -> str:
    if row is None or row.abstained:
        return "missing" if row is None else "abstained"
    if reason := lacks(row):
        notes.add(f"unparsed: {reason}", row.id)
        return "unparsed"
    return "answered"


def _without(names: Sequence[str], given: Container[str]) -> str:
    lacking = [name for name in names if name not in given]
    return f"without {', '.join(lacking[:3])}{' …' if len(lacking) > 3 else ''}" if lacking else ""


def _not_binary(row: Row) -> str:
    return "" if set(row.scores.values()) <= {0.0, 1.0} else "units that are neither 0 nor 1; ABAW counts decisions"


def _names(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for pair in pairs for name in pair.gold.scores))


def _answered(
    aligned: Aligned, kinds: Sequence[str], gold: Table
) -> tuple[NDArray[np.bool_], tuple[list[Row], list[Row]]]:
    """Which references (n,) have an answer, and both rows of these."""
    has = np.array([kind == "answered" for kind in kinds])
    if not has.any():
        raise DataError(f"{gold.path}: nothing to score: no reference has an answer that can be read")
    kept = [pair for pair, own in zip(aligned.pairs, has, strict=True) if own]
    return has, ([pair.gold for pair in kept], [pair.said for pair in kept if pair.said is not None])


def _of_answered(name: str, statistic: Statistic, has: NDArray[np.bool_], kinds: list[str]) -> Read:
    """Agreement is of what is rated: with answers missing there is none of all."""
    if has.all():
        return Read({name: Measure(statistic, 0.0)}, kinds)
    return Read({name + _LENIENT: Measure(among(has, statistic), 0.0, items=has)}, kinds, undefined=(name,))
