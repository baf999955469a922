"""A generator worked on by a thread of its own, a few items before they are asked for."""

import queue
import threading
from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

T = TypeVar("T")

_LOOK = 0.05
"""Seconds between two looks at whether the consumer has gone, while the queue is full."""


class _End:
    """What the thread says last."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


_GROUP = 4
"""Items handed over at a time: waking another thread costs a good part of what decoding a small frame does."""


def read_ahead(items: Generator[T, None, None], most: int) -> Generator[T, None, None]:
    """The same items, drawn by a thread that is at most ``most`` items before the consumer.

    What the items raise is raised here. The thread starts with the first item asked for, and has ended when the generator
    is exhausted or closed, which it is when a loop over it is left.
    """
    group = min(_GROUP, max(most // 2, 1))
    waiting: queue.Queue[list[T] | _End] = queue.Queue(max(most // group - 1, 1))
    stopped = threading.Event()

    def put(items: list[T] | _End) -> None:
        while not stopped.is_set():
            try:
                return waiting.put(items, timeout=_LOOK)
            except queue.Full:
                continue

    def work() -> None:
        error: BaseException | None = None
        drawn: list[T] = []
        try:
            with closing(items):
                for item in items:
                    drawn.append(item)
                    if len(drawn) >= group:
                        put(drawn)
                        drawn = []
                    if stopped.is_set():
                        return
        except BaseException as raised:  # handed over, whatever it is
            error = raised
        put(drawn)
        put(_End(error))

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(drawn := waiting.get(), _End):
            yield from drawn
        if drawn.error is not None:
            raise drawn.error
    finally:
        stopped.set()
        while not waiting.empty():
            waiting.get_nowait()
        thread.join()
