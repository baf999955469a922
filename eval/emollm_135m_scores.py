"""Rows of the proof table: numbers with 95 % intervals and floors, and the statistics they are made of."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.eval.scoring_several import Sets, statistics
from emollm.metrics.bootstrap import Estimate, Statistic, Values, Weights, bootstrap, difference, mean
from emollm.metrics.classification import STRAY, UNANSWERED, Codes, codes, measures
from emollm.metrics.report import ratio

Flags = NDArray[np.bool_]


class Row(NamedTuple):
    """A number of the table."""

    measure: str
    shown: str
    """What is given to whoever answers."""
    who: str
    metric: str
    value: float
    """NaN if it is not defined."""
    low: float
    high: float
    """The 95 % interval; both NaN for a number that has none."""
    n: int
    """Items that were asked about."""
    floor: float | None = None
    """What one gets without looking."""
    note: str = ""


def row(
    estimate: Estimate,
    n: int,
    measure: str,
    shown: str,
    who: str,
    metric: str,
    floor: float | None = None,
    note: str = "",
) -> Row:
    """A row of an estimate."""
    return Row(measure, shown, who, metric, estimate.value, estimate.low, estimate.high, n, floor, note)


class Said(NamedTuple):
    """Answers to items as positions in a list of labels."""

    gold: Codes
    """(n,)."""
    answer: Codes
    """(n,)."""
    words: tuple[str, ...]

    @classmethod
    def of(cls, gold: Sequence[str], answers: Sequence[str | None], words: Sequence[str]) -> "Said":
        """Of labels; an answer outside of the list is wrong, None is unanswered (and wrong)."""
        known = set(words)
        kept = codes([one if one in known else None for one in answers], words)
        stray = np.array([one is not None and one not in known for one in answers], bool)
        return cls(codes(list(gold), words), np.where(stray, STRAY, kept), tuple(words))

    def statistic(self, metric: str) -> Statistic:
        """``war``, ``uar`` or ``macro_f1``; unanswered items count as wrong."""
        return measures(self.gold, self.answer, len(self.words))[metric].statistic

    def rows(self, measure: str, shown: str, who: str, metrics: Sequence[str], note: str = "") -> list[Row]:
        """A row for each metric; the floor is the best of answers that look at nothing. Missing answers are told of in the note."""
        found = {name: measures(self.gold, self.answer, len(self.words))[name] for name in metrics}
        estimates = bootstrap({name: one.statistic for name, one in found.items()}, len(self.gold))
        if missed := int((self.answer == UNANSWERED).sum()):
            note = "; ".join(part for part in (note, f"{missed} without a label") if part)
        n = len(self.gold)
        return [
            row(estimates[name], n, measure, shown, who, NAMES[name], one.floor, note) for name, one in found.items()
        ]

    def over(self, other: "Said", measure: str, shown: str, who: str, metric: str) -> Row:
        """How much better these answers are than others to the same items, with the paired interval."""
        statistic = difference(self.statistic(metric), other.statistic(metric))
        found = bootstrap({metric: statistic}, len(self.gold))[metric]
        return row(found, len(self.gold), measure, shown, who, f"{NAMES[metric]}, difference")


NAMES = {"war": "accuracy", "uar": "mean recall", "macro_f1": "macro-F1"}
"""Metrics as the table calls them."""


def share(hits: Sequence[bool], measure: str, shown: str, who: str, metric: str, note: str = "") -> Row:
    """The share of items for which something holds."""
    found = bootstrap({"share": mean(np.array(hits, bool))}, len(hits))["share"]
    return row(found, len(hits), measure, shown, who, metric, None, note)


def of_sums(above: NDArray[np.floating[Any]], below: NDArray[np.floating[Any]]) -> Statistic:
    """The quotient of two sums over items (n,); NaN where the lower one is 0."""

    def statistic(weights: Weights) -> Values:
        return ratio(weights @ above, weights @ below, math.nan)

    return statistic


# ---- several labels an item -----------------------------------------------------------------------------------------


def several_macro_f1(gold: Flags, answer: Flags) -> Statistic:
    """Mean over C labels of F1, each item having any number of labels (n, C); see :func:`emollm.eval.scoring_several.statistics`."""
    return statistics(Sets(gold.astype(np.float64), answer.astype(np.float64), np.zeros(len(gold))))["macro_f1"]


def best_threshold(gold: Flags, scores: NDArray[np.float64]) -> float:
    """The threshold of scores (n, C) with the highest macro-F1, the middle one of equal ones; above it a label is given."""
    tried = np.round(np.arange(0.02, 0.99, 0.01), 2)
    whole = np.ones((1, len(gold)))
    found = np.array([several_macro_f1(gold, scores > one)(whole)[0] for one in tried])
    best = tried[found >= found.max() - 1e-12]
    return float(best[len(best) // 2])


def noted(rows: Sequence[Row], note: str) -> list[Row]:
    """Rows with something more in their notes; nothing if it is empty."""
    return [one._replace(note="; ".join(part for part in (one.note, note) if part)) for one in rows]


# ---- text -----------------------------------------------------------------------------------------------------------


def table(rows: Sequence[Row]) -> str:
    """Rows in Markdown."""
    lines = [
        "| measure | shown | who answers | metric | value | 95 % interval | floor | n | note |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        span = "" if math.isnan(one.low) else f"{one.low:.3f} – {one.high:.3f}"
        value = "–" if math.isnan(one.value) else f"{one.value:.3f}"
        floor = "" if one.floor is None else f"{one.floor:.3f}"
        cells = (one.measure, one.shown, one.who, one.metric, value, span, floor, str(one.n), one.note)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def from_json(found: Mapping[str, Any]) -> Row:
    """A row as :func:`as_json` gave it.

    Raises:
        TypeError: It is none.
    """
    spans = {name: math.nan if found[name] is None else found[name] for name in ("value", "low", "high")}
    return Row(**{**found, **spans})


def as_json(one: Row) -> Mapping[str, Any]:
    """A row as JSON has it, without NaN."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in one._asdict().items()
    }
