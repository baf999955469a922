"""``emollm eval run`` as a user calls it."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.eval.serving import goemotions, serving


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return goemotions(tmp_path / "words", [("what a day", "joy"), ("leave me", "anger"), ("so good", "joy")])


def arguments(data: Path, generator: str, out: Path) -> list[str]:
    return ["eval", "run", "goemotions-ekman", "--data", str(data), "--split", "dev", "--generator", generator,
            "--out", str(out), "--resamples", "100"]  # fmt: skip


def test_a_report_for_people_names_what_was_run(say: Callable, words: Path, tmp_path: Path) -> None:
    said = say(*arguments(words, "majority", tmp_path / "out"))
    assert said.code == 0
    assert "generator  majority (given as majority), always joy" in said.out
    assert "| macro_f1" in said.out
    assert said.err == f"emollm: answers and reports are in {tmp_path / 'out'}\n"
    assert {"answers.jsonl", "report.json", "report.md", "report.html"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


@pytest.mark.parametrize("named", ["variable", "folder", "here"])
def test_data_that_are_not_given_are_those_of_the_environment_or_of_data_here(
    say: Callable, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (tmp_path / "data").mkdir()
    words.rename(tmp_path / "data" / "goemotions")
    place = tmp_path / "data" / "goemotions"
    if named == "variable":
        monkeypatch.setenv("EMOLLM_DATA_GOEMOTIONS_EKMAN", str(place))
        monkeypatch.setenv("EMOLLM_DATA", "nowhere")
    elif named == "folder":
        monkeypatch.setenv("EMOLLM_DATA", str(place.parent))
    else:
        monkeypatch.chdir(tmp_path)
    given = arguments(place, "majority", tmp_path / "out")
    without = [each for each in given if each not in ("--data", str(place))]
    assert say(*without).code == 0


def test_no_data_anywhere_is_one_line(say: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = say("eval", "run", "ferplus", "--generator", "majority")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "give --data, set EMOLLM_DATA_FERPLUS" in said.err


def test_json_is_the_report_that_is_kept(say: Callable, words: Path, tmp_path: Path) -> None:
    said = say(*arguments(words, "majority", tmp_path / "out"), "--json")
    assert json.loads(said.out) == json.loads((tmp_path / "out" / "report.json").read_text())


def test_items_that_cannot_be_asked_are_told_listed_and_wrong(say: Callable, words: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(lambda text: 400 if "leave" in text else "joy") as server:
        said = say(*arguments(words, server.generator, out), "--json")
        assert said.code == 1
        assert "1 item could not be asked, each counts as wrong" in said.err
        assert json.loads(said.out)["answers"]["missing"] == 1
        assert json.loads((out / "rejects.jsonl").read_text())["id"] == "c1"
        server.answer = lambda text: "anger"
        assert say(*arguments(words, server.generator, out)).code == 0
        assert len(server.bodies) == 4
    assert not (out / "rejects.jsonl").exists()


def test_a_server_that_is_not_there_is_one_line(say: Callable, words: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        said = say(*arguments(words, f"openai:http://127.0.0.1:{taken.getsockname()[1]}/v1#tiny", tmp_path / "out"))
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "no server can be reached there" in said.err


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--split", "test", "--purpose", "tune"), "refused to tune on the test"),
        (("--split", "tost"), "unknown split 'tost'"),
        (("--prompt", "eval/none"), "unknown prompt 'eval/none'"),
        (("--set", "reader.folder=x"), "folder"),
    ],
)
def test_wrong_options_are_one_line(
    say: Callable, words: Path, tmp_path: Path, more: tuple[str, ...], why: str
) -> None:
    said = say(*arguments(words, "majority", tmp_path / "out"), *more)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert why in said.err


def test_the_data_set_is_not_written_into(say: Callable, words: Path) -> None:
    said = say(*arguments(words, "majority", words))
    assert said.code == 2
    assert "is the data set; give another folder" in said.err


def test_changed_settings_stand_in_the_head_and_have_a_folder_of_their_own(
    say: Callable, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [
        each for each in arguments(words, "majority", tmp_path / "out") if each not in ("--out", str(tmp_path / "out"))
    ]
    assert say(*given).code == 0
    said = say(*given, "--set", "without=[fear]")
    assert said.code == 0
    assert "goemotions-ekman@1+set" in said.out
    assert "changed    by --set: without=[fear]" in said.out
    plain, changed = sorted(path.name for path in (tmp_path / "runs" / "eval").iterdir())
    assert changed.startswith(f"{plain}-set-")


def test_labels_outside_the_set_end_no_run(say: Callable, words: Path, tmp_path: Path) -> None:
    said = say(*arguments(words, "majority", tmp_path / "out"), "--set", "without=[joy]")
    assert (said.code, "always anger" in said.out) == (0, True)


def test_a_test_is_not_called_a_validation_set(say: Callable, words: Path, tmp_path: Path) -> None:
    said = say(
        *arguments(words, "majority", tmp_path / "out"), "--set", "splits.test.role=validation", "--purpose", "select"
    )
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "is a test and stays one" in said.err
