"""What open-vocabulary scores are worth: the same words for every clip, the best such words, and the reference of another clip.

A score near one of these says nothing of the clips (PROTOCOLS 3.5 and 3.6).
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.metrics.bootstrap import value
from emollm.metrics.open_vocabulary import Answers, Sets, clusters, compared, ew_f1, statistics
from emollm.metrics.report import ratio
from emollm.metrics.wheels import Level, Vocabulary

CONSTANTS: tuple[tuple[str, ...], ...] = (
    ("angry",),
    ("angry", "worried"),
    ("angry", "sad", "happy"),
    ("angry", "sad", "worried", "happy"),
    ("neutral",),
)
"""Lists whose scores on OV-MERD and MER2023 are published."""
TOLD = ("ew_f1", "ew_precision", "ew_recall", "ew_f1_2", "ew_f1_all", "hit_rate", "mscore", "jaccard")
"""Metrics that are told of a constant."""
_MOST = 4
_SHUFFLES = 20


class Shuffled(NamedTuple):
    """EW-F1 of answering with the reference of a random other clip."""

    mean: float
    deviation: float
    times: int


def constant(answers: Answers, vocabulary: Vocabulary, words: tuple[str, ...]) -> dict[str, float]:
    """The metrics of saying these words of every clip."""
    n = len(answers.gold)
    found = statistics(Answers(answers.gold, (words,) * n), vocabulary)
    return {name: value(found[name], n) for name in TOLD}


def floors(answers: Answers, vocabulary: Vocabulary) -> dict[str, dict[str, float]]:
    """Metrics of the constants and of the best list of one to four words, by the words."""
    return {name: constant(answers, vocabulary, words) for name, words in constants(answers, vocabulary).items()}


def constants(answers: Answers, vocabulary: Vocabulary) -> dict[str, tuple[str, ...]]:
    """The published constants, and the best list of one to four words for these references, by name."""
    best = best_constants(answers, vocabulary)
    out = {", ".join(words): words for words in CONSTANTS}
    return out | {f"best {len(words)}: {', '.join(words)}": words for words in best}


def best_constants(answers: Answers, vocabulary: Vocabulary, most: int = _MOST) -> list[tuple[str, ...]]:
    """The list of one word, of two, and so on that scores best on these very references: an optimistic floor.

    Greedy: to each list the word that raises EW-F1 of level 1 most. Only words of the references are tried.
    """
    counted = Counter(word for words in answers.gold for word in words)
    words = [word for word, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]
    place = {wheel: clusters([(word,) for word in words], vocabulary, wheel) for wheel in vocabulary.wheels}
    first: dict[tuple[int, ...], int] = {}
    for k in range(len(words)):
        first.setdefault(tuple(int(own[k]) for own in place.values()), k)
    tried = [k for key, k in first.items() if any(key)]
    gold = {}
    for wheel in vocabulary.wheels:
        sets, times = np.unique(clusters(answers.gold, vocabulary, wheel), return_counts=True)
        gold[wheel] = sets[sets != 0], times[sets != 0].astype(np.float64)
    out: list[tuple[str, ...]] = []
    taken = {wheel: np.uint64(0) for wheel in vocabulary.wheels}
    for _ in range(min(most, len(tried))):
        f1 = [
            _f1_of(*gold[wheel], taken[wheel] | place[wheel][tried])
            for wheel in vocabulary.wheels
            if len(gold[wheel][0])
        ]
        k = tried.pop(int(np.mean(f1, axis=0).argmax()))
        taken = {wheel: taken[wheel] | place[wheel][k] for wheel in taken}
        out.append((*(out[-1] if out else ()), words[k]))
    return out


def shuffled(
    answers: Answers, vocabulary: Vocabulary, *, times: int = _SHUFFLES, seed: int = 0, level: Level = 1
) -> Shuffled:
    """EW-F1 of references that belong to another clip; NaN of fewer than two clips."""
    n = len(answers.gold)
    if n < 2:
        return Shuffled(float("nan"), float("nan"), 0)
    sets = [clusters(answers.gold, vocabulary, wheel, level) for wheel in vocabulary.wheels]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(times):
        other = others_of(n, rng)
        found.append(value(ew_f1([compared(own, own[other]) for own in sets]), n))
    return Shuffled(float(np.mean(found)), float(np.std(found)), times)


def others_of(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,): for each of n clips another one, each taken once."""
    order = rng.permutation(n)
    out = np.empty(n, np.int64)
    out[order] = np.roll(order, 1)
    return out


def _f1_of(sets: Sets, times: NDArray[np.float64], said: Sets) -> NDArray[np.float64]:
    """(K,) F1 of saying each of K sets of every clip.

    Args:
        sets: (U,) sets of the references, none empty.
        times: (U,) how often each occurs.
        said: (K,).
    """
    both = np.bitwise_count(sets & said[:, None]).astype(np.float64)
    precision = ratio(both, np.bitwise_count(said)[:, None].astype(np.float64), 0.0) @ times / times.sum()
    recall = (both / np.bitwise_count(sets)) @ times / times.sum()
    return ratio(2 * precision * recall, precision + recall, 0.0)
