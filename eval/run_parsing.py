"""From what a generator answers to what is recorded: a label of the set, several, free words, a text, numbers; or the text alone, unread.

What cannot be read stays a text, and the scorer counts it as unparsed: nothing becomes a default.
"""

import re
from typing import Any

from emollm.emotions import LabelSet
from emollm.eval.generators.base import Reply
from emollm.eval.predictions import Unread, listed
from emollm.eval.tasks import Asks
from emollm.replies import label_in, named_in

_RATING = r"\b{name}\b\D{{0,20}}?(?P<value>[+−-]?\d+(?:[.,]\d+)?)"
_LONGEST_WORD = 3
"""Words of an entry of a list that is written without brackets."""


def recorded(reply: Reply, asks: Asks, labels: LabelSet | None) -> dict[str, Any]:
    """The fields of a row: ``label`` or ``labels`` (null: it declines), ``text``, ``valence`` and ``arousal``.

    Args:
        reply: Without a fault.
        asks: What is wanted.
        labels: The closed set; None for open vocabulary.
    """
    several = asks == "labels"
    if reply.abstained:
        return {"labels" if several else "label": None}
    if asks == "numbers":
        return numbers_in(reply.text) or {"text": reply.text}
    if asks == "description":
        return {"text": reply.text or ", ".join(reply.labels or ())}
    if reply.labels is not None:
        return {"labels": list(reply.labels)} if several else {"label": reply.labels[0]}
    found: list[str] | None
    if several:
        found = labels_in(reply.text, labels) if labels is not None else words_in(reply.text)
        return {"labels": found} if found else {"text": reply.text}
    assert labels is not None  # a task that asks for a label has a set
    label = label_in(reply.text, labels)
    return {"label": label} if label is not None else {"text": reply.text}


def labels_in(text: str, labels: LabelSet) -> list[str]:
    """All labels that a reply names, each once, in the order in which they stand."""
    found: dict[str, None] = {}
    while (named := named_in(text, labels)) is not None:
        found[named.label] = None
        text = text[named.start + len(named.written) :]
    return list(found)


def words_in(text: str) -> list[str] | None:
    """The free words of a reply that is a list, with brackets or of short entries with commas; None of running text."""
    line = text.strip()
    if "\n" in line or (not line.startswith("[") and (line.count(".") > line.endswith(".") or ":" in line)):
        return None
    try:
        words = [word.strip().lower() for word in listed(line.rstrip("."))]
    except Unread:
        return None
    words = [word for word in dict.fromkeys(words) if word]
    return words if words and all(len(word.split()) <= _LONGEST_WORD for word in words) else None


def numbers_in(text: str) -> dict[str, float]:
    """Valence and arousal, each where it is named with a number behind it."""
    found = {}
    for name in ("valence", "arousal"):
        match = re.search(_RATING.format(name=name), text, re.IGNORECASE)
        if match is not None:
            found[name] = float(match["value"].replace("−", "-").replace(",", "."))
    return found


def is_wrong(gold: tuple[str, ...], row: dict[str, Any]) -> bool:
    """Whether an answer gives labels and none of them is a label of the reference."""
    given = row.get("labels") or ([row["label"]] if row.get("label") else [])
    return bool(given) and bool(gold) and not {one.lower() for one in given} & {one.lower() for one in gold}


def confidence(reply: Reply, fields: dict[str, Any]) -> float | None:
    """How sure a generator is of what was recorded, 0 to 1; None where it does not say."""
    label = fields.get("label")
    if label is not None and reply.scores:
        return reply.scores.get(label)
    return reply.confidence
