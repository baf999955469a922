"""Classes of a data set and of a net that has others."""

import numpy as np
import pytest

from emollm.errors import ConfigError, DataError
from emollm.eval.face_classes import match
from emollm.ferplus import CLASSES
from emollm.metrics.classification import STRAY

FER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_other_words_in_another_order_are_matched_by_what_they_mean() -> None:
    found = match(CLASSES, "ferplus", FER, "fer2013", present=FER)
    assert [CLASSES[k] for k in found.in_net] == [
        "anger",
        "disgust",
        "fear",
        "happiness",
        "sadness",
        "surprise",
        "neutral",
    ]
    assert found.labels == FER
    assert [CLASSES[k] for k in found.others] == ["contempt"]
    back = match(FER, "fer2013", CLASSES, "ferplus", present=("fear", "neutral"))
    assert [FER[k] for k in back.in_net] == ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"]


def test_a_net_without_a_label_set_is_read_by_its_words() -> None:
    found = match(("joyful", "sad"), None, CLASSES, "ferplus", present=("happiness", "sadness"))
    assert (found.labels, found.in_net) == (("happiness", "sadness"), (0, 1))


def test_answers_of_a_class_that_the_data_lacks_are_stray() -> None:
    found = match(CLASSES, "ferplus", FER, "fer2013", present=FER)
    said = np.full((2, 8), 0.01)
    said[0, CLASSES.index("contempt")] = said[1, CLASSES.index("anger")] = 0.93
    assert found.answers(found.probabilities(said)).tolist() == [STRAY, FER.index("angry")]


def test_restricted_answers_are_renormalised() -> None:
    found = match(CLASSES, "ferplus", CLASSES, "ferplus", present=CLASSES, only=("sad", "neutral"))
    assert found.labels == ("neutral", "sadness")
    said = np.array([[0.1, 0.5, 0, 0.3, 0.1, 0, 0, 0]])
    np.testing.assert_allclose(found.probabilities(said), [[0.25, 0.75]])
    assert found.answers(found.probabilities(said)).tolist() == [1]
    assert found.references(np.array([3, 0, 1, -1])).tolist() == [1, 0, -1, -1]
    np.testing.assert_allclose(
        found.shares(np.array([[0.2, 0.2, 0, 0.6, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0]])), [[0.25, 0.75], [0, 0]]
    )


def test_every_permutation_of_the_net_gives_the_same_answers() -> None:
    """A wrong order is the commonest silent bug."""
    said = np.random.default_rng(0).dirichlet(np.ones(8), 20)
    plain = match(CLASSES, "ferplus", CLASSES, "ferplus", present=CLASSES)
    order = np.random.default_rng(1).permutation(8)
    other = match([CLASSES[k] for k in order], "ferplus", CLASSES, "ferplus", present=CLASSES)
    np.testing.assert_array_equal(
        plain.answers(plain.probabilities(said)), other.answers(other.probabilities(said[:, order]))
    )


def test_faces_of_a_class_that_the_net_lacks_are_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"faces of contempt, .*--classes neutral,happiness,surprise"):
        match(FER, "fer2013", CLASSES, "ferplus", present=CLASSES)


@pytest.mark.parametrize(
    ("only", "why"),
    [
        (("joyy", "sad"), "unknown class of ferplus 'joyy'"),
        (("unknown", "sad"), "unknown class of ferplus 'unknown'"),
        (("sad",), "fewer than two classes"),
    ],
)
def test_classes_that_cannot_be_scored_are_refused(only: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        match(CLASSES, "ferplus", CLASSES, "ferplus", present=CLASSES, only=only)


def test_a_class_asked_for_that_the_net_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="--classes contempt: the net has no such class"):
        match(FER, "fer2013", CLASSES, "ferplus", present=CLASSES, only=("contempt", "fear"))


def test_two_classes_that_are_one_for_the_net_are_refused() -> None:
    merr = ("neutral", "angry", "happy", "sad", "worried", "surprise", "fear", "contempt", "doubt")
    with pytest.raises(DataError, match="worried and fear are both fear"):
        match(CLASSES, "ferplus", merr, "merr", present=("worried", "fear", "sad"))
