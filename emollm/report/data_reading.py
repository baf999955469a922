"""Reads what a build of training data wrote: Samples, rejects and ``build.json``, one line at a time."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emollm.errors import DataError, one_line
from emollm.samples import Sample
from emollm.types import Record


class Reject(Record):
    """A line of ``rejects-*.jsonl``."""

    id: str
    stage: str
    """``source``, ``observe``, ``write``, ``verify``, or ``filter:<name>``."""
    reason: str
    """The kind of fault first, before a colon."""
    sample: Sample | None = None

    @property
    def kind(self) -> str:
        """The kind of fault."""
        return self.reason.partition(":")[0].strip()


class Files(NamedTuple):
    """Where the parts of a build are."""

    name: str
    samples: tuple[Path, ...]
    rejects: tuple[Path, ...] = ()
    build: dict[str, Any] | None = None
    """Content of ``build.json``; None for a file of Samples that no build wrote."""


def find(path: Path) -> Files:
    """The files of a build, or of a single ``.jsonl`` of Samples.

    Raises:
        DataError: Nothing there, no build, a build that is not finished, or a damaged ``build.json``.
    """
    if path.is_file():
        return Files(path.name, (path,))
    if not path.is_dir():
        raise DataError(
            f"{path}: no such folder; give the output folder of `emollm data build`, or a .jsonl file of Samples"
        )
    samples = tuple(sorted(path.glob("samples-*.jsonl")))
    if not samples:
        unfinished = next(path.rglob("samples-*.jsonl"), None) is not None
        todo = "the build is not finished; give its command again, and it goes on" if unfinished else "not a build"
        raise DataError(f"{path}: expected samples-*.jsonl, found none: {todo}")
    build = path / "build.json"
    return Files(
        path.resolve().name,
        samples,
        tuple(sorted(path.glob("rejects-*.jsonl"))),
        _json(build) if build.exists() else None,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # JSON, UTF-8
        raise DataError(
            f"{path}: not valid JSON: {one_line(str(error))}; build it again, or take the file away"
        ) from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected an object, got {type(values).__name__}")
    return values


def samples(files: Files) -> Iterator[Sample]:
    """All Samples, in the order of the files.

    Raises:
        DataError: A line that is no Sample, with its file and number.
    """
    for where, line in _lines(files.samples):
        yield Sample.from_json(line, where)


def rejects(files: Files) -> Iterator[Reject]:
    """All that was not kept, in the order of the files.

    Raises:
        DataError: A line that is no reject, with its file and number.
    """
    for where, line in _lines(files.rejects):
        yield Reject.from_json(line, where)


def _lines(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield f"{path}:{number}", line
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
