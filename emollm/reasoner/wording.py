"""Wordings chosen by a seed, and the small forms that all sentences of the reasoner share.

A block of a prompt holds one wording a line; which one is taken depends on the random numbers of one rationale, so that
one observation always reads the same and no two sentences of one kind in a row do.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from emollm.prompts import prompt


class Wording:
    """The blocks of one prompt file."""

    def __init__(self, id: str, random: Random) -> None:
        self.prompt = prompt(id)
        self.random = random
        self._told: dict[str, int] = {}

    def say(self, block: str, /, **values: Any) -> str:
        """One wording of a block; the next time another one."""
        lines = self.prompt.render(block, **values).split("\n")
        told = self._told.get(block)
        choices = [index for index in range(len(lines)) if index != told or len(lines) == 1]
        self._told[block] = self.random.choice(choices)
        return lines[self._told[block]]

    def any(self, block: str, /) -> str:
        """One wording of a block without variables, whatever was said before."""
        return self.random.choice(self.prompt.render(block).split("\n"))


def two(value: float | None) -> str:
    """A value with two decimals."""
    return f"{value or 0.0:.2f}"


def seconds(time: float) -> str:
    """A time with one decimal."""
    return f"{time:.1f}"


def length(start: float, end: float) -> str:
    """The length from one time to another as they are shown."""
    return seconds(float(seconds(end)) - float(seconds(start)))


def listed(items: Sequence[str]) -> str:
    """Items with commas and a last "and"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def lowered(clause: str) -> str:
    """A clause to stand behind other words of its sentence."""
    return clause[:1].lower() + clause[1:]
