"""What is noticed while a data set is read: what it lacks, and what its protocol leaves out."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from emollm.errors import one_line


class Findings:
    """Remarks, each counted, with the place where it was first made."""

    def __init__(self) -> None:
        self._lacks: dict[str, list[str]] = {}
        self._asides: Counter[str] = Counter()

    def lack(self, what: str, where: str = "") -> None:
        """Something that the data set should have, or should not have.

        Args:
            what: The same text for the same fault.
            where: An id, a file or a line.
        """
        places = self._lacks.setdefault(what, [])
        places.append(where if not places else "")

    def aside(self, what: str) -> None:
        """Something that is as it should be and that a reader of scores should know, such as a discarded image."""
        self._asides[what] += 1

    @property
    def lacks(self) -> list[str]:
        """One line each, in the order of their first occurrence."""
        return [_line(what, len(places), places[0]) for what, places in self._lacks.items()]

    @property
    def asides(self) -> list[str]:
        """One line each."""
        return [f"{count} {what}" for what, count in self._asides.items()]


def _line(what: str, count: int, where: str) -> str:
    times = f" ({count} times)" if count > 1 else ""
    place = f"; first: {where}" if where and count > 1 else f": {where}" if where else ""
    return one_line(f"{what}{times}{place}", 300)


class Survey(NamedTuple):
    """What a data set holds, found in one pass without opening media."""

    lacks: tuple[str, ...]
    """See :meth:`emollm.eval.items.Reader.lacks`."""
    asides: tuple[str, ...]
    """What is left out by protocol, and what else to know."""
    counts: Mapping[str, Mapping[str, int]]
    """Items by split and label; ``""`` counts those without one. An item of several labels counts for each."""
    items: Mapping[str, int]
    """Items by split."""
    references: Mapping[str, int]
    """Those of them that an answer can be compared with."""
    clusters: Mapping[str, int]
    """Speakers, dialogues … by split; absent where each item is its own."""
