"""What the proof of emollm-135m asks about: measured items of its validation split, and the turns made of them.

Items are those of ``<set>/items`` (:mod:`emollm.data_engines.embedded`), measured when the set was built: nothing is measured here. A turn is
built by :mod:`emollm.turns`, as in training and in use: the photo once with its measured box, the sound as it is, cue text, one fixed question.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

from pydantic import ConfigDict, Field

from emollm.cue_text import cue_text
from emollm.emotions import LabelSet, label_set
from emollm.errors import DataError, unknown_name
from emollm.modeling.speaking import Asked
from emollm.prompts import prompt
from emollm.samples import Task
from emollm.turns import first_turn, media_of
from emollm.types import Clip, Cue, CueKind, MediaInfo, Observation, Record, Scale, Source

LABELS = "basic8"
"""The set that is asked for."""

PARTS: dict[str, tuple[str, ...]] = {
    "face": ("ferplus-{split}-*.jsonl",),
    "voice": ("emodb-*.jsonl",),
    "words": ("goemotions-{split}-*.jsonl",),
    "combined": ("combined-{split}.jsonl", "heard-{split}.jsonl"),
}
"""Files of a part below ``items``."""

MEDIA = ("image", "audio")
"""Kinds of media that are shown."""

T = TypeVar("T")


class Case(NamedTuple):
    """One measured item."""

    id: str
    clip: Clip
    seen: Observation
    """What was measured, without the points of the mesh."""
    track: str | None
    """The most prominent person."""
    gold: str
    """In the words of :data:`LABELS`."""
    streams: tuple[str, ...]
    """``face``, ``voice``, ``words``: what the item has."""

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
    person = max(faces, key=lambda one: (one.prominence, one.id), default=None)
    clip = item.clip
    had = {"face": clip.image, "voice": clip.audio, "words": clip.transcript}
    streams = tuple(name for name, what in had.items() if what is not None)
    return Case(clip.id, clip, seen, person.id if person is not None else None, gold, streams)


@cache
def _home(name: str) -> dict[str, str | None]:
    """What the labels of a set are called in :data:`LABELS`."""
    return label_set(name).map_to(labels())


def labels() -> LabelSet:
    """The labels that are asked for."""
    return label_set(LABELS)


def drawn(given: Sequence[T], most: int | None, seed: int) -> list[T]:
    """At most so many, chosen by the seed, in the order given."""
    if most is None or most >= len(given):
        return list(given)
    return [given[place] for place in sorted(Random(seed).sample(range(len(given)), most))]


def words_case(id: str, text: str, gold: str) -> Case:
    """A case of words alone that stand in no item: the transcript as perception would give it, without its polarity."""
    given = Source(backend="transcript", version="given", licence="as the clip")
    said = Cue(id="words", kind=CueKind.WORDS, name="transcript", scale=Scale.TEXT, text=text, source=given)
    seen = Observation(id=id, media=MediaInfo(kind="text"), cues=(said,))
    return Case(id, Clip(id=id, transcript=text), seen, None, gold, ("words",))


# ---- turns ----------------------------------------------------------------------------------------------------------


@cache
def wording(task: Task) -> str:
    """The one question that is asked: the first wording of the prompt of the task."""
    return prompt(f"instructions/{task.value}").render(labels=", ".join(labels().labels)).splitlines()[0]


def ask(
    case: Case,
    root: Path,
    task: Task = Task.RECOGNITION,
    *,
    media: Iterable[str] = MEDIA,
    cues: Observation | None = None,
) -> Asked:
    """A conversation about a case that ends where the model is to reply.

    Args:
        case: Whose media are shown.
        root: What relative paths of media are relative to.
        task: What is asked for.
        media: Kinds of media that are shown.
        cues: What the cue text tells; None for no cue text.
    """
    shows = set(media)
    items = tuple(item for item in media_of(case.clip, case.seen, case.track) if item.type in shows)
    text = cue_text(cues, person(cues)) if cues is not None else None
    return Asked((first_turn(items, text, wording(task)),), items, root)


def person(seen: Observation) -> str | None:
    """The most prominent person of an observation."""
    found = max(seen.tracks, key=lambda one: (one.prominence, one.id), default=None)
    return found.id if found is not None else None
