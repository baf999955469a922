"""Samples that are there twice, wholly or nearly.

Two Samples can be duplicates only if they have the same task, the same label, and the same media (or none). Equal ones, numbers included,
are found over the whole build by an 8-byte hash each. Nearly equal ones, whose sets of word 3-grams have a Jaccard index of at least
``near``, are found among the last 32,768 Samples that were kept: by MinHash signatures (Broder 1997) of 128 values, looked up by
bands (locality-sensitive hashing); the index is estimated from the signatures, with a standard error of at most 0.045. The first
of two stays. State: 8 bytes a Sample and 21 MB.
"""

import re
from array import array
from hashlib import blake2b
from zlib import crc32

import numpy as np

from emollm.data_engines.recipe import FilterSettings
from emollm.samples import Sample

WINDOW = 1 << 15
"""Kept Samples among which nearly equal ones are looked for."""
VALUES = 128
"""Of a signature."""
_SLOTS = 1 << 16
"""Of the table of one band."""
_FOUND = 0.99
"""How surely two Samples that are just near enough share a band."""
_WORD = re.compile(r"[+-]?\d+(?:\.\d+)?|\w+(?:['’]\w+)?")


class Duplicates:
    """Rejects Samples that are equal, or nearly equal, to an earlier one of the same task, label and media."""

    name = "duplicates"

    def __init__(self, near: float) -> None:
        self._near = near
        self._hashes = array("Q")
        self._twice: set[int] | None = None
        self._kept: set[int] = set()
        rows = next(rows for rows in (16, 8, 4, 2, 1) if rows == 1 or _shares_a_band(near, rows) >= _FOUND)
        self._bands = VALUES // rows
        random = np.random.default_rng(0)
        self._factors = random.integers(1, 1 << 63, VALUES, dtype=np.uint64) | np.uint64(1)
        self._shifts = random.integers(0, 1 << 63, VALUES, dtype=np.uint64)
        self._mixing = random.integers(1, 1 << 63, rows, dtype=np.uint64) | np.uint64(1)
        self._signatures = np.zeros((WINDOW, VALUES), dtype=np.uint32)
        self._groups = np.zeros(WINDOW, dtype=np.uint64)
        self._tables = np.full((self._bands, _SLOTS), -1, dtype=np.int32)
        self._ids = [""] * WINDOW
        self._next = 0

    def look(self, sample: Sample) -> None:
        """Hashes a Sample as a whole."""
        self._hashes.append(_exact(sample))

    def check(self, sample: Sample) -> str | None:
        """``duplicate: …`` or ``near-duplicate: …``."""
        if self._twice is None:
            self._twice = _repeated(self._hashes)
            self._hashes = array("Q")
        key = _exact(sample)
        if key in self._kept:
            return "duplicate: equal to an earlier Sample in task, label, media and text"
        if key in self._twice:
            self._kept.add(key)
        return self._near_one(sample) if self._near < 1 else None

    def _near_one(self, sample: Sample) -> str | None:
        """Why it is too near to an earlier one; if it is not, it is remembered."""
        group = np.uint64(_hash(_group(sample)))
        signature = self._signature(sample)
        mixed = (signature.reshape(self._bands, -1).astype(np.uint64) * self._mixing).sum(1) ^ group
        slots = (mixed * _ODD) >> np.uint64(48)
        bands = np.arange(self._bands)
        places = np.unique(self._tables[bands, slots])
        places = places[(places >= 0) & (self._groups[places] == group)]
        if places.size:
            shares = (self._signatures[places] == signature).mean(1)
            best = int(shares.argmax())
            if shares[best] >= self._near:
                return f"near-duplicate: {shares[best]:.2f} of its word 3-grams as in {self._ids[places[best]]}"
        place = self._next % WINDOW
        self._next += 1
        self._signatures[place], self._groups[place], self._ids[place] = signature, group, sample.id
        self._tables[bands, slots] = place
        return None

    def _signature(self, sample: Sample) -> np.ndarray:
        """MinHash values of the word 3-grams of the user's and the assistant's turns, (128,) uint32."""
        words = [crc32(word.encode()) for word in _WORD.findall(_text(sample).lower())]
        codes = np.array(words if len(words) >= 3 else [*words, 0, 0, 0], dtype=np.uint64)
        grams = (codes[:-2] * _ODD + codes[1:-1]) * _ODD + codes[2:]
        grams ^= grams >> np.uint64(29)
        hashed = (grams[:, None] * self._factors + self._shifts) >> np.uint64(32)
        least: np.ndarray = hashed.min(0).astype(np.uint32)
        return least


_ODD = np.uint64(0x9E3779B97F4A7C15)


def _shares_a_band(near: float, rows: int) -> float:
    """Probability that two signatures of that Jaccard index agree in at least one band of so many values."""
    return 1.0 - (1.0 - near**rows) ** (VALUES // rows)


def _repeated(hashes: "array[int]") -> set[int]:
    """The values that stand more than once; sorts in place."""
    if not hashes:
        return set()
    values = np.frombuffer(hashes, dtype=np.uint64)
    values.sort()
    return set(values[1:][values[1:] == values[:-1]].tolist())


def _text(sample: Sample) -> str:
    return "\n".join(part.text for message in sample.messages for part in message.content if part.type == "text")


def _group(sample: Sample) -> str:
    media = [item.model_dump_json() for item in sample.media]
    return "\0".join((sample.task, sample.label or "", *media))


def _exact(sample: Sample) -> int:
    return _hash(f"{_group(sample)}\0{_text(sample)}")


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def build(settings: FilterSettings) -> Duplicates | None:
    """The filter for ``duplicates`` and ``near``."""
    return Duplicates(settings.near) if settings.duplicates else None
