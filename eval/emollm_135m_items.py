"""What the proof of emollm-135m asks about: measured items of its validation split, and the turns made of them.

Items are those of ``<set>/items`` (:mod:`emollm.data_engines.embedded`), measured when the set was built: nothing is measured here. A turn is
built by :mod:`emollm.turns`, as in training and in use: the photo once with its measured box, the sound as it is, cue text, one fixed question.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeVar

from emollm.cue_text import cue_text
from emollm.measured_items import Case, labels
from emollm.modeling.speaking import Asked
from emollm.perception import observe
from emollm.prompts import prompt
from emollm.samples import Task
from emollm.turns import first_turn, media_of
from emollm.types import Clip, Observation

MEDIA = ("image", "audio")
"""Kinds of media that are shown."""

T = TypeVar("T")


def drawn(given: Sequence[T], most: int | None, seed: int) -> list[T]:
    """At most so many, chosen by the seed, in the order given."""
    if most is None or most >= len(given):
        return list(given)
    return [given[place] for place in sorted(Random(seed).sample(range(len(given)), most))]


def words_case(id: str, text: str, gold: str) -> Case:
    """A case of words alone that stand in no item, measured as perception measures a transcript."""
    clip = Clip(id=id, transcript=text)
    return Case(id, clip, observe(clip), None, gold, ("words",))


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
    found = next(iter(seen.people), None)
    return found.id if found is not None else None
