"""Labels from combinations of action units, as MERR and its followers make them, without their worst shortcuts.

The rule: all core units of an emotion in the table are present. A single unit labels nothing unless asked for; an expression of which a
contradicting unit is present is left out; units that speech moves count, while the person speaks, only with the part that is left.
Of several emotions that match, the one with most core units wins; a tie labels nothing.
"""

from typing import NamedTuple

from emollm.emotions import LabelSet
from emollm.evidence import Evidence
from emollm.facs import priors
from emollm.reasoner.assumptions import contradictions
from emollm.reasoner.weighing import is_present


class PseudoLabel(NamedTuple):
    """What a rule says of a face."""

    label: str
    """In the words of the set."""
    emotion: str
    """In those of the table."""
    units: tuple[str, ...]
    """The core units, all of them present."""
    cite: str


def pseudo_label(
    evidence: Evidence, labels: LabelSet, table: str, speaking: bool = False, single: bool = False
) -> PseudoLabel | None:
    """The label that a rule gives a face; None where none matches or two do equally.

    Args:
        evidence: The cues of one moment.
        labels: The set to choose from.
        table: Name of the table (:func:`emollm.facs.priors`).
        speaking: Whether the person speaks then.
        single: Take matches of one unit alone.
    """
    prior = priors(table)
    found: list[PseudoLabel] = []
    for emotion, prototype in prior.emotions.items():
        label = _label(emotion, labels)
        if label is None or (len(prototype.core) < 2 and not single):
            continue
        against = contradictions().get(emotion, ())
        if any(is_present(evidence.best(unit), speaking) for unit in against if unit not in prototype.units):
            continue
        if all(is_present(evidence.best(unit), speaking) for unit in prototype.core):
            found.append(PseudoLabel(label, emotion, prototype.core, prior.cite))
    most = max((len(one.units) for one in found), default=0)
    best = [one for one in found if len(one.units) == most]
    return best[0] if len(best) == 1 else None


def _label(emotion: str, labels: LabelSet) -> str | None:
    """The label of a set that names an emotion, or that has it as its canonical meaning without loss."""
    exact = [one.label for one in labels.entries if one.canonical == emotion and not one.lossy]
    return labels.find(emotion) or (exact[0] if len(exact) == 1 else None)
