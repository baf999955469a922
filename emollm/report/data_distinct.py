"""Counts of what is different, in little memory."""

from array import array
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

_BUFFER = 1 << 16
_MOST = 500
OTHERS = "(others)"


class Distinct:
    """How many different names were added: 8 bytes for each of them."""

    def __init__(self) -> None:
        self._known = np.zeros(0, dtype=np.uint64)
        self._new = array("Q")

    def add(self, *name: str) -> None:
        """Adds a name, of one part or several."""
        text = "\0".join(name)
        self._new.append(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big"))
        if len(self._new) >= max(_BUFFER, self._known.size):
            self._settle()

    def __len__(self) -> int:
        self._settle()
        return int(self._known.size)

    def shared(self, other: "Distinct") -> int:
        """How many names stand in both."""
        self._settle()
        other._settle()
        return int(np.intersect1d(self._known, other._known, assume_unique=True).size)

    def _settle(self) -> None:
        if self._new:
            self._known = np.union1d(self._known, np.array(self._new, dtype=np.uint64))
            self._new = array("Q")


class Tally:
    """Numbers by name; beyond 500 names all others are counted together."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, name: str, number: int = 1) -> str:
        """Counts a name; gives the name it is counted under."""
        if name not in self._counts and len(self._counts) >= _MOST:
            name = OTHERS
        self._counts[name] = self._counts.get(name, 0) + number
        return name

    def __getitem__(self, name: str) -> int:
        return self._counts.get(name, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ordered())

    def ordered(self) -> dict[str, int]:
        """All names, most frequent first."""
        return dict(sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0])))
