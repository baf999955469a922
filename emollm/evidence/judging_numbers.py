"""Claims about numbers of a voice, with their units."""

from collections.abc import Sequence

from emollm.evidence.assertions import Assertion, Heard, Number
from emollm.evidence.judging import C, Finding, S, U, reason, unit
from emollm.evidence.judging_time import Window, placed, widened
from emollm.evidence.lookup import Evidence
from emollm.types import Cue

_TOLERANCES = {
    "hertz": 1.0,
    "semitones": 0.1,
    "decibels": 0.1,
    "rate": 0.06,
    "ratio": 0.06,
    "seconds": 0.1,
}
"""By scale: how far a stated value may be off, or 2 % of it."""
ABOUT = 0.1
"""Share by which a value may be off that is said to be only roughly that."""


def overlapping(cues: Sequence[Cue], window: Window) -> list[Cue]:
    """The cues that share some time with a window, its ends in seconds."""
    return [cue for cue in cues if cue.start <= window[1] and cue.end >= window[0]]


def quantities(item: Heard, evidence: Evidence) -> list[Finding]:
    """One finding for each number that a statement gives."""
    return [_judge_quantity(number, item, evidence) for number in item.numbers]


def _judge_quantity(number: Number, item: Assertion, evidence: Evidence) -> Finding:
    """Whether a cue of one of these names, at the times that are said, has that value; a sign only where one is given."""
    cues = [cue for name in number.name.split("|") for cue in evidence.all(name) if cue.value is not None]
    for moment in item.windows:
        window, _ = placed(moment, evidence)
        if window is not None:
            cues = overlapping(cues, widened(window))
    if not cues:
        gap = evidence.gap("voice", "audio")
        return Finding(U, (), gap.reason if gap is not None else reason("no_cue", name=number.name))

    def distance(cue: Cue) -> float:
        value = cue.value or 0.0
        return abs(value - number.value) if number.value < 0 else abs(abs(value) - number.value)

    cue = min(cues, key=distance)
    within = max(_TOLERANCES.get(cue.scale.value, 0.015), 0.02 * abs(cue.value or 0.0))
    if cue.name in ("polarity", "pause_share"):
        within = 0.015
    if number.about:
        within = max(within, ABOUT * abs(cue.value or 0.0))
    text = reason("quantity", name=cue.name, value=cue.value, scale=unit(cue.scale), said=number.value)
    return Finding(S if distance(cue) <= within + 1e-9 else C, (cue.id,), text)
