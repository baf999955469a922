"""What goes to a language model and what comes back: emotion words hidden and put back, sentences held against the evidence."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from emollm.emotions import LabelSet
from emollm.evidence import check_text
from emollm.evidence.lexicon import sentences
from emollm.generate import neutral
from emollm.types import Observation, Part, Verdict

HIDDEN = "EMOTION_"
"""Before the number that stands for a hidden word."""

_HIDDEN = re.compile(rf"(?<!\w){HIDDEN[:-1]}[ _-]?(?P<number>\d+)(?!\w)", re.IGNORECASE)
_ENDINGS = "(?:s|es|d|ed|ly|ness|ful|fully)?"
_BEGINS = re.compile(r"(?:^|[.!?:]\s+|\n\s*|[*_]+\s*)$")
_THOUGHT = re.compile(r"^\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
_FENCE = re.compile(r"^\s*```\w*\s*$", re.MULTILINE)
_LINE = re.compile(r"^[ \t]*(?:\|[ \t]?)*(?:(?:[-*•]|\d{1,2}[.)])[ \t]+)?", re.MULTILINE)
_LEAD = re.compile(r"\A[^\n]{0,120}:\s*\n+(?=\S)")
_CODE = re.compile(r"\b(?:AUs?|action units?)\s?-?\d+(?:\s?[+/]\s?\d+\b(?!\.\d))*", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])(?P<value>\d+(?:\.\d+)?)(?P<percent>\s?%)?")


def emotion_words(sets: Iterable[LabelSet], more: Iterable[str]) -> re.Pattern[str]:
    """A pattern for the emotion words of label sets, in any form of them, and some more words.

    The catch-all ``other`` of a set is an everyday word and left out.
    """
    entries = (entry for one in sets for entry in one.entries if entry.canonical != "other")
    forms = {form.casefold() for entry in entries for form in (entry.label, *entry.synonyms)}
    forms |= {word.strip().casefold() for word in more if word.strip()}
    written = [re.escape(form) + _ENDINGS for form in sorted(forms, key=lambda form: (-len(form), form))]
    written += [f"{re.escape(form[:-1])}i(?:ly|ness|er|est|es)" for form in sorted(forms) if form.endswith("y")]
    return re.compile(rf"(?<!\w)(?:{'|'.join(written)}|{HIDDEN}\d+)(?!\w)", re.IGNORECASE)


class Mask:
    """Hides emotion words behind numbers, the same word behind the same number, and puts them back.

    Args:
        words: What is hidden; None hides nothing.
    """

    def __init__(self, words: re.Pattern[str] | None) -> None:
        self._words = words
        self._known: dict[str, int] = {}

    def hide(self, text: str) -> str:
        """The text with a number for each emotion word."""
        return text if self._words is None else self._words.sub(self._number, text)

    def _number(self, match: re.Match[str]) -> str:
        word = match.group()
        word = (
            word[0].lower() + word[1:] if word[1:].islower() and _BEGINS.search(match.string[: match.start()]) else word
        )
        return f"{HIDDEN}{self._known.setdefault(word, len(self._known) + 1)}"

    def show(self, text: str) -> str | None:
        """The text with the words again; None where it has a number that stands for nothing."""
        if self._words is None:
            return text
        words = {number: word for word, number in self._known.items()}
        if any(int(match["number"]) not in words for match in _HIDDEN.finditer(text)):
            return None
        return _HIDDEN.sub(lambda match: _cased(words[int(match["number"])], match), text)


def _cased(word: str, match: re.Match[str]) -> str:
    return word[0].upper() + word[1:] if _BEGINS.search(match.string[: match.start()]) else word


def barred(text: str) -> str:
    """Material as lines that begin with a bar, control tokens broken up: nothing in it can end it."""
    return "\n".join(f"| {line}" for line in neutral(text).splitlines() if line.strip())


def tidy(text: str) -> str:
    """A reply without thoughts aloud, code fences, bars, list signs, an introduction, hidden characters and control tokens."""
    text = _FENCE.sub("", _THOUGHT.sub("", text.replace("\r\n", "\n")))
    text = "".join(
        sign for sign in text if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co")
    )
    text = neutral(_LINE.sub("", text)).strip()
    if (lead := _LEAD.match(text)) is not None and not lead.group().lstrip().startswith(("**", "#")):
        text = text[lead.end() :]
    return text.strip()


class Given(NamedTuple):
    """What a reply may say, beside what was measured."""

    observation: Observation
    track: str | None
    numbers: frozenset[float]
    """Those of the material."""
    words: re.Pattern[str]
    """All emotion words."""
    allowed: frozenset[str]
    """Emotion words of the material, in lower case."""
    undecided: frozenset[str]
    """Reasons of the draft's own claims that cannot be decided."""

    @classmethod
    def of(
        cls,
        material: Iterable[str],
        draft: Mapping[Part, str],
        observation: Observation,
        track: str | None,
        words: re.Pattern[str],
    ) -> "Given":
        """What a request with that material, about that draft, allows."""
        texts = [*material]
        claims = [claim for part, text in draft.items() for claim in check_text(text, part, observation, track)]
        return cls(
            observation,
            track,
            frozenset(number for text in texts for number in _numbers(text)),
            words,
            frozenset(match.group().casefold() for text in texts for match in words.finditer(text)),
            frozenset(claim.reason for claim in claims if claim.verdict is Verdict.UNVERIFIABLE),
        )


def faults(text: str, part: Part, given: Given) -> dict[str, str]:
    """Sentences of a reply that cannot stay, each with the reason, kind of fault first.

    A sentence stays if no claim of it is contradicted, none is beyond what can be decided (unless the draft has the like), and it
    has no number and no emotion word that was not given.
    """
    parts = [text[start:end] for start, end in sentences(text)]
    found: dict[str, str] = {}
    for claim in check_text(text, part, given.observation, given.track):
        kind = {Verdict.CONTRADICTED: "contradicted", Verdict.UNVERIFIABLE: "unsupported"}.get(claim.verdict)
        if kind is None or (kind == "unsupported" and claim.reason in given.undecided):
            continue
        for sentence in [one for one in parts if claim.text in one] or parts:
            found.setdefault(sentence, f"{kind}: {claim.reason}")
    for sentence in parts:
        if strange := sorted({*_numbers(sentence)} - given.numbers):
            found.setdefault(sentence, f"number: {strange[0]:g} was not given")
        words = {match.group().casefold() for match in given.words.finditer(sentence)}
        if words := words - given.allowed:
            found.setdefault(sentence, f"emotion: {sorted(words)[0]!r} was not given")
    return found


def without(text: str, dropped: Iterable[str]) -> str:
    """The text without some of its sentences, lines kept."""
    gone = {*dropped}
    lines = []
    for line in text.split("\n"):
        kept = [line[start:end] for start, end in sentences(line) if line[start:end] not in gone]
        if kept:
            lines.append(" ".join(kept))
    return "\n".join(lines)


def _numbers(text: str) -> Iterable[float]:
    """Numbers of a text but for codes of units; a share in percent as a part of one."""
    for match in _NUMBER.finditer(_CODE.sub(" ", text)):
        yield round(float(match["value"]) / (100.0 if match["percent"] else 1.0), 6)
