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
    write(tmp_path / "answers.jsonl", answered(b), answered(c).model_copy(update={"id": "./c.mp4"}))
    (tmp_path / "d.html").write_text(page_of(d, answered(d)), encoding="utf-8")
    both = {"answer": json.loads(answered(a).to_json()), "observation": json.loads(a.to_json()), "timings": {}}
    (tmp_path / "a.json").write_text(json.dumps(both, indent=2), encoding="utf-8")
    contents, found = read(tmp_path)
    assert found == {"a.mp4": (True, True), "b.mp4": (True, True), "c.mp4": (False, True), "d.mp4": (True, True)}
    assert contents.rejects == []
    assert contents.doubled == 0


def test_records_of_two_folders_with_one_relative_id_are_of_two_clips(tmp_path: Path) -> None:
    sad = clip("1.mp4", {"AU04": [0.8] * 8})
    write(tmp_path / "s1" / "answers.jsonl", answered(sad))
    write(tmp_path / "s2" / "observations.jsonl", clip("1.mp4", SMILE))
    write(tmp_path / "s3" / "observations.jsonl", sad)
    contents, found = read(tmp_path)
    assert found == {"s1/1.mp4": (False, True), "s2/1.mp4": (True, False), "s3/1.mp4": (True, False)}
    assert [entry.observation.id for entry in contents.entries() if entry.observation] == ["s2/1.mp4", "s3/1.mp4"]
    assert contents.doubled == 0


def test_a_file_of_the_working_folder_joins_no_records_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "s1" / "answers.jsonl", answered(clip("1.mp4", SMILE)))
    write(tmp_path / "s2" / "observations.jsonl", clip("1.mp4", SMILE))
    (tmp_path / "s1" / "1.mp4").write_bytes(b"film")
    monkeypatch.chdir(tmp_path / "s1")
    assert read(Path(".."))[1] == {"s1/1.mp4": (False, True), "s2/1.mp4": (True, False)}


def test_records_of_two_folders_are_joined_where_they_name_the_same_file(tmp_path: Path) -> None:
    film = tmp_path / "clips" / "1.mp4"
    film.parent.mkdir()
    film.write_bytes(b"film")
    absolute = "/elsewhere/2.mp4"
    write(tmp_path / "study" / "observations.jsonl", clip("clips/1.mp4", SMILE), clip(absolute, SMILE))
    write(tmp_path / "study" / "more" / "answers.jsonl", answered(clip(str(film), SMILE)), answered(clip(absolute, SMILE)))  # fmt: skip
    contents, found = read(tmp_path / "study")
    assert sorted(found.values()) == [(True, True), (True, True)]
    assert contents.count == 2
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
    for name, text in (("foreign/page.html", "<p>"), ("rejected/rejects.jsonl", '{"id": "b.mp4", "reason": "empty"}')):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    file = write(tmp_path / "good.jsonl", clip("a.mp4", SMILE))
    for folder, why in (
        (tmp_path / "none", "no such folder"),
        (file, "a file"),
        (tmp_path / "empty", "holds no records"),
        (tmp_path / "foreign", "holds no records"),
        (tmp_path / "rejected", "holds no records"),
    ):
        with pytest.raises(DataError, match=why):
            Contents(folder)


def test_clips_without_a_record_are_known(tmp_path: Path, astronaut: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(astronaut.read_bytes())
    write(tmp_path / "records.jsonl", clip("a.png", SMILE))
    assert [path.name for path in Contents(tmp_path).unmeasured] == ["b.png"]


def test_a_record_of_a_clip_hides_no_other_clip_of_its_name(tmp_path: Path, astronaut: Path) -> None:
    for name in ("s1/1.png", "s2/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(astronaut.read_bytes())
    write(tmp_path / "records.jsonl", clip("s1/1.png", SMILE))
    assert Contents(tmp_path).unmeasured == [tmp_path / "s2" / "1.png"]


def test_a_clip_that_was_moved_is_known_by_its_name_where_only_one_has_it(tmp_path: Path, astronaut: Path) -> None:
    (tmp_path / "a.png").write_bytes(astronaut.read_bytes())
    write(tmp_path / "records.jsonl", clip("/elsewhere/a.png", SMILE))
    assert Contents(tmp_path).unmeasured == []
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.png").write_bytes(astronaut.read_bytes())
    assert len(Contents(tmp_path).unmeasured) == 2


@pytest.mark.parametrize("name", ["numbers.json", "records.jsonl"])
def test_an_empty_file_is_no_fault(tmp_path: Path, name: str) -> None:
    write(tmp_path / "good.jsonl", clip("a.mp4", SMILE))
    (tmp_path / name).touch()
    contents, found = read(tmp_path)
    assert list(found) == ["a.mp4"]
    assert contents.rejects == []
