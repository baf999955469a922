"""Embeddings of faces as a Parquet file.

One row a look; the columns are in :func:`schema`, and what made them stands in the schema's metadata, each value as UTF-8 text
(``classes`` and ``created_by`` as JSON). Reading it back without pandas::

    import json
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table("faces.parquet")
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)      # (n, E) float32
    chances = table["probabilities"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)  # (n, C) float32
    ids = np.array(table["id"].to_pylist())                                                         # (n,)
    classes = json.loads(table.schema.metadata[b"classes"])                                         # C names

(an empty table has no width of its own: it stands in ``table.schema.field("embedding").type.list_size``). A part of a large
file is read by ``pq.ParquetFile("faces.parquet").iter_batches(columns=["id", "embedding"])``.
"""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from emollm import __version__
from emollm.embedding import EmbeddedClip, EmbeddedFace, Net, exact
from emollm.errors import MissingDependency
from emollm.types import Box

ROWS = 4096
"""Rows of a group: what is held in memory at a time."""

_FORMAT, _EMPTY = b"emollm_embeddings", b"emollm_clips_without_faces"
_NOT_OURS = b"not a table of embeddings\n"


def pyarrow() -> Any:
    """The package ``pyarrow``, with ``pyarrow.parquet``.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingDependency(f"Parquet needs the package {error.name!r}; pip install 'emollm[face]'") from error
    return pyarrow


def schema(net: Net) -> Any:
    """The columns of a table, and in its metadata what made it.

    Args:
        net: What embeds.
    """
    pa = pyarrow()
    columns = [
        pa.field("id", pa.string(), False),
        pa.field("track", pa.string(), False),
        pa.field("time", pa.float64(), False),
        pa.field("apex", pa.bool_(), False),
        *(pa.field(name, pa.float64(), False) for name in ("x", "y", "width", "height")),
        pa.field("confidence", pa.float64(), False),
        pa.field("net", pa.string(), False),
        pa.field("net_version", pa.string(), False),
        pa.field("label", pa.string(), False),
        pa.field("probabilities", pa.list_(pa.field("element", pa.float32(), False), len(net.classes)), False),
        pa.field("embedding", pa.list_(pa.field("element", pa.float32(), False), net.width), False),
    ]
    metadata = {
        _FORMAT: "1",
        "net": net.name,
        "net_version": net.version,
        "head": str(net.head),
        "classes": json.dumps(net.classes),
        "licence": net.licence,
        "units": "time in seconds from the clip's zero; x, y, width, height in pixels of the file",
        "created_by": json.dumps({"emollm": __version__, "pyarrow": pa.__version__, "torch": _torch_version()}),
    }
    return pa.schema(columns, metadata)


class ParquetForm:
    """Records :class:`~emollm.embedding.EmbeddedClip` as a table, and back; see :class:`emollm.cli.journal.Form`.

    Clips without faces have no row; they stand in the file's metadata, so that a later run knows that they were looked at.

    Args:
        net: What embeds.

    Raises:
        MissingDependency: pyarrow is not installed.
    """

    def __init__(self, net: Net) -> None:
        self._net = net
        self._arrow = pyarrow()

    def expected(self, kind: str) -> str:
        return "a table of face embeddings"

    def write(self, file: IO[bytes], lines: Iterable[bytes]) -> None:
        """Writes records, a group of rows after the other."""
        columns = schema(self._net)
        empty: list[tuple[int, str, str | None]] = []
        rows: list[dict[str, Any]] = []
        with self._arrow.parquet.ParquetWriter(file, columns, use_dictionary=_REPEATED) as writer:
            for place, line in enumerate(lines):
                clip = EmbeddedClip.from_json(line)
                if not clip.faces:
                    empty.append((place, clip.id, clip.note))
                for face in clip.faces:
                    rows.append(self._row(clip.id, face))
                    if len(rows) == ROWS:
                        writer.write_table(self._arrow.Table.from_pylist(rows, columns))
                        rows = []
            if rows:
                writer.write_table(self._arrow.Table.from_pylist(rows, columns))
            writer.add_key_value_metadata({_EMPTY: json.dumps(empty)})

    def read(self, path: Path) -> IO[bytes]:
        """The records of a file that :meth:`write` wrote, a line of JSON each, in their order."""
        if not path.stat().st_size:
            return io.BytesIO()
        try:
            opened = self._arrow.parquet.ParquetFile(path)
        except self._arrow.ArrowException:
            return io.BytesIO(_NOT_OURS)
        with opened:
            metadata = opened.metadata.metadata or {}
            if _FORMAT not in metadata or _EMPTY not in metadata:
                return io.BytesIO(_NOT_OURS)
            lines = TemporaryFile()  # noqa: SIM115 (its reader closes it)
            empty = [EmbeddedClip(id=id, faces=(), note=note) for _, id, note in json.loads(metadata[_EMPTY])]
            places = dict(zip((place for place, _, _ in json.loads(metadata[_EMPTY])), empty, strict=True))
            for clip in _in_place(_clips(opened), places):
                lines.write(clip.to_json().encode() + b"\n")
        lines.seek(0)
        return lines

    def _row(self, id: str, face: EmbeddedFace) -> dict[str, Any]:
        return {
            "id": id,
            "track": face.track,
            "time": face.time,
            "apex": face.apex,
            **face.box.model_dump(),
            "confidence": face.confidence,
            "net": self._net.name,
            "net_version": self._net.version,
            "label": face.label,
            "probabilities": face.probabilities,
            "embedding": face.vector,
        }


_REPEATED = ["id", "track", "net", "net_version", "label"]
"""Columns whose values repeat."""


def _clips(opened: Any) -> Iterator[EmbeddedClip]:
    """The clips of an opened table, in their order; rows of one clip stand together."""
    id: str | None = None
    faces: list[EmbeddedFace] = []
    for batch in opened.iter_batches(batch_size=ROWS):
        chances, vectors = (
            batch.column(name).flatten().to_numpy().reshape(len(batch), -1) for name in ("probabilities", "embedding")
        )
        rows = batch.drop_columns(["probabilities", "embedding"]).to_pylist()
        for row, chance, vector in zip(rows, chances, vectors, strict=True):
            if row["id"] != id:
                if id is not None:
                    yield EmbeddedClip(id=id, faces=tuple(faces))
                id, faces = row["id"], []
            faces.append(
                EmbeddedFace(
                    **{name: row[name] for name in ("track", "time", "apex", "confidence", "label")},
                    box=Box(**{name: row[name] for name in ("x", "y", "width", "height")}),
                    probabilities=tuple(exact(chance)),
                    vector=tuple(exact(vector)),
                )
            )
    if id is not None:
        yield EmbeddedClip(id=id, faces=tuple(faces))


def _in_place(clips: Iterator[EmbeddedClip], empty: dict[int, EmbeddedClip]) -> Iterator[EmbeddedClip]:
    """Clips with those without faces put where they were."""
    place = 0
    for clip in clips:
        while place in empty:
            yield empty[place]
            place += 1
        yield clip
        place += 1
    while place in empty:
        yield empty[place]
        place += 1


def _torch_version() -> str:
    import torch

    return str(torch.__version__)
