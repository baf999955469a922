"""How alike two emotion words are, and what two sets of them share: the same word, else what the emotion wheels say."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emollm.eval.scoring_words import meanings
from emollm.metrics.wheels import Level, Vocabulary

_LEVELS: tuple[Level, ...] = (1, 2)


class Likeness:
    """Compares emotion words.

    Args:
        vocabulary: Tables of the wheels.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._meanings = meanings()
        self._found: dict[tuple[str, str], float] = {}
        self._shared: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}

    def of(self, one: str, other: str) -> float:
        """How alike two words in lower case are, 0–1.

        1 for forms of the same word or of the same label; else the mean over the wheels that have either of the share of levels (1: six or
        seven clusters, 2: 36 to 48) on which both stand in the same cluster.
        """
        key = (one, other) if one <= other else (other, one)
        if key not in self._found:
            self._found[key] = 1.0 if self._is_same(one, other) else self._on_wheels(one, other)
        return self._found[key]

    def shared(self, one: Sequence[str], other: Sequence[str]) -> float:
        """What two sets have in common, in words: the sum over the best pairs, each word in one pair at most."""
        key = tuple(one), tuple(other)
        if key not in self._shared:
            weights = np.array([[self.of(a, b) for b in other] for a in one], np.float64).reshape(len(one), len(other))
            found = (
                weights.max(initial=0.0) if 1 in weights.shape else sum(weights[pair] for pair in best_pairs(weights))
            )
            self._shared[key] = float(found)
        return self._shared[key]

    def _is_same(self, one: str, other: str) -> bool:
        forms = self._vocabulary.forms
        return self._meanings.get(one, one) == self._meanings.get(other, other) or not set(
            forms.get(one, ())
        ).isdisjoint(forms.get(other, ()))

    def _on_wheels(self, one: str, other: str) -> float:
        shares = []
        for wheel in self._vocabulary.wheels:
            places = [
                (self._vocabulary.cluster(one, wheel, level), self._vocabulary.cluster(other, wheel, level))
                for level in _LEVELS
            ]
            if any(places[0]):
                shares.append(float(np.mean([a == b != "" for a, b in places])))
        return float(np.mean(shares)) if shares else 0.0


def best_pairs(weights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows and columns (K, L) paired one-to-one so that the sum of their weights is highest; pairs of weight 0 are left out."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(weights, maximize=True)
    return [(int(k), int(j)) for k, j in zip(rows, columns, strict=True) if weights[k, j] > 0]
