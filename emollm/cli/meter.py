"""How far a run is, on standard error: a bar or a line for the clips, lines for a long recording or a crowd within one of them."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emollm.cli import Stopped, say, told

_EVERY = 10.0
"""Seconds after which a run counts as long, and between two lines about it, where somebody looks on."""
_EVERY_UNSEEN = 60.0
"""The same where standard error is a file or another program: a short run says nothing there."""

_Wording = Callable[[float, float | None, float], str]
"""What is said of what is done, of how much, at which pace a second; see :func:`progress_text`."""


class Meter:
    """Progress of a run on standard error, and whether the run is to end.

    ``write`` and what ``watch`` gives may be used from several threads.

    Args:
        total: How many clips there are.
        bar: Draw a bar.
    """

    def __init__(self, total: int, bar: bool) -> None:
        self._total = total
        self._count = 0
        self._every = _EVERY if sys.stderr.isatty() else _EVERY_UNSEEN
        self._said = time.monotonic()
        self._ends = False  # no Event: a signal's handler sets it, which may strike where its lock is held
        self._writing = threading.Lock()
        self._bar: Any = None
        if bar:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="clip", dynamic_ncols=True, leave=False, file=sys.stderr)

    def advance(self, rejected: int) -> None:
        """One more clip is done or rejected."""
        self._count += 1
        if self._bar is not None:
            if rejected:
                self._bar.set_postfix_str(f"{rejected} rejected", refresh=False)
            self._bar.update()
        elif time.monotonic() - self._said >= self._every and self._count < self._total:
            self._said = time.monotonic()
            say(f"{self._count} of {self._total} clips" + (f", {rejected} rejected" if rejected else ""))

    def write(self, text: str, file: Any) -> None:
        """Prints a line clear of the bar and of what other threads print."""
        with self._writing:
            if self._bar is not None:
                self._bar.write(text, file=file)
            else:
                print(text, file=file, flush=file is sys.stderr)

    def watch(self, path: Path, wording: _Wording | None = None) -> "Watch":
        """Follows the progress of one recording, or what else the wording is of."""

        def write(line: str) -> None:
            self.write(told(line), sys.stderr)

        return Watch(path.name, write, lambda: self._ends, every=self._every, wording=wording)

    def stop(self) -> None:
        """Ends the work on all recordings that are watched: their next word of progress raises :class:`Stopped`."""
        self._ends = True

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Watch:
    """Called with what of a recording, or of a crowd, is done; says so now and then once it has taken long.

    Args:
        name: What the lines call it.
        write: Takes a line.
        stopped: Whether the run is to end.
        clock: Seconds that only rise.
        every: Seconds after which it counts as long, and between two lines.
        wording: What the lines say; of a recording if not given.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[str], None],
        stopped: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        every: float = _EVERY,
        wording: _Wording | None = None,
    ) -> None:
        self._name, self._write, self._stopped, self._clock, self.every = name, write, stopped, clock, every
        self._wording = wording or progress_text
        self._next = clock() + every
        self._first: tuple[float, float] | None = None

    def __call__(self, done: float, total: float | None) -> None:
        """Takes note.

        Args:
            done: Seconds of the recording that are done; people who are.
            total: Its length in seconds, where the file says it; how many people there are.

        Raises:
            Stopped: The run is to end.
        """
        self.check()
        now = self._clock()
        if self._first is None:
            self._first = now, done
        began, start = self._first
        if now < self._next or done <= start:
            return
        self._next = now + self.every
        self._write(f"{self._name}: {self._wording(done, total, (done - start) / (now - began))}")

    def check(self) -> None:
        """Raises :class:`Stopped` if the run is to end."""
        if self._stopped():
            raise Stopped


def progress_text(done: float, total: float | None, speed: float) -> str:
    """How far, how fast, and how long it will still take.

    Args:
        done: Seconds of the recording that are done.
        total: Its length in seconds, where it is known.
        speed: Seconds of the recording that are done in one second.
    """
    pace = f"{speed:.2g} times as fast as it plays"
    if total is None:
        return f"{clock(done)} done, {pace}"
    rest = max(total - done, 0.0) / speed
    return f"{clock(min(done, total))} of {clock(total)}, {pace}, {_rest(rest)}"


def people_text(done: float, total: float | None, speed: float) -> str:
    """The same of people who are answered for, so many in one second."""
    of = total if total is not None else done
    return f"{done:.0f} of {of:.0f} people answered, {_rest((of - done) / speed)}"


def answers_text(done: float, total: float | None, speed: float) -> str:
    """The same of items that are answered, so many in one second."""
    of = total if total is not None else done
    return f"{done:.0f} of {of:.0f} items answered, {_rest((of - done) / speed)}"


def clock(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def _rest(seconds: float) -> str:
    if seconds < 5:
        return "almost done"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s to go"
    minutes = round(seconds / 60)
    return f"{minutes} min to go" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min to go"
