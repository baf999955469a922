"""How far two scorers agree on the same pairs: a judge and the deterministic overlap, or two judges."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import RESAMPLES, Statistic, Weights, bootstrap
from emollm.metrics.report import Metric, metric
from emollm.types import Record

_Coefficient: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


class Agreement(Record):
    """Two scorers on the pairs that both have scored."""

    first: str
    second: str
    n: int
    """Pairs that both have scored."""
    failures: tuple[int, int]
    """Pairs that the first, the second have no score of."""
    pearson: Metric
    """Null where one of them gives everything the same score. The same for those below."""
    spearman: Metric
    kendall: Metric
    """Tau-b, which charges ties."""
    mean_difference: Metric
    """First minus second, on their scale."""
    absolute_difference: Metric

    def text(self) -> str:
        """A few lines for people."""
        lines = [
            f"{self.first} and {self.second}: {self.n} pairs; without a score {self.failures[0]} and {self.failures[1]}"
        ]
        for name in ("pearson", "spearman", "kendall", "mean_difference", "absolute_difference"):
            one: Metric = getattr(self, name)
            value = "not defined" if one.value is None else f"{one.value:.3f}"
            interval = f"  ({one.ci[0]:.3f} to {one.ci[1]:.3f})" if one.ci else ""
            lines.append(f"  {name.replace('_', ' '):20s} {value}{interval}")
        return "\n".join(lines)


def agreement(
    first: Sequence[float | None],
    second: Sequence[float | None],
    names: tuple[str, str] = ("judge", "overlap"),
    *,
    clusters: NDArray[Any] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Correlations and differences with their 95 % intervals; pairs without a score are counted and left out.

    Args:
        first: (n,) scores, None or NaN where there is none. On the scale of the second for the differences to mean anything.
        second: (n,).
        names: Of the two.
        clusters: (n,) what is resampled as one.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        DataError: Not as many scores, or no pair that both have scored.
    """
    if len(first) != len(second):
        raise DataError(
            f"{len(first)} scores of {names[0]} but {len(second)} of {names[1]}; give those of the same pairs"
        )
    x, y = (np.array([np.nan if one is None else one for one in own], np.float64) for own in (first, second))
    there = ~(np.isnan(x) | np.isnan(y))
    if not there.any():
        raise DataError(f"{names[0]} and {names[1]} have scored no pair in common")
    a, b = x[there], y[there]
    statistics = {name: _resampled(one, a, b) for name, one in _coefficients().items()}
    statistics["mean_difference"] = _mean(a - b)
    statistics["absolute_difference"] = _mean(np.abs(a - b))
    kept = None if clusters is None else clusters[there]
    found = bootstrap(statistics, len(a), clusters=kept, resamples=resamples, seed=seed)
    return Agreement(
        first=names[0],
        second=names[1],
        n=len(a),
        failures=(int(np.isnan(x).sum()), int(np.isnan(y).sum())),
        **{name: metric(one) for name, one in found.items()},
    )


def _coefficients() -> dict[str, _Coefficient]:
    from scipy import stats

    return {
        "pearson": lambda a, b: float(stats.pearsonr(a, b).statistic),
        "spearman": lambda a, b: float(stats.spearmanr(a, b).statistic),
        "kendall": lambda a, b: float(stats.kendalltau(a, b).statistic),
    }


def _resampled(coefficient: _Coefficient, a: NDArray[np.float64], b: NDArray[np.float64]) -> Statistic:
    """A coefficient of whole resamples; NaN of one in which a series is constant."""

    def statistic(weights: Weights) -> NDArray[np.float64]:
        out = np.full(len(weights), np.nan)
        for k, row in enumerate(weights):
            drawn = np.repeat(np.arange(len(a)), row.astype(np.int64))
            one, other = a[drawn], b[drawn]
            if len(drawn) > 1 and np.ptp(one) > 0 and np.ptp(other) > 0:
                out[k] = coefficient(one, other)
        return out

    return statistic


def _mean(each: NDArray[np.float64]) -> Statistic:
    return lambda weights: weights @ each / weights.sum(-1)
