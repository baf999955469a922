"""Whether probabilities mean what they say, what abstaining gains, and the temperature that mends overconfidence.

Expected calibration error: Naeini et al. 2015, in the form of Guo et al. 2017 (15 bins of equal width over the top probability).
Risk and coverage: Geifman & El-Yaniv 2017. Brier score: Brier 1950, the sum over all classes (0 to 2). Logarithms are natural.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import Statistic, Values, Weights, mean
from emollm.metrics.classification import Codes
from emollm.metrics.report import Measure, ratio

BINS = 15
COVERAGE = 0.8
_LEAST = 1e-12
"""A probability of 0 counts as this, so that one impossible answer does not make a mean infinite."""

Probabilities: TypeAlias = NDArray[np.floating[Any]]
"""(n, C); rows sum to 1."""


def measures(probabilities: Probabilities, reference: Codes, shares: Probabilities | None = None) -> dict[str, Measure]:
    """All metrics of this page by name.

    ``ece``, ``ece_equal_mass``, ``brier``, ``nll``, ``accuracy_at_80``, ``aurc``, and with vote shares ``kl`` and ``tv``. Floors: answering
    every item with how often each class occurs; for votes, with their mean.

    Args:
        probabilities: (n, C).
        reference: (n,) right classes.
        shares: (n, C) of the votes, rows sum to 1.

    Raises:
        DataError: Not probabilities, or not of these items.
    """
    checked(probabilities, "probabilities")
    if len(probabilities) != len(reference):
        raise DataError(f"expected probabilities of {len(reference)} items, got {len(probabilities)}")
    right, confidence = probabilities.argmax(-1) == reference, probabilities.max(-1)
    prior = np.bincount(reference, minlength=probabilities.shape[1]) / max(len(reference), 1)
    blind = np.broadcast_to(prior, probabilities.shape)
    out = {
        "ece": Measure(ece(confidence, right, equal_width(confidence))),
        "ece_equal_mass": Measure(ece(confidence, right, equal_mass(confidence))),
        "brier": Measure(mean(brier(probabilities, reference)), float(brier(blind, reference).mean())),
        "nll": Measure(mean(nll(probabilities, reference)), float(nll(blind, reference).mean())),
        "accuracy_at_80": Measure(
            accuracy_at(confidence, right, COVERAGE), float(prior.max()), _surest(confidence, COVERAGE), is_share=True
        ),
        "aurc": Measure(aurc(confidence, right), 1 - float(prior.max())),
    }
    if shares is not None:
        checked(shares, "vote shares")
        usual = np.broadcast_to(shares.mean(0), shares.shape)
        out["kl"] = Measure(mean(kl(shares, probabilities)), float(kl(shares, usual).mean()))
        out["tv"] = Measure(mean(tv(shares, probabilities)), float(tv(shares, usual).mean()))
    return out


def checked(probabilities: Probabilities, name: str) -> None:
    """Raises DataError where rows (n, C) are not finite, or do not sum to 1."""
    if probabilities.ndim != 2 or not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities)).any(-1).sum()) if probabilities.ndim == 2 else 0
        raise DataError(
            f"{name}: expected finite numbers (n, C), got {probabilities.shape}, {bad} rows with NaN or infinity"
        )
    wrong = np.abs(probabilities.sum(-1) - 1) > 1e-3
    if wrong.any() or (probabilities < 0).any():
        raise DataError(f"{name}: expected rows that sum to 1, {int(wrong.sum())} of {len(wrong)} do not")


# ---- one number an item ---------------------------------------------------------------------------------------------


def nll(probabilities: Probabilities, reference: Codes) -> Values:
    """(n,) −log of the probability of the right class."""
    of = np.take_along_axis(np.asarray(probabilities, np.float64), reference[:, None], -1)[:, 0]
    return -np.log(np.maximum(of, _LEAST))


def brier(probabilities: Probabilities, reference: Codes) -> Values:
    """(n,) squared distance to the right class, 0 to 2."""
    wanted = np.eye(probabilities.shape[1])[reference]
    return np.square(probabilities - wanted).sum(-1)


def kl(shares: Probabilities, probabilities: Probabilities) -> Values:
    """(n,) Kullback–Leibler divergence of the answer from the votes, Σ s log(s / p)."""
    s, p = np.asarray(shares, np.float64), np.maximum(np.asarray(probabilities, np.float64), _LEAST)
    return (s * (np.log(np.maximum(s, _LEAST)) - np.log(p))).sum(-1)


def tv(shares: Probabilities, probabilities: Probabilities) -> Values:
    """(n,) total variation ½ Σ |s − p|, 0 to 1."""
    return np.abs(np.asarray(shares, np.float64) - probabilities).sum(-1) / 2


# ---- expected calibration error -------------------------------------------------------------------------------------


def equal_width(confidence: Probabilities, bins: int = BINS) -> NDArray[np.int64]:
    """(n,) the bin of each top probability; bins are open below and closed above."""
    return np.clip(np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True), 0, bins - 1)


def equal_mass(confidence: Probabilities, bins: int = BINS) -> NDArray[np.int64]:
    """(n,) the bin of each top probability, each bin with about as many items; equal probabilities stay together."""
    edges = np.quantile(confidence, np.arange(1, bins) / bins) if len(confidence) else np.zeros(0)
    return np.searchsorted(edges, confidence, side="left")


def ece(confidence: Probabilities, right: NDArray[np.bool_], bin_of: NDArray[np.int64]) -> Statistic:
    """Expected calibration error Σ (n_b / N) |accuracy_b − confidence_b| over bins."""
    gap = np.zeros((len(confidence), int(bin_of.max(initial=0)) + 1))
    gap[np.arange(len(confidence)), bin_of] = right - np.asarray(confidence, np.float64)
    return lambda weights: np.abs(weights @ gap).sum(-1) / weights.sum(-1)


# ---- abstaining -----------------------------------------------------------------------------------------------------


def aurc(confidence: Probabilities, right: NDArray[np.bool_]) -> Statistic:
    """Area under the risk–coverage curve: the mean, over items, of the error rate among those at least as sure; lower is better."""
    curve = _risk_coverage(confidence, right)

    def statistic(weights: Weights) -> Values:
        risk, _, weighed = curve(weights)
        return (weighed * risk).sum(-1) / weighed.sum(-1)

    return statistic


def accuracy_at(confidence: Probabilities, right: NDArray[np.bool_], coverage: float) -> Statistic:
    """Accuracy of the surest items that make up a share ``coverage`` of all; items as sure as the last one are in too."""
    curve = _risk_coverage(confidence, right)

    def statistic(weights: Weights) -> Values:
        risk, covered, _ = curve(weights)
        last = (covered >= coverage - 1e-9).argmax(-1)
        return 1 - np.take_along_axis(risk, last[:, None], -1)[:, 0]

    return statistic


def _surest(confidence: Probabilities, coverage: float) -> NDArray[np.bool_]:
    """(n,) the items that make up this share of all, the surest."""
    kept = np.zeros(len(confidence), bool)
    kept[np.argsort(-confidence, kind="stable")[: math.ceil(coverage * len(confidence) - 1e-9)]] = True
    return kept


def _risk_coverage(
    confidence: Probabilities, right: NDArray[np.bool_]
) -> Callable[[Weights], tuple[Weights, Weights, Weights]]:
    """What gives, for items from the surest on: error rate and coverage among those at least as sure, and their weights."""
    order = np.argsort(-confidence, kind="stable")
    wrong = 1.0 - right[order]
    falling = -confidence[order]
    ends = np.searchsorted(falling, falling, side="right") - 1  # items of one confidence cannot be told apart

    def curve(weights: Weights) -> tuple[Weights, Weights, Weights]:
        weighed = weights[:, order]
        total = weighed.cumsum(-1)
        risk = ratio((weighed * wrong).cumsum(-1), total, 0.0)
        return risk[:, ends], total[:, ends] / total[:, -1:], weighed

    return curve


# ---- temperature ----------------------------------------------------------------------------------------------------


def fit_temperature(logits: NDArray[np.floating[Any]], target: Codes | Probabilities) -> float:
    """The temperature by which logits are divided so that the likelihood of the labels is greatest (Guo et al. 2017).

    The loss is convex in 1 / T, so its slope is bisected; where labels leave T without bound (all answers right) it ends at 0.01,
    and at 100 where answers say nothing.

    Args:
        logits: (n, C).
        target: (n,) right classes, or (n, C) vote shares; rows of zeros do not count.

    Raises:
        DataError: No labels, logits that are not finite, or arrays that do not fit.
    """
    z = np.asarray(logits, np.float64)
    if z.ndim != 2 or not np.isfinite(z).all():
        raise DataError(f"expected finite logits (n, C), got {z.shape}, or NaN or infinity among them")
    soft = np.eye(z.shape[1])[target] if target.ndim == 1 else np.asarray(target, np.float64)
    if soft.shape != z.shape or not soft.any():
        raise DataError(
            f"expected labels for logits {z.shape}, got {target.shape} with {int(soft.any(-1).sum())} labelled"
        )
    z, soft = z[soft.any(-1)], soft[soft.any(-1)]
    soft = soft / soft.sum(-1, keepdims=True)
    z = z - z.max(-1, keepdims=True)
    wanted = (soft * z).sum(-1).mean()

    def slope(sharpness: float) -> float:
        p = np.exp(z * sharpness)
        return float(((p * z).sum(-1) / p.sum(-1)).mean() - wanted)

    low, high = 0.01, 100.0  # 1 / T
    for _ in range(80):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 1 / float(np.sqrt(low * high))


def softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """(n, C) probabilities of logits (n, C)."""
    z = np.asarray(logits, np.float64) / temperature
    p = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(p / p.sum(-1, keepdims=True))
