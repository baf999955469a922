"""Work on many items side by side, results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 0.2
"""Seconds after which a wait looks up."""
_GRACE = 1.0
"""Seconds for which work whose result nobody wants is waited for."""


def ahead(work: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[tuple[T, Callable[[], R]], None, None]:
    """Each item with a function that gives its result, or raises what the work raised; in the order of the items.

    With several workers, threads are at most twice as many items ahead of the one that was given last. Closing the iterator drops
    what has not begun and waits for what has, but not for long.

    Args:
        work: Called with one item; with several workers it must be safe to call from several threads.
        items: Drawn in the calling thread, as work gets room.
        workers: Threads; with 1 the work is done in the calling thread, when its result is asked for.
    """
    if workers == 1:
        for item in items:
            yield item, partial(work, item)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    begun: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            begun.append((item, pool.submit(work, item)))
            if len(begun) > 2 * workers:
                yield begun[0][0], partial(_result, begun[0][1])
                begun.popleft()
        while begun:
            yield begun[0][0], partial(_result, begun[0][1])
            begun.popleft()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        wait([future for _, future in begun if not future.done()], timeout=_GRACE)


def _result(future: Future[R]) -> R:
    """What the future gives. Python does not see a Ctrl-C that comes just before a wait without end begins."""
    while not future.done():
        wait([future], timeout=_PATIENCE)
    return future.result()
