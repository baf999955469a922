"""Sides of a sentiment, and which of two descriptions is preferred."""

import json
from pathlib import Path
from typing import Any

import pytest

from emollm.errors import DataError
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import score
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
    assert found.answers == {"answered": 4, "outside": 0, "abstained": 0, "unparsed": 1, "missing": 0}
    values = {name: one.value for name, one in found.metrics.items()}
    assert values["accuracy"] == 2 / 4  # a and b; c is on the wrong side, e takes none, d is left out
    assert values["accuracy_as_published"] == 3 / 4  # where what cannot be read counts as negative
    assert values["unread"] == 1 / 4
    assert any("1 of 5" in remark for remark in found.remarks)


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
