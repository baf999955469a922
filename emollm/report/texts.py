"""Texts with the claims in them: which words a verdict belongs to, sentence by sentence."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from emollm.report.axis import clock, spoken

# Not after "et al." and the like, nor before a bracket or a small letter.
_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bcf\.)(?<!\bvs\.)\s+(?![a-z(])|\n+")


class Link(NamedTuple):
    """A cue that a verdict rests on."""

    label: str
    target: str | None
    """Id of the element that shows the cue; None if the page does not show it."""


class Moment(NamedTuple):
    """The time that a claim speaks of, in seconds."""

    at: float
    """Where it leads."""
    start: float
    end: float
    still: bool
    """Whether it is one picture rather than something to be played."""

    @property
    def clock(self) -> str:
        return clock(self.at)

    @property
    def spoken(self) -> str:
        return spoken(self.at)


@dataclass(frozen=True)
class ClaimView:
    """A claim as it stands in a text."""

    key: str
    text: str
    verdict: str
    reason: str
    links: tuple[Link, ...]
    moment: Moment | None = None
    """None where the claim does not speak of a time."""

    @property
    def finding(self) -> tuple[object, ...]:
        """Verdict, reason and cues."""
        return self.verdict, self.reason, self.links

    @property
    def targets(self) -> str:
        """Ids of the elements that light up with the claim."""
        return " ".join(dict.fromkeys(link.target for link in self.links if link.target))


class Piece(NamedTuple):
    """A stretch of text; with a claim, or without."""

    text: str
    claim: ClaimView | None
    within: tuple[ClaimView, ...] = ()
    """Claims whose words overlap with those of ``claim``."""


@dataclass(frozen=True)
class Sentence:
    """A sentence with the claims in it."""

    pieces: tuple[Piece, ...]

    @property
    def notes(self) -> "tuple[Note, ...]":
        """What the evidence says of its claims; said once for claims of which it says the same."""
        groups: dict[tuple[object, ...], list[ClaimView]] = {}
        for claim in (piece.claim for piece in self.pieces if piece.claim):
            groups.setdefault(claim.finding, []).append(claim)
        # Claims whose words are part of another's are named only if the evidence says something else of them.
        inner = {claim.finding: claim for piece in self.pieces for claim in piece.within if claim.finding not in groups}
        return tuple(Note(claims[0], tuple(claims), False) for claims in groups.values()) + tuple(
            Note(claim, (claim,), True) for claim in inner.values()
        )

    def note_of(self, claim: ClaimView) -> str:
        """Id of the element with the note on a claim."""
        return next(f"{note.claim.key}-why" for note in self.notes if claim in note.claims)


class Note(NamedTuple):
    """One verdict with its reason."""

    claim: ClaimView
    claims: tuple[ClaimView, ...]
    """All claims it holds for."""
    quoted: bool
    """Whether the claim is not marked in the sentence, so that the note has to name it."""

    @property
    def moments(self) -> tuple[Moment, ...]:
        """The times that its claims speak of, each once."""
        return tuple(dict.fromkeys(claim.moment for claim in self.claims if claim.moment))


@dataclass(frozen=True)
class Passage:
    """A part of a rationale, or a reply."""

    name: str
    sentences: tuple[Sentence, ...]


def split(text: str, claims: Sequence[ClaimView]) -> tuple[tuple[Sentence, ...], list[ClaimView]]:
    """A text as sentences in which the claims are found, and the claims whose words it does not have.

    Of claims that overlap the longest is marked in the text; the others stand with it.
    """
    spans, unplaced = _spans(text, claims)
    marked: list[_Span] = []
    for span in sorted(spans, key=lambda span: span.start - span.end):
        if not any(span.overlaps(other) for other in marked):
            marked.append(span)
    pieces, cursor = [], 0
    for span in sorted(marked, key=lambda span: span.start):
        within = tuple(
            other.claim for other in spans if other is not span and other.overlaps(span) and other not in marked
        )
        # A claim that overlaps with two marked ones stands with the first.
        spans = [other for other in spans if other.claim not in within]
        pieces += [Piece(text[cursor : span.start], None), Piece(text[span.start : span.end], span.claim, within)]
        cursor = span.end
    pieces.append(Piece(text[cursor:], None))
    return tuple(_sentences(pieces)), unplaced


class _Span(NamedTuple):
    start: int
    end: int
    claim: ClaimView

    def overlaps(self, other: "_Span") -> bool:
        return self.start < other.end and other.start < self.end


def _spans(text: str, claims: Sequence[ClaimView]) -> tuple[list[_Span], list[ClaimView]]:
    """Where the claims stand, taken to come in the order of the text; and those that are nowhere in it."""
    spans: list[_Span] = []
    unplaced = []
    for claim in claims:
        cursor = 0
        if spans:
            # The same words again are said further on.
            cursor = spans[-1].end if spans[-1].claim.text == claim.text else spans[-1].start
        start = text.find(claim.text, cursor) if claim.text else -1
        start = text.find(claim.text) if start < 0 and claim.text else start
        if start < 0:
            unplaced.append(claim)
        else:
            spans.append(_Span(start, start + len(claim.text), claim))
    return spans, unplaced


def _sentences(pieces: Iterable[Piece]) -> Iterator[Sentence]:
    row: list[Piece] = []
    for piece in pieces:
        parts = [piece.text] if piece.claim else _SENTENCE_END.split(piece.text)
        for i, part in enumerate(parts):
            if i and any(each.text.strip() for each in row):
                yield Sentence(tuple(row))
                row = []
            if part:
                row.append(piece._replace(text=part))
        if piece.claim and piece.text.rstrip().endswith((".", "!", "?", "…")):
            yield Sentence(tuple(row))
            row = []
    if any(each.text.strip() for each in row):
        yield Sentence(tuple(row))


def alone(claims: Iterable[ClaimView]) -> tuple[Sentence, ...]:
    """Each claim as a sentence of its own."""
    return tuple(Sentence((Piece(claim.text, claim),)) for claim in claims)
