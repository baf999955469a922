"""Preference, worked by hand."""

import pytest

from emollm.errors import DataError
from emollm.metrics.bootstrap import value
from emollm.metrics.preference import Choice, chosen, preference
from emollm.metrics.report import Measure, measured


def numbers(found: dict[str, Measure], n: int) -> dict[str, float]:
    return {name: round(value(one.statistic, n), 6) for name, one in found.items()}


def test_an_unread_preference_is_not_the_same_as_same() -> None:
    reference: list[Choice] = ["a1", "a2", "same", "same"]
    found = numbers(preference(reference, ["a1", "a2", None, "same"]), 4)
    assert (found["accuracy"], found["unread"]) == (0.75, 0.25)


def test_pairs_that_people_found_alike_are_left_out_of_the_decided() -> None:
    reference: list[Choice] = ["a1", "a1", "a2", "same"]
    found = preference(reference, ["a1", "same", "a2", "a1"])
    assert numbers(found, 4)["accuracy_decided"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["accuracy_decided"].floor == pytest.approx(2 / 3)  # a1 of each of the three
    assert found["accuracy"].floor == 0.5


def test_a_choice_that_does_not_turn_with_the_order_is_position_bias() -> None:
    reference: list[Choice] = ["a1", "a2", "same", "a1"]
    turned = numbers(preference(reference, ["a1", "a2", "same", "a2"], ["a2", "a1", "same", "a1"]), 4)
    assert (turned["position_bias"], turned["accuracy_both"]) == (0, 0.75)
    first = numbers(preference(reference, ["a1", "a1", "a1", None], ["a1", "a1", "same", "a1"]), 4)
    assert (first["position_bias"], first["first_share"], first["accuracy_both"]) == (1.0, 1.0, 0.0)


def test_two_scores_make_a_choice_unless_one_is_missing() -> None:
    scores = [(3.0, 2.0), (2.0, 3.0), (3.0, 2.6), (None, 2.0)]
    assert [chosen(*pair, margin=0.5) for pair in scores] == ["a1", "a2", "same", None]


def test_intervals_hold_the_value_and_lists_of_two_lengths_are_refused() -> None:
    reference: list[Choice] = ["a1", "a2"] * 30
    said: list[Choice | None] = ["a1", "a1", "a1", "a2"] * 15
    found = measured(preference(reference, said), 60, resamples=200)["accuracy"]
    assert found.value == 0.75
    assert found.ci is not None
    assert found.ci[0] < 0.75 < found.ci[1]
    with pytest.raises(DataError, match="2 references but 1 answers"):
        preference(["a1", "a2"], ["a1"])
