"""Training the action-unit head."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from emollm import config
from emollm.errors import DataError
from emollm.perception.backends import Span
from emollm.perception.mesh_head import Head, pretrained
from emollm.train.au_faces import Pairs, load_pairs
from emollm.train.au_head import Recipe, Split, fit, predict, save_head
from emollm.train.au_table import markdown, measure, notes

RECIPE = Path(__file__).parents[2] / "train" / "recipes" / "au_head.yaml"


def faces(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Meshes (n, 478, 3) of the mean face, and feature maps (n, 1896) of which six numbers differ and matter."""
    points = np.repeat(pretrained().mean[None] * 80 + 100, count, axis=0)
    features = np.zeros((count, 1896), np.float32)
    features[:, :6] = np.random.default_rng(seed).normal(size=(count, 6))
    return points.astype(np.float32), features


def taught(features: np.ndarray) -> np.ndarray:
    """Targets (n, 52) that follow a few features."""
    return (1 / (1 + np.exp(-features[:, np.arange(52) % 6] * 2))).astype(np.float32)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return config.load(Recipe, RECIPE).model_copy(
        update={"epochs": 15, "batch": 32, "hidden": 32, "dropout": 0.0, "out": tmp_path_factory.mktemp("head")}
    )


def split(points: np.ndarray, features: np.ndarray) -> Split:
    from emollm.perception.mesh_head import head_input

    mean = pretrained().mean
    rows = np.array([head_input(p, f, mean) for p, f in zip(points, features, strict=True)])
    return Split(torch.from_numpy(rows), torch.from_numpy(taught(features)))


def test_the_head_learns_what_its_inputs_show_and_is_the_same_in_numpy(recipe: Recipe) -> None:
    """The weights that are written, read by the runtime, give what the trained net gives, up to half precision."""
    train, valid = faces(600, 0), faces(200, 1)
    net, centre, scale = fit(split(*train), split(*valid), recipe)
    theirs = predict(net, centre, scale, split(*valid).inputs).numpy()
    assert np.corrcoef(theirs[:, 0], taught(valid[1])[:, 0])[0, 1] > 0.7
    path = recipe.out / "model.safetensors"
    spans = {"AU01": Span(0.1, 0.9)}
    save_head(path, recipe, net, centre, scale, pretrained().mean, spans, taught(valid[1]))
    head = Head(path)
    assert head.spans["AU01"] == pytest.approx(Span(0.1, 0.9))
    ours = np.array([head(points, features) for points, features in zip(*valid, strict=True)])
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    pairs = Pairs(valid[1].astype(np.float16), valid[0], taught(valid[1]), np.arange(200), 0)
    rows = measure(head, pairs, pairs)
    assert {"AU12", "AU25", "gaze_yaw"} <= {row.name for row in rows}
    assert next(row for row in rows if row.name == "AU01").valid > 0.7
    assert "| AU12 | lip corner puller |" in markdown(rows)
    assert notes(pairs).startswith("FER+ valid: 200 of 200 tiles measured")


def test_training_is_reproducible(recipe: Recipe) -> None:
    data = split(*faces(200, 0))
    short = recipe.model_copy(update={"epochs": 2})
    one, two = (fit(data, data, short)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_shipped_head_is_small_and_has_every_blendshape() -> None:
    head = pretrained()
    file = Path(__file__).parents[2] / "emollm" / "pretrained" / "au-head" / "model.safetensors"
    assert file.stat().st_size < 1_000_000
    assert head.mean.shape == (478, 3)
    assert all(0 <= span.low < span.high <= 1.01 for span in head.spans.values())
    assert {"AU01", "AU12", "AU64"} <= set(head.spans)
    assert head(head.mean * 80, np.zeros(1896, np.float32)).shape == (52,)


def test_a_recipe_without_data_says_what_it_needs() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "emollm.train.au_head", str(RECIPE)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "needs ferplus=FILE and photos=[FOLDER, …]" in run.stderr
    assert "Traceback" not in run.stderr


def test_kept_faces_of_other_settings_are_refused(tmp_path: Path) -> None:
    points, features = faces(2, 0)
    np.savez(
        tmp_path / "p.npz",
        key=np.array("tiles a"),
        features=features,
        points=points,
        targets=taught(features),
        source=np.arange(2),
        missed=0,
    )
    assert len(load_pairs(tmp_path / "p.npz", "tiles a").points) == 2
    with pytest.raises(DataError, match="remove it or give another work folder"):
        load_pairs(tmp_path / "p.npz", "tiles b")
