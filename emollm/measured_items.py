"""The measured items of a built set: those of ``<set>/items`` (:mod:`emollm.data_engines.embedded`), measured when the set was built."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from emollm.emotions import LabelSet, label_set
from emollm.errors import DataError, unknown_name
from emollm.turns import media_of
from emollm.types import Clip, Observation, Record

LABELS = "basic8"
"""The set whose words labels are given in."""

PARTS: dict[str, tuple[str, ...]] = {
    "face": ("ferplus-{split}-*.jsonl",),
    "voice": ("emodb-*.jsonl",),
    "words": ("goemotions-{split}-*.jsonl",),
    "combined": ("combined-{split}.jsonl", "heard-{split}.jsonl"),
}
"""Files of a part below ``items``."""


class Case(NamedTuple):
    """One measured item."""

    id: str
    clip: Clip
    seen: Observation
    """What was measured, without the points of the mesh."""
    track: str | None
    """The most prominent person; see :attr:`emollm.types.Observation.people`."""
    gold: str
    """In the words of :data:`LABELS`."""
    streams: tuple[str, ...]
    """``face``, ``voice``, ``words``: what the item has."""
    made_of: tuple[str, ...] = ()
    """Ids of the items that it was put together from."""

    @property
    def speaker(self) -> str:
        """The person who speaks, or the item where that is not known."""
        return self.clip.speaker or self.id


class _Gold(Record):
    """People's label."""

    labels: tuple[str, ...] = Field(min_length=1)
    label_set: str

    model_config = ConfigDict(extra="ignore")


class _Item(Record):
    """What is read of an item."""

    clip: Clip
    observation: Observation
    gold: _Gold
    split: str
    notes: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(extra="ignore")


def read(folder: Path, part: str, split: str = "valid") -> list[Case]:
    """The items of a part in the order of their files; those whose label has no place in :data:`LABELS` (boredom) are left out.

    Args:
        folder: The built set.
        part: Name in :data:`PARTS`.
        split: ``train`` or ``valid``.

    Raises:
        DataError: No such part or file, a line that is no measured item, or an item twice.
    """
    if part not in PARTS:
        raise DataError(unknown_name("part", part, PARTS))
    patterns = [pattern.format(split=split) for pattern in PARTS[part]]
    paths = [path for pattern in patterns for path in sorted((folder / "items").glob(pattern))]
    paths = [path for path in paths if not path.name.endswith(".rejects.jsonl")]
    if not paths:
        raise DataError(f"{folder}: no items/{patterns[0]}; build the set with emollm.data_engines.embedded first")
    found: dict[str, Case] = {}
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                item = _Item.from_json(line, f"{path}:{number}")
                if item.split != split or (case := _case(item)) is None:
                    continue
                if case.id in found:
                    raise DataError(f"{path}:{number}: {case.id} stands twice; remove what older builds left in items")
                found[case.id] = case
    return list(found.values())


def _case(item: _Item) -> Case | None:
    gold = _home(item.gold.label_set).get(item.gold.labels[0])
    if gold is None:
        return None
    faces = tuple(
        one.model_copy(update={"faces": tuple(face.model_copy(update={"landmarks": ()}) for face in one.faces)})
        for one in item.observation.tracks
    )
    seen = item.observation.model_copy(update={"tracks": faces})
    person = next(iter(seen.people), None)
    clip = item.clip
    had = {"face": clip.image, "voice": clip.audio, "words": clip.transcript}
    streams = tuple(name for name, what in had.items() if what is not None)
    made_of = tuple(item.notes.get("items", {}).values())
    return Case(clip.id, clip, seen, person.id if person is not None else None, gold, streams, made_of)


@cache
def _home(name: str) -> dict[str, str | None]:
    """What the labels of a set are called in :data:`LABELS`."""
    return label_set(name).map_to(labels())


def labels() -> LabelSet:
    """The labels that there are."""
    return label_set(LABELS)


def voice(case: Case, root: Path) -> NDArray[np.float32]:
    """(samples,) of the voice of a case at 16 kHz.

    Args:
        case: One with a voice.
        root: What relative paths of media are relative to.

    Raises:
        MediaError: It cannot be read.
    """
    from emollm.modeling.sample_media import listen

    return next(listen(item, root) for item in media_of(case.clip, case.seen, case.track) if item.type == "audio")
