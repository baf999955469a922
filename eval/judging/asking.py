"""Requests to a judge: from the cache where it has the reply, else with patience.

Replies are kept by all that can change them (messages, prompts, model, length, temperature, seed), so that a run that was stopped asks nothing
twice. What can heal is tried again, waiting twice as long each time and at least as long as ``Retry-After`` says; what cannot heal (no server,
a refused key, a wrong model) ends the run with one line.
"""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Literal, NamedTuple

from emollm.endpoint import EndpointError, EndpointGenerator, Fault, Reply
from emollm.errors import ConfigError, one_line
from emollm.eval.judging.ratings import Outcome
from emollm.prompts import prompt
from emollm.reply_cache import Replies, key_of
from emollm.types import Message, TextPart

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the first further try, and before any."""
MOST_FAILED = 8
"""So many requests in a row without a reply after all tries end the run; more where more are sent at the same time."""


class Parameters(NamedTuple):
    """What a reply depends on beside messages and model."""

    max_tokens: int
    temperature: float
    seed: int


class Heard(NamedTuple):
    """A reply, or why there is none."""

    text: str
    fault: Outcome | None = None


class Asking:
    """Asks one model, from any number of threads.

    Args:
        address: ``http://host:port/v1#model``; the key, if one is needed, comes from ``EMOLLM_API_KEY``.
        cache: Folder of replies; processes may share it.
        parameters: Sent with each request.
        timeout: Seconds that the server may stay silent.
        retries: Tries after the first.
        workers: How many requests are sent at the same time.

    Raises:
        ConfigError: The address is none, or names no model.
    """

    def __init__(
        self, address: str, cache: Path, parameters: Parameters, timeout: float, retries: int, workers: int
    ) -> None:
        self.server, _, self.model = address.partition("#")
        self._endpoint = EndpointGenerator(address, timeout)
        if not self.model:
            raise ConfigError(
                f"judge {address!r} names no model; give http://host:port/v1#model: a judge is pinned by its name"
            )
        self.stop = threading.Event()
        """Ends all waiting."""
        self._replies, self._parameters = Replies(cache), parameters
        self._retries, self._workers = retries, workers
        self._lock = threading.Lock()
        self._failed = 0

    def ask(self, id: str, **material: Sequence[str]) -> Heard:
        """The reply to a prompt.

        Args:
            id: With blocks ``system`` and ``user``.
            material: Variables of ``user``: lines, which it sets apart from what is asked.

        Raises:
            EndpointError: No request will succeed until server, key or model are mended.
            EmollmError: The cache cannot be read or written.
        """
        asked = prompt(id)
        messages = [_message("system", asked.render("system")), _message("user", asked.render("user", **material))]
        key = key_of(messages, [asked.ref], self.model, self._parameters._asdict())
        if (reply := self._replies.get(key)) is None:
            try:
                reply = self._patiently(messages)
            except EndpointError as error:
                if error.fault is Fault.REQUEST:
                    return Heard(one_line(str(error)), Outcome.REFUSED)
                if error.fault is Fault.PASSING:
                    return Heard(one_line(str(error)), Outcome.UNREACHED)
                raise
            reply = self._replies.put(key, reply, self.model, [asked.ref])
        return Heard(reply.text, None if reply.whole else Outcome.CUT)

    def _patiently(self, messages: Sequence[Message]) -> Reply:
        """The reply of the first try that succeeds."""
        wait = FIRST_WAIT
        for left in range(self._retries, -1, -1):
            if self.stop.is_set():
                raise CancelledError
            try:
                reply = self._endpoint.complete(messages, **self._parameters._asdict())
            except EndpointError as error:
                if error.fault not in (Fault.PASSING, Fault.ABSENT) or not left or (error.wait or 0) > LONGEST_WAIT:
                    raise self._given_up(error) from error
                if self.stop.wait(max(wait * random.uniform(0.5, 1.0), error.wait or 0.0)):
                    raise CancelledError from error
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            with self._lock:
                self._failed = 0
            return reply
        raise AssertionError("the last try returns or raises")

    def _given_up(self, error: EndpointError) -> EndpointError:
        """The error of the last try; one that ends the run where too many in a row came to this."""
        if error.fault is not Fault.PASSING:
            return error
        with self._lock:
            self._failed += 1
            if self._failed < max(MOST_FAILED, self._workers):
                return error
        return EndpointError(f"{error} ({self._failed} requests in a row failed)", Fault.SERVER)


def _message(role: Literal["system", "user"], text: str) -> Message:
    return Message(role=role, content=(TextPart(text=text),))
