"""Private folders whose process may be killed: a later one knows them by a lock that nobody holds any more, and removes them.

Each process holds a lock file of its own beside its folders, which bear the lock's name. The kernel lets go of it whenever the process ends.
"""

import atexit
import fcntl
import os
import re
import secrets
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

PREFIX = "emollm-"
"""Of the folders of ``emollm serve``."""

_LOCK = "emollm-lock-{}"
_TOKEN = r"[0-9a-f]{16}"


def new_folder(prefix: str, place: Path | None = None) -> Path:
    """A folder that only this user can read, ``PREFIX<lock>-…``.

    Args:
        prefix: Ends in a hyphen.
        place: Where it lies; the temporary folder if not given.
    """
    where = Path(place or tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{_own(os.getpid(), where)}-", dir=where))


def sweep(prefix: str, place: Path | None = None) -> None:
    """Removes the folders of that prefix whose process is no more; what another user owns stays."""
    where = Path(place or tempfile.gettempdir())
    own = re.compile(rf"{re.escape(prefix)}({_TOKEN})-")
    for folder in where.glob(f"{prefix}*-*"):
        with suppress(OSError):
            found = own.match(folder.name)
            if found and folder.is_dir() and folder.stat().st_uid == os.getuid() and not _lives(found[1], where):
                shutil.rmtree(folder, ignore_errors=True)
    for lock in where.glob(_LOCK.format("*")):
        with suppress(OSError):
            if lock.stat().st_uid == os.getuid() and not _lives(lock.name.rpartition("-")[2], where):
                lock.unlink()


@cache
def _own(process: int, where: Path) -> str:
    """The name of the lock that this process holds there until it ends."""
    while True:
        token = secrets.token_hex(8)
        path = where / _LOCK.format(token)
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(held), path.stat()):  # else swept before it was locked
                atexit.register(_let_go, process, path)
                return token
        except OSError:
            pass
        os.close(held)


def _let_go(process: int, path: Path) -> None:
    if process == os.getpid():  # a child that was forked goes before
        path.unlink(missing_ok=True)


def _lives(token: str, where: Path) -> bool:
    """Whether a process holds that lock."""
    try:
        looked = os.open(where / _LOCK.format(token), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(looked, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(looked)
    return False
