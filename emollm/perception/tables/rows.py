"""Reading the rows of another tool's csv: streamed, only the columns that are wanted, every fault with file and line."""

import csv
import difflib
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emollm.errors import DataError
from emollm.files import opened_text
from emollm.perception.course import CourseSettings
from emollm.types import Observation, Table

_BINARY = ", not a csv table; give the csv that the tool wrote"


@dataclass(frozen=True)
class Reader:
    """One tool's format: how its header is known, and how its rows become an Observation."""

    tool: str
    """The tool's name as people write it."""
    recognises: Callable[[Sequence[str]], bool]
    """Whether these column names, stripped of spaces, are this tool's."""
    read: Callable[[Table, str, CourseSettings], Observation]
    """``read(table, clip_id, settings)``."""


@dataclass(frozen=True)
class Rows:
    """The wanted columns of a table. NaN and an empty cell are both NaN: nothing was measured there."""

    path: Path
    columns: tuple[str, ...]
    """All columns of the file, stripped, also those that were not read."""
    lines: np.ndarray
    """(R,) line of the file on which each row ends, for messages."""
    numbers: dict[str, np.ndarray]
    """(R,) float64 per column."""
    words: dict[str, tuple[str, ...]]
    """R stripped cells per column."""

    def __len__(self) -> int:
        return len(self.lines)

    def check_range(self, column: str, low: float, high: float, hint: str = "") -> np.ndarray:
        """(R,) the column, with rounding dust beyond its range cut off.

        Raises:
            DataError: A value is clearly outside the range.
        """
        values = self.numbers[column]
        dust = 1e-3 * (high - low)
        wrong = np.flatnonzero((values < low - dust) | (values > high + dust))
        if len(wrong):
            raise DataError(
                f"{self.path}:{self.lines[wrong[0]]}: {column} is {values[wrong[0]]:g}, expected {low:g} to {high:g}"
                + (f"; {hint}" if hint else "")
            )
        return np.clip(values, low, high)

    def filled(self, column: str) -> np.ndarray:
        """(R,) the column, which must have a number in each row: a frame, a face's id.

        Raises:
            DataError: A cell is empty.
        """
        values = self.numbers[column]
        if len(empty := np.flatnonzero(np.isnan(values))):
            raise DataError(f"{self.path}:{self.lines[empty[0]]}: {column} is empty; expected a number in every row")
        return values

    def times(self, column: str, chosen: np.ndarray, unit: float = 1.0) -> np.ndarray:
        """(T,) seconds of the chosen rows.

        Args:
            column: The time column.
            chosen: (R,) mask or (T,) indices of one person's rows.
            unit: Seconds in one unit of the column.

        Raises:
            DataError: A time is missing or negative, or the times go backwards.
        """
        values, lines = self.filled(column)[chosen] * unit, self.lines[chosen]
        for wrong, what in ((values < 0, "is negative"), (np.diff(values, prepend=values[:1]) < 0, "goes backwards")):
            if wrong.any():
                raise DataError(f"{self.path}:{lines[wrong.argmax()]}: {column} {what}; times rise from 0")
        return values

    def frame_times(self, column: str, chosen: np.ndarray, fps: float | None) -> np.ndarray | None:
        """(T,) seconds of the chosen rows by their frame numbers, or by their order where there are none.

        Args:
            column: The column of frame numbers.
            chosen: (T,) indices of one person's rows.
            fps: Frames a second; without them there are no times.

        Raises:
            DataError: The numbers are negative or go backwards, or a cell is empty.
        """
        if fps is None:
            return None
        if column in self.numbers:
            return self.times(column, chosen) / fps
        return chosen.astype(np.float64) / fps


def header(path: Path) -> tuple[str, ...]:
    """The column names of a csv file, stripped of spaces.

    Raises:
        DataError: The file cannot be read, is empty, or is not csv text.
    """
    with opened_text(path, _BINARY, "; is it a csv table?") as file:
        return _header(path, csv.reader(file))


def read_rows(path: Path, number: Callable[[str], bool], word: Callable[[str], bool] = lambda _: False) -> Rows:
    """The rows of a csv file with a header.

    The file is streamed: memory goes to the wanted columns only, 8 bytes a number.

    Args:
        path: The file; the delimiter is a comma.
        number: Whether a column is wanted as numbers.
        word: Whether a column is wanted as text.

    Raises:
        DataError: No file, no text, no rows, a row of another length than the header, a cell that is no finite number.
    """
    with opened_text(path, _BINARY, "; is it a csv table?") as file:
        reader = csv.reader(file)
        columns = _header(path, reader)
        numbers = [(index, name, array("d")) for index, name in enumerate(columns) if number(name)]
        words: list[tuple[int, str, list[str]]] = [(i, name, []) for i, name in enumerate(columns) if word(name)]
        lines = array("q")
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                raise DataError(
                    f"{path}:{reader.line_num}: {len(row)} cells but the header has {len(columns)}; is the file cut off?"
                )
            lines.append(reader.line_num)
            for index, name, values in numbers:
                values.append(_number(row[index], name, path, reader.line_num))
            for index, _, texts in words:
                texts.append(row[index].strip())
    if not lines:
        raise DataError(f"{path}:1: a header but no rows; nothing was measured")
    return Rows(
        path,
        columns,
        np.frombuffer(lines, dtype=np.int64),
        {name: np.frombuffer(values, dtype=np.float64) for _, name, values in numbers},
        {name: tuple(texts) for _, name, texts in words},
    )


def missing_column(path: Path, tool: str, name: str, columns: Sequence[str], hint: str = "") -> DataError:
    """The error for a column that a tool always writes and this file lacks."""
    close = difflib.get_close_matches(name, columns, n=1)
    found = f"; the closest is {close[0]!r}" if close else ""
    return DataError(f"{path}:1: no column {name!r}, which {tool} writes{found}{'; ' + hint if hint else ''}")


def _number(cell: str, name: str, path: Path, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        if not cell.strip():
            return math.nan
        raise DataError(f"{path}:{line}: {name}: expected a number, got {cell.strip()[:40]!r}") from None
    if math.isinf(value):
        raise DataError(f"{path}:{line}: {name}: expected a finite number, got {cell.strip()!r}")
    return value


def _header(path: Path, reader: Any) -> tuple[str, ...]:
    columns = tuple(" ".join(cell.split()) for cell in next(reader, []))
    if not any(columns):
        raise DataError(f"{path}:1: empty file; expected a header line and rows")
    if len(columns) == 1 and (mark := next((mark for mark in ";\t" if mark in columns[0]), None)):
        raise DataError(f"{path}:1: cells are separated by {mark!r}; expected commas")
    if twice := sorted({name for name in columns if name and columns.count(name) > 1}):
        raise DataError(f"{path}:1: column {twice[0]!r} stands twice")
    return columns
