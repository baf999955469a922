"""What classes look like, in words: editable descriptions in ``descriptions/``, and the sentences made of them.

A file names a label set and says of each class what face, posture, gaze and objects show; one sentence a class is made of the aspects that
are wanted. The texts of the built-in files are our own; the faces follow the action units of :mod:`emollm.facs` and its priors.
"""

import json
import string
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from emollm.config import read_yaml
from emollm.emotions import label_set
from emollm.errors import ConfigError, unknown_name
from emollm.types import Record

ASPECTS = ("face", "posture", "gaze", "objects")
Aspect = Literal["face", "posture", "gaze", "objects"]


class Descriptions(Record):
    """One file: the classes of a label set, described aspect by aspect."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: int = Field(ge=1)
    """Raised with every change of a text."""
    language: str = Field(pattern=r"^[a-z]{2}$")
    """ISO 639-1."""
    label_set: str
    """Whose labels the classes are: a name of ``emollm/labels``."""
    source: str
    """Who wrote the texts, and after what."""
    word: str
    """The text of a class that is only named; ``{label}`` is its word."""
    sentence: str
    """The text of a class that is described; ``{label}`` and ``{aspects}``."""
    classes: dict[str, dict[str, str]] = Field(min_length=1)
    """Of each class, the text of each aspect; an aspect that shows nothing is left out."""

    @property
    def name(self) -> str:
        """``id@version``."""
        return f"{self.id}@{self.version}"

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for field, wanted in (("word", {"label"}), ("sentence", {"label", "aspects"})):
            holes = {hole for _, hole, _, _ in string.Formatter().parse(getattr(self, field)) if hole is not None}
            if holes - wanted or not holes:
                told = " and ".join(f"{{{hole}}}" for hole in sorted(wanted))
                raise ValueError(f"{field}: expected a text with {told}, got {getattr(self, field)!r}")
        labels = label_set(self.label_set).labels
        for name, aspects in self.classes.items():
            if name not in labels:
                raise ValueError(f"classes: {unknown_name(f'label of {self.label_set}', name, labels)}")
            for aspect, text in aspects.items():
                if aspect not in ASPECTS:
                    raise ValueError(f"classes: {name}: {unknown_name('aspect', aspect, ASPECTS)}")
                if not text.strip():
                    raise ValueError(f"classes: {name}: {aspect} is empty; write a sentence or leave it out")
            if not aspects:
                raise ValueError(f"classes: {name}: has no aspect; describe at least one of {', '.join(ASPECTS)}")
        return self

    def words(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The texts of labels that are only named, described or not."""
        return tuple(self.word.format(label=label) for label in labels)

    def sentences(self, labels: Sequence[str], aspects: Sequence[str] = ASPECTS) -> tuple[str, ...]:
        """One sentence a label, of the aspects that are wanted and described.

        Raises:
            ConfigError: A label without description, an unknown aspect, or a class that has none of the aspects.
        """
        for aspect in aspects:
            if aspect not in ASPECTS:
                raise ConfigError(unknown_name("aspect", aspect, ASPECTS))
        return tuple(self._sentence(label, aspects) for label in labels)

    def _sentence(self, label: str, aspects: Sequence[str]) -> str:
        if label not in self.classes:
            raise ConfigError(
                f"descriptions {self.name}: class {label!r} has no description; it describes: {', '.join(self.classes)}"
            )
        parts = [self.classes[label][aspect] for aspect in aspects if aspect in self.classes[label]]
        if not parts:
            raise ConfigError(f"descriptions {self.name}: class {label!r} says nothing of {', '.join(aspects)}")
        return self.sentence.format(label=label, aspects=" ".join(parts))

    def check(self, label_set: str) -> None:
        """Refuses data of another label set.

        Raises:
            ConfigError: The label set is another one.
        """
        if label_set != self.label_set:
            raise ConfigError(
                f"descriptions {self.name} are of label set {self.label_set!r}, the data has {label_set!r}; give descriptions of it"
            )


def descriptions(name: str | Path) -> Descriptions:
    """The descriptions of that name, or of a YAML file of the same form.

    Raises:
        ConfigError: There are none of that name, or the file is not of the form; the message says what is wrong.
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        return _read(Path(name))
    if name not in built_in():
        raise ConfigError(f"{unknown_name('descriptions', name, built_in())}; or give the path of a .yaml file")
    return _read(Path(str(files("emollm.modeling").joinpath("descriptions", f"{name}.yaml"))))


def built_in() -> tuple[str, ...]:
    """Names of the descriptions that come with the package."""
    folder = files("emollm.modeling").joinpath("descriptions")
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


def _read(path: Path) -> Descriptions:
    values: Mapping[str, object] = read_yaml(path)
    try:
        return Descriptions.model_validate_json(json.dumps(values))
    except TypeError as error:
        raise ConfigError(f"{path}: holds a value that is neither text nor number ({error}); quote it") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {place + ': ' if place else ''}{message}") from error
