"""Tables whose rows are faces at one moment, read block by block into :class:`~emollm.data_engines.unit_table.UnitTable`.

Rows that cannot be used are rejects with a reason: nothing is clipped, nothing missing becomes zero.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emollm.data_engines.attributes import known_set
from emollm.data_engines.base import Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.source_layouts import Layout, columns_of, layout_of, open_parquet
from emollm.data_engines.sources import STAGE, Span, line_blocks
from emollm.data_engines.unit_table import UnitTable
from emollm.errors import ConfigError, DataError, one_line

_CLOSE = 1e-6
"""Rounding of a largest value that is not out of range."""


def spans_of(path: Path, name: str, settings: BuildSettings) -> Iterator[Span]:
    """The blocks of one table.

    Raises:
        DataError: It cannot be read, or has no action units.
        ConfigError: The recipe names a column that it lacks.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"{path}: rows are read from .csv and .parquet; for clips use a recipe without rows")
    layout_of(path, settings)
    most = settings.scale.block
    if path.suffix.lower() == ".csv":
        for start, first, count in line_blocks(path, most, header=True):
            yield Span(index=0, kind="csv", paths=(str(path),), names=(name,), start=start, first=first, count=count)
        return
    file, row = open_parquet(path), 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        for start in range(0, rows, most):
            count = min(most, rows - start)
            yield Span(
                index=0,
                kind="parquet",
                paths=(str(path),),
                names=(name,),
                start=start,
                count=count,
                first=row + start + 1,
                group=group,
            )
        row += rows


def read_rows(span: Span, settings: BuildSettings) -> tuple[UnitTable | None, list[Rejected]]:
    """The rows of one block.

    Returns:
        The usable rows, None if there is none; and a reject for each of the others.

    Raises:
        DataError: The file cannot be read.
    """
    path = Path(span.paths[0])
    layout = layout_of(path, settings)
    raw = _csv_rows(span, path, layout) if span.kind == "csv" else _parquet_rows(span, path, layout)
    return _usable(raw, span, layout, settings)


# ---- rows -----------------------------------------------------------------------------------------------------------


class _Raw(NamedTuple):
    """A block as it stands in the file."""

    rows: np.ndarray
    """(N,) numbers of the rows in their file, from 1."""
    numbers: dict[str, np.ndarray]
    """(N,) float64 by column; NaN where a cell is empty."""
    texts: dict[str, list[str]]
    bad: dict[int, str]
    """By index: what is wrong with a row that cannot be read."""


def _csv_rows(span: Span, path: Path, layout: Layout) -> _Raw:
    columns = columns_of(path)
    places = [columns.index(name) for name in layout.numbers]
    words = {name: columns.index(column) for name, column in layout.texts.items()}
    rows: list[int] = []
    values: list[list[float]] = []
    bad: dict[int, str] = {}
    texts: dict[str, list[str]] = {name: [] for name in words}
    with path.open("rb") as file:
        file.seek(span.start)
        lines = [file.readline() for _ in range(span.count)]
    for number, line in enumerate(lines, span.first):
        cells = next(csv.reader([line.decode("utf-8", "replace")]), None)
        if not cells:
            continue
        index = len(rows)
        rows.append(number)
        fits = len(cells) == len(columns)
        if not fits:
            bad[index] = f"unreadable: {len(cells)} cells but the header has {len(columns)}"
        try:
            values.append([_number(cells[place]) for place in places] if fits else [np.nan] * len(places))
        except ValueError:
            place = next(place for place in places if not _is_number(cells[place]))
            bad[index] = f"unreadable: {columns[place]} is {one_line(repr(cells[place]), 40)}, expected a number"
            values.append([np.nan] * len(places))
        for name, place in words.items():
            texts[name].append(cells[place].strip() if fits else "")
    table = np.array(values, dtype=np.float64).reshape(len(rows), len(places))
    numbers = {name: table[:, index] for index, name in enumerate(layout.numbers)}
    return _Raw(np.array(rows, dtype=np.int64), numbers, texts, bad)


def _number(cell: str) -> float:
    return float(cell) if cell.strip() else np.nan


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True


_OPEN: dict[str, Any] = {}
"""The one Parquet file that this process reads: blocks come in order, and to begin anew each time takes long."""


def _parquet_rows(span: Span, path: Path, layout: Layout) -> _Raw:
    columns = [*layout.numbers, *layout.texts.values()]
    key = (str(path), span.group, tuple(columns))
    if _OPEN.get("key") != key or _OPEN["at"] > span.start:
        _OPEN.clear()
        batches = open_parquet(path).iter_batches(
            span.count, row_groups=[span.group], columns=list(dict.fromkeys(columns))
        )
        _OPEN.update(key=key, at=0, batches=batches, rest=None)
    taken = _take(span.start, span.count)
    numbers: dict[str, np.ndarray] = {}
    for name in layout.numbers:
        try:
            numbers[name] = taken.column(name).cast("float64").to_numpy(zero_copy_only=False)
        except ValueError as error:  # pyarrow's ArrowInvalid is one
            raise DataError(f"{path}: column {name!r} holds no numbers: {one_line(str(error))}") from error
    texts = {
        name: ["" if value is None else str(value) for value in taken.column(column).to_pylist()]
        for name, column in layout.texts.items()
    }
    return _Raw(np.arange(span.first, span.first + taken.num_rows), numbers, texts, {})


def _take(start: int, count: int) -> Any:
    """So many rows of the open row group from one on; the rows before are read and dropped."""
    import pyarrow

    parts: list[Any] = []
    while count:
        batch = _OPEN["rest"] if _OPEN["rest"] is not None else next(_OPEN["batches"])
        skip = min(start - _OPEN["at"], batch.num_rows) if not parts else 0
        part = batch.slice(skip, count)
        _OPEN["at"] += skip + part.num_rows
        rest = batch.slice(skip + part.num_rows)
        _OPEN["rest"] = rest if rest.num_rows else None
        if part.num_rows:
            parts.append(part)
            count -= part.num_rows
    table = pyarrow.Table.from_batches(parts).combine_chunks()
    return table.to_batches()[0]


def _usable(raw: _Raw, span: Span, layout: Layout, settings: BuildSettings) -> tuple[UnitTable | None, list[Rejected]]:
    count, source = len(raw.rows), settings.source
    values = np.empty((count, len(layout.units)), dtype=np.float64)
    for place, unit in enumerate(layout.units.values()):
        values[:, place] = raw.numbers[unit.column] / unit.largest
    reasons = _faults(raw, values, layout, source.min_confidence)
    own = source.label_set or settings.labels
    golds = _golds(raw.texts.get("label"), own, reasons)
    ids = [f"{span.names[0]}#{row}" for row in raw.rows]
    ids = [text or row for text, row in zip(raw.texts.get("id", ids), ids, strict=True)]
    kept = [index for index in range(count) if index not in reasons]
    rejects = [Rejected(ids[index], STAGE, reason) for index, reason in sorted(reasons.items())]
    if not kept:
        return None, rejects

    def chosen(name: str) -> tuple[str | None, ...] | None:
        return tuple(raw.texts[name][index] or None for index in kept) if name in raw.texts else None

    table = UnitTable(
        names=tuple(layout.units),
        scales=tuple(unit.scale for unit in layout.units.values()),
        values=np.clip(values[kept], 0.0, 1.0).astype(np.float32),
        ids=tuple(ids[index] for index in kept),
        source=layout.source,
        golds=None if golds is None else tuple(golds[index] for index in kept),
        label_set=own if golds is not None else None,
        by=source.by,
        times=_times(raw, kept, layout),
        splits=chosen("split") or ((source.split,) * len(kept) if source.split else None),
        speakers=chosen("speaker"),
        groups=chosen("group"),
        licence=source.licence,
        dataset=source.dataset,
        unreliable=layout.unreliable,
    )
    return table, rejects


def _faults(raw: _Raw, values: np.ndarray, layout: Layout, least: float) -> dict[int, str]:
    """What is wrong with rows that cannot be used, by index: the first fault of each."""
    reasons = dict(raw.bad)

    def reject(rows: Any, reason: Callable[[int], str]) -> None:
        for index in np.flatnonzero(rows).tolist():
            reasons.setdefault(index, reason(index))

    reject(np.isnan(values).all(axis=1), lambda _: "no face: the row has no number for any unit")
    if layout.success is not None:
        success = layout.success
        reject(raw.numbers[success] != 1, lambda _: f"no face: {success} is not 1")
    if layout.confidence is not None:
        sure = raw.numbers[layout.confidence]
        reject(~(sure >= least), lambda index: f"no certain face: confidence {sure[index]:.2f}, needs {least:.2f}")
    outside = (values < -_CLOSE) | (values > 1 + _CLOSE)
    reject(outside.any(axis=1), lambda index: _out_of_range(index, outside, raw, layout))
    if "id" in raw.texts:
        reject([not text for text in raw.texts["id"]], lambda _: "no id: the cell is empty")
    return reasons


def _times(raw: _Raw, kept: list[int], layout: Layout) -> tuple[float | None, ...] | None:
    """Seconds of the rows, where the table has a column of times; a negative or missing one is none."""
    if layout.time is None:
        return None
    column, unit = layout.time
    seconds = (raw.numbers[column] * unit).tolist()
    return tuple(seconds[index] if seconds[index] >= 0 else None for index in kept)


def _out_of_range(index: int, outside: np.ndarray, raw: _Raw, layout: Layout) -> str:
    unit = list(layout.units.values())[int(outside[index].argmax())]
    value = raw.numbers[unit.column][index]
    return f"out of range: {unit.column} is {value:g}, expected 0 to {unit.largest:g}"


def _golds(labels: list[str] | None, set_id: str, reasons: dict[int, str]) -> list[str | None] | None:
    """Labels as their set writes them; rows with another word are rejected, those without a word have none."""
    if labels is None:
        return None
    known = known_set(set_id)
    found: dict[str, str | None] = {word: known.find(word) for word in set(labels)}
    for index, word in enumerate(labels):
        if word and found[word] is None:
            reasons.setdefault(index, f"unknown label: {one_line(repr(word), 60)} is none of {known.id}")
    return [found[word] for word in labels]
