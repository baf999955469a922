"""Label sets: which words a data set or a model uses, in which order, and what they mean to each other.

A set is one file in ``labels/``; the file is the registration. The order of its labels is the order of the codes in the
set's own files, because a wrong order is the commonest silent bug of the field. A label is never overwritten: its code,
its set and its canonical meaning are kept apart, and where the meaning only nearly fits, the label says ``lossy``.
``python -m emollm.emotions`` prints the table of docs/label-sets.md.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from emollm.config import read_yaml
from emollm.errors import ConfigError, unknown_name
from emollm.types import Record

CANONICAL = ("neutral", "happiness", "sadness", "anger", "fear", "surprise", "disgust", "contempt", "other")
"""The words all sets are translated through."""

Canonical = Literal["neutral", "happiness", "sadness", "anger", "fear", "surprise", "disgust", "contempt", "other"]

DEFAULT = "basic8"
"""The set that is used when none is named."""


class Label(Record):
    """One label of a set."""

    label: str
    """The word, in lower case."""
    code: int | str
    """What stands in the set's own files."""
    canonical: Canonical | None = None
    """None: no home among the canonical nine; such labels are counted, not guessed."""
    lossy: bool = False
    """The canonical word is wider, stronger or milder than the label."""
    synonyms: tuple[str, ...] = ()
    """Other forms of the word that are read as this label."""
    components: tuple[Canonical, ...] = ()
    """The two emotions of a compound label."""
    members: tuple[str, ...] = ()
    """Labels of the finer set that were merged into this one."""


class LabelSet(Record):
    """A closed list of labels with their codes, meanings and origin."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: int = Field(ge=1)
    title: str
    task: Literal["single", "multi", "compound", "binary"]
    source: str
    """Paper or code that defines the set."""
    licence: str
    """Terms of the data, in our words."""
    obtain: str
    """How a user gets the data."""
    unverified: str | None = None
    """What about this file was not read in the set's own files or paper."""
    note: str | None = None
    """A trap to know: other numberings in circulation, order of another code base …"""
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Coarser classes that the set itself defines."""
    entries: tuple[Label, ...] = Field(min_length=2)
    """The labels, in the order of the set's own codes; ``labels`` in the file."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names: list[str] = [entry.label for entry in self.entries]
        codes: list[str] = [repr(entry.code) for entry in self.entries]
        for kind, values in (("label", names), ("code", codes)):
            if twice := next((value for value in values if values.count(value) > 1), None):
                raise ValueError(f"{kind} {twice} stands twice")
        owner: dict[str, str] = {entry.label.casefold(): entry.label for entry in self.entries}
        for entry in self.entries:
            if entry.label != entry.label.strip().lower() or not entry.label:
                raise ValueError(f"label {entry.label!r} is not a lower-case word")
            for word in entry.synonyms:
                if owner.setdefault(word.casefold(), entry.label) != entry.label:
                    raise ValueError(f"synonym {word!r} of {entry.label!r} is also {owner[word.casefold()]!r}")
            if entry.lossy and entry.canonical is None:
                raise ValueError(f"label {entry.label!r} is lossy but has no canonical word")
            if entry.components and (len(entry.components) != 2 or entry.canonical is not None):
                raise ValueError(f"compound label {entry.label!r} has two components and no canonical word")
        if (self.task == "compound") != any(entry.components for entry in self.entries):
            raise ValueError("a set is compound if, and only if, it has labels with components")
        if self.task == "binary" and len(self.entries) != 2:
            raise ValueError(f"a binary set has two labels, not {len(self.entries)}")
        for group, members in self.groups.items():
            if stranger := [label for label in members if label not in self.labels]:
                raise ValueError(f"group {group!r} names {stranger[0]!r}, which is no label")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in file order."""
        return tuple(entry.label for entry in self.entries)

    def entry(self, label: str) -> Label:
        """Everything the set says of one of its labels.

        Raises:
            ConfigError: Not a label of this set.
        """
        for entry in self.entries:
            if entry.label == label:
                return entry
        raise ConfigError(unknown_name(f"label of {self.id}", label, self.labels))

    def code(self, label: str) -> int | str:
        """The set's own code of a label. Raises ConfigError if it is none of the set's labels."""
        return self.entry(label).code

    def from_code(self, code: int | str) -> str:
        """The label of a code as it stands in the set's files; ``0`` and ``"0"`` are different codes.

        Raises:
            ConfigError: The set has no such code.
        """
        for entry in self.entries:
            if entry.code == code and type(entry.code) is type(code):
                return entry.label
        known = ", ".join(repr(entry.code) for entry in self.entries)
        raise ConfigError(f"{self.id} has no code {code!r}; it has: {known}")

    def canonical(self, label: str) -> str | None:
        """The canonical word of a label; None if it has no home. ``entry(label).lossy`` says whether it only nearly fits.

        Raises:
            ConfigError: Not a label of this set.
        """
        return self.entry(label).canonical

    def find(self, word: str) -> str | None:
        """The label that a word names: the label itself or a listed form of it, in any case; None if there is none.

        Exact on purpose: a word that is not listed is unread, it never becomes the nearest or a default label.
        """
        wanted = " ".join(word.split()).casefold()
        for entry in self.entries:
            if wanted in (entry.label.casefold(), *(synonym.casefold() for synonym in entry.synonyms)):
                return entry.label
        return None

    def map_to(self, other: "LabelSet") -> dict[str, str | None]:
        """For each label of this set the label of another set that it becomes, or None where it has no place.

        The same word, or a listed form of it, is taken first; otherwise the one label with the same canonical word.
        :meth:`losses` says what is lost on the way.
        """
        return {entry.label: self._target(entry, other) for entry in self.entries}

    def losses(self, other: "LabelSet") -> dict[str, str]:
        """The labels that do not arrive whole in another set, each with the reason."""
        out: dict[str, str] = {}
        for entry in self.entries:
            target = self._target(entry, other)
            if target is None:
                out[entry.label] = f"no place in {other.id}"
            elif entry.lossy != (lossy := other.entry(target).lossy) or (lossy and target != entry.label):
                out[entry.label] = f"becomes {target}, which is wider, stronger or milder"
        return out

    def _target(self, entry: Label, other: "LabelSet") -> str | None:
        for word in (entry.label, *entry.synonyms):
            if (found := other.find(word)) is not None:
                return found
        if entry.canonical is None:
            return None
        same = [candidate for candidate in other.entries if candidate.canonical == entry.canonical]
        exact = [candidate for candidate in same if not candidate.lossy] or same
        return exact[0].label if len(exact) == 1 else None


def label_set(id: str | Path) -> LabelSet:
    """The label set of that id, or the one in a user's own YAML file.

    Args:
        id: A name of :func:`label_sets`, or a path that ends in ``.yaml`` or ``.yml``.

    Raises:
        ConfigError: Unknown id (the message gives the closest), or a file that is not a label set (the message says why).
    """
    if isinstance(id, Path) or id.endswith((".yaml", ".yml")):
        return _read(Path(id))
    if id not in label_sets():
        raise ConfigError(f"{unknown_name('label set', id, label_sets())}; or give the path of a .yaml file")
    return _built_in(id)


@cache
def label_sets() -> tuple[str, ...]:
    """Ids of all built-in label sets, sorted."""
    folder = files("emollm").joinpath("labels")
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


@cache
def _built_in(id: str) -> LabelSet:
    return _read(Path(str(files("emollm").joinpath("labels", f"{id}.yaml"))))


def _read(path: Path) -> LabelSet:
    values = read_yaml(path)
    if "entries" in values or "labels" not in values:
        raise ConfigError(f"{path}: a label set lists its labels under 'labels'")
    values["entries"] = values.pop("labels")
    try:
        # Through JSON, where a list is what a tuple looks like: strict validation takes no list for a tuple.
        return LabelSet.model_validate_json(json.dumps(values))
    except TypeError as error:
        raise ConfigError(f"{path}: holds a value that is neither text nor number ({error}); quote it") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]).replace("entries", "labels")
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {place + ': ' if place else ''}{message}") from error


def _table() -> Iterator[str]:
    """Lines of the Markdown table of all sets; ``~`` marks a lossy canonical word, ``–`` a label without a home."""
    yield "| id | labels with codes, in file order → canonical | task | source | licence and how to get it |"
    yield "|---|---|---|---|---|"
    for id in label_sets():
        labels = label_set(id)
        cells = []
        for entry in labels.entries:
            home = " + ".join(entry.components) or f"{'~' if entry.lossy else ''}{entry.canonical or '–'}"
            code = "" if str(entry.code).lower() == entry.label else f"{entry.code} "
            cells.append(f"{code}{entry.label}" + ("" if home == entry.label else f" → {home}"))
        source = labels.source + (f" *Unverified: {labels.unverified}*" if labels.unverified else "")
        yield f"| `{id}` | {'; '.join(cells)} | {labels.task} | {source} | {labels.licence} {labels.obtain} |"


if __name__ == "__main__":
    print("\n".join(_table()))
