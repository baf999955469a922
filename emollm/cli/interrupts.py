"""Ctrl-C and SIGTERM while several threads work."""

import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Self

_GRACE = 1.5
"""Seconds that the work has to end by itself."""

_Handler = Callable[[int, FrameType | None], Any]


class Interrupts:
    """Has Ctrl-C and SIGTERM come here first, for as long as it is entered; only in the main thread.

    What they raise could strike anywhere, also where threads hand over to each other, and leave a lock behind. Where that may
    be, the first signal therefore only asks: the work ends at its next word of progress. The second one is not put off; where
    the work does not listen, it comes by itself.

    Args:
        stop: Called at each signal, at once.
        is_put_off: Whether what a signal means is to be raised by :meth:`check` and not at once.
    """

    def __init__(self, stop: Callable[[], None], is_put_off: Callable[[], bool]) -> None:
        self._stop, self._is_put_off = stop, is_put_off
        self._ending = False
        self._before: dict[int, _Handler] = {}
        self._asked: Callable[[], Any] | None = None
        self._second: threading.Timer | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(signum)
                if callable(before):  # neither ignored nor the system's own
                    self._before[signum] = before
                    signal.signal(signum, self._signalled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        for signum, before in self._before.items():
            signal.signal(signum, before)
        self._before = {}
        if error is None:
            self.check()

    def end(self) -> None:
        """The work is over and its results are being put away: from now on no signal strikes; it is raised when this is left."""
        self._ending = True
        if self._second is not None:
            self._second.cancel()
            self._second.join()

    def check(self) -> None:
        """Raises what the signal that was put off means, if one was."""
        asked, self._asked = self._asked, None
        if asked is not None:
            if self._second is not None:
                self._second.cancel()
            asked()

    def _signalled(self, signum: int, frame: FrameType | None) -> None:
        self._stop()
        then = partial(self._before[signum], signum, frame)
        if self._ending:
            self._asked = self._asked or then
        elif self._asked is None and self._is_put_off():
            self._asked = then
            # To the main thread by name: what it waits for is not cut short by a signal that another thread has got.
            self._second = threading.Timer(_GRACE, signal.pthread_kill, (threading.get_ident(), signum))
            self._second.start()
        else:
            then()
