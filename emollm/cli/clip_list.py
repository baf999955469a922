"""A list of clips in a file: one JSON object a line with ``path`` and, if wanted, ``track``."""

import json
from pathlib import Path
from typing import NamedTuple

from emollm.errors import DataError, one_line, unknown_name
from emollm.files import opened_text

_FIELDS = ("path", "track")


class Listed(NamedTuple):
    """A clip of a list."""

    path: Path
    track: str | None
    """The person to answer for."""


def read_list(file: Path) -> list[Listed]:
    """The clips of a list, in order; relative paths are relative to the list's folder.

    Raises:
        DataError: The file cannot be read, a line is no such object, a clip stands in it twice, or there is none.
    """
    found: dict[Path, Listed] = {}
    with opened_text(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            listed = _listed(line, file.parent, f"{file}:{number}")
            if listed.path in found:
                raise DataError(
                    f"{file}:{number}: {one_line(str(listed.path))} stands in the list twice; leave one out"
                )
            found[listed.path] = listed
    if not found:
        raise DataError(f'{file}: no clips; expected lines such as {{"path": "clip.mp4"}}')
    return list(found.values())


def _listed(line: str, folder: Path, where: str) -> Listed:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {one_line(str(error))}") from error
    if not isinstance(said, dict) or not isinstance(said.get("path"), str) or not said["path"]:
        raise DataError(f'{where}: expected an object such as {{"path": "clip.mp4"}}')
    for name in said:
        if name not in _FIELDS:
            raise DataError(f"{where}: {unknown_name('field', one_line(name, 40), _FIELDS)}")
    track = said.get("track")
    if track is not None and not isinstance(track, str):
        raise DataError(f'{where}: track: expected a text such as "p2", got {one_line(repr(track), 40)}')
    return Listed(folder / said["path"], track)
