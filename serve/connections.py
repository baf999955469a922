"""Connections to the front: how many there are, and how long one may do nothing."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from emollm.serve.refusals import Refused
from emollm.serve.settings import LimitSettings


class Connection(H11Protocol):
    """One connection. It is closed where the head of a request does not arrive in time, or where nothing is taken of what is sent.

    How long a request's body may take is watched by :func:`emollm.serve.limits.pieces_of`, how long a client may keep a connection between
    two requests by uvicorn.
    """

    limits = LimitSettings()
    """``connections``, ``head_seconds`` and ``body_seconds``."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._head: asyncio.TimerHandle | None = None
        self._taken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes the connection, if there are not too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            told = Refused(503, "too many connections; ask again", "busy", retry_after=2, close=True)
            transport.write(_reply(told))
            transport.close()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        for timer in (self._head, self._taken):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            if self._head is not None:
                self._head.cancel()
                self._head = None
        elif self._head is None:
            self._wait()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        super().pause_writing()
        self._look(None)

    def resume_writing(self) -> None:
        """It has taken nearly all."""
        super().resume_writing()
        if self._taken is not None:
            self._taken.cancel()
            self._taken = None

    def _wait(self) -> None:
        """For the head of the next request."""
        self._head = self.loop.call_later(self.limits.head_seconds, self.transport.close)

    def _look(self, before: int | None) -> None:
        """Whether less is left to be taken than before."""
        left = self.transport.get_write_buffer_size()
        if before is not None and left >= before:
            self.transport.abort()
        else:
            self._taken = self.loop.call_later(self.limits.body_seconds, self._look, left)


def limited(limits: LimitSettings) -> type[Connection]:
    """The protocol with limits of its own; uvicorn makes one of it for each connection."""
    return type("Connection", (Connection,), {"limits": limits})


def _reply(refused: Refused) -> bytes:
    """A whole HTTP response."""
    body = json.dumps(refused.body).encode()
    own = {**refused.headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
    head = f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in own.items()) + "\r\n").encode() + body
