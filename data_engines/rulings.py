"""What people said of a clip beside what its cues say: the two accept or reject each other, neither is shown to the other."""

from enum import StrEnum
from random import Random
from typing import Literal, NamedTuple

from emollm.config import Settings
from emollm.data_engines.base import Gold, Item, Rejected
from emollm.emotions import LabelSet, label_set
from emollm.errors import ConfigError
from emollm.types import Observation, Track


class Outcome(StrEnum):
    """How cues and people compare."""

    AGREES = "agrees"
    """Both say the same."""
    ALONE = "alone"
    """Only the cues say something; nobody else was asked."""
    SILENT = "silent"
    """Neither does."""
    UNSUPPORTED = "unsupported"
    """People name a label for which the cues do not speak, nor for another one: they are unclear, or the face is still."""
    DIFFERS = "differs"
    """The cues speak for another label."""


class Ruling(NamedTuple):
    """How cues and people compare, and what the people said in the words of the set."""

    outcome: Outcome
    gold: str | None = None

    @property
    def shown(self) -> bool:
        """Whether a Sample says that the cues do not show what people named."""
        return self.outcome in (Outcome.UNSUPPORTED, Outcome.DIFFERS)


class UnsupportedOption(Settings):
    """What becomes of a clip with a label that its cues do not bear out; where they speak for another label it is rejected."""

    unsupported: Literal["write", "reject"] = "write"
    """What becomes of a clip whose label the cues do not show, nor another one: a Sample that says so, or none."""

    def rejects(self, outcome: Outcome) -> bool:
        """Whether nothing is written about a clip."""
        return outcome is Outcome.DIFFERS or (outcome is Outcome.UNSUPPORTED and self.unsupported == "reject")


class RulingOptions(UnsupportedOption):
    """The same where a Sample can also say that the cues speak for another label."""

    differing: Literal["write", "reject"] = "reject"
    """The same where the cues speak for another label."""

    def rejects(self, outcome: Outcome) -> bool:
        """Whether nothing is written about a clip."""
        return self.differing == "reject" if outcome is Outcome.DIFFERS else super().rejects(outcome)


def refused(
    item: Item, ruling: Ruling, found: str | None, options: UnsupportedOption, cues: str = "cues"
) -> Rejected | None:
    """The reject of an item that is not to be written about; None for one that is.

    Args:
        item: The item.
        ruling: How its cues and people compare.
        found: What the cues speak for.
        options: What becomes of it.
        cues: What the cues are called in the reason.
    """
    if not options.rejects(ruling.outcome):
        return None
    differs = ruling.outcome is Outcome.DIFFERS
    why = f"speak for {found}, the label is {ruling.gold}" if differs else f"do not show {ruling.gold}"
    return Rejected(item.clip.id, "write", f"gold: the {cues} {why}")


def rule(found: str | None, gold: Gold | None, labels: LabelSet) -> Ruling:
    """Holds what the cues say against what people say.

    Args:
        found: The label that the cues speak for; None if for none clearly.
        gold: What people say.
        labels: The set of the first.

    Raises:
        ConfigError: The gold label is not a word of its set.
    """
    said = told(gold, labels)
    if not said:
        return Ruling(Outcome.SILENT if found is None else Outcome.ALONE)
    if found is None:
        return Ruling(Outcome.UNSUPPORTED, said[0])
    if found in said:
        return Ruling(Outcome.AGREES, found)
    still = labels.canonical(found) == "neutral"
    return Ruling(Outcome.UNSUPPORTED if still else Outcome.DIFFERS, said[0])


def told(gold: Gold | None, labels: LabelSet) -> list[str]:
    """The gold labels in the words of a set, main one first; those without a place there are left out.

    Raises:
        ConfigError: A gold label is not a word of its own set.
    """
    if gold is None:
        return []
    if gold.label_set is None or gold.label_set == labels.id:
        return list(dict.fromkeys(word for label in gold.labels if (word := labels.find(label)) is not None))
    own = label_set(gold.label_set)
    places = own.map_to(labels)
    out = []
    for label in gold.labels:
        word = own.find(label)
        if word is None:
            raise ConfigError(f"gold label {label!r} is no label of {own.id}; it has: {', '.join(own.labels)}")
        out.append(places[word])
    return list(dict.fromkeys(word for word in out if word is not None))


def count(share: float, random: Random) -> int:
    """How many conversations a share gives one item: the whole ones, and one more as often as the rest says."""
    whole = int(share)
    return whole + (random.random() < share - whole)


def main_person(observation: Observation) -> Track | None:
    """The most prominent person; None where nobody is seen."""
    return next(iter(observation.people), None)
