"""One thread, and a tiny data set that every training here can learn."""

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
