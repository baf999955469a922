"""The measuring processes as the front sees them: a few of them, each with one file at a time, replaced where one falls."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from emollm.errors import DataError, MediaError
from emollm.media.images import Picture
from emollm.perception.settings import PerceptionSettings
from emollm.report.media import Player
from emollm.samples import MediaItem
from emollm.serve.decoding import Opened, Pictures, times_of
from emollm.serve.refusals import Refused
from emollm.serve.settings import MeasureLimits
from emollm.types import Clip, MediaInfo, Observation

Progress = Callable[[float, float | None], None]

log = logging.getLogger("emollm.serve")

_ERRORS = {"MediaError": MediaError, "DataError": DataError}
_LONGEST_LINE = 2**27
"""Bytes of what a process tells at a time: the landmarks of many people in many frames are long."""
_GRACE = 3.0
"""Seconds that a process has to hear that it is to stop."""


class Shown(NamedTuple):
    """A picture or a sound as the model is sent it."""

    type: str
    """``image`` or ``audio``."""
    data: bytes
    """PNG, or WAV."""
    mark: str | None = None
    """The picture's fingerprint."""
    boxes: tuple[tuple[float, ...], ...] = ()


class Measurers:
    """Processes that decode and measure.

    Args:
        perception: How they measure; None where they only decode.
        limits: What one file may take.
        processes: How many there are at most.
    """

    def __init__(self, perception: PerceptionSettings | None, limits: MeasureLimits, processes: int) -> None:
        self._perception, self._limits = perception, limits
        self._idle: list[_Measurer] = []
        self._room = asyncio.Semaphore(processes)
        self.ended = 0
        """How many had to be ended, or fell."""

    async def begin(self) -> None:
        """Starts the first one; the others come when they are needed."""
        async with self._room:
            self._idle.append(await self._started())

    async def end(self) -> None:
        """Ends all that are idle; those at work belong to requests, which end before."""
        while self._idle:
            await self._idle.pop().end()

    async def observe(
        self, path: Path, name: str, kind: str | None = None, progress: Progress | None = None
    ) -> Observation:
        """What is measured of a file.

        Args:
            path: Where it lies.
            name: What the client calls it.
            kind: What it has to be: ``image``, ``audio``, ``video``; None for any.
            progress: Told how many seconds of a recording are done, and of how many.

        Raises:
            MediaError: It cannot be read, or is something else.
            DataError: A table that cannot be read.
            Refused: It takes too long or too much memory.
        """
        job = {"job": "observe", "path": str(path), "name": name, "kind": kind}
        said = await self._do(job, name, progress)
        return Observation.from_json(json.dumps(said["observation"]))

    async def show(self, items: list[MediaItem], into: Path, whole: bool) -> list[Shown]:
        """Media of a turn as the model is sent them, in order; raises as :meth:`observe`.

        Args:
            items: Pictures and sounds.
            into: Folder of the request.
            whole: Whether the model looks at whole frames; else a picture is cut down to what is around the face.
        """
        if not items:
            return []
        told = [json.loads(item.to_json()) for item in items]
        found = []
        try:
            with TemporaryDirectory(dir=into) as own:  # other people of the same clip are shown at the same time
                said = await self._do({"job": "show", "items": told, "into": own, "whole": whole}, "the media", None)
                for each in said["shown"]:
                    boxes = tuple(tuple(box) for box in each.get("boxes", ()))
                    found.append(Shown(each["type"], Path(each["path"]).read_bytes(), each.get("mark"), boxes))
        except FileNotFoundError as error:
            raise Refused(408, "the request ended before its media were shown") from error
        return found

    async def opened(self, path: Path) -> Opened:
        """The clip that a file is, and its small picture; raises as :meth:`observe`."""
        said = await self._do({"job": "open", "path": str(path)}, str(path), None)
        return Opened(Clip.from_json(json.dumps(said["clip"])), said["thumb"])

    async def pictures(self, clip: Clip, observation: Observation) -> Pictures:
        """What is shown of a clip; raises as :meth:`observe`."""
        with _beside(clip) as into:
            media = json.loads(observation.media.model_dump_json())
            own = {"clip": json.loads(clip.to_json()), "times": times_of(clip, observation), "media": media}
            said = await self._do({"job": "pictures", **own, "into": into}, clip.id, None)
            drawn = {each["time"]: await asyncio.to_thread(_picture, each) for each in said["pictures"]}
        return Pictures(drawn.pop(None, None), drawn)

    async def player(self, clip: Clip) -> Player | None:
        """How a page plays a clip; raises as :meth:`observe`."""
        with _beside(clip) as into:
            said = await self._do({"job": "player", "clip": json.loads(clip.to_json()), "into": into}, clip.id, None)
            told = said["player"]
            if told is None:
                return None
            uri = await asyncio.to_thread(Path(told["path"]).read_text, encoding="ascii")
        return Player(told["kind"], uri or None, told["note"])

    async def _do(self, job: dict[str, Any], name: str, progress: Progress | None) -> dict[str, Any]:
        async with self._room:
            measurer = await self._one()
            try:
                said = await asyncio.wait_for(measurer.ask(job, progress), self._limits.measure_seconds)
            except TimeoutError:
                await self._drop(measurer)
                limit = self._limits.measure_seconds
                raise Refused(422, f"{name}: not measured within {limit:.0f} s; give a shorter clip") from None
            except asyncio.CancelledError:
                if await measurer.stopped():
                    self._idle.append(measurer)
                else:
                    await self._drop(measurer)
                raise
            except _Fallen:
                await self._drop(measurer)
                raise Refused(422, f"{name}: took more memory than there is for one file; give a smaller one") from None
            except BaseException:
                await self._drop(measurer)
                raise
            self._idle.append(measurer)
        if (error := said.get("error")) is None:
            return said
        message = str(error["message"])
        for path in (job.get("path"), *(item["path"] for item in job.get("items", ()))):
            message = message.replace(path, name) if path else message
        if error["kind"] == "MemoryError":
            raise Refused(413, f"{name}: took more memory than there is for one file; give a smaller one")
        if error["kind"] == "Fault":
            raise RuntimeError(f"measuring: {message}")
        raise _ERRORS.get(error["kind"], DataError)(message)

    async def _one(self) -> "_Measurer":
        """One that lives; those that fell while they were idle are forgotten."""
        while self._idle:
            if (measurer := self._idle.pop()).lives:
                return measurer
            await self._drop(measurer)
        return await self._started()

    async def _started(self) -> "_Measurer":
        return await _Measurer.started(self._perception, self._limits)

    async def _drop(self, measurer: "_Measurer") -> None:
        self.ended += 1
        log.warning("a measuring process was ended")
        await measurer.end()


@contextmanager
def _beside(clip: Clip) -> Iterator[str]:
    """A folder beside the file of a clip, whose owner deletes both.

    Raises:
        MediaError: The file is no longer there.
    """
    path = clip.image or clip.video or clip.audio
    assert path is not None
    try:
        with TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as into:
            yield into
    except FileNotFoundError as error:
        raise MediaError(f"{clip.id}: no longer there") from error


def _picture(told: dict[str, Any]) -> Picture:
    """A picture as a process left it."""
    pixels = np.load(told["path"], allow_pickle=False)
    return Picture(pixels, MediaInfo.model_validate_json(json.dumps(told["info"])), told["scale"])


class _Fallen(Exception):
    """The process is no more."""


class _Measurer:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def started(cls, perception: PerceptionSettings | None, limits: MeasureLimits) -> "_Measurer":
        """A process with its models loaded.

        Raises:
            Refused: It cannot be started.
        """
        creating = asyncio.ensure_future(asyncio.create_subprocess_exec(
            sys.executable, "-m", "emollm.serve.measuring", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            start_new_session=True, limit=_LONGEST_LINE,
        ))  # fmt: skip
        try:
            own = cls(await asyncio.shield(creating))
        except asyncio.CancelledError:  # half-connected pipes would stay behind
            await cls(await creating).end()
            raise
        first = {
            "perception": None if perception is None else json.loads(perception.model_dump_json()),
            "memory": limits.memory_mb * 2**20,
            "longest": limits.clip_seconds,
        }
        try:
            await own._tell(first)
            await asyncio.wait_for(own._heard(), 300)
        except (TimeoutError, _Fallen) as error:
            await own.end()
            raise Refused(503, "the measuring process cannot be started", retry_after=10) from error
        except asyncio.CancelledError:
            await own.end()
            raise
        return own

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None

    async def ask(self, job: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
        """What a job gives."""
        await self._tell(job)
        while "progress" in (said := await self._heard()):
            if progress is not None:
                progress(*said["progress"])
        return said

    async def stopped(self) -> bool:
        """Whether the job at hand ended when it was asked to; what it gives is thrown away."""
        try:
            await self._tell({"stop": True})
            async with asyncio.timeout(_GRACE):
                while "progress" in await self._heard():
                    pass
        except (TimeoutError, _Fallen):
            return False
        return True

    async def end(self) -> None:
        """Ends the process."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _tell(self, said: dict[str, Any]) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(said).encode() + b"\n")
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _Fallen from error

    async def _heard(self) -> dict[str, Any]:
        assert self._process.stdout
        try:
            line = await self._process.stdout.readline()
            said: dict[str, Any] = json.loads(line)
        except ValueError as error:  # nothing more comes, half a line, or one that is too long
            raise _Fallen from error
        return said
