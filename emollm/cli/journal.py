"""Results of a long run on disk, so that a stop at any moment costs at most the clip in progress.

``<out>.part`` is the journal: a first line with the fingerprint of the settings, then a line a clip,
``["<id>", <size>, <mtime_ns>]<tab><record>``, each handed to the kernel in one piece before the next clip begins. It is also
the lock: two runs on one ``out`` never interleave. :meth:`Journal.finish` writes the records to ``out`` in the order of the
clips, writes ``.<out>.run`` (the same without the records, beside size and time of ``out`` itself) and removes the journal.
"""

import errno
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from emollm.errors import EmollmError
from emollm.files import replacing

_MARK = b'{"emollm_run": 1, '


class Stamp(NamedTuple):
    """By what a changed file is told from an unchanged one."""

    size: int
    mtime_ns: int


class _Entry(NamedTuple):
    """Where one record's text stands: in the journal, or in the earlier output."""

    stamp: Stamp | None
    file: IO[bytes]
    start: int
    length: int


def stamp_of(path: Path) -> Stamp | None:
    """Size and time of a file; None if it cannot be looked at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


class Journal:
    """The records of one run, and those of earlier runs with the same settings.

    Args:
        out: The file of results that the run makes.
        key: Fingerprint of all that the results depend on, apart from the clips.
        fresh: Leave earlier results alone.

    Raises:
        EmollmError: Another run holds ``out``, its folder cannot be written, or ``<out>.part`` is no journal.
    """

    def __init__(self, out: Path, key: str, fresh: bool = False) -> None:
        self.out = Path(os.path.realpath(out))
        self.part = self.out.with_name(f"{self.out.name}.part")
        self.state = self.out.with_name(f".{self.out.name}.run")
        self.superseded = 0
        """Clips of an earlier, unfinished run with other settings that were dropped."""
        self._header = _MARK + json.dumps({"key": key}).encode().lstrip(b"{")
        self._earlier: list[str] = []
        self._entries: dict[str, _Entry] = {}
        if self.out.exists() and not self.out.is_file():
            raise EmollmError(f"{out}: expected a file to write, this is a folder or a device; give a file name")
        self._file = self._locked()
        try:
            if not fresh:
                self._read_earlier()
            self._read_part(fresh)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, clip: str, stamp: Stamp | None) -> str | None:
        """JSON text of the clip's record, if there is one and its file has not changed since."""
        entry = self._entries.get(clip)
        if entry is None or stamp is None or entry.stamp != stamp:
            return None
        return self._text(entry).decode("utf-8")

    def add(self, clip: str, stamp: Stamp | None, record: str) -> None:
        """Keeps one record, a line of JSON.

        Raises:
            EmollmError: It cannot be written, for example because the disk is full. What was kept before stays whole.
        """
        head = json.dumps([clip, *(stamp or (None, None))]).encode() + b"\t"
        body = record.encode("utf-8")
        start = self._append(head + body + b"\n")
        self._entries[clip] = _Entry(stamp, self._file, start + len(head), len(body))

    def finish(self, clips: Sequence[str]) -> None:
        """Makes ``out`` from the records of these clips, in this order, and removes the journal.

        Raises:
            EmollmError: ``out`` cannot be written; it and the journal stay as they were.
        """
        entries = [self._entries[clip] for clip in clips]
        if list(clips) != self._earlier or any(entry.file is self._file for entry in entries):
            with replacing(self.out) as file:
                for entry in entries:
                    file.write(self._text(entry) + b"\n")
            with replacing(self.state) as file:
                file.write(self._header + b"\n" + json.dumps(stamp_of(self.out)).encode() + b"\n")
                for clip, entry in zip(clips, entries, strict=True):
                    file.write(json.dumps([clip, *(entry.stamp or (None, None))]).encode() + b"\n")
        self.part.unlink(missing_ok=True)

    def close(self) -> None:
        """Gives the lock back; a journal without a record is removed."""
        if self._file.closed:
            return
        start = os.pread(self._file.fileno(), len(self._header) + 2, 0)
        if start in (b"", self._header + b"\n") and _is_at(self._file, self.part):
            self.part.unlink()
        for file in {id(entry.file): entry.file for entry in self._entries.values()}.values():
            file.close()
        self._file.close()

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _locked(self) -> IO[bytes]:
        """The journal, opened and locked. The lock ends with the process, however that ends."""
        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            while True:
                file = os.fdopen(os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b", buffering=0)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # The run that held it may have removed the file between our opening and locking it.
                    if _is_at(file, self.part):
                        return file
                except OSError:
                    file.close()
                    raise
                file.close()
        except BlockingIOError as error:
            raise EmollmError(f"{self.out}: another run is writing it; wait for it or give another file") from error
        except OSError as error:
            raise EmollmError(f"{self.out}: cannot be written: {error.strerror or error}") from error

    def _read_part(self, fresh: bool) -> None:
        """Takes up the whole lines of the journal; a last line that was cut off is dropped."""
        start = self._file.readline(2 * len(self._header))  # a foreign file may have no line end
        if start and not start.startswith(_MARK) and not _MARK.startswith(start):
            raise EmollmError(f"{self.part}: exists and is no journal of emollm; move it away")
        if fresh or start != self._header + b"\n":
            if not fresh:
                with self.part.open("rb") as lines:
                    self.superseded = max(0, sum(1 for _ in lines) - 1)
            self._file.truncate(0)
            self._append(self._header + b"\n")
            return
        end = len(start)
        with self.part.open("rb") as lines:
            lines.seek(end)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                head, tab, body = line.partition(b"\t")
                if tab and (row := _row(head)) is not None:
                    self._entries[row[0]] = _Entry(row[1], self._file, end + len(head) + 1, len(body) - 1)
                end += len(line)
        self._file.truncate(end)

    def _read_earlier(self) -> None:
        """Takes over the records of a finished run with the same settings, if its output was not touched since."""
        try:
            state = self.state.read_bytes().splitlines()
            out = self.out.open("rb")
        except FileNotFoundError:
            return
        if len(state) < 2 or state[0] != self._header or state[1] != json.dumps(stamp_of(self.out)).encode():
            out.close()
            return
        start = 0
        for head, line in zip(state[2:], out, strict=False):
            if (row := _row(head)) is not None:
                self._entries[row[0]] = _Entry(row[1], out, start, len(line) - 1)
                self._earlier.append(row[0])
            start += len(line)
        if not self._entries:
            out.close()

    def _text(self, entry: _Entry) -> bytes:
        return os.pread(entry.file.fileno(), entry.length, entry.start)

    def _append(self, line: bytes) -> int:
        """Writes a line at the end of the journal, whole or not at all; gives the place where it begins."""
        start = self._file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(start)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise EmollmError(
                f"{self.part}: cannot be written: {error.strerror}; "
                f"{'make room and run' if full else 'run'} the same command again to go on"
            ) from error
        return start


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether this open file is the one that the path names now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _row(text: bytes) -> tuple[str, Stamp | None] | None:
    """Clip and stamp of one line; None if the line is damaged."""
    try:
        row: Any = json.loads(text)
    except ValueError:
        return None
    match row:
        case [str(clip), int(size), int(mtime_ns)]:
            return clip, Stamp(size, mtime_ns)
        case [str(clip), None, None]:
            return clip, None
    return None
