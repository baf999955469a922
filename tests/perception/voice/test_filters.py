import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from emollm.perception.voice.filters import Filters


def test_filters_are_a_matrix_product() -> None:
    random = np.random.default_rng(0)
    weights = (random.random((80, 201)) * (random.random((80, 201)) < 0.1)).astype(np.float32)
    power = random.random((201, 300)).astype(np.float32)
    assert Filters(weights) @ power == pytest.approx(weights.astype(np.float64) @ power, rel=1e-5)


def test_the_product_is_the_same_on_any_number_of_threads() -> None:
    random = np.random.default_rng(0)
    filters = Filters(random.random((80, 201)).astype(np.float32))
    power = random.random((201, 3000)).astype(np.float32)
    with threadpool_limits(1, "blas"):
        one = filters @ power
    with threadpool_limits(4, "blas"):
        assert np.array_equal(filters @ power, one)
