"""Arguments of the command line as these tests give them."""

from collections.abc import Sequence
from pathlib import Path


def by_cues(arguments: Sequence[str | Path]) -> list[str]:
    """The arguments, with the deterministic reasoner where nobody else is told to answer: these tests are about the command, not the model."""
    given = [str(argument) for argument in arguments]
    return [*given, "--reasoner", "cues"] if given[:1] == ["explain"] and "--reasoner" not in given else given
