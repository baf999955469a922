"""A language model behind an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama, OpenAI …)."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from emollm.errors import ConfigError, ModelError, one_line
from emollm.generate import MAX_TOKENS, plain_messages
from emollm.types import Message

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 5.0
"""How long a server may take to accept the connection."""

READ_SECONDS = 120.0
"""How long a server may stay silent, in which it reads the prompt."""

HEALING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may well succeed a little later."""

OF_REQUEST = frozenset({400, 413, 422})
"""Statuses that speak of one request, too long a prompt for example, and not of the server."""


class Fault(StrEnum):
    """Whom a failed request speaks against."""

    ABSENT = "absent"
    """No server is there; it may be starting."""
    PASSING = "passing"
    """The moment: busy, silent, gone in the middle of a reply. The same request may succeed later."""
    REQUEST = "request"
    """This request: the server will not answer it, others it may."""
    SERVER = "server"
    """The address, the key or the model: no request will succeed until that is mended."""


class EndpointError(ModelError):
    """A request that an endpoint did not answer with a chat completion."""

    def __init__(self, message: str, fault: Fault, wait: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        """Whom it speaks against."""
        self.wait = wait
        """After how many seconds the server wants to be asked again, where it says so (``Retry-After``)."""


class Reply(NamedTuple):
    """What a model wrote, and what it cost."""

    text: str
    whole: bool
    """False where the reply was cut off at its greatest length."""
    prompt_tokens: int | None
    """As the server counted; None where it does not say."""
    reply_tokens: int | None


class EndpointGenerator:
    """Chat completions over HTTP; the key, if one is needed, comes from ``EMOLLM_API_KEY``.

    Args:
        address: ``http://host:port/v1#model``; without ``#model`` the first model the server lists is asked.
        timeout: Seconds that the server may stay silent, in which it reads the prompt and, but for a stream, writes the reply.

    Raises:
        ConfigError: The address is no http(s) address, or carries a password.
    """

    def __init__(self, address: str, timeout: float = READ_SECONDS) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{address!r}: expected http://host:port/v1 or http://host:port/v1#model")
        if parts.username or parts.password or parts.query:
            raise ConfigError(
                f"the address of {parts.hostname} carries a password or a query; give the key in EMOLLM_API_KEY"
            )
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._given = parts.fragment
        self._timeout = timeout

    @property
    def name(self) -> str:
        """Model and server, as ``model@http://host:port/v1``."""
        return f"{self.model}@{self._base}"

    def generate(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See :meth:`emollm.generate.Generator.generate`."""
        return self.complete(messages, max_tokens=max_tokens, temperature=temperature, seed=seed).text

    def complete(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> Reply:
        """The reply with its cost; see :meth:`emollm.generate.Generator.generate`.

        Raises:
            EndpointError: There is no reply; ``fault`` says whether asking again may help.
        """
        return self.converse(
            plain_messages(messages, self._base), max_tokens=max_tokens, temperature=temperature, seed=seed
        )

    def converse(
        self,
        conversation: Sequence[Mapping[str, Any]],
        *,
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Reply:
        """The same of a conversation in the form of the protocol, whose parts may be pictures and sound.

        Args:
            conversation: ``role`` and ``content`` of each message; texts of others in it without control tokens
                (:func:`emollm.generate.neutral`).
            max_tokens: The reply ends after so many tokens.
            temperature: 0 takes the likeliest token each time.
            seed: Of the draw.

        Raises:
            EndpointError: There is no reply; ``fault`` says whether asking again may help.
        """
        body = self._body(conversation, max_tokens, temperature, seed)
        with self._reply("POST", "/chat/completions", json=body) as response:
            said = self._json(response)
            try:
                choice = said["choices"][0]
                text = str(choice["message"]["content"] or "")
                ended = choice.get("finish_reason")
            except (LookupError, TypeError, AttributeError) as error:
                raise EndpointError(self._malformed(response.text), Fault.REQUEST) from error
        usage = said.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        return Reply(text, ended != "length", _count(counts, "prompt_tokens"), _count(counts, "completion_tokens"))

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """See :meth:`emollm.generate.Generator.stream`."""
        conversation = plain_messages(messages, self._base)
        body = self._body(conversation, max_tokens, temperature, seed) | {"stream": True}
        finished = False
        with self._reply("POST", "/chat/completions", json=body, stream=True) as response:
            for line in response.iter_lines():
                data = line.decode("utf-8", "replace").removeprefix("data:").strip()
                if not line.startswith(b"data:") or not data:
                    continue
                if data == "[DONE]":
                    return
                piece, ended = self._piece(data)
                finished = finished or ended
                if piece:
                    yield piece
        if not finished:
            raise EndpointError(f"{self._base}: the server ended the reply half-way; ask again", Fault.PASSING)

    def _piece(self, data: str) -> tuple[str, bool]:
        """Text of one server-sent event, and whether it is the last with text."""
        try:
            event = json.loads(data)
            if not event["choices"]:  # vLLM closes with an event that only counts tokens
                return "", False
            choice = event["choices"][0]
            return str(choice["delta"].get("content") or ""), choice.get("finish_reason") is not None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise EndpointError(self._malformed(data), Fault.PASSING) from error

    def _body(
        self, conversation: Sequence[Mapping[str, Any]], max_tokens: int, temperature: float, seed: int
    ) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": list(conversation),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
        }

    @cached_property
    def model(self) -> str:
        """Name of the model as the server knows it; the server is asked where the address does not say."""
        if self._given:
            return self._given
        with self._reply("GET", "/models") as response:
            try:
                return str(self._json(response)["data"][0]["id"])
            except (LookupError, TypeError) as error:
                raise EndpointError(self._malformed(response.text), Fault.SERVER) from error

    def _json(self, response: "requests.Response") -> dict[str, Any]:
        """The object in a reply; a page is the wrong address, half an object a server that went away."""
        try:
            said = response.json()
        except ValueError as error:
            page = "html" in response.headers.get("Content-Type", "") or response.text.lstrip()[:1] != "{"
            if page and response.text:
                raise EndpointError(self._malformed(response.text), Fault.SERVER) from error
            raise EndpointError(
                f"{self._base}: half a reply: {one_line(response.text[-80:])!r} is where it ends; ask again",
                Fault.PASSING,
            ) from error
        if not isinstance(said, dict):
            raise EndpointError(self._malformed(response.text), Fault.SERVER)
        return said

    @contextmanager
    def _reply(self, method: str, path: str, **options: Any) -> Iterator["requests.Response"]:
        """The server's reply, everything that can go wrong turned into one line."""
        import requests

        try:
            with requests.request(
                method,
                self._base + path,
                auth=with_key,
                timeout=(CONNECT_SECONDS, self._timeout),
                allow_redirects=False,
                **options,
            ) as response:
                if response.status_code != 200:
                    raise EndpointError(self._refused(response), _fault(response.status_code), _wait(response))
                yield response
        except requests.exceptions.ConnectTimeout as error:
            raise EndpointError(
                f"{self._base}: no server answers within {CONNECT_SECONDS:.0f} s; is it running?", Fault.ABSENT
            ) from error
        except requests.exceptions.Timeout as error:
            raise EndpointError(self._silent(), Fault.PASSING) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise EndpointError(
                f"{self._base}: the server went away in the middle of the reply; ask again", Fault.PASSING
            ) from error
        except requests.exceptions.ConnectionError as error:
            raise self._unreached(error) from error
        except requests.exceptions.RequestException as error:
            raise EndpointError(f"{self._base}: cannot be asked: {one_line(str(error))}", Fault.SERVER) from error

    def _silent(self) -> str:
        return f"{self._base}: the server stays silent for {self._timeout:.0f} s; is it busy?"

    def _unreached(self, error: Exception) -> EndpointError:
        """A connection that failed: requests has one class for a silent, a leaving and an absent server."""
        if "Read timed out" in str(error):
            return EndpointError(self._silent(), Fault.PASSING)
        if "aborted" in str(error):
            said = f"{self._base}: the server closed the connection without a reply; ask again"
            return EndpointError(said, Fault.PASSING)
        said = f"{self._base}: no server can be reached there; start it or mend the address"
        return EndpointError(said, Fault.ABSENT)

    def _refused(self, response: "requests.Response") -> str:
        """One line for a status that is not 200."""
        try:
            said = response.json()
            said = said.get("error", said)
            said = said.get("message", said) if isinstance(said, dict) else said
        except (ValueError, AttributeError):
            said = response.text
        reason = f" ({one_line(str(said))})" if said else ""
        if response.status_code in (401, 403):
            return f"{self._base}: refuses the key{reason}; set EMOLLM_API_KEY"
        if response.status_code == 404:
            model = f" or no model {self._given!r}" if self._given else ""
            return f"{self._base}: no such path{model}{reason}; the address usually ends in /v1"
        return f"{self._base}: answers {response.status_code}{reason}"

    def _malformed(self, text: str) -> str:
        return f"{self._base}: not a chat completion: {one_line(text, 120)!r}; is it an OpenAI-compatible server?"


def _count(usage: dict[str, Any], name: str) -> int | None:
    """A number of tokens; None where the server gives none that could be one."""
    value = usage.get(name)
    return value if type(value) is int and value >= 0 else None


def _fault(status: int) -> Fault:
    """Whom a status that is not 200 speaks against."""
    if status in HEALING:
        return Fault.PASSING
    return Fault.REQUEST if status in OF_REQUEST else Fault.SERVER


def _wait(response: "requests.Response") -> float | None:
    """Seconds of ``Retry-After``, which is a number or a date (RFC 9110, 10.2.3)."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time()) if said else None
    except ValueError:
        return None


def with_key(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Adds the key; as an ``auth`` hook, so that requests does not take a password from ``.netrc`` instead."""
    if key := os.environ.get("EMOLLM_API_KEY", "").strip():
        request.headers["Authorization"] = f"Bearer {key}"
    return request
