"""Asking a server again where that may help: it is busy, stays silent, or goes away in the middle of a reply."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TypeVar

from emollm.endpoint import EndpointError, Fault

T = TypeVar("T")

FIRST_WAIT = 0.5
"""Seconds before the first further try; each later one waits twice as long, a little at random."""
LONGEST_WAIT = 60.0
"""Seconds that are waited at most before one try, unless the server asks for more."""
MOST_ASKED = 600.0
"""A server that wants to be left alone for longer is not waited for."""
MOST_FAILED = 8
"""So many requests in a row that fail after all tries end the work; more where more are sent at the same time."""


class Patience:
    """Tries of any number of threads against one server.

    Args:
        tries: Of each request.
        workers: Requests that are sent at the same time.
        first_wait: See :data:`FIRST_WAIT`.
        again: Called before each further try.
    """

    def __init__(
        self,
        tries: int = 5,
        workers: int = 1,
        first_wait: float = FIRST_WAIT,
        again: Callable[[], None] | None = None,
    ) -> None:
        self._tries, self._first, self._again = tries, first_wait, again
        self._most_failed = max(MOST_FAILED, workers)
        self.stop = threading.Event()
        """Ends all waiting, and no request is sent any more."""
        self._lock = threading.Lock()
        self._not_before, self._failed, self._answered = 0.0, 0, False

    def ask(self, request: Callable[[], T]) -> T:
        """What the first try that succeeds gives.

        Args:
            request: Sends it; its :class:`EndpointError` says whether asking again may help. A server that is absent is asked
                again only if it has answered before: it may be starting anew.

        Raises:
            EndpointError: There is no reply. ``fault`` is ``passing`` or ``request`` where others may succeed; with any other
                the work has to end.
            CancelledError: :attr:`stop` is set.
        """
        wait = self._first
        for left in range(self._tries - 1, -1, -1):
            self._sleep(self._not_before - time.monotonic())
            try:
                reply = request()
            except EndpointError as error:
                if not left or not self._may_heal(error):
                    raise self._given_up(error) from error
                with self._lock:
                    self._not_before = max(self._not_before, time.monotonic() + (error.wait or 0.0))
                if self._again is not None:
                    self._again()
                self._sleep(min(wait, LONGEST_WAIT) * random.uniform(0.5, 1.0))
                wait *= 2
                continue
            with self._lock:
                self._failed, self._answered = 0, True
            return reply
        raise AssertionError("the last try returns or raises")

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(max(0.0, seconds)):
            raise CancelledError

    def _may_heal(self, error: EndpointError) -> bool:
        if (error.wait or 0.0) > MOST_ASKED:
            return False
        return error.fault is Fault.PASSING or (error.fault is Fault.ABSENT and self._answered)

    def _given_up(self, error: EndpointError) -> EndpointError:
        """The error of the last try; one that ends the work where too many in a row came to this."""
        if error.fault is not Fault.PASSING:
            return error
        with self._lock:
            self._failed += 1
            if self._failed < self._most_failed:
                return error
        return EndpointError(f"{error} ({self._failed} requests in a row failed)", Fault.SERVER)
