import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emollm import config
from emollm.encoders import FaceNetConfig, load, save
from emollm.encoders.predict import as_pixels, predict
from emollm.encoders.weights import TrainedConfig, metadata
from emollm.errors import ConfigError, DataError, ModelError
from emollm.ferplus import CLASSES
from emollm.train import face, face_state
from emollm.train.face_loop import Teachers
from emollm.train.face_recipe import FaceRecipe
from emollm.train.face_ship import ship
from tests.train.launching import launch

RECIPES = sorted((Path(face.__file__).parent / "recipes" / "face").glob("*.yaml"))
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
    lines = log(whole)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["loss/expression"] < lines[0]["loss/expression"]
    told = config.read_yaml(whole / "run.yaml")
    assert {"recipe", "data", "versions"} <= set(told)


def test_tensorboard_has_one_file_of_a_run_with_every_epoch(whole: Path) -> None:
    (file,) = (whole / "tensorboard").iterdir()
    board = EventAccumulator(str(file)).Reload()
    assert [point.step for point in board.Scalars("loss/total")] == [1, 2, 3, 4]


def test_a_teacher_says_what_the_net_says_when_it_is_used(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = FaceNetConfig(labels=("sad", "glad"), backbone={"size": 16, "stem": 4, "widths": [4], "depths": [0]}).build()
    save(tmp_path / "one", net, TrainedConfig(net=net.config, temperature=1.7, offsets=(0.6, -0.9)), {})
    crops = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    teachers = Teachers((str(tmp_path / "one"),), ("sad", "glad"), 16, torch.device("cpu"))
    said = predict(load(tmp_path / "one"), crops).expression
    np.testing.assert_allclose(teachers(as_pixels(crops)).numpy(), said, atol=1e-6)


def test_a_shipped_net_names_the_nets_it_came_from_without_their_folders(whole: Path, tmp_path: Path) -> None:
    kept = load(whole / "net")
    told = json.loads(metadata(whole / "net")["recipe"])
    told |= {"teachers": ["runs/face/mt-0/net", "face-mt"], "start": "nets/face-mt"}
    save(tmp_path / "run" / "net", kept.net, kept.config, {"recipe": json.dumps(told)})
    (tmp_path / "run" / "run.yaml").write_bytes((whole / "run.yaml").read_bytes())
    ship(tmp_path / "run", tmp_path / "out")
    recipe_of = json.loads(metadata(tmp_path / "out")["recipe"])
    assert (recipe_of["teachers"], recipe_of["start"]) == (["mt-0", "face-mt"], "face-mt")


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
    (line,) = result.output.strip().splitlines()
    assert line.startswith("emollm: ")
    assert told in line
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
    launcher = (
        "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--dynamo_backend", "no", "--num_processes", "2",
        "--mixed_precision", "no", "--main_process_port", "0",
    )  # fmt: skip
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}\n")
    command = [sys.executable, *launcher, "-m", "emollm.train.face", str(empty), *sets]
    result = launch(command, {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}, 300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1
    assert load(tmp_path / "net").config.temperature > 0


MANIFEST = (
    "data.layout=csv",
    "data.columns={pixels: pixels, valence: v, arousal: a}",
    "net.affect=true",
    "optimise.rate=0.01",
    "optimise.epochs=12",
    "optimise.ema=0.8",
)


def manifest(path: Path, *, labelled: bool = True) -> Path:
    """Grey tiles whose brightness is their valence, and the grain of whose stripes their arousal; of every fourth neither is known."""
    draw = np.random.default_rng(0)
    lines = ["label,split,v,a,pixels"]
    for k in range(96):
        valence, stripes = draw.uniform(-1, 1), k % 2
        tile = np.full((48, 48), 128 + 60 * valence) + 60 * stripes * (np.arange(48)[:, None] // 8 % 2 - 0.5)
        given = f"{valence:.3f},{2 * stripes - 1}" if labelled and k % 4 else ","
        pixels = " ".join(map(str, tile.astype(int).ravel()))
        lines.append(f"{CLASSES[k % 8]},{'train' if k < 64 else 'valid'},{given},{pixels}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_valence_and_arousal_are_learnt_where_they_are_labelled(work: Path, tmp_path: Path) -> None:
    still = "augment={mirror: 0, contrast: 0, brightness: 0, gamma: 0, erase: 0}"
    face.run(recipe(manifest(tmp_path / "faces.csv"), work, tmp_path / "out", *MANIFEST, still))
    lines = log(tmp_path / "out")
    assert lines[-1]["loss/affect"] < lines[0]["loss/affect"] - 0.4
    assert lines[-1]["valid/affect"] > 0.3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), "none of 64 labelled faces to train on has valence or arousal; name columns"),
        (("data.columns={pixels: pixels, valence: v}",), "the data has no valence and arousal; name columns"),
    ],
)
def test_a_head_that_no_label_would_teach_is_refused_in_one_line(
    changes: tuple[str, ...], told: str, work: Path, tmp_path: Path
) -> None:
    tiles = manifest(tmp_path / "faces.csv", labelled=False)
    given = (f"data.path={tiles}", f"work={work}", f"out={tmp_path / 'out'}", *TINY, *MANIFEST, *changes)
    (tmp_path / "empty.yaml").write_text("{}\n")
    sets = [part for item in given for part in ("--set", item)]
    result = CliRunner().invoke(face.main, [str(tmp_path / "empty.yaml"), *sets])
    assert result.exit_code == 2
    (line,) = result.output.strip().splitlines()
    assert line.startswith("emollm: net.affect=true: ")
    assert told in line
