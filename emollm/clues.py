"""What a model is given in a Sample before it answers, taken apart into single clues: to ask which of them gives the label away.

A clue has a kind, a name and one of few values: ``unit AU12 = moving, strong``, ``form media = image``. Clues of measured things
(``unit``, ``expression``, ``angle``, ``voice``, ``words``) may well tell of the label, that is what they are for; clues of form (``form``:
how the question is put, how long it is, which media there are) should tell nothing. Which cues are given at all, and how long the text
is with them (``given``), lies between.
"""

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from emollm.facs import strength
from emollm.perception.voice.wording import describe
from emollm.prompts import prompt
from emollm.samples import Sample
from emollm.types import Message

_PROMPT = "model/cues"
_UNIT = re.compile(r"\b(AU\d{2})\b[^,;]*?(\d?\.\d+|\d)(?=[\s,;.(]|$)")
_CODE = re.compile(r"\bAU\d{2}\b")
_NAMED = re.compile(r"([a-z][a-z0-9_]*) ([+-]?\d+(?:\.\d+)?)", re.IGNORECASE)
_POLARITY = re.compile(r'" \(polarity (-?\d\.\d+), \w+\)')
_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”')
_LIST = re.compile(r"\b[\w-]+(?:, (?:or |and )?[\w-]+){3,}")
"""Labels to choose from."""
_STEP = 15.0
"""Degrees of one value of an angle."""


class Clue(NamedTuple):
    """One thing that is given, with its value."""

    kind: str
    """``unit``, ``expression``, ``angle``, ``voice``, ``words``, ``given`` or ``form``."""
    name: str
    value: str

    @property
    def key(self) -> str:
        """Kind and name: ``unit AU12``."""
        return f"{self.kind} {self.name}"


def first_user_text(sample: Sample) -> str:
    """What is given before the first reply, media left out."""
    texts = []
    for message in sample.messages:
        if message.role == "assistant":
            break
        texts.append(text_of(message))
    return "\n".join(texts)


def text_of(message: Message) -> str:
    """The text of one turn."""
    return "".join(part.text for part in message.content if part.type == "text")


def parted(text: str) -> tuple[dict[str, str], str]:
    """The lines of measured cues (prompt ``model/cues``) by block, and the rest of a text."""
    lines, rest = {}, []
    for line in text.splitlines():
        for block, before in _beginnings():
            if line.startswith(before):
                lines[block] = line[len(before) :].rstrip(".")
                break
        else:
            rest.append(line)
    return lines, "\n".join(rest).strip()


@cache
def _beginnings() -> tuple[tuple[str, str], ...]:
    """What a line of each block begins with."""
    found = prompt(_PROMPT)
    return tuple(
        (block, found.render(block, items="\0").partition("\0")[0]) for block in found.blocks if block != "nothing"
    )


def clues(sample: Sample) -> Iterator[Clue]:
    """The clues of one Sample, each name once; what is not given has no clue."""
    text = first_user_text(sample)
    lines, asked = parted(text)
    yield from _measured(lines)
    for polarity in _POLARITY.findall(lines.get("said", ""))[:1]:
        yield Clue("words", "polarity", _signed(float(polarity), 0.05))
    for block in lines:
        yield Clue("given", block, "yes")
    yield Clue("given", "length", _length(text))
    yield from _form(sample, asked)


def _measured(lines: dict[str, str]) -> Iterator[Clue]:
    units: dict[str, str] = {}
    for code, value in _UNIT.findall(lines.get("moving", "")):
        units.setdefault(code, f"moving, {strength(min(float(value), 1.0))}")
    for block, value in (("likely", "likely"), ("still", "still"), ("unsure", "uncertain")):
        for code in _CODE.findall(lines.get(block, "")):
            units.setdefault(code, value)
    for code, value in units.items():
        yield Clue("unit", code, value)
    first = _NAMED.search(lines.get("expression", ""))
    if first is not None:
        yield Clue("expression", "likeliest", first[1].lower())
    for name, value in dict(_NAMED.findall(lines.get("angles", ""))).items():
        yield Clue("angle", name, _signed(float(value), _STEP))
    for name, value in dict(reversed(_NAMED.findall(lines.get("voice", "")))).items():
        yield Clue("voice", name, describe(name, float(value)) or "ordinary")


def _form(sample: Sample, asked: str) -> Iterator[Clue]:
    kinds = [item.type for item in sample.media]
    yield Clue("form", "media", ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))) or "none")
    yield Clue("form", "length", _length(asked))
    yield Clue("form", "question", " ".join(_LIST.sub("…", _QUOTED.sub('"…"', asked)).split())[:80])
    if sample.provenance.dataset is not None:
        yield Clue("form", "dataset", sample.provenance.dataset)


def _length(text: str) -> str:
    return f"up to {2 ** math.ceil(math.log2(len(text.split()) + 1))} words"


def _signed(value: float, step: float) -> str:
    return "positive" if value >= step else "negative" if value <= -step else "near zero"
