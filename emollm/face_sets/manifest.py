"""Faces listed in a CSV, a line a picture: FER2013's own file, AffectNet's lists, FER+'s votes."""

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest, sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError, one_line, unknown_name
from emollm.face_sets.classes import Classes, Order
from emollm.face_sets.folder import stamp
from emollm.face_sets.layouts import Raw, refuse_split, spaced
from emollm.face_sets.source import FaceSource
from emollm.files import opened_text

if TYPE_CHECKING:
    from _csv import Reader

_LONGEST = 1 << 24
"""Characters in a cell: greys of a picture of 2,000 × 2,000 pixels."""
_NOT_GIVEN = -2.0
"""AffectNet's valence and arousal of pictures without a face."""


class _Refused(Exception):
    """Why a row cannot be used."""


class _Line(NamedTuple):
    number: int
    """Of the line on which the row ends."""
    cells: dict[str, str]
    """By column; those that the row has."""
    whole: bool
    """The row has as many cells as there are columns."""


class ManifestReader:
    """Reads such a file; paths in it are relative to its folder.

    Args:
        source: The CSV, what its columns are called, and which part of it.
        classes: What words and codes are mapped to.

    Raises:
        DataError: Not such a file, a column or split that it does not have, or a class that the label set does not have.
    """

    def __init__(self, source: FaceSource, classes: Classes) -> None:
        self.root = source.path.parent / source.columns.folder
        self._file, self._named, self._split, self._limit = source.path, source.columns, source.split, source.limit
        if not self._file.is_file():
            raise DataError(f"{self._file}: {'is a folder' if self._file.is_dir() else 'no such file'}; expected a CSV")
        self._header = self._checked_header()
        self._order: Order | None = None
        if self._named.votes:
            self._order = classes.votes(self._named.votes, f"{self._file}: columns.votes")
        self.columns = self._order.columns if self._order else ()
        self._labels: dict[str, int | None] = {}
        self._total = self._survey(classes)

    def content(self) -> str:
        """SHA-256 of the file, and of sizes and times of change of the pictures that it names."""
        with self._file.open("rb") as file:
            found = sha256(file_digest(file, "sha256").digest())
        if self._named.pixels is None:
            for line in self._lines():
                found.update(stamp(self.root / line.cells.get(str(self._named.image), "")).encode() + b"\n")
        return found.hexdigest()

    def rows(self) -> Iterator[Raw]:
        """The rows of the chosen part, in the order of the file."""
        wanted = None if self._limit is None else set(spaced(self._total, self._limit).tolist())
        for row, line in enumerate(self._lines()):
            if wanted is not None and row not in wanted:
                continue
            blank = Raw(
                line.cells.get(str(self._named.image)) or f"line {line.number}", line.cells.get(self._named.split, "")
            )
            try:
                yield self._row(line, blank)
            except _Refused as refused:
                yield blank._replace(reject=str(refused))

    def _row(self, line: _Line, blank: Raw) -> Raw:
        if not line.whole:
            raise _Refused(f"line {line.number} does not have the header's {len(self._header)} cells")
        row = blank._replace(
            valence=_affect(line.cells, self._named.valence), arousal=_affect(line.cells, self._named.arousal)
        )
        if self._order is not None:
            row = row._replace(votes=self._votes(line.cells, self._order))
        else:
            row = row._replace(label=self._label(line.cells[self._named.label]))
        if self._named.pixels is not None:
            return row._replace(pixels=_greys(line.cells[self._named.pixels]))
        path = line.cells[str(self._named.image)]
        if not path.strip():
            raise _Refused("no path of a picture")
        return row._replace(path=path)

    def _label(self, word: str) -> int:
        if not word.strip():
            raise _Refused("no label")
        label = self._labels[word]
        if label is None:
            raise _Refused(f"class {word!r} is ignored")
        return label

    def _votes(self, cells: dict[str, str], order: Order) -> NDArray[np.int64]:
        counts = [cells[name] for name in self._named.votes]
        try:
            votes = np.array([int(cell) for cell in counts], np.int64)
        except (ValueError, OverflowError):
            raise _Refused(f"votes are not all whole numbers: {one_line(', '.join(counts), 80)}") from None
        if votes.min() < 0 or votes.max() > np.iinfo(np.int32).max:
            raise _Refused(f"votes below zero or too many: {one_line(', '.join(counts), 80)}")
        kept = order.sorted(votes[None])[0]
        if not kept.sum():
            raise _Refused("all votes are for ignored classes" if votes.sum() else "votes sum to zero")
        return kept

    def _survey(self, classes: Classes) -> int:
        """Looks all labels of the chosen part up, so that a class that is not known is said before any work; counts the rows."""
        total, known = 0, set[str]()
        for line in self._lines(everything=True):
            split = line.cells.get(self._named.split, "")
            known.add(split)
            if self._split not in (None, split):
                continue
            total += 1
            word = line.cells.get(self._named.label, "") if self._order is None else ""
            if word.strip() and word not in self._labels:
                where = f"{self._file}:{line.number}"
                self._labels[word] = None if classes.ignored(word) else classes.label(word, where)
        if not total:
            if self._split is not None and known:
                raise refuse_split(self._file, self._split, sorted(known))
            raise DataError(f"{self._file}: has no row")
        return total

    def _checked_header(self) -> list[str]:
        with self._opened() as rows:
            header: list[str] = next(rows, [])
        if not header:
            raise DataError(f"{self._file}: is empty; expected a CSV whose first line names its columns")
        if twice := next((name for name in header if header.count(name) > 1), None):
            raise DataError(f"{self._file}: two columns are called {twice!r}")
        for setting, name in self._wanted():
            if name not in header:
                raise DataError(
                    f"{self._file}: {unknown_name('column', name, header)}; set source.columns.{setting} (data.columns.{setting} in a recipe)"
                )
        return header

    def _wanted(self) -> Iterator[tuple[str, str]]:
        """Settings of columns that are read, each with the column's name."""
        named = self._named
        if named.pixels is None:
            yield "image", str(named.image)
        else:
            yield "pixels", named.pixels
        if not named.votes:
            yield "label", named.label
        if self._split is not None:
            yield "split", named.split
        yield from (("votes", name) for name in named.votes)
        more = (("valence", named.valence), ("arousal", named.arousal))
        yield from ((setting, name) for setting, name in more if name is not None)

    def _lines(self, everything: bool = False) -> Iterator[_Line]:
        """The rows of the chosen part, or all."""
        chosen = None if everything else self._split
        width = len(self._header)
        with self._opened() as rows:
            next(rows)
            for cells in rows:
                if not cells:
                    continue  # an empty line
                found = dict(zip(self._header, cells, strict=False))
                if chosen is None or found.get(self._named.split, "") == chosen:
                    yield _Line(rows.line_num, found, len(cells) == width)

    @contextmanager
    def _opened(self) -> "Iterator[Reader]":
        before = csv.field_size_limit(_LONGEST)
        try:
            with opened_text(self._file, "; expected a CSV in UTF-8", "; save it as UTF-8") as file:
                yield csv.reader(file)
        finally:
            csv.field_size_limit(before)


def _affect(cells: dict[str, str], column: str | None) -> float:
    """Valence or arousal of a row; NaN where it was not given."""
    cell = "" if column is None else cells[column].strip()
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if value == _NOT_GIVEN or math.isnan(value):
        return math.nan
    if abs(value) > 1:
        raise _Refused(f"{column} {one_line(cell, 40)!r} is no number from -1 to 1")
    return value


def _greys(cell: str) -> NDArray[np.uint8]:
    """(h, h) of greys with spaces between them."""
    try:
        greys = [int(grey) for grey in cell.split()]
    except ValueError:
        raise _Refused("pixels are not all whole numbers") from None
    side = math.isqrt(len(greys))
    if not side or side * side != len(greys):
        raise _Refused(f"{len(greys)} pixels are no square picture")
    if min(greys) < 0 or max(greys) > 255:
        raise _Refused("pixels are not all from 0 to 255")
    return np.array(greys, np.uint8).reshape(side, side)
