"""Faces in an npz as FER+ is kept here: arrays ``images``, ``votes``, ``columns``, ``name`` and ``split``."""

import zipfile
import zlib
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.face_sets.classes import Classes
from emollm.face_sets.layouts import Raw, refuse_split, spaced
from emollm.face_sets.source import FaceSource

KEYS = ("images", "votes", "columns")
"""``images`` (N, h, w) or (N, h, w, 3) uint8; ``votes`` (N, V) counts; ``columns`` (V,) what they are for."""
MORE = ("name", "split")
"""(N,) each; a file without names has its rows numbered, one without splits has no parts."""

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


class NpzReader:
    """Reads such a file; nothing in it is unpickled, and its images are never all in memory.

    Args:
        source: The npz, and which part of it.
        classes: What the columns of votes are mapped to.

    Raises:
        DataError: Not such a file, arrays that do not fit together, an unknown split, or a class that the label set does not have.
    """

    def __init__(self, source: FaceSource, classes: Classes) -> None:
        self.root = source.path.parent
        self._file = source.path
        self._arrays = _small_arrays(source.path)
        splits = self._arrays["split"]
        if source.split is not None and source.split not in splits:
            raise refuse_split(source.path, source.split, sorted({str(name) for name in np.unique(splits)} - {""}))
        chosen = np.arange(len(splits)) if source.split is None else np.flatnonzero(splits == source.split)
        self._chosen = chosen[spaced(len(chosen), source.limit)]
        self._order = classes.votes([str(name) for name in self._arrays["columns"]], str(source.path))
        self.columns = self._order.columns

    def content(self) -> str:
        """SHA-256 of the file."""
        with self._file.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def rows(self) -> Iterator[Raw]:
        """The rows; one whose votes sum to zero is to be rejected."""
        votes = self._order.sorted(self._arrays["votes"][self._chosen])
        whole = self._arrays["votes"][self._chosen].sum(1)
        names, splits = self._arrays["name"][self._chosen], self._arrays["split"][self._chosen]
        for row, pixels in enumerate(_images(self._file, self._chosen)):
            id, split = str(names[row]), str(splits[row])
            if votes[row].sum() == 0:
                reason = "votes sum to zero" if whole[row] == 0 else "all votes are for ignored classes"
                yield Raw(id, split, reject=reason)
            else:
                yield Raw(id, split, pixels=pixels, votes=votes[row])


def _small_arrays(file: Path) -> dict[str, NDArray]:
    """All arrays but the images, checked against each other and against the images' header."""
    if not file.is_file():
        raise DataError(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}; expected an npz")
    try:
        with file.open("rb") as stream:  # numpy leaves a file open that it opened itself and cannot read
            arrays = np.load(stream, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise ValueError("it holds one array without a name")
            if lacking := [key for key in KEYS if key not in arrays]:
                raise DataError(f"{file}: lacks the array {lacking[0]!r}; expected an npz with {', '.join(KEYS)}")
            small = {key: arrays[key] for key in (*KEYS, *MORE) if key != "images" and key in arrays}
        shape, kind = _header(file)
    except _UNREADABLE as error:
        raise DataError(f"{file}: expected an npz with {', '.join(KEYS)}: {_told(error)}") from error
    if kind != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
        raise DataError(f"{file}: expected images (N, h, w) or (N, h, w, 3) of uint8, got {shape} of {kind}")
    if not shape[0]:
        raise DataError(f"{file}: holds no image")
    small.setdefault("name", np.char.zfill(np.arange(shape[0]).astype(str), 7))
    small.setdefault("split", np.full(shape[0], ""))
    wanted = {"votes": (shape[0], len(small["columns"])), "name": (shape[0],), "split": (shape[0],)}
    for key, expected in wanted.items():
        if small[key].shape != expected:
            raise DataError(f"{file}: expected {key} of shape {expected} for {shape[0]} images, got {small[key].shape}")
    if small["votes"].dtype.kind not in "iu" or (small["votes"].size and small["votes"].min() < 0):
        raise DataError(f"{file}: expected votes as whole numbers from 0, got {small['votes'].dtype}")
    return small


def _header(file: Path) -> tuple[tuple[int, ...], np.dtype]:
    with zipfile.ZipFile(file) as parts, parts.open("images.npy") as images:
        shape, _, kind = _read_header(images)
    return shape, kind


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


def _images(file: Path, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """The chosen images, read one after the other.

    Raises:
        DataError: The file is damaged.
    """
    try:
        with zipfile.ZipFile(file) as parts, parts.open("images.npy") as images:
            shape, column_major, _ = _read_header(images)
            if column_major:
                raise ValueError("images are stored column by column; save them with numpy.ascontiguousarray")
            one, at = int(np.prod(shape[1:])), 0
            for row in chosen.tolist():
                for _ in range(at, row):
                    images.read(one)
                data = images.read(one)
                if len(data) != one:
                    raise EOFError(f"its end is missing from image {row} on")
                at = row + 1
                yield np.frombuffer(data, np.uint8).reshape(shape[1:])
    except _UNREADABLE as error:
        raise DataError(f"{file}: {_told(error)}") from error


def _told(error: BaseException) -> str:
    text = str(error)
    return "not an npz, or damaged" if not text or "pickle" in text else " ".join(text.split())
