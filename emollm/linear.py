"""Linear readings of frozen features: multinomial logistic regression, and how it does on groups of rows that are left out.

Whatever is measured of the features (their mean and spread) comes from the rows that are fitted on. Linear probes: Alain & Bengio 2016.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_STEPS = 300


class Scaler(NamedTuple):
    """Mean and spread of features, as they were in the rows that are fitted on."""

    middle: Array
    """(D,)."""
    spread: Array
    """(D,); 1 where a feature is constant."""

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Self:
        """Of features (n, D)."""
        spread = features.std(0, dtype=np.float64)
        return cls(features.mean(0, dtype=np.float64), np.where(spread > 1e-8, spread, 1.0))

    def __call__(self, features: NDArray[np.floating]) -> Array:
        """(n, D) of features (n, D)."""
        return np.asarray((features - self.middle) / self.spread)


class Linear(NamedTuple):
    """A linear reading."""

    scaler: Scaler
    weight: Array
    """(D, C)."""
    bias: Array
    """(C,)."""

    def __call__(self, features: NDArray[np.floating]) -> Array:
        """(n, C) of features (n, D)."""
        return np.asarray(self.scaler(features) @ self.weight + self.bias)


def fit(features: NDArray[np.floating], label: Codes, classes: int, l2: float) -> Linear:
    """Multinomial logistic regression in which every class that has rows weighs the same.

    Args:
        features: (n, W).
        label: (n,) in [0, classes).
        classes: C.
        l2: Weight of the squared weights.
    """
    import torch

    scaler = Scaler.of(features)
    inputs, target = torch.from_numpy(scaler(features)), torch.from_numpy(label)
    count = torch.bincount(target, minlength=classes).double()
    weigh = torch.where(count > 0, len(label) / (count > 0).sum() / count.clamp(min=1), torch.zeros(()).double())
    weight = torch.zeros(inputs.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        descent.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weight + bias, target, weight=weigh)
        loss = loss + l2 * weight.square().sum()
        loss.backward()
        return loss

    descent.step(closure)
    return Linear(scaler, weight.detach().numpy(), bias.detach().numpy())


def left_out(label: Codes, group: Codes, classes: int, fitted: Callable[[NDArray[np.bool_]], Array]) -> Array:
    """Scores (n, C) of each row by a reading that was fitted on the other groups.

    Args:
        label: (n,) in [0, classes).
        group: (n,), such as who speaks.
        classes: C.
        fitted: Which rows are left out (n,) -> their scores (m, C).
    """
    scores = np.empty((len(label), classes))
    for one in np.unique(group):
        out = group == one
        scores[out] = fitted(out)
    return scores


def mean_recall(scores: Array, label: Codes) -> float:
    """Mean over the classes of the share of their rows (n,) that get the highest of their scores (n, C)."""
    told = scores.argmax(1)
    return float(np.mean([(told[label == one] == one).mean() for one in np.unique(label)]))
