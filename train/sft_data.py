"""Samples to train on: an index over JSONL files, in which order they are seen, and the tensors of a step."""

import json
import math
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain, count, cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset, Sampler

from emollm.emotions import label_set
from emollm.errors import ConfigError, DataError, EmollmError
from emollm.files import replacing
from emollm.modeling.conversation import Encoded
from emollm.samples import Sample
from emollm.train.families import Reader
from emollm.train.sft_checks import APART, Checks, marks_of
from emollm.train.sft_recipe import BatchSettings, SampleSource

GROUPS = 50
"""Steps whose Samples are sorted by length together."""


class Place(NamedTuple):
    """Where a Sample stands."""

    path: Path
    line: int
    """From 1."""
    start: int
    """Byte."""
    root: Path
    weight: float
    label: str
    """The emotion that its gold label names, where it has one and a label set; else nothing."""


def balanced(places: Sequence[Place], power: float) -> list[Place]:
    """Places whose labels are seen more alike: each label's weight by its share to the power of ``-power``; the sum stays.

    With a power of 0.5 this is square-root sampling (Mahajan et al. 2018), with 1 all labels are seen as often.
    """
    total = sum(place.weight for place in places)
    of: Counter[str] = Counter()
    for place in places:
        of[place.label] += place.weight  # type: ignore[assignment]  # a Counter adds up any numbers
    if not power or not total:
        return list(places)
    factor = {label: (weight / total) ** -power for label, weight in of.items()}
    scale = total / sum(weight * factor[label] for label, weight in of.items())
    return [place._replace(weight=place.weight * factor[place.label] * scale) for place in places]


Marked = tuple[Place, tuple[int, ...]]
"""A place with the marks of its Sample; see :func:`emollm.train.sft_checks.marks_of`."""


class Undrawable(DataError):
    """A Sample that cannot be read any more; one line also where torch hands the error of another process on, with its traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__module__}.{type(self).__qualname__}: ")[2].strip())


class Samples(Dataset[Encoded]):
    """Samples of several files; only where they stand is kept in memory.

    Args:
        sources: Files and folders.
        reader: Of the model.
        limit: Most tokens of a Sample.
        beside: The Samples that teach, where these here select: none may be of the same person, group or id.

    Raises:
        DataError: A file cannot be read or holds no Sample; a line is none or cannot be used, and its source does not skip it.
    """

    def __init__(
        self, sources: Sequence[SampleSource], reader: Reader, limit: int, *, beside: "Samples | None" = None
    ) -> None:
        self.reader, self.limit, self._validating = reader, limit, beside is not None
        total = blake2b(digest_size=8)
        places: list[Place] = []
        lengths: list[int] = []
        marks: list[tuple[int, ...]] = []
        self.rejects: list[tuple[str, str]] = []
        self.unread: Counter[str] = Counter()  # what the model does not take -> of how many Samples
        for source in sources:
            first = len(places)
            left: Iterator[int] = count() if source.limit is None else iter(range(source.limit))
            for path in files_of(source.path):
                root = source.root or path.parent
                total.update(os.path.relpath(root, path.parent).encode())  # what stays when all of it is moved
                for (place, own), length in self._scan(path, source, root, total, left):
                    if isinstance(length, str):
                        self.rejects.append((f"{path}:{place.line}", length))
                        continue
                    places.append(place)
                    lengths.append(length)
                    marks.append(own)
            places[first:] = balanced(places[first:], source.balance)
        if not places:
            raise DataError(
                f"{', '.join(str(source.path) for source in sources)}: no Samples to use ({len(self.rejects)} left out"
                f"{': ' + self.rejects[0][1] if self.rejects else ''}); check split, limit and batches.max_tokens"
            )
        total.update(np.array([place.weight for place in places]).tobytes())
        self.places, self.lengths = places, np.array(lengths, np.int32)
        self.fingerprint = total.hexdigest()
        self.marks = np.array(marks, np.int64)  # (N, 3) of sft_checks.APART
        if beside is not None:
            self._refuse_shared(beside)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    def _refuse_shared(self, beside: "Samples") -> None:
        """Raises DataError if one of these is, or is of whom, others are."""
        for column, field in enumerate(APART):
            own = self.marks[:, column]
            shared = (own != 0) & np.isin(own, beside.marks[:, column])
            if shared.any():
                place, value = self.places[shared.argmax()], getattr(self.sample(int(shared.argmax())), field)
                raise DataError(
                    f"{place.path}:{place.line}: {field} {value!r} teaches as well, so do {int(shared.sum())} validation Samples; "
                    "validate on others than data holds"
                )

    def __getitem__(self, index: int) -> Encoded:
        """One of them as the model takes it.

        Raises:
            EmollmError: It cannot be used; the message names file and line.
        """
        place = self.places[index]
        where = f"{place.path}:{place.line}: "
        try:
            return self.reader.encode(self.sample(index), place.root, self.limit)
        except EmollmError as error:
            raise Undrawable(where + str(error).removeprefix(where)) from error

    def sample(self, index: int) -> Sample:
        """One of them as it was written.

        Raises:
            DataError: The line is no Sample any more.
        """
        place = self.places[index]
        with place.path.open("rb") as file:
            file.seek(place.start)
            return Sample.from_json(file.readline(), f"{place.path}:{place.line}")

    def _scan(
        self, path: Path, source: SampleSource, root: Path, total: Any, left: Iterator[int]
    ) -> Iterator[tuple[Marked, int | str]]:
        """Where each Sample of a file stands, its marks and its length in tokens, or why it is left out.

        Args:
            path: The file.
            source: Whose file it is.
            root: What relative paths of media are relative to.
            total: Hash that takes what is read.
            left: Gives a number for each Sample that may still be taken.
        """
        waiting: list[tuple[Marked, dict[str, Any]]] = []
        checks = Checks(self.reader, root, outside=source.outside, validating=self._validating)
        try:
            with path.open("rb") as file:
                start = 0
                for number, line in enumerate(file, 1):
                    here, start = start, start + len(line)
                    if not line.strip():
                        continue
                    record = _record(line)
                    if record and source.split is not None and record.get("split") != source.split:
                        continue
                    if next(left, None) is None:
                        break
                    total.update(line)
                    place = Place(path, number, here, root, source.weight, "")
                    try:
                        sample = checks.sample(line)
                    except DataError as error:
                        if source.broken == "stop":
                            raise DataError(f"{path}:{number}: {error}") from error
                        yield (place, ()), str(error)
                        continue
                    label = sys.intern(_emotion(sample))
                    weight = sample.weight * math.prod(source.marks.get(mark, 1.0) for mark in sample.marks)
                    place = place._replace(weight=source.weight * weight, label=label)
                    waiting.append(((place, marks_of(sample)), record))
                    if len(waiting) == 512:
                        yield from self._measured(waiting)
                        waiting.clear()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
        yield from self._measured(waiting)

    def _measured(self, waiting: list[tuple[Marked, dict[str, Any]]]) -> Iterator[tuple[Marked, int | str]]:
        """Lengths of some records, or why they are left out; counts what is not taken of the others."""
        if not waiting:
            return
        lengths = self.reader.measure([record for _, record in waiting], self.limit)
        for (marked, record), length in zip(waiting, lengths, strict=True):
            if not isinstance(length, str):
                self.unread.update(self.reader.unread(record))
            yield marked, length


def _emotion(sample: Sample) -> str:
    """What is balanced: the canonical word of the first gold label, as Samples name one emotion by the words of several sets; "" for none."""
    if not sample.gold or not sample.label_set:
        return ""
    gold = sample.gold[0]
    try:
        return label_set(sample.label_set).canonical(gold) or gold
    except ConfigError:  # a set of somebody's own: the words themselves count
        return gold


class Order(Sampler[int]):
    """The order in which Samples are seen: another one each epoch, the same for the same seed and any number of processes.

    The last step of an epoch is filled with its first Samples, so that each step is whole.

    Args:
        samples: What is seen.
        settings: Of the batches.
        step: Samples from one change of the weights to the next, over all processes.
        seed: Of the order.
    """

    def __init__(self, samples: Samples, settings: BatchSettings, step: int, seed: int) -> None:
        self.samples, self.settings, self.step, self.seed, self.epoch = samples, settings, step, seed, 0
        self._size = -(-len(self._drawn(0)) // step) * step

    def __len__(self) -> int:
        """How many Samples an epoch has: whole steps."""
        return self._size

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch's."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Numbers of the Samples."""
        draw = random.Random(f"{self.seed}.{self.epoch}")
        drawn = self._drawn(self.epoch)
        if self.settings.layout != "ordered":
            draw.shuffle(drawn)
        filled = list(islice(cycle(drawn), self._size))
        if self.settings.layout in ("ordered", "shuffled"):
            return iter(filled)
        lengths = self.samples.lengths
        size = self.step * GROUPS
        steps: list[list[int]] = []
        for start in range(0, len(filled), size):
            group = sorted(filled[start : start + size], key=lambda index: -int(lengths[index]))
            steps += [group[first : first + self.step] for first in range(0, len(group), self.step)]
        draw.shuffle(steps)
        return chain.from_iterable(steps)

    def _drawn(self, epoch: int) -> list[int]:
        """Each Sample as often as its weight says; of a fraction another part each epoch, always as many in all.

        Fractions by systematic sampling (Madow 1949): each adds up to its share over the epochs, which drawing one by one does not give.
        """
        weights = np.array([place.weight for place in self.samples.places])
        times = np.floor(weights).astype(int)
        rest = weights - times
        extra = round(float(rest.sum())) or int(rest.any() and not times.any())
        if extra:
            draw = np.random.default_rng((self.seed, epoch))
            mixed = draw.permutation(len(weights))
            edges = np.cumsum(rest[mixed])
            edges = edges / edges[-1] * extra
            times[mixed] += np.diff(np.floor(edges + draw.random()), prepend=0).astype(int)
        return [int(index) for index in np.repeat(np.arange(len(weights)), times)]


class Collator:
    """Tensors of the Samples of a step.

    Args:
        reader: Of the model.
        packed: Whether all Samples stand in one row.
    """

    def __init__(self, reader: Reader, packed: bool) -> None:
        self.reader, self.packed = reader, packed

    def __call__(self, encoded: Sequence[Encoded]) -> dict[str, Any]:
        """Keyword arguments of the model."""
        return self.reader.collate(encoded, self.packed)


def files_of(path: Path) -> list[Path]:
    """The files of a source.

    Raises:
        DataError: There are none.
    """
    if path.is_dir():
        found = sorted(path.glob("samples-*.jsonl"))
        if not found:
            raise DataError(f"{path}: no samples-*.jsonl in this folder; give what `emollm data build` wrote")
        return found
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a JSONL file of Samples or a folder of `emollm data build`")
    return [path]


def write_rejects(path: Path, sets: Sequence[Samples]) -> None:
    """One JSON line for each Sample that is left out, with the reason."""
    with replacing(path, "w") as file:
        for where, reason in (reject for samples in sets for reject in samples.rejects):
            file.write(json.dumps({"sample": where, "reason": reason}) + "\n")


def _record(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; empty where it is none, which checking it answers."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
