"""From any format to any other, one record at a time: read, bridge, write, and list what could not be kept."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from emollm.data_engines.base import Item
from emollm.data_engines.formats import FORMATS
from emollm.data_engines.formats.base import Fault, Format, Options, fault
from emollm.data_engines.formats.bridge import item_of, samples_of
from emollm.data_engines.formats.files import head_of
from emollm.errors import ConfigError, DataError
from emollm.files import rejects_of_others, replacing
from emollm.samples import Sample

REJECTS = "rejects.jsonl"
"""Beside the output: one object a bad record, with ``out``, ``where``, ``id`` and ``reason``."""
AUTO = "auto"


@dataclass
class Converted:
    """What became of the records."""

    source: str
    target: str
    out: Path
    read: int = 0
    written: int = 0
    rejected: int = 0
    merged: int = 0
    """Further conversations of a clip that was already written as an annotation."""
    lost: dict[str, int] = field(default_factory=dict)
    """What the target could not hold, with the number of records."""
    notes: list[str] = field(default_factory=list)
    """What a user should know."""
    rejects: Path | None = None


class _Told(NamedTuple):
    """Where rejects go until it is known that there are any."""

    file: IO[str]
    out: str

    def add(self, found: Fault) -> None:
        row = {"out": self.out, "where": found.where, "id": found.id, "reason": found.reason}
        self.file.write(json.dumps(row) + "\n")


# ---- which format ---------------------------------------------------------------------------------------------------


def readable(name: str) -> Format[Any]:
    """The format of that name, which must be one that is read.

    Raises:
        ConfigError: Unknown, or only written.
    """
    found = FORMATS[name]
    if found.read is None:
        raise ConfigError(f"format {name!r} is only written; read: {', '.join(_names(lambda one: one.read))}")
    return found


def writable(name: str) -> Format[Any]:
    """The format of that name, which must be one that is written.

    Raises:
        ConfigError: Unknown, or only read.
    """
    found = FORMATS[name]
    if found.write is None:
        raise ConfigError(f"format {name!r} is only read; written: {', '.join(_names(lambda one: one.write))}")
    return found


def _names(able: Callable[[Format[Any]], object]) -> list[str]:
    return [name for name in FORMATS if able(FORMATS[name]) is not None]


def sniff(paths: Sequence[Path]) -> str:
    """The format of some files, told by how they begin.

    Raises:
        ConfigError: No known one, or the files are of different formats.
        DataError: A file cannot be read.
    """
    found = {path: _format_of(path) for path in paths}
    names = set(found.values())
    if len(names) > 1:
        listed = ", ".join(f"{path}: {name}" for path, name in found.items())
        raise ConfigError(f"the inputs look like different formats ({listed}); convert them one by one, or say --from")
    return names.pop()


def _format_of(path: Path) -> str:
    head = head_of(path)
    for name in FORMATS:
        known = FORMATS[name]
        if known.read is not None and known.recognises(head):
            return name
    raise ConfigError(f"{path}: cannot tell its format; say it with --from: {', '.join(_names(lambda one: one.read))}")


# ---- conversion -----------------------------------------------------------------------------------------------------


def convert(
    paths: Sequence[Path],
    source: str,
    target: str,
    out: Path,
    options: Options,
    step: Callable[[Converted], None] = lambda _: None,
) -> Converted:
    """Converts files; bad records are listed in ``rejects.jsonl`` beside the output.

    Args:
        paths: Files of one format.
        source: Its name, or ``auto``.
        target: Name of the other format.
        out: A file; it appears whole, or stays as it was.
        options: What the files do not say.
        step: Called after each record.

    Raises:
        ConfigError: An unknown format, or ``out`` is one of the inputs.
        DataError: A file that cannot be read at all, or no record could be converted (the rejects are listed all the same).
    """
    writer = writable(target)
    _refuse(paths, out)
    reader = readable(sniff(paths) if source == AUTO else source)
    done = Converted(reader.name, target, out)
    if options.root is None and reader.name not in ("messages", "items", "openface2", "pyfeat", "libreface"):
        done.notes.append("media were not looked for; --root DIR says where they are")
    with TemporaryFile("w+", encoding="utf-8") as file:
        told = _Told(file, out.name)
        try:
            assert writer.write is not None
            with writer.write(out, options) as sink:
                for record in _records(reader, writer, paths, options, done, told):
                    try:
                        sink.add(record[1])
                        done.written += 1
                    except DataError as error:
                        _reject(fault(record[0], error, _id(record[1])), done, told)
                    step(done)
                if not done.written:
                    raise DataError(_nothing(done, told))
                done.lost = dict(sink.lost)
        finally:
            done.rejects = _list(told, out)
    return done


def _refuse(paths: Sequence[Path], out: Path) -> None:
    if out.name == REJECTS:
        raise ConfigError(f"{out}: {REJECTS} beside the output lists the rejects; give another name")
    places = {os.path.realpath(path) for path in paths}
    if os.path.realpath(out) in places:
        raise ConfigError(f"{out}: is an input and would be replaced; give another name")
    if os.path.realpath(out.with_name(REJECTS)) in places:
        raise ConfigError(f"{out.with_name(REJECTS)}: is an input and would be replaced; write into another folder")


def _records(
    reader: Format[Any], writer: Format[Any], paths: Sequence[Path], options: Options, done: Converted, told: _Told
) -> Iterator[tuple[str, Sample | Item]]:
    """Each record for the writer, with its place."""
    assert reader.read is not None
    ids: set[bytes] = set()
    clips: set[bytes] = set()
    for found in reader.read(paths, options):
        done.read += 1
        if isinstance(found, Fault):
            _reject(found, done, told)
            continue
        id = _id(found.record)
        if not _new(id, ids):
            _reject(Fault(found.where, id, "duplicate id; the first record of that id is kept"), done, told)
            continue
        try:
            yield from ((found.where, one) for one in _bridged(found.record, reader, writer, clips, done))
        except DataError as error:
            _reject(fault(found.where, error, id), done, told)


def _bridged(
    record: Sample | Item, reader: Format[Any], writer: Format[Any], clips: set[bytes], done: Converted
) -> Iterator[Sample | Item]:
    if reader.holds == writer.holds:
        yield record
    elif isinstance(record, Item):
        yield from samples_of(record, reader.name)
    else:
        item = item_of(record)
        if _new(item.clip.id, clips):
            yield item
        else:
            done.merged += 1


def _id(record: Sample | Item) -> str:
    return record.clip.id if isinstance(record, Item) else record.id


def _new(id: str, seen: set[bytes]) -> bool:
    """Whether an id was not seen before; ids are kept as 12 bytes each."""
    key = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=12).digest()
    if key in seen:
        return False
    seen.add(key)
    return True


# ---- rejects --------------------------------------------------------------------------------------------------------


def _reject(found: Fault, done: Converted, told: _Told) -> None:
    done.rejected += 1
    told.add(found)


def _nothing(done: Converted, told: _Told) -> str:
    if not done.read:
        return "no records found; nothing was written"
    told.file.flush()
    told.file.seek(0)
    first = json.loads(told.file.readline())
    told.file.seek(0, os.SEEK_END)
    return f"none of {done.read} records could be converted; the first: {first['where']}: {first['reason']}"


def _list(told: _Told, out: Path) -> Path | None:
    """Writes the rejects in the place of those of earlier runs on the same output; without any, no file is left."""
    path = out.with_name(REJECTS)
    told.file.seek(0)
    others = rejects_of_others(path, out.name)
    first = told.file.readline()
    if not first and not others:
        path.unlink(missing_ok=True)
        return None
    with replacing(path, "w") as file:
        file.writelines(f"{line}\n" for line in others)
        file.write(first)
        file.writelines(told.file)
    return path if first else None


def told_losses(done: Converted) -> Iterator[str]:
    """One line for each thing that the target could not hold."""
    for what, count in Counter(done.lost).most_common():
        yield f"{count} of {done.written}: {what}"
