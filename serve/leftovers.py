"""Private folders named by their process: those of one that was killed are removed by the next."""

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "emollm-"
"""Of the folders of ``emollm serve``."""


def new_folder(prefix: str, place: Path | None = None) -> Path:
    """A folder that only this user can read, ``PREFIX<process>-…``.

    Args:
        prefix: Ends in a hyphen.
        place: Where it lies; the temporary folder if not given.
    """
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=place))


def sweep(prefix: str, place: Path | None = None) -> None:
    """Removes the folders of that prefix whose process is no more; what another user owns stays."""
    own = re.compile(rf"{re.escape(prefix)}(\d+)-")
    for folder in Path(place or tempfile.gettempdir()).glob(f"{prefix}*-*"):
        with suppress(OSError):
            found = own.match(folder.name)
            if found and folder.is_dir() and folder.stat().st_uid == os.getuid() and not _lives(int(found[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
