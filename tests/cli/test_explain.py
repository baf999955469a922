"""``emollm observe`` and ``emollm explain`` as a user types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from emollm.types import Answer, Observation

HEAD = ("--set", "perception.action_units=mesh-head")


def emollm(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emollm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, timeout=120)


@pytest.fixture
def photos(tmp_path: Path, astronaut: Path, group: Path) -> Path:
    """A folder with two photos, a picture without a face and a broken file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(astronaut) as image:
        image.convert("RGB").save(folder / "a.jpg")
    with Image.open(group) as image:
        image.save(folder / "b.png")
    Image.new("RGB", (80, 60), "navy").save(folder / "c.png")
    (folder / "d.jpg").write_bytes((folder / "a.jpg").read_bytes()[:2000])
    return folder


def test_explain_tells_label_evidence_and_what_is_missing(astronaut: Path) -> None:
    run = emollm("explain", astronaut, *HEAD)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    for expected in (
        "happiness",
        "AU12 lip corner puller",
        "Key observations",
        "Interpretation",
        "Conclusion",
        "0 contradicted",
        "not measured by",
    ):
        assert expected in run.stdout


def test_json_is_one_answer_a_line_and_nothing_else(photos: Path) -> None:
    run = emollm("explain", photos, "--json", *HEAD)
    assert run.returncode == 1, "one of four files is broken"
    answers = [Answer.from_json(line) for line in run.stdout.splitlines()]
    assert [Path(answer.id).name for answer in answers] == ["a.jpg", "b.png", "c.png"]
    assert answers[0].status == "answered"
    assert answers[2].status == "abstained"
    assert answers[2].label is None
    assert "d.jpg" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_photo_without_a_face_is_an_abstention_and_no_failure(photos: Path) -> None:
    run = emollm("explain", photos / "c.png", "--json", *HEAD)
    assert run.returncode == 0
    answer = Answer.from_json(run.stdout)
    assert answer.status == "abstained"
    assert [(gap.stream, gap.reason) for gap in answer.missing] == [("face", "no face found")]


def test_reports_overlays_and_rejects_are_written_for_a_folder(photos: Path, tmp_path: Path) -> None:
    out, pages, pictures = tmp_path / "out" / "answers.jsonl", tmp_path / "pages", tmp_path / "pictures"
    run = emollm("explain", photos, "--out", out, "--report", pages, "--overlay", pictures, *HEAD)
    assert run.returncode == 1
    assert len(out.read_text().splitlines()) == 3
    assert json.loads((out.parent / "rejects.jsonl").read_text())["id"].endswith("d.jpg")
    assert {path.name for path in pages.iterdir()} == {"index.html", "a.jpg.html", "b.png.html", "c.png.html"}
    assert {path.name for path in pictures.iterdir()} == {"a.jpg.png", "b.png.png", "c.png.png"}
    again = emollm("explain", photos, "--out", out, "--report", pages, "--overlay", pictures, *HEAD)
    assert "3 by an earlier run" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "nowhere.jpg"], "nowhere.jpg"),
        (["explain"], "CLIP"),
        (["explain", "x.jpg", "--labels", "ekmann7"], "did you mean 'ekman7'"),
        (["explain", "x.jpg", "--set", "perception.faces.max_face=3"], "did you mean 'max_faces'"),
        (["explain", "x.jpg", "--set", "perception.threads=none"], "perception.threads"),
        (["explain", "x.jpg", "--out", "answers.csv"], "ends in .jsonl"),
        (["explain", "x.jpg", "--report", "page.pdf"], "ends in .html"),
        (["explain", "x.jpg", "y.jpg", "--report", "page.html"], "need a folder"),
        (["explain", "x.jpg", "--model", "gpt"], "ask a question"),
        (["explain", "voice.wav"], "give a photo"),
        (["observe", "x.jpg", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    """Refused before any model is opened: the cache is empty and the network is off."""
    run = emollm(*arguments, EMOLLM_CACHE=str(tmp_path), EMOLLM_OFFLINE="1")
    assert run.returncode == 2
    assert message in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1 or "Usage" in run.stderr
    assert run.stdout == ""


def test_a_model_that_cannot_be_had_is_one_line(astronaut: Path, tmp_path: Path) -> None:
    run = emollm("explain", astronaut, EMOLLM_CACHE=str(tmp_path), EMOLLM_OFFLINE="1")
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert "face-detector-short" in run.stderr


def test_a_report_that_cannot_be_written_leaves_nothing_half_done(astronaut: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    run = emollm("explain", astronaut, "--report", blocker / "page.html", *HEAD)
    assert run.returncode == 2
    assert "cannot be written" in run.stderr
    assert list(tmp_path.iterdir()) == [blocker]


def test_observe_prints_an_observation_that_reads_back(astronaut: Path) -> None:
    run = emollm("observe", astronaut, "--json", "--set", "action_units=mesh-head")
    assert run.returncode == 0
    observation = Observation.from_json(run.stdout)
    assert len(observation.tracks[0].faces[0].landmarks) == 478
    short = emollm("observe", astronaut, "--json", "--no-landmarks", "--set", "action_units=mesh-head")
    assert Observation.from_json(short.stdout).tracks[0].faces[0].landmarks == ()
    assert Observation.from_json(short.stdout).cues == observation.cues


def test_a_table_of_another_tool_is_explained_like_a_photo(tmp_path: Path) -> None:
    table = tmp_path / "openface.csv"
    table.write_text(
        "frame, timestamp, confidence, success, AU06_r, AU12_r, AU25_r, AU04_r, AU12_c\n"
        "1, 0.000, 0.98, 1, 2.9, 4.1, 3.0, 0.0, 1\n"
    )
    run = emollm("explain", table, "--json")
    assert run.returncode == 0, run.stderr
    answer = Answer.from_json(run.stdout)
    assert answer.label == "happiness"
    assert "openface2@unknown" in answer.provenance.cues
