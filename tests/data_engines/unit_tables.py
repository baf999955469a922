"""Unit tables for tests: random faces, and what is read of the Samples that are written about them."""

import re

import numpy as np

from emollm.data_engines.unit_table import UnitTable
from emollm.evidence.lexicon import sentences
from emollm.types import Scale, Source

NAMES = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU11", "AU12", "AU14", "AU15", "AU17", "AU20",
    "AU23", "AU24", "AU25", "AU26", "AU45",
)  # fmt: skip
SOURCE = Source(backend="openface", version="2", licence="test")


def random_table(
    rows: int,
    seed: int,
    scale: Scale | None = None,
    unreliable: frozenset[str] = frozenset(),
    label_set: str | None = None,
) -> UnitTable:
    """Random faces: the first three still, the fourth not measured, a tenth of all numbers missing."""
    random = np.random.default_rng(seed)
    values = random.random((rows, len(NAMES))) ** 3
    values[random.random(values.shape) < 0.1] = np.nan
    values[:3], values[3] = 0.0, np.nan
    scales = tuple(scale or Scale(random.choice([Scale.INTENSITY, Scale.PROBABILITY])) for _ in NAMES)
    ids = tuple(f"{seed}.{index}" for index in range(rows))
    golds = tuple(("anger", "happiness")[index % 2] for index in range(rows)) if label_set is not None else None
    return UnitTable(
        NAMES, scales, values.astype(np.float32), ids, SOURCE, golds=golds, label_set=label_set, unreliable=unreliable
    )


def masked_sentences(text: str) -> set[str]:
    """The sentences of five or more words of a rationale, numbers masked, without the headings."""
    found = (re.sub(r"\d+(\.\d+)?", "#", text[start:end].strip()) for start, end in sentences(text))
    return {one for one in found if len(one.split()) >= 5 and not one.startswith("**")}


def distinct(texts: list[str], masked: bool, size: int = 3) -> float:
    """Share of different word n-grams among all, headings left out."""
    seen, count = set(), 0
    for text in texts:
        plain = re.sub(r"^\*\*.*\*\*$", "", text, flags=re.M).lower()
        words = re.findall(r"[\w.#]*[\w#]", re.sub(r"\d+(\.\d+)?", "#", plain) if masked else plain)
        grams = [tuple(words[index : index + size]) for index in range(len(words) - size + 1)]
        seen.update(grams)
        count += len(grams)
    return len(seen) / count
