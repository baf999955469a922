"""Every error a user can cause or mend, in one tree.

A message says what was expected, what came, where, and what to do. The command line prints it as one line and exits 2.
"""

import difflib
import unicodedata
from collections.abc import Iterable


class EmollmError(Exception):
    """Base of all errors that emollm raises on purpose."""


class ConfigError(EmollmError):
    """A setting, a recipe, a task or a name that cannot be used."""


class DataError(EmollmError):
    """A record, a table or a data set that does not have the stated form."""


class MediaError(EmollmError):
    """An image, a recording or a clip that cannot be read."""


class AssetError(EmollmError):
    """A model or media asset that cannot be had, or is not what it should be."""


class ModelError(EmollmError):
    """A model that cannot be loaded, reached or run."""


class MissingDependency(EmollmError):
    """A package of an extra that is not installed."""


def one_line(text: str, most: int | None = 200) -> str:
    """The text with line breaks as spaces and other control characters (escape codes in file names) made visible.

    Args:
        text: A message, a file name, or what a library or a server said.
        most: Longest result in characters, which fits into an error message; None keeps all of it.
    """
    line = visible(" ".join(text.split()))
    return line if most is None or len(line) <= most else line[: most - 1] + "…"


def visible(text: str) -> str:
    """The text with line breaks and other control characters as escapes, so that a file name cannot steer a terminal."""
    return "".join(char.encode("unicode_escape").decode() if _steers(char) else char for char in text)


def _steers(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind.startswith("C") or kind in ("Zl", "Zp")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """One sentence for a name that is not in a table: the closest name and the known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown {kind} {name!r}{hint}; known: {', '.join(names) or 'none'}"
