"""A tiny data set of faces and tiny nets."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from emollm.encoders.net import FaceNetConfig
from emollm.encoders.weights import Trained, TrainedConfig, load, save
from emollm.ferplus import CLASSES
from emollm.media.images import Picture

COLUMNS = (*CLASSES, "unknown", "NF")
VOTED = (0, 0, 1, 1, 2, 3, 0, 1, None, 4)
"""Class of each tile, all ten votes but two; None: five and five, which the protocol discards."""


@pytest.fixture(scope="session")
def votes() -> np.ndarray:
    """(11, 10): the classes of VOTED, and a tile that nobody voted on."""
    rows = np.zeros((11, 10), np.uint8)
    for row, voted in zip(rows, VOTED, strict=False):
        if voted is None:
            row[[0, 1]] = 5
        else:
            row[voted], row[7 - voted] = 8, 2
    return rows


@pytest.fixture(scope="session")
def tiles(astronaut_picture: Picture) -> np.ndarray:
    """(11, 48, 48) a face in several lights; in the last but one, and in the seventh, there is none."""
    face = cv2.resize(astronaut_picture.pixels[40:220, 130:310], (48, 48), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lights = np.stack([np.clip(grey * (0.7 + 0.05 * k), 0, 255) for k in range(11)]).astype(np.uint8)
    lights[[6, 9]] = 128
    return lights


@pytest.fixture
def ferplus(tmp_path: Path, tiles: np.ndarray, votes: np.ndarray) -> Path:
    """The npz; the first tile is of the split train, the others of valid."""
    file = tmp_path / "faces.npz"
    split = np.array(["train"] + ["valid"] * 10)
    name = np.array([f"f{k}.png" for k in range(11)])
    np.savez(file, images=tiles, votes=votes, columns=np.array(COLUMNS), name=name, split=split)
    return file


@pytest.fixture
def net(tmp_path: Path) -> Callable[..., Trained]:
    """Makes a tiny net, saved and opened again."""

    def made(name: str = "tiny", seed: int = 0, **settings: object) -> Trained:
        torch.manual_seed(seed)
        backbone = {"size": 16, "stem": 4, "widths": [8], "depths": [1]}
        given = {"labels": CLASSES, "backbone": backbone, "embedding": 0} | settings
        config = TrainedConfig(net=FaceNetConfig.model_validate(given), label_set="ferplus", mirrored=False)
        save(tmp_path / name, config.net.build(), config, {})
        return load(tmp_path / name)

    return made
