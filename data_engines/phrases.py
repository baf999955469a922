"""Wordings with many forms: a line of a prompt's block, and within it one of the alternatives of each ``<a|b|c>``.

What stands in the values is data: signs that would be read as alternatives are put aside before and put back afterwards.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import Any

from emollm.prompts import prompt

_CHOICE = re.compile(r"<([^<>|]*(?:\|[^<>|]*)+)>")
_SPACED = re.compile(r" ([,.;:])(?=\s|$)")
_ASIDE = str.maketrans("<|>\n", "\ue0f0\ue0f1\ue0f2 ")
_BACK = str.maketrans("\ue0f0\ue0f1\ue0f2", "<|>")


class Phrases:
    """The blocks of one prompt file; no wording of a block comes twice in a row.

    Args:
        id: The prompt.
        random: Chooses.
    """

    def __init__(self, id: str, random: Random) -> None:
        self.prompt = prompt(id)
        self.random = random
        self._told: dict[str, int] = {}

    def say(self, block: str, /, **values: Any) -> str:
        """One wording of a block. Texts, and lists of texts, among the values are data: they are inserted as they are."""
        safe = {name: _aside(value) for name, value in values.items()}
        lines = self.prompt.render(block, **safe).split("\n")
        told = self._told.get(block)
        choices = [index for index in range(len(lines)) if index != told or len(lines) == 1]
        self._told[block] = chosen = self.random.choice(choices)
        text = lines[chosen].strip()
        while match := _CHOICE.search(text):
            text = text[: match.start()] + self.random.choice(match[1].split("|")) + text[match.end() :]
        return _SPACED.sub(r"\1", " ".join(text.split())).translate(_BACK)

    def told(self, block: str, /) -> str:
        """A block as it is, in one line."""
        return " ".join(self.prompt.render(block).split())


def _aside(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_ASIDE)
    if isinstance(value, Sequence):
        return [_aside(one) for one in value]
    return value


def opened(sentence: str) -> str:
    """A sentence with a capital letter in front."""
    return sentence[:1].upper() + sentence[1:]
