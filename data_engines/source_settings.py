"""Settings of what a build reads: columns of tables and of lists of attributes, terms, and what the labels mean."""

from typing import Literal

from pydantic import Field

from emollm.config import Settings


class ColumnSettings(Settings):
    """Names of columns in a table of rows, or in the list of attributes of clips; those that are None are not read."""

    id: str | None = None
    """What a row or clip is called; the first column of a list of attributes, the row's number in a table."""
    label: str | None = None
    """The gold label."""
    transcript: str | None = None
    """The words that were said (lists of attributes)."""
    speaker: str | None = None
    """Who it is: never in two splits."""
    group: str | None = None
    """What must not stand in two splits beside the speaker."""
    split: str | None = None
    """``train``, ``valid`` …"""


class SourceSettings(Settings):
    """What is read, and under which terms."""

    attributes: str | None = None
    """A csv with one line a clip; a plain name is looked for in the folders of ``--input``, and there alone."""
    columns: ColumnSettings = ColumnSettings()
    """Names of columns."""
    label_set: str | None = None
    """Label set of the gold labels; that of the answers if not given."""
    by: Literal["annotators", "acting", "rule", "unknown"] = "unknown"
    """Who gave the labels."""
    licence: str = "unknown"
    """Terms of the data; recorded in every Sample."""
    dataset: str | None = None
    """Name of the data set."""
    split: str | None = None
    """Split of everything, where no column says it."""
    table_scale: float | None = Field(default=None, gt=0)
    """Largest intensity of a table whose tool does not fix it (LibreFace: 1 or 5)."""
    table_fps: float | None = Field(default=None, gt=0)
    """Frames a second of the video a table was made of, where it has no times."""
    units: dict[str, str] = Field(default_factory=dict)
    """Rows of a tool that is not known: the file's column by action unit (``AU12: smile``)."""
    unit_kind: Literal["intensity", "probability"] = "intensity"
    """What the numbers of such a tool are."""
    unit_scale: float = Field(default=1.0, gt=0)
    """Largest number of such a tool."""
    min_confidence: float = Field(default=0.8, ge=0, le=1)
    """Rows of OpenFace with a less certain face are rejected."""
