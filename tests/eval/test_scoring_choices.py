"""Sides of a sentiment, and which of two descriptions is preferred."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from emollm.errors import DataError
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import compare, score
from emollm.metrics.scored import Scored


def scored(folder: Path, kind: str, gold: dict[str, Any], said: dict[str, Any]) -> Scored:
    for name, rows in (("gold", gold), ("said", said)):
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps({"id": id} | row) for id, row in rows.items()))
    return score(kind, folder / "said.jsonl", folder / "gold.jsonl", Settings(resamples=100))


def test_sides_by_hand(tmp_path: Path) -> None:
    gold = {
        "a": {"valence": 1.2},
        "b": {"valence": -0.4},
        "c": {"valence": 2.0},
        "d": {"valence": 0.0},
        "e": {"valence": -3},
    }
    said = {
        "a": {"label": "positive"},
        "b": {"text": "The speaker is not positive; this is negative."},
        "c": {"valence": -0.1},
        "d": {"label": "positive"},
        "e": {"text": "?"},
    }
    found = scored(tmp_path, "sentiment", gold, said)
    assert found.answers == {"answered": 3, "outside": 0, "abstained": 0, "unparsed": 1, "missing": 0}
    assert (found.n, found.coverage) == (4, 3 / 4)
    values = {name: one.value for name, one in found.metrics.items()}
    assert values["accuracy"] == 2 / 4  # a and b; c is on the wrong side, e takes none, d is left out
    assert values["accuracy_as_published"] == 3 / 4  # where what cannot be read counts as negative
    assert values["unread"] == 1 / 4
    assert [(note.what, note.examples) for note in found.notes if "neutral" in note.what] == [
        ("references left out: neutral, or of valence 0, which counts for neither side", ("d",))
    ]


def test_mcnemar_of_sides_counts_what_the_metrics_count(tmp_path: Path) -> None:
    gold = {"a": 1.0, "b": -1.0, "c": 0.0, "d": 0.0, "e": 2.0}
    answers = {"A": ["positive", "negative", "neutral", "neutral", "negative"], "B": ["positive"] * 5}
    (tmp_path / "gold.csv").write_text("id,valence\n" + "".join(f"{id},{value}\n" for id, value in gold.items()))
    for name, own in answers.items():
        (tmp_path / f"{name}.csv").write_text(
            "id,label\n" + "".join(f"{id},{one}\n" for id, one in zip(gold, own, strict=True))
        )
    found = compare("sentiment", tmp_path / "A.csv", tmp_path / "B.csv", tmp_path / "gold.csv", Settings(resamples=100))
    assert found.n == 3
    assert found.mcnemar is not None
    assert (found.mcnemar["only_first"], found.mcnemar["only_second"]) == (1, 1)


def test_a_rating_that_is_no_number_is_told_as_such(tmp_path: Path) -> None:
    gold = {"a": {"valence": 1}, "b": {"valence": -1}}
    found = scored(tmp_path, "sentiment", gold, {"a": {"valence": math.nan}, "b": {"label": "negative"}})
    assert [note.what for note in found.notes] == ["unparsed: valence is not a finite number"]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("a1", "a1"),
        ('"A2".', "a2"),
        ("**Same**", "same"),
        ("Both are poor.\n\na2.", "a2"),
        ("The first is shorter. Answer: a1", "a1"),
        ("Final answer: A1.\nBecause it is more detailed.", "a1"),
        ("<think>a1 or same</think> a2", "a2"),
        ("At the same time, a1 is more detailed, so a1.", None),
        ("a1 or a2", None),
        ("Answer: a1 or a2", None),
        ("a12", None),
    ],
)
def test_a_choice_in_a_text_is_all_of_it_or_its_end_and_nothing_in_between(
    tmp_path: Path, text: str, choice: str | None
) -> None:
    gold = {"a": {"label": choice or "same"}, "b": {"label": "a1"}}
    found = scored(tmp_path, "preference", gold, {"a": {"text": text}, "b": {"label": "A1."}})
    assert found.answers["answered"] == 1 + (choice is not None)
    assert found.answers["unparsed"] == (choice is None)
    assert found.metrics["accuracy"].value == (1 if choice else 0.5)


def test_an_outside_choice_is_unread_in_the_metric_too(tmp_path: Path) -> None:
    gold = {id: {"label": "a1"} for id in "abc"}
    said = {"a": {"label": "a3"}, "b": {"text": "I cannot tell."}, "c": {"label": "a1"}}
    found = scored(tmp_path, "preference", gold, said)
    assert found.answers == {"answered": 1, "outside": 1, "abstained": 1, "unparsed": 0, "missing": 0}
    assert found.metrics["unread"].value == pytest.approx(2 / 3)
    assert found.coverage == pytest.approx(1 / 3)


def test_choices_by_hand_in_both_orders(tmp_path: Path) -> None:
    gold = {"a": {"label": "a1"}, "b": {"label": "a2"}, "c": {"label": "same"}, "d": {"label": "a1"}}
    said = {
        "a": {"label": "a1", "swapped": "a2"},
        "b": {"label": "a1", "swapped": "a1"},
        "c": {"label": "same", "swapped": "same"},
        "d": {"text": "neither is any good"},
    }
    found = scored(tmp_path, "preference", gold, said)
    values = {name: one.value for name, one in found.metrics.items()}
    assert values["accuracy"] == 2 / 4
    assert values["accuracy_decided"] == 1 / 3
    assert values["unread"] == 1 / 4
    assert values["accuracy_both"] == 2 / 4
    assert values["position_bias"] == pytest.approx(1 / 3)  # of a, b and c only b does not turn
    assert any("other order" in note.what for note in found.notes)


@pytest.mark.parametrize(
    ("kind", "row"), [("sentiment", {"label": "blue"}), ("sentiment", {"valence": 0}), ("preference", {"label": "a3"})]
)
def test_references_that_take_no_side_cannot_be_scored(tmp_path: Path, kind: str, row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="nothing to score"):
        scored(tmp_path, kind, {"a": row, "b": row}, {"a": {"label": "positive"}, "b": {"label": "a1"}})
