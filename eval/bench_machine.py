"""The machine that the bench runs on, and the cores of it that a contestant gets."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """Processor, cores this process may use, and Python, in a few words."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def is_busy(load: float) -> bool:
    """Whether other work took more than a quarter of the machine, by the load average before the first round."""
    return load > len(os.sched_getaffinity(0)) / 4


def two_cores() -> tuple[int, ...]:
    """Two cores this process may use, not two threads of one where that can be told; one if there is no more."""
    first, *others = sorted(os.sched_getaffinity(0))
    apart = [core for core in others if _siblings(core) != _siblings(first)]
    return (first, *(apart or others)[:1])


def _siblings(core: int) -> str:
    """Threads that share a core; the core's own number where the system does not say."""
    told = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    return told.read_text(encoding="ascii").strip() if told.is_file() else str(core)


def told_versions(versions: dict[str, dict[str, str]]) -> str:
    """The versions of each contestant's libraries as a sentence."""
    each = (
        f"{name}: {', '.join(f'{library} {of}' for library, of in told.items())}" for name, told in versions.items()
    )
    return f"Versions: {'; '.join(each)}."


def plain(why: str) -> str:
    """The first line of a message, without the name of the user's folder."""
    return why.replace(str(Path.home()), "~").splitlines()[0].rstrip(".")
