"""Intervals, paired differences and tests of two models."""

import numpy as np
import pytest
from scipy.stats import binomtest

from emollm.errors import DataError
from emollm.metrics.bootstrap import (
    Weights,
    among,
    bootstrap,
    difference,
    mcnemar,
    mean,
    mean_of_defined,
    remembered,
    value,
    wilson,
)


def test_the_interval_of_a_share_is_what_its_binomial_says() -> None:
    """PROTOCOLS: p = .90, n = 834 gives ± 2.0 points."""
    right = np.arange(834) < round(0.9 * 834)
    found = bootstrap({"war": mean(right)}, 834)["war"]
    assert found.value == pytest.approx(0.9, abs=0.001)
    assert found.value - found.low == pytest.approx(0.02, abs=0.002)
    assert found.high - found.value == pytest.approx(0.02, abs=0.002)


def test_the_same_seed_gives_the_same_interval() -> None:
    each = np.random.default_rng(1).normal(size=50)
    first, again, other = (bootstrap({"m": mean(each)}, 50, seed=seed)["m"] for seed in (3, 3, 4))
    assert first == again != other


def test_clusters_widen_an_interval_as_much_as_their_items_are_alike() -> None:
    """Ten speakers with twenty equal items each are ten items."""
    speakers = np.repeat(np.arange(10), 20)
    right = speakers % 2 == 0
    alone = bootstrap({"m": mean(right)}, 200)["m"]
    together = bootstrap({"m": mean(right)}, 200, clusters=speakers)["m"]
    ten = bootstrap({"m": mean(np.arange(10) % 2 == 0)}, 10)["m"]
    assert together.high - together.low == pytest.approx(ten.high - ten.low, abs=0.05)
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_large_sets_are_resampled_in_pieces_with_one_result() -> None:
    each = np.random.default_rng(0).random(30_000)
    found = bootstrap({"m": mean(each)}, 30_000, resamples=300)["m"]
    spread = each.std() / np.sqrt(30_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(400) < 0.8
    second = first ^ (np.arange(400) < 10)  # both differ in ten items only
    found = bootstrap({"a": mean(first), "d": difference(mean(first), mean(second))}, 400)
    assert found["d"].value == pytest.approx(first.mean() - second.mean())
    assert found["d"].high - found["d"].low < (found["a"].high - found["a"].low) / 2


def test_resamples_without_a_value_do_not_count() -> None:
    """The share among items of a class that is not always drawn."""
    only = np.array([1.0, 0, 0, 0])

    def recall(weights: np.ndarray) -> np.ndarray:
        drawn = weights @ only
        return np.where(drawn > 0, 1.0, np.nan)

    found = bootstrap({"r": recall}, 4)["r"]
    assert found == (1.0, 1.0, 1.0)


def test_an_undefined_metric_has_no_interval() -> None:
    found = bootstrap({"x": lambda weights: np.full(len(weights), np.nan)}, 3, resamples=10)["x"]
    assert np.isnan(found).all()


@pytest.mark.parametrize(("one", "two"), [(0, 0), (5, 0), (10, 12), (3, 30), (700, 600)])
def test_mcnemar_agrees_with_the_binomial_test(one: int, two: int) -> None:
    first = np.array([True] * one + [False] * two + [True] * 7)
    second = np.array([False] * one + [True] * two + [True] * 7)
    found = mcnemar(first, second)
    assert found[:2] == (one, two)
    assert found.p == pytest.approx(binomtest(one, one + two).pvalue if one + two else 1.0)


@pytest.mark.parametrize(("hits", "n"), [(0, 13), (13, 13), (5, 24), (90, 100)])
def test_wilson_agrees_with_scipy(hits: int, n: int) -> None:
    ci = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((ci.low, ci.high))
    assert wilson(0, 0) is None


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="one cluster for each of 3 items"):
        bootstrap({"m": mean(np.ones(3))}, 3, clusters=np.zeros(2))
    with pytest.raises(DataError, match="nothing to score"):
        bootstrap({}, 0)
    with pytest.raises(DataError, match="2 and 3"):
        mcnemar(np.ones(2, bool), np.ones(3, bool))
    assert value(mean(np.array([1.0, 3.0])), 2) == 2


def test_a_metric_of_some_items_is_not_defined_where_none_of_them_is_drawn() -> None:
    weights = np.array([[1.0, 1, 1], [0, 2, 1], [0, 0, 3]])
    found = among(np.array([True, True, False]), mean(np.array([1.0, 3])))(weights)
    assert found[:2].tolist() == [2, 3]
    assert np.isnan(found[2])


def test_a_mean_of_metrics_leaves_out_those_that_are_not_defined() -> None:
    one, other = (lambda _, values=values: np.array(values) for values in ([1.0, np.nan, np.nan], [3.0, 5, np.nan]))
    found = mean_of_defined([one, other])(np.ones((3, 1)))
    assert found[:2].tolist() == [2, 5]
    assert np.isnan(found[2])


def test_the_same_weights_are_counted_once_and_other_ones_anew() -> None:
    asked: list[int] = []

    def total(weights: Weights) -> float:
        asked.append(1)
        return float(weights.sum())

    again, first, second = remembered(total), np.ones((1, 2)), np.full((1, 2), 2.0)
    assert [again(weights) for weights in (first, first, second, first)] == [2, 2, 4, 2]
    assert len(asked) == 3
