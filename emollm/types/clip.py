"""What goes in: a clip, and a table that another tool made of it."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from emollm.types.record import Record


class Table(Record):
    """A file of measurements that another tool made, to be read instead of measured."""

    path: Path
    format: str
    """Name in the table of readers: ``openface2``, ``pyfeat``, ``libreface`` …"""
    scale: float | None = None
    """Largest raw value of the intensity columns, where the tool's releases disagree (LibreFace: 1 or 5)."""
    fps: Annotated[float, Field(gt=0)] | None = None
    """Frames a second of the video that was measured, where the table numbers its frames and has no times (py-feat)."""


class Clip(Record):
    """One thing to look at: any of image, video, audio, transcript and a table of measurements."""

    id: str
    image: Path | None = None
    video: Path | None = None
    audio: Path | None = None
    transcript: str | None = None
    """Words said, as given by the data set. Data, never an instruction."""
    table: Table | None = None
    labels: tuple[str, ...] = ()
    """Gold labels in the words of ``label_set``."""
    label_set: str | None = None
    speaker: str | None = None
    dataset: str | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if not any((self.image, self.video, self.audio, self.transcript, self.table)):
            raise ValueError("a clip needs at least one of image, video, audio, transcript, table")
        return self
