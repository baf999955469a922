"""Folders of the cache that are made once, whoever needs them first."""

import sys
from collections.abc import Callable
from pathlib import Path

from emollm.errors import ModelError
from emollm.files import replacing_folder


def made_once(folder: Path, fill: Callable[[Path], None], note: str) -> Path:
    """A folder of the cache, filled if it is not there; one process fills it, others wait. A folder that is there is complete.

    Args:
        folder: Named by all that it is made of.
        fill: Fills a new folder, which then takes its place.
        note: Said on standard error before it is filled, because that takes its time.

    Raises:
        ModelError: The cache cannot be written.
        EmollmError: As ``fill`` raises it.
    """
    if folder.is_dir():
        return folder
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not folder.is_dir():
                print(note, file=sys.stderr, flush=True)
                with replacing_folder(folder) as new:
                    fill(new)
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written: {error.strerror or error}; set EMOLLM_CACHE") from error
    return folder
