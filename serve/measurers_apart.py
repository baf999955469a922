"""Measuring in a limited process for callers that are not asynchronous: the chat that explains in its own process."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeVar

from emollm.perception.settings import PerceptionSettings
from emollm.report.media import Player
from emollm.serve.decoding import Opened, Pictures
from emollm.serve.measurers import Measurers, Progress
from emollm.serve.refusals import Refused
from emollm.serve.settings import MeasureLimits
from emollm.types import Clip, Observation

T = TypeVar("T")


class Apart:
    """Measuring processes, started when they are first needed; they end with this one. Also a :class:`~emollm.serve.decoding.Decoder`.

    Args:
        perception: How they measure; None where they only decode.
        limits: What one file may take.
        processes: How many there are at most.
    """

    def __init__(self, perception: PerceptionSettings | None, limits: MeasureLimits, processes: int = 1) -> None:
        self._measurers = Measurers(perception, limits, processes)
        self._starting = Lock()
        self._running: tuple[asyncio.AbstractEventLoop, Thread] | None = None
        self._closed = False
        self._at_work: set[asyncio.Task[object]] = set()

    def begin(self) -> None:
        """Starts the first process.

        Raises:
            Refused: It cannot be started, or this one was closed meanwhile.
        """
        _result(self._submit(self._measurers.begin))

    def observe(self, clip: Clip, progress: Progress) -> Observation:
        """What is measured of a clip.

        Args:
            clip: A photo, a video or a sound.
            progress: Told how many seconds of a recording are done, and of how many; what it raises ends the measuring, and is raised.

        Raises:
            MediaError: It cannot be read.
            DataError: A table that cannot be read.
            Refused: It takes too long or too much memory, or this one was closed meanwhile.
        """
        path = clip.image or clip.video or clip.audio
        assert path is not None
        told: SimpleQueue[tuple[float, float | None] | None] = SimpleQueue()

        def work() -> Awaitable[Observation]:
            return self._measurers.observe(path, clip.id, None, lambda done, of: told.put((done, of)))

        found = self._submit(work)
        found.add_done_callback(lambda _: told.put(None))
        try:
            while (step := told.get()) is not None:
                progress(*step)
        except BaseException:
            found.cancel()
            raise
        return _result(found)

    def opened(self, path: Path) -> Opened:
        """See :meth:`emollm.serve.decoding.Decoder.opened`; raises as :meth:`observe`."""
        return _result(self._submit(lambda: self._measurers.opened(path)))

    def pictures(self, clip: Clip, observation: Observation) -> Pictures:
        """See :meth:`emollm.serve.decoding.Decoder.pictures`; raises as :meth:`observe`."""
        return _result(self._submit(lambda: self._measurers.pictures(clip, observation)))

    def player(self, clip: Clip) -> Player | None:
        """See :meth:`emollm.serve.decoding.Decoder.player`; raises as :meth:`observe`."""
        return _result(self._submit(lambda: self._measurers.player(clip)))

    def close(self) -> None:
        """Ends the process and what it is at; nothing can be measured afterwards."""
        with self._starting:
            self._closed = True
            running, self._running = self._running, None
        if running is None:
            return
        loop, thread = running
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _end(self) -> None:
        at_work = list(self._at_work)
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        await self._measurers.end()

    def _submit(self, work: Callable[[], Awaitable[T]]) -> "Future[T]":
        """What the work will give; the loop, in a thread of its own, starts with the first."""

        async def known() -> T:
            task = asyncio.current_task()
            assert task is not None
            self._at_work.add(task)
            try:
                return await work()
            finally:
                self._at_work.discard(task)

        with self._starting:
            if self._closed:
                raise _closed()
            if self._running is None:
                loop = asyncio.new_event_loop()
                thread = Thread(target=loop.run_forever, name="measuring", daemon=True)
                thread.start()
                self._running = loop, thread
            return asyncio.run_coroutine_threadsafe(known(), self._running[0])


def _result(found: "Future[T]") -> T:
    """What was found; where it was cancelled, nobody but :meth:`Apart.close` did so."""
    try:
        return found.result()
    except CancelledError:
        raise _closed() from None


def _closed() -> Refused:
    return Refused(503, "the measuring process is being ended")
