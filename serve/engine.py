"""vLLM as a child of the front: started, watched, started again after a fall, and ended together with it.

It listens on a socket in a private folder, so that nobody but this user's processes can reach it. The keeper
(:mod:`emollm.serve.keeper`) ends it whenever the front is no more.
"""

import asyncio
import logging
import os
import shutil
import sys
import time
from collections import deque
from contextlib import suppress
from importlib import metadata
from typing import NamedTuple

import httpx

from emollm.errors import ModelError, one_line
from emollm.serve.checkpoint import RANKS, Checkpoint
from emollm.serve.keeper import GONE
from emollm.serve.leftovers import PREFIX, new_folder
from emollm.serve.refusals import Refused
from emollm.serve.settings import EngineSettings

BASE = "http://engine"
LOOK = 0.5
"""Seconds between two looks at a vLLM that starts."""
PULSE = 5.0
"""Seconds between two looks at one that works."""
SILENT = 60.0
"""A vLLM whose health page is silent for so many seconds is started anew; under full load an answer takes a few."""
LONGEST_WAIT = 60.0
"""Seconds between two starts at most."""
_MEDIA_GIB = "0.25"
"""Memory in which vLLM keeps the media that it was sent last, for the next turn; by default 4 GiB, filled with what visitors gave."""
_SAID = 40
"""Last lines of vLLM's log that are kept."""

log = logging.getLogger("emollm.serve")


def command(served: Checkpoint, settings: EngineSettings) -> list[str]:
    """How vLLM is started, apart from where it listens."""
    given = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(served.folder),
        "--served-model-name", served.name, "--dtype", served.dtype,
        "--max-model-len", str(min(settings.context or served.context, served.context)),
        "--max-num-seqs", str(settings.sequences), "--enforce-eager", "--trust-request-mm-kwargs",
        "--disable-uvicorn-access-log", "--mm-processor-cache-gb", _MEDIA_GIB,
    ]  # fmt: skip
    share = settings.memory_share or (0.4 if on_cpu() else None)
    given += ["--gpu-memory-utilization", str(share)] if share else []
    given += ["--block-size", "32"] if on_cpu() else []  # of 128 by default: little of a prompt would be found again
    if served.adapters:
        given += ["--enable-lora", "--max-lora-rank", str(_rank(served.rank)), "--lora-modules"]
        given += [f"{name}={path}" for name, path in served.adapters]
    return [*given, *settings.options]


def environment(settings: EngineSettings) -> dict[str, str]:
    """Of vLLM's processes: nothing is fetched and nothing is reported."""
    own = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    if on_cpu():
        own["VLLM_CPU_KVCACHE_SPACE"] = str(settings.kv_gib)
        own["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"  # else several servers crowd the same cores
        if settings.threads:
            own["OMP_NUM_THREADS"] = str(settings.threads)
    others = {name: value for name, value in os.environ.items() if name != "VLLM_API_KEY"}  # only the front asks it
    return {**others, **own}


def on_cpu() -> bool:
    """Whether vLLM's CPU build is installed."""
    with suppress(metadata.PackageNotFoundError):
        metadata.version("vllm-cpu")
        return True
    with suppress(metadata.PackageNotFoundError):
        return "cpu" in metadata.version("vllm")
    return False


def _rank(rank: int) -> int:
    """The next rank that vLLM has room for."""
    return next(each for each in RANKS if each >= rank)


class Listening(NamedTuple):
    """Where a vLLM listens that everybody may ask."""

    host: str
    port: int
    keys: tuple[str, ...] = ()
    """One of them has to be given with each request."""


class Engine:
    """One vLLM, whichever process it is at the moment.

    Args:
        served: What it serves.
        settings: How it is run.
        listening: A port of its own; by default a socket that only this process knows.
    """

    def __init__(self, served: Checkpoint, settings: EngineSettings, listening: Listening | None = None) -> None:
        self.served, self._settings, self._listening = served, settings, listening
        self.up = asyncio.Event()
        """Set while it answers."""
        self.starts = 0
        """How often it was started."""
        self.failed: ModelError | None = None
        """Why it could not be started, where that will not change."""
        self._folder = new_folder(PREFIX)
        self._said: deque[str] = deque(maxlen=_SAID)
        self._keeper: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._fell = asyncio.Event()
        self._began = 0.0
        self._took = 60.0
        self.client, self.threads = httpx.AsyncClient(), httpx.Client()

    def begin(self) -> None:
        """Starts it, and watches it from now on."""
        self._watch = asyncio.create_task(self._watched())
        self._watch.add_done_callback(self._unwatched)

    async def end(self) -> None:
        """Ends it with all its processes."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await self._stop()
        await self.client.aclose()
        self.threads.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def ready(self) -> None:
        """Waits for its first answer.

        Raises:
            ModelError: It cannot be started.
        """
        while not self.up.is_set():
            if self.failed is not None:
                raise self.failed
            with suppress(TimeoutError):
                await asyncio.wait_for(self.up.wait(), LOOK)

    async def lasts(self) -> None:
        """Waits for as long as it is watched; without that it would never be started again.

        Raises:
            ModelError: It is not watched any more.
        """
        assert self._watch is not None
        await asyncio.wait({self._watch})
        raise self.failed or ModelError("vLLM is not watched any more")

    def require(self) -> httpx.AsyncClient:
        """The client of the vLLM that works now.

        Raises:
            Refused: There is none at the moment; with the seconds after which there will be.
        """
        if not self.up.is_set():
            raise self.away()
        return self.client

    def for_threads(self) -> httpx.Client:
        """The same for callers that wait in a thread."""
        if not self.up.is_set():
            raise self.away()
        return self.threads

    def away(self) -> Refused:
        """What is said while there is no vLLM."""
        left = max(2.0, self._took - (time.monotonic() - self._began)) if self._began else self._took
        return Refused(503, "the model is being loaded; ask again a little later", "engine_away", retry_after=left)

    # ---- inside

    async def _watched(self) -> None:
        wait = 1.0
        while True:
            if await self._starts() and await self._comes_up():
                wait = 1.0
                self._took = time.monotonic() - self._began
                self.up.set()
                log.info("vLLM answers after %.0f s", self._took)
                await self._goes_down()
                self.up.clear()
                self._began = time.monotonic()
                log.warning("vLLM has gone; it is started again")
            elif self.starts == 1:
                self.failed = ModelError(f"{self.served.folder}: vLLM cannot serve it: {self._last_words()}")
                await self._stop()
                return
            await self._stop()
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _unwatched(self, watch: asyncio.Task[None]) -> None:
        """Tells those who wait that nobody watches any more, if that was a fault."""
        if not watch.cancelled() and (error := watch.exception()) is not None:
            log.error("vLLM is not watched any more", exc_info=error)
            self.failed = self.failed or ModelError(f"vLLM is not watched any more: {one_line(repr(error))}")

    async def _starts(self) -> bool:
        """Whether a process could be started; a machine that is out of memory or of file handles may have them later."""
        try:
            await self._start()
        except OSError as error:
            self._said.append(f"Error: {error.strerror or error}")
            log.warning("vLLM cannot be started: %s", error)
            return False
        return True

    async def _start(self) -> None:
        self.starts += 1
        self._began = time.monotonic()
        self._fell.clear()
        where, transport, threads, base = self._place()
        await self.client.aclose()
        self.threads.close()
        timeout = httpx.Timeout(None, connect=5.0)
        self.client = httpx.AsyncClient(transport=transport, base_url=base, timeout=timeout)
        self.threads = httpx.Client(transport=threads, base_url=base, timeout=timeout)
        own = environment(self._settings)
        if self._listening is not None and self._listening.keys:
            own["VLLM_API_KEY"] = self._listening.keys[0]  # not on the command line, which everybody can read
        self._keeper = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "emollm.serve.keeper", *command(self.served, self._settings), *where,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder, env=own, start_new_session=True, limit=2**20,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read(self._keeper))

    def _place(self) -> tuple[list[str], httpx.AsyncHTTPTransport, httpx.HTTPTransport, str]:
        """Where the next one listens, and how it is reached there."""
        limits = httpx.Limits(max_connections=None)
        if self._listening is not None:
            host, port, _ = self._listening
            near = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host
            where, base, uds = ["--host", host, "--port", str(port)], f"http://{near}:{port}", None
        else:
            uds = str(self._folder / f"{self.starts}.sock")
            where, base = ["--uds", uds], BASE
        return (
            where,
            httpx.AsyncHTTPTransport(uds=uds, limits=limits),
            httpx.HTTPTransport(uds=uds, limits=limits),
            base,
        )

    async def _read(self, keeper: asyncio.subprocess.Process) -> None:
        """Keeps the last lines of what vLLM says; the log has all of it."""
        assert keeper.stdout
        while True:
            try:
                line = await keeper.stdout.readline()
            except ValueError:  # a line of more than a megabyte, which is thrown away
                continue
            if not line:
                return
            text = one_line(line.decode("utf-8", "replace"), 400)
            if GONE in text:
                self._fell.set()
            elif text:
                self._said.append(text)
                log.debug("vllm: %s", text)

    async def _stop(self) -> None:
        if (keeper := self._keeper) is None:
            return
        assert keeper.stdin
        keeper.stdin.close()
        await keeper.wait()
        self._keeper = None
        await asyncio.wait([self._reader], timeout=5)
        self._reader.cancel()

    async def _comes_up(self) -> bool:
        """Whether it answers in time."""
        while time.monotonic() - self._began < self._settings.start_seconds:
            if self._gone():
                return False
            if await self._answers(5.0):
                return True
            await asyncio.sleep(LOOK)
        return False

    async def _goes_down(self) -> None:
        """Returns when its process ends, or when it has been silent for too long."""
        assert self._keeper is not None
        ended = asyncio.create_task(self._fell.wait())
        alone = asyncio.create_task(self._keeper.wait())  # the keeper itself may be killed
        heard = time.monotonic()
        try:
            while time.monotonic() - heard < SILENT:
                done, _ = await asyncio.wait({ended, alone}, timeout=PULSE, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    return
                if await self._answers(SILENT):
                    heard = time.monotonic()
        finally:
            ended.cancel()
            alone.cancel()

    def _gone(self) -> bool:
        return self._fell.is_set() or self._keeper is None or self._keeper.returncode is not None

    async def _answers(self, timeout: float) -> bool:
        try:
            return (await self.client.get("/health", timeout=timeout)).status_code == 200
        except httpx.HTTPError:
            return False

    def _last_words(self) -> str:
        """The line of vLLM's log that says most of why it ended."""
        errors = [line for line in self._said if "Error" in line and "root cause" not in line]
        chosen = errors or list(self._said) or ["it ended without a word"]
        return one_line(chosen[-1], 300)
