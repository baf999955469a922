"""Accuracy, recalls and F1: worked by hand, at their edges, and against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.errors import DataError
from emollm.metrics.bootstrap import value, wilson
from emollm.metrics.classification import (
    STRAY,
    UNANSWERED,
    classification,
    codes,
    confusion,
    measures,
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
        max(report.floors[name]["macro_f1"] for name in ("majority", "uniform", "prior"))
    )


def test_labels_drawn_as_often_as_they_occur_score_what_the_floor_says_and_no_blind_draw_has_a_higher_macro_f1() -> (
    None
):
    rng = np.random.default_rng(0)
    shares = np.array([0.6, 0.25, 0.1, 0.05])
    reference = np.repeat(np.arange(4), (shares * 40_000).astype(int))
    told = classification(reference, reference, tuple("abcd"), resamples=20).floors["prior"]
    assert told == pytest.approx(
        {"war": (shares**2).sum(), "uar": 1 / 4, "macro_f1": 1 / 4, "weighted_f1": (shares**2).sum()}
    )
    drawn = scores(reference, rng.choice(4, len(reference), p=shares), 4)
    assert drawn == pytest.approx(told, abs=0.01)
    for other in rng.dirichlet(np.ones(4), 200):
        assert (2 * shares * other / (shares + other)).mean() <= told["macro_f1"] + 1e-12


def test_lenient_floors_are_those_of_the_items_answered() -> None:
    reference = np.array([0] * 6 + [1] * 4)
    predicted = np.array([UNANSWERED] * 5 + [0, 1, 1, 1, 0])
    report = classification(reference, predicted, LABELS[:2], resamples=20)
    assert report.metrics["war"].floor == 0.6
    assert report.metrics["war_lenient"].floor == 0.8  # one of the first class and four of the second are answered
    assert report.metrics["weighted_f1_lenient"].floor == pytest.approx(0.8 * 2 * 0.8 / 1.8)
    always = np.where(predicted == UNANSWERED, UNANSWERED, 1)
    assert scores(reference, always, 2)["war_lenient"] == report.metrics["war_lenient"].floor


def test_perfect_answers_have_no_doubt_in_macro_f1_however_rare_a_class_is() -> None:
    reference = np.array([0] * 60 + [1] * 39 + [2])
    for labels, best in ((LABELS, 1.0), ((*LABELS, "anger"), 3 / 4)):
        found = classification(reference, reference, labels, resamples=200).metrics["macro_f1"]
        assert (found.value, found.ci) == (best, (best, best))


def test_the_interval_of_macro_f1_is_not_pulled_down_by_resamples_without_a_class() -> None:
    rng = np.random.default_rng(1)
    reference = np.array([0] * 100 + [1] * 100 + [2, 2])
    predicted = np.where(rng.random(202) < 0.8, reference, 1 - reference % 2)
    predicted[-2:] = 2
    measure = measures(reference, predicted, 3)["macro_f1"]
    weights = rng.multinomial(202, np.full(202, 1 / 202), 4000).astype(float)
    drawn = measure.statistic(weights)
    lacks = weights[:, -2:].sum(-1) == 0
    assert 0.1 < lacks.mean() < 0.17
    assert drawn[lacks].mean() == pytest.approx(value(measure.statistic, 202), abs=0.1)
    assert np.median(drawn) == pytest.approx(value(measure.statistic, 202), abs=0.02)


def test_a_share_that_resampling_cannot_vary_has_the_interval_of_wilson() -> None:
    reference = np.array([0, 1] * 10)
    found = classification(reference, reference, LABELS[:2], resamples=50).metrics
    assert (found["war"].ci, found["war"].method) == (wilson(20, 20), "wilson")
    assert (found["uar"].ci, found["uar"].method) == ((1, 1), "bootstrap")
    wrong = classification(reference, 1 - reference, LABELS[:2], resamples=50).metrics
    assert wrong["war"].ci == wilson(0, 20)
    few = np.where(np.arange(20) < 6, reference, UNANSWERED)
    assert classification(reference, few, LABELS[:2], resamples=50).metrics["war_lenient"].ci == wilson(6, 6)
    speakers = np.arange(20) // 5
    together = classification(reference, reference, LABELS[:2], clusters=speakers, resamples=50)
    assert together.metrics["war"].ci == wilson(4, 4)
    assert together.per_class["happiness"].recall_ci == wilson(4, 4)


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
