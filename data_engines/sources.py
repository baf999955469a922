"""What a build reads: folders and files of clips, JSONL of records, tables of rows; first as a plan of blocks, then block by block.

The plan holds names and offsets alone, so that any process can read any block, memory stays flat, and a build that was stopped finds
the same blocks again. Paths within a JSONL are relative to its folder where they are there, else to the working folder.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from emollm.clip_files import accepts, clip_id, expand, open_clip
from emollm.data_engines.attributes import Attributes, checked_gold, open_attributes
from emollm.data_engines.base import Gold, Item, Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.errors import ConfigError, DataError, MediaError, one_line
from emollm.types import Clip, Observation, Record, Table

STAGE = "source"
CLIPS = 16
"""Clips of one block at most: measuring a video takes long, and what a block has is lost if it is stopped."""

_LINES = ".jsonl"
_PARQUET = ".parquet"
_CSV = ".csv"


class Span(Record):
    """The place of one block in the input."""

    index: int
    kind: Literal["clips", "lines", "csv", "parquet"]
    paths: tuple[str, ...]
    """The clips; or the one file."""
    names: tuple[str, ...]
    """Ids of the clips; or what ids of rows begin with."""
    start: int = 0
    """Byte of the first line; row within the row group of a Parquet file."""
    count: int
    """Clips, lines or rows."""
    first: int = 0
    """Number of the first line or row in its file."""
    group: int = 0
    """Row group of a Parquet file."""
    roots: tuple[str, ...] = ()
    """Folders of the input, in which the list of attributes is."""


class Plan(NamedTuple):
    """All blocks of a build."""

    spans: list[Span]
    items: int
    fingerprint: str
    """Of the input files' names, sizes and times of change."""
    notes: tuple[str, ...]
    """What a reader should know: an input that holds nothing."""


def plan(inputs: Sequence[str], settings: BuildSettings, limit: int | None = None) -> Plan:
    """The blocks of an input.

    Args:
        inputs: Files, folders and patterns.
        settings: The recipe.
        limit: At most so many items.

    Raises:
        DataError: Nothing to read, a file that is not there, or a table without action units.
        ConfigError: Tables of rows without ``rows``, or the other way round; unknown columns.
    """
    notes: list[str] = []
    paths = expand(inputs, _wanted(settings.rows), notes.append)
    roots = tuple(name for name in inputs if os.path.isdir(name))
    names = _names(paths, roots)
    attributes = open_attributes(settings, roots) if not settings.rows else None
    if attributes is not None:
        attributes.refuse_strangers([Path(name).name for name in names])
    spans: list[Span] = []
    for made in _spans(paths, names, roots, settings):
        spans.append(made.model_copy(update={"index": len(spans)}))
    if limit is not None:
        spans = list(_limited(spans, limit))
    items = sum(span.count for span in spans)
    if not items:
        raise DataError(f"{', '.join(inputs)}: nothing to read: no clip, no line, no row")
    read = [*paths, *([attributes.path] if attributes is not None else [])]
    return Plan(spans, items, _fingerprint(read), tuple(notes))


def items_of(span: Span, settings: BuildSettings) -> Iterator[Item | Rejected]:
    """The items of a block of clips or lines; what cannot be read comes as a reject with its reason."""
    attributes = open_attributes(settings, span.roots)
    if span.kind == "clips":
        for file_name, name in zip(span.paths, span.names, strict=True):
            yield _clip(Path(file_name), name, attributes, settings)
        return
    path = Path(span.paths[0])
    with path.open("rb") as file:
        file.seek(span.start)
        for row in range(span.first, span.first + span.count):
            line = file.readline()
            if line.strip():
                yield _record(line, path, row, settings)


# ---- the plan -------------------------------------------------------------------------------------------------------


def _wanted(rows: bool) -> Any:
    """Which files of a folder are read."""
    if not rows:
        return accepts
    from emollm.data_engines.source_layouts import has_units

    return has_units


def _names(paths: Sequence[Path], roots: Sequence[str]) -> list[str]:
    """Ids: the path within its folder; the path as given where two would have the same."""
    found = []
    for path in paths:
        root = next((root for root in roots if path.is_relative_to(root)), None)
        found.append(clip_id(path.relative_to(root) if root is not None else Path(path.name)))
    return found if len(set(found)) == len(found) else [clip_id(path) for path in paths]


def _spans(
    paths: Sequence[Path], names: Sequence[str], roots: tuple[str, ...], settings: BuildSettings
) -> Iterator[Span]:
    """Blocks in the order of the input; their numbers come later."""
    clips: list[tuple[Path, str]] = []
    most = min(settings.scale.block, CLIPS)
    for path, name in zip(paths, names, strict=True):
        suffix = path.suffix.lower()
        if suffix == _LINES:
            yield from _line_spans(path, name, settings.scale.block)
        elif settings.rows:
            from emollm.data_engines.source_rows import spans_of

            yield from spans_of(path, name, settings)
        elif suffix == _PARQUET:
            raise ConfigError(f"{path}: a Parquet file holds rows; add --set rows=true, or use a recipe for rows")
        else:
            clips.append((path, name))
            if len(clips) == most:
                yield _clip_span(clips, roots)
                clips = []
    if clips:
        yield _clip_span(clips, roots)


def _clip_span(clips: Sequence[tuple[Path, str]], roots: tuple[str, ...]) -> Span:
    paths = tuple(os.fsdecode(path) for path, _ in clips)
    return Span(
        index=0, kind="clips", paths=paths, names=tuple(name for _, name in clips), count=len(clips), roots=roots
    )


def _line_spans(path: Path, name: str, most: int) -> Iterator[Span]:
    for start, first, count in line_blocks(path, most):
        yield Span(index=0, kind="lines", paths=(str(path),), names=(name,), start=start, first=first, count=count)


def line_blocks(path: Path, most: int, header: bool = False) -> Iterator[tuple[int, int, int]]:
    """Byte of the first line, its number (from 1), and how many lines, for each block of a text file.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            at = len(file.readline()) if header else 0
            number, start, count = 2 if header else 1, at, 0
            for line in file:
                at += len(line)
                count += 1
                if count == most:
                    yield start, number, count
                    number, start, count = number + count, at, 0
            if count:
                yield start, number, count
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _limited(spans: Sequence[Span], limit: int) -> Iterator[Span]:
    for span in spans:
        if limit <= 0:
            return
        count = min(span.count, limit)
        limit -= count
        update: dict[str, Any] = {"count": count}
        if span.kind == "clips":
            update |= {"paths": span.paths[:count], "names": span.names[:count]}
        yield span.model_copy(update=update)


def _fingerprint(paths: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        try:
            state = path.stat()
            stamp = [clip_id(path), state.st_size, state.st_mtime_ns]
        except OSError as error:
            stamp = [clip_id(path), error.errno or 0, 0]
        found.update(json.dumps(stamp).encode())
    return found.hexdigest()


# ---- clips and records ----------------------------------------------------------------------------------------------


def _clip(path: Path, name: str, attributes: Attributes | None, settings: BuildSettings) -> Item | Rejected:
    source = settings.source
    try:
        clip = open_clip(path, source.table_scale, source.table_fps)
    except (DataError, MediaError) as error:
        return Rejected(name, STAGE, f"unreadable: {one_line(str(error))}")
    item = Item(
        clip=clip.model_copy(update={"id": name, "dataset": source.dataset}),
        split=source.split,
        licence=source.licence,
    )
    return item if attributes is None else attributes.add_to(item)


def _record(line: bytes, path: Path, row: int, settings: BuildSettings) -> Item | Rejected:
    """The item in a line that holds an Item, a Clip or an Observation."""
    where = f"{path.name}:{row}"
    try:
        values = json.loads(line)
        if not isinstance(values, dict):
            return Rejected(
                where, STAGE, "unreadable: expected an object with the fields of a Clip, Item or Observation"
            )
        item = _item(values, line, path, where, settings)
    except (ValueError, RecursionError) as error:
        return Rejected(where, STAGE, f"unreadable: not JSON: {one_line(str(error))}")
    except DataError as error:
        return Rejected(where, STAGE, f"unreadable: {one_line(str(error))}")
    gold = checked_gold(item.gold, settings)
    if isinstance(gold, str):
        return Rejected(item.clip.id, STAGE, gold)
    return item.model_copy(update={"gold": gold, "clip": _placed(item.clip, path.parent)})


def _item(values: dict[str, Any], line: bytes, path: Path, where: str, settings: BuildSettings) -> Item:
    source = settings.source
    if "clip" in values:
        return Item.from_json(line, where)
    if "cues" in values or "media" in values:
        observation = Observation.from_json(line, where)
        clip = Clip(id=observation.id, table=Table(path=path, format="observation"), dataset=source.dataset)
        return Item(clip=clip, observation=observation, split=source.split, licence=source.licence)
    clip = Clip.from_json(line, where)
    gold = None
    if clip.labels:
        gold = Gold(labels=clip.labels, label_set=clip.label_set or source.label_set, by=source.by)
    return Item(clip=clip, gold=gold, split=source.split, licence=source.licence)


def _placed(clip: Clip, folder: Path) -> Clip:
    """The clip with paths that are relative to the folder of its list."""

    def place(path: Path) -> Path:
        return folder / path if not path.is_absolute() and (folder / path).exists() else path

    update: dict[str, Any] = {
        name: place(path) for name in ("image", "video", "audio") if (path := getattr(clip, name)) is not None
    }
    if clip.table is not None:
        update["table"] = clip.table.model_copy(update={"path": place(clip.table.path)})
    return clip.model_copy(update=update)
