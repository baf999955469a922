"""Which class a word or a code in a data set stands for."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.emotions import LabelSet, label_set
from emollm.errors import DataError, unknown_name

NO_EMOTION = ("unknown", "nf")
"""Labels that say that no emotion, or no face, is seen (FER+: *unknown* and *NF*): votes for them count, but they are no class."""

UNLABELLED = -1


class Classes:
    """The classes of a label set, in its order.

    Args:
        labels: The set.
        ignore: Words or codes of a source that are left out.

    Raises:
        ConfigError: There is no such label set.
    """

    def __init__(self, labels: LabelSet | str, ignore: Sequence[str] = ()) -> None:
        self._set = labels if isinstance(labels, LabelSet) else label_set(labels)
        self.labels = tuple(label for label in self._set.labels if label not in NO_EMOTION)
        self.columns = (*self.labels, *(label for label in self._set.labels if label in NO_EMOTION))
        """The classes, then what else is voted for."""
        self._ignored = {_plain(word) for word in ignore}

    @property
    def digest(self) -> str:
        """What a data set's classes depend on: the set's id, and its labels and codes as they are now."""
        return f"{self._set.id}@{self._set.version} " + " ".join(
            f"{entry.label}={entry.code!r}" for entry in self._set.entries
        )

    def ignored(self, word: str) -> bool:
        """Whether a class of a source is to be left out."""
        return _plain(word) in self._ignored

    def column(self, word: str, where: str) -> int:
        """The place in ``columns`` of a label, a form of it, or a code.

        Raises:
            DataError: The set has no such class.
        """
        label = self._set.find(word) or self._by_code.get(word.strip())
        if label is None:
            known = ", ".join(f"{entry.label} ({entry.code})" for entry in self._set.entries)
            hint = unknown_name("class", word, self._words).split("; known:")[0]
            raise DataError(
                f"{where}: {hint}; {self._set.id} has: {known}; choose another label_set, or name it in source.ignore (data.ignore in a recipe)"
            )
        return self.columns.index(label)

    def label(self, word: str, where: str) -> int:
        """The class that a word or a code stands for; −1 for one that is no emotion. Raises DataError as ``column``."""
        column = self.column(word, where)
        return column if column < len(self.labels) else UNLABELLED

    def votes(self, names: Sequence[str], where: str) -> "Order":
        """How columns of votes with these names are put into the order of ``columns``.

        Columns named *unknown* or *NF* are no emotion, whether the label set has them or not.

        Raises:
            DataError: A name that the set does not have, or two that stand for the same class.
        """
        columns = list(self.columns)
        taken: dict[int, str] = {}
        places: list[int] = []
        for name in names:
            if self.ignored(name):
                places.append(-1)
                continue
            if _plain(name) in NO_EMOTION and _plain(name) not in columns:
                columns.append(_plain(name))
            place = columns.index(_plain(name)) if _plain(name) in columns else self.column(name, where)
            if place in taken:
                raise DataError(f"{where}: columns {taken[place]!r} and {name!r} both stand for {columns[place]}")
            taken[place] = name
            places.append(place)
        return Order(tuple(columns), tuple(places))

    @cached_property
    def _by_code(self) -> dict[str, str]:
        return {str(entry.code): entry.label for entry in self._set.entries}

    @property
    def _words(self) -> list[str]:
        return [word for entry in self._set.entries for word in (entry.label, *entry.synonyms)]


class Order(NamedTuple):
    """Where columns of votes go."""

    columns: tuple[str, ...]
    """What the sorted columns are called: the classes first."""
    places: tuple[int, ...]
    """For each column of the source its place; −1 for one that is left out."""

    def sorted(self, votes: NDArray[np.integer]) -> NDArray[np.int64]:
        """Votes (n, len(places)) as (n, V); what the source has no column for has no votes."""
        out = np.zeros((len(votes), len(self.columns)), np.int64)
        kept = [k for k, place in enumerate(self.places) if place >= 0]
        out[:, [self.places[k] for k in kept]] = votes[:, kept]
        return out


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold()
