"""Writing files so that nobody ever sees half of one."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import IO, Any, TextIO

from emollm.errors import DataError, EmollmError


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


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder`` to be filled, which takes its place when the block ends well; else ``folder`` stays as it was.

    Args:
        folder: Where the result goes; the folder that holds it is made if need be.

    Raises:
        EmollmError: It cannot be made, filled or put in place (read-only, disk full …).
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise EmollmError(f"{folder}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    new, old = beside / "new", beside / "old"
    try:
        new.mkdir()
        yield new
        mask = _umask()
        for path in new.rglob("*"):  # some libraries write files that only their owner may read
            path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
        if folder.exists():
            folder.replace(old)
        new.replace(folder)
    except OSError as error:
        raise EmollmError(
            f"{folder}: cannot be written: {(error.strerror or str(error)).lower()}; it is as it was before"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _umask() -> int:
    """The process's file-creation mask; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def opened_text(path: Path, binary: str = "; expected text", other: str = "") -> Iterator[TextIO]:
    """A file of text or csv for reading; what goes wrong while it is read becomes a DataError.

    Args:
        path: UTF-8, with or without a byte order mark.
        binary: What is said of a binary file.
        other: What is said behind the fault of one that is not UTF-8.

    Raises:
        DataError: The file cannot be read, or is no such text.
    """
    import csv

    try:
        with path.open("rb") as raw:
            if b"\0" in raw.read(4096):
                raise DataError(f"{path}: a binary file{binary}")
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason}){other}") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a csv table: {error}") from error


def rejects_of_others(path: Path, out: str) -> list[str]:
    """The lines of a list of rejects that another output than ``out`` put there; none where there is no list.

    Raises:
        DataError: The list cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path}: expected the rejects of an earlier run, cannot be read: {reason}") from error
    return [line for line in lines if not _is_of(line, out)]


def _is_of(line: str, out: str) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and row.get("out") == out
