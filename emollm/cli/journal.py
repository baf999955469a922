"""Results of a long run on disk, so that a stop at any moment costs at most the clip in progress.

``<out>.part`` is the journal: a first line with the fingerprint of the settings, then a line a clip,
``["<id>", <size>, <mtime_ns>, <files>]<tab><record>``, each handed to the kernel in one piece before the next clip begins;
``<files>`` are path, size and time of what was made beside the record, null and null where nothing came of it. The journal is also the lock: two runs on one ``out``
never interleave. :meth:`Journal.finish` writes the records to ``out``, writes ``.<out>.run`` (the same without the records,
beside size and time of ``out`` itself) and removes the journal.

Nothing is lost on the way: records of other clips with the same settings stay in ``out``; where they cannot stay, because
``out`` was made with other settings or by another program, it is refused.
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, Self

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
    made: Mapping[str, Stamp | None]
    """Files that were made beside the record; None where nothing came of one, as of the drawing of sound."""
    file: IO[bytes]
    start: int
    length: int

    def head(self, clip: str) -> bytes:
        """The line of the entry, up to its record."""
        made = [[path, *(stamp or (None, None))] for path, stamp in self.made.items()]
        return json.dumps([clip, *(self.stamp or (None, None)), made]).encode()

    def holds(self, stamp: Stamp, made: Sequence[Path]) -> bool:
        """Whether the clip and the files made of it are as they were when the record was written."""
        return self.stamp == stamp and all(
            (place := os.path.abspath(path)) in self.made and self.made[place] == stamp_of(path) for path in made
        )


def stamp_of(path: Path) -> Stamp | None:
    """Size and time of a file; None if it cannot be looked at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


class Form(Protocol):
    """How records stand in ``out``."""

    def expected(self, kind: str) -> str:
        """What such a file holds, for a message; ``kind`` is the name of a record."""
        ...

    def read(self, path: Path) -> IO[bytes]:
        """The records of a file, a line of JSON each; of a file of another form anything that is no record."""
        ...

    def write(self, file: IO[bytes], lines: Iterable[bytes]) -> None:
        """Writes records, each a line of JSON without its end."""
        ...


class Lines:
    """A line of JSON a record, as the journal itself."""

    def expected(self, kind: str) -> str:
        return f"one {kind} a line"

    def read(self, path: Path) -> IO[bytes]:
        return path.open("rb")

    def write(self, file: IO[bytes], lines: Iterable[bytes]) -> None:
        file.writelines(line + b"\n" for line in lines)


class Journal:
    """The records of one run, and those of earlier runs with the same settings.

    Args:
        out: The file of results that the run makes.
        key: Kind of record and fingerprint of all that the results depend on apart from the clips, with a space between.
        clips: Ids of the clips of this run.
        is_record: Whether a line is a record of that kind.
        fresh: Leave earlier results alone, and drop them in the end.
        form: How records stand in ``out``.

    Raises:
        EmollmError: Another run holds ``out``, its folder cannot be written, ``out`` or ``<out>.part`` is another program's,
            or ``out`` has results of other clips that cannot stay.
    """

    def __init__(
        self,
        out: Path,
        key: str,
        clips: Sequence[str],
        is_record: Callable[[bytes], bool],
        fresh: bool = False,
        form: Form | None = None,
    ) -> None:
        self._form: Form = form or Lines()
        self.out = Path(os.path.realpath(out))
        self.part = self.out.with_name(f"{self.out.name}.part")
        self.state = self.out.with_name(f".{self.out.name}.run")
        self.notes: list[str] = []
        """What of earlier runs is dropped, a line each."""
        self._header = _MARK + json.dumps({"key": key}).encode().lstrip(b"{")
        self._clips = frozenset(clips)
        self._is_record = is_record
        self._earlier: list[str] = []
        self._entries: dict[str, _Entry] = {}
        self._results: IO[bytes] | None = None
        if self.out.exists() and not self.out.is_file():
            raise EmollmError(f"{out}: expected a file to write, this is a folder or a device; give a file name")
        self._file = self._locked()
        try:
            self._read_earlier(fresh)
            self._read_part(fresh)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, clip: str, stamp: Stamp | None, made: Sequence[Path] = ()) -> str | None:
        """JSON text of the clip's record, if its file and those made beside the record have not changed since."""
        entry = self._entries.get(clip)
        if entry is None or stamp is None or not entry.holds(stamp, made):
            return None
        return self._text(entry).decode("utf-8")

    def add(self, clip: str, stamp: Stamp | None, record: str, made: Sequence[Path] = ()) -> None:
        """Keeps one record, a line of JSON.

        Raises:
            EmollmError: It cannot be written, for example because the disk is full. What was kept before stays whole.
        """
        stamps = {os.path.abspath(path): stamp_of(path) for path in made}
        entry = _Entry(stamp, stamps, self._file, 0, 0)
        head = entry.head(clip) + b"\t"
        body = record.encode("utf-8")
        start = self._append(head + body + b"\n")
        self._entries[clip] = entry._replace(start=start + len(head), length=len(body))

    def finish(self, delivered: Sequence[str]) -> int:
        """Makes ``out`` from the records of these clips, in this order, and removes the journal.

        Records of clips that are not of this run stay; then earlier records keep their places and new ones follow.

        Returns:
            How many records of other clips stay.

        Raises:
            EmollmError: ``out`` cannot be written; it and the journal stay as they were.
        """
        others = {clip for clip in self._entries if self._stays(clip)}
        order = [clip for clip in self._entries if clip in {*others, *delivered}] if others else list(delivered)
        entries = {clip: self._entries[clip] for clip in order}
        if order != self._earlier or any(entry.file is self._file for entry in entries.values()):
            with replacing(self.out) as file:
                self._form.write(file, (self._text(entry) for entry in entries.values()))
            with replacing(self.state) as file:
                file.write(self._header + b"\n" + json.dumps(stamp_of(self.out)).encode() + b"\n")
                file.writelines(entry.head(clip) + b"\n" for clip, entry in entries.items())
        self.part.unlink(missing_ok=True)
        return len(others)

    def close(self) -> None:
        """Gives the lock back; a journal without a record is removed."""
        if self._file.closed:
            return
        start = os.pread(self._file.fileno(), len(self._header) + 2, 0)
        if start in (b"", self._header + b"\n") and _is_at(self._file, self.part):
            self.part.unlink()
        if self._results is not None:
            self._results.close()
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
            with self.part.open("rb") as lines:
                dropped = max(0, sum(1 for _ in lines) - 1)
            if dropped and not fresh:
                self.notes.append(f"{self.part}: {dropped} clips of other settings dropped, starting anew")
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
                    self._entries[row[0]] = _Entry(*row[1:], self._file, end + len(head) + 1, len(body) - 1)
                end += len(line)
        self._file.truncate(end)

    def _read_earlier(self, fresh: bool) -> None:
        """Takes over the records of a finished run with the same settings, if its output was not touched since."""
        if not self.out.exists():
            return
        self._results = self._form.read(self.out)
        state = self.state.read_bytes().splitlines() if self.state.exists() else []
        written = len(state) >= 2 and state[1] == json.dumps(stamp_of(self.out)).encode()
        if not written or state[0] != self._header or fresh:
            kind = self._header.rpartition(b" ")[0]
            self._may_replace(written and state[0].startswith(kind), fresh)
            return
        start = 0
        for head, line in zip(state[2:], self._results, strict=False):
            if (row := _row(head)) is not None:
                self._entries[row[0]] = _Entry(*row[1:], self._results, start, len(line) - 1)
                self._earlier.append(row[0])
            start += len(line)

    def _may_replace(self, ours: bool, fresh: bool) -> None:
        """Refuses to replace what emollm did not write, and what this run does not make anew."""
        with self._form.read(self.out) as file:
            lines = list(_ids(file))
        if not lines:
            return
        with self._form.read(self.out) as file:
            if None in lines or not (ours or self._is_record(file.readline())):
                kind = self._header.rpartition(b'"')[0].rpartition(b'"')[2].decode().partition(" ")[0].lower()
                raise EmollmError(
                    f"{self.out}: not written by this command of emollm (expected {self._form.expected(kind)}); "
                    "give another file name, or move this file away"
                )
        if fresh:
            return
        others = [id for id in lines if id not in self._clips]
        if others:
            raise EmollmError(
                f"{self.out}: has {len(others)} results of other clips that were made with other settings or changed since "
                f"({others[0]} …); give another file name, or --fresh to drop them"
            )
        self.notes.append(f"{self.out}: made with other settings or changed since; starting anew")

    def _stays(self, clip: str) -> bool:
        """Whether the record is of a clip of another run, and whole."""
        if clip in self._clips:
            return False
        entry = self._entries[clip]
        return entry.file is not self._file or self._is_record(self._text(entry))

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


def _row(text: bytes) -> tuple[str, Stamp | None, dict[str, Stamp | None]] | None:
    """Clip, its stamp, and the files made of it; None if the line is damaged."""
    try:
        row: Any = json.loads(text)
    except ValueError:
        return None
    match row:
        case [str(clip), int(size), int(mtime_ns), *rest]:
            return clip, Stamp(size, mtime_ns), _made(rest)
        case [str(clip), None, None, *rest]:
            return clip, None, _made(rest)
    return None


def _made(rest: list[Any]) -> dict[str, Stamp | None]:
    made: dict[str, Stamp | None] = {}
    for row in rest[0] if rest and isinstance(rest[0], list) else ():
        match row:
            case [str(path), int(size), int(mtime_ns)]:
                made[path] = Stamp(size, mtime_ns)
            case [str(path), None, None]:
                made[path] = None
    return made


def _ids(lines: Iterable[bytes]) -> Iterator[str | None]:
    """Id of the record in each line; None for a line that is no record."""
    for line in lines:
        try:
            row: Any = json.loads(line)
        except ValueError:
            row = None
        id = row.get("id") if isinstance(row, dict) else None
        yield id if isinstance(id, str) else None
