"""Requests to a language model: from the cache where it has the reply, else with patience, within a budget of tokens.

What can heal is tried again (:mod:`emollm.patience`). What cannot heal stops the build with one line: no server there, a
refused key, a page instead of a completion.
"""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from emollm.data_engines.recipe import AnnotatorSettings
from emollm.endpoint import EndpointGenerator, Reply
from emollm.errors import ConfigError, DataError, ModelError
from emollm.files import replacing
from emollm.patience import Patience
from emollm.reply_cache import Replies, key_of
from emollm.types import Message, TextPart

_BYTES_A_TOKEN = 3
"""For a reply that the server did not count."""
_FEWEST_BYTES_A_TOKEN = 2
"""For what a request may cost before it is sent: rather too much than too little."""
_FRAME = 8
"""Tokens of a message beside its text."""


class Spent(ModelError):
    """The budget does not allow another request."""


class Usage(NamedTuple):
    """What was asked and what it cost."""

    requests: int
    """Answered by the server."""
    cached: int
    """Answered from the cache, at no cost."""
    retries: int
    """Tries after the first."""
    prompt_tokens: int
    reply_tokens: int
    estimated: int
    """Replies whose tokens the server did not count; they are estimated from their bytes."""


class Ledger:
    """Tokens spent in one run, and those set aside for requests under way.

    Args:
        most: Tokens in all; None for no limit.
        file: Shared by the processes of one run, which starts with a new file; None counts within this process.
    """

    def __init__(self, most: int | None, file: Path | None = None) -> None:
        self.most = most
        self._file = file
        self._lock = threading.Lock()
        self._spent = 0
        self._aside = 0

    @property
    def spent(self) -> int:
        """Tokens of the replies that came."""
        with self._open():
            return self._spent

    def take(self, tokens: int, stop: threading.Event) -> None:
        """Sets tokens aside for a request; waits while requests under way may still leave enough.

        Raises:
            Spent: There will not be enough in this run.
        """
        while self.most is not None:
            with self._open():
                if self._spent + self._aside + tokens <= self.most:
                    self._aside += tokens
                    self._save()
                    return
                if not self._aside:
                    raise Spent(
                        f"{self._spent} of {self.most} tokens are spent and the next request may take {tokens}; run again "
                        "to go on, or raise annotator.budget"
                    )
            if stop.wait(0.02):
                raise CancelledError

    def settle(self, aside: int, used: int) -> None:
        """Replaces what was set aside by what a request cost."""
        with self._open():
            self._aside -= aside if self.most is not None else 0
            self._spent += used
            self._save()

    def _open(self) -> AbstractContextManager[object]:
        """Holds the numbers, read from the file where there is one."""
        return self._lock if self._file is None else _Shared(self, self._lock, self._file)

    def _save(self) -> None:
        if self._file is not None:
            with replacing(self._file) as file:
                file.write(json.dumps({"spent": self._spent, "aside": self._aside}).encode())


class _Shared:
    """The numbers of a ledger under the lock of its file."""

    def __init__(self, ledger: Ledger, inner: threading.Lock, file: Path) -> None:
        from filelock import FileLock

        file.parent.mkdir(parents=True, exist_ok=True)
        self._ledger, self._inner, self._file = ledger, inner, file
        self._outer = FileLock(file.with_name(f".{file.name}.lock"))

    def __enter__(self) -> None:
        self._inner.acquire()
        self._outer.acquire()
        try:
            values = json.loads(self._file.read_bytes()) if self._file.exists() else {"spent": 0, "aside": 0}
            self._ledger._spent, self._ledger._aside = int(values["spent"]), int(values["aside"])
        except (ValueError, LookupError, TypeError) as error:
            self.__exit__()
            raise DataError(f"{self._file}: not a ledger of tokens; remove it") from error

    def __exit__(self, *raised: object) -> None:
        self._outer.release()
        self._inner.release()


class Asker:
    """Asks one model, from any number of threads.

    Args:
        settings: Model, tries, length, budget.
        seed: Of the draw.
        replies: The cache.
        ledger: The budget.

    Raises:
        ConfigError: The address is none, or does not name the model.
    """

    def __init__(self, settings: AnnotatorSettings, seed: int, replies: Replies, ledger: Ledger) -> None:
        address = settings.model or ""
        self._endpoint = EndpointGenerator(address, settings.timeout)
        self.model = address.partition("#")[2]
        """Its name as the server knows it, without the server's address."""
        if not self.model:
            raise ConfigError(
                f"annotator.model {address!r} names no model; give http://host:port/v1#model: the name is recorded "
                "in every Sample and finds the replies of earlier runs"
            )
        self._patience = Patience(settings.retries + 1, settings.workers, again=lambda: self._add(retries=1))
        self.stop = self._patience.stop
        """Ends all waiting."""
        self._settings, self._replies, self._ledger = settings, replies, ledger
        self._parameters: dict[str, Any] = {
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "seed": seed,
        }
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(Usage._fields, 0)

    @property
    def usage(self) -> Usage:
        """What was asked so far."""
        with self._lock:
            return Usage(**self._counts)

    def ask(self, messages: Sequence[Message], prompts: Sequence[str]) -> Reply:
        """The reply to a conversation.

        Args:
            messages: Text messages, oldest first.
            prompts: ``id@version`` of the prompts that worded them.

        Raises:
            Spent: The budget is spent, and the cache has no reply.
            EndpointError: There is no reply after all tries. ``fault`` is ``passing`` or ``request`` where others may
                succeed; with any other the build has to stop.
            EmollmError: The cache cannot be read or written.
        """
        key = key_of(messages, prompts, self.model, self._parameters)
        if (known := self._replies.get(key)) is not None:
            self._add(cached=1)
            return known
        size = sum(
            len(part.text.encode()) for message in messages for part in message.content if isinstance(part, TextPart)
        )
        aside = size // _FEWEST_BYTES_A_TOKEN + _FRAME * len(messages) + self._settings.max_tokens
        self._ledger.take(aside, self.stop)
        used = 0
        try:
            reply = self._patience.ask(lambda: self._endpoint.complete(messages, **self._parameters))
            used = self._account(reply, size)
        finally:
            self._ledger.settle(aside, used)
        return self._replies.put(key, reply, self.model, prompts)

    def _account(self, reply: Reply, size: int) -> int:
        """Counts a reply; gives its tokens."""
        asked, said = reply.prompt_tokens, reply.reply_tokens
        estimated = asked is None or said is None
        asked = size // _BYTES_A_TOKEN if asked is None else asked
        said = -(-len(reply.text.encode()) // _BYTES_A_TOKEN) if said is None else said
        self._add(requests=1, prompt_tokens=asked, reply_tokens=said, estimated=int(estimated))
        return asked + said

    def _add(self, **counts: int) -> None:
        with self._lock:
            for name, count in counts.items():
                self._counts[name] += count
