"""Sentiment polarity (MOSI, MOSEI, CH-SIMS); PROTOCOLS 3.7.

*Strict* here is ours: an answer that takes no side is wrong. The copies in circulation count neutral and unreadable answers as negative, which a model
that never answers wins on negative clips; ``…_as_published`` is that number, to compare with theirs only.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import among, mean
from emollm.metrics.classification import UNANSWERED, Codes, best_blind, counter, war, weighted_f1
from emollm.metrics.report import Measure

Side = Literal["positive", "negative", "neutral"]


def side(score: float) -> Side:
    """The side of a score: above 0 positive, below negative."""
    return "positive" if score > 0 else "negative" if score < 0 else "neutral"


def polarity(reference: Sequence[float], predicted: Sequence[Side | None]) -> dict[str, Measure]:
    """Accuracy and weighted F1 of two classes; references of 0 are left out.

    ``accuracy`` and ``weighted_f1`` (strict), both ``…_as_published``, ``neutral`` and ``unread`` (shares of answers).

    Args:
        reference: (n,) scores.
        predicted: (n,) sides; None where the answer could not be read.

    Raises:
        DataError: Not as many answers, or no reference other than 0.
    """
    if len(reference) != len(predicted):
        raise DataError(f"{len(reference)} references but {len(predicted)} answers; align them by id")
    kept = np.array([score != 0 for score in reference], bool)
    if not kept.any():
        raise DataError("nothing to score: no reference is above or below 0")
    wanted = np.array([score > 0 for score in reference], np.int64)[kept]
    said = [one for one, keep in zip(predicted, kept, strict=True) if keep]
    place = {"positive": 1, "negative": 0}
    strict = np.array([place.get(str(one), UNANSWERED) for one in said], np.int64)
    ways = {"": strict, "_as_published": np.where(strict == UNANSWERED, 0, strict)}
    out: dict[str, Measure] = {}
    for suffix, codes in ways.items():
        out |= {name + suffix: measure for name, measure in _two_classes(wanted, codes, kept).items()}
    everyone = [np.array([one == "neutral" for one in said]), np.array([one is None for one in said])]
    out |= {name: Measure(among(kept, mean(each))) for name, each in zip(("neutral", "unread"), everyone, strict=True)}
    return out


def _two_classes(wanted: Codes, codes: Codes, kept: NDArray[np.bool_]) -> dict[str, Measure]:
    count = counter(wanted, codes, 2)
    counts = count(np.ones((1, len(wanted))))[0]
    return {
        "accuracy": Measure(among(kept, lambda weights: war(count(weights))), best_blind(war, counts), is_share=True),
        "weighted_f1": Measure(
            among(kept, lambda weights: weighted_f1(count(weights))), best_blind(weighted_f1, counts)
        ),
    }
