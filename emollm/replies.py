"""The label that a free reply gives."""

import re

from emollm.emotions import LabelSet
from emollm.rationale_text import split

_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_LONGEST = 3
"""Words of the longest label."""


def label_in(reply: str, labels: LabelSet) -> str | None:
    """The first label that is named in the conclusion of a reply, or in all of it where it has no parts; None where none is.

    Args:
        reply: What a model wrote.
        labels: Words and synonyms that count.
    """
    rationale = split(reply)
    text = reply if rationale is None else rationale.conclusion
    words = [found.group() for found in _WORD.finditer(text)]
    for start in range(len(words)):
        for length in range(min(_LONGEST, len(words) - start), 0, -1):
            if label := labels.find(" ".join(words[start : start + length])):
                return label
    return None
