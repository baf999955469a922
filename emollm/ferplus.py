"""FER+: 48 × 48 grey faces with the votes of ten annotators, as one npz, and its majority protocol (Barsoum et al. 2016)."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""Emotions in file order; two more columns of votes are *unknown* and *no face*."""

_MARGIN = 0.25
_ZOOM = 3


class Faces(NamedTuple):
    """One split."""

    images: NDArray[np.uint8]
    """(n, 48, 48)."""
    votes: NDArray[np.integer]
    """(n, 10)."""


def read(file: Path, split: str) -> Faces:
    """Images and votes of one split.

    Args:
        file: An npz with ``images``, ``votes`` and ``split``; nothing in it is unpickled.
        split: ``train``, ``valid`` …

    Raises:
        DataError: Not such a file, or a split without rows.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            chosen = arrays["split"] == split
            faces = Faces(arrays["images"][chosen], arrays["votes"][chosen])
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise DataError(f"{file}: expected an npz with images, votes and split: {error}") from error
    if not len(faces.images):
        raise DataError(f"{file}: no row of split {split!r}")
    return faces


def majority(votes: NDArray[np.integer]) -> str | None:
    """The label of one image's ten vote counts, or None if the protocol discards the image.

    Single votes are dropped; the top class must then have more than half of what remains, and be an emotion.
    """
    counts = np.where(votes <= 1, 0, votes)
    top = int(counts.argmax())
    if counts[top] * 2 <= counts.sum() or top >= len(CLASSES):
        return None
    return CLASSES[top]


def enlarged(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A tile as the picture in which its face is found: padded by a quarter, three times as large, RGB (H, W, 3)."""
    margin = round(len(tile) * _MARGIN)
    padded = cv2.copyMakeBorder(tile, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    large = cv2.resize(padded, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(large, cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]
