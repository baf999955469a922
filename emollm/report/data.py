"""Draws a data report as one self-contained HTML page: what became of a build of training data, and twenty Samples to read.

The page loads nothing and runs no script. Transcripts, ids and replies are data: all of it is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from emollm.clues import parted, text_of
from emollm.files import replacing
from emollm.report.data_counts import cue_name
from emollm.report.data_numbers import DataReport, LeakRow
from emollm.report.page import environment
from emollm.samples import Sample
from emollm.types import Claim

_MOST_LABELS = 9
"""Columns of the table of cues; it has to fit on a telephone."""
_MOST_LEAKS = 18
"""Clues of measured things; those of form are all shown."""
_MOST_CUES = 40
_LEAST_CLASS, _LEAST_FACES = 300, 0.6
"""Samples of a class, and share of its clips, below which a class is pointed out."""


class Piece(NamedTuple):
    """A stretch of a reply, with the claim it makes."""

    text: str
    claim: Claim | None = None


class ClaimView(NamedTuple):
    """A claim and the names of its cues."""

    claim: Claim
    cues: tuple[str, ...]


class Turn(NamedTuple):
    """One turn of a Sample that is read."""

    role: str
    text: str
    """The question; the lines of measured cues stand apart."""
    cues: str = ""
    media: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()


class SampleView(NamedTuple):
    """A Sample to be read."""

    sample: Sample
    turns: tuple[Turn, ...]
    claims: tuple[ClaimView, ...]


def write_data_report(path: Path, report: DataReport) -> None:
    """Writes the page.

    Args:
        path: The ``.html`` file; it is replaced as a whole or not at all.
        report: The numbers.

    Raises:
        EmollmError: The file cannot be written.
    """
    page = render(report)
    with replacing(path, "w") as file:
        file.write(page)


def render(report: DataReport) -> str:
    """The page as HTML text."""
    labels = [row.label for row in report.classes if row.given][:_MOST_LABELS]
    most = max((max(row.given, row.gold) for row in report.classes), default=1)
    return (
        environment()
        .get_template("data.html")
        .render(
            report=report,
            labels=labels,
            most=most or 1,
            has_gold=any(row.gold or row.rejected for row in report.classes),
            cues=report.cues[:_MOST_CUES],
            most_cited=max((row.samples for row in report.cues), default=1),
            leaks=_leaks(report),
            telling=[leak for leak in report.leaks if leak.tells and leak.kind == "form"],
            most_words=max((number for _, _, number in report.words.bins), default=1) or 1,
            thin=[row.label for row in report.classes if row.gold and _is_thin(row.gold, row.kept_clips, row.clips)],
            least=_LEAST_CLASS,
            faces=_LEAST_FACES,
            examples=[view(sample) for sample in report.examples],
            overlapping=sum(row.count for row in report.overlaps),
        )
    )


def _leaks(report: DataReport) -> list[LeakRow]:
    """Clues of form first, which should tell nothing; then those that tell most."""
    form = [leak for leak in report.leaks if leak.kind == "form"]
    return [*form, *[leak for leak in report.leaks if leak.kind != "form"][:_MOST_LEAKS]]


def _is_thin(samples: int, kept: int, clips: int) -> bool:
    return samples < _LEAST_CLASS or kept < _LEAST_FACES * clips


def view(sample: Sample) -> SampleView:
    """A Sample as it is shown: turns with their media, replies with their claims marked."""
    claims = list(sample.claims)
    turns = []
    media = iter(sample.media)
    for message in sample.messages:
        text = text_of(message)
        if message.role == "assistant":
            turns.append(Turn("assistant", text, pieces=_pieces(text, claims)))
            continue
        shown = [next(media) for part in message.content if part.type != "text"]
        lines, rest = parted(text)
        cues = text[: len(text) - len(rest)].strip() if lines and text.endswith(rest) else ""
        told = [f"{item.type} {item.path.name}" + (f" at {item.start:.1f} s" if item.start else "") for item in shown]
        turns.append(Turn(message.role, rest if cues or not lines else text, cues, tuple(told)))
    views = [ClaimView(claim, tuple(dict.fromkeys(map(cue_name, claim.cues)))) for claim in sample.claims]
    return SampleView(sample, tuple(turns), tuple(views))


def _pieces(text: str, claims: Sequence[Claim]) -> tuple[Piece, ...]:
    """A reply cut where claims begin and end; of claims that overlap the first is marked."""
    pieces, at = [], 0
    for claim in claims:
        start = text.find(claim.text, at)
        if start < 0 or not claim.text:
            continue
        if start > at:
            pieces.append(Piece(text[at:start]))
        at = start + len(claim.text)
        pieces.append(Piece(claim.text, claim))
    if at < len(text):
        pieces.append(Piece(text[at:]))
    return tuple(pieces)
