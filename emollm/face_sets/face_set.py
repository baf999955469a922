"""A prepared data set of faces: aligned crops with labels, memory-mapped."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.face_sets.raw import require_datasets
from emollm.types import Record

if TYPE_CHECKING:
    import datasets

RECORD = "set.json"
"""Written last: a folder without it is not finished."""
REJECTS = "rejects.jsonl"


class SetRecord(Record):
    """What a prepared data set says of itself."""

    fingerprint: str
    """Name of its folder: what it was made from and how."""
    labels: tuple[str, ...]
    """The classes, in the order of ``shares``."""
    columns: tuple[str, ...]
    """What ``votes`` are for, the classes first; empty where the layout has no votes."""
    units: tuple[str, ...]
    """Codes of the action units, in the order of ``units``."""
    size: int
    """S."""
    margin: float
    """Of the crops; see :func:`emollm.perception.crops.aligned_crop`."""
    versions: dict[str, str]
    """Of what found and measured the faces."""
    rows: int
    rejects: int
    """Rows of the source that could not be used; ``rejects.jsonl`` says which and why."""
    found: float
    """Share of the rows in which our perception found a face."""
    absent: tuple[str, ...]
    """Classes that no row has."""
    layout: str
    split: str | None
    label_set: str


class Rows(NamedTuple):
    """A batch."""

    crops: NDArray[np.uint8]
    """(n, S, S, 3) RGB."""
    shares: NDArray[np.float32]
    """(n, C) shares of the votes; all zeros: unlabelled."""
    label: NDArray[np.int64]
    """(n,) class by the majority protocol, −1 where it discards the row."""
    units: NDArray[np.float32]
    """(n, U) intensities in [0, 1]; NaN: not measured."""
    affect: NDArray[np.float32]
    """(n, 2) valence and arousal in [-1, 1]; NaN: not labelled."""
    found: NDArray[np.bool_]
    """(n,) whether a face was found; otherwise the crop is the whole picture."""


class FaceSet:
    """Crops, labels and action units of a data set; :func:`emollm.face_sets.prepare.prepare` makes it.

    Crops stay on disk and are copied a batch at a time; labels and units are in memory, about 150 bytes a row. It can be sent to other
    processes, which open it anew.

    Args:
        folder: Where it lies.

    Raises:
        DataError: No prepared data set there.
        MissingDependency: ``datasets`` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.record = SetRecord.from_json((folder / RECORD).read_bytes(), str(folder / RECORD))
        except OSError as error:
            raise DataError(
                f"{folder}: expected a prepared data set of faces, found no {RECORD}; prepare it first"
            ) from error
        package = require_datasets()
        try:
            parts = [package.Dataset.from_file(str(shard)) for shard in sorted(folder.glob("shard-*.arrow"))]
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: a damaged file: {error}; remove the folder and prepare it anew") from error
        if sum(map(len, parts)) != self.record.rows:
            raise DataError(
                f"{folder}: expected {self.record.rows} rows, found {sum(map(len, parts))}; remove it and prepare it anew"
            )
        self.dataset: datasets.Dataset = package.concatenate_datasets(parts)
        """All rows as a memory-mapped table: ``id``, ``split``, ``crop`` (bytes of S × S × 3), ``shares``, ``label``, ``votes``,
        ``units``, ``found``, ``valence``, ``arousal`` (NaN: not given)."""
        self._view()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The data set in a folder that ``prepare`` wrote. Raises DataError if there is none."""
        return cls(folder)

    def __reduce__(self) -> tuple[Callable[[Path], "FaceSet"], tuple[Path]]:
        return type(self), (self.folder,)

    def __len__(self) -> int:
        return len(self._label)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of ``shares``."""
        return self.record.labels

    @property
    def units(self) -> tuple[str, ...]:
        """Codes of the action units, in the order of ``Rows.units``; empty where they were not wanted."""
        return self.record.units

    @property
    def rejects(self) -> int:
        """Number of rows of the source that could not be used."""
        return self.record.rejects

    @property
    def rejects_file(self) -> Path:
        """JSON lines: row of the source (from 0), its id, and the reason."""
        return self.folder / REJECTS

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes of the label set that no row has."""
        return self.record.absent

    @property
    def found(self) -> float:
        """Share of the rows in which our perception found a face."""
        return self.record.found

    @property
    def fingerprint(self) -> str:
        """Changes with the source's content, its settings, the aligner and the perception backend."""
        return self.record.fingerprint

    def rows(self, indices: NDArray[np.integer] | list[int] | slice | None = None) -> Rows:
        """Rows by number, copied; all of them if none are named.

        Raises:
            IndexError: There is no such row.
        """
        if indices is None or isinstance(indices, slice):
            indices = np.arange(len(self))[indices if indices is not None else slice(None)]
        wanted = np.asarray(indices, np.int64)
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"{self.folder}: rows 0 to {len(self) - 1}, wanted {wanted.min()} to {wanted.max()}")
        crops = np.empty((len(wanted), self.record.size, self.record.size, 3), np.uint8)
        batches = np.searchsorted(self._starts, wanted, "right") - 1
        inner = wanted - self._starts[batches]
        for place, (batch, row) in enumerate(zip(batches.tolist(), inner.tolist(), strict=True)):
            crops[place] = self._crops[batch][row]
        return Rows(
            crops,
            self._shares[wanted],
            self._label[wanted],
            self._units[wanted],
            self._affect[wanted],
            self._found[wanted],
        )

    @property
    def shares(self) -> NDArray[np.float32]:
        """(n, C) of all rows, without their crops."""
        return self._shares

    @property
    def label(self) -> NDArray[np.int64]:
        """(n,) of all rows, without their crops."""
        return self._label

    @property
    def affect(self) -> NDArray[np.float32]:
        """(n, 2) of all rows, without their crops."""
        return self._affect

    def frequencies(self, rows: NDArray[np.integer] | None = None, *, hard: bool = False) -> NDArray[np.float64]:
        """How frequent each class is (C,): its mean share of the votes among the labelled rows; sums to 1.

        Args:
            rows: Numbers of the rows that count; all if not given.
            hard: Count the majority protocol's labels instead of votes.

        Raises:
            DataError: None of the rows is labelled.
        """
        wanted = slice(None) if rows is None else rows
        label = self._label[wanted]
        if hard:
            counts = np.bincount(label[label >= 0], minlength=len(self.labels)).astype(np.float64)
        else:
            counts = self._shares[wanted].sum(0, dtype=np.float64)
        if not counts.sum():
            raise DataError(f"{self.folder}: none of {len(label)} rows is labelled")
        return counts / counts.sum()

    def _view(self) -> None:
        """Arrays over the memory-mapped table, without a copy of the crops."""
        table, size = self.dataset.data.table, self.record.size
        self._crops = [
            np.frombuffer(chunk.buffers()[2], np.uint8, len(chunk) * size * size * 3).reshape(-1, size, size, 3)
            for chunk in table["crop"].chunks
            if len(chunk)
        ]
        lengths = [len(crops) for crops in self._crops]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
        self._label = table["label"].to_numpy().astype(np.int64)
        self._found = table["found"].to_numpy().astype(bool)
        self._shares = _matrix(table["shares"], len(self.labels))
        self._units = _matrix(table["units"], len(self.units))
        self._affect = np.stack([table[name].to_numpy() for name in ("valence", "arousal")], -1).astype(np.float32)


def _matrix(column: "object", width: int) -> NDArray[np.float32]:
    """(n, width) of a column of lists."""
    values = column.combine_chunks()  # type: ignore[attr-defined]
    flat = values.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(values), width)
