"""Which side a label is on, and how activated its voice usually is."""

import pytest

from emollm.emotions import CANONICAL, label_set, label_sets
from emollm.perception.voice.wording import SCALES
from emollm.reasoner.assumptions import activation_of, valence_of, voice_prior, voice_signs
from emollm.reasoner.conflict import activation, valence


@pytest.mark.parametrize(
    ("labels", "label", "side"),
    [
        ("basic8", "happiness", "positive"),
        ("basic8", "contempt", "negative"),
        ("basic8", "neutral", "neutral"),
        ("basic8", "surprise", None),
        ("canonical9", "other", None),
        ("c-expr-db", "happily surprised", "positive"),
        ("c-expr-db", "sadly angry", "negative"),
        ("c-expr-db", "sadly surprised", "negative"),
        ("rafdb-compound", "happily disgusted", None),
        ("raer", "enjoyment", "positive"),
        ("raer", "confusion", None),
        ("goemotions", "pride", "positive"),
        ("goemotions", "remorse", "negative"),
        ("goemotions", "curiosity", None),
    ],
)
def test_the_side_of_a_label(labels: str, label: str, side: str | None) -> None:
    assert valence(label, label_set(labels)) == side


@pytest.mark.parametrize(
    ("labels", "label", "level"),
    [
        ("basic8", "happiness", "high"),
        ("basic8", "sadness", None),
        ("basic8", "fear", None),
        ("c-expr-db", "angrily surprised", None),
        ("goemotions", "pride", None),
    ],
)
def test_the_usual_voice_of_a_label(labels: str, label: str, level: str | None) -> None:
    assert activation(label, label_set(labels)) == level


def test_every_label_of_every_set_has_an_answer() -> None:
    for id in label_sets():
        labels = label_set(id)
        for label in labels.labels:
            assert valence(label, labels) in ("positive", "negative", "neutral", None)
            assert activation(label, labels) in ("high", "low", None)


def test_the_tables_name_what_exists() -> None:
    assert {*valence_of(), *activation_of()} <= {*CANONICAL}
    words = {word for bounds in SCALES.values() for word in (bounds.below, bounds.above)}
    assert {*voice_signs()} <= words
    assert {sign.level for sign in voice_signs().values()} == {"high", "low"}
    assert voice_prior().cite
