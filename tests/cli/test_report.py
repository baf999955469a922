"""``emollm report`` as a user calls it: on records, on clips, on what is neither."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.cli.conftest import Said
from tests.report.cohorts import clip, write

Say = Callable[..., Said]
SMILE = {"AU12": [0.8] * 8}


def test_records_become_a_page_beside_them(say: Say, tmp_path: Path) -> None:
    write(tmp_path / "observations.jsonl", clip("a.mp4", SMILE), clip("b.mp4", SMILE))
    told = say("report", tmp_path)
    assert (told.code, told.err) == (0, "")
    assert told.out.strip() == str(tmp_path / "report.html")
    assert "a.mp4" in (tmp_path / "report.html").read_text(encoding="utf-8")
    again = say("report", tmp_path)  # the page lies in the folder now and is none of the records
    assert (again.code, again.err) == (0, "")


def test_json_prints_the_numbers_and_leaves_the_folder_alone(say: Say, tmp_path: Path) -> None:
    write(tmp_path / "observations.jsonl", clip("a.mp4", SMILE))
    told = say("report", tmp_path, "--json", "--kind", "cohort")
    assert told.code == 0
    numbers = json.loads(told.out)
    assert numbers["cohort"]["labels"][0]["label"] == "happiness"
    assert numbers["ambivalence"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["observations.jsonl"]
    (tmp_path / "numbers.json").write_text(told.out)
    assert say("report", tmp_path).code == 0


def test_the_numbers_may_be_sent_to_a_file_in_the_folder(say: Say, tmp_path: Path) -> None:
    write(tmp_path / "observations.jsonl", clip("a.mp4", SMILE))
    (tmp_path / "numbers.json").touch()  # as the shell does before the command begins
    told = say("report", tmp_path, "--json")
    assert (told.code, told.err) == (0, "")


def test_a_record_that_cannot_be_read_is_told_and_the_others_are_drawn(say: Say, tmp_path: Path) -> None:
    write(tmp_path / "good.jsonl", clip("a.mp4", SMILE))
    (tmp_path / "cut.jsonl").write_text(clip("b.mp4", SMILE).to_json()[:300])
    told = say("report", tmp_path)
    assert told.code == 1
    assert f"{tmp_path / 'cut.jsonl'}:1: not a JSON object (cut off?)" in told.err
    assert told.err.count("\n") == 1
    (tmp_path / "good.jsonl").unlink()
    told = say("report", tmp_path)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "no record could be read" in told.err


def test_what_cannot_be_done_is_refused_in_one_line(say: Say, tmp_path: Path) -> None:
    file = write(tmp_path / "in" / "good.jsonl", clip("a.mp4", SMILE))
    (tmp_path / "empty").mkdir()
    for name, text in (("foreign/page.htm", "<p>"), ("rejected/rejects.jsonl", '{"id": "b.mp4", "reason": "empty"}')):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    for arguments, why in (
        ([tmp_path / "none"], "no such folder"),
        ([file], "a file; give the folder"),
        ([tmp_path / "empty"], "holds no records and no clips"),
        ([tmp_path / "foreign"], "holds no records and no clips"),
        ([tmp_path / "rejected"], "holds no records and no clips"),
        ([file.parent, "--out", tmp_path / "page.png"], "ends in .html"),
        ([file.parent, "--out", tmp_path / "empty"], "ends in .html"),
        ([file.parent, "--labels", "nothing"], "unknown label set"),
        ([file.parent, "--kind", "engagement", "--kind", "cohort"], "of single people"),
        ([file.parent, "--orientation", "subject"], "--kind engagement"),
        ([file.parent, "--different-people"], "--kind engagement"),
        ([file.parent, "--least", "1"], "--least"),
        ([file.parent, "--every", "nan"], "--every"),
        ([file.parent, "--kind", "mood"], "--kind"),
    ):
        told = say("report", *arguments)
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), arguments
        assert why in told.err
    assert not list(tmp_path.rglob("*.html"))


def test_a_page_that_holds_records_is_not_replaced(say: Say, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(f'<script type="application/json" id="emollm-data">{clip("a.mp4", SMILE).to_json()}</script>')
    for arguments in ([], ["--out", page]):
        told = say("report", tmp_path, *arguments)
        assert told.code == 2
        assert "is one of the files to be read" in told.err
    assert page.read_text().startswith("<script")


def test_engagement_has_to_be_asked_for_and_names_nobody(say: Say, tmp_path: Path) -> None:
    write(tmp_path / "o.jsonl", *(clip(f"7b/pupil-{at}.mp4", SMILE) for at in range(6)))
    assert json.loads(say("report", tmp_path, "--json").out)["engagement"] is None
    assert json.loads(say("report", tmp_path, "--json", "--kind", "engagement").out)["engagement"]["classes"] == []
    told = say("report", tmp_path, "--json", "--kind", "engagement", "--different-people")
    assert json.loads(told.out)["engagement"]["classes"][0]["people"] == 6
    for name in ("pupil-", "7b", tmp_path.name):
        assert name not in told.out
    named = say("report", tmp_path, "--json", "--kind", "engagement", "--kind", "cohort", "--names")
    assert "pupil-3.mp4" in named.out


def test_clips_without_records_are_measured_once(
    say: Say, tmp_path: Path, woman: np.ndarray, film: Callable[..., Path]
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    film(folder / "a.mp4", [woman] * 8)
    (folder / "b.mp4").write_bytes(b"no video")
    told = say("report", folder)
    assert told.code == 1
    assert (folder / "observations.jsonl").is_file()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "a.mp4" in page
    assert "1 clip could not be read when the folder was measured" in page
    stamp = (folder / "observations.jsonl").stat().st_mtime_ns
    again = say("report", folder)
    assert (folder / "observations.jsonl").stat().st_mtime_ns == stamp
    assert "1 clips in the folder have no record" not in again.err
