"""How far the groups that a data set declares are apart in a metric, beside how far they are apart by chance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError, one_line
from emollm.metrics.bootstrap import Statistic, Values, Weights, remembered, value
from emollm.metrics.report import Measure

MOST = 50
"""Groups of one column; more are no groups but names."""
REMARK = "the floor of a gap is the mean gap where the same groups are dealt out by chance"
_SHUFFLES = 20


def gaps(
    measures: Mapping[str, Measure], columns: Mapping[str, Sequence[str]], clusters: NDArray[Any] | None, seed: int
) -> dict[str, dict[str, Measure]]:
    """Each metric within each group, and the largest difference between two groups.

    Args:
        measures: Metrics of n items.
        columns: By name the group of each of the n items; empty where it is not declared.
        clusters: (n,) items that belong together; where all of a cluster are of one group, whole clusters are dealt out by chance.
        seed: Of the groups by chance.

    Raises:
        DataError: More than :data:`MOST` groups.
    """
    out: dict[str, dict[str, Measure]] = {}
    for name, column in columns.items():
        told = np.array(column)
        groups = [str(one) for one in np.unique(told) if one]
        if len(groups) > MOST:
            raise DataError(
                f"column {one_line(name, 40)!r}: {len(groups)} values, expected {MOST} or fewer groups; name a column of groups"
            )
        kind = out.setdefault(f"groups by {name}", {})
        for metric, measure in measures.items():
            each = _of_groups(measure.statistic, told, groups)
            members = [told == one for one in groups]
            kind |= {
                f"{metric} of {one} (n = {int(own.sum())})": Measure(
                    statistic, items=own if measure.items is None else own & measure.items, is_share=measure.is_share
                )
                for one, own, statistic in zip(groups, members, each, strict=True)
            }
            if len(groups) > 1:
                kind[f"gap of {metric}"] = Measure(_gap(each), _chance(measure.statistic, told, groups, clusters, seed))
    return out


def _of_groups(statistic: Statistic, told: NDArray[np.str_], groups: Sequence[str]) -> list[Statistic]:
    return [remembered(_within(told == one, statistic)) for one in groups]


def _within(kept: NDArray[np.bool_], statistic: Statistic) -> Statistic:
    """The metric with the weight of all other items at 0; NaN for a resample without an item kept."""
    own = kept.astype(np.float64)

    def within(weights: Weights) -> Values:
        mine = weights * own
        drawn = mine.sum(-1) > 0
        return np.where(drawn, statistic(np.where(drawn[:, None], mine, weights)), np.nan)

    return within


def _gap(each: Sequence[Statistic]) -> Statistic:
    """The largest difference between groups; NaN where a resample lacks one."""

    def gap(weights: Weights) -> Values:
        found = np.stack([one(weights) for one in each])
        return np.asarray(found.max(0) - found.min(0))

    return gap


def _chance(
    statistic: Statistic, told: NDArray[np.str_], groups: Sequence[str], clusters: NDArray[Any] | None, seed: int
) -> float | None:
    """The mean gap of groups drawn by chance: differences of few items, or of few clusters, are never 0."""
    rng = np.random.default_rng(seed)
    found = [
        value(_gap(_of_groups(statistic, _dealt(told, clusters, rng), groups)), len(told)) for _ in range(_SHUFFLES)
    ]
    defined = [one for one in found if not np.isnan(one)]
    return float(np.mean(defined)) if defined else None


def _dealt(told: NDArray[np.str_], clusters: NDArray[Any] | None, rng: np.random.Generator) -> NDArray[np.str_]:
    """The same groups dealt out anew."""
    if clusters is not None:
        _, first, of = np.unique(clusters, return_index=True, return_inverse=True)
        own = told[first]
        if (own[of] == told).all():
            return rng.permutation(own)[of]
    return rng.permutation(told)
