"""Which of two descriptions is preferred, beside what people preferred (MER2026 track 3); PROTOCOLS 3.7.

The official parser takes the earliest token of a reply and turns failures into *same*; here an answer that could not be read is wrong, whatever people said.
Models favour a place: asked in both orders, a choice should turn with the descriptions.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.metrics.bootstrap import mean
from emollm.metrics.classification import UNANSWERED, best_blind, counter, war, weighted_f1
from emollm.metrics.continuous import quotient
from emollm.metrics.report import Measure

Choice = Literal["a1", "a2", "same"]
CHOICES: tuple[Choice, ...] = ("a1", "a2", "same")
_MIRROR: dict[Choice, Choice] = {"a1": "a2", "a2": "a1", "same": "same"}


def chosen(first: float | None, second: float | None, margin: float = 0.0) -> Choice | None:
    """The one of two scored descriptions with the higher score; ``same`` where they differ by ``margin`` at most, None without a score."""
    if first is None or second is None:
        return None
    return "same" if abs(first - second) <= margin else "a1" if first > second else "a2"


def preference(
    reference: Sequence[Choice], predicted: Sequence[Choice | None], swapped: Sequence[Choice | None] | None = None
) -> dict[str, Measure]:
    """Accuracy and weighted F1 over ``a1``, ``a2``, ``same``, and what the order of the two descriptions does.

    ``accuracy_decided``: of the pairs of which people preferred one. ``unread``: share of pairs without an answer. ``first_share``: how often
    the one that stands first is chosen, of the answers that choose one; one half without bias where a1 and a2 are as good. Asked in both
    orders also ``accuracy_both``, right in both of them, and ``position_bias``: of the pairs answered in both the share whose choice does
    not turn with them.

    Args:
        reference: (n,).
        predicted: (n,); None where the answer could not be read, which is wrong and never ``same``.
        swapped: (n,) the answers where a1 and a2 have changed places, in the words of that order.

    Raises:
        DataError: Not as many answers.
    """
    for given in (predicted, swapped):
        if given is not None and len(given) != len(reference):
            raise DataError(f"{len(reference)} references but {len(given)} answers; align them by id")
    wanted = np.array([CHOICES.index(one) for one in reference], np.int64)
    codes = np.array([UNANSWERED if one is None else CHOICES.index(one) for one in predicted], np.int64)
    count = counter(wanted, codes, len(CHOICES))
    counts = count(np.ones((1, len(wanted))))[0]
    decided = (wanted != CHOICES.index("same")).astype(np.float64)
    sides = [float(decided @ (wanted == k)) for k in range(2)]
    floor = max(sides) / sum(sides) if any(sides) else None
    out = {
        "accuracy": Measure(lambda weights: war(count(weights)), best_blind(war, counts), is_share=True),
        "weighted_f1": Measure(lambda weights: weighted_f1(count(weights)), best_blind(weighted_f1, counts)),
        "accuracy_decided": Measure(quotient(decided * (wanted == codes), decided), floor),
        "unread": Measure(mean(codes == UNANSWERED)),
    }
    orders = [list(predicted), *([list(swapped)] if swapped is not None else [])]
    picked = _counts(orders, ("a1", "a2"))
    out["first_share"] = Measure(quotient(_counts(orders, ("a1",)), picked))
    if swapped is not None:
        out |= _both_orders(wanted == codes, reference, predicted, swapped)
    return out


def _both_orders(
    right: NDArray[np.bool_],
    reference: Sequence[Choice],
    predicted: Sequence[Choice | None],
    swapped: Sequence[Choice | None],
) -> dict[str, Measure]:
    """What two answers to each pair tell."""
    right_again = np.array([other == _MIRROR[one] for one, other in zip(reference, swapped, strict=True)])
    pairs = list(zip(predicted, swapped, strict=True))
    both = np.array([one is not None and other is not None for one, other in pairs], np.float64)
    turned = np.array([one is not None and other == _MIRROR[one] for one, other in pairs], np.float64)
    return {
        "accuracy_both": Measure(mean(right & right_again)),
        "position_bias": Measure(quotient(both * (1 - turned), both)),
    }


def _counts(orders: Sequence[Sequence[Choice | None]], choices: tuple[Choice, ...]) -> NDArray[np.float64]:
    """(n,) how many of the answers to each pair are one of these."""
    return np.sum([[one in choices for one in order] for order in orders], axis=0, dtype=np.float64)
