"""Emotion words in running text: by exact words of the tables, so that the same text gives the same words everywhere."""

import re

from emollm.denials import affirmed, denied
from emollm.emotions import label_set, label_sets
from emollm.metrics.wheels import Vocabulary

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*|[.,;:!?…—]")
"""A word, or a mark that no entry goes across."""
_LONGEST = 4
"""Words of the longest entry."""
_NOUNS_AND_ADVERBS = ("ness", "ment", "tion", "sion", "ty", "ly")


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
        """The words of a text in order, each once, the longest at each place.

        Those that are denied ("not angry or sad") or said to be unknown ("I cannot tell whether she is angry") are left out; see
        :func:`emollm.denials.denied`.
        """
        text = affirmed(text)
        words = list(_WORD.finditer(text))
        tokens = [word.group().lower().replace("’", "'") for word in words]
        found: dict[str, None] = {}
        at = 0
        while at < len(tokens):
            longest = min(_LONGEST, len(tokens) - at)
            length = next((k for k in range(longest, 0, -1) if " ".join(tokens[at : at + k]) in self.words), 0)
            after = at + max(length, 1)
            if length and not denied(text, words[at].start(), words[after - 1].end()):
                found[" ".join(tokens[at:after])] = None
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
