"""Intervals by resampling, paired differences, and tests of two models on the same items.

Every metric here is a :data:`Statistic`: a function of how often each item counts, so that 2000 resamples are a few products of
matrices. Resampled are clusters (speakers, participants, source videos), because items of one speaker are not independent; items
themselves only where each is a cluster of its own. Percentile bootstrap: Efron & Tibshirani 1993, chapter 13.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK = 4_000_000
"""Weights held at once: 32 MB."""

Weights: TypeAlias = NDArray[np.float64]
"""(b, n): how often each of n items counts in each of b resamples."""
Values: TypeAlias = NDArray[np.float64]
"""(b,): a metric of each resample; NaN where it is not defined."""
Statistic: TypeAlias = Callable[[Weights], Values]
_T = TypeVar("_T")


class Estimate(NamedTuple):
    """A metric and its 95 % interval."""

    value: float
    """NaN if it is not defined."""
    low: float
    high: float


class McNemar(NamedTuple):
    """Two models on the same items."""

    only_first: int
    """Items that only the first one has right."""
    only_second: int
    p: float
    """Two-sided, exact."""


def value(statistic: Statistic, n: int) -> float:
    """The metric of n items, each once."""
    return float(statistic(np.ones((1, n)))[0])


def bootstrap(
    statistics: Mapping[str, Statistic],
    n: int,
    *,
    clusters: NDArray[Any] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each metric with its percentile interval (95 %), all of them from the same resamples.

    Resamples in which a metric is not defined (a class that is not drawn) do not count for its interval.

    Args:
        statistics: Metrics by name.
        n: Number of items.
        clusters: (n,) whose items belong together; None if every item is independent.
        resamples: At least 2000 for what is reported.
        seed: Of the draws.

    Raises:
        DataError: No item, or not one cluster an item.
    """
    if n < 1:
        raise DataError("nothing to score: no item has a reference label")
    drawn: dict[str, list[Values]] = {name: [] for name in statistics}
    for weights in _weights(n, clusters, resamples, seed):
        for name, statistic in statistics.items():
            drawn[name].append(statistic(weights))
    return {
        name: Estimate(value(statistic, n), *_percentiles(np.concatenate(drawn[name])))
        for name, statistic in statistics.items()
    }


def difference(first: Statistic, second: Statistic) -> Statistic:
    """First minus second on the same items: its bootstrap interval is the paired one."""
    return lambda weights: first(weights) - second(weights)


def mean(each: NDArray[np.floating[Any]] | NDArray[np.bool_]) -> Statistic:
    """The mean of one number an item (n,)."""
    numbers = np.asarray(each, np.float64)
    return lambda weights: weights @ numbers / weights.sum(-1)


def mean_of_defined(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of several metrics of the same items, over those that are defined; NaN where none is."""

    def statistic(weights: Weights) -> Values:
        found = np.stack([one(weights) for one in statistics])
        defined = ~np.isnan(found)
        total = defined.sum(0)
        return np.where(total > 0, np.where(defined, found, 0.0).sum(0) / np.maximum(total, 1), np.nan)

    return statistic


def among(kept: NDArray[np.bool_], statistic: Statistic) -> Statistic:
    """A metric of the items kept (n,), for weights of all items; NaN for a resample that has none of them.

    Args:
        kept: At least one.
        statistic: Takes weights of the items kept.
    """

    def own(weights: Weights) -> Values:
        mine = weights[:, kept]
        drawn = mine.sum(-1) > 0
        if drawn.all():
            return statistic(mine)
        return np.where(drawn, statistic(np.where(drawn[:, None], mine, 1.0)), np.nan)

    return own


def remembered(function: Callable[[Weights], _T]) -> Callable[[Weights], _T]:
    """The same function, which gives its last result again for the very same weights; for what many metrics of one bootstrap share.

    Neither weights nor results may be written to.
    """
    last: list[tuple[Weights, _T]] = []

    def again(weights: Weights) -> _T:
        if not last or last[0][0] is not weights:
            last[:] = [(weights, function(weights))]
        return last[0][1]

    return again


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Whether two models differ in accuracy: the exact test of the items that only one of them has right (McNemar 1947).

    Args:
        first: (n,) whether the first model is right.
        second: (n,) the same of the second, on the same items.

    Raises:
        DataError: Not the same number of items.
    """
    if first.shape != second.shape:
        raise DataError(f"two models on the same items have as many answers: {len(first)} and {len(second)}")
    one, two = int((first & ~second).sum()), int((~first & second).sum())
    few, all_ = min(one, two), one + two
    tail = sum(math.comb(all_, k) for k in range(few + 1))
    return McNemar(one, two, min(1.0, 2 * tail / 2**all_))


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float] | None:
    """95 % interval of a share of independent items (Wilson 1927), None of no items.

    For classes with few faces, where the bootstrap says that 0 of 13 is surely 0.
    """
    if not n:
        return None
    share, spread = hits / n, z * z / n
    middle = share + spread / 2
    reach = math.sqrt(share * (1 - share) * spread + spread * spread / 4)
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


def share_interval(found: Estimate, drawn: NDArray[Any]) -> tuple[float, float]:
    """The interval of a share; Wilson's of as many clusters as there are where all items are right or all are wrong.

    Resampling cannot vary such a share: it would be surely 0 or 1 of however few items.

    Args:
        found: Of the bootstrap.
        drawn: (k,) the clusters that its items belong to; different for each where items are independent.
    """
    if found.value in (0.0, 1.0) and found.low == found.high:
        n = len(np.unique(drawn))
        return wilson(round(found.value * n), n) or (found.low, found.high)
    return found.low, found.high


def _weights(n: int, clusters: NDArray[Any] | None, resamples: int, seed: int) -> Iterator[Weights]:
    """Resamples in pieces that fit into memory."""
    rng = np.random.default_rng(seed)
    if clusters is not None and np.shape(clusters) != (n,):
        raise DataError(f"expected one cluster for each of {n} items, got {np.shape(clusters)}")
    names, of = (None, None) if clusters is None else np.unique(clusters, return_inverse=True)
    groups = n if names is None else len(names)
    for start in range(0, resamples, step := max(_CHUNK // max(n, groups), 1)):
        rows = min(step, resamples - start)
        drawn = rng.integers(0, groups, (rows, groups)) + np.arange(rows)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float64)
        yield counts if of is None else counts[:, of]


def _percentiles(values: Values) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.percentile(defined, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)
