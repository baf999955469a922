"""Opinions of visitors, kept in a file on this machine where they agree to it; never a picture, a sound or a name of a file."""

import json
import threading
from datetime import UTC, datetime
from os import environ
from pathlib import Path

from emollm import __version__
from emollm.errors import DataError
from emollm.types import Answer

_LOCK = threading.Lock()
_LONGEST = 2000
"""Characters of an opinion that are kept."""


def default_folder() -> Path:
    """Where opinions are kept if nothing else is said: the user's data folder."""
    base = environ.get("XDG_DATA_HOME", "").strip()
    return (Path(base) if base else Path("~/.local/share").expanduser()) / "emollm" / "feedback"


def keep(folder: Path, fits: bool | None, words: str, question: str, text: str, answer: Answer) -> Path:
    """Appends one opinion to ``feedback.jsonl``.

    Args:
        folder: Made if it is not there; only its owner may read what is in it.
        fits: Whether the answer fits; None if the visitor did not say.
        words: What the visitor wrote.
        question: What had been asked.
        text: What had been answered.
        answer: The answer it belongs to, for label, label set and model.

    Returns:
        The file.

    Raises:
        DataError: It cannot be written.
    """
    row = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "fits": fits,
        "words": words[:_LONGEST],
        "question": question,
        "answer": text,
        "label": answer.label,
        "label_set": answer.label_set,
        "model": answer.provenance.model,
        "emollm": __version__,
    }
    path = folder / "feedback.jsonl"
    try:
        with _LOCK:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                path.touch(mode=0o600)
            with path.open(
                "a", encoding="utf-8", errors="replace"
            ) as file:  # half a character from a browser is kept as "?"
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path
