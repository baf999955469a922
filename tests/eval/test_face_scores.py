"""From logits and labels to a report."""

import numpy as np
import pytest

from emollm.errors import DataError, ModelError
from emollm.eval.face_classes import Match, match
from emollm.eval.face_scores import Answers, Units, answers, report
from emollm.ferplus import CLASSES
from emollm.metrics.calibration import softmax

LABELS = np.array([0, 0, 1, 1, 2, 3])
RIGHT = np.eye(8)[LABELS] * 4


def given(logits: np.ndarray, temperature: float = 1.0, only: tuple[str, ...] = ()) -> Answers:
    matched: Match = match(CLASSES, "ferplus", CLASSES, "ferplus", present=CLASSES[:4], only=only)
    shares = np.eye(8)[LABELS] * 0.75 + 0.25 / 8
    return answers(matched, tuple("abcdef"), LABELS, shares, np.ones(6, bool), logits, temperature)


def test_a_report_has_accuracy_calibration_and_distance_to_the_votes() -> None:
    logits = RIGHT.copy()
    logits[5] = RIGHT[0]
    found = report(given(logits, 2.0), resamples=100)
    assert found.metrics["war"].value == pytest.approx(5 / 6)
    assert found.metrics["uar"].value == pytest.approx(3 / 4)
    p = softmax(logits, 2.0)
    assert found.metrics["nll"].value == pytest.approx(-np.log(p[range(6), LABELS]).mean())
    assert found.metrics["ece"].value == pytest.approx(abs(5 / 6 - p.max()))
    assert found.metrics["ece_uncalibrated"].value == pytest.approx(abs(5 / 6 - softmax(logits).max()))
    assert found.metrics["tv"].value is not None
    assert all(metric.ci is not None for metric in found.metrics.values())


def test_the_temperature_changes_confidence_and_no_answer() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 8))
    cold, warm = given(logits, 0.5), given(logits, 5.0)
    np.testing.assert_array_equal(cold.predicted, warm.predicted)
    assert (cold.probabilities.max(-1) > warm.probabilities.max(-1)).all()


def test_logits_that_are_not_finite_are_refused() -> None:
    logits = RIGHT.copy()
    logits[2, 3] = np.nan
    with pytest.raises(ModelError, match="NaN or infinity for 1 of 6 faces"):
        given(logits)


def test_faces_of_classes_that_are_not_scored_are_refused() -> None:
    with pytest.raises(DataError, match="2 faces are of classes that are not scored"):
        given(RIGHT, only=("neutral", "happiness"))


def test_action_units_are_compared_where_they_were_measured() -> None:
    measured = np.array([[0.0, 0.5], [0.2, np.nan], [0.4, np.nan], [0.6, np.nan], [0.8, np.nan], [1.0, np.nan]])
    said = np.stack([measured[:, 0], np.zeros(6)], 1)
    found = report(given(RIGHT)._replace(units=Units(("AU12", "AU4"), said, measured)), resamples=100)
    assert set(found.more["unit_ccc"]) == {"AU12"}  # one face does not make a concordance
    assert found.more["unit_ccc"]["AU12"].value == pytest.approx(1)
