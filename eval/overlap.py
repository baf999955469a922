"""Clue and label overlap of descriptions (EMER) without a judge: the same texts give the same numbers everywhere.

*Clue overlap*: both descriptions are taken apart into claims (:mod:`emollm.eval.overlap_claims`), which are paired one-to-one so that the sum of what
they share is highest (Kuhn 1955). A pair shares what is read in both, where something is: the same movement, the same turn of the voice, an emotion of
the same meaning; else the likeness of their sentences, as long as they may speak of the same kind of cue. *Label overlap*: emotion words paired in the
same way, by synonyms and wheels (:mod:`emollm.eval.overlap_labels`). Precision charges what is said too much, recall what is left out.

The published metrics of these names are ratings of a retired judge from 1 to 10 (Lian et al. 2023). ``…_score`` puts F1 on that scale, 1 + 9 F1; it is
not that number. :mod:`emollm.eval.judging` asks a judge, and :mod:`emollm.eval.judging.agreement` tells how far both agree.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emollm.eval.overlap_claims import Clause, ClauseReader, agreement, is_comparable
from emollm.eval.overlap_labels import Likeness, best_pairs
from emollm.eval.scoring_words import Finder
from emollm.metrics.bootstrap import Statistic
from emollm.metrics.continuous import quotient
from emollm.metrics.open_floors import others_of
from emollm.metrics.report import Measure, ratio
from emollm.metrics.wheels import Vocabulary

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[np.floating]]
"""Sentences -> (n, D), each of length 1."""

VERSION = 2
"""Of this way of comparing; raised whenever a number could change."""
LEAST, MOST = 0.45, 0.85
"""Cosines of all-MiniLM-L6-v2 up to which two claims share nothing, and from which they are the same; linear between (docs/evaluate.md)."""
LOWEST, HIGHEST = 1, 10
"""The scale of the published judge."""
_SHUFFLES, _MANY = 5, 1000
_BATCH = 64
_SOON = 5.0
"""Seconds after which progress is shown, where somebody looks on."""
_SIDES = ("f1", "precision", "recall")


class Descriptions(NamedTuple):
    """A reference and an answer."""

    gold: str
    said: str
    """Empty where there is no answer."""
    gold_labels: tuple[str, ...] = ()
    """Emotion words in lower case; without any those of the text count. The same for those below."""
    said_labels: tuple[str, ...] = ()


class Match(NamedTuple):
    """Two claims that were paired."""

    gold: str
    said: str
    shared: float
    """0–1."""


class Shares(NamedTuple):
    """What n pairs of descriptions have in common, in claims or words."""

    shared: NDArray[np.float64]
    """(n,)."""
    gold: NDArray[np.float64]
    """(n,) how many there are; a pair whose reference has none is left out."""
    said: NDArray[np.float64]
    elsewhere: float
    """F1 of references with the answers to other ones, mean of five shuffles (one of more than 1000 pairs); NaN of a single pair."""
    exchanged: float
    """The same of references with the references of other pairs."""

    @property
    def floor(self) -> float | None:
        """The better of both; None of a single pair."""
        known = [one for one in (self.elsewhere, self.exchanged) if not np.isnan(one)]
        return max(known, default=None)

    @property
    def each(self) -> dict[str, NDArray[np.float64]]:
        """(n,) each of ``f1``, ``precision`` and ``recall``; 0 where nothing is said."""
        below = (self.gold + self.said) / 2, self.said, self.gold
        return {side: ratio(self.shared, one, 0.0) for side, one in zip(_SIDES, below, strict=True)}

    @property
    def scores(self) -> list[float | None]:
        """F1 of each pair on the scale of the published judge; None of a pair that is left out."""
        return [on_scale(float(f1)) if gold else None for f1, gold in zip(self.each["f1"], self.gold, strict=True)]

    def statistic(self, side: str) -> Statistic:
        """The mean over the pairs that count; NaN without any."""
        kept = (self.gold > 0).astype(np.float64)
        return quotient(self.each[side] * kept, kept)


class Overlap(NamedTuple):
    """n pairs of descriptions compared."""

    clues: Shares
    labels: Shares
    matches: tuple[tuple[Match, ...], ...]
    """The claims that were paired, pair by pair; for people to look at."""

    def measures(self) -> dict[str, Measure]:
        """``clue_f1``, ``clue_precision``, ``clue_recall``, ``clue_score``, and the same of ``label``; ready to be resampled."""
        out: dict[str, Measure] = {}
        for name, shares in (("clue", self.clues), ("label", self.labels)):
            floor = shares.floor
            out |= {f"{name}_{side}": Measure(shares.statistic(side)) for side in _SIDES}
            out[f"{name}_f1"] = out[f"{name}_f1"]._replace(floor=floor)
            out[f"{name}_score"] = Measure(
                _on_scale(shares.statistic("f1")), None if floor is None else on_scale(floor)
            )
        return out

    def floors(self) -> tuple[dict[str, float], dict[str, float]]:
        """F1 and score of the own answers to other clips, and of the references of other clips, by metric; those that are defined."""
        elsewhere, exchanged = dict[str, float](), dict[str, float]()
        for name, shares in (("clue", self.clues), ("label", self.labels)):
            for told, f1 in ((elsewhere, shares.elsewhere), (exchanged, shares.exchanged)):
                if not np.isnan(f1):
                    told |= {f"{name}_f1": f1, f"{name}_score": on_scale(f1)}
        return elsewhere, exchanged


def overlap(pairs: Sequence[Descriptions], embed: Embed, vocabulary: Vocabulary, *, seed: int | None = 0) -> Overlap:
    """References and answers compared by claims and by labels.

    Texts in another script than Latin cannot be read: such an answer shares nothing, such a reference is left out.

    Args:
        pairs: Of n clips, in their order.
        embed: Sentences to unit vectors; called once, with each sentence once.
        vocabulary: Tables of the wheels (:func:`emollm.metrics.wheels.read`).
        seed: Of the shuffles that give the floors; None where nobody asks for floors.
    """
    reader, likeness = ClauseReader(Finder(vocabulary)), Likeness(vocabulary)
    gold, said = [reader.read(pair.gold) for pair in pairs], [reader.read(pair.said) for pair in pairs]
    comparer = _Comparer([*gold, *said], embed, likeness)
    matches = [tuple(comparer.matches(*pair)) for pair in zip(gold, said, strict=True)]
    orders = _orders(len(pairs), seed)
    clues = _shares(gold, said, comparer.shared, orders)
    words = [pair.gold_labels or _feelings(own) for pair, own in zip(pairs, gold, strict=True)]
    answered = [pair.said_labels or _feelings(own) for pair, own in zip(pairs, said, strict=True)]
    labels = _shares(words, answered, likeness.shared, orders)
    return Overlap(clues, labels, tuple(matches))


def on_scale(f1: float) -> float:
    """An F1 on the scale of the published judge, 1 to 10; not the judge's number."""
    return LOWEST + (HIGHEST - LOWEST) * f1


def minilm(folder: Path | None = None) -> tuple[Embed, str]:
    """all-MiniLM-L6-v2 as an embedder, and its name with version.

    Raises:
        AssetError: The asset cannot be had.
        ModelError: It cannot be read.
        MissingDependency: transformers is not installed.
    """
    import torch
    from tqdm import tqdm

    from emollm.encoders.minilm import MiniLM

    tower = MiniLM.load(folder)

    def embed(sentences: Sequence[str]) -> NDArray[np.floating]:
        order = sorted(range(len(sentences)), key=lambda k: len(sentences[k]))
        out = np.empty((len(sentences), tower.features), np.float32)
        with torch.inference_mode():
            for start in tqdm(range(0, len(order), _BATCH), "claims", leave=False, delay=_SOON, disable=None):
                batch = order[start : start + _BATCH]
                out[batch] = tower([sentences[k] for k in batch]).numpy()
        return out

    return embed, f"{tower.name}@{tower.version}"


# ---- claims ---------------------------------------------------------------------------------------------------------


class _Comparer:
    """Pairs claims; every sentence is embedded once."""

    def __init__(self, descriptions: Sequence[Sequence[Clause]], embed: Embed, likeness: Likeness) -> None:
        texts = dict.fromkeys(clause.text for clauses in descriptions for clause in clauses)
        self._row = {text: k for k, text in enumerate(texts)}
        self._vectors = embed(list(texts)) if texts else np.zeros((0, 1))  # (U, D)
        self._likeness = likeness

    def matches(self, gold: Sequence[Clause], said: Sequence[Clause]) -> list[Match]:
        """The pairs that share most, in the order of the reference."""
        if not gold or not said:
            return []
        weights = self._weights(gold, said)
        return [Match(gold[k].text, said[j].text, float(weights[k, j])) for k, j in best_pairs(weights)]

    def shared(self, gold: Sequence[Clause], said: Sequence[Clause]) -> float:
        """What they share, in claims."""
        return sum(match.shared for match in self.matches(gold, said))

    def _weights(self, gold: Sequence[Clause], said: Sequence[Clause]) -> NDArray[np.float64]:
        """(K, L) what each two claims share."""
        rows, columns = ([self._row[clause.text] for clause in own] for own in (gold, said))
        cosines = self._vectors[rows] @ self._vectors[columns].T
        weights = np.clip((cosines.astype(np.float64) - LEAST) / (MOST - LEAST), 0.0, 1.0)
        for k, one in enumerate(gold):
            for j, other in enumerate(said):
                if not is_comparable(one, other):
                    weights[k, j] = 0.0
                elif (read := agreement(one, other, self._likeness)) is not None:
                    weights[k, j] = read
        return weights


def _feelings(clauses: Sequence[Clause]) -> tuple[str, ...]:
    """The emotion words of a description, each once."""
    return tuple(dict.fromkeys(word for clause in clauses for word in clause.feelings))


# ---- shares ---------------------------------------------------------------------------------------------------------


def _shares(
    gold: Sequence[Sequence],
    said: Sequence[Sequence],
    shared: Callable[..., float],
    orders: Sequence[NDArray[np.int64]],
) -> Shares:
    """What each reference shares with its answer, and with the answers and references of others."""
    wanted, given = (np.array([len(one) for one in own], np.float64) for own in (gold, said))
    own = np.array([shared(one, other) for one, other in zip(gold, said, strict=True)], np.float64)

    def mixed(others: Sequence[Sequence], lengths: NDArray[np.float64]) -> float:
        """F1 of references with something of other pairs."""
        found = []
        for order in orders:
            both = np.array([shared(one, others[k]) for one, k in zip(gold, order, strict=True)], np.float64)
            shares = Shares(both, wanted, lengths[order], np.nan, np.nan)
            found.append(float(shares.statistic("f1")(np.ones((1, len(gold))))[0]))
        return float(np.mean(found)) if found else float("nan")

    return Shares(own, wanted, given, mixed(said, given), mixed(gold, wanted))


def _orders(n: int, seed: int | None) -> list[NDArray[np.int64]]:
    if seed is None:
        return []
    rng = np.random.default_rng(seed)
    return [others_of(n, rng) for _ in range(_SHUFFLES if n <= _MANY else 1)] if n > 1 else []


def _on_scale(statistic: Statistic) -> Statistic:
    return lambda weights: LOWEST + (HIGHEST - LOWEST) * statistic(weights)
