"""Anyone's predictions and references from csv or JSONL, as they were given: what cannot be read is counted with examples, never guessed.

docs/evaluate.md lists the columns. A cell with a list is a JSON list, a Python list or words separated by commas; nothing is evaluated.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Any, NamedTuple

from emollm.denials import declines
from emollm.errors import DataError, one_line
from emollm.files import opened_text
from emollm.metrics.scored import Note
from emollm.replies import NEVER_ENDS, answer_in
from emollm.word_lists import split_list

LONGEST = 100_000
"""Characters of an answer; a longer one is unread."""
LONGEST_LIST = 10_000
"""Characters of a list that is written as text."""
IDS = ("id", "name", "names")
LISTS = ("labels", "openset", "label", "discrete", "emotions")
TEXTS = ("text", "reason", "reasons", "english", "description")
CHINESE = ("text", "reason", "reasons", "chinese", "chi_reasons", "description")
"""The same where descriptions are Chinese (EMER's second version has both languages)."""
NUMBERS = ("valence", "arousal")
EVIDENCE = ("observation", "claims")
"""What an answer is held against, or verdicts on it."""
ABSTAINED = ("abstain", "abstained", "abstention")
"""Words that decline to answer; a text may also do so in more of them (:func:`emollm.denials.declines`)."""
_ANSWERS = (*LISTS, *CHINESE, *TEXTS, *NUMBERS)
"""Columns of answers; in a table the word ``null`` below one is nothing."""
EMPTY = "an empty answer"
FAULT = "fault"
"""Why an item of recorded answers could not be asked; its row has a reference and no answer."""
_SCORE = "p_"
_FIELD = 1000
"""Characters of another column that are kept."""
_CELL = 2**30
_EXAMPLES = 3
_NO_FIELDS: Mapping[str, Any] = {}


class Unread(Exception):
    """An answer that is not of a known form; the text says why."""


class Row(NamedTuple):
    """One answer, or one reference."""

    id: str
    labels: tuple[str, ...] | None = None
    """None where none are given."""
    text: str | None = None
    numbers: Mapping[str, float] = _NO_FIELDS
    scores: Mapping[str, float] = _NO_FIELDS
    """Probability of each label."""
    fields: Mapping[str, str] = _NO_FIELDS
    """The other columns."""
    abstained: bool = False
    faults: Mapping[str, str] = _NO_FIELDS
    """Why a part could not be read: ``labels``, ``text``, ``numbers``, ``scores``, or the ``row``."""
    reference: tuple[str, ...] | None = None
    """What stands under ``gold`` in a file of recorded answers."""
    evidence: Mapping[str, Any] = _NO_FIELDS
    """What stands under ``observation`` and ``claims``, as given (:mod:`emollm.eval.scoring_faith`)."""
    described: str | None = None
    """The same of ``reference``: a description."""

    def fault(self, *parts: str) -> str:
        """Why one of these parts could not be read, empty if they could."""
        return next((self.faults[part] for part in ("row", *parts) if part in self.faults), "")


class Notes:
    """What was met, counted, with the first examples."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, list[str]]] = {}

    def add(self, what: str, example: str) -> None:
        """Counts one."""
        count, examples = self._found.get(what, (0, []))
        if len(examples) < _EXAMPLES:
            examples.append(one_line(example, 60))
        self._found[what] = count + 1, examples

    def count(self, *whats: str) -> int:
        """How many of these there were."""
        return sum(self._found.get(what, (0,))[0] for what in whats)

    def records(self) -> tuple[Note, ...]:
        """All of them."""
        return tuple(Note(what=what, count=n, examples=tuple(own)) for what, (n, own) in self._found.items())


class Table(NamedTuple):
    """A file of answers or references."""

    path: Path
    sha256: str
    rows: dict[str, Row]
    notes: Notes
    rejected: int
    """Rows without an id or without a form, and ids with two answers."""
    recorded: Mapping[str, Row] = _NO_FIELDS
    """The rows of a file in its order, with those of items that could not be asked."""


NO_ID, NO_FORM = "rows without an id", "rows that are not of the stated form"
IN_WORDS = "answers that decline in words"
SAME, DIFFERENT = "ids that stand twice with the same answer", "ids that stand twice with different answers"


def read(path: Path, texts: Sequence[str] = TEXTS) -> Table:
    """The rows of a file: ``.csv`` or ``.tsv`` with a heading, else JSON, a row a line or one list of rows.

    Args:
        path: Of the file.
        texts: Columns of running text; the first that a row has counts.

    Raises:
        DataError: It cannot be read, has no id column, no row, or recorded references without a single answer.
    """
    table = Table(path, _sum(path), {}, Notes(), 0)
    for place, given in _rows(path, table.notes):
        row = _row(given, path, texts)
        if row.abstained and (row.text or row.fields.get("reply")):
            table.notes.add(IN_WORDS, row.id)
        if not row.id:
            table.notes.add(NO_ID, place)
        elif row.id not in table.rows or _is_lost(table.rows[row.id]):
            table.rows[row.id] = row
        elif _is_lost(row):
            continue
        elif table.rows[row.id] == row and not row.fault():
            table.notes.add(SAME, row.id)
        else:
            table.notes.add(DIFFERENT, row.id)
            table.rows[row.id] = table.rows[row.id]._replace(faults={"row": DIFFERENT})
    if not table.rows:
        first = next((f" ({note.what}: {note.count})" for note in table.notes.records()), "")
        raise DataError(f"{path}: no row with an id{first}; expected a column or key {' or '.join(IDS)}")
    answers = {id: row for id, row in table.rows.items() if not _is_lost(row)}
    lost = [f"{id}: {row.fields[FAULT]}" for id, row in table.rows.items() if id not in answers]
    for told in lost:
        table.notes.add("items that could not be asked", told)
    if not answers:
        raise DataError(f"{path}: no answers: none of its {len(lost)} items could be asked ({one_line(lost[0])})")
    return table._replace(rows=answers, recorded=table.rows, rejected=table.notes.count(NO_ID, NO_FORM, DIFFERENT))


def listed(cell: str) -> tuple[str, ...]:
    """The words of a cell: a JSON or Python list, words in brackets, or words separated by commas.

    Raises:
        Unread: Brackets or quotes that do not close, or a list of something else than words.
    """
    text = cell.strip()
    if len(text) > LONGEST_LIST:
        raise Unread(f"a list of more than {LONGEST_LIST:,} characters")
    if not text.startswith("["):
        return tuple(split_list(text))
    if not text.endswith("]"):
        raise Unread("a list that does not end")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        if "[" in text[1:] or "]" in text[:-1]:
            raise Unread("a list within a list") from None
        return tuple(split_list(text))
    return _words(given)


# ---- files ----------------------------------------------------------------------------------------------------------


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _rows(path: Path, notes: Notes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows and where they stand."""
    with opened_text(path, "; expected csv or JSONL") as file:
        if path.suffix.lower() in (".csv", ".tsv"):
            yield from _cells(csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","), path, notes)
        else:
            yield from _objects(file, path, notes)


def _cells(reader: Any, path: Path, notes: Notes) -> Iterator[tuple[str, dict[str, Any]]]:
    before = csv.field_size_limit(_CELL)
    try:
        heads = [head.strip() for head in next(reader, [])]
        if not set(IDS) & set(heads):
            told = ", ".join(heads) or "none"
            raise DataError(f"{path}: expected a column {' or '.join(IDS)}, got the columns: {one_line(told)}")
        for head in sorted({head for head in heads if head and heads.count(head) > 1}):
            if head in (*IDS, *_ANSWERS, "gold", "reference") or head.startswith(_SCORE):
                raise DataError(f"{path}: two columns are called {head!r}; rename one")
            notes.add("columns that stand twice, of which the last counts", head)
        for cells in reader:
            if len(cells) == len(heads):
                yield (
                    f"line {reader.line_num}",
                    {k: _cell(k, v) for k, v in zip(heads, cells, strict=True) if v.strip()},
                )
            elif cells:
                notes.add(NO_FORM, f"line {reader.line_num}: {len(cells)} cells below {len(heads)} columns")
    finally:
        csv.field_size_limit(before)


def _cell(head: str, cell: str) -> str | None:
    return None if head in _ANSWERS and cell.strip().lower() == "null" else cell


def _objects(file: Any, path: Path, notes: Notes) -> Iterator[tuple[str, dict[str, Any]]]:
    beginning = file.read(1)
    if beginning == "[":
        try:
            found = json.loads(beginning + file.read())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: expected a JSON list of rows: {one_line(str(error))}") from error
        lines: Iterator[tuple[str, Any]] = ((f"row {k}", row) for k, row in enumerate(found, 1))
    else:
        file.seek(0)
        lines = ((f"line {k}", line) for k, line in enumerate(file, 1) if line.strip())
    for place, line in lines:
        try:
            row = json.loads(line) if isinstance(line, str) else line
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield place, row
        else:
            notes.add(NO_FORM, place)


# ---- rows -----------------------------------------------------------------------------------------------------------


def _row(given: dict[str, Any], path: Path, texts: Sequence[str]) -> Row:
    of_table = path.suffix.lower() in (".csv", ".tsv")
    ids = (given[key] for key in IDS if isinstance(given.get(key), str | int) and not isinstance(given[key], bool))
    id = next((str(one).strip() for one in ids), "")
    known = {*IDS, *LISTS, *texts, *NUMBERS, *EVIDENCE, "gold", "reference", "scores"}
    evidence = {key: given[key] for key in EVIDENCE if given.get(key) is not None}
    fields = {k: v for k, one in given.items() if k not in known if (v := _plain(one)) and len(v) <= _FIELD}
    keys = [key for key in LISTS if key in given]
    key = next((key for key in keys if given[key] is not None), None)
    text = next((given[name] for name in texts if given.get(name) not in (None, "")), None)
    numbers = {name: given[name] for name in NUMBERS if given.get(name) is not None}
    readers: dict[str, Callable[[], Any]] = {
        "labels": lambda: _labels(given[key], key) if key is not None else None,
        "text": lambda: _text(text) if text is not None else None,
        "numbers": lambda: {name: _number(value, name) for name, value in numbers.items()},
        "scores": lambda: _scores(given, of_table),
        "reference": lambda: _labels(given["gold"], "labels") if given.get("gold") is not None else None,
        "described": lambda: _text(given["reference"]) if given.get("reference") is not None else None,
    }
    found, faults = {}, {}
    for part, reader in readers.items():
        try:
            found[part] = reader()
        except Unread as error:
            faults[part] = str(error)
    answers = [given[name] for name in (*LISTS, *texts, *NUMBERS) if name in given]
    nothing = bool(answers) and all(one is None for one in answers) and not (evidence or found.get("scores"))
    declined = nothing or (bool(keys) and key is None)
    row = Row(id, fields=fields, faults=faults, abstained=declined, evidence=evidence, **found)
    if row.labels is not None and len(row.labels) == 1 and row.labels[0].lower() in ABSTAINED:
        return row._replace(labels=None, abstained=True)
    only_text = row.labels is None and not (faults or row.numbers or row.scores or evidence)
    if only_text and row.text and declines(row.text):
        return row._replace(abstained=True)
    if (
        not row.abstained
        and not faults
        and row.labels is None
        and not (row.text or row.numbers or row.scores or evidence)
    ):
        return row._replace(faults={"row": EMPTY})
    return row


def _is_lost(row: Row) -> bool:
    """Whether a row says only why its item could not be asked."""
    recorded = row.reference is not None or row.described is not None
    return recorded and FAULT in row.fields and row.faults == {"row": EMPTY}


def _labels(given: Any, key: str) -> tuple[str, ...]:
    if isinstance(given, str):
        if len(given) > LONGEST:
            raise Unread(f"an answer of more than {LONGEST:,} characters")
        one = key in ("label", "discrete") and not given.strip().startswith("[")
        words = _words([given]) if one else listed(given)
    else:
        words = _words(given)
    if not words and key not in ("labels", "openset"):
        raise Unread(EMPTY)
    return words


def _words(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Unread("expected a list of words")
    if sum(map(len, given)) > LONGEST:
        raise Unread(f"an answer of more than {LONGEST:,} characters")
    if any(_whole(one) != one for one in given):
        raise Unread("a word with half a character")
    return tuple(one.strip() for one in given if one.strip())


def _text(given: Any) -> str | None:
    if not isinstance(given, str):
        raise Unread("a text that is no text")
    if len(given) > LONGEST:
        raise Unread(f"an answer of more than {LONGEST:,} characters")
    said = answer_in(given)
    if said is None:
        raise Unread(NEVER_ENDS)
    return said or None


def _number(given: Any, name: str) -> float:
    try:
        number = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Unread(f"{name} is not a finite number")
    return number


def _scores(given: dict[str, Any], of_table: bool) -> dict[str, float]:
    """Probabilities: ``scores`` of JSON, or columns ``p_<label>`` of a table."""
    if of_table:
        return {k.removeprefix(_SCORE): _number(v, k) for k, v in given.items() if k.startswith(_SCORE)}
    found = given.get("scores")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Unread("scores that are not one number a label")
    return {str(label): _number(score, f"the score of {one_line(str(label), 30)}") for label, score in found.items()}


def _plain(value: Any) -> str:
    """Another column as text; nothing of what is no plain value."""
    return _whole(str(value)).strip() if isinstance(value, str | int | float) else ""


def _whole(text: str) -> str:
    """The text with ``?`` for halves of characters, which JSON may hold and no file can."""
    return text.encode("utf-8", "replace").decode()
