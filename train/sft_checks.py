"""Whether a line holds a Sample that can be trained on: told at the start with file and line, not in the middle of an epoch."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from emollm.emotions import label_set
from emollm.errors import ConfigError, DataError, one_line, unknown_name
from emollm.samples import Sample
from emollm.train.families import Reader

CACHED = 100_000
"""Paths of which is remembered whether they are there: many Samples share a picture."""
APART = ("id", "speaker", "group")
"""Fields of a Sample of which validation must have none that training has."""


class Checks:
    """What the Samples of one file must be.

    Args:
        reader: Of the model.
        root: What relative paths of media are relative to.
        outside: Whether media may lie elsewhere.
        validating: Whether the Samples select a checkpoint.
    """

    def __init__(self, reader: Reader, root: Path, *, outside: bool, validating: bool) -> None:
        self.reader, self.outside, self.validating = reader, outside, validating
        self._root = os.path.abspath(root)
        self._there: Callable[[str], bool] = lru_cache(CACHED)(os.path.isfile)

    def sample(self, line: bytes) -> Sample:
        """The Sample of a line.

        Raises:
            DataError: There is none, or it cannot be used.
        """
        try:
            sample = Sample.from_json(line, "no Sample")
        except DataError as error:
            raise DataError(f"{one_line(str(error))}; write Samples with `emollm data`") from error
        if not any(message.role == "assistant" for message in sample.messages):
            raise DataError("no turn of the assistant, so nothing to learn from; leave the Sample out")
        if reason := self.reader.wrong(sample):
            raise DataError(reason)
        for item in sample.media:
            self._refuse_missing(str(item.path))
        if self.validating:
            _refuse_selecting(sample)
        return sample

    def _refuse_missing(self, name: str) -> None:
        path = os.path.normpath(os.path.join(self._root, name))
        if not self.outside and not path.startswith(self._root.rstrip(os.sep) + os.sep):
            raise DataError(
                f"{name}: outside of {self._root}; set the root of these Samples, or outside=true if you trust who wrote them"
            )
        if not self._there(path):
            raise DataError(f"{path}: no such file; mend the path or root, or set broken=skip")


def _refuse_selecting(sample: Sample) -> None:
    """Raises DataError if a Sample must or can not select a checkpoint."""
    if "test" in (sample.split or "").lower():
        raise DataError(f"split {sample.split!r}: a model must not be selected on test data; leave these Samples out")
    if sample.gold and sample.label_set:
        try:
            labels = label_set(sample.label_set).labels
        except ConfigError as error:
            raise DataError(f"label_set: {error}") from error
        for gold in sample.gold:
            if gold not in labels:
                raise DataError(f"gold: {unknown_name(f'label of {sample.label_set}', gold, labels)}")


def marks_of(sample: Sample) -> tuple[int, ...]:
    """A number for each field of :data:`APART`, equal within this process where data set and field are equal; 0 for none.

    A value such as ``emodb/03`` names its data set itself: the speaker is the same alone and in a combination of several data sets.
    """
    dataset = sample.provenance.dataset
    sets = (dataset or "").split("+")
    values = [getattr(sample, field) for field in APART]
    return tuple(
        0 if value is None else hash(value if value.partition("/")[0] in sets else (dataset, value)) for value in values
    )
