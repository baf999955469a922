"""Accuracy, recalls and F1 over a fixed list of labels, strict and lenient, with the floors of answers that look at nothing.

WAR is the accuracy and UAR the mean recall over the classes that the reference has (Schuller et al. 2009, INTERSPEECH emotion
challenge): a class without items has no recall. Macro F1 is the mean over all labels of the list, as scikit-learn has it where it is
given ``labels``: over the classes that occur in reference or answers, scikit-learn's default, a stray answer would change what is
averaged, and two nets would not be compared on the same list. Labels are passed as a fixed list: an answer outside of it is wrong, and does not become a class of its own. A missing
answer (abstained, unparsed) is no label: *strict* counts it as wrong, *lenient* leaves its item out, for the floor as well.

A class of few items is in none of the references of some resamples. It has no recall and no F1 there, and is left out of the means of
UAR and macro F1: counted as 0 it would pull the interval below the number.

Arrays of labels hold positions in the list.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError, unknown_name
from emollm.metrics.bootstrap import RESAMPLES, Statistic, Weights, bootstrap, remembered, share_interval, value, wilson
from emollm.metrics.report import ClassScore, Confusion, Measure, Report, measured, ratio

UNANSWERED = -1
"""No answer: abstained or unparsed."""
STRAY = -2
"""An answer that is none of the labels."""

Codes: TypeAlias = NDArray[np.integer[Any]]
"""(n,) positions in the list of labels; as answers also :data:`UNANSWERED` and :data:`STRAY`."""
Counts: TypeAlias = NDArray[np.float64]
"""(…, C, C + 2) reference × answer; the last two columns are stray and missing answers."""


def codes(words: Sequence[str | None], labels: Sequence[str]) -> Codes:
    """Positions (n,) of words in the list of labels; None becomes :data:`UNANSWERED`.

    Raises:
        DataError: A word that is no label; the message gives the closest.
    """
    place: dict[str | None, int] = {label: k for k, label in enumerate(labels)}
    place[None] = UNANSWERED
    for word in words:
        if word not in place:
            raise DataError(unknown_name("label", str(word), labels))
    return np.array([place[word] for word in words], np.int64)


# ---- counting -------------------------------------------------------------------------------------------------------


def counter(reference: Codes, predicted: Codes, classes: int) -> Callable[[Weights], Counts]:
    """What counts weighed items (b, n) into (b, C, C + 2).

    Raises:
        DataError: Not as many answers as references, or a number that is no label.
    """
    if reference.shape != predicted.shape or reference.ndim != 1:
        raise DataError(f"expected an answer for each item, got {predicted.shape} for {reference.shape}")
    for name, array, least in (("reference", reference, 0), ("answer", predicted, STRAY)):
        if len(array) and not least <= array.min() <= array.max() < classes:
            raise DataError(f"{name} {array.min()} to {array.max()}: expected {least} to {classes - 1}")
    columns = np.where(predicted == UNANSWERED, classes + 1, np.where(predicted == STRAY, classes, predicted))
    cells = np.zeros((len(reference), classes * (classes + 2)))
    cells[np.arange(len(reference)), reference * (classes + 2) + columns] = 1
    return remembered(lambda weights: (weights @ cells).reshape(*weights.shape[:-1], classes, classes + 2))


def confusion(reference: Codes, predicted: Codes, classes: int) -> NDArray[np.int64]:
    """(C, C + 2) reference × answer; the last two columns are stray and missing answers."""
    counts = counter(reference, predicted, classes)(np.ones((1, len(reference))))[0]
    return np.rint(counts).astype(np.int64)


def lenient(counts: Counts) -> Counts:
    """The same without the items that have no answer."""
    kept = counts.copy()
    kept[..., -1] = 0
    return kept


# ---- metrics of counts ----------------------------------------------------------------------------------------------


def hits(counts: Counts) -> Counts:
    """(…, C) items of each class that are right."""
    return np.diagonal(counts[..., : counts.shape[-2]], axis1=-2, axis2=-1)


def recall(counts: Counts) -> Counts:
    """(…, C); NaN for a class without items."""
    return ratio(hits(counts), counts.sum(-1), np.nan)


def precision(counts: Counts) -> Counts:
    """(…, C); NaN for a class that is never answered."""
    return ratio(hits(counts), counts[..., : counts.shape[-2]].sum(-2), np.nan)


def f1(counts: Counts) -> Counts:
    """(…, C) 2 TP / (2 TP + FP + FN); 0 where the denominator is."""
    both = counts.sum(-1) + counts[..., : counts.shape[-2]].sum(-2)
    return ratio(2 * hits(counts), both, 0.0)


def war(counts: Counts) -> Counts:
    """(…,) share of right answers; NaN without items."""
    return ratio(hits(counts).sum(-1), counts.sum((-2, -1)), np.nan)


def uar(counts: Counts) -> Counts:
    """(…,) mean recall over the classes that have items; NaN without any."""
    present = counts.sum(-1) > 0
    return ratio(np.where(present, recall(counts), 0.0).sum(-1), present.sum(-1).astype(np.float64), np.nan)


def macro_f1(counts: Counts, occurring: int | None = None) -> Counts:
    """(…,) mean F1 over all labels of the list, 0 for one that neither reference nor answers have; NaN without items.

    Args:
        counts: (…, C, C + 2).
        occurring: Of resamples: how many labels the references have that they are drawn from; see :func:`mean_of_list`.
    """
    support = counts.sum(-1)
    found = f1(counts).mean(-1) if occurring is None else mean_of_list(f1(counts), support, occurring)
    return np.where(support.sum(-1) > 0, found, np.nan)


def mean_of_list(each: Counts, support: Counts, occurring: int) -> Counts:
    """(…,) mean over a fixed list of a score that is 0 for a label without references, as F1 is, for resamples of some references.

    Labels that the references never have stay in the mean as 0. One that they have and a resample lacks is left out of its mean: the
    others stand for it, so that answers without a mistake score the same in every resample.

    Args:
        each: (…, C) scores.
        support: (…, C) references of each label.
        occurring: Labels that occur in the references that are resampled.
    """
    if not occurring:
        return np.asarray(each.mean(-1))
    drawn = (support > 0).sum(-1)
    return ratio(each.sum(-1), each.shape[-1] * drawn / occurring, np.nan)


def weighted_f1(counts: Counts) -> Counts:
    """(…,) F1 weighed by the items of each class; NaN without items."""
    support = counts.sum(-1)
    return ratio((support * f1(counts)).sum(-1), support.sum(-1), np.nan)


METRICS: dict[str, Callable[[Counts], Counts]] = {
    "war": war,
    "uar": uar,
    "macro_f1": macro_f1,
    "weighted_f1": weighted_f1,
}
"""Metrics of counts (…, C, C + 2) by name."""


def majority(counts: Counts) -> Counts:
    """Counts of always answering the commonest class."""
    support = counts.sum(-1)  # (…, C)
    out = np.zeros_like(counts)
    out[..., int(support.argmax())] = support
    return out


def uniform(counts: Counts) -> Counts:
    """Expected counts of answering any label of the list by chance."""
    classes = counts.shape[-2]
    out = np.zeros_like(counts)
    out[..., :classes] = counts.sum(-1, keepdims=True) / classes
    return out


def prior(counts: Counts) -> Counts:
    """Expected counts of answers that are drawn as often as the references have each class, without looking at the item.

    F1 of a class is then its share p, so that macro F1 is 1 / C over a list of C labels; of 2 p q / (p + q), the F1 of a class that
    is answered with probability q, the sum over the classes is highest where q = p: no blind answer has a higher macro F1.
    """
    classes = counts.shape[-2]
    support = counts.sum(-1)
    out = np.zeros_like(counts)
    share = ratio(support, support.sum(-1, keepdims=True), 0.0)
    out[..., :classes] = support[..., :, None] * share[..., None, :]
    return out


BLIND: dict[str, Callable[[Counts], Counts]] = {"majority": majority, "uniform": uniform, "prior": prior}
"""Answers that look at nothing, as (expected) counts, from the counts of any answers to the same references."""


def best_blind(metric: Callable[[Counts], Counts], counts: Counts) -> float | None:
    """The best that :data:`BLIND` answers to the same references (C, C + 2) score; None without items."""
    best = max(float(metric(blind(counts))) for blind in BLIND.values())
    return None if np.isnan(best) else best


# ---- a report -------------------------------------------------------------------------------------------------------


def scores(reference: Codes, predicted: Codes, classes: int) -> dict[str, float]:
    """The metrics without intervals, as training's validation wants them; see :func:`classification`."""
    found = measures(reference, predicted, classes)
    return {name: value(measure.statistic, len(reference)) for name, measure in found.items()}


def measures(reference: Codes, predicted: Codes, classes: int) -> dict[str, Measure]:
    """The metrics by name, strict; ``…_lenient`` too where an answer is missing, with the floors of the items that have one."""
    count = counter(reference, predicted, classes)
    counts = count(np.ones((1, len(reference))))[0]

    def statistic(metric: Callable[[Counts], Counts], kept: Callable[[Counts], Counts], weights: Weights) -> Counts:
        return metric(kept(count(weights)))

    ways: dict[str, Callable[[Counts], Counts]] = {"": _all}
    if (predicted == UNANSWERED).any():
        ways["_lenient"] = lenient
    out = {}
    for suffix, kept in ways.items():
        own = kept(counts)
        resampled = METRICS | {"macro_f1": partial(macro_f1, occurring=int((own.sum(-1) > 0).sum()))}
        for name, metric in METRICS.items():
            out[name + suffix] = Measure(
                partial(statistic, resampled[name], kept),
                best_blind(metric, own),
                items=predicted != UNANSWERED if suffix else None,
                is_share=name == "war",
            )
    return out


def classification(
    reference: Codes,
    predicted: Codes,
    labels: Sequence[str],
    *,
    more: dict[str, Measure] | None = None,
    clusters: NDArray[Any] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Report:
    """A report on answers.

    Args:
        reference: (n,) positions in ``labels``.
        predicted: (n,) the same, or :data:`UNANSWERED` or :data:`STRAY`.
        labels: The fixed list.
        more: Further metrics of the same items, for instance :func:`emollm.metrics.calibration.measures`.
        clusters: (n,) whose items belong together; None if every item is independent.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        DataError: No items, or arrays that do not fit each other or the labels.
    """
    if not len(reference):
        raise DataError("nothing to score: no item has a reference label")
    classes = len(labels)
    counts = confusion(reference, predicted, classes).astype(np.float64)
    every = measures(reference, predicted, classes) | (more or {})
    metrics = measured(every, len(reference), clusters=clusters, resamples=resamples, seed=seed)
    blind = {name: function(counts) for name, function in BLIND.items()}
    return Report(
        n=len(reference),
        metrics=metrics,
        coverage=float((predicted != UNANSWERED).mean()),
        per_class=_per_class(reference, predicted, labels, clusters, resamples, seed),
        confusion=_table(counts, labels),
        floors={
            name: {metric: float(function(table)) for metric, function in METRICS.items()}
            for name, table in blind.items()
        },
    )


def _per_class(
    reference: Codes,
    predicted: Codes,
    labels: Sequence[str],
    clusters: NDArray[Any] | None,
    resamples: int,
    seed: int,
) -> dict[str, ClassScore]:
    """Recalls have Wilson's interval where items are independent, or all of them right or wrong: there the bootstrap is falsely sure."""
    classes = len(labels)
    counts = confusion(reference, predicted, classes).astype(np.float64)
    support, right = counts.sum(-1).astype(int), hits(counts).astype(int)
    ci: list[tuple[float, float] | None] = [wilson(int(right[k]), int(support[k])) for k in range(classes)]
    if clusters is not None:
        count = counter(reference, predicted, classes)
        each: dict[str, Statistic] = {
            str(k): partial(lambda at, weights: recall(count(weights))[..., at], k)
            for k in range(classes)
            if support[k]
        }
        found = bootstrap(each, len(reference), clusters=clusters, resamples=resamples, seed=seed)
        for k in map(int, found):
            ci[k] = share_interval(found[str(k)], clusters[reference == k])
    recalls, precisions, f1s = recall(counts), precision(counts), f1(counts)
    return {
        label: ClassScore(
            support=int(support[k]),
            recall=_defined(recalls[k]),
            recall_ci=ci[k],
            precision=_defined(precisions[k]),
            f1=float(f1s[k]),
        )
        for k, label in enumerate(labels)
    }


def _table(counts: Counts, labels: Sequence[str]) -> Confusion:
    extra = [k for k in (0, 1) if counts[:, len(labels) + k].any()]
    columns = (*labels, *(("other", "none")[k] for k in extra))
    kept = counts[:, [*range(len(labels)), *(len(labels) + k for k in extra)]].astype(int)
    return Confusion(rows=tuple(labels), columns=columns, counts=tuple(tuple(row) for row in kept.tolist()))


def _all(counts: Counts) -> Counts:
    return counts


def _defined(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
