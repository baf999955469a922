"""Weights of the labels for many rows of action units at once.

The same numbers as :func:`emollm.reasoner.weighing.weigh` and the same decisions as the reasoner, for faces without sides, speech, pose
and expression networks: what a row of a table is. tests/data_engines/test_writing_rows.py holds both against each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from emollm.data_engines.unit_table import UnitTable
from emollm.emotions import LabelSet
from emollm.facs import ABSENT, LIKELY, PRESENT, Prior, Prototype, priors
from emollm.reasoner.assumptions import contradictions
from emollm.reasoner.weighing import MOUTH_OPENING, ReasonerSettings, expressive
from emollm.types import Scale


class Known(NamedTuple):
    """A label of the set whose prior is known."""

    label: str
    emotion: str
    prior: Prior
    prototype: Prototype


@dataclass(frozen=True)
class RowWeights:
    """Weights of N rows over L labels, and what they lead to."""

    labels: tuple[str, ...]
    neutral: str | None
    """The neutral label of the set."""
    scores: np.ndarray
    """(N, L), sum 1 a row."""
    support: np.ndarray
    """(N, L): evidence for one label, not shared out among the others."""
    intensity: np.ndarray
    """(N, L): mean value of the units that speak for it; NaN without intensities."""
    first: np.ndarray
    """(N,) number of the best label."""
    second: np.ndarray
    """(N,) number of the next."""
    outcome: tuple[str, ...]
    """Of each row, as in :class:`emollm.reasoner.weight_text.Decision`; ``no_face`` where nothing was measured."""
    movement: np.ndarray
    """(N,) largest intensity of an expressive unit."""
    stillness: np.ndarray
    """(N,) support of neutral."""


class RowWeigher:
    """Weighs blocks of rows for one label set.

    Args:
        labels: The set.
        settings: Constants and prior tables.
        known: Labels with a prior, from :func:`known_labels`.
    """

    def __init__(self, labels: LabelSet, settings: ReasonerSettings, known: Sequence[Known]) -> None:
        self.labels = labels
        self.settings = settings
        self.known = {one.label: one for one in known}
        self.neutral = next((label for label in labels.labels if labels.canonical(label) == "neutral"), None)

    def weigh(self, table: UnitTable) -> RowWeights:
        """Weights of all rows of a block."""
        block = _Block(table)
        count, names = len(table), self.labels.labels
        support = np.zeros((count, len(names)))
        intensity = np.full((count, len(names)), np.nan)
        weights = np.zeros((count, len(names)))
        still, movement = block.stillness()
        weighed = {*self.known, *([self.neutral] if self.neutral is not None else [])}
        for index, label in enumerate(names):
            if label == self.neutral:
                support[:, index] = still
            elif label in self.known:
                support[:, index], intensity[:, index] = self._match(self.known[label], block)
            if label in weighed:
                weights[:, index] = support[:, index] ** self.settings.sharpness
        total = _summed(weights)
        empty = total <= 0
        even = np.array(
            [1 / len(weighed) if label in weighed else 0.0 for label in names] if weighed else 1 / len(names)
        )
        scores = np.where(empty[:, None], even, weights / np.where(empty, 1.0, total)[:, None])
        scores = scores / _summed(scores)[:, None]
        order = np.argsort(-scores, axis=1, kind="stable")
        first, second = order[:, 0], order[:, 1]
        rows = np.arange(count)
        outcome = self._outcomes(
            scores[rows, first], scores[rows, second], support[rows, first], empty, first, intensity[rows, first]
        )
        seen: list[bool] = np.asarray(block.measured.any(axis=1)).tolist()
        outcome = tuple(one if some else "no_face" for one, some in zip(outcome, seen, strict=True))
        return RowWeights(names, self.neutral, scores, support, intensity, first, second, outcome, movement, still)

    def _match(self, known: Known, block: "_Block") -> tuple[np.ndarray, np.ndarray]:
        """(N,) support of one label, and (N,) its intensity; sums in the order of the reasoner's own."""
        prototype, unknown = known.prototype, self.settings.unknown
        weights = {**dict.fromkeys(prototype.variants, 0.5), **dict.fromkeys(prototype.core, 1.0)}
        here = {unit: block.presence(unit) for unit in prototype.units}
        others = np.zeros(len(block.table))
        for unit in prototype.core:
            if unit not in MOUTH_OPENING:
                others = np.maximum(others, here[unit])
        here = {unit: value * others if unit in MOUTH_OPENING else value for unit, value in here.items()}
        total, norm = np.zeros(len(others)), np.zeros(len(others))
        mass, strong = np.zeros(len(others)), np.zeros(len(others))
        for unit, weight in weights.items():
            total = total + weight * here[unit]
            sure = np.where(block.has(unit) & (unit not in block.table.unreliable), 1.0, here[unit])
            norm = norm + weight * (unknown + (1 - unknown) * np.maximum(sure, here[unit]))
            if block.is_intensity(unit):
                counts = here[unit] > 0
                mass = mass + np.where(counts, weight, 0.0)
                strong = strong + np.where(counts, weight * block.value(unit), 0.0)
        anything = np.zeros(len(others), dtype=bool)
        for unit in prototype.core:
            anything = anything | block.has(unit)
        support = np.where(anything, total / norm, 0.0)
        if prototype.one_sided:
            support = np.zeros(len(others))  # a table of units has no sides
        pull = np.zeros(len(others))
        for unit in contradictions().get(known.emotion, ()):
            pull = pull + block.presence(unit)
        support = np.clip(support - self.settings.contradiction * pull, 0.0, 1.0)
        return support, np.where(mass > 0, strong / np.where(mass > 0, mass, 1.0), np.nan)

    def _outcomes(
        self,
        score: np.ndarray,
        second: np.ndarray,
        support: np.ndarray,
        empty: np.ndarray,
        first: np.ndarray,
        intensity: np.ndarray,
    ) -> tuple[str, ...]:
        """What the reasoner decides, row by row."""
        settings = self.settings
        neutral = np.array([label == self.neutral for label in self.labels.labels])[first]
        found = np.select(
            [
                empty,
                support < settings.min_support,
                score - second < settings.min_margin,
                score < settings.min_score,
                neutral,
                np.isnan(intensity),
            ],
            [
                "unclear_empty",
                "unclear_thin",
                "unclear_close",
                "unclear_weak",
                "answered_neutral",
                "answered_unmeasured",
            ],
            "answered",
        )
        return tuple(found.tolist())


def known_labels(labels: LabelSet, settings: ReasonerSettings) -> Iterator[Known]:
    """The labels with a prior: the first table that knows a label by its word, a form of it, or its canonical word."""
    for label in labels.labels:
        entry = labels.entry(label)
        same = [other for other in labels.entries if other.canonical == entry.canonical and not other.lossy]
        words = [label, *entry.synonyms]
        if entry.canonical is not None and not (entry.lossy and same):
            words.append(entry.canonical)
        found = (
            Known(label, word, priors(source), priors(source).emotions[word])
            for word in words
            for source in settings.priors
            if word in priors(source).emotions
        )
        if (one := next(found, None)) is not None:
            yield one


def _summed(values: np.ndarray) -> np.ndarray:
    """(N,) sums over the columns in their order, as Python sums them."""
    total = np.zeros(len(values))
    for column in range(values.shape[1]):
        total = total + values[:, column]
    return total


class _Block:
    """Presence, values and scales of the units of a block; units without a column are unmeasured."""

    def __init__(self, table: UnitTable) -> None:
        self.table = table
        self.values = table.values.astype(np.float64)
        self.measured = ~np.isnan(self.values)
        self._column = {name: index for index, name in enumerate(table.names)}
        self._none = np.zeros(len(table), dtype=bool)

    def is_intensity(self, unit: str) -> bool:
        return unit in self._column and self.table.scales[self._column[unit]] is Scale.INTENSITY

    def has(self, unit: str) -> np.ndarray:
        """(N,) whether the unit was measured."""
        return self.measured[:, self._column[unit]] if unit in self._column else self._none

    def value(self, unit: str) -> np.ndarray:
        """(N,) values, 0 where there is none."""
        return self._filled[:, self._column[unit]] if unit in self._column else np.zeros(len(self.table))

    @cached_property
    def _filled(self) -> np.ndarray:
        return np.nan_to_num(self.values, nan=0.0)

    def presence(self, unit: str) -> np.ndarray:
        """(N,) how far a movement is there, 0 to 1."""
        low, high = (ABSENT, 0.5) if self.is_intensity(unit) else (0.25, 0.75)
        return np.where(self.has(unit), np.clip((self.value(unit) - low) / (high - low), 0.0, 1.0), 0.0)

    def stillness(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) support of neutral, and (N,) the largest intensity of an expressive unit."""
        face, mouth = np.zeros(len(self.table)), np.zeros(len(self.table))
        movement, any_known = np.zeros(len(self.table)), self._none
        for name in self.table.names:
            if not expressive(name):
                continue
            low, high = (ABSENT, PRESENT) if self.is_intensity(name) else (0.25, LIKELY)
            moved = np.where(self.has(name), np.clip((self.value(name) - low) / (high - low), 0.0, 1.0), 0.0)
            if name in MOUTH_OPENING:
                mouth = np.maximum(mouth, moved)
            else:
                face = np.maximum(face, moved)
            if self.is_intensity(name):
                movement = np.maximum(movement, self.value(name))
            any_known = any_known | self.has(name)
        told = {unit for one in priors().emotions.values() for unit in one.units} - MOUTH_OPENING
        known = sum((self.has(unit).astype(np.float64) for unit in sorted(told)), np.zeros(len(self.table)))
        still = (1 - face) * (1 - mouth / 2) * np.minimum(1.0, known / len(told) / 0.5)
        return np.where(any_known, still, 0.0), movement
