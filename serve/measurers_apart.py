"""Measuring in a limited process for callers that are not asynchronous: the chat that explains in its own process."""

import asyncio
from queue import SimpleQueue
from threading import Lock, Thread

from emollm.perception.settings import PerceptionSettings
from emollm.serve.measurers import Measurers, Progress
from emollm.serve.settings import MeasureLimits
from emollm.types import Clip, Observation


class Apart:
    """One measuring process, started when it is first needed; it ends with this one.

    Args:
        perception: How it measures.
        limits: What one file may take.
    """

    def __init__(self, perception: PerceptionSettings, limits: MeasureLimits) -> None:
        self._measurers = Measurers(perception, limits, processes=1)
        self._starting = Lock()
        self._running: tuple[asyncio.AbstractEventLoop, Thread] | None = None

    def begin(self) -> None:
        """Starts the process.

        Raises:
            Refused: It cannot be started.
        """
        asyncio.run_coroutine_threadsafe(self._measurers.begin(), self._loop()).result()

    def observe(self, clip: Clip, progress: Progress) -> Observation:
        """What is measured of a clip.

        Args:
            clip: A photo, a video or a sound.
            progress: Told how many seconds of a recording are done, and of how many; what it raises ends the measuring, and is raised.

        Raises:
            MediaError: It cannot be read.
            DataError: A table that cannot be read.
            Refused: It takes too long or too much memory.
        """
        path = clip.image or clip.video or clip.audio
        assert path is not None
        told: SimpleQueue[tuple[float, float | None] | None] = SimpleQueue()
        work = self._measurers.observe(path, clip.id, None, lambda done, of: told.put((done, of)))
        found = asyncio.run_coroutine_threadsafe(work, self._loop())
        found.add_done_callback(lambda _: told.put(None))
        try:
            while (step := told.get()) is not None:
                progress(*step)
        except BaseException:
            found.cancel()
            raise
        return found.result()

    def close(self) -> None:
        """Ends the process; nothing can be measured afterwards."""
        if self._running is None:
            return
        loop, thread = self._running
        asyncio.run_coroutine_threadsafe(self._measurers.end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _loop(self) -> asyncio.AbstractEventLoop:
        """The loop, which runs in a thread of its own once it is asked for."""
        with self._starting:
            if self._running is None:
                loop = asyncio.new_event_loop()
                thread = Thread(target=loop.run_forever, name="measuring", daemon=True)
                thread.start()
                self._running = loop, thread
            return self._running[0]
