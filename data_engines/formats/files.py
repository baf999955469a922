"""Files of records, read one record at a time whatever their size: JSON lines, a JSON list or object, csv.

Each record comes with its place ``file:line``. A record that is no JSON, or is cut off, is a Fault and the next one follows; memory
holds one record at a time, of at most :data:`LONGEST` characters.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from emollm.data_engines.formats.base import Fault, Found, H, Head, fault
from emollm.errors import DataError
from emollm.files import opened_text

LONGEST = 1 << 25
"""Characters of one record."""
_CHUNK = 1 << 16


class Element(NamedTuple):
    """One record of a file."""

    where: str
    value: Any
    key: str | None = None
    """Its name, where the file is one JSON object of records."""


def each(found: Iterable[Element | Fault], make: Callable[[Element, int], H]) -> Iterator[Found[H] | Fault]:
    """The records of some elements; an element that ``make`` refuses with a DataError is a Fault.

    Args:
        found: Elements of a file.
        make: Makes the record of an element and its number.
    """
    for index, one in enumerate(found):
        if isinstance(one, Fault):
            yield one
            continue
        try:
            record = make(one, index)
        except DataError as error:
            stated = one.value.get("id") if isinstance(one.value, dict) else None
            yield fault(one.where, error, one.key or (stated if isinstance(stated, str) else None))
        else:
            yield Found(one.where, record)


def elements(path: Path, *, whole: bool = False, lenient: bool = False) -> Iterator[Element | Fault]:
    """The records of a JSON file: the elements of a list, the lines of JSON lines, or the members of one object.

    Args:
        path: A file of UTF-8 text. What begins with ``[`` is a list.
        whole: What begins with ``{`` is one object of records, not JSON lines.
        lenient: Comments (``//``, ``#``, ``/* */``) and a comma before a closing bracket are let pass.

    Raises:
        DataError: The file cannot be read, is empty, or is no text.
    """
    with opened_text(path) as file:
        start = _start(file.read(_CHUNK), lenient)
        if not start:
            raise DataError(f"{path}: empty file; expected records")
        file.seek(0)
        if start == "[" or (start == "{" and whole):
            yield from _members(path, file, lenient)
        elif whole:
            raise DataError(f"{path}:1: expected one JSON object of records, found {start!r}")
        else:
            yield from _lines(path, file)


def _start(head: str, lenient: bool) -> str:
    """The first sign that is neither space nor comment."""
    return (_COMMENTS.sub(lambda found: found[1] or "", head) if lenient else head).lstrip("\ufeff \t\r\n")[:1]


def _lines(path: Path, file: TextIO) -> Iterator[Element | Fault]:
    for number, line in enumerate(_short_lines(file), start=1):
        where = f"{path}:{number}"
        if line is None:
            yield fault(where, f"a line of more than {LONGEST} characters")
        elif line.strip():
            yield _parsed(where, line, None)


def _short_lines(file: TextIO) -> Iterator[str | None]:
    """The lines; None for one that is too long."""
    while line := file.readline(LONGEST):
        if len(line) == LONGEST and not line.endswith("\n"):
            while (rest := file.readline(LONGEST)) and not rest.endswith("\n"):
                continue
            yield None
        else:
            yield line


def _parsed(where: str, text: str, key: str | None) -> Element | Fault:
    try:
        return Element(where, json.loads(text, parse_constant=_no_constant), key)
    except json.JSONDecodeError as error:
        return fault(where, f"not JSON: {error.msg} (character {error.pos + 1} of {len(text)})", key)
    except (ValueError, RecursionError) as error:
        return fault(where, f"not JSON: {error}", key)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


# ---- lists and objects ----------------------------------------------------------------------------------------------

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_COMMENTS = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/|#[^\n]*", re.DOTALL)
_MARKS = re.compile(rf'{_STRING}|"|//[^\n]*|/\*.*?\*/|/\*|#[^\n]*|[\[\]{{}},]', re.DOTALL)
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[\]}}])", re.DOTALL)
_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_KEY = re.compile(rf"\s*({_STRING})\s*:", re.DOTALL)


class _Window:
    """A part of a file that moves on."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.text = ""
        self.line = 1
        """On which the text begins."""
        self.ended = False

    def read_on(self) -> None:
        piece = self._file.read(_CHUNK)
        self.ended = not piece
        self.text += piece

    def cut(self, end: int, mark: str) -> tuple[str, int, str]:
        """Takes away the text up to ``end`` and the mark behind it; gives the text, its first line, and the mark."""
        text = self.text[:end]
        blank = _BLANK.match(text)
        line = self.line + (blank[0].count("\n") if blank is not None else 0)
        self.line += text.count("\n")
        self.text = self.text[end + len(mark) :]
        return text, line, mark


def _members(path: Path, file: TextIO, lenient: bool) -> Iterator[Element | Fault]:
    """What stands between the outermost brackets, split at the commas of that depth."""
    window = _Window(file)
    closing = {"[": "]", "{": "}"}[_enter(window, lenient)]
    while True:
        text, line, end = _piece(window)
        where, clean = f"{path}:{line}", _strict(text) if lenient else text
        if end == "long":
            yield fault(where, f"a record of more than {LONGEST} characters; a bracket or quote may be lacking")
            return
        if clean.strip():
            found = _parsed(where, clean, None) if closing == "]" else _member(where, clean)
            yield (
                fault(where, "cut off: the file ends inside this record")
                if not end and isinstance(found, Fault)
                else found
            )
        if not end:
            yield fault(f"{path}:{window.line}", f"cut off: expected {closing!r} at the end of the file")
            return
        if end in "]}":
            if end != closing:
                yield fault(f"{path}:{window.line}", f"expected {closing!r}, found {end!r}")
            window.read_on()
            if (_strict(window.text) if lenient else window.text).strip():
                yield fault(f"{path}:{window.line}", f"text behind the closing {closing!r}")
            return


def _enter(window: _Window, lenient: bool) -> str:
    """Moves behind the opening bracket."""
    window.read_on()
    blank = _COMMENTS.sub(lambda found: found[1] or " " * len(found[0]), window.text) if lenient else window.text
    lead = len(blank) - len(blank.lstrip())
    return window.cut(lead, blank[lead])[2]


def _piece(window: _Window) -> tuple[str, int, str]:
    """Text up to the comma or bracket that ends an element, its first line, and what ended it: "" is the file's end."""
    depth, place = 0, 0
    while True:
        found = _MARKS.search(window.text, place)
        if not window.ended and (found is None or found[0] in ('"', "/*") or found.end() == len(window.text)):
            if len(window.text) > LONGEST:
                return "", window.line, "long"
            place = max(place, len(window.text) - 1) if found is None else found.start()
            window.read_on()
            continue
        if found is None or found[0] in ('"', "/*"):
            return window.cut(len(window.text), "")
        mark, place = found[0], found.end()
        if depth == 0 and mark in ("]", "}", ","):
            return window.cut(found.start(), mark)
        depth += (mark in "[{") - (mark in "]}")


def _strict(text: str) -> str:
    """JSON without comments and without commas before closing brackets; strings are left alone."""
    plain = _COMMENTS.sub(lambda found: found[1] or " ", text)
    return _COMMA.sub(lambda found: found[1] or "", plain)


def _member(where: str, text: str) -> Element | Fault:
    """``"name": {…}``."""
    found = _KEY.match(text)
    if found is None:
        return fault(where, 'not JSON: expected "name": {…}')
    return _parsed(where, text[found.end() :], json.loads(found[1], strict=False))


# ---- text and csv ---------------------------------------------------------------------------------------------------


def table(path: Path, *needed: str) -> Iterator[Element | Fault]:
    """The rows of a csv file with a header, as objects by column name (stripped).

    Args:
        path: Separated by commas.
        needed: Columns that must be there.

    Raises:
        DataError: The file cannot be read, is empty, or lacks a column.
    """
    with opened_text(path) as file:
        reader = csv.reader(file)
        columns = [cell.strip() for cell in next(reader, [])]
        if not any(columns):
            raise DataError(f"{path}: empty file; expected a header line and rows")
        if lacking := [name for name in needed if name not in columns]:
            raise DataError(f"{path}:1: no column {lacking[0]!r}; the header has: {', '.join(columns)[:120]}")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise DataError(f"{path}:1: column {twice[0]!r} stands twice")
        last = reader.line_num
        for row in reader:
            where, last = f"{path}:{last + 1}", reader.line_num
            if not any(row):
                continue
            if len(row) != len(columns):
                yield fault(where, f"{len(row)} cells but the header has {len(columns)}; is the row cut off?")
            else:
                yield Element(where, dict(zip(columns, row, strict=True)))


def head_of(path: Path) -> Head:
    """What the beginning of a file shows.

    Raises:
        DataError: The file cannot be read or is empty. A binary file that is not Parquet is refused too.
    """
    try:
        with path.open("rb") as raw:
            if raw.read(4) == b"PAR1":
                return Head(path, line="PAR1")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    with opened_text(path) as file:
        start = file.read(_CHUNK)
    if not start.strip():
        raise DataError(f"{path}: empty file; expected records")
    if path.suffix.lower() in (".csv", ".tsv"):
        cells = next(csv.reader(start.splitlines()[:1]), [])
        return Head(path, columns=tuple(cell.strip() for cell in cells), line=start.splitlines()[0])
    if _start(start, True) not in ("[", "{"):
        return Head(path, line=start.lstrip().splitlines()[0])
    if _start(start, True) == "[":
        found = next((item for item in elements(path, lenient=True) if isinstance(item, Element)), None)
        return Head(path, None if found is None else found.value)
    first = next(elements(path), None)  # of JSON lines a record; the first line of one object is none
    if isinstance(first, Element) and isinstance(first.value, dict) and not _of_records(first.value):
        return Head(path, first.value)
    members = (item for item in elements(path, whole=True, lenient=True) if isinstance(item, Element))
    few = {str(item.key): item.value for item, _ in zip(members, range(100), strict=False)}
    if not _of_records(few):
        return Head(path, few)
    key, value = next(iter(few.items()))
    return Head(path, value, key)


def _of_records(value: object) -> bool:
    """Whether this is an object of records, not a record."""
    return isinstance(value, dict) and bool(value) and all(isinstance(member, dict) for member in value.values())
