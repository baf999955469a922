"""Accuracy, recalls and F1: worked by hand, at their edges, and against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.errors import DataError
from emollm.metrics.classification import (
    STRAY,
    UNANSWERED,
    classification,
    codes,
    confusion,
    scores,
)

LABELS = ("neutral", "happiness", "fear")
#          n  n  n  n  h  h  h  f
REFERENCE = np.array([0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 0, 0])


def test_scores_worked_by_hand() -> None:
    found = scores(REFERENCE, PREDICTED, 3)
    assert found["war"] == pytest.approx(5 / 8)
    assert found["uar"] == pytest.approx((3 / 4 + 2 / 3 + 0) / 3)
    # F1: neutral 2·3 / (2·3 + 2 + 1), happiness 2·2 / (2·2 + 1 + 1), fear 0
    assert found["macro_f1"] == pytest.approx((6 / 9 + 4 / 6 + 0) / 3)
    assert found["weighted_f1"] == pytest.approx((4 * 6 / 9 + 3 * 4 / 6) / 8)


def test_a_class_without_items_counts_for_macro_f1_and_not_for_uar() -> None:
    found = scores(REFERENCE[:7], PREDICTED[:7], 3)
    assert found["uar"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    # without the fear item that was taken for neutral, neutral has one false positive: 6 / 8
    assert found["macro_f1"] == pytest.approx((6 / 8 + 4 / 6) / 3)


def test_a_missing_answer_is_wrong_in_strict_and_left_out_in_lenient() -> None:
    predicted = PREDICTED.copy()
    predicted[3] = UNANSWERED
    found = scores(REFERENCE, predicted, 3)
    assert found["war"] == pytest.approx(5 / 8)
    assert found["war_lenient"] == pytest.approx(5 / 7)
    assert found["uar_lenient"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert classification(REFERENCE, predicted, LABELS, resamples=20).coverage == 7 / 8


def test_an_answer_outside_of_the_list_is_wrong_and_covered() -> None:
    predicted = PREDICTED.copy()
    predicted[3] = STRAY
    report = classification(REFERENCE, predicted, LABELS, resamples=20)
    assert report.coverage == 1
    assert report.confusion.columns == (*LABELS, "other")
    assert report.confusion.counts == ((3, 0, 0, 1), (1, 2, 0, 0), (1, 0, 0, 0))
    assert "war_lenient" not in report.metrics


def test_nobody_answers() -> None:
    found = scores(REFERENCE, np.full(8, UNANSWERED), 3)
    assert found["war"] == found["uar"] == found["macro_f1"] == 0
    assert np.isnan([found["war_lenient"], found["uar_lenient"], found["macro_f1_lenient"]]).all()
    report = classification(REFERENCE, np.full(8, UNANSWERED), LABELS, resamples=20)
    assert report.metrics["war_lenient"].value is None
    assert type(report).from_json(report.to_json()) == report


def test_floors_are_those_of_answers_that_look_at_nothing() -> None:
    report = classification(REFERENCE, PREDICTED, LABELS, resamples=20)
    assert report.floors["majority"]["war"] == 0.5
    assert report.floors["majority"]["uar"] == pytest.approx(1 / 3)
    assert report.floors["majority"]["macro_f1"] == pytest.approx((2 * 4 / 12) / 3)
    assert report.floors["uniform"]["war"] == pytest.approx(1 / 3)
    assert report.metrics["war"].floor == 0.5
    assert report.metrics["macro_f1"].floor == pytest.approx(
        max(report.floors[name]["macro_f1"] for name in ("majority", "uniform"))
    )


def test_classes_have_recall_precision_and_support() -> None:
    report = classification(REFERENCE, PREDICTED, LABELS, resamples=20)
    assert list(report.per_class) == list(LABELS)
    happiness, fear = report.per_class["happiness"], report.per_class["fear"]
    assert (happiness.support, happiness.recall, happiness.precision) == (3, 2 / 3, 2 / 3)
    assert (fear.support, fear.recall, fear.precision, fear.f1) == (1, 0, None, 0)
    assert fear.recall_ci is not None
    assert fear.recall_ci[1] == pytest.approx(0.7935, abs=1e-3)  # Wilson of 0 of 1; a bootstrap would say 0 to 0


def test_recalls_of_clusters_are_resampled_by_cluster() -> None:
    apart = classification(REFERENCE, PREDICTED, LABELS, clusters=np.zeros(8, int), resamples=20)
    assert apart.per_class["happiness"].recall_ci == (2 / 3, 2 / 3)
    assert apart.metrics["war"].ci == (5 / 8, 5 / 8)


@pytest.mark.parametrize(
    ("reference", "predicted", "why"),
    [
        ([0, 1], [0], "an answer for each item"),
        ([0, 3], [0, 1], "expected 0 to 2"),
        ([0, 1], [0, 3], "expected -2 to 2"),
        ([-1, 1], [0, 1], "expected 0 to 2"),
        ([], [], "nothing to score"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(reference: list[int], predicted: list[int], why: str) -> None:
    with pytest.raises(DataError, match=why):
        classification(np.array(reference, int), np.array(predicted, int), LABELS)


def test_words_become_positions() -> None:
    assert codes(["fear", None, "neutral"], LABELS).tolist() == [2, UNANSWERED, 0]
    with pytest.raises(DataError, match="did you mean 'happiness'"):
        codes(["hapiness"], LABELS)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 3)), min_size=1, max_size=40))
def test_scores_agree_with_plain_counting(pairs: list[tuple[int, int]]) -> None:
    reference, predicted = np.array(pairs).T
    found = scores(reference, predicted, 4)
    recalls, f1s, supports = [], [], []
    for k in range(4):
        right = sum(r == p == k for r, p in pairs)
        support, answered = sum(r == k for r, _ in pairs), sum(p == k for _, p in pairs)
        if support:
            recalls.append(right / support)
        f1s.append(2 * right / (support + answered) if support + answered else 0.0)
        supports.append(support)
    assert found["war"] == pytest.approx(sum(r == p for r, p in pairs) / len(pairs))
    assert found["uar"] == pytest.approx(sum(recalls) / len(recalls))
    assert found["macro_f1"] == pytest.approx(sum(f1s) / 4)
    weighed = sum(n * f for n, f in zip(supports, f1s, strict=True))
    assert found["weighted_f1"] == pytest.approx(weighed / len(pairs))
    assert confusion(reference, predicted, 4).sum() == len(pairs)
