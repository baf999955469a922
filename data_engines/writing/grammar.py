"""Wordings of ``prompts/writer``: lines with ``{a|b}`` alternatives, expanded once.

Slots stand in angle brackets: ``<label>``. One block's wordings are the expansions of all its lines.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from emollm.prompts import PromptError, prompt

_CHOICE = re.compile(r"\{([^{}]*)\}")
MOST = 4000
"""Wordings of one block that are kept; of more, evenly many of each line."""


@cache
def wordings(id: str, block: str) -> tuple[str, ...]:
    """All wordings of a block, each once, in the order of the file.

    Raises:
        PromptError: No such prompt or block.
    """
    lines = prompt(id).render(block).splitlines()
    room = max(1, MOST // len(lines))
    found = (text for line in lines for text in _spread(line.strip(), room))
    return tuple(dict.fromkeys(found))


def has(id: str, block: str) -> bool:
    """Whether a prompt has a block."""
    return block in prompt(id).blocks


def refs() -> tuple[str, ...]:
    """``id@version`` of the prompts that word a rationale."""
    return tuple(prompt(f"writer/{name}").ref for name in ("units", "sentences", "conclusions", "replies"))


def draw(items: Sequence[str], random: Random) -> str:
    """One of some wordings."""
    return items[int(random.random() * len(items))]


def fill(text: str, **values: str) -> str:
    """A wording with its slots filled.

    Raises:
        PromptError: A slot is left open.
    """
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    if "<" in text and (left := re.search(r"<(\w+)>", text)) is not None and left[1] not in values:
        raise PromptError(f"wording {text!r}: nothing is given for <{left[1]}>")
    return text


def upper(text: str) -> str:
    """A clause to begin a sentence."""
    return text[:1].upper() + text[1:]


def _spread(line: str, most: int) -> Iterator[str]:
    """The expansions of a line, or of too many evenly chosen ones."""
    pieces = _CHOICE.split(line)
    choices = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    total = 1
    for choice in choices:
        total *= len(choice)
    step = max(1, -(-total // most))
    while step > 1 and any(len(choice) % step == 0 or step % len(choice) == 0 for choice in choices if len(choice) > 1):
        step += 1  # a step that shares no factor visits each alternative of each place
    for choice in itertools.islice(itertools.product(*choices), 0, None, step):
        text = " ".join("".join(choice).split())
        yield text.replace(" :", ":").replace(" ,", ",").replace(" ;", ";").replace(" ?", "?")
