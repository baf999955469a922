"""Foreign words in our sentences: they stand between quotation marks and can neither end them nor start a line."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from emollm.types import Cue, Word

MOST_QUOTED = 300
"""Characters that are quoted at most."""

_MARKS = dict.fromkeys(map(ord, '"“”„«»‟＂'), "'")


def quoted(text: str, most: int = MOST_QUOTED) -> str:
    """Foreign words on one line, without quotation marks of their own, cut to a length: they cannot end the quotation."""
    shown = "".join(" " if sign.isspace() else sign for sign in text if sign.isspace() or not _is_hidden(sign))
    line = " ".join(shown.split()).translate(_MARKS)
    return line if len(line) <= most else line[: most - 1] + "…"


def _is_hidden(sign: str) -> bool:
    """Control and format characters: invisible, or turning the direction of writing."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn")


class Excerpt(NamedTuple):
    """A piece of what was said."""

    text: str
    """To stand between quotation marks."""
    start: float
    end: float


def excerpt(cue: Cue, words: Sequence[Word], most: int, around: float | None = None) -> Excerpt | None:
    """A few words of a cue that carries text.

    Args:
        cue: What was said from its ``start`` to its ``end``.
        words: All words of the clip with their times; those within the cue's time are its own.
        most: How many words at most.
        around: A time in seconds: a long text is cut so that these words stand in the middle; else it is cut at the end.

    Returns:
        The words and their time: that of the cue, or of the words where the text was cut and the words have times. None
        where nothing readable is left.
    """
    text = quoted(cue.text or "", 2 * MOST_QUOTED)
    pieces = text.split()
    if not any(sign.isalnum() for sign in text):
        return None
    if len(pieces) <= most:
        return Excerpt(quoted(text).rstrip(".,;: "), cue.start, cue.end)
    own = [word for word in words if cue.start - 0.05 <= (word.start + word.end) / 2 <= cue.end + 0.05]
    if around is None or not own:
        shown = quoted(" ".join(pieces[:most]), MOST_QUOTED - 2).removesuffix("…") + " …"
        return Excerpt(shown, cue.start, own[:most][-1].end if len(own) > most else cue.end)
    middle = min(range(len(own)), key=lambda index: abs((own[index].start + own[index].end) / 2 - around))
    first = max(0, min(middle - most // 2, len(own) - most))
    part = own[first : first + most]
    shown = quoted(" ".join(word.text for word in part), MOST_QUOTED - 4).removesuffix("…")
    before, after = "… " if first else "", " …" if first + most < len(own) else ""
    return Excerpt(before + shown.strip() + after, part[0].start, part[-1].end)
