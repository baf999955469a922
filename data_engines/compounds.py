"""Which compound emotion the cues speak for: two emotions shown at once, by units (Du, Tao & Martinez 2014) and an expression network.

Units give each compound the support of its prototype; the network gives it the mean of the probabilities of its two emotions, as
HSEmotion does (Savchenko 2024), where both have at least :data:`LEAST_SECOND`. Where both are known their mean counts.
"""

from typing import NamedTuple

from emollm.data_engines.clues import Clues
from emollm.emotions import LabelSet
from emollm.reasoner.weighing import Weighing

LEAST_SECOND = 0.1
"""Probability below which an emotion is no part of a blend."""
LEAST = 0.35
"""Score from which a compound is named."""
CLOSE = 0.05
"""Scores nearer than this are not told apart."""


class Scored(NamedTuple):
    """A compound label and what speaks for it."""

    label: str
    score: float
    support: float | None
    """By units."""
    pair: float | None
    """Mean probability of its two emotions; None where one is not there."""


class Blend(NamedTuple):
    """What the cues say."""

    ranked: tuple[Scored, ...]
    """Best first."""
    best: tuple[str, ...]
    """The label; several where they cannot be told apart; none where no compound stands out."""
    single: str | None = None
    """The one emotion that is shown instead of two."""


def blend(clues: Clues, weighing: Weighing, labels: LabelSet, single: str | None, tone: str | None) -> Blend:
    """Ranks the compound labels of a set.

    Args:
        clues: What was measured.
        weighing: How the units weigh for the labels.
        labels: The set; labels without two components are left out.
        single: The emotion that a reading for single emotions is clear about.
        tone: Whether the words are ``positive`` or ``negative``: it decides between compounds with and without happiness.
    """
    net = {word: cue.value or 0.0 for word, cue in clues.expressions}
    found = []
    for entry in labels.entries:
        if len(entry.components) != 2:
            continue
        match = weighing.matches.get(entry.label)
        support = match.support if match is not None and clues.evidence.units else None
        shares = [net.get(one) for one in entry.components]
        known = [share for share in shares if share is not None]
        pair = sum(known) / 2 if len(known) == 2 and min(known) >= LEAST_SECOND else None
        parts = [part for part in (support, (pair or 0.0) if net else None) if part is not None]
        if parts:
            found.append(Scored(entry.label, sum(parts) / len(parts), support, pair))
    found.sort(key=lambda one: -one.score)
    return _decided(tuple(found), labels, single, tone)


def _decided(ranked: tuple[Scored, ...], labels: LabelSet, single: str | None, tone: str | None) -> Blend:
    if not ranked or ranked[0].score < LEAST:
        return Blend(ranked, (), single)
    if single is not None and ranked[0].pair is None:
        return Blend(ranked, (), single)
    close = [one.label for one in ranked if ranked[0].score - one.score < CLOSE]
    if len(close) > 1 and tone in ("positive", "negative"):
        happy = [label for label in close if "happiness" in labels.entry(label).components]
        kept = happy if tone == "positive" else [label for label in close if label not in happy]
        close = kept or close
    return Blend(ranked, tuple(close))
