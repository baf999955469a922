"""Training runs that are measured in turns: each in a process of its own that stands still whenever it is not its turn.

A run says a line of JSON with ``step`` and ``loss`` after each step, and may say ``versions`` before; it need not know that it is measured.
Between turns it is stopped as a job in a shell is (SIGSTOP), so that runs do not disturb each other and share whatever else the machine is
doing.
"""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple, Self

from emollm.errors import EmollmError

_TICKS = os.sysconf("SC_CLK_TCK")


class Step(NamedTuple):
    """One optimiser step."""

    number: int
    seconds: float
    """Of the clock."""
    cpu: float
    """Of processors, all threads together."""
    loss: float


class Run:
    """A training run; use as a context manager. It stands still when this is made, after its first step, and between :meth:`step` calls.

    Args:
        name: For the table.
        command: What to run.
        log: Where its standard error goes.
        environment: Variables beside those of this process.

    Raises:
        EmollmError: It ends before its first step; the last line of its log says why.
    """

    def __init__(self, name: str, command: list[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name, self._log = name, log
        self.told: dict[str, Any] = {}
        """What it said about itself."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            # A group of its own within this session: if the bench dies, the system ends a group that stands still.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8",
                env={**os.environ, **environment}, process_group=0,
            )  # fmt: skip
        self.first = self._timed()

    @property
    def process(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def peak(self) -> int:
        """Most memory it has held so far, in KiB (``VmHWM``)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    def step(self) -> Step:
        """The next step.

        Raises:
            EmollmError: It ends instead.
        """
        os.killpg(self._process.pid, signal.SIGCONT)
        return self._timed()

    def _timed(self) -> Step:
        began, worked = perf_counter(), self._worked()
        said = self._hear()
        while "step" not in said:
            self.told |= said
            said = self._hear()
        seconds = perf_counter() - began
        os.killpg(self._process.pid, signal.SIGSTOP)
        return Step(said["step"], seconds, self._worked() - worked, float(said["loss"]))

    def _worked(self) -> float:
        """Processor seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):  # a run may print other things as well
                said: dict[str, Any] = json.loads(line)
                return said
        self._process.wait()
        last = (self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no message"])[-1]
        raise EmollmError(
            f"{self.name} ended with code {self._process.returncode}: {last}; its whole log is {self._log}"
        )

    def __enter__(self) -> Self:
        """The run itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the process."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
