"""How much of a build one label may have."""

from array import array
from hashlib import blake2b

import numpy as np

from emollm.data_engines.recipe import FilterSettings
from emollm.errors import DataError
from emollm.samples import Sample


class Balance:
    """Rejects surplus Samples of frequent labels until none has more than its share of all labelled ones.

    The label is the one the assistant gives, else the first that people gave; Samples without either are kept and not counted. Which
    Samples go is decided by a hash of their ids: the same in every run, whatever their order. State: 8 bytes a Sample.
    """

    name = "balance"
    looks = True

    def __init__(self, share: float) -> None:
        self._share = share
        self._hashes: dict[str, array[int]] = {}
        self._last: dict[str, int] | None = None

    def look(self, sample: Sample) -> None:
        """Counts a Sample."""
        label = _label(sample)
        if label is not None:
            self._hashes.setdefault(label, array("Q")).append(_hash(sample.id))

    def check(self, sample: Sample) -> str | None:
        """``label share: …`` for what is too much.

        Raises:
            DataError: The share cannot be reached with so few labels.
        """
        if self._last is None:
            self._last = self._bounds()
        label = _label(sample)
        if label is None or label not in self._last or _hash(sample.id) <= self._last[label]:
            return None
        return f"label share: {label} has more than {self._share:.0%}"

    @property
    def state(self) -> int:
        """Bytes that are kept."""
        return sum(len(values) * values.itemsize for values in self._hashes.values())

    def _bounds(self) -> dict[str, int]:
        """For each label that is cut the largest hash that stays."""
        counts = {label: len(values) for label, values in self._hashes.items()}
        most = self._most(counts)
        bounds = {}
        for label, values in self._hashes.items():
            if len(values) > most:
                bounds[label] = int(np.partition(np.frombuffer(values, dtype=np.uint64), most - 1)[most - 1])
        self._hashes = {}
        return bounds

    def _most(self, counts: dict[str, int]) -> int:
        """The largest number of one label that is at most its share of what is then left; all if nothing need be cut."""
        low, high = 0, max(counts.values(), default=0)
        while low < high:
            middle = (low + high + 1) // 2
            if middle <= self._share * sum(min(count, middle) for count in counts.values()) + 1e-9:
                low = middle
            else:
                high = middle - 1
        if not low and counts:
            raise DataError(
                f"filters.max_label_share: {self._share:.2f} cannot be reached with {len(counts)} labels "
                f"({', '.join(f'{label} {count}' for label, count in sorted(counts.items()))}); give a larger share"
            )
        return low


def _label(sample: Sample) -> str | None:
    return sample.label if sample.label is not None else next(iter(sample.gold), None)


def _hash(id: str) -> int:
    return int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "big")


def build(settings: FilterSettings) -> Balance | None:
    """The filter for ``max_label_share``; None without."""
    return None if settings.max_label_share is None else Balance(settings.max_label_share)
