"""Requests to a judge: from the cache where it has the reply, else with patience.

Replies are kept by all that can change them (messages, prompts, model, length, temperature, seed), so that a run that was stopped asks nothing
twice. What can heal is tried again (:mod:`emollm.patience`); what cannot (no server, a refused key, a wrong model) ends the run with one line.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from emollm.endpoint import EndpointError, EndpointGenerator, Fault
from emollm.errors import ConfigError, one_line
from emollm.eval.judging.ratings import Outcome
from emollm.patience import Patience
from emollm.prompts import prompt
from emollm.reply_cache import Replies, key_of
from emollm.types import Message, TextPart


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
        self._replies, self._parameters = Replies(cache), parameters
        self._patience = Patience(retries + 1, workers)
        self.stop = self._patience.stop
        """Ends all waiting."""

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
                reply = self._patience.ask(lambda: self._endpoint.complete(messages, **self._parameters._asdict()))
            except EndpointError as error:
                if error.fault is Fault.REQUEST:
                    return Heard(one_line(str(error)), Outcome.REFUSED)
                if error.fault is Fault.PASSING:
                    return Heard(one_line(str(error)), Outcome.UNREACHED)
                raise
            reply = self._replies.put(key, reply, self.model, [asked.ref])
        return Heard(reply.text, None if reply.whole else Outcome.CUT)


def _message(role: Literal["system", "user"], text: str) -> Message:
    return Message(role=role, content=(TextPart(text=text),))
