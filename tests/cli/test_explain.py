"""``emollm observe`` and ``emollm explain`` as a user types them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image

from emollm.cli.drawings import Drawings
from emollm.cli.text import answer_text
from emollm.emotions import label_set
from emollm.errors import ConfigError
from emollm.perception.photo import choose_meter
from emollm.reasoner import reason
from emollm.types import Answer, Observation
from tests.cli.arguments import by_cues

TABLE = (
    "frame, timestamp, confidence, success, AU06_r, AU12_r, AU25_r, AU04_r, AU12_c\n"
    "1, 0.000, 0.98, 1, 2.9, 4.1, 3.0, 0.0, 1\n"
)
HEAD = ("--set", "perception.action_units=mesh-head")


Run = subprocess.CompletedProcess[str]


def process(*arguments: str | Path, **variables: str) -> Run:
    """The command line in a process of its own, with an environment of its own."""
    command = [sys.executable, "-m", "emollm", *by_cues(arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, timeout=120)


@pytest.fixture
def emollm(say: Callable[..., tuple[int, str, str]]) -> Callable[..., Run]:
    """The command line in this process, with models that stay open."""
    return lambda *arguments: subprocess.CompletedProcess(arguments, *say(*arguments))


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


def test_explain_tells_label_evidence_and_what_is_missing(astronaut: Path, emollm: Callable[..., Run]) -> None:
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


def test_json_is_one_answer_a_line_and_nothing_else(photos: Path, emollm: Callable[..., Run]) -> None:
    run = emollm("explain", photos, "--json", *HEAD)
    assert run.returncode == 1, "one of four files is broken"
    answers = [Answer.from_json(line) for line in run.stdout.splitlines()]
    assert [Path(answer.id).name for answer in answers] == ["a.jpg", "b.png", "c.png"]
    assert answers[0].status == "answered"
    assert answers[2].status == "abstained"
    assert answers[2].label is None
    assert "d.jpg" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_photo_without_a_face_is_an_abstention_and_no_failure(photos: Path, emollm: Callable[..., Run]) -> None:
    run = emollm("explain", photos / "c.png", "--json", *HEAD)
    assert run.returncode == 0
    answer = Answer.from_json(run.stdout)
    assert answer.status == "abstained"
    assert [gap.reason for gap in answer.missing if gap.stream == "face"] == ["no face found"]


def test_reports_overlays_and_rejects_are_written_for_a_folder(
    photos: Path, tmp_path: Path, emollm: Callable[..., Run]
) -> None:
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
        (["explain", "x.jpg", "--ask", " "], "the question is empty"),
        (["explain", "x.jpg", "--ask", "why " * 300], "at most 1000 are read"),
        (["explain", "x.jpg", "--ask", "Why?", "--model", "nosuch"], "nosuch: no such model folder"),
        (["explain", "x.csv", "--overlay", "o.png"], "no picture to draw on"),
        (["explain", "x.png", "--overlay", "x.png"], "is a clip and would be replaced"),
        (["explain", "voice.wav"], "voice.wav: cannot be read: no such file"),
        (["explain", "x.jpg", "--report", "-"], "--report -: standard output is not written to"),
        (["explain", "x.jpg", "--overlay", "-"], "--overlay -: standard output is not written to"),
        (["explain", "x.jpg", "--report", "/dev/full"], "--report /dev/full: cannot be written: it is a device"),
        (["explain", "x.jpg", "--overlay", "/dev/full"], "--overlay /dev/full: cannot be written: it is a device"),
        (["explain", "x.jpg", "--report", "/dev/full/p.html"], "p.html: cannot be written: /dev/full is no folder"),
        (["explain", "x.jpg", "--out", "rejects.jsonl"], "lists the rejects"),
        (["explain", "x.jpg", "--ask", "Why?", "--model", ""], "--model: the name is empty"),
        (["explain", "x.jpg", "--model", ""], "--model: the name is empty"),
        (["explain", "x.jpg", "--reasoner", "emolm"], "known: a folder, auto, cues, emollm-135m"),
        (["observe", "x.csv", "--table-scale", "0"], "--table-scale 0: expected a number above 0"),
        (["observe", "x.csv", "--table-scale", "-5"], "--table-scale -5: expected a number above 0"),
        (["observe", "x.csv", "--table-scale", "nan"], "--table-scale nan: expected a number above 0"),
        (["observe", "x.csv", "--table-scale", "inf"], "--table-scale inf: expected a number above 0"),
        (["observe", "x.jpg", "--set", "threads=" + "[" * 5000], "nested too deeply"),
        (["observe", "x.jpg", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    emollm: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused before any model is opened: the cache is empty and the network is off."""
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    run = emollm(*arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1 or "Usage" in run.stderr
    assert run.stdout == ""


def test_a_model_that_cannot_be_had_is_one_line(astronaut: Path, tmp_path: Path) -> None:
    run = process("explain", astronaut, EMOLLM_CACHE=str(tmp_path), EMOLLM_OFFLINE="1")
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert "face-detector-short" in run.stderr


def test_a_report_that_cannot_be_written_leaves_nothing_half_done(
    astronaut: Path, tmp_path: Path, emollm: Callable[..., Run]
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    run = emollm("explain", astronaut, "--report", blocker / "page.html", *HEAD)
    assert run.returncode == 2
    assert "cannot be written" in run.stderr
    assert list(tmp_path.iterdir()) == [blocker]


def test_deleted_pages_and_pictures_are_made_again(photos: Path, tmp_path: Path, emollm: Callable[..., Run]) -> None:
    pages, pictures = tmp_path / "pages", tmp_path / "pictures"
    arguments = ("explain", photos, "--out", tmp_path / "a.jsonl", "--report", pages, "--overlay", pictures, *HEAD)
    emollm(*arguments)
    index = (pages / "index.html").read_text()
    for path in (*pages.iterdir(), pictures / "b.png.png"):
        path.unlink()
    assert "3 of 4 clips done, 1 rejected" in emollm(*arguments).stderr
    assert {path.name for path in pages.iterdir()} == {"index.html", "a.jpg.html", "b.png.html", "c.png.html"}
    assert (pictures / "b.png.png").exists()
    (pages / "index.html").unlink()
    assert "3 by an earlier run" in emollm(*arguments).stderr
    assert (pages / "index.html").read_text() == index


def test_kept_results_are_those_of_the_backend_that_auto_stands_for(
    photos: Path, tmp_path: Path, emollm: Callable[..., Run]
) -> None:
    out = tmp_path / "observations.jsonl"
    emollm("observe", photos, "--out", out, "--set", "perception.action_units=auto")
    now = choose_meter("auto")
    again = emollm("observe", photos, "--out", out, "--set", f"perception.action_units={now}")
    assert "3 by an earlier run" in again.stderr


def test_a_label_set_of_one_s_own_that_was_edited_gives_new_answers(
    astronaut: Path, tmp_path: Path, emollm: Callable[..., Run]
) -> None:
    words = files("emollm").joinpath("labels", "basic8.yaml").read_text()
    own, out = tmp_path / "own.yaml", tmp_path / "answers.jsonl"
    arguments = ("explain", astronaut, "--labels", own, "--out", out, *HEAD)
    own.write_text(words)
    assert emollm(*arguments).returncode == 0
    own.write_text(words.replace("happiness", "joyfulness", 1).replace("canonical: joyfulness", "canonical: happiness"))
    run = emollm(*arguments)
    assert run.returncode == 0, run.stderr
    assert Answer.from_json(out.read_text()).label == "joyfulness"


def test_a_table_that_cannot_be_read_is_rejected_and_one_of_no_known_tool_passed_over(
    photos: Path, emollm: Callable[..., Run]
) -> None:
    (photos / "gone.csv").symlink_to(photos / "nowhere.csv")
    (photos / "budget.csv").write_text("month,euros\n1,2\n")
    run = emollm("observe", photos, "--json", "--no-landmarks", *HEAD)
    assert run.returncode == 1
    assert len(run.stdout.splitlines()) == 3
    assert "gone.csv: cannot be read" in run.stderr
    assert "budget" not in run.stderr


def test_the_tables_among_photos_get_no_overlay_and_one_line_says_so(
    photos: Path, tmp_path: Path, emollm: Callable[..., Run]
) -> None:
    table = tmp_path / "openface.csv"
    table.write_text(TABLE)
    pictures = tmp_path / "pictures"
    run = emollm("explain", table, photos / "c.png", "--json", "--overlay", pictures, *HEAD)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in pictures.iterdir()] == ["c.png.png"]
    assert run.stderr.count("no picture to draw on") == 1


def test_a_clip_is_never_replaced_by_a_drawing(photos: Path, emollm: Callable[..., Run]) -> None:
    before = (photos / "a.jpg").read_bytes()
    os.link(photos / "a.jpg", photos / "same.jpg")
    (photos / "link.jpg").symlink_to("a.jpg")
    for name in ("a.jpg", "same.jpg", "link.jpg"):
        run = emollm("explain", photos / "a.jpg", "--overlay", photos / name, *HEAD)
        assert run.returncode == 2
        assert "would be replaced" in run.stderr
    assert (photos / "a.jpg").read_bytes() == before


def test_results_never_replace_a_clip(tmp_path: Path, emollm: Callable[..., Run]) -> None:
    clip = tmp_path / "x.jsonl"
    clip.touch()
    run = emollm("observe", clip, "--out", clip)
    assert run.returncode == 2
    assert "is a clip" in run.stderr


@pytest.mark.parametrize(
    ("argument", "overlay", "refused"),
    [
        ("photos", "photos", True),
        ("photos", "photos/drawn", True),
        ("photos/*", "photos/drawn", True),
        ("photos/**", "photos/drawn", True),
        ("photos/*.png", "photos", True),
        ("photos/a.png", "photos", False),
        ("photos/*.png", "photos/drawn", False),
        ("photos/*.jpg", "photos", False),
        ("photos", "photos/.drawn", False),
        ("photos", "drawn", False),
    ],
)
def test_overlays_are_not_put_where_the_next_run_would_read_them(
    argument: str, overlay: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    with pytest.raises(ConfigError, match="take the drawings for photos") if refused else nullcontext():
        Drawings([Path("photos/a.png")], None, Path(overlay), [argument])


def test_a_file_that_emollm_did_not_write_is_refused_before_any_photo_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "mine.jsonl"
    out.write_text("my notes\n")
    variables = {"EMOLLM_CACHE": str(tmp_path / "cache"), "EMOLLM_OFFLINE": "1"}
    run = process("explain", "x.jpg", "--out", out, *HEAD, **variables)
    assert run.returncode == 2
    assert "not written by this command of emollm (expected one answer a line)" in run.stderr
    assert out.read_text() == "my notes\n"


def test_answers_on_standard_output_stay_json_beside_files_and_progress(
    photos: Path, tmp_path: Path, emollm: Callable[..., Run]
) -> None:
    arguments = (
        "--json",
        "--out",
        tmp_path / "a.jsonl",
        "--report",
        tmp_path / "pages",
        "--set",
        "labels=ekman7",
        *HEAD,
    )
    for _ in range(2):  # the second time taken over
        run = emollm("explain", photos, *arguments)
        assert run.stdout == (tmp_path / "a.jsonl").read_text()
        assert len(run.stdout.splitlines()) == 3
        assert "3 of 4 clips done" in run.stderr


def test_pages_have_names_that_fit_and_none_takes_the_overview_s(tmp_path: Path) -> None:
    names = ["index", "a/b.png", "b.png", "é" * 120 + "1.png", "é" * 120 + "2.png"]
    drawings = Drawings([Path(name) for name in names], tmp_path, None)
    pages = [drawings.of(Path(name))[0].name for name in names]
    assert pages[0].startswith("index-")
    assert all(page.startswith("b.png-") for page in pages[1:3])
    assert all(page.startswith("é" * 100 + "-") for page in pages[3:])
    assert len(set(pages)) == len(names)
    backwards = Drawings([Path(name) for name in reversed(names)], tmp_path, None)
    assert [backwards.of(Path(name))[0].name for name in names] == pages


def test_a_name_of_its_own_names_the_page_as_it_is(tmp_path: Path) -> None:
    drawings = Drawings([Path("a/b.png"), Path("a/c.png")], tmp_path, None)
    assert [drawings.of(Path(f"a/{name}.png"))[0].name for name in "bc"] == ["b.png.html", "c.png.html"]


def test_text_of_a_photo_without_a_face_has_no_empty_headings(photos: Path, emollm: Callable[..., Run]) -> None:
    run = emollm("explain", photos / "c.png", *HEAD)
    assert run.returncode == 0
    assert "no face found" in run.stdout
    assert "Key observations" not in run.stdout
    assert "Interpretation" not in run.stdout


def test_a_name_cannot_steer_the_terminal(astronaut_observation: Observation) -> None:
    answer = reason(astronaut_observation, label_set("basic8")).model_copy(update={"id": "a\x1b[2J\nb.jpg"})
    text = answer_text(answer)
    assert text.startswith(r"a\x1b[2J\nb.jpg")
    assert "\x1b" not in text


def test_names_that_are_not_utf8_have_a_page_and_a_row(
    photos: Path, tmp_path: Path, emollm: Callable[..., Run]
) -> None:
    os.rename(photos / "c.png", os.fsencode(photos) + b"/\xff.png")
    run = emollm("explain", photos, "--report", tmp_path / "pages", *HEAD)
    assert run.returncode == 1, run.stderr
    assert 'href="%FF.png.html"' in (tmp_path / "pages" / "index.html").read_text()
    assert os.path.exists(os.fsencode(tmp_path) + b"/pages/\xff.png.html")


def test_an_ascii_terminal_gets_plain_signs_and_exact_json(tmp_path: Path) -> None:
    table = tmp_path / "é.csv"
    table.write_text(TABLE)
    run = process("explain", table, PYTHONIOENCODING="ascii")
    assert run.returncode == 0, run.stderr
    assert "####" in run.stdout
    run = process("explain", table, "--json", PYTHONIOENCODING="ascii")
    assert run.stdout.isascii()
    assert Answer.from_json(run.stdout).id == str(table)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str, tmp_path: Path) -> None:
    table, out = tmp_path / "a.csv", tmp_path / "answers.jsonl"
    table.write_text(TABLE)
    command = f'"{sys.executable}" -m emollm explain "{table}" "{tmp_path}/none.csv" --reasoner cues --json --out "{out}" {closed}'
    run = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert Answer.from_json(out.read_text()).label == "happiness"


def test_the_overview_holds_little_of_each_answer(astronaut_observation: Observation, tmp_path: Path) -> None:
    answer = reason(astronaut_observation, label_set("basic8"))
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    drawings = Drawings(paths, tmp_path / "pages", None)
    drawings.add_row(paths[0], answer.model_copy(update={"people": (answer,)}))
    (row,) = drawings._rows.values()
    assert len(row.answer.to_json()) < 1200 < len(answer.to_json())
    assert row.answer.label == answer.label
    assert len(row.answer.people) == 1


def test_observe_prints_an_observation_that_reads_back(astronaut: Path, emollm: Callable[..., Run]) -> None:
    run = emollm("observe", astronaut, "--json", *HEAD)
    assert run.returncode == 0
    observation = Observation.from_json(run.stdout)
    assert len(observation.tracks[0].faces[0].landmarks) == 478
    short = emollm("observe", astronaut, "--json", "--no-landmarks", *HEAD)
    assert Observation.from_json(short.stdout).tracks[0].faces[0].landmarks == ()
    assert Observation.from_json(short.stdout).cues == observation.cues


def test_a_table_of_another_tool_is_explained_like_a_photo(tmp_path: Path, emollm: Callable[..., Run]) -> None:
    table = tmp_path / "openface.csv"
    table.write_text(TABLE)
    run = emollm("explain", table, "--json")
    assert run.returncode == 0, run.stderr
    answer = Answer.from_json(run.stdout)
    assert answer.label == "happiness"
    assert "openface2@unknown" in answer.provenance.cues


def test_where_the_model_has_not_learnt_the_labels_the_reasoner_answers_and_one_line_says_so(
    tmp_path: Path, emollm: Callable[..., Run]
) -> None:
    table = tmp_path / "openface.csv"
    table.write_text(TABLE)
    run = emollm("explain", table, "--json", "--reasoner", "auto", "--labels", "ravdess")
    assert run.returncode == 0, run.stderr
    assert Answer.from_json(run.stdout).provenance.model.startswith("reasoner@")
    assert run.stderr.count("emollm-135m has not learnt calm; the cues reasoner answers") == 1


def test_observe_takes_the_settings_of_explain(astronaut: Path, tmp_path: Path, emollm: Callable[..., Run]) -> None:
    """The example of ``--help`` works in both commands, and so does one settings file."""
    settings = tmp_path / "settings.yaml"
    settings.write_text("perception: {action_units: mesh-head, smallest: 400}\nreasoner: {min_support: 0.5}\n")
    for command in ("observe", "explain"):
        run = emollm(command, astronaut, "--json", "--config", settings, "--set", "perception.faces.max_faces=3")
        assert run.returncode == 0, run.stderr
        assert "less than the 400 needed" in run.stdout
