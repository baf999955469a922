"""From what a generator answers to what is recorded: a label of the set, several, free words, a text, numbers; or the text alone, unread.

What cannot be read stays a text, and the scorer counts it as unparsed: nothing becomes a default.
"""

import re
from typing import Any

from emollm.denials import declines
from emollm.emotions import LabelSet
from emollm.eval.generators.base import Reply
from emollm.eval.predictions import Unread, listed
from emollm.eval.scoring_words import meanings
from emollm.eval.tasks import Asks
from emollm.replies import DECLINED, answer_in, read_reply

READING = "reading 1"
"""Of this reading; raised whenever what is read of a reply could change, so that recorded answers are asked for again."""

_NUMBER = r"(?<![\w.,])[+−-]?(?>\d+(?:[.,]\d+)?|\.\d+)(?>e[+−-]?\d+)?"
_RANGE = re.compile(
    rf"[(\[][^()\[\]]*?{_NUMBER}\s*(?:to|and|,|;|–|…|\.\.+)\s*{_NUMBER}[^()\[\]]*[)\]]"
    rf"|\b(?:from|between|scale of|scale from|range of)\s+{_NUMBER}\s*(?:to|and|–|…)\s*{_NUMBER}",
    re.IGNORECASE,
)
"""The scale of a rating: "(-1 to 1)", "from −1 to 1"."""
_RATING = r"\b{name}\b(?P<between>[^\d.\n]{{0,40}}?)(?P<value>{number})(?!\w|[.,]?\d|\s*(?:[/%]|(?:to|–|…|\.\.+)\s*[+−-]?\.?\d))"
_NAMES = ("valence", "arousal")
_NO_RATING = re.compile(rf"\b(?:{'|'.join(_NAMES)}|not)\b|[-−]\s*$", re.IGNORECASE)
"""Between a name and a number: the number is of the other one, or a dash may be its sign."""
_BOTH = re.compile(rf"\b(?:{'|'.join(_NAMES)})\W+(?:and\W+)?$", re.IGNORECASE)
"""Before a name: numbers behind are of both, and their order is not said."""
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
    none: dict[str, Any] = {"labels" if several else "label": None}
    if reply.abstained:
        return none
    if asks != "description" and reply.labels is not None:
        return {"labels": list(reply.labels)} if several else {"label": reply.labels[0]}
    said = answer_in(reply.text)
    if said is None:
        return {"text": reply.text}  # which no scorer reads: it never stopped thinking
    if declines(said):
        return none
    if asks == "description":
        return {"text": said or ", ".join(reply.labels or ())}
    if asks == "numbers":
        return numbers_in(said) or {"text": reply.text}
    if labels is None:
        words = words_in(said)
        return {"labels": words} if words else {"text": reply.text}
    found = read_reply(said, labels, several)
    if found.why == DECLINED:
        return none
    if not found.labels:
        return {"text": reply.text}
    return {"labels": list(found.labels)} if several else {"label": found.labels[0]}


def words_in(text: str) -> list[str] | None:
    """The free words of a reply that is a list, with brackets or of short entries with commas; None of running text.

    "angry and tired" is two words where one of them is known to a label set.
    """
    line = text.strip()
    if "\n" in line or (not line.startswith("[") and (line.count(".") > line.endswith(".") or ":" in line)):
        return None
    try:
        words = [word.strip().lower() for word in listed(line.rstrip("."))]
    except Unread:
        return None
    words = [word for word in dict.fromkeys(one for entry in words for one in _apart(entry)) if word]
    return words if words and all(len(word.split()) <= _LONGEST_WORD for word in words) else None


def _apart(entry: str) -> list[str]:
    """An entry of a list, or the words that "and" or "&" joins in it."""
    words = re.split(r"\s+(?:and|&)\s+", entry.removeprefix("and "))
    return words if any(word in meanings() for word in words) else [entry]


def numbers_in(text: str) -> dict[str, float]:
    """Valence and arousal, each where it is named with one number behind it; the ends of the scale are none."""
    text = _RANGE.sub("", text)
    found = {}
    for name in _NAMES:
        pattern = re.compile(_RATING.format(name=name, number=_NUMBER), re.IGNORECASE)
        values = {
            float(match["value"].replace("−", "-").replace(",", "."))
            for match in pattern.finditer(text)
            if not _NO_RATING.search(match["between"]) and not _BOTH.search(text[: match.start()])
        }
        if len(values) == 1:
            found[name] = values.pop()
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
