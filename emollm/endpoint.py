"""A language model behind an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama, OpenAI …)."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
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


class EndpointGenerator:
    """Chat completions over HTTP; the key, if one is needed, comes from ``EMOLLM_API_KEY``.

    Args:
        address: ``http://host:port/v1#model``; without ``#model`` the first model the server lists is asked.

    Raises:
        ConfigError: The address is no http(s) address, or carries a password.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{address!r}: expected http://host:port/v1 or http://host:port/v1#model")
        if parts.username or parts.password or parts.query:
            raise ConfigError(
                f"the address of {parts.hostname} carries a password or a query; give the key in EMOLLM_API_KEY"
            )
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._given = parts.fragment

    @property
    def name(self) -> str:
        """Model and server, as ``model@http://host:port/v1``."""
        return f"{self._model}@{self._base}"

    def generate(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See :meth:`emollm.generate.Generator.generate`."""
        body = self._body(messages, max_tokens, temperature, seed)
        with self._reply("POST", "/chat/completions", json=body) as response:
            try:
                return str(response.json()["choices"][0]["message"]["content"] or "")
            except (ValueError, LookupError, TypeError) as error:
                raise ModelError(self._malformed(response.text)) from error

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """See :meth:`emollm.generate.Generator.stream`."""
        body = self._body(messages, max_tokens, temperature, seed) | {"stream": True}
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
            raise ModelError(f"{self._base}: the server ended the reply half-way; ask again")

    def _piece(self, data: str) -> tuple[str, bool]:
        """Text of one server-sent event, and whether it is the last with text."""
        try:
            event = json.loads(data)
            if not event["choices"]:  # vLLM closes with an event that only counts tokens
                return "", False
            choice = event["choices"][0]
            return str(choice["delta"].get("content") or ""), choice.get("finish_reason") is not None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(self._malformed(data)) from error

    def _body(self, messages: Sequence[Message], max_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        conversation = plain_messages(messages, self._base)
        return {
            "model": self._model,
            "messages": conversation,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
        }

    @cached_property
    def _model(self) -> str:
        """Name of the model as the server knows it."""
        if self._given:
            return self._given
        with self._reply("GET", "/models") as response:
            try:
                return str(response.json()["data"][0]["id"])
            except (ValueError, LookupError, TypeError) as error:
                raise ModelError(self._malformed(response.text)) from error

    @contextmanager
    def _reply(self, method: str, path: str, **options: Any) -> Iterator["requests.Response"]:
        """The server's reply, everything that can go wrong turned into one line."""
        import requests

        try:
            with requests.request(
                method,
                self._base + path,
                auth=_with_key,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                **options,
            ) as response:
                if response.status_code != 200:
                    raise ModelError(self._refused(response))
                yield response
        except requests.exceptions.ConnectTimeout as error:
            raise ModelError(
                f"{self._base}: no server answers within {CONNECT_SECONDS:.0f} s; is it running?"
            ) from error
        except requests.exceptions.Timeout as error:
            raise ModelError(f"{self._base}: the server stays silent for {READ_SECONDS:.0f} s; is it busy?") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise ModelError(f"{self._base}: the server went away in the middle of the reply; ask again") from error
        except requests.exceptions.ConnectionError as error:
            raise ModelError(f"{self._base}: no server can be reached there; start it or mend the address") from error
        except requests.exceptions.RequestException as error:
            raise ModelError(f"{self._base}: cannot be asked: {one_line(str(error))}") from error

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


def _with_key(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Adds the key; as an ``auth`` hook, so that requests does not take a password from ``.netrc`` instead."""
    if key := os.environ.get("EMOLLM_API_KEY", "").strip():
        request.headers["Authorization"] = f"Bearer {key}"
    return request
