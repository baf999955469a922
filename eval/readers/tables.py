"""Lists as data sets publish them: csv, tab-separated, or words with spaces between them, with a line of names or without."""

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, TextIO

from emollm.errors import DataError, one_line, unknown_name
from emollm.eval.readers.findings import Findings
from emollm.files import opened_text

Separator = Literal[",", ";", "\t", " "]
"""A space stands for any white space."""


class Row(NamedTuple):
    """A line of a list."""

    where: str
    """File and line."""
    line: int
    """On which it ends."""
    cells: Mapping[str, str]
    """By column, stripped."""

    def of(self, names: Sequence[str]) -> str:
        """The cell of the first of the columns that the list has; empty if it has none of them."""
        return next((self.cells[name] for name in names if name in self.cells), "")

    def number(self, names: Sequence[str], found: Findings) -> float | None:
        """The same as a number; None where none is given. What is no number is told."""
        if not (cell := self.of(names)):
            return None
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            found.lack(f"{names[0]} {one_line(cell, 30)!r} is no number", self.where)
            return None
        return value


def table(
    path: Path, found: Findings, needs: Sequence[Sequence[str]], separator: Separator = ",", header: Sequence[str] = ()
) -> Iterator[Row]:
    """The rows of a list; one with too few or too many cells is told and left out.

    Args:
        path: UTF-8, with or without a byte order mark.
        found: Is told of such rows.
        needs: Columns that must be there, each by the names that it may have.
        separator: Between cells.
        header: The columns, where the list does not begin with their names.

    Raises:
        DataError: It cannot be read, or lacks a column.
    """
    with opened_text(path, "; expected a list in UTF-8", "; save it as UTF-8") as file:
        rows = _cells(file, separator)
        columns = tuple(name.strip() for name in (header or next(rows, (0, []))[1]))
        for names in needs:
            if not any(name in columns for name in names):
                raise DataError(
                    f"{path}: {unknown_name('column', names[0], columns)}; name it in the reader's settings"
                )
        for line, cells in rows:
            where = f"{path.name}:{line}"
            if len(cells) != len(columns):
                found.lack(f"a row of {path.name} without exactly {len(columns)} cells, left out", where)
                continue
            yield Row(where, line, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)})


def _cells(file: TextIO, separator: Separator) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and cells of each row that is not empty."""
    if separator == " ":
        for number, line in enumerate(file, 1):
            if cells := line.split():
                yield number, cells
        return
    rows = csv.reader(file, delimiter=separator)
    for cells in rows:
        if any(cell.strip() for cell in cells):
            yield rows.line_num, cells


def place(root: Path, *patterns: str) -> Path | None:
    """The file of a data set that a pattern names, or None; of several the first by name.

    Args:
        root: The folder of the data set, or one of its files, which is then the only one that there is.
        patterns: Relative to the folder, ``*`` allowed, or a whole path; the first that names a file counts.
    """
    for pattern in filter(None, patterns):
        if PurePosixPath(pattern).is_absolute():
            if Path(pattern).is_file():
                return Path(pattern)
        elif root.is_file():
            if fnmatch(root.name, PurePosixPath(pattern).name):
                return root
        elif files := sorted(path for path in root.glob(pattern) if path.is_file()):
            return files[0]
    return None


def folder_of(root: Path) -> Path:
    """The folder that media are looked for in."""
    return root.parent if root.is_file() else root


def checked_template(template: str, *fields: str) -> str:
    """The template, for a validator of settings. Raises ValueError if it holds anything in braces but these fields."""
    try:
        template.format(**dict.fromkeys(fields, ""))
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        known = ", ".join(f"{{{name}}}" for name in fields)
        raise ValueError(f"{template!r} may hold {known} in braces and nothing else") from error
    return template


def checked_pattern(pattern: str, group: str) -> str:
    """The regular expression, for a validator of settings. Raises ValueError if it is none, or lacks the named group."""
    try:
        names = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if group not in names:
        raise ValueError(f"expected a group (?P<{group}>…)")
    return pattern
