"""Linear readings of frozen features: multinomial logistic regression and ridge regression, each with its L2 chosen by folds.

Whatever is chosen or measured of the features (their mean and spread, the L2) comes from the rows that are fitted on.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from emollm.linear import Array, Codes, Linear, Scaler

L2 = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""What is tried in logistic regression: weight of half the squared weights beside the mean cross-entropy."""
RIDGES = tuple(10.0**power for power in range(-1, 6))
"""What is tried in ridge regression, beside the sum of squared errors."""
_STEPS = 200


def folds(label: Codes, k: int, seed: int) -> Codes:
    """The fold (n,) of each row, of k; the rows of a class are spread as evenly as they can be."""
    rng = np.random.default_rng(seed)
    fold, at = np.empty(len(label), np.int64), 0
    for value in np.unique(label):
        rows = rng.permutation(np.flatnonzero(label == value))
        fold[rows] = (at + np.arange(len(rows))) % k
        at += len(rows)
    return fold


def splits(fold: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Rows to fit on and rows that are left out, for each fold."""
    for value in np.unique(fold):
        yield np.flatnonzero(fold != value), np.flatnonzero(fold == value)


# ---- classes --------------------------------------------------------------------------------------------------------


def logistic(
    features: NDArray[np.floating], label: Codes, classes: int, l2: Sequence[float] = L2, k: int = 3, seed: int = 0
) -> Linear:
    """Multinomial logistic regression.

    Args:
        features: (n, D).
        label: (n,) in [0, classes); a class without rows is never answered.
        classes: C.
        l2: What is tried; the one with the smallest cross-entropy on rows left out is taken.
        k: Folds by which it is chosen.
        seed: Of the folds.
    """
    chosen = l2[0]
    if len(l2) > 1:
        losses = np.zeros(len(l2))
        for inside, outside in splits(folds(label, k, seed)):
            for place, model in enumerate(_path(features[inside], label[inside], classes, l2)):
                losses[place] += _loss(model(features[outside]), label[outside])
        chosen = l2[int(losses.argmin())]
    (model,) = _path(features, label, classes, [chosen])
    return model


def _loss(scores: Array, label: Codes) -> float:
    """Sum of cross-entropies; a class that was never seen costs as much as it can."""
    top = scores.max(1, keepdims=True)
    logs = scores - top - np.log(np.exp(scores - top).sum(1, keepdims=True))
    return float(-np.maximum(logs[np.arange(len(label)), label], -50.0).sum())


def _path(features: NDArray[np.floating], label: Codes, classes: int, l2: Sequence[float]) -> Iterator[Linear]:
    """A fit for each L2; every fit starts where the one before ended.

    Of n rows with D > n features only the n directions that the rows span matter (representer theorem), so the fit is done there.
    """
    scaler = Scaler.of(features)
    scaled = scaler(features)
    basis = np.eye(scaled.shape[1])
    if scaled.shape[1] > len(scaled):
        basis = np.linalg.svd(scaled, full_matrices=False)[2].T  # (D, n)
    seen = np.isin(np.arange(classes), label)
    places = torch.from_numpy((np.cumsum(seen) - 1)[label])
    inputs = torch.from_numpy(np.ascontiguousarray(scaled @ basis))
    weight = torch.zeros(inputs.shape[1], int(seen.sum()), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(int(seen.sum()), dtype=torch.float64, requires_grad=True)
    for penalty in l2:
        _descend(inputs, places, weight, bias, penalty)
        whole, offset = np.zeros((scaled.shape[1], classes)), np.full(classes, -np.inf)
        whole[:, seen] = basis @ weight.detach().numpy()
        offset[seen] = bias.detach().numpy()
        yield Linear(scaler, whole, offset)


def _descend(
    inputs: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, penalty: float
) -> None:
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, tolerance_grad=1e-6, line_search_fn="strong_wolfe", history_size=20
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weight + bias, label) + penalty / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)


# ---- numbers --------------------------------------------------------------------------------------------------------


def ridge(
    features: NDArray[np.floating],
    targets: NDArray[np.floating],
    penalties: Sequence[float] = RIDGES,
    k: int = 5,
    seed: int = 0,
) -> Linear:
    """Ridge regression of each target by itself.

    Args:
        features: (n, D).
        targets: (n, U); NaN: not known, the row then does not count for that target. One with fewer than ``k`` rows is answered by NaN.
        penalties: What is tried; for each target the one with the smallest squared error on rows left out is taken.
        k: Folds by which it is chosen.
        seed: Of the folds.
    """
    scaler = Scaler.of(features)
    scaled = scaler(features)
    weight, bias = np.zeros((scaled.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
    for fit, columns in _together(targets):
        rows, wanted = scaled[fit], np.asarray(targets[fit][:, columns], np.float64)
        if len(rows) < k:
            bias[columns] = np.nan
            continue
        errors = np.zeros((len(penalties), len(columns)))
        for inside, outside in splits(folds(np.zeros(len(rows), np.int64), k, seed)):
            solved = _solver(rows[inside], wanted[inside])
            for place, penalty in enumerate(penalties):
                slope, offset = solved(np.full(len(columns), penalty))
                errors[place] += ((rows[outside] @ slope + offset - wanted[outside]) ** 2).sum(0)
        best = np.array(penalties)[errors.argmin(0)]
        weight[:, columns], bias[columns] = _solver(rows, wanted)(best)
    return Linear(scaler, weight, bias)


def _together(targets: NDArray[np.floating]) -> Iterator[tuple[NDArray[np.bool_], Codes]]:
    """Targets that are known in the same rows: those rows, and the targets' columns."""
    known = np.isfinite(targets)
    _, group = np.unique(known, axis=1, return_inverse=True)
    for value in np.unique(group):
        columns = np.flatnonzero(group.ravel() == value)
        yield known[:, columns[0]], columns


def _solver(rows: Array, wanted: Array) -> Callable[[Array], tuple[Array, Array]]:
    """Slopes (D, U) and offsets (U,) for a penalty of each target (U,), from one eigendecomposition."""
    middle, centre = rows.mean(0), wanted.mean(0)
    centred = rows - middle
    values, vectors = np.linalg.eigh(centred.T @ centred)
    projected = vectors.T @ (centred.T @ (wanted - centre))  # (D, U)

    def solved(penalty: Array) -> tuple[Array, Array]:
        slope = vectors @ (projected / (np.maximum(values, 0)[:, None] + penalty))
        return slope, centre - middle @ slope

    return solved
