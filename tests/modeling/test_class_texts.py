"""Descriptions of classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from emollm.emotions import label_set
from emollm.errors import ConfigError
from emollm.ferplus import CLASSES
from emollm.modeling.class_texts import ASPECTS, built_in, descriptions

GOOD: dict[str, Any] = {
    "id": "mine",
    "version": 2,
    "language": "en",
    "label_set": "ferplus",
    "source": "invented",
    "word": "{label}",
    "sentence": "{label}: {aspects}",
    "classes": {"anger": {"face": "Red.", "gaze": "Fixed."}, "fear": {"posture": "Low."}},
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A file of descriptions with some fields changed."""

    def write(**changed: Any) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(GOOD | changed), encoding="utf-8")
        return path

    return write


def test_there_are_built_in_descriptions_and_each_describes_every_emotion_of_its_label_set() -> None:
    assert "ferplus" in built_in()
    for name in built_in():
        texts = descriptions(name)
        emotions = [e.label for e in label_set(texts.label_set).entries if e.label not in ("unknown", "nf")]
        assert list(texts.classes) == emotions
        for aspect in ASPECTS:
            assert len(set(texts.sentences(emotions, (aspect,)))) == len(emotions)


def test_ferplus_is_described_in_the_order_of_its_columns() -> None:
    assert tuple(descriptions("ferplus").classes) == CLASSES


def test_a_sentence_says_the_wanted_aspects_in_order(written: Callable[..., Path]) -> None:
    texts = descriptions(written())
    assert texts.name == "mine@2"
    assert texts.sentences(["anger"]) == ("anger: Red. Fixed.",)
    assert texts.sentences(["anger"], ("gaze", "face")) == ("anger: Fixed. Red.",)
    assert texts.words(["anger", "joy"]) == ("anger", "joy")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes": {"anger": {"face": " "}}}, "anger: face is empty"),
        (
            {"classes": {"anger": {"hair": "Black."}}},
            r"anger: unknown aspect 'hair'.*known: face, gaze, objects, posture",
        ),
        ({"classes": {"angr": {"face": "Red."}}}, r"unknown label of ferplus 'angr' \(did you mean 'anger'\?\)"),
        ({"classes": {"anger": {}}}, "anger: has no aspect"),
        ({"classes": {}}, "classes"),
        ({"sentence": "{name}"}, "sentence: expected a text with"),
        ({"word": "happy"}, "word: expected a text with"),
        ({"version": "1"}, "version"),
        ({"label_set": "ferplos"}, "unknown label set 'ferplos'"),
        ({"more": 1}, "more"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(written: Callable[..., Path], changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        descriptions(written(**changed))
    assert "\n" not in str(caught.value)


def test_a_class_without_description_is_named(written: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="class 'disgust' has no description; it describes: anger, fear"):
        descriptions(written()).sentences(["anger", "disgust"])


def test_a_class_that_says_nothing_of_the_aspects_is_named(written: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="class 'fear' says nothing of face"):
        descriptions(written()).sentences(["fear"], ("face",))


def test_an_unknown_aspect_is_answered_with_the_known_ones(written: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="unknown aspect 'hands'"):
        descriptions(written()).sentences(["fear"], ("hands",))


def test_another_label_set_is_refused(written: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="are of label set 'ferplus', the data has 'rafdb'"):
        descriptions(written()).check("rafdb")


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'ferplus'\?"):
        descriptions("ferplu")
