"""What a folder holds for a cohort report: records in all forms they are written in, and files that are none."""

import json
from pathlib import Path

import pytest

from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.reasoner import reason
from emollm.report.cohort_reading import Contents
from emollm.report.page import render as page_of
from emollm.types import Answer, Observation
from tests.report.cohorts import clip, write

SMILE = {"AU12": [0.8] * 8}


def answered(observation: Observation) -> Answer:
    return reason(observation, label_set("basic8"))


def read(folder: Path) -> tuple[Contents, dict[str, tuple[bool, bool]]]:
    contents = Contents(folder)
    found = {entry.id: (entry.observation is not None, entry.answer is not None) for entry in contents.entries()}
    return contents, found


def test_records_are_joined_by_their_clip_whatever_file_they_stand_in(tmp_path: Path) -> None:
    a, b, c, d = (clip(f"{name}.mp4", SMILE) for name in "abcd")
    write(tmp_path / "observations.jsonl", a, b)
    write(tmp_path / "deeper" / "answers.jsonl", answered(b), answered(c).model_copy(update={"id": "./c.mp4"}))
    (tmp_path / "d.html").write_text(page_of(d, answered(d)), encoding="utf-8")
    both = {"answer": json.loads(answered(a).to_json()), "observation": json.loads(a.to_json()), "timings": {}}
    (tmp_path / "a.json").write_text(json.dumps(both, indent=2), encoding="utf-8")
    contents, found = read(tmp_path)
    assert found == {"a.mp4": (True, True), "b.mp4": (True, True), "c.mp4": (False, True), "d.mp4": (True, True)}
    assert contents.rejects == []
    assert contents.doubled == 0


def test_two_different_records_of_a_clip_are_told(tmp_path: Path) -> None:
    write(tmp_path / "1.jsonl", clip("a.mp4", SMILE), clip("b.mp4", SMILE))
    write(tmp_path / "2.jsonl", clip("a.mp4", {"AU04": [0.8] * 8}), clip("b.mp4", SMILE))
    contents, found = read(tmp_path)
    assert contents.doubled == 1
    assert len(found) == 2


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("cut.jsonl", clip("x.mp4", SMILE).to_json()[:400], "cut off?"),
        ("nan.jsonl", clip("x.mp4", SMILE).to_json().replace("0.95", "NaN"), "not a valid Observation"),
        ("foreign.json", '{"name": "package", "version": 1}', "neither an Observation nor an Answer"),
        ("list.jsonl", "[1, 2]", "not a JSON object"),
        ("deep.jsonl", "[" * 100_000, "not a JSON object"),
        ("binary.jsonl", "\0\1\2", "binary file"),
        ("page.html", '<script type="application/json" id="emollm-data">{"answer": </script>', "not a JSON object"),
        ("long.jsonl", clip("x.mp4", SMILE).to_json().replace('"duration":4.0', '"duration":1e300'), "more than a day"),
    ],
)
def test_what_is_no_record_is_rejected_with_its_reason_and_the_rest_is_read(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    write(tmp_path / "good.jsonl", clip("a.mp4", SMILE))
    (tmp_path / name).write_text(text, encoding="utf-8")
    contents, found = read(tmp_path)
    assert list(found) == ["a.mp4"]
    (reject,) = contents.rejects
    assert reject.file.startswith(str(tmp_path / name))
    assert why in reject.reason


def test_what_other_commands_leave_in_a_folder_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path / "good.jsonl", clip("a.mp4", SMILE))
    (tmp_path / "rejects.jsonl").write_text(
        '{"out": "good.jsonl", "id": "b.mp4", "error": "MediaError", "reason": "empty"}\n'
    )
    (tmp_path / "report.html").write_text("<html>no records</html>")
    (tmp_path / "numbers.json").write_text('{\n "emollm_report": 1\n}')
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / ".good.jsonl.run").write_text("{}")
    contents, found = read(tmp_path)
    assert list(found) == ["a.mp4"]
    assert contents.rejects == []
    assert contents.unread == ["b.mp4"]
    assert contents.clips == []


def test_a_folder_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    file = write(tmp_path / "good.jsonl", clip("a.mp4", SMILE))
    for folder, why in (
        (tmp_path / "none", "no such folder"),
        (file, "a file"),
        (tmp_path / "empty", "holds no records"),
    ):
        with pytest.raises(DataError, match=why):
            Contents(folder)


def test_clips_without_a_record_are_known(tmp_path: Path, astronaut: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(astronaut.read_bytes())
    write(tmp_path / "records.jsonl", clip("a.png", SMILE))
    assert [path.name for path in Contents(tmp_path).unmeasured] == ["b.png"]
