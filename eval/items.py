"""What an evaluation is run on: labelled items, and what every reader of a published layout gives.

An item keeps the data set's own words. What a data set does not say is empty, never a default: an item without ``gold`` is not scored, and counted.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from emollm.types import Clip

NOTHING: Mapping[str, str] = MappingProxyType({})
NO_NUMBERS: Mapping[str, float] = MappingProxyType({})


class Item(NamedTuple):
    """One thing to be answered for."""

    id: str
    """Its name in the data set, the same in every copy of it."""
    clip: Clip
    """Its media by path; they need not be there (:meth:`Reader.lacks` says) and may have to be written first (:meth:`Reader.unpack`)."""
    gold: tuple[str, ...] = ()
    """Labels in the data set's own words; empty if it has none, or if its protocol discards it."""
    split: str = ""
    """The part that it belongs to, as the data set calls it."""
    cluster: str = ""
    """Speaker, participant, dialogue or source video, which is what is resampled; empty where each item is its own."""
    groups: Mapping[str, str] = NOTHING
    """Groups that the data set itself declares, such as the sex of a speaker."""
    text: str = ""
    """A reference description (EMER)."""
    numbers: Mapping[str, float] = NO_NUMBERS
    """Valence, arousal, sentiment … as published, those that are given."""


class Reader(Protocol):
    """Reads data sets of one layout; a settings class, whose fields say where in that layout things are."""

    def splits(self, root: Path) -> tuple[str, ...]:
        """The parts that are there.

        Raises:
            DataError: There is no such folder (or file, where one file is the data set).
        """
        ...

    def items(self, root: Path, split: str | None = None) -> Iterator[Item]:
        """The items of a part, or of all, one by one; no picture, sound or video is opened.

        Raises:
            DataError: There is no such folder or part, or its list cannot be read.
        """
        ...

    def lacks(self, root: Path) -> list[str]:
        """What the data set lacks, a line each: files, columns, media, labels outside the set. Empty if nothing.

        Raises:
            DataError: There is no such folder (or file); whatever is missing in it is told, not raised.
        """
        ...

    def unpack(self, root: Path, items: Iterable[Item], folder: Path) -> Iterator[Item]:
        """The same items, with pictures that lie in a table or are part of a larger picture written as files below ``folder``.

        Items whose media are files already come back as they are; a picture that was written before is not written again.

        Args:
            root: As for :meth:`items`.
            items: Some of what it gave.
            folder: Of the caller's; its content can be thrown away.

        Raises:
            DataError: A table that cannot be read, or an item that is not in it.
            MediaError: A picture that cannot be read.
        """
        ...
