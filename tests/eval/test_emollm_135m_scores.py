"""Numbers of the proof's table, by hand."""

import numpy as np
import pytest

from emollm.eval.emollm_135m import over_models
from emollm.eval.emollm_135m_scores import Row, best_threshold, several_macro_f1
from emollm.metrics.bootstrap import value


def test_macro_f1_of_several_labels_by_hand() -> None:
    gold = np.array([[1, 0], [1, 1], [0, 0]], bool)
    answer = np.array([[1, 1], [0, 1], [0, 0]], bool)
    assert value(several_macro_f1(gold, answer), 3) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert value(several_macro_f1(gold[:, :1] & False, answer[:, :1] & False), 3) == 0


def test_the_threshold_parts_what_can_be_parted() -> None:
    gold = np.array([[1, 0], [1, 1], [0, 1]], bool)
    scores = np.array([[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]])
    threshold = best_threshold(gold, scores)
    assert 0.2 <= threshold < 0.5
    assert ((scores > threshold) == gold).all()


def test_several_models_are_told_of_by_mean_and_range() -> None:
    rows = [
        Row("face", "picture", who, "accuracy", value, 0.1, 0.9, 4, None, note)
        for who, value, note in (("a@1", 0.5, "1 left out"), ("b@1", 0.7, "2 without a label; 1 left out"))
    ]
    less = [one._replace(who=f"{one.who} − face-mt@1", value=one.value - 1) for one in rows]
    alone = Row("voice", "sound", "a@1", "accuracy", 0.5, 0.1, 0.9, 4)
    found, difference = over_models([*rows, *less, alone], ["a@1", "b@1"])
    assert (found.who, round(found.value, 6), found.low, found.high) == ("mean of 2 models", 0.6, 0.5, 0.7)
    assert found.note == "range of the models, not an interval; 1 left out"
    assert (difference.who, round(difference.value, 6)) == ("mean of 2 models − face-mt@1", -0.4)
