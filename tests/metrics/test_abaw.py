"""The composites of ABAW and MER2023, worked by hand."""

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.metrics.abaw import (
    expression,
    expression_2020,
    mer2023,
    mimicry,
    units,
    units_2020,
    valence_arousal,
)
from emollm.metrics.bootstrap import Statistic, bootstrap, value


def of(statistic: Statistic, n: int) -> float:
    return value(statistic, n)


def test_expression_of_2020_is_two_thirds_f1_and_one_third_accuracy() -> None:
    reference, predicted = np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0])
    # F1 of both classes is 2/3, 2 of 3 are right, and the frame without a label does not count.
    assert of(expression(reference, predicted, 2), 4) == pytest.approx(2 / 3, abs=1e-12)
    assert of(expression_2020(reference, predicted, 2), 4) == pytest.approx(2 / 3, abs=1e-12)
    assert of(expression_2020(reference, predicted, 4), 4) == pytest.approx(0.67 * 1 / 3 + 0.33 * 2 / 3, abs=1e-12)


def test_perfect_frames_have_no_doubt_however_rare_a_class_or_unit_is() -> None:
    classes, marks = np.array([0] * 98 + [1, -1]), np.array([[1, 0]] * 99 + [[1, 1]])
    found = bootstrap({"expr": expression(classes, classes, 2), "units": units(marks, marks)}, 100, resamples=200)
    assert found == {"expr": (1, 1, 1), "units": (1, 1, 1)}


def test_units_are_scored_each_and_together_without_those_that_have_no_label() -> None:
    reference = np.array([[1, 0], [0, 1], [1, -1]])
    predicted = np.array([[1, 0], [1, 0], [0, 1]])
    # First unit: TP 1, FP 1, FN 1. Second: one FN. Of five labels two are right.
    assert of(units(reference, predicted), 3) == pytest.approx((1 / 2 + 0) / 2)
    assert of(units_2020(reference, predicted), 3) == pytest.approx(0.5 * 0.25 + 0.5 * 0.4)
    with pytest.raises(DataError, match="expected 0 or 1"):
        units(reference, predicted + 1)


def test_valence_and_arousal_count_alike_and_a_constant_column_correlates_with_nothing() -> None:
    x = np.array([0.0, 1, 2, 3])
    assert of(valence_arousal(x, x, x, np.full(4, 0.5)), 4) == 0.5
    table = np.stack([x, x], 1)
    assert of(mimicry(table, np.stack([x, np.full(4, 0.1)], 1)), 4) == pytest.approx(0.5)


def test_mer2023_takes_a_quarter_of_the_squared_error_off_weighted_f1() -> None:
    found = mer2023(np.array([0, 1]), np.array([0, 1]), 2, np.array([1.0, 3.0]), np.array([2.0, 3.0]))
    assert of(found, 2) == pytest.approx(1 - 0.25 * 0.5)
