"""Samples that are there twice, wholly or nearly.

Two Samples can be duplicates only if they have the same task, the same label, and the same media (or none). Equal ones, numbers included,
are found over the whole build by an 8-byte hash each (:class:`~emollm.data_engines.filters.seen.Seen`). Nearly equal ones, whose sets of word 3-grams have a Jaccard index of at least
``near``, are found among the last 32,768 Samples that were kept: by MinHash signatures (Broder 1997) of 128 values, looked up by
bands (locality-sensitive hashing); the index is estimated from the signatures, with a standard error of at most 0.045. The first
of two stays. State: 8 bytes a Sample and 24 MB.
"""

import re
from hashlib import blake2b
from zlib import crc32

import numpy as np

from emollm.data_engines.filters.seen import Seen
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
_MOST_TOKENS, _LONGEST = 1 << 16, 32
"""How many pieces between spaces have their words remembered, and of how many characters at most."""


class Duplicates:
    """Rejects Samples that are equal, or nearly equal, to an earlier one of the same task, label and media."""

    name = "duplicates"
    looks = False

    def __init__(self, near: float) -> None:
        self._near = near
        self._seen = Seen()
        self._words = _Words()
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
        """Nothing: one pass is enough."""

    def check(self, sample: Sample) -> str | None:
        """``duplicate: …`` or ``near-duplicate: …``."""
        group, text = _group(sample), _text(sample)
        if not self._seen.add(_hash(f"{group}\0{text}")):
            return "duplicate: equal to an earlier Sample in task, label, media and text"
        return self._near_one(sample.id, np.uint64(_hash(group)), text) if self._near < 1 else None

    def _near_one(self, id: str, group: np.uint64, text: str) -> str | None:
        """Why it is too near to an earlier one; if it is not, it is remembered."""
        signature = self._signature(text)
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
        self._signatures[place], self._groups[place], self._ids[place] = signature, group, id
        self._tables[bands, slots] = place
        return None

    def _signature(self, text: str) -> np.ndarray:
        """MinHash values of the word 3-grams of the user's and the assistant's turns, (128,) uint32."""
        codes = np.frombuffer(b"".join(map(self._words.__getitem__, text.split())), dtype=np.uint64)
        if len(codes) < 3:
            codes = np.append(codes, np.zeros(3, dtype=np.uint64))
        grams = (codes[:-2] * _ODD + codes[1:-1]) * _ODD + codes[2:]
        grams ^= grams >> np.uint64(29)
        hashed = grams[:, None] * self._factors
        hashed += self._shifts
        least: np.ndarray = (hashed.min(0) >> np.uint64(32)).astype(np.uint32)
        return least


class _Words(dict[str, bytes]):
    """The words of a piece of text without spaces, each as 8 bytes; remembered, because few pieces make up most of a build."""

    def __missing__(self, token: str) -> bytes:
        words = _WORD.findall(token.lower())
        found = np.array([crc32(word.encode()) for word in words], dtype=np.uint64).tobytes()
        if len(self) >= _MOST_TOKENS:
            self.clear()
        if len(token) <= _LONGEST:
            self[token] = found
        return found


_ODD = np.uint64(0x9E3779B97F4A7C15)


def _shares_a_band(near: float, rows: int) -> float:
    """Probability that two signatures of that Jaccard index agree in at least one band of so many values."""
    return 1.0 - (1.0 - near**rows) ** (VALUES // rows)


def _text(sample: Sample) -> str:
    return "\n".join(part.text for message in sample.messages for part in message.content if part.type == "text")


def _group(sample: Sample) -> str:
    media = [item.model_dump_json() for item in sample.media]
    return "\0".join((sample.task, sample.label or "", *media))


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def build(settings: FilterSettings) -> Duplicates | None:
    """The filter for ``duplicates`` and ``near``."""
    return Duplicates(settings.near) if settings.duplicates else None
