"""A rationale as one text, under the three headings of ExpLLM (Lan et al. 2024, PROTOCOLS 5.4), and back."""

import re
from typing import NamedTuple

from emollm.types import Part, Rationale

HEADINGS: dict[Part, str] = {
    Part.OBSERVATIONS: "**Key Observations:**",
    Part.INTERPRETATION: "**Overall Emotional Interpretation:**",
    Part.CONCLUSION: "**Conclusion:**",
}
"""The line before each part."""

_HEADING = re.compile(
    r"^[ \t]*(?:#+[ \t]*)?(?:\d[.)][ \t]*)?(?:\*\*|__)?[ \t]*"
    r"(?P<name>key observations|overall emotional interpretation|conclusion)[ \t]*(?:\*\*|__)?[ \t]*:?[ \t]*(?:\*\*|__)?:?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_PARTS = {"key observations": Part.OBSERVATIONS, "overall emotional interpretation": Part.INTERPRETATION, "conclusion": Part.CONCLUSION}  # fmt: skip


class PartText(NamedTuple):
    """The words of one part and where they stand in the whole text."""

    part: Part
    text: str
    start: int


def join(rationale: Rationale) -> str:
    """One text: each part below its heading, in the order of :class:`~emollm.types.Part`; empty parts are left out."""
    parts = ((part, getattr(rationale, part.value).strip()) for part in Part)
    return "\n\n".join(f"{HEADINGS[part]}\n{text}" for part, text in parts if text)


def parts(text: str) -> tuple[PartText, ...]:
    """The parts of a text under its headings, in their order; empty where it has none.

    Headings are also read with ``#`` or a number before them, without the asterisks, or with the text on the same line.
    """
    found = _headings(text)
    out = []
    for index, heading in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        piece = text[heading.end() : end]
        start = heading.end() + len(piece) - len(piece.lstrip())
        out.append(PartText(_PARTS[heading["name"].lower()], piece.strip(), start))
    return tuple(out)


def split(text: str) -> Rationale | None:
    """The rationale that :func:`join` made one text of; None where the text has not each heading it needs exactly once.

    A part may be missing (it is empty then), but not the conclusion.
    """
    found, headings = parts(text), _headings(text)
    named = [one.part for one in found]
    if Part.CONCLUSION not in named or len(set(named)) < len(named) or text[: headings[0].start()].strip():
        return None
    words = {one.part: one.text for one in found}
    return Rationale(**{part.value: words.get(part, "") for part in Part})


def _headings(text: str) -> list[re.Match[str]]:
    """Headings, not words of a sentence that begins like one."""
    found = _HEADING.finditer(text)
    return [one for one in found if one.end() == len(text) or ":" in one.group() or text[one.end()] == "\n"]
