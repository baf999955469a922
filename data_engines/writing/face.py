"""What the writer needs to know of one face at one moment, whatever it was measured with."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from emollm.emotions import LabelSet
from emollm.evidence import Evidence
from emollm.facs import UNITS
from emollm.reasoner.assumptions import contradictions
from emollm.reasoner.weighing import ReasonerSettings, Weighing, expressive
from emollm.types import Scale


class Fit(NamedTuple):
    """The prior of one label."""

    cite: str
    core: tuple[str, ...]
    variants: tuple[str, ...]
    against: tuple[str, ...]
    """Units that pull against it."""


class Weights(NamedTuple):
    """What the units lead to."""

    outcome: str
    label: str
    second: str
    score: float
    second_score: float
    support: float
    intensity: float | None
    neutral: bool
    """Whether ``label`` is the neutral one."""


def decimal(value: float) -> str:
    """A value as ``0.67``."""
    return f"{value:.2f}"


def percent(value: float) -> str:
    """A value as ``67 %``, of what :func:`decimal` gives."""
    shown = f"{value:.2f}"
    return f"{int(shown[:-3] + shown[-2:])} %"


class Face(NamedTuple):
    """Units, what they speak for, and the priors of the labels."""

    values: Mapping[str, float]
    """Of each measured unit that can carry an expression."""
    probable: frozenset[str]
    """Those of them that are probabilities."""
    unreliable: frozenset[str]
    """Those whose absence is no evidence."""
    weights: Weights
    fits: Mapping[str, Fit]
    """By label; only labels with a prior."""
    numbers: Callable[[float], str] = decimal
    """How values are written."""

    def has(self, code: str) -> bool:
        """Whether a unit was measured."""
        return code in self.values


@cache
def telling() -> tuple[str, ...]:
    """Units that can carry an expression, in the order of their numbers."""
    return tuple(code for code in UNITS if expressive(code))


def fits_of(labels: LabelSet, settings: ReasonerSettings) -> dict[str, Fit]:
    """The priors of a label set."""
    from emollm.data_engines.writing.weighing_rows import known_labels

    return {
        one.label: Fit(
            one.prior.cite, one.prototype.core, one.prototype.variants, contradictions().get(one.emotion, ())
        )
        for one in known_labels(labels, settings)
    }


def face_of(
    evidence: Evidence, weighing: Weighing, outcome: str, settings: ReasonerSettings, fits: Mapping[str, Fit]
) -> Face:
    """The face of an Observation.

    Args:
        evidence: The cues of one person at one moment.
        weighing: Their weights.
        outcome: What the reasoner decides; ``no_face`` without a face.
        settings: Of the weighing.
        fits: From :func:`fits_of`.
    """
    cues = [cue for code in telling() if (cue := evidence.best(code)) is not None and cue.value is not None]
    (label, score), (second, second_score), *_ = weighing.ranked
    match = weighing.matches.get(label)
    weights = Weights(
        outcome,
        label,
        second,
        score,
        second_score,
        weighing.support(label, settings),
        match.intensity if match is not None else None,
        label == weighing.neutral,
    )
    return Face(
        {cue.name: cue.value or 0.0 for cue in cues},
        frozenset(cue.name for cue in cues if cue.scale is Scale.PROBABILITY),
        frozenset(cue.name for cue in cues if not cue.reliable),
        weights,
        fits,
    )


def listed(items: Sequence[str]) -> str:
    """Items with commas and a last "and"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
