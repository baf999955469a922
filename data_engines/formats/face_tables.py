"""Tables of OpenFace 2, py-feat and LibreFace as Items (PROTOCOLS 5.10), and OpenFace-like csv of Items.

All three are read, by :mod:`emollm.perception.tables`: a table is one Item, its clip the table, its Observation what is in it. An OpenFace
table that was written here has the columns ``id`` and ``label`` at its end: each row is then an Item of its own.

Written is OpenFace's csv, a row an Item (its main person, at the main moment): every header after the first with its leading space,
``frame`` the number of the row, ``AUxx_r`` the intensities times 5, ``AUxx_c`` the probabilities as they are (OpenFace itself writes 0 or 1),
``pose_R*`` in radians, then ``id`` and ``label``. A unit that was not measured is an empty cell, never 0; a column that no row has is not there,
so the rows are gathered before they are written (about 200 bytes each).

Not held, and told: gaze, the course over time, voice and words, two-sided values (the larger side is written), sides, boxes, the words of a
label's set, and all notes.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from emollm import __version__
from emollm.data_engines.base import Item
from emollm.data_engines.formats.annotations import gold_of, tell_lost
from emollm.data_engines.formats.base import Fault, Format, Found, Head, Options, Reader, Sink, checked, fault
from emollm.data_engines.formats.files import Element, each, table
from emollm.data_engines.formats.sinks import Lost
from emollm.errors import DataError
from emollm.files import replacing
from emollm.perception.tables import READERS, read_table
from emollm.perception.tables.observation import FACS_CODES
from emollm.perception.tables.openface2 import MIN_CONFIDENCE, SOURCE
from emollm.types import Clip, Cue, CueKind, MediaInfo, Missing, Observation, Scale, Table

_MAX = 5.0
_POSE = {"pitch": ("pose_Rx", -1.0), "yaw": ("pose_Ry", -1.0), "roll": ("pose_Rz", 1.0)}
"""Angle -> column and sign: OpenFace's Rx > 0 is head down, Ry > 0 turned to the person's right."""


def reader_of(name: str) -> Reader[Item]:
    """The reader of one tool's tables."""

    def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Item] | Fault]:
        for path in paths:
            if name == "openface2" and _has_ids(path):
                yield from each(table(path, "id"), lambda one, _: _row_item(one, options))
            else:
                yield _table_item(path, name, options)

    return read


def _has_ids(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = [cell.strip() for cell in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return False  # the table's own reader says what is wrong
    return "id" in columns and "confidence" in columns


def _table_item(path: Path, name: str, options: Options) -> Found[Item] | Fault:
    given = Table(path=path, format=name, scale=options.table_scale, fps=options.table_fps)
    where = f"{path}:1"
    try:
        observation = read_table(given, path.stem)
        clip = checked(Clip, id=path.stem, table=given, dataset=options.dataset)
        return Found(where, checked(Item, clip=clip, observation=observation, licence=options.licence))
    except DataError as error:
        return fault(where, error, path.stem)


# ---- rows that were written here --------------------------------------------------------------------------------------


def _row_item(one: Element, options: Options) -> Item:
    row: dict[str, str] = one.value
    id = row["id"].strip()
    confidence = _number(row, "confidence")
    if _number(row, "success") != 1 or confidence is None or confidence < MIN_CONFIDENCE:
        raise DataError(f"success {row.get('success')}, confidence {row.get('confidence')}: no certain face")
    path = Path(one.where.rpartition(":")[0])
    label = row.get("label", "").strip()
    return checked(
        Item,
        clip=checked(Clip, id=id, table=Table(path=path, format="openface2"), dataset=options.dataset),
        observation=_observation(id, row, confidence),
        gold=gold_of(label, None, "unknown"),
        licence=options.licence,
    )


def _observation(id: str, row: dict[str, str], confidence: float) -> Observation:
    time = _number(row, "timestamp") or 0.0
    cues: list[Cue] = []

    def add(name: str, kind: CueKind, scale: Scale, value: float) -> None:
        cues.append(
            Cue(
                id=name,
                kind=kind,
                name=name,
                scale=scale,
                value=value,
                start=time,
                end=time,
                confidence=confidence,
                source=SOURCE,
            )
        )

    for code in FACS_CODES:
        strong, likely = _number(row, f"{code}_r"), _number(row, f"{code}_c")
        if strong is not None:
            add(code, CueKind.ACTION_UNIT, Scale.INTENSITY, _within(f"{code}_r", strong, _MAX) / _MAX)
        elif likely is not None:
            add(code, CueKind.ACTION_UNIT, Scale.PROBABILITY, _within(f"{code}_c", likely, 1.0))
    for name, (column, sign) in _POSE.items():
        angle = _number(row, column)
        if angle is not None:
            add(name, CueKind.HEAD_POSE, Scale.DEGREES, sign * math.degrees(angle))
    seen = {cue.name for cue in cues}
    gaps = tuple(Missing(stream=code, reason="the row has no number for it") for code in FACS_CODES if code not in seen)
    return Observation(
        id=id,
        media=MediaInfo(kind="table", frames=1),
        cues=tuple(cues),
        missing=gaps,
        versions={"emollm": __version__, SOURCE.backend: SOURCE.version},
    )


def _number(row: dict[str, str], name: str) -> float | None:
    cell = row.get(name, "").strip()
    if not cell or cell.lower() == "nan":
        return None
    try:
        value = float(cell)
    except ValueError:
        raise DataError(f"{name}: expected a number, got {cell!r:.40}") from None
    if not math.isfinite(value):
        raise DataError(f"{name}: expected a finite number, got {cell!r}")
    return value


def _within(name: str, value: float, most: float) -> float:
    if not -1e-3 <= value <= most * 1.001:
        raise DataError(f"{name} is {value:g}, expected 0 to {most:g}")
    return min(max(value, 0.0), most)


# ---- writing --------------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    values: dict[str, str]
    id: str
    label: str


class _TableSink:
    def __init__(self) -> None:
        self.lost: Lost = Counter()
        self.rows: list[_Row] = []

    def add(self, record: Item) -> None:
        """See :meth:`emollm.data_engines.formats.base.Sink.add`."""
        observation = record.observation
        if observation is None:
            raise DataError("not measured yet; an OpenFace table holds measurements")
        track = observation.tracks[0].id if observation.tracks else None
        cues = observation.of(track)
        values = dict(_cells(cues))
        if not any(name.startswith("AU") for name in values):
            raise DataError("no action unit was measured; there is nothing to write")
        sure = [cue.confidence for cue in cues if cue.kind is CueKind.ACTION_UNIT and cue.confidence is not None]
        start = next((cue.start for cue in cues if cue.kind is CueKind.ACTION_UNIT), 0.0)
        values |= {"timestamp": repr(start), "confidence": repr(min(sure, default=1.0)), "success": "1"}
        lost: Lost = Counter()
        tell_lost(record, lost, held=frozenset({"gold"}), format="an OpenFace table")
        self._tell(observation, cues, lost)
        gold = record.gold
        self.rows.append(_Row(values, record.clip.id, gold.labels[0] if gold is not None and gold.labels else ""))
        self.lost.update(lost)

    def _tell(self, observation: Observation, cues: Sequence[Cue], lost: Lost) -> None:
        kinds = {cue.kind for cue in cues} - {CueKind.ACTION_UNIT, CueKind.HEAD_POSE}
        for kind in sorted(kinds):
            lost[f"{kind.value}: an OpenFace table has no place for it here"] += 1
        if observation.series:
            lost["course over time: one row an item, at the main moment"] += 1
        if any(cue.left is not None for cue in cues):
            lost["left and right: the larger side is written"] += 1
        if len(observation.tracks) > 1:
            lost["further people: the main one is written"] += 1


def _cells(cues: Sequence[Cue]) -> Iterator[tuple[str, str]]:
    for cue in cues:
        if cue.value is None or cue.extent.value != "moment":
            continue
        if cue.kind is CueKind.ACTION_UNIT and cue.name in FACS_CODES:
            strong = cue.scale is Scale.INTENSITY
            yield f"{cue.name}_{'r' if strong else 'c'}", repr(cue.value * _MAX if strong else cue.value)
        elif cue.kind is CueKind.HEAD_POSE and cue.name in _POSE:
            column, sign = _POSE[cue.name]
            yield column, repr(sign * math.radians(cue.value))


@contextmanager
def write(out: Path, options: Options) -> Iterator[Sink[Item]]:
    """An OpenFace-like csv."""
    del options
    sink = _TableSink()
    yield sink
    present = {name for row in sink.rows for name in row.values}
    fixed = ("timestamp", "confidence", "success", *(column for column, _ in _POSE.values()))
    units = sorted((name for name in present if name.startswith("AU")), key=lambda name: (name[5:] == "c", name))
    columns = [*(name for name in fixed if name in present), *units]
    with replacing(out, "w") as file:
        writer: Any = csv.writer(file, lineterminator="\n")
        writer.writerow(["frame", *(f" {name}" for name in (*columns, "id", "label"))])
        for number, row in enumerate(sink.rows, start=1):
            writer.writerow([number, *(row.values.get(name, "") for name in columns), row.id, row.label])


def _recognises(name: str, head: Head) -> bool:
    return bool(head.columns) and READERS[name].recognises(head.columns)


_LOSES = (
    "gaze, the course over time, voice and words, left and right, boxes, further people",
    "a label's set, split, speaker, group, licence, notes",
)
OPENFACE = Format(
    "openface2",
    "OpenFace 2 csv",
    "items",
    lambda head: _recognises("openface2", head),
    reader_of("openface2"),
    write,
    _LOSES,
)
PYFEAT = Format("pyfeat", "py-feat Fex csv", "items", lambda head: _recognises("pyfeat", head), reader_of("pyfeat"))
LIBREFACE = Format(
    "libreface", "LibreFace csv", "items", lambda head: _recognises("libreface", head), reader_of("libreface")
)
