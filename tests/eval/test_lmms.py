"""Our tasks as lmms-eval finds them, without lmms-eval (docs/evaluate.md has the real run), and answers as others read them."""

import importlib.util
import json
import math
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from emollm.cli import main
from emollm.errors import ConfigError, DataError
from emollm.eval.lmms import aggregation, docs, documents, metrics_of, results, visuals
from emollm.eval.lmms_folder import Written, write
from emollm.eval.run import Plan, run
from emollm.eval.tasks import task, tasks
from tests.eval.serving import goemotions

CLASSES = {"happiness": 2, "sadness": 1, "anger": 1}
"""Pictures of each class."""


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A task of a user's own over RAF-DB's labels, beside its pictures in ``faces/test``."""
    for label, count in CLASSES.items():
        folder = tmp_path / "faces" / "test" / label
        folder.mkdir(parents=True)
        for k in range(count):
            Image.fromarray(np.full((8, 6), 40 * k, np.uint8)).save(folder / f"{k}.png")
    own = task("rafdb").model_dump(mode="json") | {"id": "faces", "reader": {"layout": "image_folder"}}
    path = tmp_path / "faces.yaml"
    path.write_text(yaml.safe_dump(own), encoding="utf-8")
    return path


def loaded(folder: Path, name: str) -> dict[str, Any]:
    """A YAML as lmms-eval reads it: ``!function`` is something of the Python file beside it."""

    class Loader(yaml.SafeLoader):
        pass

    def function(loader: Loader, node: yaml.ScalarNode) -> Any:
        module, _, attribute = loader.construct_scalar(node).partition(".")
        spec = importlib.util.spec_from_file_location(module, folder / f"{module}.py")
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return getattr(made, attribute)

    Loader.add_constructor("!function", function)
    return yaml.load((folder / f"{name}.yaml").read_text(encoding="utf-8"), Loader)


def plan_of(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The line of JSON of a task."""
    return json.loads((folder / config["dataset_kwargs"]["data_files"]["items"]).read_text(encoding="utf-8"))


def numbers(config: dict[str, Any], shown: Sequence[dict[str, Any]], replies: Sequence[str]) -> dict[str, float]:
    """What lmms-eval computes of these replies."""
    rows = [config["process_results"](doc, [reply]) for doc, reply in zip(shown, replies, strict=True)]
    return {one["metric"]: one["aggregation"]([row[one["metric"]] for row in rows]) for one in config["metric_list"]}


# ---- the folder -----------------------------------------------------------------------------------------------------


def test_every_task_is_written_with_functions_that_are_there(tmp_path: Path) -> None:
    written = write(tmp_path / "out")
    assert len(written) == len(tasks()) == len({one.name for one in written})
    for one, id in zip(written, tasks(), strict=True):
        config = loaded(tmp_path / "out", one.name)
        assert config["task"] == one.name == f"emollm_{id}".replace("-", "_")
        assert plan_of(tmp_path / "out", config) == {
            "task": id, "version": task(id).version, "split": task(id).default_split, "data": "",
        }  # fmt: skip
        named = [metric["metric"] for metric in config["metric_list"]]
        assert named == [*metrics_of(task(id)), "coverage", "floor"]
        assert [metric["aggregation"].__name__ for metric in config["metric_list"]] == named
        assert (config["process_docs"], config["process_results"]) == (docs, results)
        assert not {"task", "split", "doc_id", "repeats"} & set(config["metadata"])  # lmms-eval's own names


def test_numbers_are_those_of_the_scorers(faces: Path, tmp_path: Path) -> None:
    (one,) = write(tmp_path / "out", [str(faces)], data=tmp_path / "faces")
    assert one == Written("emollm_faces", "faces@1", "test", ("war", "uar"), 4, "EMOLLM_DATA_FACES")
    config = loaded(tmp_path / "out", one.name)
    shown = documents(plan_of(tmp_path / "out", config))
    assert [doc["target"] for doc in shown] == ["anger", "happiness", "happiness", "sadness"]
    assert "surprise, fear, disgust" in shown[0]["question"]
    replies = ["ANGRY, clearly", "She is happy.", "that I cannot tell", "Rather anger than sadness."]
    assert numbers(config, shown, replies) == pytest.approx(
        {"war": 2 / 4, "uar": (1 + 1 / 2 + 0) / 3, "coverage": 3 / 4, "floor": 2 / 4}
    )
    assert numbers(config, shown, [""] * 4) == pytest.approx({"war": 0, "uar": 0, "coverage": 0, "floor": 2 / 4})
    row = config["process_results"](shown[0], [replies[0]])
    assert row["war"]["score"] == 1.0
    assert row["uar"] == {
        "id": "test/anger/0.png",
        "task": str(faces),
        "gold": ["anger"],
        "label": "anger",
    }


def test_several_labels_and_words_are_asked_and_scored(tmp_path: Path) -> None:
    data = goemotions(tmp_path / "words", [("so good", "joy"), ("leave me", "anger"), ("oh, so good", "joy+surprise")])
    write(tmp_path / "out", ["goemotions-ekman"], "dev", data)
    config = loaded(tmp_path / "out", "emollm_goemotions_ekman_dev")
    shown = documents(plan_of(tmp_path / "out", config))
    assert all(
        text in doc["question"] for doc, text in zip(shown, ('"so good"', '"leave me"', '"oh, so good"'), strict=True)
    )
    assert [config["doc_to_visual"](doc) for doc in shown] == [[], [], []]
    found = numbers(config, shown, ["joy", "nothing", "joy, anger"])
    assert found["micro_f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert (found["coverage"], found["macro_f1"]) == pytest.approx((2 / 3, (1 + 0 + 0) / 7))


def test_media_are_given_as_models_of_lmms_eval_take_them(faces: Path, tmp_path: Path) -> None:
    write(tmp_path / "out", [str(faces)], data=tmp_path / "faces")
    (picture,) = visuals(documents(plan_of(tmp_path / "out", loaded(tmp_path / "out", "emollm_faces")))[0])
    assert (picture.mode, picture.size) == ("RGB", (6, 8))
    sound = tmp_path / "sounds" / "Actor_01" / "03-01-05-01-01-01-01.wav"
    sound.parent.mkdir(parents=True)
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.full(8000, 3000, np.int16).tobytes())
    (doc,) = documents({"task": "ravdess", "version": 1, "split": "all", "data": str(tmp_path / "sounds")})
    (heard,) = visuals(doc)
    assert (heard["type"], heard["path"], heard["sampling_rate"]) == ("audio", str(sound), 16_000)
    assert heard["array"].shape == (8000,)
    assert doc["cluster"] == "01"


def test_what_is_not_there_counts_as_unanswered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.csv").write_text("file,label7\nhere.png,happiness\ngone.png,sadness\n", encoding="utf-8")
    plan = {"task": "sfhq", "version": task("sfhq").version, "split": "all", "data": str(tmp_path)}
    with pytest.raises(DataError, match=r"none of the media of all are there: .*no such file; see `emollm eval check`"):
        documents(plan)
    (tmp_path / "img").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "img" / "here.png")
    shown = documents(plan)
    assert "1 of 2 items count as unanswered" in capsys.readouterr().err
    assert visuals(shown[1]) == []
    rows = [results(doc, [doc["target"]]) for doc in shown]
    found = {name: aggregation(name)([row[name] for row in rows]) for name in ("war", "coverage")}
    assert found == {"war": 0.5, "coverage": 0.5}


def test_the_environment_names_data_when_lmms_eval_runs(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "out", [str(faces)])
    plan = plan_of(tmp_path / "out", loaded(tmp_path / "out", "emollm_faces"))
    with pytest.raises(
        SystemExit, match=r"^emollm: task faces: no data named; give --data, set EMOLLM_DATA_FACES to its folder"
    ):
        docs([plan])
    monkeypatch.setenv("EMOLLM_DATA", str(tmp_path))
    assert len(documents(plan)) == 4
    monkeypatch.setenv("EMOLLM_DATA_FACES", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        documents(plan)
    with pytest.raises(ConfigError, match="written for version 9, installed is 1; write it again"):
        documents(plan | {"version": 9})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nosuch"], "unknown task 'nosuch'"),
        (["ferplus", "--split", "tset"], "ferplus: unknown split 'tset' (did you mean 'test'?)"),
        (["ferplus", "rafdb", "--data", "."], "--data .: is of one task; name it"),
        (["ferplus", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["ferplus", "--out", "own"], "utils.py: is not of `emollm eval lmms` and would be replaced"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "utils.py").write_text("mine = 1\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["eval", "lmms", "--out", "out", *options])
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert said in shown.err
    assert not (tmp_path / "out").exists()
    assert len(list((tmp_path / "own").iterdir())) == 1


def test_the_command_tells_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["eval", "lmms", "meld", "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "emollm_meld  meld@1 test, weighted_f1, war, uar, macro_f1; $EMOLLM_DATA_MELD" in shown
    assert f"lmms-eval --model MODEL --include_path {tmp_path / 'out'} --tasks emollm_meld" in shown


# ---- answers and reports elsewhere ----------------------------------------------------------------------------------


@pytest.fixture
def answered(tmp_path: Path) -> Path:
    """The folder of a run over comments whose ids look like numbers."""
    data = goemotions(tmp_path / "words", [("so good", "joy"), ("leave me", "anger"), ("oh", "joy+surprise")])
    table = data / "ekman" / "dev.tsv"
    table.write_text(table.read_text(encoding="utf-8").replace("\tc", "\t00"), encoding="utf-8")
    run(Plan(task("goemotions-ekman"), data, "constant:joy", tmp_path / "run", split="dev", resamples=100))
    return tmp_path / "run"


def test_answers_and_reports_load_into_pandas(answered: Path) -> None:
    import pandas

    answers = pandas.read_json(answered / "answers.jsonl", lines=True, dtype=False)
    assert answers["id"].tolist() == ["000", "001", "002"]
    right = answers.apply(lambda row: row["labels"] == row["gold"], axis=1)
    report = json.loads((answered / "report.json").read_text(encoding="utf-8"))
    metrics = pandas.DataFrame(report["metrics"]).T
    assert right.mean() == metrics.loc["exact", "value"] == 1 / 3
    assert math.isclose(metrics.loc["macro_f1", "value"], 4 / 5 / 7)


def test_answers_load_into_datasets(answered: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    found = load_dataset(
        "json", data_files=str(answered / "answers.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert found["labels"][:] == [["joy"]] * 3
    assert found["gold"][2] == ["joy", "surprise"]
    shown = docs([{"task": "goemotions-ekman", "version": 1, "split": "dev", "data": str(tmp_path / "words")}])
    assert shown["target"][:] == ["joy", "anger", "joy, surprise"]
