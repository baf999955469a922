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
        if self._second is not None:
            self._second.cancel()
            self._second.join()
        for signum, before in self._before.items():
            signal.signal(signum, before)
        self._before = {}

    def check(self) -> None:
        """Raises what the signal that was put off means, if one was."""
        if self._asked is not None:
            self._asked()

    def _signalled(self, signum: int, frame: FrameType | None) -> None:
        self._stop()
        then = partial(self._before[signum], signum, frame)
        if self._asked is None and self._is_put_off():
            self._asked = then
            self._second = threading.Timer(_GRACE, signal.raise_signal, (signum,))
            self._second.start()
        else:
            then()
