"""The measurement of the checker: facts become cues, verdicts become shares, the unseen half is not listed."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from emollm.errors import DataError
from emollm.eval.checker import judge, main, read, report
from emollm.eval.checker_facts import observation
from emollm.types import CueKind, Extent

ITEM = """
- id: a
  kind: units
  half: {half}
  facts: [{{unit: AU12, value: 0.7}}, {{unit: AU04, value: 0.02}}]
  text: "A broad smile; the brows are not lowered."
  corruptions:
    - {{kind: negation, text: "No smile; the brows are not lowered."}}
    - {{kind: other_unit, text: "There is a purple hat."}}
"""


def written(folder: Path, half: str = "dev") -> Path:
    (folder / "rationales.yaml").write_text(ITEM.format(half=half), encoding="utf-8")
    return folder


def test_what_is_found_and_what_is_missed_is_counted_by_kind(tmp_path: Path) -> None:
    found = report(list(judge(read(written(tmp_path)))))
    assert (found["false_alarms"]["hits"], found["false_alarms"]["n"]) == (0, 1)
    assert found["by_kind"]["negation"]["detected"]["share"] == 1.0
    assert found["by_kind"]["other_unit"]["detected"]["share"] == 0.0
    assert found["detected"]["ci"] == pytest.approx([0.0945, 0.9055], abs=1e-4)


def test_the_unseen_half_is_not_listed(tmp_path: Path) -> None:
    folder = str(written(tmp_path, "unseen"))
    refused = CliRunner().invoke(main, ["--half", "unseen", "--misses", "--data", folder])
    assert refused.exit_code == 2
    told = CliRunner().invoke(main, ["--half", "unseen", "--json", "--data", folder])
    assert json.loads(told.output)["half"] == "unseen"
    assert "purple" not in told.output


def test_facts_become_the_cues_of_perception() -> None:
    seen = observation("x", [
        {"person": "p1", "unit": "AU12", "value": 0.6, "start": 1.0, "peak": 1.5, "end": 2.0},
        {"person": "p2", "position": "right of frame"},
        {"person": "p1", "voice": "loudness", "value": 1.5, "word": "louder"},
        {"person": "p1", "words": "hello there", "start": 0.5, "end": 1.0},
    ])  # fmt: skip
    assert [track.id for track in seen.tracks] == ["p1", "p2"]
    assert seen.tracks[0].faces[0].box.x < seen.tracks[1].faces[0].box.x
    smile = [cue for cue in seen.cues if cue.name == "AU12"]
    assert {cue.extent for cue in smile} == {Extent.MOMENT, Extent.EVENT}
    assert [cue.value for cue in seen.cues if cue.name == "loudness"] == [6.0]
    assert [word.text for word in seen.words] == ["hello", "there"]
    assert not [cue for cue in seen.cues if cue.kind is CueKind.GAZE]


@pytest.mark.parametrize(
    ("facts", "told"),
    [([{"unit": "AU99", "value": 0.5}], "AU99"), ([{"voice": "charm", "value": 2.0}], "charm")],
)
def test_an_unknown_fact_is_refused_by_its_name(facts: list[dict[str, object]], told: str) -> None:
    with pytest.raises(DataError, match=told):
        observation("x", facts)


def test_a_folder_without_rationales_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rationales"):
        read(tmp_path)


def test_the_dev_half_is_read_as_well_as_documented() -> None:
    items = [item for item in read(Path(str(files("emollm.eval").joinpath("rationales")))) if item.half == "dev"]
    found = report(list(judge(items)))
    assert found["texts"] >= 200
    assert found["false_alarms"]["share"] <= 0.02
    assert found["detected"]["share"] >= 0.95
