"""How fast the command line starts: against a bare Python, with the modules an import brings, and one photo cold."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from emollm.errors import EmollmError
from emollm.eval.bench_table import Spread, spread

HEAVY = ("torch", "transformers")
"""What importing emollm must not import."""


class Start(NamedTuple):
    """Seconds of processes from start to end, and what they brought."""

    bare: Spread
    """``python -c pass``."""
    imported: Spread
    """``python -c "import emollm"``."""
    help: Spread
    """``emollm --help``."""
    help_more: Spread
    """``emollm --help`` minus bare Python, round by round."""
    heavy: tuple[str, ...]
    """Which of :data:`HEAVY` the import brought."""
    explain: Spread
    """``emollm explain PHOTO``, the models opened anew each time, its assets in the cache."""
    explain_peak: int
    """Most memory of ``emollm explain``, in bytes."""


def measure_start(photo: Path, rounds: int) -> Start:
    """Runs each command ``rounds`` times, in turn, after one run that is not counted.

    Raises:
        EmollmError: A command fails.
    """
    command = Path(sys.executable).with_name("emollm")
    emollm = [str(command)] if command.exists() else [sys.executable, "-m", "emollm"]
    commands = {
        "bare": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import emollm"],
        "help": [*emollm, "--help"],
        "explain": [*emollm, "explain", str(photo)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    peak = 0
    for turn in range(rounds + 1):
        for name, line in commands.items():
            took, most = _run(line)
            if turn:
                seconds[name].append(took)
            if name == "explain":
                peak = max(peak, most)
    more = [long - short for long, short in zip(seconds["help"], seconds["bare"], strict=True)]
    of = {name: spread(values) for name, values in seconds.items()}
    return Start(of["bare"], of["import"], of["help"], spread(more), _brought(), of["explain"], peak)


def start_table(start: Start) -> str:
    """The figures as markdown."""
    imports = f"imports {', '.join(start.heavy)}" if start.heavy else f"imports neither {' nor '.join(HEAVY)}"
    more = start.help_more
    lines = [
        "| command | seconds | |",
        "|---|---|---|",
        f"| `python -c pass` | {start.bare.text(3)} | |",
        f'| `python -c "import emollm"` | {start.imported.text(3)} | {imports} |',
        f"| `emollm --help` | {start.help.text(3)} | {more.text(3)} more than bare Python; the aim is under 0.5 |",
        f"| `emollm explain` of one photo | {start.explain.text(2)} | peak memory {start.explain_peak / 1e6:.0f} MB |",
    ]
    return "\n".join(lines)


def _run(command: list[str]) -> tuple[float, int]:
    """Seconds and peak memory in bytes of a process."""
    began = perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise EmollmError(f"{' '.join(command)}: ended with code {process.returncode}; run it to see why")
    return took, usage.ru_maxrss * 1024


def _brought() -> tuple[str, ...]:
    """Which heavy libraries a fresh ``import emollm`` imports."""
    code = f"import emollm, json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    return tuple(json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout))
