"""Which items a run answers, what they are asked, and by what the content of one is known."""

from collections.abc import Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import NamedTuple

from emollm.emotions import LabelSet, label_set
from emollm.errors import ConfigError, DataError
from emollm.eval.items import Item
from emollm.eval.tasks import Asks, Task
from emollm.face_sets.layouts import spaced
from emollm.prompts import prompt
from emollm.types import Clip

_RATED = ("valence", "arousal")


class Question(NamedTuple):
    """What every item of a run is asked."""

    text: str
    ref: str
    """``id@version#wording`` of the prompt."""
    labels: LabelSet | None
    """The closed set, without labels that are no answer; None for open vocabulary."""


class Chosen(NamedTuple):
    """The items of a run."""

    items: tuple[Item, ...]
    counts: dict[str, int]
    """``read``; ``unlabelled`` and ``twice``, which are left out; ``not_chosen`` by a limit."""


def closed_set(task: Task) -> LabelSet | None:
    """The labels that may be answered."""
    if task.label_set is None:
        return None
    whole = label_set(task.label_set)
    if not task.without:
        return whole
    kept = tuple(entry for entry in whole.entries if entry.label not in task.without)
    return whole.model_copy(update={"entries": kept, "groups": {}})


def question(task: Task, id: str = "", wording: int = 1) -> Question:
    """One wording of a prompt with the labels filled in.

    Args:
        task: Names its prompt.
        id: Another prompt, to be asked instead.
        wording: Which line of it, from 1.

    Raises:
        PromptError: No such prompt, or one that wants other things than labels.
        ConfigError: It has no such wording.
    """
    asked, labels = prompt(id or task.prompt), closed_set(task)
    given = {"labels": ", ".join(labels.labels)} if labels is not None and "labels" in asked.variables else {}
    lines = [line.strip() for line in asked.render(**given).splitlines() if line.strip()]
    if not 1 <= wording <= len(lines):
        raise ConfigError(f"--wording {wording}: the prompt {asked.ref} has 1 to {len(lines)}")
    return Question(lines[wording - 1], f"{asked.ref}#{wording}", labels)


def choose(task: Task, root: Path, split: str, limit: int | None) -> Chosen:
    """The items of a part that have a reference; with a limit so many of them, evenly spaced.

    Raises:
        DataError: There is no such data set or part, or none of its items has a reference.
    """
    read, kept = 0, dict[str, Item]()
    counts = {"read": 0, "unlabelled": 0, "twice": 0, "not_chosen": 0}
    for item in task.open().items(root, split):
        read += 1
        if not has_reference(item, task.asks):
            counts["unlabelled"] += 1
        elif item.id.strip() in kept:
            counts["twice"] += 1
        else:
            kept[item.id.strip()] = item
    if not kept:
        raise DataError(f"{root}: none of the {read} items of {split} has a reference for {task.id}; nothing to score")
    every = list(kept.values())
    items = tuple(every[k] for k in spaced(len(every), limit))
    return Chosen(items, counts | {"read": read, "not_chosen": len(every) - len(items)})


def has_reference(item: Item, asks: Asks) -> bool:
    """Whether there is something to compare an answer with."""
    if asks == "numbers":
        return any(name in item.numbers for name in _RATED)
    return bool(item.gold) or (asks == "description" and bool(item.text))


def shown(clip: Clip) -> Clip:
    """The clip without its labels: what a generator may see."""
    return clip.model_copy(update={"labels": (), "label_set": None})


def content(clip: Clip) -> str:
    """SHA-256 of what a clip shows: the bytes of its files and its words, whatever the files are called.

    Raises:
        DataError: A file cannot be read.
    """
    whole = sha256()
    for kind, path in (("image", clip.image), ("video", clip.video), ("audio", clip.audio)):
        if path is None:
            continue
        try:
            with path.open("rb") as file:
                whole.update(f"{kind}:{file_digest(file, 'sha256').hexdigest()};".encode())
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    whole.update(f"words:{clip.transcript or ''};speaker:{clip.speaker or ''}".encode(errors="surrogatepass"))
    return whole.hexdigest()


def key_of(*parts: str) -> str:
    """The key of an answer: of everything that can change it."""
    return sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


def fingerprint(items: Sequence[tuple[Item, str]]) -> str:
    """SHA-256 over items and their contents: the same for every copy of the data."""
    whole = sha256()
    for item, of in items:
        row = (item.id, item.gold, item.text, sorted(item.numbers.items()), of)
        whole.update(repr(row).encode(errors="surrogatepass"))
    return whole.hexdigest()
