"""Makes or repairs ``.venv``, the pinned CPU environment; does nothing if it is up to date.

    python3 .ci/environment.py        (what `make setup` runs)

The order is what makes it work: torch first, as a CPU build and with its dependencies; then the whole lock file without
looking at dependencies, since packages that it leaves out on purpose are asked for by some; then the torchvision hook;
then emollm itself, editable. ``.venv/.ready`` holds a hash of everything the environment is made from and is written
last: whatever interrupts a run, the next one starts over and keeps what is already there.
"""

from __future__ import annotations  # so that an old Python gets as far as the message about its age

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements-cpu.lock"
HOOK = ROOT / ".ci" / "torchvision_hook.py"
READY = VENV / ".ready"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
HOOK_MODULE = "_torchvision_cpu"


def main() -> None:
    """Brings the environment up to date, a line a step."""
    if sys.version_info < OLDEST:
        fail(
            f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}; "
            "install it and name it: make setup PYTHON=python3.11"
        )
    key = fingerprint()
    if PYTHON.exists() and READY.is_file() and READY.read_text(encoding="utf-8") == key:
        return
    began = time.monotonic()
    READY.unlink(missing_ok=True)
    make_venv()
    remove_half_installed()
    pins = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    install_torch(next(line for line in pins if line.startswith("torch==")))
    say(f"installing {len(pins)} pinned packages (about 4 GB on disk, some minutes)")
    pip("install", "--no-deps", "-r", str(LOCK))
    say("installing the torchvision hook and emollm itself")
    install_hook()
    pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    remove_left_metadata()
    READY.write_text(key, encoding="utf-8")
    say(f"{VENV.relative_to(ROOT)} is ready ({time.monotonic() - began:.0f} s)")


def fingerprint() -> str:
    """Hash of what the environment is made from: the lock, the project's metadata, these scripts, Python, the place."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for path in (LOCK, ROOT / "pyproject.toml", HOOK, Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_venv() -> None:
    """Makes ``.venv``, anew if what is there does not run or belongs to another Python."""
    probe = "import sys, pip; print('%d.%d %s' % (*sys.version_info[:2], sys.prefix))"
    wanted = "{}.{} {}".format(*sys.version_info[:2], VENV)
    if PYTHON.exists():
        found = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True, check=False)
        if found.stdout.strip() == wanted:
            return
    say(f"making {VENV.relative_to(ROOT)} with Python {sys.version.split()[0]}")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False)
    if done.returncode:
        fail(f"{sys.executable} -m venv failed; Debian and Ubuntu have it in the package python3-venv")


def remove_half_installed() -> None:
    """Removes the metadata of packages whose installation was cut off, so that pip installs them again.

    pip writes RECORD last; a package without it is not whole, but its METADATA would count as installed.
    """
    packages = site_packages()
    for info in packages.glob("*.dist-info"):
        if not (info / "RECORD").is_file():
            say(f"{info.name.removesuffix('.dist-info')} was not fully installed; doing it again")
            shutil.rmtree(info)
    for remains in packages.glob("~*"):  # what pip had set aside to replace
        shutil.rmtree(remains) if remains.is_dir() else remains.unlink()


def install_torch(pin: str) -> None:
    """Installs the CPU build of torch with its dependencies at the locked versions.

    It is asked for by its local version (``+cpu``), so that no CUDA build of several gigabytes is fetched by mistake.
    Where the configured index does not have it, ``TORCH_INDEX`` is asked, which names PyTorch's own index of CPU builds.
    """
    say(f"installing {pin} (CPU build)")
    wanted = ["install", "-c", str(LOCK), f"{pin}+cpu"]
    index = os.environ.get("TORCH_INDEX", "")
    if run_pip(*wanted, quiet="-qqq").returncode == 0:
        return
    if not index:
        fail(f"the package index has no {pin}+cpu; name one that has: make setup TORCH_INDEX=https://…")
    say(f"the package index has no CPU build of it; trying {index}")
    pip(*wanted, "--extra-index-url", index)


def install_hook() -> None:
    """Puts the hook where every interpreter of the environment loads it at its start."""
    packages = site_packages()
    shutil.copyfile(HOOK, packages / f"{HOOK_MODULE}.py")
    (packages / f"{HOOK_MODULE}.pth").write_text(f"import {HOOK_MODULE}\n", encoding="utf-8")


def remove_left_metadata() -> None:
    """Removes what an earlier build left beside the sources (``emollm.egg-info``).

    A program that is started here finds it before the installed metadata, and with it only the entry points of that time: vLLM would
    not see its plugin.
    """
    left = ROOT / "emollm.egg-info"
    if left.is_dir():
        shutil.rmtree(left)


def site_packages() -> Path:
    """The environment's folder of installed packages."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV), "platbase": str(VENV)}))


def pip(*arguments: str) -> None:
    """Runs pip; its error has been printed if it fails."""
    if run_pip(*arguments, quiet="-qq").returncode:
        fail("pip could not install everything (see above); `make setup` goes on where it stopped")


def run_pip(command: str, *arguments: str, quiet: str) -> subprocess.CompletedProcess[bytes]:
    """Runs one pip command in the environment, showing no more than its errors."""
    options = ["--disable-pip-version-check", "--no-input", quiet]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.run([PYTHON, "-m", "pip", command, *options, *arguments], env=environment, check=False)


def say(line: str) -> None:
    """Prints one line of progress."""
    print(f"setup: {line}", flush=True)


def fail(line: str) -> None:
    """Ends with a message and exit status 1."""
    raise SystemExit(f"setup: {line}")


if __name__ == "__main__":
    main()
