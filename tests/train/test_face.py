import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from emollm import config
from emollm.encoders import FaceNetConfig, load, save
from emollm.encoders.weights import TrainedConfig
from emollm.errors import ConfigError, DataError, ModelError
from emollm.ferplus import CLASSES
from emollm.train import face, face_state
from emollm.train.face_recipe import FaceRecipe

RECIPES = sorted((Path(face.__file__).parent / "recipes" / "face").glob("*.yaml"))
COLUMNS = np.array([*CLASSES, "unknown", "nf"])
TINY = (
    "net.backbone={stem: 4, widths: [8, 8], depths: [1, 0], size: 16}",
    "net.embedding=4",
    "optimise.batch=16",
    "optimise.epochs=4",
    "threads=1",
    "workers=1",
    "measure=mesh-head",
)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invented tiles in the form of FER+: a bright bar whose place tells the class."""
    draw = np.random.default_rng(0)
    label = np.arange(112) % 8
    images = draw.integers(0, 60, (112, 48, 48)).astype(np.uint8)
    for image, one in zip(images, label, strict=True):
        image[6 * one : 6 * one + 6] += 150
    votes = np.zeros((112, 10), np.uint8)
    votes[np.arange(112), label] = 8
    votes[np.arange(112), (label + 1) % 8] += 2
    split = np.array(["train"] * 80 + ["valid"] * 32)
    file = tmp_path_factory.mktemp("tiles") / "tiles.npz"
    name = np.array([f"{k}.png" for k in range(112)])
    np.savez(file, images=images, votes=votes, split=split, columns=COLUMNS, name=name)
    return file


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the prepared tiles are kept for all tests."""
    return tmp_path_factory.mktemp("work")


def recipe(tiles: Path, work: Path, out: Path, *more: str) -> FaceRecipe:
    base = (f"data.path={tiles}", "data.layout=npz", f"work={work}", f"out={out}")
    return config.load(FaceRecipe, None, (*base, *TINY, *more))


def log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder / "net").net.state_dict()


@pytest.fixture(scope="module")
def whole(tiles: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    face.run(recipe(tiles, work, out))
    return out


def test_a_stopped_run_goes_on_exactly(tiles: Path, work: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"

    def stop_after_two_epochs() -> None:
        while not (out / "log.jsonl").exists() or len((out / "log.jsonl").read_text().splitlines()) < 2:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop_after_two_epochs, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        face.run(recipe(tiles, work, out, "optimise.epochs=4"))
    assert 2 <= len(log(out)) < 4
    face.run(recipe(tiles, work, out))
    assert all(torch.equal(one, two) for one, two in zip(tensors(whole).values(), tensors(out).values(), strict=True))
    losses = [[line["loss/total"] for line in log(run)] for run in (whole, out)]
    assert losses[0] == losses[1]


def test_a_run_leaves_a_calibrated_net_a_log_and_what_it_was_made_from(whole: Path) -> None:
    scores = json.loads((whole / "scores.json").read_text())
    trained = load(whole / "net")
    assert trained.config.temperature == pytest.approx(scores["temperature"], abs=1e-4)
    assert trained.config.net.labels == CLASSES
    assert scores["n"] == 32
    assert list((whole / "tensorboard").iterdir())
    lines = log(whole)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["loss/expression"] < lines[0]["loss/expression"]
    told = config.read_yaml(whole / "run.yaml")
    assert {"recipe", "data", "versions"} <= set(told)


def test_sharpness_teachers_and_a_start_from_another_net_train_too(
    tiles: Path, work: Path, whole: Path, tmp_path: Path
) -> None:
    more = (
        "optimise.sam=0.05",
        "optimise.optimizer=sgd",
        "optimise.epochs=1",
        "loss.distil=0.5",
    )
    face.run(recipe(tiles, work, tmp_path / "a", *more, f"teachers=[{whole / 'net'}]", f"start={whole / 'net'}"))
    (line,) = log(tmp_path / "a")
    assert np.isfinite(line["loss/total"])


def test_another_recipe_does_not_go_on_in_the_same_folder(tiles: Path, work: Path, whole: Path) -> None:
    with pytest.raises(DataError, match="another recipe"):
        face.run(recipe(tiles, work, whole, "seed=1"))


def test_a_truncated_checkpoint_is_told(tiles: Path, work: Path, whole: Path, tmp_path: Path) -> None:
    whole_file = (whole / face_state.FILE).read_bytes()
    (tmp_path / face_state.FILE).write_bytes(whole_file[: len(whole_file) // 2])
    with pytest.raises(DataError, match="remove it to begin anew"):
        face.run(recipe(tiles, work, tmp_path))


def test_a_damaged_log_is_told(tiles: Path, work: Path, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("x\n")
    with pytest.raises(DataError, match=r"log\.jsonl: not the log"):
        face.run(recipe(tiles, work, tmp_path))


def test_a_teacher_with_other_classes_is_refused(tiles: Path, work: Path, tmp_path: Path) -> None:
    net = FaceNetConfig(labels=("sad", "glad"), backbone={"size": 16, "stem": 4, "widths": [4], "depths": [0]}).build()
    save(tmp_path / "teacher", net, TrainedConfig(net=net.config), {})
    with pytest.raises(ModelError, match="teacher teacher: has classes sad, glad"):
        face.run(recipe(tiles, work, tmp_path / "out", f"teachers=[{tmp_path / 'teacher'}]", "loss.distil=0.5"))


def test_a_start_of_another_architecture_is_refused(tiles: Path, work: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another architecture"):
        face.run(recipe(tiles, work, tmp_path, "start=face-mt"))


def test_a_loss_that_is_not_finite_stops_the_run(tiles: Path, work: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"lower optimise\.rate"):
        face.run(recipe(tiles, work, tmp_path, "optimise.rate=1e30", "optimise.clip=0", "optimise.optimizer=sgd"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("valid_split=test", "must not be selected on test data"),
        ("valid_split=train", "must not be selected on what it learns from"),
        ("valid_split=dev", "dev"),
        ("optimise.batch=4096", "fewer than optimise.batch=4096"),
        ("net.encoder=face_mtt", "face_mt"),
        ("net.backbone={width: 3}", "width"),
        ("optimise.rate=-1", "optimise.rate"),
        ("seed=-1", "seed"),
        ("out=/dev/null", "cannot be a folder"),
        ("data.path=nowhere.npz", "nowhere.npz"),
        ("optimise.epoch=3", "epochs"),
    ],
)
def test_a_recipe_that_cannot_be_run_gets_one_line(
    change: str, told: str, tiles: Path, work: Path, tmp_path: Path
) -> None:
    given = [f"data.path={tiles}", f"work={work}", f"out={tmp_path / 'out'}", *TINY, change]
    sets = [part for item in given for part in ("--set", item)]
    result = CliRunner().invoke(face.main, [str(RECIPES[0]), "--set", "net.backbone=null", *sets])
    assert result.exit_code == 2
    assert told in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "net").exists()


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_every_recipe_loads_and_its_net_can_be_built(file: Path) -> None:
    loaded = config.load(FaceRecipe, file, ["data.path=FER.npz"])
    assert loaded.net.config(CLASSES, ("AU01",)).build().parameters_of() > 0


def test_accelerate_launches_two_processes(tiles: Path, work: Path, tmp_path: Path) -> None:
    given: list[Any] = [
        f"data.path={tiles}",
        f"work={work}",
        f"out={tmp_path}",
        *TINY,
        "optimise.epochs=1",
        "optimise.bf16=false",
    ]
    sets = [part for item in given for part in ("--set", item)]
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--mixed_precision",
        "no",
    ]
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}\n")
    result = subprocess.run(
        [*launch, "-m", "emollm.train.face", str(empty), *sets],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1
    assert load(tmp_path / "net").config.temperature > 0
