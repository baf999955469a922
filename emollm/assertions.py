"""The records that reading a text gives: what is asserted of a face, before anything is looked up."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from emollm.facs import Strength
from emollm.types import CueKind, Side


class Polarity(StrEnum):
    """What is said of a movement."""

    PRESENT = "present"
    ABSENT = "absent"
    NOT_CLEAR = "not clearly present"
    NOT_STRONG = "not strong"
    UNMEASURED = "not measured"
    MENTIONED = "mentioned"
    """Only a number is given."""


class Number(NamedTuple):
    """A number that the text gives for a quantity."""

    name: str
    """``AU12``, ``yaw``, ``gaze_pitch`` …"""
    value: float
    side: Side | None = None


@dataclass
class Assertion:
    """One thing a text says of a face. Offsets are those of the text."""

    kind: CueKind
    start: int
    end: int
    names: tuple[str, ...] = ()
    """Units, any of which makes a positive assertion true; an emotion for ``EXPRESSION``."""
    primary: str = ""
    """The unit that the words mean first; the others count only where they were measured."""
    needed: str = ""
    """The unit without which the words are not true, whichever of ``names`` moves too."""
    directions: tuple[tuple[str, int], ...] = ()
    """Head pose and gaze: quantity and sign (0: either way), any of which makes it true."""
    polarity: Polarity = Polarity.PRESENT
    strength: Strength | None = None
    side: Side | None = None
    only: bool = False
    """Said to be on that side alone."""
    compare: bool = False
    """Said to be stronger on that side."""
    even: bool | None = None
    """Said to be alike on both sides, or not."""
    codes: list[str] = field(default_factory=list)
    """Codes given for it in parentheses or as its name; all must hold."""
    numbers: list[Number] = field(default_factory=list)
    explicit: bool = False
    """Named by a FACS code or name."""


def merged(items: list[Assertion]) -> list[Assertion]:
    """Without repetitions: two ways of saying one thing in one sentence are one assertion."""
    kept: list[Assertion] = []
    for item in items:
        for other in kept:
            if (
                (item.kind, item.names, item.directions, item.polarity)
                == (other.kind, other.names, other.directions, other.polarity)
                and item.kind in (CueKind.ACTION_UNIT, CueKind.GAZE, CueKind.HEAD_POSE)
                and not item.explicit
                and not other.explicit
                and item.side in (None, other.side)
                and item.strength in (None, other.strength)
                and not (item.codes and other.codes)
            ):
                other.start, other.end = min(item.start, other.start), max(item.end, other.end)
                other.codes, other.numbers = [*other.codes, *item.codes], [*other.numbers, *item.numbers]
                break
        else:
            kept.append(item)
    return kept
