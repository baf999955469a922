"""Agreement of continuous ratings: valence, arousal, intensities.

A constant series correlates with nothing: concordance and Pearson's r are 0 there by definition, and :func:`is_constant` says so. Moments are those
of the population (ddof 0). Ratings are never standardised, and never clipped.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import Statistic, Values, Weights, mean
from emollm.metrics.report import ratio

Series: TypeAlias = NDArray[np.floating[Any]]
"""(n,)."""
_NOTHING = 1e-24
"""Share of the square of a series' range below which a variance is rounding."""


class Concordance(NamedTuple):
    """How well two series agree."""

    value: float
    is_constant: bool
    """Whether one of them does not vary, so that the value is a definition and not a measurement."""


def concordance(x: Series, y: Series) -> Concordance:
    """Concordance correlation coefficient 2 cov / (var x + var y + (mean x − mean y)²), population moments (Lin 1989).

    A constant series gives 0; two that are constant and equal give 1.

    Args:
        x: (n,).
        y: (n,).

    Raises:
        DataError: Not two finite series of one length.
    """
    statistic = ccc(x, y)
    return Concordance(float(statistic(np.ones((1, len(x))))[0]), is_constant(x) or is_constant(y))


def is_constant(x: Series) -> bool:
    """Whether a series does not vary."""
    return bool(np.ptp(x) == 0)


def ccc(x: Series, y: Series) -> Statistic:
    """Concordance as a metric that can be resampled; see :func:`concordance`."""
    a, b = _checked(x, y)
    middle = float(b[0])  # shifting both loses no digits where the series hardly vary
    a, b = a - middle, b - middle

    def statistic(weights: Weights) -> Values:
        mean_a, mean_b, var_a, var_b, together = _moments(weights, a, b)
        spread = var_a + var_b + (mean_a - mean_b) ** 2
        out = np.ones_like(spread)
        np.divide(2 * together, spread, out=out, where=spread > 0)
        return out

    return statistic


def pearson(x: Series, y: Series) -> Statistic:
    """Pearson's r; 0 where a series does not vary (ABAW-6, emotional mimicry).

    Raises:
        DataError: Not two finite series of one length.
    """
    a, b = _checked(x, y)
    a, b = a - a[0], b - b[0]
    least = _NOTHING * max(float(np.ptp(a)), 1e-300) ** 2, _NOTHING * max(float(np.ptp(b)), 1e-300) ** 2

    def statistic(weights: Weights) -> Values:
        _, _, var_a, var_b, together = _moments(weights, a, b)
        varies = (var_a > least[0]) & (var_b > least[1])
        return ratio(together, np.where(varies, np.sqrt(var_a * var_b), 0.0), 0.0)

    return statistic


def mse(x: Series, y: Series) -> Statistic:
    """Mean squared error. Raises DataError as :func:`pearson`."""
    a, b = _checked(x, y)
    return mean((a - b) ** 2)


def rmse(x: Series, y: Series) -> Statistic:
    """Its root. Raises DataError as :func:`pearson`."""
    squared = mse(x, y)
    return lambda weights: np.sqrt(squared(weights))


def sign_accuracy(reference: Series, predicted: Series) -> Statistic:
    """Share of items on the right side of 0; references of exactly 0 have no side and are left out, answers of 0 or NaN are wrong.

    Args:
        reference: (n,) finite.
        predicted: (n,); NaN where there is no answer.

    Raises:
        DataError: Not two series of one length, or a reference that is not finite.
    """
    a, b = np.asarray(reference, np.float64), np.asarray(predicted, np.float64)
    _checked(a, np.nan_to_num(b))
    kept = (a != 0).astype(np.float64)
    return quotient(kept * (np.sign(a) == np.sign(np.nan_to_num(b))), kept)


def quotient(above: Series, below: Series) -> Statistic:
    """The sum of one number an item (n,) over the sum of another; NaN where the latter is 0."""
    return lambda weights: ratio(weights @ above, weights @ below, np.nan)


def mean_of(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of several metrics of the same items."""
    return lambda weights: np.mean([one(weights) for one in statistics], axis=0)


def by_cluster(
    metric: Callable[[Series, Series], Statistic], x: Series, y: Series, clusters: NDArray[Any]
) -> Statistic:
    """The mean over clusters (recordings) of a metric of each, for resamples that draw whole clusters.

    Args:
        metric: Such as :func:`ccc`.
        x: (n,).
        y: (n,).
        clusters: (n,) names.
    """
    _, first, of = np.unique(clusters, return_index=True, return_inverse=True)
    each = np.array([metric(x[of == k], y[of == k])(np.ones((1, int((of == k).sum()))))[0] for k in range(len(first))])

    def statistic(weights: Weights) -> Values:
        drawn = weights[:, first]
        return ratio(drawn @ each, drawn.sum(-1), np.nan)

    return statistic


def _moments(weights: Weights, a: Series, b: Series) -> tuple[Values, Values, Values, Values, Values]:
    """Means, variances and covariance of each resample."""
    total = weights.sum(-1)
    mean_a, mean_b = weights @ a / total, weights @ b / total
    away_a, away_b = a - mean_a[:, None], b - mean_b[:, None]
    var_a, var_b = (weights * away_a**2).sum(-1) / total, (weights * away_b**2).sum(-1) / total
    return mean_a, mean_b, var_a, var_b, (weights * away_a * away_b).sum(-1) / total


def _checked(x: Series, y: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(f"expected two finite series of one length, got {a.shape} and {b.shape}, or NaN among them")
    return a, b
