"""Pictures in folders of classes: ``class/*.jpg``, or ``split/class/*.jpg`` as copies of RAF-DB, AffectNet and ExpW are often kept."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from emollm.errors import DataError
from emollm.eval.items import Item
from emollm.eval.readers.base import ALL, Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of
from emollm.media.images import looks_like_image


class ImageFolder(Layout):
    """Folders are parts if they hold folders, classes if they hold pictures."""

    parts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What folders of a part may be called (``{"valid": ("val", "validation")}``); other parts keep the names of their folders."""

    def splits(self, root: Path) -> tuple[str, ...]:
        """Folders that hold folders, by the names of ``parts``; ``all`` where classes lie on top."""
        if root.is_file():
            raise DataError(f"{root}: is a file; expected a folder of class/*.jpg or split/class/*.jpg")
        named = tuple(self._split(folder.name) for folder in _folders(root) if _folders(folder))
        top = any(_pictures(folder) and not _folders(folder) for folder in _folders(root))
        return (*((ALL,) if top else ()), *dict.fromkeys(named))

    def missing(self, root: Path) -> Iterator[str]:
        """Parts that the task names and that are not there, unless there are no parts at all."""
        there = self.splits(root)
        if not there:
            yield "no pictures in folders of classes"
        elif there != (ALL,):
            yield from (
                f"no folder {(*names, split)[0]} ({split})" for split, names in self.parts.items() if split not in there
            )

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """Pictures by class and name."""
        above = [root] if split == ALL else [one for one in _folders(root) if self._split(one.name) == split]
        for place in above:
            for stray in _pictures(place):
                found.lack("a picture in no folder of a class, left out", f"{place.name}/{stray}")
            for folder in [one for one in _folders(place) if split != ALL or not _folders(one)]:
                for name in _pictures(folder):
                    path = folder / name
                    id = path.relative_to(root).as_posix()
                    clip = clip_of(id, path)
                    assert clip is not None
                    yield Item(clip.id, clip, self.gold(folder.name, found, str(folder)), split)

    def _split(self, folder: str) -> str:
        return next((split for split, names in self.parts.items() if folder in (split, *names)), folder)


def _folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _entries(folder) if entry.is_dir())


def _pictures(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(folder) if looks_like_image(Path(entry.name)) and not entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder and not hidden. Raises DataError if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
