"""How much one client may send and ask for: keys, rates, sizes, times; and how much all of them together."""

import asyncio
import hmac
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from starlette.requests import ClientDisconnect, Request

from emollm.serve.refusals import Refused
from emollm.serve.settings import LimitSettings

PATIENCE = 2.0
"""Seconds for which the rest of a refused request is taken."""
_CLIENTS = 10_000
"""Clients whose rates are remembered."""


class Gate:
    """Who may come in: by key, by rate, and while there is room.

    Args:
        limits: Rates and room.
        keys: One of them has to be given; none for anybody.
    """

    def __init__(self, limits: LimitSettings, keys: Sequence[str] = ()) -> None:
        self._limits, self._keys = limits, [key.encode() for key in keys]
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._each, self._of = limits.at_once_each or max(1, limits.at_once // 2), Counter[str]()
        self.inside = 0
        """Requests that are worked on."""

    @contextmanager
    def entered(self, request: Request) -> Iterator[None]:
        """The time of one request.

        Raises:
            Refused: The key is missing or wrong, the client asks too often or too much at once, or there is no room.
        """
        client = self._checked(request)
        self._paced(client)
        if self.inside >= self._limits.at_once:
            raise Refused(503, f"{self.inside} requests are worked on already; ask again", "busy", retry_after=2)
        if self._of[client] >= self._each:
            told = f"{self._of[client]} requests of yours are worked on already; ask again"
            raise Refused(429, told, "rate_limit", retry_after=2)
        self.inside += 1
        self._of[client] += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._of[client] -= 1
            self._of += Counter()  # forgets who has none

    def _checked(self, request: Request) -> str:
        """The client by its key where one is needed, else by its address. All keys are compared in full, so that time tells nothing of them."""
        address = request.client.host if request.client else ""
        if not self._keys:
            return address
        # Whoever tries key after key is not heard any more, not even with the right one.
        self._paced(f"wrong {address}", takes=0)
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        right = [hmac.compare_digest(given.strip().encode("utf-8", "replace"), key) for key in self._keys]
        if kind.lower() != "bearer" or not any(right):
            self._paced(f"wrong {address}")
            raise Refused(401, "no key, or a wrong one; send Authorization: Bearer KEY", "invalid_api_key")
        return f"key {right.index(True)}"

    def _paced(self, client: str, takes: int = 1) -> None:
        """Takes one from the client's bucket, which fills with ``rate`` a second up to ``burst``; none is taken from an empty one."""
        if not self._limits.rate:
            return
        now = time.monotonic()
        left, last = self._buckets.pop(client, (float(self._limits.burst), now))
        left = min(float(self._limits.burst), left + (now - last) * self._limits.rate)
        short = left < 1
        self._buckets[client] = (left if short else left - takes, now)
        while len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        if short:
            wait = (1 - left) / self._limits.rate
            raise Refused(429, f"more than {self._limits.rate:g} requests a second; ask again", "rate_limit", wait)


class Room:
    """How much of all requests may be held at the same time.

    Args:
        limits: Of which ``bodies_mb`` is the room.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._most = int(limits.bodies_mb * 1e6)
        self.held = 0
        """Bytes."""

    @contextmanager
    def taken(self) -> Iterator["Take"]:
        """The time for which one request is held: what is called with the size of each piece."""
        own = 0

        def take(size: int) -> None:
            nonlocal own
            if self.held + size > self._most:
                told = "other large requests are being read; ask again"
                raise Refused(503, told, "busy", retry_after=2, close=True)
            own += size
            self.held += size

        try:
            yield take
        finally:
            self.held -= own


Take = Callable[[int], None]
"""Called with the bytes that are to be held besides; raises :class:`Refused` where there is no room for them."""


async def pieces_of(request: Request, limits: LimitSettings, take: Take) -> AsyncGenerator[bytes, None]:
    """The body as it arrives.

    Args:
        request: Of any kind.
        limits: Size and time.
        take: Told of each piece.

    Raises:
        Refused: It is too large, whatever it says of its length, there is no room for it, or it takes too long to arrive.
    """
    most, end = int(limits.body_mb * 1e6), time.monotonic() + limits.body_seconds
    said = request.headers.get("Content-Length", "")
    stream = request.stream().__aiter__()
    if said.isascii() and said.isdigit() and int(said[:18]) > most:
        await _heard_out(stream)
        raise _large(limits)
    size = 0
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), max(0.01, end - time.monotonic()))
        except StopAsyncIteration:
            return
        except ClientDisconnect as error:
            raise Refused(400, "the request ended half-way") from error
        except TimeoutError as error:
            told = f"the request took more than {limits.body_seconds:.0f} s to arrive"
            raise Refused(408, told, "slow_request", close=True) from error
        size += len(piece)
        if size > most:
            await _heard_out(stream)
            raise _large(limits)
        try:
            take(len(piece))
        except Refused:
            await _heard_out(stream)
            raise
        yield piece


async def _heard_out(stream: AsyncIterator[bytes]) -> None:
    """Throws away what still comes, for a moment: most clients read a refusal only when they have sent all."""
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(PATIENCE):
            async for _ in stream:
                pass


def _large(limits: LimitSettings) -> Refused:
    return Refused(
        413, f"a request of more than {limits.body_mb:g} MB; give smaller or fewer files", "too_large", close=True
    )
