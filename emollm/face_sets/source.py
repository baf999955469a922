"""Where faces come from: the settings that a recipe or a command line gives."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emollm.config import Settings


class Columns(Settings):
    """Names of the columns of a CSV manifest, as in its first line."""

    image: str | None = "image"
    """Path of the picture, relative to the CSV or to ``folder``; null where ``pixels`` holds it."""
    folder: str = ""
    """Folder that those paths start from, relative to the CSV's own."""
    pixels: str | None = None
    """Greys of a square picture, 0 to 255 with spaces between them (FER2013: ``pixels``); it is then read instead of ``image``."""
    label: str = "label"
    """The class, as a word or a code of the label set; not read where ``votes`` is given."""
    votes: tuple[str, ...] = ()
    """Columns with counts of votes, each named as a class of the label set."""
    split: str = "split"
    """The part that a row belongs to; a manifest without it has no parts."""
    valence: str | None = None
    """Pleasantness from −1 to 1; empty or −2 (AffectNet) where it was not given."""
    arousal: str | None = None
    """Excitement from −1 to 1; empty or −2 (AffectNet) where it was not given."""

    @model_validator(mode="after")
    def _shows_pictures(self) -> Self:
        if self.image is None and self.pixels is None:
            raise ValueError("a manifest needs a column of pictures; name columns.image or columns.pixels")
        return self


class FaceSource(Settings):
    """A data set of faces on disk."""

    layout: Literal["npz", "folder", "csv"] = "npz"
    """``npz``: arrays images, votes, columns, name and split, as FER+; ``folder``: ``split/class/*.jpg`` or ``class/*.jpg``;
    ``csv``: a manifest with a line a picture."""
    path: Path
    """The npz, the folder or the CSV."""
    split: str | None = None
    """The part to take (``train``, ``valid`` …); all of it if null."""
    label_set: str = "ferplus"
    """What the classes are called: a name of ``emollm/labels``, or a YAML file of the same form."""
    columns: Columns = Columns()
    """Names of the columns of a CSV."""
    ignore: tuple[str, ...] = ()
    """Classes of the source that are left out, counted among the rejects (AffectNet: ``["8", "9", "10"]``); any other class that the
    label set does not have is an error."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """At most so many rows, evenly spaced over the part; all of them if null."""
