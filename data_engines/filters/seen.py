"""Keys that were met before, exactly, in little memory."""

import numpy as np

_RUN = 4096
"""Keys that are sorted at a time."""
_BYTES = 1 << 21
"""Of the table that tells most new keys at once."""


class Seen:
    """A set of 64-bit hashes that only grows: 8 bytes a key, as sorted runs of which each is longer than the next, and 2 MB.

    A table of 16.8 million bits, one for the lower bits of a key, is asked first: of a new key, runs are searched only where another
    one with the same lower bits was there before, of a million keys one in seventeen.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []
        self._new: set[int] = set()
        self._bits = bytearray(_BYTES)

    def add(self, key: int) -> bool:
        """Whether a key in [0, 2**64) is new; it is then remembered."""
        place, bit = (key >> 3) % _BYTES, 1 << (key & 7)
        if not self._bits[place] & bit:
            self._bits[place] |= bit
        elif key in self._new or any(_holds(run, key) for run in self._runs):
            return False
        self._new.add(key)
        if len(self._new) == _RUN:
            self._sort()
        return True

    def _sort(self) -> None:
        """Makes the new keys a run, and one of all runs that are no longer than it."""
        run = np.fromiter(self._new, dtype=np.uint64, count=len(self._new))
        self._new.clear()
        run.sort()
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")
        self._runs.append(run)


def _holds(run: np.ndarray, key: int) -> bool:
    place = int(run.searchsorted(np.uint64(key)))
    return place < len(run) and int(run[place]) == key
