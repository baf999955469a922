"""The last steps of a build: filters that look at all Samples, then the shards in their place.

First every verdict is written down beside the blocks, with the counts (``judged.json``, last of all); then shard after shard moves from
``parts`` to its place. A stop at any moment loses nothing: what was not judged to the end is judged anew, and a shard that was not placed
to the end is placed again. Memory: a byte a Sample and what the filters need.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO, Self

from emollm.data_engines.base import Rejected, SetFilter
from emollm.data_engines.filters.seen import Seen
from emollm.data_engines.shards import (
    COUNTS,
    OBSERVATIONS,
    PARTS,
    REJECTS,
    SAMPLES,
    Counts,
    Tally,
    reject_line,
    shard,
    shards,
    write_lines,
)
from emollm.errors import DataError, EmollmError
from emollm.files import replacing
from emollm.samples import Sample

JUDGED = "judged.json"
"""In ``parts``: the counts of the whole build; its being there says that all verdicts are."""
_VERDICTS = "verdicts"
"""In ``parts``, one file a shard: line, stage and reason of each Sample that a set filter rejected."""


def counts_of(out: Path, index: int) -> Counts:
    """The counts of a block that is done.

    Raises:
        DataError: They cannot be read.
    """
    return _read_counts(shard(out / PARTS, COUNTS, index))


def judged(out: Path) -> Counts | None:
    """The counts of the whole build, where all is judged and only the shards have to be placed; else None.

    Raises:
        DataError: They cannot be read.
    """
    path = out / PARTS / JUDGED
    return _read_counts(path) if path.exists() else None


def _read_counts(path: Path) -> Counts:
    try:
        return Counts.from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; --fresh begins anew") from error


# ---- verdicts -------------------------------------------------------------------------------------------------------


def judge(out: Path, blocks: int, filters: Sequence[SetFilter]) -> Counts:
    """Writes what set filters say of all Samples of all blocks.

    Filters work one after the other, each on what those before it kept: in one pass a filter checks, those behind it that need no
    look of their own check what it kept, and the next one looks at what is left. An id that was given before is rejected first of all.

    Args:
        out: The folder of the build.
        blocks: How many blocks there are.
        filters: In order.

    Returns:
        The counts of the whole build.

    Raises:
        EmollmError: A file cannot be read or written.
    """
    parts, tally = out / PARTS, Tally()
    for path in shards(parts, _VERDICTS):
        path.unlink()
    for index in range(blocks):
        tally.add(counts_of(out, index))
    kept = [bytearray() for _ in range(blocks)]
    passes = _passes([Ids(), *filters])
    with _Verdicts(parts) as verdicts:
        for number, checking in enumerate(passes):
            after = passes[number + 1][0] if number + 1 < len(passes) else None
            for index, row, sample in _kept(parts, kept, not number):
                rejected = _rejected(sample, checking)
                if rejected is not None:
                    kept[index][row] = 0
                    tally.keep(sample, -1)
                    tally.reject(rejected)
                    verdicts.add(index, row, rejected)
                elif after is not None:
                    after.look(sample)
    write_lines(parts / JUDGED, [tally.counts.to_json().encode()])
    return tally.counts


def _passes(filters: Sequence[SetFilter]) -> list[list[SetFilter]]:
    """Filters that check in one pass: each that needs a look at all Samples begins another."""
    passes: list[list[SetFilter]] = []
    for one in filters:
        if one.looks or not passes:
            passes.append([])
        passes[-1].append(one)
    return passes


def _rejected(sample: Sample, filters: Sequence[SetFilter]) -> Rejected | None:
    """What the first filter says that rejects a Sample; those behind it never hear of it."""
    for one in filters:
        reason = one.check(sample)
        if reason is not None:
            return Rejected(sample.id, f"filter:{one.name}", reason)
    return None


def _kept(parts: Path, kept: list[bytearray], first: bool) -> Iterator[tuple[int, int, Sample]]:
    """Shard, line and Sample of all that is kept so far."""
    for index, rows in enumerate(kept):
        path = shard(parts, SAMPLES, index)
        with path.open("rb") as file:
            for row, line in enumerate(file):
                if first:
                    rows.append(1)
                if rows[row]:
                    yield index, row, Sample.from_json(line, f"{path}:{row + 1}")


class _Verdicts:
    """Writes verdicts as they come: in the order of the shards, several times over."""

    def __init__(self, parts: Path) -> None:
        self._parts = parts
        self._file: IO[str] | None = None
        self._index = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, index: int, row: int, rejected: Rejected) -> None:
        """One rejected Sample of one shard.

        Raises:
            EmollmError: It cannot be written.
        """
        path = shard(self._parts, _VERDICTS, index)
        try:
            if self._file is None or index != self._index:
                if self._file is not None:
                    self._file.close()
                self._file, self._index = path.open("a", encoding="utf-8"), index
            self._file.write(json.dumps([row, rejected.stage, rejected.reason]) + "\n")
        except OSError as error:
            raise EmollmError(f"{path}: cannot be written: {error.strerror or error}") from error


def _verdicts_of(parts: Path, index: int) -> dict[int, tuple[str, str]]:
    """Stage and reason by line."""
    path = shard(parts, _VERDICTS, index)
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        return {row: (stage, reason) for row, stage, reason in map(json.loads, file)}


class Ids:
    """Rejects Samples with an id that was given before."""

    name = "id"
    looks = False

    def __init__(self) -> None:
        self._seen = Seen()

    def look(self, sample: Sample) -> None:
        """Nothing: one pass is enough."""

    def check(self, sample: Sample) -> str | None:
        """``duplicate: …``, or None for an id that is new; it is then remembered."""
        if self._seen.add(_hash(sample.id)):
            return None
        return f"duplicate: the id {sample.id} was given before"


def _hash(id: str) -> int:
    return int.from_bytes(blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


# ---- shards ---------------------------------------------------------------------------------------------------------


def place(out: Path, blocks: int, keep: bool) -> None:
    """Moves the shards to their place: rejects first, Samples last.

    Args:
        out: The folder of the build, judged.
        blocks: How many blocks there are.
        keep: Leave the blocks in ``parts`` as well, because a later run goes on with them.

    Raises:
        EmollmError: A file cannot be read or written.
    """
    for index in range(blocks):
        here = shard(out / PARTS, SAMPLES, index)
        if not here.exists():  # placed before the run was stopped
            continue
        verdicts = _verdicts_of(out / PARTS, index)
        if not verdicts:
            for kind in (OBSERVATIONS, REJECTS, SAMPLES):
                _move(out, kind, index, keep)
            continue
        _move(out, OBSERVATIONS, index, keep)
        if shard(out / PARTS, REJECTS, index).exists():
            _write_shard(out, index, verdicts)
        if not keep:
            shard(out / PARTS, REJECTS, index).unlink(missing_ok=True)
            here.unlink()


def _write_shard(out: Path, index: int, verdicts: dict[int, tuple[str, str]]) -> None:
    """Writes a shard without what the set filters rejected."""
    here = shard(out / PARTS, SAMPLES, index)
    rejects = [shard(out / PARTS, REJECTS, index).read_bytes()]
    lines: list[bytes] = []
    with here.open("rb") as file:
        for row, line in enumerate(file):
            if row in verdicts:
                sample = Sample.from_json(line, f"{here}:{row + 1}")
                rejects.append(reject_line(Rejected(sample.id, *verdicts[row], sample)))
            else:
                lines.append(line)
    write_lines(shard(out, REJECTS, index), rejects)
    write_lines(shard(out, SAMPLES, index), lines)


def _move(out: Path, kind: str, index: int, keep: bool) -> None:
    """Puts a file of a block in its place unchanged; to keep it means a second name, or a copy where there are no links."""
    here, there = shard(out / PARTS, kind, index), shard(out, kind, index)
    if not here.exists():
        return
    try:
        if not keep:
            os.replace(here, there)
            return
        there.unlink(missing_ok=True)
        try:
            os.link(here, there)
        except OSError:
            with here.open("rb") as source, replacing(there) as file:
                shutil.copyfileobj(source, file)
    except OSError as error:
        raise EmollmError(f"{there}: cannot be written: {error.strerror or error}") from error
