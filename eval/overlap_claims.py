"""A description as single claims: clauses, with the kinds of cue that each speaks of, what is read in it, and its emotion words.

The reading is that of :mod:`emollm.evidence` (English): "lowers his brows" is AU04 whatever the words. A clause in which nothing is read is
still a claim; it has no kind and is compared by its words alone.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from emollm.eval.overlap_labels import Likeness
from emollm.eval.scoring_labels import in_other_script
from emollm.eval.scoring_words import Finder
from emollm.evidence.assertions import Assertion, Heard, Polarity, Topic
from emollm.evidence.lexicon import sentences
from emollm.evidence.reading_time import course
from emollm.evidence.times import masked
from emollm.rationale_text import parts
from emollm.types import CueKind

LONGEST = 20_000
"""Characters of a text that are read; what follows is left out."""
_KINDS = {
    CueKind.ACTION_UNIT: "face",
    CueKind.EXPRESSION: "emotion",
    CueKind.GAZE: "bearing",
    CueKind.HEAD_POSE: "bearing",
    CueKind.PROSODY: "voice",
    CueKind.WORDS: "words",
    CueKind.SCENE: "scene",
    CueKind.MOTION: "body",
    CueKind.PHYSIOLOGY: "body",
}
_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|‘[^’\n]*’')
_CLAUSE = re.compile(
    r"\s*(?:;|[,\s]\s*(?:(?:which\s+|this\s+)?(?:(?:suggest|indicat|reveal|imply|impli|express|reflect|convey)(?:s|es|ing)\b"
    r"(?:\s+that\b)?|show(?:s|ing)\s+that\b)|(?:while|whereas|but|although|though|because|so that|therefore|thus|hence|which|and then|as well as)\b)"
    r"|,\s*(?:and|so|but)\b(?=\s(?:he|she|it|they)\b))\s*",
    re.IGNORECASE,
)
"""What always ends a clause."""
_JOINT = re.compile(r"\s*(?:,\s*and\b|,|\band\b|\bwith\b)\s*", re.IGNORECASE)
"""What ends one where something is read on either side."""
_WORD = re.compile(r"[^\W\d_]+")
_FEWEST_WORDS = 2


class Reading(NamedTuple):
    """One thing that a clause says of a face or a voice."""

    names: frozenset[str]
    """Units, or quantities with their direction, any of which it may mean: ``AU12``, ``voice.pitch+``, ``pause``."""
    is_there: bool
    """False where it is denied."""


class Clause(NamedTuple):
    """One claim of a description."""

    text: str
    kinds: frozenset[str] = frozenset()
    """``face``, ``bearing``, ``voice``, ``words``, ``body``, ``scene``, ``emotion``."""
    readings: tuple[Reading, ...] = ()
    feelings: tuple[str, ...] = ()
    """Emotion words that it affirms."""
    denied: tuple[str, ...] = ()
    """Those that it denies."""


class ClauseReader:
    """Takes descriptions apart.

    Args:
        finder: Finds emotion words.
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._known: dict[str, tuple[Clause, ...]] = {}

    def read(self, text: str) -> tuple[Clause, ...]:
        """The claims of a text in order; none of a text in another script, which cannot be read. Headings are left out."""
        if text not in self._known:
            self._known[text] = () if in_other_script(text) else tuple(self._clauses(text[:LONGEST]))
        return self._known[text]

    def _clauses(self, text: str) -> Iterator[Clause]:
        for piece in _pieces(text):
            read = [item for item in course(piece) if item.kind in _KINDS]
            plain = _QUOTED.sub(_closed, piece)
            for start, end in sentences(plain):
                for first, last in _cut(plain, start, end, read):
                    yield from self._clause(piece, first, last, read)

    def _clause(self, text: str, start: int, end: int, read: Sequence[Assertion]) -> Iterator[Clause]:
        words = text[start:end].strip(" \t\n,.;:!?")
        if len(_WORD.findall(words)) < _FEWEST_WORDS:
            return
        own = [item for item in read if start <= (item.start + item.end) // 2 < end]
        seen = [(item.start, item.end) for item in own if _KINDS[item.kind] in _SEEN]  # "wide open" is no feeling
        unseen = _QUOTED.sub(" ", masked(text, seen)[start:end])
        feelings = self._finder.find(unseen)
        affirmed = {word for feeling in feelings for word in _WORD.findall(feeling)}
        denied = [word for word in _WORD.findall(unseen.lower()) if word in self._finder.words and word not in affirmed]
        kinds = {_KINDS[item.kind] for item in own} | ({"emotion"} if feelings or denied else set())
        readings = tuple(dict.fromkeys(reading for item in own if (reading := _reading(item)) is not None))
        yield Clause(words, frozenset(kinds), readings, feelings, tuple(dict.fromkeys(denied)))


def agreement(one: Clause, other: Clause, likeness: Likeness) -> float | None:
    """How far what is read in two claims is the same, 0–1; None where nothing comparable is read in both.

    Things said of a face or a voice agree where they are the same movement in the same sense; emotion words by :class:`Likeness`, affirmed
    and denied ones apart. Of two claims that have both the mean counts.
    """
    found = []
    if one.readings and other.readings:
        same = sum(any(a.is_there == b.is_there and a.names & b.names for b in other.readings) for a in one.readings)
        same = min(same, len(other.readings))
        found.append(2 * same / (len(one.readings) + len(other.readings)))
    words = [len(each.feelings) + len(each.denied) for each in (one, other)]
    if all(words):
        shared = likeness.shared(one.feelings, other.feelings) + likeness.shared(one.denied, other.denied)
        found.append(2 * shared / sum(words))
    return sum(found) / len(found) if found else None


def is_comparable(one: Clause, other: Clause) -> bool:
    """Whether two claims may speak of the same kind of cue; one without a kind may speak of any."""
    return not one.kinds or not other.kinds or bool(one.kinds & other.kinds)


def _pieces(text: str) -> list[str]:
    """A text without its headings."""
    found = parts(text)
    if not found:
        return [text]
    before = text[: found[0].start].rstrip().rpartition("\n")[0]  # the last line is the first heading
    return [before, *(part.text for part in found)]


def _cut(text: str, start: int, end: int, read: Sequence[Assertion]) -> Iterator[tuple[int, int]]:
    """Where the clauses of a sentence begin and end; nothing that was read is cut in two."""
    first = start
    for match in _CLAUSE.finditer(text, start, end):
        if not _straddles(match, read):
            yield from _parted(text, first, match.start(), read)
            first = match.end()
    yield from _parted(text, first, end, read)


def _parted(text: str, start: int, end: int, read: Sequence[Assertion]) -> Iterator[tuple[int, int]]:
    own = [item for item in read if start <= item.start and item.end <= end]
    for match in _JOINT.finditer(text, start, end):
        before = any(start <= item.start and item.end <= match.start() for item in own)
        behind = any(item.start >= match.start() for item in own)
        if before and behind and not _straddles(match, own):
            yield start, match.start()
            start = match.end()
    yield start, end


def _straddles(gap: re.Match[str], read: Sequence[Assertion]) -> bool:
    return any(item.start < gap.start() and item.end > gap.end() for item in read)


def _closed(quote: re.Match[str]) -> str:
    """Signs of the same length in which nothing can be cut; the last one ends the sentence where the quotation ends one."""
    ends = quote.group()[-2:-1] in (".", "!", "?")
    return '"' + "~" * (len(quote.group()) - 2) + ("." if ends else "~")


def _reading(item: Assertion) -> Reading | None:
    """What can be compared of an assertion; None of one that says nothing that has a name here."""
    if item.unread or item.kind is CueKind.EXPRESSION:
        return None
    names = set(item.names)
    if item.directions:
        names = {f"{name}{way}" for name, sign in item.directions for way in _WAYS[sign]}
    if isinstance(item, Heard):
        manner = {item.manner} if item.manner else names
        paused = item.topic is Topic.PAUSE or _PAUSES & manner
        names = {"pause"} if paused else manner
    return Reading(frozenset(names), item.polarity not in _DENIED) if names else None


_WAYS = {1: "+", -1: "-", 0: "+-"}
_PAUSES = {"voice.pause_share", "halting"}
_SEEN = ("face", "bearing")
_DENIED = (Polarity.ABSENT, Polarity.NOT_CLEAR)
