"""Label words in what is given: a question that names the answer teaches nothing.

Looked at is all text before the first reply. A list of the labels to choose from is no leak, neither are the classes of a face net, which
are measured, nor words that people said: those stand in quotation marks, and the report counts what they predict.
"""

import re
from functools import lru_cache

from emollm.clues import first_user_text, parted
from emollm.data_engines.recipe import FilterSettings
from emollm.emotions import label_set
from emollm.errors import ConfigError
from emollm.samples import Sample
from emollm.types import Observation

_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”')
_ORDINARY = frozenset({"other", "others", "none", "yes", "no", "absent", "present", "positive", "negative", "unclear"})
"""Labels that are everyday words: a question may use them without telling anything."""


class LabelWords:
    """Rejects Samples whose question names their label, or a synonym of it, without naming the others too."""

    name = "label_words"

    def check(self, sample: Sample, observation: Observation) -> str | None:
        """``label word: 'happy' in the question …``."""
        answers = {label for label in (sample.label, *sample.gold) if label is not None}
        if not answers:
            return None
        _, asked = parted(first_user_text(sample))
        return _fault(_QUOTED.sub(" ", asked), sample.label_set, tuple(sorted(answers)))


@lru_cache(maxsize=1024)
def _fault(text: str, label_set: str | None, answers: tuple[str, ...]) -> str | None:
    """Which answer a question without quotations names; few questions are asked in a build."""
    pattern, owners = _words(label_set, answers)
    found = {owners[word.casefold()]: word for word in pattern.findall(text)}
    if 2 * len(found) >= max(3, len(set(owners.values()))):
        return None  # the list to choose from
    for label in answers:
        if label in found:
            return f"label word: {found[label]!r} in the question names {label}"
    return None


@lru_cache(maxsize=256)
def _words(name: str | None, answers: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern for the words of a set, and the label of each word in lower case."""
    owners = {answer.casefold(): answer for answer in answers}
    if name is not None:
        try:
            entries = label_set(name).entries
        except ConfigError:  # a set of somebody's own, known by name alone
            entries = ()
        owners |= {word.casefold(): entry.label for entry in entries for word in (entry.label, *entry.synonyms)}
    owners = {word: label for word, label in owners.items() if word not in _ORDINARY}
    longest = sorted(owners, key=len, reverse=True)
    words = "|".join(map(re.escape, longest)) or r"(?!)"
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE), owners


def build(settings: FilterSettings) -> LabelWords:
    """The filter; it is always on."""
    return LabelWords()
