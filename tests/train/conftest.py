"""One thread, tiny data that every training here can learn, and a tiny model to train."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from emollm.ferplus import CLASSES


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Nets as small as these gain nothing from a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invented tiles in the form of FER+, 80 of train and 32 of valid: a bright bar whose place tells the class."""
    draw = np.random.default_rng(0)
    label = np.arange(112) % 8
    images = draw.integers(0, 60, (112, 48, 48)).astype(np.uint8)
    for image, one in zip(images, label, strict=True):
        image[6 * one : 6 * one + 6] += 150
    votes = np.zeros((112, 10), np.uint8)
    votes[np.arange(112), label] = 8
    votes[np.arange(112), (label + 1) % 8] += 2
    file = tmp_path_factory.mktemp("tiles") / "tiles.npz"
    np.savez(
        file,
        images=images,
        votes=votes,
        split=np.array(["train"] * 80 + ["valid"] * 32),
        columns=np.array([*CLASSES, "unknown", "nf"]),
        name=np.array([f"{k}.png" for k in range(112)]),
    )
    return file


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with all streams and a gate, saved."""
    from emollm.modeling.tiny import tiny

    folder = tmp_path_factory.mktemp("tiny") / "model"
    built = tiny("llama", gate=True)
    built.model.save_pretrained(folder)
    built.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train.jsonl`` (16 Samples) and ``valid.jsonl`` (6)."""
    from tests.train.sft_runs import sample, write

    folder = tmp_path_factory.mktemp("samples")
    write(folder / "train.jsonl", [sample(folder, index, "train") for index in range(16)])
    write(folder / "valid.jsonl", [sample(folder, index, "valid") for index in range(100, 106)])
    return folder


@pytest.fixture
def recipe(model: Path, data: Path, tmp_path: Path) -> Path:
    """Four steps with adapters on the tiny model."""
    values = {
        "model": str(model), "data": [{"path": str(data / "train.jsonl")}], "out": str(tmp_path / "run"), "log_every": 1,
        "train": {"lora": {"dropout": 0.0}}, "optimise": {"rate": 0.005, "steps": 4, "batch": 4},
    }  # fmt: skip
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(values))
    return path
