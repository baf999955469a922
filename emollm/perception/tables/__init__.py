"""Readers of other tools' tables: measurements that were made elsewhere, as an Observation.

What a tool does not measure is listed as missing, its scales are declared, its signs are turned into ours, and nothing is
invented: no time without a time column, no position without coordinates.
"""

from pathlib import Path

from emollm.errors import DataError
from emollm.perception.course import CourseSettings
from emollm.perception.tables.rows import Reader, header
from emollm.registry import Registry
from emollm.types import Observation, Table

READERS: Registry[Reader] = Registry(
    "table reader",
    {
        "openface2": "emollm.perception.tables.openface2:READER",
        "pyfeat": "emollm.perception.tables.pyfeat:READER",
        "libreface": "emollm.perception.tables.libreface:READER",
    },
)
"""Formats by name, as in ``Table.format``."""


def read_table(table: Table, clip_id: str, settings: CourseSettings | None = None) -> Observation:
    """The Observation in a table.

    Args:
        table: File, format, the scale of its intensities where releases of the tool disagree, the frame rate where the
            tool writes no times.
        clip_id: Id of the Observation; in a table of several inputs, the name of the input.
        settings: How the course over time is read; the defaults if not given.

    Raises:
        ConfigError: Unknown format.
        DataError: The file is not a table of that format, or has a fault; the message has file and line.
    """
    reader = READERS[table.format]
    columns = header(table.path)
    if not reader.recognises(columns):
        other = _format(columns)
        hint = (
            f"this looks like {READERS[other].tool}: use format {other!r}"
            if other
            else "no known tool writes these columns"
        )
        raise DataError(f"{table.path}:1: not a table of {reader.tool} ({', '.join(columns[:4])[:80]} …); {hint}")
    return reader.read(table, clip_id, settings or CourseSettings())


def sniff(path: Path) -> str | None:
    """The format of a table, told from its header; None if it is no known tool's, or no table at all.

    Raises:
        DataError: The file cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path}: cannot be read: no such file")
    try:
        return _format(header(path))
    except DataError:
        return None


def _format(columns: tuple[str, ...]) -> str | None:
    return next((name for name, reader in READERS.items() if reader.recognises(columns)), None)
