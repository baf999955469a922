"""Polarity, worked by hand."""

import pytest

from emollm.errors import DataError
from emollm.metrics.bootstrap import value
from emollm.metrics.report import Measure
from emollm.metrics.sentiment import Side, polarity, side


def numbers(found: dict[str, Measure], n: int) -> dict[str, float]:
    return {name: round(value(one.statistic, n), 6) for name, one in found.items()}


def test_an_answer_that_takes_no_side_is_wrong_and_wins_only_as_published() -> None:
    reference = [2.0, -1.0, -0.5, 0.0, -3.0]
    said: list[Side | None] = ["positive", "neutral", None, "positive", "negative"]
    found = numbers(polarity(reference, said), 5)
    assert (found["accuracy"], found["accuracy_as_published"]) == (0.5, 1.0)
    # Strict, negative: TP 1, FN 2, so F1 = 2/4; positive 1. Three of four references are negative.
    assert found["weighted_f1"] == pytest.approx(0.75 * 0.5 + 0.25)
    assert (found["neutral"], found["unread"]) == (0.25, 0.25)
    assert polarity(reference, said)["accuracy"].floor == 0.75
    assert [side(x) for x in (0.1, 0, -2)] == ["positive", "neutral", "negative"]
    with pytest.raises(DataError, match="no reference is above or below 0"):
        polarity([0.0], ["positive"])
