"""What a text asserts of a clip: of the face, the voice and the words, and when.

Quotations are taken out first, then the times of each sentence, then what is said of the voice; the rest is read as that of
a photo (:mod:`emollm.evidence.reading`). Times are then given to the statements they speak of.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from emollm.evidence.assertions import Assertion, Heard, Polarity, Topic, merged
from emollm.evidence.binding import bind
from emollm.evidence.lexicon import expanded, lexicon, marks, sentences
from emollm.evidence.reading import read
from emollm.evidence.reading_quotes import quotations
from emollm.evidence.reading_reports import reports
from emollm.evidence.reading_voice import heard
from emollm.evidence.times import Moment, When, masked, moments
from emollm.types import CueKind

_ENDS = ".!?"
_STOPPED = re.compile(r"[.!?]\s+\Z")
_ORDER = re.compile(
    r"[\s,]{0,4}(?:(?:comes?|appears?|occurs?|happens?|begins?|starts?|is|are|shown|seen|and|long|shortly|just)\s){0,4}"
    r"(?P<how>before|after|followed\sby|precedes?|follows?)\s(?:the|a|an|his|her|their)?\s{0,2}(?:\w{1,12}\s){0,2}",
    re.IGNORECASE,
)
"""What stands between two statements of which one comes first."""
_AND = re.compile(r"[\s,]{0,60}(?:and|but|then|before)\s", re.IGNORECASE)
"""What stands before a second change."""
_EDGE = re.compile(
    r"\b(?:(?P<first>(?:begin|start|open)(?:s|ed)?|began)|(?P<last>(?:end|finish|close)(?:s|es|ed)?))(?:\s(?:off|out|up|on|with|an?|in|and))*\s$",
    re.IGNORECASE,
)
"""What stands before how a voice begins or ends."""
_BEGINS = re.compile(r"\b(?P<more>(?:begin|start)(?:s|ning|ting)?)\s(?:to\b|\w{2,12}ing\b)|\b(?P<less>(?:stop|cease)(?:s|ping)?)\s\w{2,12}ing\b", re.IGNORECASE)  # fmt: skip
_BEFORE = re.compile(
    r"\b(?P<more>(?:begin|start)s?)(?:\sto)?\s$|\b(?P<less>(?:stop|cease)s?)(?:\sto)?\s$", re.IGNORECASE
)


def course(text: str) -> list[Assertion]:
    """All assertions of a text on a clip, with their times, sentence by sentence.

    Args:
        text: Free English. What stands in quotation marks behind a word of saying is speech, and is read as nothing else.
    """
    said = quotations(text)
    signs = list(masked(text, [(quote.start, quote.end) for quote in said]))
    for quote in said:
        if text[quote.start : quote.end].rstrip("\"'”’» ")[-1:] in _ENDS:
            signs[quote.end - 1] = "."
        if _STOPPED.search(text, max(0, quote.start - 4), quote.start):
            signs[quote.start] = '"'  # a sentence of its own begins here
    plain = "".join(signs)
    told = reports(plain)
    said = sorted([*said, *told], key=lambda item: item.start)
    plain = masked(plain, [(one.start, one.end) for one in told])
    out: list[Assertion] = []
    subjects: list[tuple[str, bool]] = []
    for start, end in sentences(plain):
        quotes = [one for one in said if start <= one.start < end]
        out += _sentence(plain[start:end], start, quotes, subjects)
        said = [one for one in said if one not in quotes]
    return sorted([*out, *said], key=lambda item: (item.start, item.end))


def spoken(text: str) -> list[tuple[int, int]]:
    """Where a text gives words that were said, quoted or told: nobody who is named there is spoken of."""
    quotes = [(one.start, one.end) for one in quotations(text)]
    tagged = {end for _, end in quotes}  # "…", says the person on the right
    told = [(one.start, one.end) for one in reports(masked(text, quotes))]
    return quotes + [span for span in told if tagged.isdisjoint(range(span[0] - 3, span[0] + 1))]


def _sentence(piece: str, offset: int, quotes: Sequence[Heard], subjects: list[tuple[str, bool]]) -> list[Assertion]:
    """The assertions of one sentence, which stands at an offset of the text; the parts spoken of last are kept in mind."""
    times = moments(piece, 0, len(piece))
    bare = masked(piece, [(time.start, time.end) for time in times])
    voice = heard(bare, 0, len(bare), bool(quotes))
    silent = masked(bare, [(item.start, item.end) for item in voice])
    face = read(silent, 0, len(bare), repeated=True, subjects=subjects)
    face = [item for item in face if not _is_named(bare, item)]
    face += [more for item in face for more in _changing(bare, item)]
    for quote in quotes:
        quote.start, quote.end = quote.start - offset, quote.end - offset
    items: list[Assertion] = [*face, *voice, *quotes]
    orders = [*_orders(bare, face)]
    bind(bare, 0, len(bare), items, times)
    for one in voice:
        one.moments += _half(bare, one) if not one.moments else []
    if len(quotes) == 1 and quotes[0].topic is Topic.QUOTE:
        for one in voice:
            first, last = sorted((one, quotes[0]), key=lambda item: item.start)
            apart = re.search(r"[;.]", bare[first.end : last.start]) is not None
            one.during = "" if apart or one.moments or quotes[0].polarity is not Polarity.PRESENT else quotes[0].quote
    items = [*merged(items), *orders]
    for item in items:
        item.start, item.end = item.start + offset, item.end + offset
    return items


def _half(text: str, item: Heard) -> list[Moment]:
    """The half of the clip of a voice that "starts" or "ends" in some way."""
    match = _EDGE.search(text[max(0, item.start - 40) : item.start])
    if match is None:
        return []
    first = 0.0 if match["first"] else 0.5
    return [Moment(When.DURING, item.start, item.end, first, first + 0.5, relative=True)]


def _is_named(text: str, item: Assertion) -> bool:
    """Whether a voice or words are only named, with nothing that is said of them: what is, was read already."""
    if item.kind not in (CueKind.PROSODY, CueKind.WORDS):
        return False
    return any(mark.kind == "subject" for mark in marks(text, item.start, item.end, voice=True))


@cache
def _changes() -> tuple[tuple[re.Pattern[str], int, bool], ...]:
    """Patterns for a verb of change right behind a statement: the way it goes, and whether it speaks of a beginning or end."""
    out = []
    for key, sign, edge in (("begin", 1, True), ("more", 1, False), ("end", -1, True), ("less", -1, False)):
        forms = sorted({" ".join(words) for phrase in lexicon()["changes"][key] for words in expanded(phrase)}, key=len)
        verbs = "|".join(re.escape(form).replace(r"\ ", r"\s") for form in reversed(forms))
        pattern = (
            rf"\W{{0,3}}(?:(?:has|have|then|slowly|gradually|quickly|suddenly|again|also)\s){{0,2}}(?:{verbs})\b"
            r"(?=\s{0,40}(?:[.,;:)(]|$|(?:and|on|around|as|when|while|again|in|for|over|then|slowly|gradually|quickly|suddenly"
            r"|only|but|before|after|from|to|by|completely|afterwards|later)\b))"
        )
        out.append((re.compile(pattern, re.IGNORECASE), sign, edge))
    return tuple(out)


def _changing(text: str, item: Assertion) -> Iterator[Assertion]:
    """Sets the change that is said of a movement; a second one ("appears … and fades …") is a statement of its own."""
    if item.kind is not CueKind.ACTION_UNIT or item.unread:
        return
    item.change, item.edge = _change(text, item)
    gap = _AND.match(text, item.end) if item.change else None
    for pattern, sign, edge in _changes() if gap is not None else ():
        if gap is not None and (match := pattern.match(text, gap.end())):
            start = match.end() - len(match.group().lstrip())
            rest: dict[str, Any] = {"moments": [], "codes": [], "numbers": []}
            yield replace(item, start=start, end=match.end(), change=sign, edge=edge, **rest)
            return


def _change(text: str, item: Assertion) -> tuple[int, bool]:
    """1 where a movement is said to begin or to grow, -1 where to fade or to end, else 0; and whether to begin or end."""
    for pattern, sign, edge in _changes():
        if match := pattern.match(text, item.end):
            item.end = match.end()
            return sign, edge
    match = _BEGINS.search(text, item.start, item.end)
    if match is None and (match := _BEFORE.search(text[max(0, item.start - 20) : item.start])) is not None:
        item.start -= match.end() - match.start()
    if match is None:
        return 0, False
    return 1 if match["more"] else -1, True


def _orders(text: str, items: Sequence[Assertion]) -> Iterator[Heard]:
    """That one movement comes before another, where a sentence says so of two neighbours."""
    for first, second in itertools.pairwise(items):
        named = first.names and second.names and first.kind is second.kind is CueKind.ACTION_UNIT
        if not named or first.end > second.start or first.polarity is not Polarity.PRESENT or first.change < 0:
            continue
        if match := _ORDER.fullmatch(text, first.end, second.start):
            how = match["how"].lower()
            sign = -1 if how == "after" or how == "follow" or how == "follows" else 1
            names = (first.primary or first.names[0], second.primary or second.names[0])
            yield Heard(CueKind.MOTION, first.start, second.end, names, topic=Topic.ORDER, sign=sign)
