"""Server-sent events, and the threads whose work they tell of."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from starlette.requests import Request

from emollm.serve.refusals import Refused


def event(name: str, data: Any) -> bytes:
    """One event; ``data`` is an object, or JSON text."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n".encode()


async def from_thread(make: Callable[[], Iterator[Any]], stop: threading.Event) -> AsyncIterator[Any]:
    """What a generator gives that waits and computes, run in a thread of its own.

    Args:
        make: Makes it; called in the thread.
        stop: Set where nobody takes any more; the generator has to look at it.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def work() -> None:
        try:
            for item in make():
                loop.call_soon_threadsafe(queue.put_nowait, ("item", item))
            last: tuple[str, Any] = ("end", None)
        except BaseException as error:  # raised again where it is waited for
            last = ("error", error)
        loop.call_soon_threadsafe(queue.put_nowait, last)

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            kind, item = await queue.get()
            if kind == "error":
                raise item
            if kind == "end":
                return
            yield item
    finally:
        stop.set()


async def unless_gone(request: Request, work: Awaitable[Any], seconds: float) -> Any:
    """The result of some work, which is cancelled when the client leaves or when it takes too long.

    Raises:
        Refused: It took too long.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise Refused(400, "the client has gone")
        raise Refused(504, f"not done within {seconds:.0f} s; give a shorter clip", "timeout")
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.wait({task, gone})


async def _gone(request: Request) -> None:
    """Returns when the client has closed its connection; only for requests whose body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
