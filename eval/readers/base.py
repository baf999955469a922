"""What all readers have in common: labels are looked up and never guessed, faults are told and never filled in.

A reader says which parts there are (``splits``), how one is read (``rows``) and which files it misses (``missing``); items, lacks and the survey
follow from these here, so that all readers answer alike.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import combinations
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from emollm.config import Settings
from emollm.emotions import LabelSet, label_set
from emollm.errors import DataError, one_line, unknown_name
from emollm.eval.items import Item
from emollm.eval.readers.findings import Findings, Survey

ALL = "all"
"""The name of the only part of a data set that has no parts."""


class Layout(Settings):
    """Base of readers."""

    label_set: str | None = None
    """What labels are looked up in: a name of ``emollm/labels``; null keeps the words as they stand (open vocabulary). A task fills it in."""
    codes: dict[str, str] = Field(default_factory=dict)
    """What stands in the files for a label, where that is neither the label nor the code of the label set (copies with other numbers).
    Values are labels of the set or listed forms of them."""
    ignore: tuple[str, ...] = ()
    """Words or codes that the benchmark leaves out: such items come without label."""

    @field_validator("codes")
    @classmethod
    def _are_labels(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """The codes with what the set calls each label."""
        name = info.data.get("label_set")
        if name is None:
            return value
        labels = label_set(name)
        for code, word in value.items():
            if labels.find(word) is None:
                raise ValueError(
                    f"{one_line(code, 40)}: {unknown_name(f'label of {name}', one_line(word, 40), labels.labels)}"
                )
        return {code: labels.find(word) or word for code, word in value.items()}

    @abstractmethod
    def splits(self, root: Path) -> tuple[str, ...]:
        """The parts that are there; see :class:`emollm.eval.items.Reader`."""

    @abstractmethod
    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """The items of one part; what is wrong with one is told to ``found``.

        Raises:
            DataError: The list of that part cannot be read.
        """

    def missing(self, root: Path) -> Iterator[str]:
        """Files that the published data set has and this copy does not, a line each."""
        yield from ()

    def items(self, root: Path, split: str | None = None) -> Iterator[Item]:
        """See :class:`emollm.eval.items.Reader`."""
        there = self.splits(_existing(root))
        if not there:
            first = next(self.missing(root), "it holds nothing of the expected layout")
            raise DataError(f"{root}: nothing to read: {first}; `emollm eval describe TASK` shows the layout")
        if split is not None and split not in there:
            files = [line for line in self.missing(root) if f"({split}" in line]
            raise DataError(f"{root}: {files[0] if files else unknown_name('split', split, there)}")
        for part in there if split is None else (split,):
            yield from self.rows(root, part, Findings())

    def lacks(self, root: Path) -> list[str]:
        """See :class:`emollm.eval.items.Reader`."""
        return list(self.survey(root).lacks)

    def survey(self, root: Path, is_reference: Callable[[Item], bool] = lambda item: bool(item.gold)) -> Survey:
        """What the data set holds and lacks.

        Args:
            root: Where it lies.
            is_reference: Whether an item has something that answers can be compared with; by default a label.

        Raises:
            DataError: There is no such folder or file.
        """
        _existing(root)
        found, tally = Findings(), _Tally(is_reference)
        for file in self.missing(root):
            found.lack(file)
        try:
            parts = self.surveyed(root)
        except DataError as error:
            found.lack(str(error))
            parts = ()
        for part in parts:
            try:
                for item in self.rows(root, part, found):
                    tally.add(item, part, found)
            except DataError as error:
                found.lack(str(error))
        tally.compare(self.apart, found)
        return Survey(
            tuple(found.lacks),
            tuple(found.asides),
            {split: dict(counts.most_common()) for split, counts in tally.labels.items()},
            dict(tally.items),
            dict(tally.references),
            {split: len(names) for split, names in tally.clusters.items() if names},
        )

    def surveyed(self, root: Path) -> tuple[str, ...]:
        """The parts that a survey counts."""
        return self.splits(root)

    def apart(self, one: str, other: str) -> bool:
        """Whether two parts may have no item and no cluster in common."""
        return True

    def unpack(self, root: Path, items: Iterable[Item], folder: Path) -> Iterator[Item]:
        """See :class:`emollm.eval.items.Reader`; where media are files, the items as they are."""
        yield from items

    def gold(self, word: str, found: Findings, where: str) -> tuple[str, ...]:
        """The label that a word or a code stands for, as a tuple of one; empty if there is none, which is told."""
        plain = " ".join(word.split())
        if not plain:
            found.aside("without a label")
        elif plain.casefold() in self._ignored:
            found.aside(f"of {plain!r}, which the benchmark leaves out")
        elif (label := self._label(plain)) is None:
            found.lack(f"label {one_line(plain, 40)!r} is not in the set {self.label_set}", where)
        else:
            return (label,)
        return ()

    def _label(self, word: str) -> str | None:
        if word in self.codes:
            return self.codes[word]
        if self._set is None:
            return word
        return self._by_code.get(word) or self._set.find(word)

    @cached_property
    def _set(self) -> LabelSet | None:
        return None if self.label_set is None else label_set(self.label_set)

    @cached_property
    def _ignored(self) -> frozenset[str]:
        return frozenset(" ".join(word.split()).casefold() for word in self.ignore)

    @cached_property
    def _by_code(self) -> dict[str, str]:
        """Codes as they stand in files, which are text; ``codes`` replaces them all."""
        if self._set is None or self.codes:
            return {}
        return {str(entry.code): entry.label for entry in self._set.entries}


class _Tally:
    """Counts the items of a survey."""

    def __init__(self, is_reference: Callable[[Item], bool]) -> None:
        self._is_reference = is_reference
        self.items: Counter[str] = Counter()
        self.references: Counter[str] = Counter()
        self.labels: dict[str, Counter[str]] = {}
        self.clusters: dict[str, set[str]] = {}
        self._seen: dict[str, set[str]] = {}

    def add(self, item: Item, part: str, found: Findings) -> None:
        split = item.split or part
        self.items[split] += 1
        self.references[split] += self._is_reference(item)
        self.labels.setdefault(split, Counter()).update(item.gold or ("",))
        if item.cluster:
            self.clusters.setdefault(split, set()).add(item.cluster)
        ids = self._seen.setdefault(split, set())
        if item.id in ids:
            found.lack(f"the same id twice in {split}", item.id)
        ids.add(item.id)
        for path in (item.clip.image, item.clip.video, item.clip.audio):
            if path is not None and not (path.exists() or path.parent.is_file()):  # of a table, which is unpacked
                found.lack(f"no media of an item of {split}", str(path))

    def compare(self, apart: Callable[[str, str], bool], found: Findings) -> None:
        """Tells of clusters and items that stand in two parts: what is trained on one part is not new in the other."""
        for one, other in combinations(sorted(self.items), 2):
            if not apart(one, other):
                continue
            if both := self._seen[one] & self._seen[other]:
                found.lack(f"{len(both)} ids both in {one} and in {other}", min(both))
            if both := self.clusters.get(one, set()) & self.clusters.get(other, set()):
                found.lack(f"{len(both)} speakers or sources both in {one} and in {other}", min(both))


def _existing(root: Path) -> Path:
    """Raises DataError if there is no such folder or file."""
    if not root.exists():
        raise DataError(f"{root}: no such file or folder; give the folder of the data set")
    return root
