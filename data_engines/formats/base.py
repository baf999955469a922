"""What all formats share: the protocols of a reader and a writer, what they are told, and what they say of a bad record.

A format reads and writes one of two records: :class:`~emollm.samples.Sample` (a conversation) or
:class:`~emollm.data_engines.base.Item` (a clip with annotations). :mod:`emollm.data_engines.formats.bridge` leads from one to the
other. Notes of an Item have the names of the format they came from, but for :data:`RATIONALE`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from emollm.data_engines.base import Item
from emollm.errors import DataError, one_line
from emollm.samples import Sample

RATIONALE = "rationale"
"""Note of an Item that holds the text which explains the label, whatever a format calls it: free text or the three headed parts."""

OWN = "emollm"
"""Field (JSON text) beside a foreign conversation that carries what the format has no place for, so that it can be read back."""

H = TypeVar("H", Sample, Item)
H_contra = TypeVar("H_contra", Sample, Item, contravariant=True)
M = TypeVar("M", bound=BaseModel)


class Fault(NamedTuple):
    """A record that could not be read or written."""

    where: str
    """``file:line``."""
    id: str | None
    reason: str


class Found(NamedTuple, Generic[H]):
    """A record that was read."""

    where: str
    """``file:line``."""
    record: H


@dataclass(frozen=True)
class Options:
    """What a user says of foreign data, because the files do not."""

    root: Path | None = None
    """Folder that relative media paths start from; media are then looked for. None: paths stay as they are, unseen."""
    licence: str = "unknown"
    """Of records that state none."""
    dataset: str | None = None
    """Name of the data set."""
    table_scale: float | None = None
    """Largest intensity of a table (LibreFace: 1 or 5)."""
    table_fps: float | None = None
    """Frames a second of the video that a table was made of, where it has no times."""


class Head(NamedTuple):
    """What a file's beginning shows, to tell its format."""

    path: Path
    record: Any = None
    """The first JSON value: of a list its first element, of an object the whole if it is short, else its first member."""
    member: str | None = None
    """Key of that first member, where the file is one object of records."""
    columns: tuple[str, ...] = ()
    """Header cells of a csv file, stripped."""
    line: str = ""
    """First line of a text file."""

    def has(self, *names: str) -> bool:
        """Whether the first record is an object with all these fields."""
        return isinstance(self.record, dict) and all(name in self.record for name in names)


class Reader(Protocol[H]):
    """Reads files one record at a time."""

    def __call__(self, paths: Sequence[Path], options: Options) -> Iterator[Found[H] | Fault]:
        """The records of some files, in order; a bad one as a Fault with its place.

        Raises:
            DataError: A file cannot be read at all, or is not of this format.
        """
        ...


class Sink(Protocol[H_contra]):
    """An output that is being written."""

    lost: Counter[str]
    """What the format could not hold, with the number of records."""

    def add(self, record: H_contra) -> None:
        """Writes one record.

        Raises:
            DataError: The format cannot hold it.
        """
        ...


class Writer(Protocol[H_contra]):
    """Opens an output; it appears whole when the block ends well, and not at all otherwise."""

    def __call__(self, out: Path, options: Options) -> AbstractContextManager[Sink[H_contra]]: ...


@dataclass(frozen=True)
class Format(Generic[H]):
    """One layout of data."""

    name: str
    about: str
    """Whose layout it is, in a few words."""
    holds: Literal["samples", "items"]
    recognises: Callable[[Head], bool]
    """Whether a file that begins so is of this format."""
    read: Reader[H] | None = None
    write: Writer[H] | None = None
    loses: tuple[str, ...] = ()
    """What does not survive writing and reading back, or is carried but not used by who reads the format."""


def checked(record: type[M], **values: Any) -> M:
    """The record of these values.

    Raises:
        DataError: They do not make one.
    """
    try:
        return record(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{place + ': ' if place else ''}{said}") from error


def fault(where: str, error: Exception | str, id: str | None = None) -> Fault:
    """A Fault whose reason is one line."""
    return Fault(where, id, one_line(str(error), 300))


def text_of(record: dict[str, Any], name: str, default: str | None = None) -> str:
    """A field that must be text.

    Raises:
        DataError: It is missing (and there is no default) or something else.
    """
    value = record.get(name, default)
    if not isinstance(value, str):
        raise DataError(
            f"{name}: expected text, {'it is missing' if value is None else f'got {one_line(repr(value), 60)}'}"
        )
    return value
