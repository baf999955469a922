"""The records that reading a text gives: what is asserted of a face or a voice, before anything is looked up."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from emollm.evidence.lexicon import Mark, lexicon
from emollm.evidence.times import WINDOWS, Moment
from emollm.facs import Strength
from emollm.types import CueKind, Side

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?", re.IGNORECASE)


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
    about: bool = False
    """Said to be only roughly that."""


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
    clear: bool = False
    """Said to be more than slight, however strong ("obvious"), or denied with an "at all"."""
    side: Side | None = None
    only: bool = False
    """Said to be on that side alone."""
    compare: bool = False
    """Said to be stronger on that side."""
    even: bool | None = None
    """Said to be alike on both sides, or not."""
    both: bool = False
    """Said to be there on both sides."""
    codes: list[str] = field(default_factory=list)
    """Codes given for it in parentheses or as its name; all must hold."""
    numbers: list[Number] = field(default_factory=list)
    explicit: bool = False
    """Named by a FACS code or name."""
    unread: bool = False
    """A statement on a part of the face, in words that are not known."""
    change: int = 0
    """Said to begin or grow (1), or to fade or end (-1)."""
    edge: bool = False
    """Said to begin or end, not only to grow or fade."""
    moments: list[Moment] = field(default_factory=list)
    """Times that are said of it; read only where there is a course of time."""

    @property
    def windows(self) -> list[Moment]:
        """Those of its times that say where to look."""
        return [one for one in self.moments if one.when in WINDOWS]


class Topic(StrEnum):
    """What is said of a voice or of words."""

    LEVEL = "level"
    """Pitch, loudness or rate against the speaker's usual."""
    MANNER = "manner"
    """A word for a value of the whole clip, ``monotonous`` …"""
    VALUE = "value"
    """Only numbers."""
    PAUSE = "pause"
    SILENCE = "silence"
    """A pause, or no speech at all."""
    SPEECH = "speech"
    SOUND = "sound"
    QUOTE = "quote"
    REPORT = "report"
    """Something that is said to be said, in words that are not quoted."""
    POLARITY = "polarity"
    UNDERSTOOD = "understood"
    """Whether the words were recognised."""
    ORDER = "order"
    """That one thing comes before another."""
    OTHER = "other"
    """A statement that nothing measured can decide: a feeling, a timbre, a paraphrase."""


@dataclass
class Heard(Assertion):
    """One thing a text says of a voice, of speech or of words."""

    topic: Topic = Topic.OTHER
    quote: str = ""
    """The words that are said to be said."""
    sign: int = 0
    """Of the polarity of words: 1 positive, -1 negative, 0 neutral."""
    relative: bool = True
    """Said against the usual ("higher"), not in itself ("high")."""
    extreme: bool = False
    """Said in itself, but as what stands out: "very high", "in a whisper"."""
    person: bool = False
    """Said of the person, not only of the sound."""
    during: str = ""
    """Words that are said meanwhile, where no time is given."""
    manner: str = ""
    """The word of :func:`emollm.perception.voice.wording.describe` that is claimed; how words are told that are not quoted."""


def merged(items: list[Assertion]) -> list[Assertion]:
    """Without repetitions: two ways of saying one thing in one sentence, not at two times, are one assertion."""
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
                and (item.change, item.edge) == (other.change, other.edge)
                and (not item.moments or not other.moments or item.moments == other.moments)
            ):
                other.start, other.end = min(item.start, other.start), max(item.end, other.end)
                other.codes, other.numbers = [*other.codes, *item.codes], [*other.numbers, *item.numbers]
                other.moments = other.moments or item.moments
                break
        else:
            kept.append(item)
    return kept


def unread(text: str, start: int, end: int, known: list[Mark], read: list[Assertion]) -> list[Assertion]:
    """A statement of a sentence on a part of the face that nothing was read of: "the cheeks are red". At most one.

    It is the clause of the part, or the whole sentence where nothing else was read in it. Words on expressions ("the eyes
    look happy") and on what holds in general are no statements on this face.
    """
    stops = [mark for mark in known if mark.kind in ("hard", "comma", "soft", "open", "close")]
    for part in known:
        if part.kind != "features" and (part.kind != "parts" or part.id in ("head", "gaze")):
            continue
        first = max((mark.end for mark in stops if mark.end <= part.start), default=start)
        last = min((mark.start for mark in stops if mark.start >= part.end), default=end)
        for left, right in ((first, last), (start, end)):
            words = {word.lower() for word in _WORD.findall(text, left, right)}
            other = any(mark.kind in ("generic", "emotions") and mark.start < right for mark in known)
            taken = any(item.start < right and left < item.end for item in read)
            if words & {*lexicon()["states"]} and not other and not taken:
                left = _WORD.search(text, left).start()  # type: ignore[union-attr]
                right = left + len(text[left:right].rstrip(" .!?*"))
                return [Assertion(CueKind.ACTION_UNIT, left, right, unread=True)]
    return []
