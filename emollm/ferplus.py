"""FER+: 48 × 48 grey faces with the votes of ten annotators, as one npz, and its majority protocol (Barsoum et al. 2016)."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""Emotions in file order; two more columns of votes are *unknown* and *no face*."""

_MARGIN = 0.25
ZOOM = 3
"""How many times larger :func:`enlarged` makes a tile."""


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
    with _opened(file) as arrays:
        chosen = arrays["split"] == split
        faces = Faces(arrays["images"][chosen], arrays["votes"][chosen])
    if not len(faces.images):
        raise DataError(f"{file}: no row of split {split!r}")
    return faces


def splits(file: Path) -> tuple[str, ...]:
    """The splits that rows belong to, sorted.

    Raises:
        DataError: Not such a file.
    """
    with _opened(file) as arrays:
        return tuple(np.unique(arrays["split"]).tolist())


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: expected an npz with images, votes and split: {error}") from error


def majority(votes: NDArray[np.integer]) -> str | None:
    """The label of one image's ten vote counts, or None if the protocol discards the image.

    Single votes are dropped; the top class must then have more than half of what remains, and be an emotion.
    """
    code = int(majorities(votes[None])[0])
    return None if code < 0 else CLASSES[code]


def majorities(votes: NDArray[np.integer], classes: int = len(CLASSES)) -> NDArray[np.int64]:
    """The column (n,) that each of n rows of votes (n, V) is labelled with; −1 where the protocol discards the row.

    Args:
        votes: Counts, of any number of classes.
        classes: How many of the columns, from the left, are emotions.
    """
    counts = counted(votes)
    top = counts.argmax(1)
    most = counts[np.arange(len(counts)), top]
    return np.where((most * 2 > counts.sum(1)) & (top < classes), top, -1)


def shares(votes: NDArray[np.integer], classes: int = len(CLASSES)) -> NDArray[np.float32]:
    """Soft labels (n, classes) of votes (n, V): each emotion's share of the votes for emotions, single votes dropped.

    Rows are all zeros, which means unlabelled, where emotions do not have more than half of the votes that remain.
    """
    counts = counted(votes)
    emotions = counts[:, :classes]
    total = emotions.sum(1, keepdims=True)
    labelled = total * 2 > counts.sum(1, keepdims=True)
    return np.where(labelled, emotions / np.maximum(total, 1), 0).astype(np.float32)


def counted(votes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Votes without those that only one annotator gave."""
    return np.where(votes <= 1, 0, votes).astype(np.int64)


def enlarged(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A tile as the picture in which its face is found: padded by a quarter, three times as large, RGB (H, W, 3).

    Args:
        tile: (h, w) grey or (h, w, 3) RGB.
    """
    margin = padding(tile)
    padded = cv2.copyMakeBorder(tile, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    large = cv2.resize(padded, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    return large if large.ndim == 3 else cv2.cvtColor(large, cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


def padding(tile: NDArray[np.uint8]) -> int:
    """Pixels by which :func:`enlarged` pads a tile on each side, before it is made larger."""
    return round(max(tile.shape[:2]) * _MARGIN)
