"""Calibration, abstention and the temperature."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import entropy

from emollm.errors import DataError
from emollm.metrics.bootstrap import value
from emollm.metrics.calibration import (
    accuracy_at,
    aurc,
    brier,
    ece,
    equal_mass,
    equal_width,
    fit_temperature,
    kl,
    measures,
    nll,
    softmax,
    tv,
)

P = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])
Y = np.array([0, 1, 1, 1])
CONFIDENCE, RIGHT = P.max(-1), P.argmax(-1) == Y


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Logits (500, 4) and labels drawn from them at temperature 2.5."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 4)) * 5
    p = softmax(logits, 2.5)
    return logits, np.array([rng.choice(4, p=row) for row in p])


def test_ece_worked_by_hand() -> None:
    # 15 bins: every one of .9, .6, .7, .8 has a bin of its own
    expected = (abs(1 - 0.9) + abs(0 - 0.6) + abs(1 - 0.7) + abs(1 - 0.8)) / 4
    assert value(ece(CONFIDENCE, RIGHT, equal_width(CONFIDENCE)), 4) == pytest.approx(expected)
    one = np.zeros(4, int)
    assert value(ece(CONFIDENCE, RIGHT, one), 4) == pytest.approx(abs(0.75 - CONFIDENCE.mean()))


def test_bins_are_closed_above() -> None:
    assert equal_width(np.array([0.2, 0.2000001, 1.0, 0.5]), 5).tolist() == [0, 1, 4, 2]


def test_bins_of_equal_mass_hold_equally_many_and_never_part_equals() -> None:
    confidence = np.linspace(0.3, 1, 150)
    assert np.bincount(equal_mass(confidence)).tolist() == [10] * 15
    assert len(set(equal_mass(np.full(50, 0.7)).tolist())) == 1


def test_nll_brier_and_distances_worked_by_hand() -> None:
    np.testing.assert_allclose(nll(P, Y), -np.log([0.9, 0.4, 0.7, 0.8]))
    np.testing.assert_allclose(brier(P, Y), [0.02, 0.72, 0.18, 0.08])
    shares = np.array([[1.0, 0], [0.5, 0.5], [0.3, 0.7], [0, 1]])
    np.testing.assert_allclose(tv(shares, P), [0.1, 0.1, 0, 0.2], atol=1e-12)
    np.testing.assert_allclose(kl(shares, P), [entropy(s, p) for s, p in zip(shares, P, strict=True)], atol=1e-9)


def test_an_impossible_answer_costs_much_and_not_infinitely() -> None:
    assert nll(np.array([[1.0, 0.0]]), np.array([1]))[0] == pytest.approx(12 * np.log(10))


def test_risk_and_coverage_worked_by_hand() -> None:
    # from the surest: right (.9), right (.8), right (.7), wrong (.6): risks 0, 0, 0, 1/4
    assert value(aurc(CONFIDENCE, RIGHT), 4) == pytest.approx(1 / 16)
    assert value(accuracy_at(CONFIDENCE, RIGHT, 0.75), 4) == 1
    assert value(accuracy_at(CONFIDENCE, RIGHT, 0.8), 4) == 0.75


def test_equally_sure_items_are_taken_together_whatever_their_order() -> None:
    confidence = np.full(6, 0.5)
    right = np.array([True, True, True, False, False, False])
    for order in (np.arange(6), np.arange(6)[::-1]):
        assert value(aurc(confidence, right[order]), 6) == 0.5
        assert value(accuracy_at(confidence, right[order], 0.2), 6) == 0.5


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(3)
    p = softmax(rng.normal(size=(30, 3)))
    y = rng.integers(0, 3, 30)
    times = rng.integers(0, 4, 30)
    found, repeated = measures(p, y, p), measures(p.repeat(times, 0), y.repeat(times), p.repeat(times, 0))
    for name in set(found) - {"ece_equal_mass"}:  # whose bins are of the whole set
        weighed = found[name].statistic(times[None].astype(float))[0]
        assert weighed == pytest.approx(value(repeated[name].statistic, int(times.sum()))), name


def test_floors_are_those_of_the_class_shares() -> None:
    found = measures(P, Y)
    assert found["nll"].floor == pytest.approx(entropy([0.25, 0.75]))
    assert found["brier"].floor == pytest.approx(1 - 0.25**2 - 0.75**2)
    assert found["aurc"].floor == 0.25
    assert "kl" not in found


def test_the_temperature_is_found(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = drawn
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(2.5, rel=0.15)

    def loss(log_t: float) -> float:
        return float(nll(softmax(logits, np.exp(log_t)), labels).mean())

    assert np.log(found) == pytest.approx(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x, abs=1e-3)


def test_the_temperature_of_vote_shares_leaves_out_rows_without_votes(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, _ = drawn
    shares = softmax(logits, 3.0)
    shares[::7] = 0
    assert fit_temperature(logits, shares) == pytest.approx(3.0, rel=1e-3)


def test_the_temperature_has_bounds() -> None:
    logits = np.array([[5.0, 0.0], [0.0, 5.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(0.01)
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(100)


@pytest.mark.parametrize("p", [np.array([[0.5, np.nan]]), np.array([[0.5, 0.2]]), np.array([0.5, 0.5])])
def test_what_is_no_distribution_is_refused(p: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected"):
        measures(p, np.array([0]))


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="finite logits"):
        fit_temperature(np.array([[np.nan, 1.0]]), np.array([0]))
    with pytest.raises(DataError, match="with 0 labelled"):
        fit_temperature(np.ones((2, 3)), np.zeros((2, 3)))
