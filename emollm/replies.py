"""The label that a free reply gives, where it stands, and the strength beside it; the words that each label of a set goes by."""

import re
from functools import cache
from typing import NamedTuple

from emollm.emotions import DEFAULT, LabelSet, label_set
from emollm.evidence.lexicon import marks
from emollm.rationale_text import parts
from emollm.types import Part

_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_LONGEST = 3
"""Words of the longest label."""
_STRENGTH = re.compile(
    r"(?:\b(?P<at>at|strength|intensity)(?: (?:of|is|at|an? (?:strength|intensity) of))?:? ?\(?|(?P<how>[\w-]+)(?: there)?,? ?\(|\((?P<word>[\w-]+), )"
    r"(?:(?P<percent>\d{1,3}(?:\.\d+)?) ?%|(?P<share>[01]\.\d+))(?!\d)(?! ?(?:s|seconds?)\b)"
)
"""A number behind "at" or a word for strength, or in brackets behind a word that has to be one of strength or of an emotion."""
_CLAUSE = re.compile(r"[;:,]|[.!?](?!\d)")
_OTHER = re.compile(r"\b(?:probability|minimum|least|net|network|weight|share|score|runner-up)\b", re.IGNORECASE)
"""What a number beside it tells instead of a strength."""
_LIGHT = (
    "an? the so very really any at all say that he she it they this is are be was sign signs trace hint evidence of or and nor kind sort "
    "feel feels feeling look looks seem seems appear appears sound sounds to longer even exactly"
)
"""Words that may stand between a denial and the label that it denies."""
_DENIED = re.compile(
    r"(?:\b(?:not|no|neither|nor|never|without|cannot|rather than|instead of)|n['’]t)"
    rf"(?: (?:{'|'.join(_LIGHT.split())}|[\w-]+ or)){{0,6}} $",
    re.IGNORECASE,
)
"""What stands before a label that is denied, alone or in a list."""


class Named(NamedTuple):
    """A label in a reply."""

    label: str
    """In the words of the set."""
    start: int
    """Where it begins in the reply."""
    written: str
    """As it stands there."""


def unreached(labels: LabelSet) -> tuple[str, ...]:
    """The labels of a set that no word of basic8, which our models learn, becomes; see :meth:`emollm.emotions.LabelSet.map_to`."""
    reached = set(label_set(DEFAULT).map_to(labels).values())
    return tuple(label for label in labels.labels if label not in reached)


def forms(labels: LabelSet) -> dict[str, tuple[str, ...]]:
    """For each label the words that are read as it: its own, its synonyms, and those of the label of basic8 that becomes it."""
    found = {entry.label: [entry.label, *entry.synonyms] for entry in labels.entries}
    taken = {word.casefold() for words in found.values() for word in words}
    learnt = label_set(DEFAULT)
    for label, own in learnt.map_to(labels).items():
        if own is not None:
            words = (label, *learnt.entry(label).synonyms)
            found[own] += [word for word in words if word.casefold() not in taken]
    return {label: tuple(words) for label, words in found.items()}


def label_in(reply: str, labels: LabelSet) -> str | None:
    """The first label that is named, and not denied, in the conclusion of a reply, or in all of it where it has no parts; None where none is.

    Args:
        reply: What a model wrote.
        labels: The set whose :func:`forms` count.
    """
    found = named_in(reply, labels)
    return found.label if found is not None else None


def named_in(reply: str, labels: LabelSet) -> Named | None:
    """The same with its place."""
    start, text = _conclusion(reply)
    label_of = {word.casefold(): label for label, own in forms(labels).items() for word in own}
    words = list(_WORD.finditer(text))
    for first in range(len(words)):
        for length in range(min(_LONGEST, len(words) - first), 0, -1):
            own = words[first : first + length]
            label = label_of.get(" ".join(word.group() for word in own).casefold())
            if label and not _DENIED.search(text, 0, own[0].start()):
                return Named(label, start + own[0].start(), text[own[0].start() : own[-1].end()])
    return None


def strength_in(reply: str) -> float | None:
    """The first strength from 0 to 1, or in per cent, that the conclusion of a reply gives; None where it gives none."""
    text = _conclusion(reply)[1]
    for match in _STRENGTH.finditer(text):
        value = float(match["share"]) if match["share"] else float(match["percent"]) / 100
        begin = max((end.end() for end in _CLAUSE.finditer(text, 0, match.start())), default=0)
        clause = text[begin : _end(text, match.end())]
        if value <= 1 and not _OTHER.search(clause) and (match["at"] or _of_strength(match["how"] or match["word"])):
            return value
    return None


def _end(text: str, start: int) -> int:
    """Where the clause ends in which something stands."""
    found = _CLAUSE.search(text, start)
    return found.start() if found else len(text)


@cache
def _of_strength(word: str) -> bool:
    """Whether a word says how strong, or names an emotion."""
    emotions = {form.casefold() for own in forms(label_set(DEFAULT)).values() for form in own}
    return word.casefold() in emotions or any(mark.kind == "strengths" for mark in marks(word, 0, len(word)))


def _conclusion(reply: str) -> tuple[int, str]:
    """Where the conclusion starts, and its text; all of a reply without parts."""
    found = [one for one in parts(reply) if one.part is Part.CONCLUSION]
    return (found[0].start, found[0].text) if len(found) == 1 else (0, reply)
