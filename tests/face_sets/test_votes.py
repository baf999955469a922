"""Votes to labels: the majority protocol and soft shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emollm import ferplus

VOTES = arrays(np.uint8, st.tuples(st.integers(1, 5), st.just(10)), elements=st.integers(0, 10))


def written_out(votes: np.ndarray) -> str | None:
    """The protocol as a loop, from the paper's own code."""
    counts = [int(vote) if vote > 1 else 0 for vote in votes]
    top = max(range(10), key=lambda column: counts[column])
    return ferplus.CLASSES[top] if top < 8 and counts[top] > 0.5 * sum(counts) else None


@given(VOTES)
def test_the_majority_of_many_rows_is_that_of_each(votes: np.ndarray) -> None:
    codes = ferplus.majorities(votes)
    assert [None if code < 0 else ferplus.CLASSES[code] for code in codes] == [written_out(row) for row in votes]
    assert [ferplus.majority(row) for row in votes] == [written_out(row) for row in votes]


@given(VOTES)
def test_shares_of_a_labelled_row_sum_to_one_and_others_are_zero(votes: np.ndarray) -> None:
    shares = ferplus.shares(votes)
    total = shares.sum(1)
    assert np.all(np.isclose(total, 1) | (total == 0))
    assert np.all(shares[ferplus.majorities(votes) >= 0].sum(1) > 0), "a row with a majority is labelled"


@pytest.mark.parametrize(
    ("votes", "shares"),
    [
        ([6, 3, 1, 0, 0, 0, 0, 0, 0, 0], [2 / 3, 1 / 3, 0, 0, 0, 0, 0, 0]),  # the single vote is dropped
        ([4, 2, 0, 0, 0, 0, 0, 0, 3, 1], [2 / 3, 1 / 3, 0, 0, 0, 0, 0, 0]),  # 6 of 9 are for emotions
        ([3, 0, 0, 0, 0, 0, 0, 0, 3, 0], [0] * 8),  # half is not more than half
        ([1] * 10, [0] * 8),
        ([0, 0, 0, 0, 0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_shares_are_those_of_the_emotions_when_they_have_more_than_half(votes: list[int], shares: list[float]) -> None:
    np.testing.assert_allclose(ferplus.shares(np.array([votes]))[0], shares)


@pytest.mark.parametrize("shape", [(48, 48), (40, 60), (48, 48, 3)])
def test_a_tile_of_any_form_is_padded_and_made_larger(shape: tuple[int, ...]) -> None:
    tile = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pad = ferplus.padding(tile)
    assert pad == round(max(shape[:2]) / 4)
    assert ferplus.enlarged(tile).shape == ((shape[0] + 2 * pad) * 3, (shape[1] + 2 * pad) * 3, 3)
