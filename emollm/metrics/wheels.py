"""Emotion wheels: the published word tables by which open-vocabulary answers are scored (MERTools, Apache-2.0), read from csv and xlsx.

A folder holds ``format.csv`` (``name,format``: a word and its forms), ``synonym.xlsx`` (pairs of columns: a word of a wheel and its
synonyms) and ``wheel1`` to ``wheel5`` (``level1,level2,level3``, a cell left empty where the one above goes on). The publishers' ``.npz`` holds
pickled objects and is never opened. Sheets may also be given as ``.csv``.
"""

import csv
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from emollm.errors import DataError, one_line

WHEELS = ("wheel1", "wheel2", "wheel3", "wheel4", "wheel5")
Level = Literal[1, 2]

Row = Sequence[str]


class Wheel:
    """The clusters of one wheel.

    Args:
        rows: ``level1, level2, level3``; an empty cell repeats the one above it. A word in several places has the last one.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.clusters: tuple[dict[str, str], dict[str, str]] = ({}, {})
        """Word -> cluster, of level 1 and of level 2."""
        inner, first = "", ""
        children: dict[str, list[str]] = {}
        for row in rows:
            if row[0]:
                first, inner = row[0], ""
            inner = row[1] or inner
            children.setdefault(first, []).append(inner)
            for word in (inner, row[2]):
                if word:
                    self.clusters[0][word], self.clusters[1][word] = first, inner
        for word, own in children.items():
            self.clusters[0][word] = word
            self.clusters[1].setdefault(word, min(own))

    def names(self, level: Level) -> tuple[str, ...]:
        """The clusters of a level."""
        return tuple(sorted(set(self.clusters[level - 1].values())))


class Vocabulary:
    """Words, their synonyms and the wheels.

    Args:
        forms: Form of a word -> the words that it is a form of.
        synonyms: Synonym -> the words of wheels that it stands for.
        wheels: By name.
        version: Which tables these are.
    """

    def __init__(
        self,
        forms: dict[str, tuple[str, ...]],
        synonyms: dict[str, tuple[str, ...]],
        wheels: dict[str, Wheel],
        version: str,
    ) -> None:
        self.forms, self.synonyms, self.wheels, self.version = forms, synonyms, wheels, version
        self._candidates: dict[str, tuple[str, ...]] = {}

    def knows(self, word: str) -> bool:
        """Whether a word is in the tables at all; many that are (neutral) still have no cluster."""
        return word in self.forms

    def cluster(self, word: str, wheel: str, level: Level = 1) -> str:
        """The cluster of a word, or nothing: of its candidates in alphabetical order the first that the wheel has.

        Args:
            word: In lower case, without blanks around it.
            wheel: Name.
            level: 1 (six or seven clusters) or 2 (36 to 48).
        """
        own = self.wheels[wheel].clusters[level - 1]
        return next((own[one] for one in self._of(word) if one in own), "")

    def _of(self, word: str) -> tuple[str, ...]:
        """The words of wheels that a word may stand for."""
        if word not in self._candidates:
            found = {one for form in self.forms.get(word, ()) for one in self.synonyms.get(form, ())}
            self._candidates[word] = tuple(sorted(found))
        return self._candidates[word]

    @cached_property
    def size(self) -> tuple[int, int, int]:
        """How many forms, synonyms and words of wheels there are."""
        return (
            len(self.forms),
            len(self.synonyms),
            len({word for one in self.wheels.values() for word in one.clusters[0]}),
        )


def read(folder: Path, version: str) -> Vocabulary:
    """The tables of a folder.

    Args:
        folder: With the files named above.
        version: What the reports call these tables.

    Raises:
        DataError: A file is missing or has another form.
    """
    forms: dict[str, dict[str, None]] = {}
    table = _table(folder, "format")
    _expect(table[:1] == [("name", "format")], folder / "format.csv", "columns name and format")
    for name, own in (row[:2] for row in table[1:]):
        for form in (name, *_listed(own)):
            forms.setdefault(form, {})[name] = None
    synonyms: dict[str, dict[str, None]] = {}
    sheet = _table(folder, "synonym")
    _expect(len(sheet) > 1 and len(sheet[0]) % 2 == 0, folder / "synonym.xlsx", "pairs of columns")
    for row in sheet[1:]:
        for word, own in zip(row[::2], row[1::2], strict=True):
            for one in (word, *_listed(own)) if word else ():
                synonyms.setdefault(one, {})[word] = None
    wheels = {}
    for name in WHEELS:
        rows = _table(folder, name)
        _expect(rows[:1] == [("level1", "level2", "level3")], folder / name, "columns level1, level2 and level3")
        _expect(
            len(rows) > 1 and bool(rows[1][0] and rows[1][1]),
            folder / name,
            "words of the inner levels in its first row",
        )
        wheels[name] = Wheel(rows[1:])
    return Vocabulary(
        {key: tuple(own) for key, own in forms.items()},
        {key: tuple(own) for key, own in synonyms.items()},
        wheels,
        version,
    )


def _listed(cell: str) -> Iterator[str]:
    """The words of a cell, separated by commas."""
    return (word for one in cell.split(",") if (word := one.strip()))


def _expect(fits: bool, path: Path, what: str) -> None:
    if not fits:
        raise DataError(f"{path}: expected {what}; give the folder of the published tables")


def _table(folder: Path, name: str) -> list[tuple[str, ...]]:
    """The rows of a sheet: cells in lower case without blanks around them, short rows filled up."""
    for suffix, rows in ((".csv", _csv), (".xlsx", _sheet)):
        path = folder / f"{name}{suffix}"
        if path.is_file():
            try:
                found = [tuple(str(cell or "").strip().lower() for cell in row) for row in rows(path)]
            except (OSError, ValueError, KeyError, csv.Error) as error:
                raise DataError(f"{path}: cannot be read as a table: {one_line(str(error))}") from error
            width = max(map(len, found), default=0)
            return [row + ("",) * (width - len(row)) for row in found]
    raise DataError(f"{folder}: has no {name}.csv and no {name}.xlsx; give the folder of the published tables")


def _csv(path: Path) -> list[Sequence[Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.reader(file) if row]


def _sheet(path: Path) -> list[Sequence[Any]]:
    import zipfile

    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise DataError(f"{path}: needs openpyxl; install emollm[eval], or save the sheet as csv") from error
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: is no xlsx file; get it again") from error
    rows: list[Sequence[Any]] = [row for row in book.worksheets[0].iter_rows(values_only=True) if any(row)]
    book.close()
    return rows
