"""The answers of a run on disk: a JSONL row each, written at once, so that a kill at any moment repeats no finished item.

``answers.jsonl`` grows while the run goes on; at the end it holds the answers of exactly this run in the order of its items, in the form that
``emollm eval score`` and ``compare`` read. Answers that an earlier run of the same folder got and this one does not need (another part, a
larger limit, media that changed) go to ``earlier.jsonl``, where a later run finds them. Answers are found by id and key.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from emollm.errors import ConfigError, DataError, EmollmError
from emollm.eval.predictions import FAULT
from emollm.files import replacing

ANSWERS, EARLIER, REJECTS = "answers.jsonl", "earlier.jsonl", "rejects.jsonl"
_LOCK = ".lock"
_SAME = ("task", "model", "prompt", "settings")
"""What all answers of a folder have in common; ``settings``, changed ones of the task, only where there are some."""

Row = dict[str, Any]
Place = tuple[str, str]
"""Id and key."""


class Reject(NamedTuple):
    """An item without an answer."""

    id: str
    reason: str


class AnswerFile:
    """The answers in a folder, which one run holds at a time.

    Args:
        folder: Made if need be.
        of: ``task``, ``model`` and ``prompt`` of the run, and ``settings`` where some were changed; they stand in each row.
        fresh: Drop what earlier runs have left.

    Raises:
        ConfigError: It holds answers of another task, model, prompt or other settings.
        DataError: It holds something else than answers.
        EmollmError: It cannot be written, or another run holds it.
    """

    def __init__(self, folder: Path, of: Mapping[str, str], fresh: bool = False) -> None:
        self.folder, self._of, self._fresh = folder, dict(of), fresh
        self._known: dict[Place, Row] = {}
        self._kept: set[Place] = set()
        """Those that stand in ``earlier.jsonl``."""
        self._lock: IO[bytes] | None = None
        self._file: IO[bytes] | None = None

    @property
    def path(self) -> Path:
        """The file of answers."""
        return self.folder / ANSWERS

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / _LOCK).open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._close()
            raise EmollmError(f"{self.folder}: another run is writing it; wait for it or give another --out") from error
        except OSError as error:
            self._close()
            raise EmollmError(f"{self.folder}: cannot be written: {error.strerror or error}") from error
        try:
            self._read()
            self._file = self.path.open("ab", buffering=0)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def find(self, id: str, key: str) -> Row | None:
        """The answer to an item, if it is known."""
        return self._known.get((id, key))

    def add(self, row: Row) -> None:
        """Keeps an answer: it is handed to the system whole before this returns.

        Args:
            row: With ``id`` and ``key``.

        Raises:
            EmollmError: It cannot be written, for example because the disk is full; what was kept before stays.
        """
        assert self._file is not None
        row = row | self._of
        line = _line(row)
        start = self._file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(start)
            raise EmollmError(
                f"{self.path}: cannot be written: {error.strerror}; run the same command again to go on"
            ) from error
        self._known[row["id"], row["key"]] = row

    def finish(self, wanted: Sequence[Place], lost: Mapping[str, Row]) -> list[Row]:
        """Leaves the answers to these items in ``answers.jsonl``, in this order, and gives them; others go to ``earlier.jsonl``.

        Args:
            wanted: The items of the run.
            lost: By id, rows of those without an answer, with ``fault``: who reads the file knows of them, a later run asks them again.
        """
        rows = [self._known[place] for place in wanted if place in self._known]
        own = set(wanted)
        others = [row for place, row in self._known.items() if place not in own]
        if any(place not in self._kept for place in self._known if place not in own):
            _write(self.folder / EARLIER, others)
        every = {id: row | self._of for id, row in lost.items()}
        whole = [self._known.get(place) or every.get(place[0]) for place in wanted]
        _write(self.path, (row for row in whole if row is not None))
        return rows

    def list_rejects(self, rejects: Sequence[Reject]) -> None:
        """Writes the items that have no answer; no file where there are none."""
        path = self.folder / REJECTS
        if rejects:
            _write(path, (reject._asdict() for reject in rejects))
        else:
            path.unlink(missing_ok=True)

    def _read(self) -> None:
        for name in (EARLIER, ANSWERS):
            path = self.folder / name
            if self._fresh:
                path.unlink(missing_ok=True)
            for row in _rows(path):
                if FAULT in row:
                    continue
                self._known[row["id"], row["key"]] = row
                if name == EARLIER:
                    self._kept.add((row["id"], row["key"]))
                for what in _SAME:
                    if row.get(what) != self._of.get(what):
                        theirs, ours = (
                            repr(str(one)) if one else "none" for one in (row.get(what), self._of.get(what))
                        )
                        raise ConfigError(
                            f"{path}: holds answers of the {what} {theirs}, not {ours}; give another --out, or --fresh to drop them"
                        )

    def _close(self) -> None:
        for file in (self._file, self._lock):
            if file is not None:
                file.close()


def _line(row: Mapping[str, Any]) -> bytes:
    """A row as it stands in the file; halves of characters, which a file name or a model may give, as escapes."""
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row).encode() + b"\n"


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with replacing(path) as file:
        file.writelines(map(_line, rows))


def _rows(path: Path) -> Iterator[Row]:
    """The rows of a file; half a line at its end, which a killed run leaves, is cut off."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("rb+") as file:
            file.truncate(whole)
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            row = json.loads(line)
            good = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("id", "key"))
        except ValueError:
            good = False
        if not good:
            raise DataError(f"{path}:{number}: no answer of this command; move the file away, or give --fresh")
        yield row
