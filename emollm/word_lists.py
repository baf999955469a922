"""A list of words in one cell, as Python prints lists; read with care, because people and models wrote it by hand.

``"['annoyed', 'let down']"``, double quotes, mixed quotes, apostrophes inside of words, no quotes, no brackets, full-width commas.
Nothing is ever evaluated.
"""

import re

_SPLIT = re.compile(r"[,，、;；]")
_QUOTES = "'\"‘’“”`"


def split_list(text: str) -> list[str]:
    """The words of a list, stripped, each once and in order; empty for an empty list.

    A word in quotes ends at the quote that a comma or the end of the list follows, so ``'don't care'`` is one word and a comma inside
    of quotes does not split.
    """
    body = text.strip().removeprefix("[").removesuffix("]").strip()
    found: list[str] = []
    while body:
        word, body = _next(body)
        if word:
            found.append(word)
    return list(dict.fromkeys(found))


def _next(text: str) -> tuple[str, str]:
    """The first word and what follows its comma."""
    text = text.lstrip()
    if text[:1] in _QUOTES and text:
        closing = {"‘": "’", "“": "”"}.get(text[0], text[0])
        end = re.search(rf"{re.escape(closing)}\s*(?=[,，、;；]|$)", text[1:])
        if end is not None:
            rest = text[1 + end.end() :]
            return text[1 : 1 + end.start()].replace(f"\\{closing}", closing).strip(), rest[1:]
    parts = _SPLIT.split(text, maxsplit=1)
    return parts[0].strip().strip(_QUOTES).strip(), parts[1] if len(parts) == 2 else ""


def join_list(words: list[str]) -> str:
    """The list as Python prints it; :func:`split_list` reads it back."""
    return repr(words)
