"""The record of an evaluation: numbers with their floors and intervals, and where they come from."""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from emollm.metrics.bootstrap import RESAMPLES, Estimate, Statistic, bootstrap, share_interval
from emollm.types import Record


class Measure(NamedTuple):
    """A metric of some items, ready to be computed and resampled."""

    statistic: Statistic
    floor: float | None = None
    """What one gets without looking at the items."""
    items: NDArray[np.bool_] | None = None
    """(n,) the items that it is of; None for all."""
    is_share: bool = False
    """Whether it is the share of these items that are right."""

    def drawn(self, n: int, clusters: NDArray[Any] | None = None) -> NDArray[Any]:
        """The clusters of its items, which are what is resampled; where items are independent each is its own.

        Args:
            n: All items.
            clusters: (n,) whose items belong together.
        """
        own = np.arange(n) if clusters is None else clusters
        return np.unique(own if self.items is None else own[self.items])


class Metric(Record):
    """A number of a report; rates are 0–1."""

    value: float | None
    """None where it is not defined."""
    ci: tuple[float, float] | None = None
    """95 % interval."""
    floor: float | None = None
    """What one gets without looking at the items."""
    method: Literal["bootstrap", "wilson"] = "bootstrap"
    """Of the interval; Wilson's for a share where all items are right or all wrong, which resampling cannot vary."""


class ClassScore(Record):
    """How one class fares; answers that are missing count as wrong."""

    support: int
    """Items of this class."""
    recall: float | None
    """None without items."""
    recall_ci: tuple[float, float] | None
    precision: float | None
    """None if the class is never answered."""
    f1: float


class Confusion(Record):
    """Who was taken for whom."""

    rows: tuple[str, ...]
    """Reference labels."""
    columns: tuple[str, ...]
    """Answers; after the labels ``other`` (an answer that is none of them) and ``none`` (no answer) where there are some."""
    counts: tuple[tuple[int, ...], ...]


class Report(Record):
    """An evaluation."""

    n: int
    """Items with a reference label."""
    metrics: dict[str, Metric]
    coverage: float
    """Share of the items that have an answer."""
    per_class: dict[str, ClassScore]
    confusion: Confusion
    floors: dict[str, dict[str, float]]
    """``majority``: always the commonest class; ``uniform``: any class by chance; ``prior``: classes drawn as often as references have them. By metric."""
    more: dict[str, dict[str, Metric]] = Field(default_factory=dict)
    """Further metrics by kind and name, such as the concordance of each action unit."""
    counts: dict[str, int] = Field(default_factory=dict)
    """What became of all items that were read."""
    provenance: dict[str, JsonValue] = Field(default_factory=dict)


def measured(
    measures: Mapping[str, Measure],
    n: int,
    *,
    clusters: NDArray[Any] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Metric]:
    """Each metric as a number with its interval and floor; see :func:`emollm.metrics.bootstrap.bootstrap`."""
    statistics = {name: measure.statistic for name, measure in measures.items()}
    found = bootstrap(statistics, n, clusters=clusters, resamples=resamples, seed=seed)
    return {name: reported(found[name], one, n, clusters) for name, one in measures.items()}


def reported(estimate: Estimate, of: Measure, n: int, clusters: NDArray[Any] | None) -> Metric:
    """A number of n items with its floor and the interval that fits it: Wilson's where resampling cannot vary a share."""
    found = metric(estimate, of.floor)
    if not of.is_share or found.ci is None:
        return found
    ci = share_interval(estimate, of.drawn(n, clusters))
    return found if ci == found.ci else found.model_copy(update={"ci": ci, "method": "wilson"})


def metric(estimate: Estimate, floor: float | None = None) -> Metric:
    """A number of a report; what is not defined becomes null."""
    if math.isnan(estimate.value):
        return Metric(value=None, floor=floor)
    ci = None if math.isnan(estimate.low) else (estimate.low, estimate.high)
    return Metric(value=estimate.value, ci=ci, floor=floor)


def ratio(above: NDArray[np.float64], below: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
    """Quotients; ``otherwise`` where the denominator is 0."""
    out = np.full(np.broadcast_shapes(above.shape, below.shape), otherwise)
    np.divide(above, below, out=out, where=below != 0)
    return out
