"""Media of items by name: which files there are, never what is in them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from emollm.clip_files import VIDEO_SUFFIXES, for_json, is_sound
from emollm.media.images import looks_like_image
from emollm.types import Clip


def clip_of(
    id: str, path: Path | None, *, transcript: str = "", speaker: str = "", dataset: str | None = None
) -> Clip | None:
    """A clip of a file, whose suffix says what it is, and of what is said in it; None if there is neither.

    Args:
        id: Of the item.
        path: A picture, video or sound; it need not be there.
        transcript: As the data set gives it.
        speaker: The same.
        dataset: Its name.
    """
    if path is None and not transcript.strip():
        return None
    kind = "" if path is None else "audio" if is_sound(path) else "image" if looks_like_image(path) else "video"
    return Clip(
        id=for_json(id),
        image=path if kind == "image" else None,
        video=path if kind == "video" else None,
        audio=path if kind == "audio" else None,
        transcript=transcript.strip() or None,
        speaker=speaker or None,
        dataset=dataset,
    )


class Named(NamedTuple):
    """Media of a folder and the folders below by the stem of their names."""

    folder: Path
    by_stem: Mapping[str, Path]

    def get(self, name: str, suffix: str = ".mp4") -> Path:
        """The file of that name, or where it should lie."""
        return self.by_stem.get(plain(name)) or self.folder / f"{Path(name).name}{'' if Path(name).suffix else suffix}"


def named(folder: Path) -> Named:
    """The media below a folder; of several files of one stem the first by path. Empty where there is no folder."""
    found: dict[str, Path] = {}
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(at, name)
            if not name.startswith(".") and (
                path.suffix.lower() in VIDEO_SUFFIXES or is_sound(path) or looks_like_image(path)
            ):
                found.setdefault(plain(name), path)
    return Named(folder, found)


def plain(name: str) -> str:
    """The stem of a file's name; a number without leading zeros, because lists and folders of DFEW differ in them."""
    stem = Path(name).stem if is_media_name(name) else Path(name).name
    return stem.lstrip("0") or "0" if stem.isdigit() else stem


def is_media_name(name: str) -> bool:
    """Whether a name ends like that of a picture, video or sound."""
    path = Path(name)
    return path.suffix.lower() in VIDEO_SUFFIXES or is_sound(path) or looks_like_image(path)
