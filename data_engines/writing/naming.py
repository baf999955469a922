"""Sentences that name units as nouns: a frame with one place for one or several of them, in agreement with their number."""

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple

from emollm.data_engines.writing.face import Face, decimal
from emollm.data_engines.writing.grammar import upper, wordings
from emollm.data_engines.writing.segments import VALUE, ClaimText, Segment, Segments

_AGREEMENT = {"<s>": ("s", ""), "<es>": ("es", ""), "<is>": ("is", "are"), "<ies>": ("ies", "y")}
"""Endings of one and of many."""
_PARTICIPLES = ("ed", "wn", "en")
"""How participles end."""
_TRIES = 6
"""Draws of a wording that may stand behind a bare value."""


class Sentence(NamedTuple):
    """A sentence and what it claims."""

    text: str
    claims: tuple[ClaimText, ...] = ()


def say(file: str, block: str, random: Random) -> str:
    """A wording of a block of ``prompts/writer``."""
    texts = wordings(f"writer/{file}", block)
    return texts[int(random.random() * len(texts))]


def sentence(text: str, claims: Sequence[ClaimText] = ()) -> Sentence:
    """A text as a sentence: a capital letter in front, a full stop behind."""
    return Sentence(f"{upper(text)}.", tuple(claims))


def joined(text: str, behind: str) -> str:
    """A text and what goes on behind it, with a space where that is a word."""
    return text + behind if not behind or behind[0] in ",;" else f"{text} {behind}"


def told(segment: Segment, face: Face, code: str, first: bool = False) -> tuple[str, list[ClaimText]]:
    """A segment with its unit's value: the text and its claims.

    Args:
        segment: The words.
        face: Where the value stands.
        code: The unit.
        first: Whether it begins a sentence.
    """
    claims = segment.first if first else segment.claims
    value = face.values.get(code)
    if value is None:
        return segment.text, list(claims)
    exact = decimal(value)
    shown = exact if face.numbers is decimal else face.numbers(value)
    text = segment.text.replace(VALUE, shown)
    if len(claims) == 1:  # nearly always, and millions of times
        said, cues, reason = claims[0]
        return text, [ClaimText(said.replace(VALUE, shown), cues, reason.replace(VALUE, exact))]
    return text, [
        ClaimText(said.replace(VALUE, shown), cues, reason.replace(VALUE, exact)) for said, cues, reason in claims
    ]


def naming(
    frame: str,
    units: Sequence[tuple[str, str]],
    form: str,
    face: Face,
    segments: Segments,
    random: Random,
    inside: bool = False,
) -> tuple[str, list[ClaimText]]:
    """A frame with its units named, without the full stop, and what is claimed.

    Args:
        frame: With one ``<U>``.
        units: Codes with their kinds, at least one.
        form: ``phrase``, ``mention`` or ``bare``.
        face: Their values.
        segments: Gives the words.
        random: Chooses them.
        inside: Whether the frame stands behind other words of the sentence.
    """
    begins = not inside and frame.startswith("<U>")
    text, claims, plural = "", [], len(units) > 1
    for index, (code, kind) in enumerate(units):
        segment = segments.draw(code, kind, form, random)
        words, found = told(segment, face, code, begins and not index)
        for _ in range(_TRIES if index and (text[-1].isdigit() or text[-1] == "%") else 0):
            if not words.split(" ", 1)[0].endswith(_PARTICIPLES):
                break  # "AU25 60 %, bunched cheeks at 40 %" would be read as one statement with two values
            segment = segments.draw(code, kind, form, random)
            words, found = told(segment, face, code, begins and not index)
        plural = plural or segment.plural
        if index and form == "bare":
            text += " and " if index == len(units) - 1 else ", "
        elif index:  # behind a comma "a mild ..." would be read with what stands before it
            last = index == len(units) - 1 or words.startswith(("a ", "an "))
            # "No lift beside no drop" is no English: what is denied is joined by "and".
            block = "phrase.unseen" if words.startswith("no ") else "phrase.last"
            text += f" {say('sentences', block, random)} " if last else ", "
        text += words
        claims += found
    return agreed(frame, plural).replace("<U>", text), claims


@lru_cache(maxsize=32768)
def agreed(frame: str, plural: bool) -> str:
    """A frame in agreement with the number of what it names."""
    for slot, forms in _AGREEMENT.items():
        frame = frame.replace(slot, forms[plural])
    return frame
