"""Emotion words in running text: by exact words of the tables, so that the same text gives the same words everywhere."""

import re

from emollm.emotions import label_set, label_sets
from emollm.metrics.wheels import Vocabulary

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*|[.,;:!?…—]")
"""A word, or a mark at which a denial ends."""
_LONGEST = 4
"""Words of the longest entry."""
_NOUNS_AND_ADVERBS = ("ness", "ment", "tion", "sion", "ty", "ly")
_DENIES = frozenset(
    {"no", "not", "never", "without", "neither", "nor", "cannot", "isn't", "doesn't", "don't", "wasn't", "hardly"}
)
_REACH = 3
"""Words before an emotion word in which a denial counts."""
_TURNS = frozenset({"but", "yet", "just", "only", "rather", "instead", *".,;:!?…—"})
"""What ends a denial before."""


class Finder:
    """Finds the words of the wheels and of our label sets, with the nouns and adverbs of the former.

    Other forms are left out: in running text "tends", "opens" or "used" are no feelings, though the tables list them as forms of words that are.

    Args:
        vocabulary: Tables of the wheels.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        words = {word for wheel in vocabulary.wheels.values() for word in wheel.clusters[0]}
        forms = {
            form for form, own in vocabulary.forms.items() if form.endswith(_NOUNS_AND_ADVERBS) and words & set(own)
        }
        self.words = frozenset(word for word in words | forms | set(meanings()) if word)

    def find(self, text: str) -> tuple[str, ...]:
        """The words of a text in order, each once, the longest at each place; denied ones ("not angry") are left out."""
        tokens = [match.group().lower().replace("’", "'") for match in _WORD.finditer(text)]
        found: dict[str, None] = {}
        at, denial = 0, -_REACH - 1
        while at < len(tokens):
            if tokens[at] in _DENIES:
                denial = at
            elif tokens[at] in _TURNS:
                denial = -_REACH - 1
            length = next((k for k in range(_LONGEST, 0, -1) if " ".join(tokens[at : at + k]) in self.words), 0)
            after = at + max(length, 1)
            if length and at - denial > _REACH:
                found[" ".join(tokens[at:after])] = None
            elif length and tokens[after : after + 1] == ["or"]:  # "not angry or sad" denies both
                denial = after
            at = after
        return tuple(found)


def meanings() -> dict[str, str]:
    """For each word of our label sets the word that it is a form of: the canonical one where it means just that, else its label."""
    out: dict[str, str] = {}
    for entry in (entry for id in label_sets() for entry in label_set(id).entries if not entry.components):
        meant = entry.canonical if entry.canonical and not entry.lossy else entry.label
        for word in (entry.label, *entry.synonyms):
            if entry.canonical and not entry.lossy:
                out[word] = meant
            else:
                out.setdefault(word, meant)
    return out
