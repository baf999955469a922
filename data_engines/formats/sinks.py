"""Outputs that are written one record at a time and appear whole: JSON lines, a JSON list or object, csv."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Generic, Literal

from emollm.data_engines.formats.base import H_contra
from emollm.errors import DataError
from emollm.files import replacing

Lost = Counter[str]
"""What a format could not hold, with the number of records."""


class JsonSink(Generic[H_contra]):
    """Records as JSON.

    Args:
        file: Open for text.
        form: One a line, a list, or one object by name.
        encode: The JSON value of a record; for an object its name and value. Raises DataError if the format cannot hold it.
    """

    def __init__(
        self, file: IO[str], form: Literal["lines", "list", "object"], encode: Callable[[H_contra, Lost], Any]
    ) -> None:
        self.lost: Lost = Counter()
        self._file, self._form = file, form
        self._encode: Callable[[H_contra, Lost], Any] = encode
        self._count = 0

    def add(self, record: H_contra) -> None:
        """See :meth:`emollm.data_engines.formats.base.Sink.add`."""
        lost: Lost = Counter()
        value = self._encode(record, lost)
        text = _json(value[1] if self._form == "object" else value)
        if self._form == "object":
            text = f"{_json(value[0])}: {text}"
        if self._form == "lines":
            self._file.write(f"{text}\n")
        else:
            self._file.write(f"{',' if self._count else ''}\n{text}")
        self._count += 1
        self.lost.update(lost)

    def begin(self) -> None:
        """The opening bracket."""
        self._file.write({"lines": "", "list": "[", "object": "{"}[self._form])

    def end(self) -> None:
        """The closing bracket."""
        self._file.write({"lines": "", "list": "\n]\n", "object": "\n}\n"}[self._form])


@contextmanager
def json_sink(
    out: Path, form: Literal["lines", "list", "object"], encode: Callable[[H_contra, Lost], Any]
) -> Iterator[JsonSink[H_contra]]:
    """A JSON file that is written record by record."""
    with replacing(out, "w") as file:
        sink = JsonSink(file, form, encode)
        sink.begin()
        yield sink
        sink.end()


class CsvSink(Generic[H_contra]):
    """Records as rows of a csv file with a header.

    Args:
        file: Open for text.
        columns: The header.
        encode: The cells of a record by column; a column that is not given is empty.
    """

    def __init__(
        self, file: IO[str], columns: Sequence[str], encode: Callable[[H_contra, Lost], Mapping[str, object]]
    ) -> None:
        self.lost: Lost = Counter()
        self._encode: Callable[[H_contra, Lost], Mapping[str, object]] = encode
        self._columns = columns
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(columns)

    def add(self, record: H_contra) -> None:
        """See :meth:`emollm.data_engines.formats.base.Sink.add`."""
        lost: Lost = Counter()
        cells = self._encode(record, lost)
        if strange := set(cells) - set(self._columns):
            raise DataError(f"no column {sorted(strange)[0]!r}")
        self._writer.writerow([_cell(cells.get(name, "")) for name in self._columns])
        self.lost.update(lost)


@contextmanager
def csv_sink(
    out: Path, columns: Sequence[str], encode: Callable[[H_contra, Lost], Mapping[str, object]]
) -> Iterator[CsvSink[H_contra]]:
    """A csv file that is written row by row."""
    with replacing(out, "w") as file:
        yield CsvSink(file, columns, encode)


def _cell(value: object) -> object:
    text = str(value)
    if "\r" in text or "\0" in text:
        raise DataError("a cell of csv cannot hold a carriage return or a zero byte")
    return value


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"cannot be written as JSON: {error}") from error
