"""Standard output and error that can always be written to: closed ones, and encodings that lack our signs."""

import codecs
import json
import os
import re
import sys
from typing import TextIO

_PLAIN = {
    "✓": "+",
    "✗": "x",
    "█": "#",
    "·": ".",
    "×": "x",
    "°": " deg",
    "…": "...",
    "–": "-",
    "—": "-",
    "’": "'",
    "−": "-",
    "“": '"',
    "”": '"',
}
"""What stands for a sign that the encoding lacks; for any other it is a question mark."""


def prepare() -> None:
    """Makes writing to standard output and error safe.

    A closed stream (``>&-``) is replaced by the null device, so that no file opened later takes its number and gets our
    output. In an encoding without our signs plain ones are written; a file name that is not text is written as its bytes.
    """
    codecs.register_error("emollm", _plain)
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (open for the whole run)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # not where a test or a notebook has put its own stream
        reconfigure(errors="emollm")


def json_for(text: str, stream: TextIO) -> str:
    """JSON text, with escapes for what is not ASCII unless the stream is UTF-8: no sign may be replaced in it."""
    if text.isascii() or (stream.encoding or "").lower().replace("-", "") == "utf8":
        return text
    return re.sub(r"[^\x00-\x7f]", lambda match: json.dumps(match[0])[1:-1], text)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    piece = error.object[error.start : error.end]
    if all("\udc80" <= char <= "\udcff" for char in piece):
        return piece.encode("ascii", "surrogateescape"), error.end
    return "".join(_PLAIN.get(char, "?") for char in piece), error.end
