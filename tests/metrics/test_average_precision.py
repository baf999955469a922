"""Average precision in both forms, worked by hand and against a loop over thresholds."""

from itertools import pairwise

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.metrics.average_precision import average_precision, trapezoidal
from emollm.metrics.bootstrap import value


def test_both_forms_worked_by_hand() -> None:
    positive, scores = np.array([True, False, True]), np.array([0.9, 0.5, 0.5])
    # Above 0.5 one hit of one, half of the positives; then two of three.
    assert value(average_precision(positive, scores), 3) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # Recall falls from 1 to 1/2 behind 0.5 and to 0 behind 0.9, where precision is 0.
    assert value(trapezoidal(positive, scores), 3) == pytest.approx(0.5 * (2 / 3 + 1) / 2 + 0.5 * (1 + 0) / 2)


def test_both_forms_agree_with_their_definitions_for_repeated_items() -> None:
    rng = np.random.default_rng(0)
    positive, scores = rng.random(60) < 0.4, rng.random(60).round(2)
    times = rng.integers(0, 4, 60)
    y, p = np.repeat(positive, times), np.repeat(scores, times)

    def at(threshold: float) -> tuple[float, float]:
        taken = p >= threshold
        return (y[taken].mean() if taken.any() else 0.0), y[taken].sum() / y.sum()

    steps = [at(t) for t in sorted(set(p), reverse=True)]
    wanted = sum((r - before) * q for (q, r), before in zip(steps, [0.0, *(r for _, r in steps)], strict=False))
    weights = times[None].astype(float)
    assert average_precision(positive, scores)(weights)[0] == pytest.approx(wanted, abs=1e-9)
    curve = [at(k / 1000) for k in range(1000)]
    area = sum((a[1] - b[1]) * (a[0] + b[0]) / 2 for a, b in pairwise(curve))
    assert trapezoidal(positive, scores)(weights)[0] == pytest.approx(area, abs=1e-9)


def test_without_a_positive_item_there_is_none_and_no_probabilities_are_refused() -> None:
    assert np.isnan(value(average_precision(np.zeros(2, bool), np.array([0.1, 0.2])), 2))
    with pytest.raises(DataError, match="probabilities from 0 to 1"):
        trapezoidal(np.ones(1, bool), np.array([2.0]))
