"""Agreement of continuous ratings: valence, arousal, intensities."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import Statistic, Values, Weights


class Concordance(NamedTuple):
    """How well two series agree."""

    value: float
    is_constant: bool
    """Whether one of them does not vary, so that the value is a definition and not a measurement."""


def concordance(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> Concordance:
    """Concordance correlation coefficient 2 cov / (var x + var y + (mean x − mean y)²), population moments (Lin 1989).

    A constant series gives 0; two that are constant and equal give 1.

    Args:
        x: (n,).
        y: (n,).

    Raises:
        DataError: Not two finite series of one length.
    """
    statistic = ccc(x, y)
    return Concordance(float(statistic(np.ones((1, len(x))))[0]), bool(np.ptp(x) == 0 or np.ptp(y) == 0))


def ccc(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> Statistic:
    """Concordance as a metric that can be resampled; see :func:`concordance`."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(f"expected two finite series of one length, got {a.shape} and {b.shape}, or NaN among them")
    middle = float(b[0])  # shifting both loses no digits where the series hardly vary
    a, b = a - middle, b - middle

    def statistic(weights: Weights) -> Values:
        total = weights.sum(-1)
        mean_a, mean_b = weights @ a / total, weights @ b / total
        away_a, away_b = a - mean_a[:, None], b - mean_b[:, None]
        together = (weights * away_a * away_b).sum(-1) / total
        spread = (weights * (away_a**2 + away_b**2)).sum(-1) / total + (mean_a - mean_b) ** 2
        out = np.ones_like(spread)
        np.divide(2 * together, spread, out=out, where=spread > 0)
        return out

    return statistic
