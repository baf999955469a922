"""What observe and explain share: many clips, one record a clip, and going on where a run was stopped.

    paths = expand(arguments, looks_like_image)
    batch = Batch(paths, work, Answer, key=fingerprint(settings), out=out, fresh=fresh)
    with batch:
        for answer in batch:                 # in the order of the paths, those of earlier runs included
            batch.show(answer.to_json())
    return batch.exit_code

Results accumulate: records of other clips that ``out`` has with the same settings stay there.
A clip that cannot be read is told on standard error and written to ``rejects.jsonl`` beside ``out``; the run goes on.
"""

import fcntl
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from pydantic import BaseModel

from emollm import __version__, clip_files
from emollm.ahead import ahead
from emollm.cli import DONE, NOTHING_DONE, SOME_REJECTED, Stopped, say, told
from emollm.cli.interrupts import Interrupts
from emollm.cli.journal import Form, Journal, Lines, Stamp, stamp_of
from emollm.cli.meter import Meter, Watch, people_text
from emollm.clip_files import clip_id, for_json
from emollm.endpoint import EndpointError, Fault
from emollm.errors import DataError, EmollmError, MediaError
from emollm.files import rejects_of_others, replacing
from emollm.types import Record

R = TypeVar("R", bound=Record)

REJECTS = "rejects.jsonl"
"""Beside ``out``: one object a rejected clip, with ``out``, ``id``, ``error`` and ``reason``."""


# ---- which clips ----------------------------------------------------------------------------------------------------


def expand(arguments: Sequence[str], accepts: Callable[[Path], bool]) -> list[Path]:
    """The files that files, folders and patterns stand for; see :func:`emollm.clip_files.expand`."""
    return clip_files.expand(arguments, accepts, say)


def fingerprint(*parts: BaseModel | str) -> str:
    """SHA-256 of all that a result depends on apart from the clip: settings, names of models, prompts; and our version."""
    texts = [part if isinstance(part, str) else part.model_dump_json() for part in parts]
    return hashlib.sha256(json.dumps([__version__, *texts]).encode()).hexdigest()


# ---- the run --------------------------------------------------------------------------------------------------------


class Reject(NamedTuple):
    """A clip that could not be done."""

    id: str
    error: str
    """Class of the error."""
    reason: str


@dataclass
class Batch(Generic[R]):
    """Work on many clips; iterating gives the records in the order of the paths.

    Use it as a context manager around the loop: that holds the lock on ``out``, keeps what is done when the run is
    stopped, and turns Ctrl-C into a line that says how to go on. Other errors than an unreadable clip (a model that
    cannot be had, a full disk) end the run; what is done is kept all the same.
    """

    paths: Sequence[Path]
    work: Callable[[Path], R]
    """Makes the record of one clip; ``MediaError`` and ``DataError`` reject the clip."""
    record: type[R]
    key: str
    """From :func:`fingerprint`. Earlier results count only if they were made with the same key."""
    out: Path | None = None
    fresh: bool = False
    """Do everything anew and drop whatever earlier runs have left."""
    made: Callable[[Path], Sequence[Path]] = lambda _: ()
    """Files that ``work`` makes beside the record. Where one is gone or changed, the clip is done again."""
    form: Form = field(default_factory=Lines)
    """How the records stand in ``out``."""
    workers: int = 1
    """Clips that are worked on at the same time; ``work`` must then be safe to call from several threads."""
    progress: bool | None = None
    """Draw a bar on standard error; None: if it is a terminal and there are several clips."""
    done: int = field(init=False, default=0)
    reused: int = field(init=False, default=0)
    """Of ``done``, those taken from earlier runs."""
    rejects: list[Reject] = field(init=False, default_factory=list)
    _unlisted: bool = field(init=False, default=False)
    """Whether the rejects could not be written."""
    _journal: Journal | None = field(init=False, default=None)
    _meter: Meter = field(init=False)
    _interrupts: Interrupts = field(init=False)
    _recording: threading.Lock = field(init=False, default_factory=threading.Lock)

    @property
    def exit_code(self) -> int:
        """0: all done; 1: some rejected or the rejects cannot be written, the others delivered; 2: nothing done."""
        if not self.done:
            return NOTHING_DONE
        return SOME_REJECTED if self.rejects or self._unlisted else DONE

    def __enter__(self) -> Self:
        if self.out is not None:
            ids = [clip_id(path) for path in self.paths]
            key = f"{self.record.__name__} {self.key}"
            self._journal = Journal(self.out, key, ids, self._is_record, self.fresh, self.form)
            for note in self._journal.notes:
                say(note)
        wanted = sys.stderr.isatty() and len(self.paths) > 1 if self.progress is None else self.progress
        self._meter = Meter(len(self.paths), wanted)
        self._interrupts = Interrupts(self._meter.stop, lambda: self.workers > 1 or self._recording.locked())
        self._interrupts.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupts.end()
        self._meter.stop()
        self._meter.close()
        if self._journal is not None:
            try:
                if error is not None and self.rejects:
                    self._list_rejects(self._journal.out)
            finally:
                self._journal.close()
        self._interrupts.__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            raise Stopped(self._how_to_go_on()) from error

    def __iter__(self) -> Iterator[R]:
        delivered: list[str] = []
        jobs = ((path, self._take_over(clip_id(path), path)) for path in self.paths)
        with closing(ahead(self._make, jobs, self.workers)) as results, self._stopping():
            for (path, earlier), result in results:
                self._interrupts.check()
                record = earlier or self._settle(path, result)
                if record is not None:
                    self.done += 1
                    delivered.append(clip_id(path))
                self._meter.advance(len(self.rejects))
                if record is not None:
                    yield record
            self._interrupts.check()
        self._finish(delivered)

    def show(self, text: str) -> None:
        """Prints to standard output at once, clear of the bar."""
        self._meter.write(text, sys.stdout)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Prints a line on standard error, clear of the bar."""
        self._meter.write(told(text), sys.stderr)

    @contextmanager
    def turn(self, path: Path, recording: bool) -> Iterator[Watch | None]:
        """For ``work``: one recording at a time, which has threads of its own; other clips have not to wait.

        Gives what progress on a recording is told to. It ends the work when the run is stopped.
        """
        if not recording:
            yield None
            return
        with self._recording:
            watch = self._meter.watch(path)
            watch.check()
            yield watch

    def people(self, path: Path) -> Watch:
        """For ``work``: what is told for how many people of a clip there is an answer. It ends the work when the run is stopped."""
        return self._meter.watch(path, people_text)

    # ---- inside -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Ends the recordings in progress when the run ends before its time: nobody shall wait for an hour of video."""
        try:
            yield
        except BaseException:
            self._meter.stop()
            raise

    def _take_over(self, id: str, path: Path) -> R | None:
        """The record of an earlier run, if its file is unchanged and it still has the form of today's records."""
        text = self._journal.find(id, stamp_of(path), self.made(path)) if self._journal else None
        if text is None:
            return None
        try:
            record = self.record.from_json(text, id)
        except DataError:
            return None
        self.reused += 1
        return record

    def _make(self, job: tuple[Path, R | None]) -> tuple[Stamp | None, R] | None:
        """Stamp of the file and record of a clip that has none yet; runs in a worker."""
        path, earlier = job
        if earlier is not None:
            return None
        stamp = stamp_of(path)  # before the work: a file that changes meanwhile is done again next time
        return stamp, self.work(path)

    def _settle(self, path: Path, result: Callable[[], tuple[Stamp | None, R] | None]) -> R | None:
        """Keeps the record of a clip, or rejects the clip."""
        id = clip_id(path)
        try:
            made = result()
        except Stopped:
            self._interrupts.check()
            raise
        except (MediaError, DataError) as error:
            self._reject(id, type(error).__name__, str(error))
            return None
        except EndpointError as error:
            if error.fault not in (Fault.PASSING, Fault.REQUEST):
                raise
            self._reject(id, type(error).__name__, f"{id}: {error}")  # others may be answered
            return None
        except MemoryError:
            self._reject(id, "MemoryError", f"{id}: not enough memory for this clip")
            return None
        assert made is not None
        stamp, record = made
        if self._journal:
            self._journal.add(id, stamp, record.to_json(), self.made(path))
        return record

    def _is_record(self, line: bytes) -> bool:
        try:
            self.record.from_json(line)
        except DataError:
            return False
        return True

    def _reject(self, id: str, error: str, reason: str) -> None:
        self.rejects.append(Reject(id, error, for_json(reason)))
        self.note(reason)

    def _finish(self, delivered: list[str]) -> None:
        self._meter.close()
        kept = 0
        if self._journal:
            if delivered:
                kept = self._journal.finish(delivered)
            self._list_rejects(self._journal.out)
        if len(self.paths) > 1 or kept:
            say(self._summary(kept))

    def _summary(self, kept: int) -> str:
        text = f"{self.done} of {len(self.paths)} clips done"
        if self.reused:
            text += f" ({self.reused} by an earlier run)"
        if self.rejects:
            text += f", {len(self.rejects)} rejected"
            if self._journal and not self._unlisted:
                text += f" (see {self._journal.out.with_name(REJECTS)})"
        if self.done and self.out:
            text += f"; written to {self.out}" + (f", beside {kept} of other clips" if kept else "")
        return text

    def _how_to_go_on(self) -> str:
        if len(self.paths) == 1:
            return ""
        text = f"stopped after {self.done + len(self.rejects)} of {len(self.paths)}"
        return f"{text}; run the same command again to go on" if self.out else text

    def _list_rejects(self, out: Path) -> None:
        """Writes the rejects; where that fails it is told, and the results or the first error stand."""
        try:
            self._write_rejects(out)
        except EmollmError as error:
            self._unlisted = True
            say(str(error))
        except OSError as error:
            self._unlisted = True
            say(f"{out.with_name(REJECTS)}: cannot be written: {error.strerror or error}")

    def _write_rejects(self, out: Path) -> None:
        """Puts this run's rejects in the place of those of earlier runs on the same ``out``; none left: no file."""
        path = out.with_name(REJECTS)
        with _folder_lock(out.parent):
            lines = rejects_of_others(path, out.name)
            lines += [json.dumps({"out": out.name, **reject._asdict()}) for reject in self.rejects]
            if lines:
                with replacing(path, "w") as file:
                    file.writelines(f"{line}\n" for line in lines)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Keeps two runs with outputs in one folder from overwriting each other's part of the rejects."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
