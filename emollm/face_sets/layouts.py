"""What a reader gives, and the table of readers by layout."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError, unknown_name
from emollm.face_sets.classes import UNLABELLED, Classes
from emollm.face_sets.source import FaceSource


class Raw(NamedTuple):
    """A row as it stands in the source. Either ``path``, ``pixels`` or ``reject`` is given."""

    id: str
    """Its name in the source."""
    split: str = ""
    path: str | None = None
    """Of the picture, relative to the reader's root."""
    pixels: NDArray[np.uint8] | None = None
    """(h, w) grey or (h, w, 3) RGB."""
    votes: NDArray[np.int64] | None = None
    """(V,) in the order of the reader's columns."""
    label: int = UNLABELLED
    """Class of a row without votes."""
    valence: float = float("nan")
    arousal: float = float("nan")
    reject: str | None = None
    """Why the row cannot be used."""


class Reader(Protocol):
    """Reads one source; made anew for each."""

    root: Path
    """What paths of rows are relative to."""
    columns: tuple[str, ...]
    """What votes are for: the classes, then what else is voted for; empty where the layout has no votes."""

    def content(self) -> str:
        """A hash that changes when the source does."""
        ...

    def rows(self) -> Iterator[Raw]:
        """The rows of the chosen part, in the order of the source."""
        ...


_READERS = {
    "npz": "emollm.face_sets.npz:NpzReader",
    "folder": "emollm.face_sets.folder:FolderReader",
    "csv": "emollm.face_sets.manifest:ManifestReader",
}


def reader(source: FaceSource, classes: Classes) -> Reader:
    """The reader of a source.

    Raises:
        DataError: It is not there, or not what its layout says.
    """
    module, _, name = _READERS[source.layout].partition(":")
    made: Reader = getattr(import_module(module), name)(source, classes)
    return made


def spaced(total: int, limit: int | None) -> NDArray[np.int64]:
    """Positions of ``limit`` rows, evenly spaced over ``total``; all if there is no limit."""
    if limit is None or limit >= total:
        return np.arange(total)
    return np.arange(limit) * total // limit


def refuse_split(where: object, split: str, known: list[str]) -> DataError:
    """The error for a part that a source does not have."""
    return DataError(
        f"{where}: {unknown_name('split', split, known)}" if known else f"{where}: has no splits, wanted {split!r}"
    )
