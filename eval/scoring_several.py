"""Answers of several labels of a closed set beside references of several (GoEmotions): F1 by label, by decision and by item, and exact matches."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.emotions import LabelSet
from emollm.eval.predictions import EMPTY, Notes, Row, Table, Unread, listed
from emollm.eval.scoring import Aligned, Settings, Task, align
from emollm.eval.scoring_labels import closed, in_other_script
from emollm.metrics.bootstrap import (
    Statistic,
    Values,
    Weights,
    bootstrap,
    mean,
    remembered,
    share_interval,
    value,
    wilson,
)
from emollm.metrics.classification import mean_of_list
from emollm.metrics.report import ClassScore, Measure, ratio


class Sets(NamedTuple):
    """What n items have and what was said of them."""

    gold: NDArray[np.float64]
    """(n, C) 0 or 1."""
    said: NDArray[np.float64]
    """(n, C) 0 or 1; nothing where there is no answer."""
    stray: NDArray[np.float64]
    """(n,) words said that are outside of the set."""


class Counted(NamedTuple):
    """Weighed items of each label."""

    both: NDArray[np.float64]
    """(b, C)."""
    gold: NDArray[np.float64]
    said: NDArray[np.float64]
    stray: NDArray[np.float64]
    """(b,)."""


def build(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of answers of several labels.

    Raises:
        DataError: Nothing to score; see :func:`emollm.eval.scoring.align`.
        ConfigError: No such label set.
    """
    labels = closed(settings.labels, gold, most=sys.maxsize)
    aligned = align(gold, said, lambda row: _lacks(row, labels), settings)
    sets, kinds = _sets(aligned, labels)
    floors = _floors(sets.gold, labels.labels)
    best = {name: max(own[name] for own in floors.values()) for name in _METRICS}
    measures = {
        name: Measure(statistic, best[name], is_share=name == "exact") for name, statistic in statistics(sets).items()
    }
    several = int((sets.gold.sum(-1) > 1).sum())
    task = Task(
        "several",
        "macro_f1",
        measures,
        {kind: kinds[kind] for kind in ("answered", "outside", "abstained", "unparsed", "missing")},
        right=_is_right(sets),
        per_class=_per_class(sets, labels.labels, aligned, settings),
        floors=floors,
        by_group=("macro_f1", "exact"),
        remarks=(
            f"{several} of {len(sets.gold)} references have several labels",
            "floor: the best, for each metric, of saying the same labels of every item: the commonest, the two commonest, … all, or the "
            "commonest set",
        ),
        told={"label_set": {"id": f"{labels.id}@{labels.version}", "labels": list(labels.labels)}},
    )
    return task, aligned


def statistics(sets: Sets) -> dict[str, Statistic]:
    """``macro_f1`` (over the fixed list, 0 for a label that neither side has), ``micro_f1``, ``weighted_f1``, ``samples_f1``, ``exact``.

    A label of the references that a resample lacks is left out of its macro F1; see :func:`emollm.metrics.classification.mean_of_list`.
    As scikit-learn has them for indicators; a word outside the set is a wrong decision to micro F1, and part of the answer to samples F1 and exact.
    """
    both = sets.gold * sets.said
    occurring = int(sets.gold.any(0).sum())

    def count(weights: Weights) -> Counted:
        return Counted(weights @ both, weights @ sets.gold, weights @ sets.said, weights @ sets.stray)

    shared = remembered(count)

    def of_counts(metric: Callable[[Counted], Values], weights: Weights) -> Values:
        return metric(shared(weights))

    lengths = sets.gold.sum(-1) + sets.said.sum(-1) + sets.stray
    metrics: dict[str, Callable[[Counted], Values]] = {
        "macro_f1": partial(_macro, occurring),
        "micro_f1": _micro,
        "weighted_f1": _weighted,
    }
    out: dict[str, Statistic] = {name: partial(of_counts, metric) for name, metric in metrics.items()}
    out["samples_f1"] = mean(ratio(2 * both.sum(-1), lengths, 0.0))
    out["exact"] = mean(_is_right(sets))
    return out


def read(row: Row | None, labels: LabelSet, notes: Notes) -> tuple[tuple[str, ...], int, str]:
    """The labels of one answer, how many words of it are outside the set, and what became of it.

    A text counts where it is a list and nothing else; scores alone name no labels, because a threshold would have to be guessed.
    """
    if row is None or row.abstained:
        return (), 0, "missing" if row is None else "abstained"
    words, reason = row.labels or (), row.fault("labels")
    if not reason and not words and row.text:
        words = _in_text(row.text, labels)
        reason = "" if words else "a text that is no list of labels of the set"
    elif not reason and not words:
        reason = row.fault("text") or ("scores without labels" if row.scores else EMPTY)
    if reason:
        notes.add(f"unparsed: {reason}", row.id)
        return (), 0, "unparsed"
    strange = [word for word in words if labels.find(word) is None]
    for word in strange:
        what = "in another script" if in_other_script(word) else "outside the set"
        notes.add(f"labels {what}", f"{row.id}: {word}")
    found = tuple(dict.fromkeys(label for word in words if (label := labels.find(word)) is not None))
    return found, len(strange), "answered" if found else "outside"


def _in_text(text: str, labels: LabelSet) -> tuple[str, ...]:
    """The words of a text that is a list of labels, nothing of another one."""
    try:
        words = listed(text.strip().rstrip("."))
    except Unread:
        return ()
    return words if all(map(labels.find, words)) else ()


# ---- metrics --------------------------------------------------------------------------------------------------------


def _f1(counts: Counted) -> NDArray[np.float64]:
    """(b, C)."""
    return ratio(2 * counts.both, counts.gold + counts.said, 0.0)


def _macro(occurring: int, counts: Counted) -> Values:
    return mean_of_list(_f1(counts), counts.gold, occurring)


def _micro(counts: Counted) -> Values:
    below = counts.gold.sum(-1) + counts.said.sum(-1) + counts.stray
    return ratio(2 * counts.both.sum(-1), below, np.nan)


def _weighted(counts: Counted) -> Values:
    return ratio((counts.gold * _f1(counts)).sum(-1), counts.gold.sum(-1), np.nan)


_METRICS = ("macro_f1", "micro_f1", "weighted_f1", "samples_f1", "exact")


def _is_right(sets: Sets) -> NDArray[np.bool_]:
    return (sets.gold == sets.said).all(-1) & (sets.stray == 0)


def _floors(gold: NDArray[np.float64], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Metrics of saying the k commonest labels of every item: the best k of each metric, and all labels; and of the commonest set.

    Of macro F1 and weighted F1 no blind answer has more than saying all labels: F1 of a label rises with how often it is said.
    """
    n, classes = gold.shape
    order = np.argsort(-gold.sum(0), kind="stable")
    sets, times = np.unique(gold, axis=0, return_counts=True)
    blind = [tuple(order[:k].tolist()) for k in range(1, classes + 1)]
    commonest = tuple(at for at in blind[-1] if sets[times.argmax(), at])
    found: dict[tuple[int, ...], dict[str, float]] = {}
    for places in (*blind, commonest):
        said = np.zeros_like(gold)
        said[:, list(places)] = 1
        own = statistics(Sets(gold, said, np.zeros(n)))
        found[places] = {name: value(one, n) for name, one in own.items()}
    kept = {blind[0], blind[-1], commonest} | {max(found, key=lambda at: found[at][name]) for name in _METRICS}
    return {
        _named([labels[at] for at in places], places in blind, classes): found[places]
        for places in sorted(kept, key=len)
    }


def _named(words: Sequence[str], are_commonest: bool, classes: int) -> str:
    if len(words) == classes:
        return "all labels"
    is_short = len(words) <= 4 or not are_commonest
    return ", ".join(words) if is_short else f"{', '.join(words[:3])} … ({len(words)} labels)"


def _per_class(sets: Sets, labels: Sequence[str], aligned: Aligned, settings: Settings) -> Mapping[str, ClassScore]:
    """Recalls have Wilson's interval where items are independent, or all of them right or wrong, else the bootstrap's."""
    both, support, said = (sets.gold * sets.said).sum(0), sets.gold.sum(0), sets.said.sum(0)
    ci = [wilson(int(hits), int(all_)) for hits, all_ in zip(both, support, strict=True)]
    if aligned.clusters is not None:
        own = {str(k): partial(_recall, sets, k) for k in range(len(labels)) if support[k]}
        found = bootstrap(
            own, len(sets.gold), clusters=aligned.clusters, resamples=settings.resamples, seed=settings.seed
        )
        for k, one in found.items():
            ci[int(k)] = share_interval(one, aligned.clusters[sets.gold[:, int(k)] > 0])
    return {
        label: ClassScore(
            support=int(support[k]),
            recall=float(both[k] / support[k]) if support[k] else None,
            recall_ci=ci[k],
            precision=float(both[k] / said[k]) if said[k] else None,
            f1=float(2 * both[k] / (support[k] + said[k])) if support[k] + said[k] else 0.0,
        )
        for k, label in enumerate(labels)
    }


def _recall(sets: Sets, k: int, weights: Weights) -> Values:
    return ratio(weights @ (sets.gold[:, k] * sets.said[:, k]), weights @ sets.gold[:, k], np.nan)


# ---- reading --------------------------------------------------------------------------------------------------------


def _sets(aligned: Aligned, labels: LabelSet) -> tuple[Sets, Counter[str]]:
    n, classes = len(aligned.pairs), len(labels.labels)
    sets, kinds = Sets(np.zeros((n, classes)), np.zeros((n, classes)), np.zeros(n)), Counter[str]()
    place = {label: k for k, label in enumerate(labels.labels)}
    for row, pair in enumerate(aligned.pairs):
        sets.gold[row, [place[str(labels.find(word))] for word in pair.gold.labels or ()]] = 1
        words, sets.stray[row], kind = read(pair.said, labels, aligned.notes)
        sets.said[row, [place[word] for word in words]] = 1
        kinds[kind] += 1
    return sets, kinds


def _lacks(row: Row, labels: LabelSet) -> str:
    reason = row.fault("labels")
    if reason and reason != EMPTY:
        return reason
    if not row.labels:
        return "without a label"
    return "" if all(map(labels.find, row.labels)) else f"of a label outside {labels.id}"
