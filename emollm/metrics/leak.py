"""How well each single clue predicts the label: to find the one that gives it away.

The rule that is scored says for each value of the clue the label that is likeliest given that value if all labels were equally frequent.
It is learnt on four fifths of the clips and scored on the last fifth, five times, so that a clue with many values does not look good by
chance; its balanced accuracy (mean recall) is held against 1/labels, which is what every rule that ignores the clue reaches.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

import numpy as np

FOLDS = 5
Z = 3.3
"""Half width of the interval in standard errors: one clue in two thousand lies above it by chance. Dozens are looked at."""
_MOST_VALUES, _MOST_CLUES, _MOST_LABELS = 64, 1024, 64
"""More are counted together, or not at all: memory does not grow with the data."""
_OTHERS = "(others)"
_NOT_GIVEN = "(not given)"


class Leak(NamedTuple):
    """What one clue tells of the label."""

    clue: str
    balanced_accuracy: float
    low: float
    """Lower end of its interval; above ``floor`` the clue tells something of the label."""
    high: float
    floor: float
    """Of a rule that ignores the clue: 1/labels."""
    labels: int
    """Labels that took part: those with at least one example for each fold."""
    rules: tuple[tuple[str, str, int], ...]
    """Value, the label it speaks for, and how many have that value; most frequent values first."""

    @property
    def tells(self) -> bool:
        """Whether it predicts the label better than chance."""
        return self.low > self.floor


class LeakTable:
    """Counts of labels by the values of clues; memory is bounded whatever the number of examples."""

    def __init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._totals = np.zeros((_MOST_LABELS, FOLDS), dtype=np.int64)
        self._counts: dict[str, dict[str, np.ndarray]] = {}
        self._clips = 0
        self._last = ""

    def add(self, label: str, clip: str, clues: Iterable[tuple[str, str]]) -> None:
        """Counts one example.

        Args:
            label: What is to be predicted.
            clip: What it is about; examples of one clip stay in one fold and should come one after another.
            clues: Names and values, each name once; a clue that other examples have counts as "not given".
        """
        row = self._labels.get(label)
        if row is None:
            if len(self._labels) == _MOST_LABELS:
                return
            row = self._labels[label] = len(self._labels)
        fold = crc32(clip.encode()) % FOLDS
        self._clips += clip != self._last
        self._last = clip
        self._totals[row, fold] += 1
        for name, value in clues:
            values = self._counts.get(name)
            if values is None:
                if len(self._counts) == _MOST_CLUES:
                    continue
                values = self._counts[name] = {}
            if value not in values:
                value = value if len(values) < _MOST_VALUES else _OTHERS
                values.setdefault(value, np.zeros((_MOST_LABELS, FOLDS), dtype=np.int64))
            values[value][row, fold] += 1

    @property
    def cells(self) -> int:
        """Size of the state: numbers that are kept."""
        return sum(array.size for values in self._counts.values() for array in values.values())

    def leaks(self) -> list[Leak]:
        """What each clue tells, most first; empty with fewer than two labels that have an example in each fold."""
        rows = [row for row in self._labels.values() if (self._totals[row] > 0).all()]
        if len(rows) < 2:
            return []
        names = {row: label for label, row in self._labels.items()}
        totals = self._totals[rows]  # (K, F)
        inflation = math.sqrt(totals.sum() / max(1, min(self._clips, totals.sum())))
        found = []
        for clue, values in self._counts.items():
            known = {value: array[rows] for value, array in values.items()}
            rest = totals - sum(known.values())
            if rest.any():
                known[_NOT_GIVEN] = rest
            table = np.stack(list(known.values()))  # (V, K, F)
            found.append(_leak(clue, list(known), table, totals, [names[row] for row in rows], inflation))
        return sorted(found, key=lambda leak: (-leak.balanced_accuracy, leak.clue))


def _leak(
    clue: str, values: list[str], table: np.ndarray, totals: np.ndarray, labels: list[str], inflation: float
) -> Leak:
    """Scores one clue: table (V, K, F) of values, labels and folds; totals (K, F)."""
    right = np.zeros(len(labels))
    for fold in range(FOLDS):
        chosen = _rule(table.sum(2) - table[:, :, fold], totals.sum(1) - totals[:, fold])
        np.add.at(right, chosen, table[np.arange(len(values)), chosen, fold])
    size = totals.sum(1)
    recall, smoothed = right / size, (right + 1) / (size + 2)
    error = Z * inflation * math.sqrt(float((smoothed * (1 - smoothed) / size).sum())) / len(labels)
    score = float(recall.mean())
    chosen = _rule(table.sum(2), size)
    order = np.argsort(-table.sum((1, 2)), kind="stable")
    rules = tuple((values[i], labels[chosen[i]], int(table[i].sum())) for i in order)
    return Leak(clue, score, max(0.0, score - error), min(1.0, score + error), 1 / len(labels), len(labels), rules)


def _rule(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """For each value the label that has it most often: counts (V, K) over totals (K,); the first of equals."""
    chosen: np.ndarray = np.argmax(counts / np.maximum(totals, 1), axis=1)
    return chosen
