"""The label that a free reply gives, where it stands, and the strength beside it."""

import re
from typing import NamedTuple

from emollm.emotions import LabelSet
from emollm.rationale_text import parts
from emollm.types import Part

_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_LONGEST = 3
"""Words of the longest label."""
_STRENGTH = re.compile(r"(?<![\d.])(?:(?P<share>[01]\.\d+)|(?P<percent>\d{1,3}) ?%)(?!\d)")


class Named(NamedTuple):
    """A label in a reply."""

    label: str
    """In the words of the set."""
    start: int
    """Where it begins in the reply."""
    written: str
    """As it stands there."""


def label_in(reply: str, labels: LabelSet) -> str | None:
    """The first label that is named in the conclusion of a reply, or in all of it where it has no parts; None where none is.

    Args:
        reply: What a model wrote.
        labels: Words and synonyms that count.
    """
    found = named_in(reply, labels)
    return found.label if found is not None else None


def named_in(reply: str, labels: LabelSet) -> Named | None:
    """The same with its place."""
    start, text = _conclusion(reply)
    words = list(_WORD.finditer(text))
    for first in range(len(words)):
        for length in range(min(_LONGEST, len(words) - first), 0, -1):
            own = words[first : first + length]
            if label := labels.find(" ".join(word.group() for word in own)):
                return Named(label, start + own[0].start(), text[own[0].start() : own[-1].end()])
    return None


def strength_in(reply: str) -> float | None:
    """The first strength from 0 to 1, or in per cent, that the conclusion of a reply gives; None where it gives none."""
    for match in _STRENGTH.finditer(_conclusion(reply)[1]):
        value = float(match["share"]) if match["share"] else int(match["percent"]) / 100
        if value <= 1:
            return value
    return None


def _conclusion(reply: str) -> tuple[int, str]:
    """Where the conclusion starts, and its text; all of a reply without parts."""
    found = [one for one in parts(reply) if one.part is Part.CONCLUSION]
    return (found[0].start, found[0].text) if len(found) == 1 else (0, reply)
