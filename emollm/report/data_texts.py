"""How varied texts are: distinct n-grams and the sentences that come again and again, on a fixed number of Samples drawn at random."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from heapq import heappush, heapreplace
from typing import Generic, TypeVar

from emollm.evidence.lexicon import sentences
from emollm.types import Record

COMMON = 0.02
"""Share of the texts from which a sentence is common."""
_LEAST_WORDS = 5
_NUMBER = re.compile(r"(?<!\w)[+\-−]?\d+(?:[.,]\d+)*")
_TOKEN = re.compile(r"#|\w+(?:['’]\w+)?")
_TOLD = 15

T = TypeVar("T")


class Draw(Generic[T]):
    """Draws a fixed number of things at random from a stream: those whose ids have the smallest hashes."""

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._seed = size, seed
        self._heap: list[tuple[int, str, T]] = []
        self.seen = 0

    def add(self, id: str, value: T) -> None:
        """Offers one more."""
        self.seen += 1
        digest = blake2b(f"{self._seed}\0{id}\0{self.seen}".encode(), digest_size=8).digest()
        entry = (-int.from_bytes(digest, "big"), f"{self.seen:020d}", value)
        if len(self._heap) < self._size:
            heappush(self._heap, entry)
        elif entry[0] > self._heap[0][0]:
            heapreplace(self._heap, entry)

    def drawn(self) -> list[T]:
        """What was drawn, in the order of the stream."""
        return [value for _, _, value in sorted(self._heap, key=lambda entry: entry[1])]


class Sentence(Record):
    """A sentence with its numbers masked, and in how many of the texts it stands."""

    text: str
    count: int
    share: float


class Variety(Record):
    """Distinct n-grams and common sentences of some texts."""

    texts: int
    """So many were looked at."""
    of: int
    """Of so many."""
    distinct: tuple[float, ...] = ()
    """Different among all 1-, 2- and 3-grams, as they stand; empty without texts."""
    masked: tuple[float, ...] = ()
    """The same with every number as #."""
    sentences: tuple[Sentence, ...] = ()
    """The commonest of five or more words, numbers masked."""
    common: int = 0
    """How many of them are in more than 2 % of the texts."""


def variety(texts: Sequence[str], of: int) -> Variety:
    """How varied some texts are.

    Args:
        texts: Replies; headings (lines in ``**``) are left out.
        of: How many there are in all.
    """
    if not texts:
        return Variety(texts=0, of=of)
    bodies = [_body(text) for text in texts]
    masked = [_NUMBER.sub("#", body) for body in bodies]
    counts = Counter(sentence for body in masked for sentence in set(_long(body)))
    told = [Sentence(text=text, count=n, share=n / len(texts)) for text, n in counts.most_common(_TOLD)]
    return Variety(
        texts=len(texts),
        of=of,
        distinct=_distinct(bodies),
        masked=_distinct(masked),
        sentences=tuple(told),
        common=sum(n > COMMON * len(texts) for n in counts.values()),
    )


def _body(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("**"))


def _long(text: str) -> Iterator[str]:
    for start, end in sentences(text):
        sentence = " ".join(text[start:end].split())
        if len(_TOKEN.findall(sentence)) >= _LEAST_WORDS:
            yield sentence


def _distinct(texts: Sequence[str]) -> tuple[float, ...]:
    """Distinct-1, -2 and -3 (Li et al. 2016): different n-grams over all n-grams of all texts."""
    words = [_TOKEN.findall(text.lower()) for text in texts]
    shares = []
    for n in (1, 2, 3):
        grams = [gram for each in words for gram in zip(*(each[i:] for i in range(n)), strict=False)]
        shares.append(len(set(grams)) / len(grams) if grams else 0.0)
    return tuple(shares)
