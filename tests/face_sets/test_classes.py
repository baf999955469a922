"""Words and codes of a data set as classes of a label set."""

import numpy as np
import pytest

from emollm.errors import ConfigError, DataError
from emollm.face_sets.classes import Classes


def test_unknown_and_no_face_are_no_classes() -> None:
    classes = Classes("ferplus")
    assert classes.labels == (
        "neutral",
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "contempt",
    )
    assert classes.columns[8:] == ("unknown", "nf")
    assert classes.label("NF", "x") == -1


def test_labels_without_a_canonical_word_are_classes() -> None:
    assert "confusion" in Classes("raer").labels


@pytest.mark.parametrize(
    ("word", "label"), [("happy", "happiness"), ("Joy", "happiness"), ("4", "happiness"), (" 7 ", "neutral")]
)
def test_a_class_is_known_by_its_label_a_form_of_it_or_its_code(word: str, label: str) -> None:
    classes = Classes("rafdb")
    assert classes.labels[classes.label(word, "x")] == label


def test_an_unknown_class_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        DataError,
        match=r"faces\.csv:3: unknown class 'hapiness' \(did you mean 'happiness'\?\); rafdb has: surprise \(1\)",
    ) as told:
        Classes("rafdb").label("hapiness", "faces.csv:3")
    assert "\n" not in str(told.value)


def test_columns_of_votes_are_put_into_the_order_of_the_label_set() -> None:
    order = Classes("rafdb").votes(["joy", "unknown", "fear", "NF"], "x")
    assert order.columns == (*Classes("rafdb").labels, "unknown", "nf")
    np.testing.assert_array_equal(order.sorted(np.array([[5, 1, 3, 2]])), [[0, 3, 0, 5, 0, 0, 0, 1, 2]])


def test_two_columns_for_one_class_are_refused() -> None:
    with pytest.raises(DataError, match="columns 'happy' and 'joy' both stand for happiness"):
        Classes("ferplus").votes(["happy", "joy"], "x")


def test_an_unknown_label_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown label set 'ferplsu'"):
        Classes("ferplsu")
