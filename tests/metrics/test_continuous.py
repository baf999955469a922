"""Concordance."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from emollm.errors import DataError
from emollm.metrics.bootstrap import bootstrap, value
from emollm.metrics.continuous import by_cluster, ccc, concordance, mse, pearson, rmse, sign_accuracy


def test_concordance_worked_by_hand() -> None:
    # means 2 and 3, variances 2/3 and 2/3, covariance 2/3
    assert concordance(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])).value == pytest.approx((4 / 3) / (4 / 3 + 1))


def test_concordance_agrees_with_its_form_by_correlation() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    y = 0.5 * x + rng.normal(size=80) + 3
    rho = np.corrcoef(x, y)[0, 1]
    wanted = 2 * rho * x.std() * y.std() / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert concordance(x, y).value == pytest.approx(wanted)


def test_constant_series_are_flagged() -> None:
    constant, varying = np.full(4, 0.1), np.arange(4.0)
    assert concordance(constant, varying) == (0.0, True)
    assert concordance(constant, constant) == (1.0, True)
    assert concordance(constant, constant + 1) == (0.0, True)
    assert not concordance(varying, varying).is_constant


def test_concordance_has_an_interval() -> None:
    x = np.random.default_rng(0).normal(size=100)
    found = bootstrap({"ccc": ccc(x, x + 0.3)}, 100)["ccc"]
    assert found.low < found.value < found.high < 1


@pytest.mark.parametrize(("x", "y"), [([1.0], [1.0, 2.0]), ([], []), ([np.nan], [1.0])])
def test_series_that_do_not_fit_are_refused(x: list[float], y: list[float]) -> None:
    with pytest.raises(DataError, match="two finite series"):
        concordance(np.array(x), np.array(y))


def test_correlation_and_errors_agree_with_scipy_for_repeated_items() -> None:
    rng = np.random.default_rng(1)
    x, y, times = rng.normal(size=50), rng.normal(size=50), rng.integers(0, 4, 50)
    a, b, weights = np.repeat(x, times), np.repeat(y, times), times[None].astype(float)
    assert pearson(x, y)(weights)[0] == pytest.approx(pearsonr(a, b).statistic, abs=1e-9)
    assert mse(x, y)(weights)[0] == pytest.approx(((a - b) ** 2).mean(), abs=1e-12)
    assert rmse(x, y)(weights)[0] == pytest.approx(((a - b) ** 2).mean() ** 0.5, abs=1e-12)
    assert value(pearson(x, np.full(50, 0.1)), 50) == 0


def test_signs_leave_references_of_zero_out_and_count_what_has_no_side_as_wrong() -> None:
    found = sign_accuracy(np.array([1.0, -1, 0, 2, -2]), np.array([0.1, 0.1, 5, 0, np.nan]))
    assert value(found, 5) == 0.25


def test_the_mean_over_recordings_gives_each_the_same_weight() -> None:
    x = np.array([0.0, 1, 2, 0, 1])
    y = np.array([0.0, 1, 2, 3, 3])
    found = by_cluster(ccc, x, y, np.array(["a", "a", "a", "b", "b"]))
    assert value(found, 5) == 0.5
    assert found(np.array([[2.0, 2, 2, 0, 0]]))[0] == 1
