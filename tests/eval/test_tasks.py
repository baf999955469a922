"""Tasks: every file loads, the guard refuses tests, and the commands tell what there is."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from emollm.cli import main
from emollm.errors import ConfigError
from emollm.eval.readers import READERS
from emollm.eval.tasks import Purpose, not_yet, refuse_test, task, tasks
from emollm.prompts import prompt

ASKED = {
    "ferplus", "fer2013", "rafdb", "affectnet8", "affectnet7", "expw", "sfhq", "emer", "ov-merd", "mer2023-semi", "meld",
    "meld-sentiment", "dfew", "bah", "emodb", "ravdess", "cremad", "goemotions-ekman", "goemotions",
}  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["eval", *args])
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def test_every_task_loads_with_its_reader_prompt_and_labels() -> None:
    assert set(tasks()) >= ASKED
    for id in tasks():
        found = task(id)
        reader = found.open()
        assert reader.label_set == found.label_set, id
        assert str(found.reader["layout"]) in READERS
        assert (len(found.classes) >= 2) == (found.label_set is not None), id
        assert prompt(found.prompt).blocks, id
        assert all((found.traps, found.cite, found.layout.strip())), id


def test_parts_of_a_task_are_those_of_its_reader() -> None:
    for id in tasks():
        found, reader = task(id), task(id).open()
        for name in ("files", "usage"):
            if hasattr(reader, name):
                given = getattr(reader, name)
                assert set(found.splits) == set(given.values() if name == "usage" else given), id


def test_benchmarks_that_cannot_be_run_say_what_they_need() -> None:
    planned = {one.id for one in not_yet()}
    assert planned >= {"mafw", "c-expr-db", "raer", "recola", "mer2024"}
    assert not planned & set(tasks())
    with pytest.raises(ConfigError, match="'mafw' cannot be run yet: it needs"):
        task("mafw")


def test_tasks_are_shipped_beside_the_module() -> None:
    assert files("emollm.eval").joinpath("tasks", "ferplus.yaml").is_file()
    assert task("ferplus").classes == (
        "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt",
    )  # fmt: skip


@pytest.mark.parametrize("purpose", ["select", "tune", "calibrate"])
@pytest.mark.parametrize(
    ("id", "split"),
    [
        ("ferplus", "test"),
        ("ferplus", None),
        ("affectnet8", "valid"),
        ("mer2023-semi", "test3"),
        ("dfew", "test1"),
        ("ferplus", "PrivateTest"),
    ],
)
def test_nothing_is_chosen_on_a_test(id: str, split: str | None, purpose: Purpose) -> None:
    with pytest.raises(ConfigError, match=f"{id}: refused to {purpose} on the test: .* is for measuring only"):
        refuse_test(task(id), split, purpose)
    refuse_test(task(id), split, "measure")


@pytest.mark.parametrize(("id", "split"), [("ferplus", "valid"), ("dfew", "train1"), ("emodb", "all"), ("meld", "dev")])
def test_other_parts_may_be_chosen_on(id: str, split: str) -> None:
    refuse_test(task(id), split, "select")


def test_a_part_that_a_task_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown split 'vaild' \(did you mean 'valid'\?\)"):
        refuse_test(task("ferplus"), "vaild", "select")


def test_ones_own_task_is_a_file(tmp_path: Path) -> None:
    text = files("emollm.eval").joinpath("tasks", "emodb.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("id: emodb", "id: mine"), encoding="utf-8")
    assert task(str(tmp_path / "mine.yaml")).ref == "mine@1"
    (tmp_path / "other.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"its id is 'emodb'; name the file emodb.yaml"):
        task(str(tmp_path / "other.yaml"))


def test_list_tells_all_tasks_and_what_is_not_yet(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "--json")
    told = json.loads(out)
    assert code == 0
    assert {row["id"]: (row["layout"], row["classes"], row["primary"]) for row in told["tasks"]}["ferplus"] == (
        "fer_csv",
        8,
        "war",
    )
    assert "mafw" in {row["id"] for row in told["not_yet"]}
    assert "\nnot yet\n" in run(capsys, "list")[1]


def test_describe_is_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "describe", "ov-merd")
    assert code == 0
    for part in (
        "Lian et al. 2024",
        "EULA",
        "open vocabulary",
        "the headline is ew_f1",
        "46.1",
        "fearless",
        "video/<name>.mp4",
    ):
        assert part in out
    assert run(capsys, "describe", "ov-mard")[2].startswith("emollm: unknown task 'ov-mard' (did you mean 'ov-merd'?)")


def test_check_tells_counts_and_what_is_lacking(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "03a01Wa.wav").touch()
    (tmp_path / "08a01Fa.wav").touch()
    code, out, _ = run(capsys, "check", "emodb", str(tmp_path))
    assert code == 0
    assert "all: 2 items, 2 labelled of 535 published, 2 speakers\n    anger 1, happiness 1\n  lacks nothing" in out
    told = json.loads(run(capsys, "check", str(tmp_path), "--task", "emodb", "--json")[1])
    assert (told["counts"], told["lacks"]) == ({"all": {"anger": 1, "happiness": 1}}, [])


def test_check_of_nothing_ends_with_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "check", "meld", str(tmp_path))
    assert (code, out) == (2, "")
    assert err == (
        f"emollm: {tmp_path}: nothing to read for meld: no train_sent_emo.csv (train); "
        "`emollm eval describe meld` shows the layout\n"
    )
    assert run(capsys, "check", str(tmp_path))[0] == 2
    assert run(capsys, "check", "meld", str(tmp_path / "nowhere"))[2].endswith("give the folder of the data set\n")


# ---- changed settings -----------------------------------------------------------------------------------------------


def test_changed_settings_are_marked_in_the_ref() -> None:
    assert task("emodb").ref == "emodb@1"
    changed = task("emodb", ("without=[boredom]",))
    assert (changed.ref, changed.overrides) == ("emodb@1+set", ("without=[boredom]",))
    assert task("emodb").overrides == ()


@pytest.mark.parametrize(
    ("id", "override"),
    [
        ("meld", "splits.test.role=validation"),
        ("affectnet8", "splits.valid.role=validation"),
        ("meld", "splits={test: {role: whole}, dev: {role: validation}}"),
        ("meld", "splits.test2={role: train}"),
    ],
)
def test_a_test_stays_a_test_whatever_is_set(id: str, override: str) -> None:
    with pytest.raises(ConfigError, match="is a test and stays one") as raised:
        task(id, (override, "default_split=dev") if id == "meld" else (override,))
    assert "\n" not in str(raised.value)


def test_other_settings_of_a_test_may_change() -> None:
    changed = task("meld", ("splits.test.n=12",))
    assert (changed.splits["test"].n, changed.splits["test"].role) == (12, "test")
    with pytest.raises(ConfigError, match="refused to select on the test"):
        refuse_test(changed, "test", "select")


def test_codes_are_labels_of_the_set_by_any_of_their_forms() -> None:
    opened = task("affectnet8", ('reader.codes={"1": happy, "2": Sadness}',)).open()
    assert opened.model_dump()["codes"] == {"1": "happiness", "2": "sadness"}
    with pytest.raises(ConfigError, match=r"task affectnet8: reader\.codes: 1: unknown label of affectnet8? 'glee'"):
        task("affectnet8", ('reader.codes={"1": glee}',)).open()


def test_check_counts_references_where_a_description_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "EMER.csv").write_text("name,chinese,english\na,他很高兴,He is happy\nb,,\n")
    code, out, _ = run(capsys, "check", "emer", str(tmp_path), "--set", "splits.all.n=1")
    assert code == 0
    assert "all: 2 items, 1 with a reference\n" in out
    assert "changed by --set: splits.all.n=1" in out
    assert "emer@1+set" in out


def test_check_refuses_codes_of_no_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "validation.csv").write_text("subDirectory_filePath,expression\n1/a.jpg,1\n")
    code, out, err = run(capsys, "check", "affectnet8", str(tmp_path), "--set", 'reader.codes={"1": glee}')
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "unknown label of affectnet8 'glee'" in err
