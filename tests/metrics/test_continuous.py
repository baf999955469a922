"""Concordance."""

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.metrics.bootstrap import bootstrap
from emollm.metrics.continuous import ccc, concordance


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
