"""Descriptions held against measurements: by hand, on small measured faces, and at the end of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from emollm.errors import DataError
from emollm.eval.run import Plan, run
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import compare, score
from emollm.eval.scoring_faith import counted_claims, written
from emollm.eval.tasks import task
from emollm.evidence import Faithfulness
from emollm.metrics.scored import Scored
from tests import wheel_tables
from tests.metrics.test_faithfulness import CHEERFUL, FROWN, GLOOMY, SMILE, face

FAST = Settings(resamples=100)


def write(path: Path, rows: Mapping[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps({"id": id} | row) for id, row in rows.items()))
    return path


def inline(units: dict[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(face("one", units).to_json())
    return found


def scored(folder: Path, rows: Mapping[str, Any], gold: Mapping[str, Any] | None = None) -> Scored:
    references = write(folder / "gold.jsonl", gold) if gold is not None else None
    return score("faithfulness", write(folder / "said.jsonl", rows), references, FAST)


RIGHT = {
    "a": {"text": CHEERFUL, "observation": inline(SMILE)},
    "b": {"text": GLOOMY, "observation": inline(FROWN)},
}


def test_what_was_measured_supports_and_what_was_measured_elsewhere_does_not(tmp_path: Path) -> None:
    found = scored(tmp_path, RIGHT)
    shares = {name: found.metrics[name].value for name in ("supported", "contradicted", "unverifiable", "support")}
    assert shares == {"supported": 1.0, "contradicted": 0.0, "unverifiable": 0.0, "support": 1.0}
    assert found.metrics["supported"].ci == (1.0, 1.0)
    assert (found.metrics["supported"].floor, found.metrics["support"].floor) == (0.0, 0.0)
    assert (found.primary, found.answers["answered"]) == ("support", 2)
    assert any("what was measured in another item" in remark for remark in found.remarks)


def test_verdicts_that_come_counted_are_scored_without_a_control(tmp_path: Path) -> None:
    claims = [{"verdict": "supported", "text": "…"}, {"verdict": "unverifiable"}]
    found = scored(tmp_path, {"a": {"claims": {"supported": 2, "contradicted": 1}}, "b": {"claims": claims}})
    assert found.metrics["support"].value == pytest.approx(3 / 4)
    assert found.metrics["unverifiable"].value == pytest.approx(1 / 5)
    assert found.metrics["support"].floor is None
    assert any("no floor here" in remark for remark in found.remarks)


def test_saying_nothing_is_silent_and_never_support(tmp_path: Path) -> None:
    rows = RIGHT | {
        "c": {"label": None, "observation": inline(SMILE)},
        "d": {"text": "他很高兴", "observation": inline(SMILE)},
    }
    gold = {id: {"labels": ["happy"]} for id in rows} | {"e": {"labels": ["happy"]}}
    found = scored(tmp_path, rows, gold)
    assert found.answers == {"answered": 2, "abstained": 1, "unparsed": 1, "missing": 1}
    assert found.metrics["silent"].value == pytest.approx(3 / 5)
    assert found.metrics["support"].value == 1.0
    assert "unparsed: a text in another script" in {note.what for note in found.notes}


def test_observations_lie_in_files_beside_the_rows_or_stand_with_the_references(tmp_path: Path) -> None:
    rows = {
        "a": {"text": CHEERFUL, "observation": written(face("a", SMILE), tmp_path, "a")},
        "b": {"text": GLOOMY, "observation": written(face("b", FROWN), tmp_path, "b")},
    }
    assert scored(tmp_path, rows).metrics == scored(tmp_path, RIGHT).metrics
    said = {id: {"text": row["text"]} for id, row in rows.items()}
    gold = {id: {"observation": row["observation"]} for id, row in rows.items()}
    assert scored(tmp_path, said, gold).metrics == scored(tmp_path, RIGHT).metrics


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"text": CHEERFUL}, "without an observation and without counted claims"),
        ({"text": CHEERFUL, "observation": "nowhere.json"}, "nowhere.json: no such file"),
        ({"text": CHEERFUL, "observation": {"id": 1}}, "not a valid Observation"),
        ({"text": CHEERFUL, "observation": ["a"]}, "expected an object or the path of a file"),
        ({"claims": {"true": 3}}, "neither counts nor a list with verdicts"),
    ],
)
def test_what_cannot_be_held_against_anything_is_left_out_with_its_reason(
    tmp_path: Path, row: dict[str, Any], why: str
) -> None:
    with pytest.raises(DataError, match=why):
        scored(tmp_path, {"x": row})
    found = scored(tmp_path, RIGHT | {"x": row})
    assert found.n == 2
    assert any(why[:30] in note.what for note in found.notes)


@pytest.mark.parametrize("given", [{"supported": -1}, {"supported": True}, {}, [{"verdict": "true"}], [3], "yes", 7])
def test_counts_are_whole_numbers_of_known_verdicts(given: Any) -> None:
    assert counted_claims(given) is None


def test_counts_also_stand_in_the_cell_of_a_table() -> None:
    assert counted_claims('{"supported": 2, "unverifiable": 1}') == Faithfulness(2, 0, 1)


def test_two_files_are_compared_on_the_same_items(tmp_path: Path) -> None:
    wrong = {"a": RIGHT["a"] | {"text": GLOOMY}, "b": RIGHT["b"] | {"text": CHEERFUL}}
    first, second = write(tmp_path / "a.jsonl", RIGHT), write(tmp_path / "b.jsonl", wrong)
    found = compare("faithfulness", first, second, None, FAST)
    assert found.difference["support"].value == 1.0
    with pytest.raises(DataError, match="not in both files"):
        compare("faithfulness", first, write(tmp_path / "c.jsonl", {"a": RIGHT["a"]}), None, FAST)


@pytest.mark.slow
def test_a_run_of_descriptions_tells_how_much_of_them_was_measured(
    tmp_path: Path, astronaut: Path, group: Path
) -> None:
    """The reasoner describes two photos by what perception measured of them; its rows are scored again from their file."""
    (tmp_path / "EMER.csv").write_text("names,reasons\na,She smiles; she is happy.\nb,They are calm and happy.\n")
    (tmp_path / "video").mkdir()
    for name, photo in (("a", astronaut), ("b", group)):
        (tmp_path / "video" / f"{name}.jpg").symlink_to(photo)
    tables, out = str(wheel_tables.write(tmp_path / "wheels")), tmp_path / "out"
    plan = Plan(task("emer"), tmp_path, "cues", out, vocabulary=tables, resamples=100)
    found = run(plan).scored
    shares = found.more["faithfulness"]
    assert (shares["supported"].value or 0) > 0.5
    assert shares["supported"].ci is not None
    assert (shares["supported"].floor or 0) < (shares["supported"].value or 0)
    assert (shares["contradicted"].value or 0) < (shares["supported"].value or 0)
    assert "| faithfulness" in (out / "report.md").read_text()
    assert all(
        (out / json.loads(line)["observation"]).is_file() for line in (out / "answers.jsonl").read_text().splitlines()
    )
    again = score("faithfulness", out / "answers.jsonl", None, FAST)
    assert again.metrics["supported"].value == shares["supported"].value
    assert run(plan).scored.more["faithfulness"] == shares  # known answers are held against what was measured then
