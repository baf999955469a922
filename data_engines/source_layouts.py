"""Which columns of a table of faces are read, and as what: OpenFace 2, py-feat, LibreFace, and any columns of action units.

Scales are those of the tools (PROTOCOLS 1.4).
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emollm.data_engines.recipe import BuildSettings
from emollm.errors import ConfigError, DataError, MissingDependency, one_line, unknown_name
from emollm.facs import UNITS
from emollm.perception.tables import libreface, openface2, pyfeat
from emollm.perception.tables.rows import header
from emollm.types import Scale, Source

if TYPE_CHECKING:
    import pyarrow.parquet as parquet

_PLAIN = re.compile(r"au_?0*(\d{1,2})", re.IGNORECASE)
_OPENFACE = re.compile(r"AU(\d\d)_([rc])")
_LIBREFACE = re.compile(r"au_(\d+)(_intensity)?")
_LIBREFACE_SCALES = (1.0, 5.0)


class Unit(NamedTuple):
    """The column of one unit."""

    column: str
    scale: Scale
    largest: float


@dataclass(frozen=True)
class Layout:
    """Which columns of a table are read, and as what."""

    units: Mapping[str, Unit]
    """By code."""
    source: Source
    unreliable: frozenset[str] = frozenset()
    time: tuple[str, float] | None = None
    """Column and seconds in its unit."""
    confidence: str | None = None
    success: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    """Column of ``id``, ``label``, ``speaker``, ``group``, ``split``, where the recipe names one."""

    @property
    def numbers(self) -> list[str]:
        """Columns that are read as numbers, those of the units first."""
        others = (self.time[0] if self.time else None, self.confidence, self.success)
        return list(dict.fromkeys([*(unit.column for unit in self.units.values()), *filter(None, others)]))


def has_units(path: Path) -> bool:
    """Whether a file found in a folder is a table with action units; files that cannot be read are kept, to be told of."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        return False
    try:
        columns = columns_of(path)
    except DataError:
        return True
    return any(_PLAIN.fullmatch(name) or _OPENFACE.fullmatch(name) or _LIBREFACE.fullmatch(name) for name in columns)


def layout_of(path: Path, settings: BuildSettings) -> Layout:
    """How a table is read.

    Raises:
        DataError: It cannot be read, or has no action units.
        ConfigError: The recipe names a column that it lacks, or a code that is no unit.
    """
    columns = columns_of(path)
    source = settings.source
    wanted = source.columns.model_dump()
    texts = {name: column for name in ("id", "label", "speaker", "group", "split") if (column := wanted[name])}
    for name in [*texts.values(), *source.units.values()]:
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(f"{path}: the recipe's source names column {name!r}{hint}, which the table does not have")
    if source.units:
        if unknown := sorted(set(source.units) - set(UNITS)):
            raise ConfigError(f"source.units: {unknown_name('action unit', unknown[0], tuple(UNITS))}")
        return Layout(_stated(source.units, settings), _own(settings), texts=texts)
    known = _known(path, columns, texts, settings)
    if known is not None:
        return known
    plain = {
        f"AU{int(found[1]):02d}": name
        for name in columns
        if (found := _PLAIN.fullmatch(name)) and f"AU{int(found[1]):02d}" in UNITS
    }
    if plain:
        return Layout(_stated(plain, settings), _own(settings), texts=texts)
    raise DataError(
        f"{path}: no column of action units (AU12, AU12_r, au_12_intensity); it has {one_line(', '.join(columns), 80)}; "
        "name them: --set source.units={AU12: column, …}"
    )


def columns_of(path: Path) -> tuple[str, ...]:
    """Names of the columns of a csv or Parquet file. Raises DataError if it cannot be read."""
    if path.suffix.lower() == ".parquet":
        return tuple(open_parquet(path).schema_arrow.names)
    return header(path)


def open_parquet(path: Path) -> "parquet.ParquetFile":
    """A Parquet file that is read piece by piece.

    Raises:
        DataError: It cannot be read, or is none.
        MissingDependency: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"{path}: Parquet needs the package 'pyarrow'; `emollm env` says which extra"
        ) from error
    try:
        return parquet.ParquetFile(path, pre_buffer=False, memory_map=False, buffer_size=1 << 20)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or one_line(str(error))}") from error
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file: {one_line(str(error))}") from error


def _stated(columns: Mapping[str, str], settings: BuildSettings) -> dict[str, Unit]:
    source = settings.source
    return {code: Unit(name, Scale(source.unit_kind), source.unit_scale) for code, name in sorted(columns.items())}


def _own(settings: BuildSettings) -> Source:
    return Source(backend=settings.source.dataset or "table", version="unknown", licence=settings.source.licence)


def _openface(columns: Sequence[str]) -> dict[str, Unit]:
    """Intensities; occurrences only where a unit has no intensity: AU28."""
    units: dict[str, Unit] = {}
    for name in columns:
        found = _OPENFACE.fullmatch(name)
        code = f"AU{found[1]}" if found else ""
        if found and code in UNITS and (found[2] == "r" or (code not in units and f"{code}_r" not in columns)):
            strong = found[2] == "r"
            units[code] = Unit(name, Scale.INTENSITY, 5.0) if strong else Unit(name, Scale.PROBABILITY, 1.0)
    return dict(sorted(units.items()))


def _libreface(path: Path, columns: Sequence[str], settings: BuildSettings) -> dict[str, Unit]:
    scale = settings.source.table_scale
    if scale not in _LIBREFACE_SCALES:
        raise DataError(
            f"{path}: LibreFace's intensities are 0 to 5 in some releases and 0 to 1 in others; "
            "state it: --set source.table_scale=5 (or 1)"
        )
    units: dict[str, Unit] = {}
    for name in columns:
        found = _LIBREFACE.fullmatch(name)
        code = f"AU{int(found[1]):02d}" if found else ""
        if found and code in UNITS and (found[2] or f"{name}_intensity" not in columns):
            units[code] = Unit(name, Scale.INTENSITY, scale) if found[2] else Unit(name, Scale.PROBABILITY, 1.0)
    return dict(sorted(units.items()))


def _known(path: Path, columns: Sequence[str], texts: Mapping[str, str], settings: BuildSettings) -> Layout | None:
    """The layout of a known tool; None if it is no known tool's table."""
    if openface2.recognises(columns) and (units := _openface(columns)):
        has = set(columns)
        time = ("timestamp", 1.0) if "timestamp" in has else None
        confidence, success = ("confidence" if "confidence" in has else None), ("success" if "success" in has else None)
        return Layout(units, openface2.SOURCE, frozenset(), time, confidence, success, texts)
    if pyfeat.recognises(columns):
        tool = Source(backend="pyfeat", version="unknown", licence="MIT; models under terms of their own")
        names = sorted(name for name in columns if re.fullmatch(r"AU\d\d", name) and name in UNITS)
        units = {name: Unit(name, Scale.PROBABILITY, 1.0) for name in names}
        return Layout(units, tool, pyfeat.UNRELIABLE & set(units), texts=texts)
    if libreface.recognises(columns) and any(name.endswith("_intensity") for name in columns):
        return Layout(_libreface(path, columns, settings), libreface.SOURCE, texts=texts)
    return None
