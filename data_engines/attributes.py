"""What people wrote down about clips: a csv with one line a clip, joined by the clip's name; and gold labels that are checked."""

import csv
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from emollm.data_engines.base import Gold, Item, Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.emotions import LabelSet, label_set
from emollm.errors import ConfigError, DataError, one_line, unknown_name

_LONGEST = 4_000_000
"""Characters of one cell at most."""


class Attributes:
    """The rows of a list of attributes, by the name of their clip.

    Names fit as written, without the suffix, or as numbers: ``7`` is ``007.csv``.
    """

    def __init__(self, path: Path, rows: Mapping[str, Mapping[str, str]], settings: BuildSettings) -> None:
        self.path = path
        self._rows = rows
        self._settings = settings

    def of(self, name: str) -> Mapping[str, str] | None:
        """The row of a clip, if it has one.

        Args:
            name: Of the clip: a path within the input.
        """
        path = Path(name)
        for form in (name, path.name, path.stem, _plain(path.stem)):
            if form in self._rows:
                return self._rows[form]
        return None

    def refuse_strangers(self, names: Sequence[str]) -> None:
        """Refuses a list in which no clip at all is found.

        Raises:
            DataError: Nothing fits.
        """
        if names and not any(self.of(name) for name in names):
            raise DataError(
                f"{self.path}: none of its names ({', '.join(list(self._rows)[:3])} …) is that of a clip "
                f"({names[0]} …); say which column it is: --set source.columns.id=NAME"
            )

    def add_to(self, item: Item) -> Item | Rejected:
        """The item with what the list says of it; a reject where its label is not known."""
        row = self.of(item.clip.id)
        if row is None:
            return item
        columns, source = self._settings.source.columns, self._settings.source

        def cell(column: str | None) -> str | None:
            return (row.get(column, "").strip() or None) if column is not None else None

        gold: Gold | str | None = None
        if (label := cell(columns.label)) is not None:
            own = source.label_set or self._settings.labels
            gold = checked_gold(Gold(labels=(label,), label_set=own, by=source.by), self._settings)
        if isinstance(gold, str):
            return Rejected(item.clip.id, "source", gold)
        clip = {"transcript": cell(columns.transcript), "speaker": cell(columns.speaker)}
        return item.model_copy(
            update={
                "clip": item.clip.model_copy(update={name: text for name, text in clip.items() if text is not None}),
                "gold": gold,
                "group": cell(columns.group),
                "split": cell(columns.split) or item.split,
                "notes": {**item.notes, "attributes": dict(row)},
            }
        )


def open_attributes(settings: BuildSettings, roots: Sequence[str]) -> Attributes | None:
    """The list of attributes that a recipe names; None if it names none, or none of the folders has it.

    Raises:
        DataError: It cannot be read, or a clip stands in it twice.
        ConfigError: A column that the recipe names is not there.
    """
    name = settings.source.attributes
    if name is None:
        return None
    plain = Path(name).name == name
    places = [Path(root, name) for root in roots] if plain else [Path(name)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        if plain:
            return None
        raise DataError(f"{name}: cannot be read: no such file; it is the recipe's source.attributes")
    return _read(path, settings.model_dump_json())


@lru_cache(maxsize=4)
def _read(path: Path, settings: str) -> Attributes:
    """Read once in a process, not once a block."""
    chosen = BuildSettings.model_validate_json(settings)
    columns = chosen.source.columns
    csv.field_size_limit(_LONGEST)
    rows: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", restkey="")
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            for wanted in filter(None, columns.model_dump().values()):
                if wanted not in header:
                    raise ConfigError(f"{path}: source.columns: {unknown_name('column', wanted, header)}")
            key = columns.id or (header[0] if header else "")
            for row in reader:
                name = (row[key] or "").strip()
                if name in rows:
                    raise DataError(f"{path}:{reader.line_num}: {name!r} stands there twice; keep one line a clip")
                rows[name] = {column: text for column, text in row.items() if column and text}
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path}: cannot be read as csv: {one_line(str(error))}") from error
    plain = {_plain(name): row for name, row in rows.items()}
    return Attributes(path, {**plain, **rows}, chosen)


def _plain(name: str) -> str:
    """A number without its leading zeros."""
    return str(int(name)) if name.isascii() and name.isdigit() else name


def checked_gold(gold: Gold | None, settings: BuildSettings) -> Gold | str | None:
    """The gold labels as their set writes them, or why they cannot be used.

    Returns:
        The gold labels; a reason of one line where the set or a label is unknown; None without labels.
    """
    if gold is None or gold.label_set is None:
        return gold
    try:
        known = known_set(gold.label_set)
    except ConfigError as error:
        return f"unknown label set: {one_line(str(error))}"
    labels = []
    for word in gold.labels:
        label = known.find(word)
        if label is None:
            return f"unknown label: {one_line(repr(word), 60)} is none of {known.id}: {', '.join(known.labels)}"
        labels.append(label)
    return gold.model_copy(update={"labels": tuple(labels)})


@lru_cache(maxsize=64)
def known_set(id: str) -> LabelSet:
    """The label set of that id. Raises ConfigError if there is none."""
    return label_set(id)
