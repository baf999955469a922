"""Writing files so that nobody ever sees half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from emollm.errors import EmollmError


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a temporary file beside ``path`` and renames it onto ``path`` when the block ends well.

    If the block fails, is interrupted or the disk is full, ``path`` stays as it was and the temporary file is removed.

    Args:
        path: Where the result goes; its folder is made if need be.
        mode: ``"wb"``, or ``"w"`` for UTF-8 text.

    Raises:
        EmollmError: The folder cannot be made or the file cannot be written (read-only, disk full …).
    """
    encoding = None if "b" in mode else "utf-8"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise EmollmError(f"{path}: cannot be written: it is a folder; give a file name")
        if path.exists() and not path.is_file():
            raise EmollmError(
                f"{path}: cannot be written: it is a device or a pipe, which would be replaced; give a file name"
            )
        file = NamedTemporaryFile(  # noqa: SIM115
            mode, dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False, encoding=encoding
        )
    except OSError as error:
        raise EmollmError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        finally:
            file.close()
        os.chmod(file.name, 0o666 & ~_umask())
        os.replace(file.name, path)
    except OSError as error:
        Path(file.name).unlink(missing_ok=True)
        raise EmollmError(
            f"{path}: cannot be written: {error.strerror or error}; the file is as it was before"
        ) from error
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's file-creation mask; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
