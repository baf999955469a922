"""The composite scores of the ABAW competitions and of MER2023, as metrics that can be resampled.

Affective Behavior Analysis in-the-wild (Kollias et al. 2020 to 2024), PROTOCOLS 3.2: all frames of all videos are scored as one series. MER2023
(Lian et al. 2023): weighted F1 − 0.25 · MSE of valence.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import Statistic, Values, Weights
from emollm.metrics.classification import Codes, Counts, counter, macro_f1, mean_of_list, war, weighted_f1
from emollm.metrics.continuous import Series, ccc, mean_of, mse, pearson
from emollm.metrics.report import ratio

IGNORED = -1
"""A frame, or a unit of a frame, without a label."""
MER2023_WEIGHT = 0.25
"""Of the squared error of valence in the number of MER2023."""


def expression(reference: Codes, predicted: Codes, classes: int) -> Statistic:
    """EXPR since 2022, and CE: macro F1 over the fixed list; frames labelled −1 are left out."""
    return _of_counts(reference, predicted, classes, lambda counts, occurring: macro_f1(counts, occurring))


def expression_2020(reference: Codes, predicted: Codes, classes: int = 7) -> Statistic:
    """EXPR of 2020 and 2021: 0.67 · macro F1 + 0.33 · accuracy."""
    return _of_counts(
        reference, predicted, classes, lambda counts, occurring: 0.67 * macro_f1(counts, occurring) + 0.33 * war(counts)
    )


def valence_arousal(valence: Series, said_valence: Series, arousal: Series, said_arousal: Series) -> Statistic:
    """VA: the mean of the two concordances. Raises DataError as :func:`emollm.metrics.continuous.ccc`."""
    return mean_of([ccc(valence, said_valence), ccc(arousal, said_arousal)])


def units(reference: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]) -> Statistic:
    """AU since 2022: the mean F1 of the units; 0 for one that neither reference nor answers have.

    Args:
        reference: (n, U) 0 or 1, or :data:`IGNORED`.
        predicted: (n, U) 0 or 1.

    Raises:
        DataError: Other shapes or other numbers.
    """
    f1, _ = _units(reference, predicted)
    return f1


def units_2020(reference: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]) -> Statistic:
    """AU of 2020 and 2021: 0.5 · mean F1 + 0.5 · accuracy over all units of all frames. Raises DataError as :func:`units`."""
    return mean_of(_units(reference, predicted))


def mimicry(reference: Series, predicted: Series) -> Statistic:
    """EMI: the mean of Pearson's r of the columns; a constant column has r = 0.

    Args:
        reference: (n, K).
        predicted: (n, K).

    Raises:
        DataError: Not two finite tables of one shape.
    """
    if reference.ndim != 2 or reference.shape != predicted.shape:
        raise DataError(f"expected two tables of one shape, got {reference.shape} and {predicted.shape}")
    return mean_of([pearson(reference[:, k], predicted[:, k]) for k in range(reference.shape[1])])


def mer2023(reference: Codes, predicted: Codes, classes: int, valence: Series, said_valence: Series) -> Statistic:
    """MER2023 MULTI and NOISE: weighted F1 − 0.25 · MSE of valence."""
    count, squared = counter(reference, predicted, classes), mse(valence, said_valence)
    return lambda weights: weighted_f1(count(weights)) - MER2023_WEIGHT * squared(weights)


def _of_counts(reference: Codes, predicted: Codes, classes: int, metric: Callable[[Counts, int], Counts]) -> Statistic:
    """A metric of counts, which is told how many classes the references have."""
    kept = reference != IGNORED
    count = counter(reference[kept], predicted[kept], classes)
    occurring = len(np.unique(reference[kept]))

    def statistic(weights: Weights) -> Values:
        return np.asarray(metric(count(weights[:, kept]), occurring))

    return statistic


def _units(reference: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]) -> tuple[Statistic, Statistic]:
    """Mean F1, and accuracy over all units."""
    if reference.ndim != 2 or reference.shape != predicted.shape:
        raise DataError(f"expected two tables of one shape, got {reference.shape} and {predicted.shape}")
    if not np.isin(reference, (IGNORED, 0, 1)).all() or not np.isin(predicted, (0, 1)).all():
        raise DataError("units: expected 0 or 1, and in the reference −1 where there is no label")
    kept = reference != IGNORED
    present = (kept & (reference == 1)).astype(np.float64)
    occurring = int(present.any(0).sum())
    true = (kept & (reference == 1) & (predicted == 1)).astype(np.float64)
    marked = np.where(kept, (reference == 1).astype(np.float64) + (predicted == 1), 0.0)
    right, counted = (kept & (reference == predicted)).sum(-1).astype(np.float64), kept.sum(-1).astype(np.float64)
    return (
        lambda weights: mean_of_list(ratio(2 * (weights @ true), weights @ marked, 0.0), weights @ present, occurring),
        lambda weights: ratio(weights @ right, weights @ counted, np.nan),
    )
