"""The rows of a source as they stand there, as one Arrow file: labels, votes, and either pixels or the path of a picture."""

import json
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emollm.errors import DataError, MissingDependency
from emollm.face_sets.classes import Classes
from emollm.face_sets.layouts import Raw, Reader, reader
from emollm.face_sets.source import FaceSource
from emollm.files import replacing

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_VERSION = 1
"""Of what the file holds; a change of the readers is a new version."""
_BATCH = 256


def read(source: FaceSource, work: Path) -> "datasets.Dataset":
    """The rows of a source as a table.

    Its columns are ``id``, ``split``, ``path`` or ``pixels`` with ``shape``, ``votes``, ``label``, ``valence``, ``arousal``, and
    ``reject``: the reason why a row cannot be used.

    Args:
        source: Where they are.
        work: Folder where the table is kept; it is memory-mapped.

    Raises:
        DataError: The source is not there, not what its layout says, or has a class that the label set does not have.
        ConfigError: Unknown label set.
        MissingDependency: ``datasets`` is not installed.
    """
    from_file = require_datasets().Dataset.from_file
    made = reader(source, Classes(source.label_set, source.ignore))
    return from_file(str(raw_table(made, fingerprint(source, made.content()), work)))


def require_datasets() -> Any:
    """The package ``datasets``. Raises MissingDependency if it is not installed."""
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"data sets of faces need the package {error.name!r}; install it with: pip install 'emollm[train]'"
        ) from error
    return datasets


def fingerprint(source: FaceSource, content: str) -> str:
    """What a source's rows depend on; where the source lies is not part of it."""
    labels = Classes(source.label_set)
    settings = source.model_dump(mode="json", exclude={"path"})
    if not source.columns.folder:  # came later than sets that were made without it
        del settings["columns"]["folder"]
    return digest([_VERSION, settings, labels.digest, content])


def digest(value: object) -> str:
    """Twenty hexadecimal digits that stand for a value of JSON."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def raw_table(made: Reader, name: str, work: Path) -> Path:
    """The Arrow file of a reader's rows; written unless it is there.

    Raises:
        DataError: No row in the source, or a source that cannot be read to its end.
    """
    import pyarrow as pa

    file = work / f"raw-{name}.arrow"
    if file.is_file():
        return file
    rows = made.rows()
    with replacing(file) as out, pa.ipc.new_stream(out, _schema()) as writer:
        count = 0
        while batch := list(islice(rows, _BATCH)):
            writer.write_batch(_batch(batch))
            count += len(batch)
        if not count:
            raise DataError(f"{made.root}: no row to read")
    return file


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(
        {
            "id": pa.string(),
            "split": pa.string(),
            "path": pa.string(),
            "pixels": pa.binary(),
            "shape": pa.list_(pa.int32()),
            "votes": pa.list_(pa.int32()),
            "label": pa.int32(),
            "valence": pa.float32(),
            "arousal": pa.float32(),
            "reject": pa.string(),
        }
    )


def _batch(rows: list[Raw]) -> "pa.RecordBatch":
    import pyarrow as pa

    values: dict[str, list[Any]] = {
        "id": [row.id for row in rows],
        "split": [row.split for row in rows],
        "path": [row.path for row in rows],
        "pixels": [None if row.pixels is None else row.pixels.tobytes() for row in rows],
        "shape": [[] if row.pixels is None else list(row.pixels.shape) for row in rows],
        "votes": [[] if row.votes is None else row.votes.tolist() for row in rows],
        "label": [row.label for row in rows],
        "valence": [row.valence for row in rows],
        "arousal": [row.arousal for row in rows],
        "reject": [row.reject for row in rows],
    }
    schema = _schema()
    return pa.record_batch([pa.array(values[field.name], field.type) for field in schema], schema=schema)


class RawTable:
    """Rows of such a file by position, for a worker; memory-mapped.

    Args:
        file: From :func:`raw_table`.
    """

    def __init__(self, file: Path) -> None:
        import pyarrow as pa

        self._table = pa.ipc.open_stream(pa.memory_map(str(file))).read_all()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def rows(self, start: int, stop: int) -> Iterator[Raw]:
        """The rows from ``start`` to before ``stop``."""
        for row in self._table.slice(start, stop - start).to_pylist():
            data, votes = row.pop("pixels"), row.pop("votes")
            shape = row.pop("shape")
            pixels = None if data is None else np.frombuffer(data, np.uint8).reshape(shape)
            yield Raw(**row, pixels=pixels, votes=np.array(votes, np.int64) if votes else None)
