"""Parquet of Samples: the ``messages`` lines as columns (zstd), for large sets and for ``datasets``.

Reads and writes Samples; nothing is lost. Columns: ``id``, ``task``, ``label``, ``split`` as text to filter by, ``messages`` as
list<struct<role, content>> with marks for media, ``images``, ``videos``, ``audios`` as lists of paths, and ``sample``: the whole Sample as JSON,
which is what is read back (paths relative to ``--root`` in the lists only). A Parquet file of others is read where it has ``messages`` or
``conversations``, or text columns that hold them as JSON.

Needs the package ``pyarrow``. A row group holds 1000 Samples, so memory is flat both ways.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emollm.data_engines.formats.base import Fault, Format, Found, Head, Options, Sink
from emollm.data_engines.formats.conversations import number_id
from emollm.data_engines.formats.files import Element, each
from emollm.data_engines.formats.llamafactory import sample as conversation
from emollm.data_engines.formats.media import files_by_kind, tagged
from emollm.data_engines.formats.messages import COLUMNS
from emollm.data_engines.formats.messages import sample as own
from emollm.data_engines.formats.sinks import Lost
from emollm.errors import DataError, one_line
from emollm.files import replacing
from emollm.samples import Sample

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 1000
"""Rows of a row group."""
_LISTS = tuple(COLUMNS.values())


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Sample] | Fault]:
    """Samples of Parquet files; the place of a record is ``file:row``."""
    for path in paths:

        def make(one: Element, index: int, path: Path = path) -> Sample:
            return _sample(one, number_id(path, index), options)

        yield from each(_rows(path), make)


def _sample(one: Element, fallback: str, options: Options) -> Sample:
    row = one.value
    if isinstance(row.get("sample"), str):
        return Sample.from_json(row["sample"], one.where)
    for name in ("messages", "conversations"):
        if isinstance(row.get(name), str):
            try:
                row = {**row, name: json.loads(row[name])}
            except ValueError as error:
                raise DataError(f"{name}: not JSON: {error}") from error
    row = {name: value for name, value in row.items() if value is not None}
    if "messages" in row:
        return own(row, one.where, fallback, options)
    return conversation(row, fallback, {}, options, "trl")


def _rows(path: Path) -> Iterator[Element | Fault]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            if not names & {"sample", "messages", "conversations"}:
                raise DataError(
                    f"{path}: no column 'sample', 'messages' or 'conversations'; has: {', '.join(sorted(names))[:120]}"
                )
            number = 0
            for batch in file.iter_batches(batch_size=GROUP, columns=["sample"] if "sample" in names else None):
                for row in batch.to_pylist():
                    number += 1
                    yield Element(f"{path}:{number}", row)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or one_line(str(error))}") from error
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {one_line(str(error))}") from error


class _ParquetSink:
    """Rows in groups of :data:`GROUP`."""

    def __init__(self, writer: Any, schema: "pa.Schema", options: Options) -> None:
        self.lost: Lost = Counter()
        self._writer, self._schema, self._options = writer, schema, options
        self._rows: list[dict[str, Any]] = []

    def add(self, record: Sample) -> None:
        """See :meth:`emollm.data_engines.formats.base.Sink.add`."""
        files = files_by_kind(record.media, self._options)
        self._rows.append(
            {
                "id": record.id,
                "task": record.task.value,
                "label": record.label,
                "split": record.split,
                "messages": [{"role": turn.role, "content": tagged(turn)} for turn in record.messages],
                **{name: files.get(kind) for kind, name in COLUMNS.items()},
                "sample": record.to_json(),
            }
        )
        if len(self._rows) >= GROUP:
            self.flush()

    def flush(self) -> None:
        """Writes a row group."""
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []


@contextmanager
def write(out: Path, options: Options) -> Iterator[Sink[Sample]]:
    """A Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    texts = [(name, pa.string()) for name in ("id", "task", "label", "split")]
    lists = [(name, pa.list_(pa.string())) for name in _LISTS]
    schema = pa.schema([*texts, ("messages", pa.list_(turn)), *lists, ("sample", pa.string())])
    with replacing(out) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        sink = _ParquetSink(writer, schema, options)
        yield sink
        sink.flush()


def _recognises(head: Head) -> bool:
    return head.line == "PAR1"


FORMAT = Format("parquet", "Parquet of conversations", "samples", _recognises, read, write)
