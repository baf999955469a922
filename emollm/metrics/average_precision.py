"""Average precision in the two forms that are in circulation, under names of their own (PROTOCOLS 3.1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import Statistic, Values, Weights
from emollm.metrics.report import ratio

_THRESHOLDS = np.arange(1000) / 1000


def average_precision(positive: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> Statistic:
    """Σ (R_k − R_{k−1}) P_k over falling thresholds, equal scores together, as scikit-learn has it; NaN without a positive item.

    Args:
        positive: (n,).
        scores: (n,) finite.

    Raises:
        DataError: Other shapes, or scores that are not finite.
    """
    order, falling = _sorted(positive, scores)
    ends = np.searchsorted(falling, falling, side="right") - 1  # equal scores cannot be told apart
    own = positive[order].astype(np.float64)

    def statistic(weights: Weights) -> Values:
        weighed = weights[:, order]
        hits = weighed * own
        precision = ratio(hits.cumsum(-1), weighed.cumsum(-1), 0.0)[:, ends]
        return ratio((hits * precision).sum(-1), hits.sum(-1), np.nan)

    return statistic


def trapezoidal(positive: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> Statistic:
    """The form of BAH: precision (0 without an answer) and recall at 0, 0.001 … 0.999, trapezoids between them, no end point added.

    A score that equals a threshold counts as positive.

    Args:
        positive: (n,).
        scores: (n,) probabilities.

    Raises:
        DataError: Other shapes, or scores that are no probabilities.
    """
    order, falling = _sorted(positive, scores)
    if len(scores) and not 0 <= scores.min() <= scores.max() <= 1:
        raise DataError(f"expected probabilities from 0 to 1, got {scores.min():g} to {scores.max():g}")
    taken = np.searchsorted(falling, -_THRESHOLDS, side="right")  # how many items reach each threshold
    own = positive[order].astype(np.float64)

    def statistic(weights: Weights) -> Values:
        weighed = weights[:, order]
        nothing = np.zeros((len(weights), 1))
        hits = np.concatenate([nothing, (weighed * own).cumsum(-1)], -1)[:, taken]
        all_ = np.concatenate([nothing, weighed.cumsum(-1)], -1)[:, taken]
        precision = ratio(hits, all_, 0.0)
        recall = ratio(hits, (weighed * own).sum(-1, keepdims=True), np.nan)
        return ((recall[:, :-1] - recall[:, 1:]) * (precision[:, :-1] + precision[:, 1:]) / 2).sum(-1)

    return statistic


def _sorted(
    positive: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """The order of falling scores, and minus the scores in it."""
    if positive.shape != scores.shape or scores.ndim != 1 or not np.isfinite(scores).all():
        raise DataError(f"expected a finite score an item, got {scores.shape} for {positive.shape}, or NaN among them")
    order = np.argsort(-scores, kind="stable")
    return order, -np.asarray(scores, np.float64)[order]
