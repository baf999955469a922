"""Open-vocabulary answers: EW-F1 over emotion wheels and hit rate as published, and beside them what constants cannot win.

EW-F1 and hit rate follow the public scorers of MER2025/26 and MER-UniBench (MERTools; Lian et al. 2024, 2025): sets of clusters are compared wheel
by wheel; a clip whose reference has no cluster on a wheel is left out of that wheel; precision and recall are averaged over clips, F is
made of the two means, and the score is the mean F of the wheels. A list that names everything scores high by recall alone; ``jaccard`` charges
every cluster too many, ``ew_f1_all`` counts each word without a cluster as a cluster of its own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import Statistic, Values, Weights, mean_of_defined
from emollm.metrics.report import ratio
from emollm.metrics.wheels import Level, Vocabulary

Sets = NDArray[np.uint64]
"""(n,): clusters as bits."""


class Answers(NamedTuple):
    """Reference and prediction of n clips, as words in lower case."""

    gold: tuple[tuple[str, ...], ...]
    said: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, gold: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> "Answers":
        """Of labels as they were written; empty ones are dropped, the same word twice counts once.

        Raises:
            DataError: Not as many predictions as references.
        """
        if len(gold) != len(said):
            raise DataError(f"{len(gold)} references but {len(said)} predictions; align them by id")
        return cls(tuple(map(_words, gold)), tuple(map(_words, said)))


class Overlap(NamedTuple):
    """How two sets of clusters compare, clip by clip, on one wheel."""

    kept: NDArray[np.bool_]
    """(n,): whether the reference has a cluster."""
    both: NDArray[np.float64]
    """(n,): clusters in both."""
    gold: NDArray[np.float64]
    said: NDArray[np.float64]

    @property
    def precision(self) -> NDArray[np.float64]:
        """(n,): 0 where nothing is said."""
        return ratio(self.both, self.said, 0.0)

    @property
    def recall(self) -> NDArray[np.float64]:
        """(n,)."""
        return ratio(self.both, self.gold, 0.0)

    @property
    def jaccard(self) -> NDArray[np.float64]:
        """(n,): shared among all clusters of either."""
        return ratio(self.both, self.gold + self.said - self.both, 0.0)


def clusters(lists: Sequence[Sequence[str]], vocabulary: Vocabulary, wheel: str, level: Level = 1) -> Sets:
    """(n,): the clusters of each list of words on one wheel."""
    bit = {name: 1 << place for place, name in enumerate(vocabulary.wheels[wheel].names(level))}
    of: dict[str, int] = {}
    out = []
    for words in lists:
        found = 0
        for word in words:
            if word not in of:
                of[word] = bit.get(vocabulary.cluster(word, wheel, level), 0)
            found |= of[word]
        out.append(found)
    return np.array(out, np.uint64)


def compared(gold: Sets, said: Sets) -> Overlap:
    """Two sets of clusters (n,), clip by clip."""
    counts = (np.bitwise_count(each).astype(np.float64) for each in (gold & said, gold, said))
    return Overlap(gold != 0, *counts)


def overlap(answers: Answers, vocabulary: Vocabulary, wheel: str, level: Level = 1) -> Overlap:
    """Of all clips on one wheel."""
    return compared(*(clusters(lists, vocabulary, wheel, level) for lists in (answers.gold, answers.said)))


def penalised(answers: Answers, vocabulary: Vocabulary, wheel: str, level: Level = 1) -> Overlap:
    """The same with each word that has no cluster on the wheel as a cluster of its own, so that nothing is free and no clip is left out."""
    lone: dict[str, bool] = {}

    def alone(words: Sequence[str]) -> set[str]:
        for word in words:
            if word not in lone:
                lone[word] = not vocabulary.cluster(word, wheel, level)
        return {word for word in words if lone[word]}

    known = overlap(answers, vocabulary, wheel, level)
    pairs = [(alone(gold), alone(said)) for gold, said in zip(answers.gold, answers.said, strict=True)]
    extra = [np.array(each, np.float64) for each in zip(*((len(g & s), len(g), len(s)) for g, s in pairs), strict=True)]
    both, gold, said = (own + more for own, more in zip(known[1:], extra, strict=True))
    return Overlap(gold > 0, both, gold, said)


def ew_f1(overlaps: Sequence[Overlap]) -> Statistic:
    """EW-F1 of the wheels given, 0–1."""
    return mean_of_defined([_f1(one, one.precision, one.recall) for one in overlaps])


def precision(overlaps: Sequence[Overlap]) -> Statistic:
    """The mean over wheels of the mean precision of the clips kept."""
    return mean_of_defined([_over_kept(one, one.precision) for one in overlaps])


def recall(overlaps: Sequence[Overlap]) -> Statistic:
    """The mean over wheels of the mean recall of the clips kept."""
    return mean_of_defined([_over_kept(one, one.recall) for one in overlaps])


def jaccard(overlaps: Sequence[Overlap]) -> Statistic:
    """The mean over wheels of the mean Jaccard index: each cluster too many costs."""
    return mean_of_defined([_over_kept(one, one.jaccard) for one in overlaps])


def hit_rate(overlaps: Sequence[Overlap]) -> Statistic:
    """Share of clips whose clusters are all among those said, mean over wheels; of references of one label this is the published hit rate."""
    return mean_of_defined([_over_kept(one, (one.both == one.gold).astype(np.float64)) for one in overlaps])


def mscore(answers: Answers, vocabulary: Vocabulary, level: Level = 1) -> Statistic:
    """The hit rate whose hits are shared among the clusters said that the data set's own labels have (MER-UniBench's ``mscore``)."""
    found = []
    for wheel in vocabulary.wheels:
        gold, said = (clusters(lists, vocabulary, wheel, level) for lists in answers)
        one = compared(gold, said & np.bitwise_or.reduce(gold))
        found.append(_over_kept(one, one.precision))
    return mean_of_defined(found)


def covered(lists: Sequence[Sequence[str]], vocabulary: Vocabulary) -> float:
    """Share of labels that the tables know; NaN without labels."""
    known = [vocabulary.knows(word) for words in lists for word in words]
    return float(np.mean(known)) if known else float("nan")


def statistics(answers: Answers, vocabulary: Vocabulary) -> dict[str, Statistic]:
    """Every metric by name, for :func:`emollm.metrics.bootstrap.bootstrap`; ``_2`` is level 2, ``.wheel1`` one wheel."""
    out: dict[str, Statistic] = {}
    levels: Mapping[str, Level] = {"": 1, "_2": 2}
    for suffix, level in levels.items():
        each = {wheel: overlap(answers, vocabulary, wheel, level) for wheel in vocabulary.wheels}
        every = list(each.values())
        out[f"ew_f1{suffix}"] = ew_f1(every)
        out[f"ew_precision{suffix}"], out[f"ew_recall{suffix}"] = precision(every), recall(every)
        out[f"jaccard{suffix}"] = jaccard(every)
        out[f"hit_rate{suffix}"] = hit_rate(every)
        out[f"mscore{suffix}"] = mscore(answers, vocabulary, level)
        out[f"ew_f1_all{suffix}"] = ew_f1([penalised(answers, vocabulary, wheel, level) for wheel in each])
        out |= {f"ew_f1{suffix}.{wheel}": ew_f1([one]) for wheel, one in each.items()}
    return out


def _words(labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for one in labels if (word := one.strip().lower())))


def _over_kept(one: Overlap, each: NDArray[np.float64]) -> Statistic:
    """The mean of a number of each clip over the clips kept; NaN without one."""
    kept = one.kept.astype(np.float64)

    def statistic(weights: Weights) -> Values:
        return np.asarray(ratio(weights @ (each * kept), weights @ kept, float("nan")))

    return statistic


def _f1(one: Overlap, precision: NDArray[np.float64], recall: NDArray[np.float64]) -> Statistic:
    """F of the two means."""
    first, second = _over_kept(one, precision), _over_kept(one, recall)

    def statistic(weights: Weights) -> Values:
        p, r = first(weights), second(weights)
        return np.asarray(np.where(np.isnan(p), p, ratio(2 * p * r, p + r, 0.0)))

    return statistic
