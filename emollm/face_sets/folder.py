"""Faces in folders: ``split/class/*.jpg`` as RAF-DB is often kept, or ``class/*.jpg``."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from emollm.errors import DataError
from emollm.face_sets.classes import UNLABELLED, Classes
from emollm.face_sets.layouts import Raw, refuse_split, spaced
from emollm.face_sets.source import FaceSource
from emollm.media.images import looks_like_image


class _Group(NamedTuple):
    """A folder of pictures of one class."""

    split: str
    name: str | None
    """Of the class; None for pictures that lie beside the folders of classes."""
    path: Path


class FolderReader:
    """Reads such folders. Files that are no pictures by their suffix, and hidden ones, are not looked at.

    A folder is a split if it has folders itself. Pictures beside the folders of classes are rejected.

    Args:
        source: The folder, and which part of it.
        classes: What the names of folders are mapped to.

    Raises:
        DataError: Not such a folder, an unknown split, or a class that the label set does not have.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, source: FaceSource, classes: Classes) -> None:
        self.root = source.path
        self._limit = source.limit
        if not self.root.is_dir():
            what = "is a file" if self.root.exists() else "no such folder"
            raise DataError(f"{self.root}: {what}; expected a folder of split/class/*.jpg or class/*.jpg")
        self._groups = self._chosen(source.split)
        self._labels: dict[str, int | None] = {}
        for split, name, path in self._groups:
            if name is None or not _pictures(path):
                continue
            if inner := _folders(path):
                raise DataError(f"{inner[0]}: expected pictures in {split or self.root}/{name}, found a folder")
            self._labels[name] = None if classes.ignored(name) else classes.label(name, str(self.root))
        if not self._labels:
            raise DataError(
                f"{self.root}: no pictures in folders of classes; expected split/class/*.jpg or class/*.jpg"
            )

    def content(self) -> str:
        """SHA-256 of the pictures' names, sizes and times of change."""
        found = sha256()
        for _, path in self._pictures():
            found.update(f"{path} {stamp(self.root / path)}\n".encode(errors="surrogateescape"))
        return found.hexdigest()

    def rows(self) -> Iterator[Raw]:
        """The pictures, sorted by split, class and name."""
        total = sum(1 for _ in self._pictures()) if self._limit is not None else 0
        wanted = None if self._limit is None else set(spaced(total, self._limit).tolist())
        for row, (group, path) in enumerate(self._pictures()):
            if wanted is not None and row not in wanted:
                continue
            label = UNLABELLED if group.name is None else self._labels[group.name]
            if (readable := path.encode(errors="surrogateescape").decode(errors="backslashreplace")) != path:
                yield Raw(readable, group.split, reject="its name is not UTF-8")
            elif group.name is None:
                yield Raw(path, group.split, reject="lies in no folder of a class")
            elif label is None:
                yield Raw(path, group.split, reject=f"class {group.name!r} is ignored")
            else:
                yield Raw(path, group.split, path=path, label=label)

    def _chosen(self, split: str | None) -> list[_Group]:
        """Folders of pictures of one split, or of all."""
        top = _folders(self.root)
        splits = [folder for folder in top if _folders(folder)]
        classes = [folder for folder in top if folder not in splits and _pictures(folder)]
        if splits and classes:
            raise DataError(
                f"{self.root}: {splits[0].name} has folders and {classes[0].name} pictures; keep either splits or classes in it"
            )
        if not splits:
            if split is not None:
                raise refuse_split(self.root, split, [])
            return [_Group("", None, self.root), *(_Group("", folder.name, folder) for folder in classes)]
        if split is not None:
            if split not in (names := [folder.name for folder in splits]):
                raise refuse_split(self.root, split, names)
            splits = [folder for folder in splits if folder.name == split]
        groups = [] if split is not None else [_Group("", None, self.root)]
        for part in splits:
            groups.append(_Group(part.name, None, part))
            groups += [_Group(part.name, folder.name, folder) for folder in _folders(part)]
        return groups

    def _pictures(self) -> Iterator[tuple[_Group, str]]:
        for group in self._groups:
            for name in _pictures(group.path):
                yield group, (group.path / name).relative_to(self.root).as_posix()


def stamp(file: Path) -> str:
    """Size and time of change of a file, as far as it is there."""
    try:
        found = file.stat()
    except OSError:
        return "absent"
    return f"{found.st_size} {found.st_mtime_ns}"


def _folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _entries(folder) if entry.is_dir())


def _pictures(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(folder) if looks_like_image(Path(entry.name)) and not entry.is_dir())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
