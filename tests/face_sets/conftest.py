"""Tiny invented data sets: one real face, cut to tiles, among noise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emollm.face_sets import CropSettings
from emollm.media.images import Picture
from emollm.types import Observation

COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")

Save = Callable[..., Path]


@pytest.fixture(scope="session")
def face(astronaut_picture: Picture, astronaut_observation: Observation) -> NDArray[np.uint8]:
    """(48, 48) grey: the astronaut's face as FER+ has faces."""
    box = astronaut_observation.tracks[0].faces[0].box
    side, x, y = int(box.height * 1.1), int(box.x + box.width / 2), int(box.y + box.height / 2)
    cut = astronaut_picture.pixels[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2]
    grey = cv2.cvtColor(cv2.resize(cut, (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.uint8)


@pytest.fixture(scope="session")
def crop() -> CropSettings:
    """Small crops by the backend that every machine has."""
    return CropSettings(size=32, backend="mesh-head")


@pytest.fixture
def save_npz(tmp_path: Path, face: NDArray[np.uint8]) -> Save:
    """Writes an npz as FER+: a face, flat grey, and a mirrored face; any array can be given otherwise, or left out with None."""

    def save(file: str = "faces.npz", **changed: Any) -> Path:
        arrays: dict[str, Any] = {
            "images": np.stack([face, np.full_like(face, 128), face[:, ::-1]]),
            "votes": np.array(
                [[1, 8, 0, 0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 4, 4, 0, 2, 0, 0, 0], [8, 2] + [0] * 8], np.uint8
            ),
            "columns": np.array(COLUMNS),
            "name": np.array(["smile", "flat", "mirrored"]),
            "split": np.array(["train", "train", "valid"]),
        } | changed
        np.savez(tmp_path / file, **{key: value for key, value in arrays.items() if value is not None})
        return tmp_path / file

    return save


@pytest.fixture
def save_png(face: NDArray[np.uint8]) -> Save:
    """Writes a picture, the face if no other is given, and the folders above it."""

    def save(path: Path, pixels: NDArray[Any] | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), face if pixels is None else pixels)
        return path

    return save
