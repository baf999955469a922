"""Tasks: one YAML in ``tasks/`` a benchmark and setting, which says how it is read, asked and scored, and what its numbers are worth.

The file is the registration. Facts on benchmarks (sizes, floors, traps) are from their papers and from counts made on their public lists.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from emollm.config import Settings, load, read_yaml
from emollm.emotions import label_set
from emollm.errors import ConfigError, one_line, unknown_name

if TYPE_CHECKING:
    from emollm.eval.readers import Layout

Role = Literal["train", "validation", "test", "whole"]
"""What a part is for. ``whole``: a data set without official parts, to be measured whole or with speakers held out."""
Asks = Literal["label", "labels", "description", "numbers"]
"""One label of the set; several, of the set or free; a text; valence, arousal or sentiment."""
Stream = Literal["image", "video", "audio", "words"]
Purpose = Literal["measure", "select", "tune", "calibrate"]
"""``measure``: the number that is reported. All others choose something by the number: a checkpoint, a prompt, a threshold, a temperature."""

_NOT_YET = "not_yet"
_TESTS = ("test", "privatetest", "eval")
"""Beginnings of names of parts that are tests, whatever a task calls them."""


class Split(Settings):
    """A part of a benchmark."""

    role: Role
    """What it is for."""
    n: int | None = None
    """Items with a label in the published data set, where known."""


class Task(Settings):
    """A benchmark in one setting."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Its name, which is the file's."""
    version: int = Field(default=1, ge=1)
    """Raised whenever a number could change."""
    title: str
    """What people call it."""
    cite: str
    """The paper."""
    licence: str
    """Terms of the data as published, in our words."""
    obtain: str
    """How a user gets the data."""
    layout: str
    """The folder as published, as a small tree."""
    reader: dict[str, Any]
    """``layout``: a name of :data:`emollm.eval.readers.READERS`; everything else are its settings."""
    label_set: str | None = None
    """A name of ``emollm/labels``; null for open vocabulary."""
    without: tuple[str, ...] = ()
    """Labels of the set that are no answer."""
    asks: Asks
    """What an answer is."""
    streams: tuple[Stream, ...]
    """What an item has."""
    prompt: str
    """The prompt that is asked, of the package ``prompts``."""
    splits: dict[str, Split]
    """Parts by the reader's names."""
    default_split: str
    """The part that the headline number is of."""
    metrics: tuple[str, ...]
    """Names of metrics; the first is the headline's: the one that papers compare, where it can still be computed."""
    groups: tuple[str, ...] = ()
    """Groups that the data set declares."""
    cluster: str = ""
    """What is resampled where items are not independent: speaker, dialogue …; empty where each item is its own."""
    floors: tuple[str, ...] = ()
    """What blind answers score, counted on the published lists."""
    traps: tuple[str, ...]
    """What goes wrong with this benchmark."""

    _overrides: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _is_consistent(self) -> "Task":
        if self.default_split not in self.splits:
            raise ValueError(f"default_split: {unknown_name('split', self.default_split, self.splits)}")
        if not self.metrics:
            raise ValueError("metrics: expected at least one name")
        if "layout" not in self.reader:
            raise ValueError("reader: expected a layout")
        if self.label_set is None and (self.asks == "label" or self.without):
            raise ValueError("label_set: expected one where a label is asked for")
        if self.label_set is not None:
            for label in self.without:
                label_set(self.label_set).entry(label)
        return self

    @property
    def ref(self) -> str:
        """``id@version``, as recorded in reports; ``id@version+set`` where settings were changed."""
        return f"{self.id}@{self.version}{'+set' if self._overrides else ''}"

    @property
    def overrides(self) -> tuple[str, ...]:
        """The ``a=b`` settings that were changed on top of the file, as given."""
        return self._overrides

    def changed(self, overrides: tuple[str, ...]) -> "Task":
        """The same task, marked as one whose file says otherwise than these settings, which it already has."""
        marked = self.model_copy()
        marked._overrides = overrides
        return marked

    @property
    def primary(self) -> str:
        """The headline's metric."""
        return self.metrics[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that may be answered, in the order of the label set; empty for open vocabulary."""
        if self.label_set is None:
            return ()
        return tuple(label for label in label_set(self.label_set).labels if label not in self.without)

    def open(self) -> "Layout":
        """The reader.

        Raises:
            ConfigError: No such layout, or settings that it does not have.
        """
        from emollm.eval.readers import READERS

        options = {"label_set": self.label_set} | {key: value for key, value in self.reader.items() if key != "layout"}
        try:
            return READERS[str(self.reader["layout"])].model_validate(options)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            why = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"task {self.id}: reader.{place}: {why}") from error


class NotYet(NamedTuple):
    """A benchmark that is known and cannot be run yet."""

    id: str
    title: str
    needs: str
    """What is missing here."""


@cache
def tasks() -> tuple[str, ...]:
    """Ids of all tasks, sorted."""
    names = [file.name for file in files("emollm.eval").joinpath("tasks").iterdir()]
    return tuple(sorted({name.removesuffix(".yaml") for name in names if name.endswith(".yaml")} - {_NOT_YET}))


def task(id: str, overrides: tuple[str, ...] = ()) -> Task:
    """The task of that id, or the one in a user's own YAML file.

    Args:
        id: A name of :func:`tasks`, or a path that ends in ``.yaml`` or ``.yml``.
        overrides: ``a=b`` settings on top, such as ``reader.files={...}`` for a copy that is laid out otherwise.

    Raises:
        ConfigError: Unknown id (the message gives the closest), a file that is not a task (the message says why), or settings that would
            make a test something else.
    """
    own = id.endswith((".yaml", ".yml"))
    if not own and id not in tasks():
        if (planned := next((one for one in not_yet() if one.id == id), None)) is not None:
            raise ConfigError(f"task {id!r} cannot be run yet: it needs {planned.needs}")
        raise ConfigError(f"{unknown_name('task', id, tasks())}; or give the path of a .yaml file")
    if not own and not overrides:
        return _built_in(id)
    return _read(Path(id) if own else _file(id), overrides)


def _file(name: str) -> Path:
    return Path(str(files("emollm.eval").joinpath("tasks", f"{name}.yaml")))


@cache
def _built_in(id: str) -> Task:
    return _read(_file(id))


def _read(path: Path, overrides: tuple[str, ...] = ()) -> Task:
    found = load(Task, path, overrides)
    if found.id != path.stem:
        raise ConfigError(f"{path}: its id is {found.id!r}; name the file {found.id}.yaml")
    if not overrides:
        return found
    _refuse_weakening(load(Task, path), found)
    return found.changed(overrides)


def _refuse_weakening(given: Task, changed: Task) -> None:
    """Raises ConfigError where settings call a part that is a test, by the task or by its name, something else."""
    for name, split in changed.splits.items():
        was = given.splits.get(name)
        is_kept = was is not None and was.role == split.role
        if split.role != "test" and not is_kept and (_is_test(changed, name) or (was and was.role == "test")):
            raise ConfigError(
                f"--set splits.{one_line(name, 40)}.role={split.role}: this part of {given.id} is a test and stays one; leave it out"
            )


@cache
def not_yet() -> tuple[NotYet, ...]:
    """Benchmarks that are listed and cannot be run, in the order of the list."""
    rows: Mapping[str, Mapping[str, str]] = read_yaml(_file(_NOT_YET))
    return tuple(NotYet(id, row["title"], row["needs"]) for id, row in rows.items())


def refuse_test(of: Task, split: str | None, purpose: Purpose) -> None:
    """Refuses to choose anything by a number of a test part; measuring is always allowed.

    A part is a test if the task says so or if its name begins like one. All parts together (None) contain the test.

    Args:
        of: The benchmark.
        split: A part; None for all.
        purpose: What the number is for.

    Raises:
        ConfigError: It is for choosing, and the part is a test, or not a part of the task.
    """
    if purpose == "measure":
        return
    allowed = [name for name in of.splits if not _is_test(of, name)]
    if split is not None and split in allowed:
        return
    known = split is None or split in of.splits or split.casefold().startswith(_TESTS)
    what = "all parts, the test among them," if split is None else f"{one_line(split, 40)!r}"
    reason = f"{what} is for measuring only" if known else unknown_name("split", split or "", of.splits)
    remedy = f"choose on: {', '.join(allowed)}" if allowed else "hold out part of your own training data"
    raise ConfigError(f"{of.id}: refused to {purpose} on the test: {reason}; {remedy}")


def _is_test(of: Task, split: str) -> bool:
    return of.splits[split].role == "test" or split.casefold().startswith(_TESTS)
