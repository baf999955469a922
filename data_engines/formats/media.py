"""Media of foreign records: paths under a root, and the marks in a text that say where each item stands."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from emollm.data_engines.formats.base import Options
from emollm.errors import DataError
from emollm.generate import neutral
from emollm.samples import MediaItem
from emollm.types import MediaPart, Message, TextPart

Kind = Literal["image", "video", "audio"]
KINDS: tuple[Kind, ...] = ("image", "video", "audio")
Part = TextPart | MediaPart

VIDEO = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v")
"""Suffixes a clip that is only named is looked for with, in this order."""

_TAG = re.compile(r"<(image|video|audio)>")
_KEPT = re.compile(r"(</?(?:think|answer)>)")
"""Tags of a reasoning reply: they belong to the text, and no tokenizer of today makes a turn of them."""


# ---- paths ----------------------------------------------------------------------------------------------------------


def resolved(path: object, options: Options) -> Path:
    """Where a media file is.

    Args:
        path: As it stands in a record; a relative one starts from ``options.root``.
        options: With a root the file must be there.

    Raises:
        DataError: No path, one that leaves the root by ``..``, or (with a root) no such file.
    """
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise DataError(f"media path: expected text, got {path!r:.60}")
    path = path.removeprefix("file://")
    if "://" in path:
        raise DataError(f"media {path!r:.80} is an address; fetch it and give the file")
    if ".." in PurePosixPath(path).parts:
        raise DataError(f"media path {path!r:.80} leaves its folder by '..'; give paths below --root")
    if options.root is None:
        return Path(path)
    place = options.root / path
    if not place.is_file():
        raise DataError(f"media {path!r:.80}: no such file under {options.root}")
    return place


def relative(path: Path, options: Options) -> str:
    """How a path is written: from the root if it is below it, else as it is."""
    if options.root is not None and path.is_relative_to(options.root):
        return path.relative_to(options.root).as_posix()
    return path.as_posix()


def clip_path(name: str, options: Options) -> Path:
    """The video of a clip of which a format gives only the name.

    Without a root it is taken to be ``<name>.mp4``; with one it is looked for.

    Raises:
        DataError: Nothing of that name is under the root, or the name is a path.
    """
    if not name.strip() or "/" in name or "\\" in name or name.startswith("."):
        raise DataError(f"clip name {name!r:.60}: expected the name of a file without its folder")
    if options.root is None:
        return Path(f"{name}.mp4")
    for suffix in VIDEO:
        if (options.root / f"{name}{suffix}").is_file():
            return options.root / f"{name}{suffix}"
    raise DataError(f"no video {name}.* ({', '.join(VIDEO)}) under {options.root}")


# ---- marks in texts -------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """A foreign text with its control tokens broken up; ``<think>`` and ``<answer>`` stay.

    It never breaks up anything twice: what was read once reads the same again.
    """
    return "".join(piece if _KEPT.fullmatch(piece) else neutral(piece) for piece in _KEPT.split(text))


def parts_of(text: str) -> tuple[Part, ...]:
    """Text and media places of a text in which ``<image>``, ``<video>``, ``<audio>`` stand for media."""
    pieces = _TAG.split(text)
    found: list[Part] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            found.append(MediaPart.model_validate({"type": piece}))
        elif piece:
            found.append(TextPart(text=plain(piece)))
    return tuple(found)


def tagged(message: Message) -> str:
    """The text of a message with its media places as marks; a mark that stands in the words is broken up."""
    return "".join(
        _TAG.sub(lambda found: f"< {found[1]}>", part.text) if isinstance(part, TextPart) else f"<{part.type}>"
        for part in message.content
    )


def media_of(messages: Sequence[Message], files: Mapping[Kind, Sequence[Path]]) -> tuple[MediaItem, ...]:
    """The media in the order of their places.

    Args:
        messages: With places.
        files: Paths by kind, in the order of the places of that kind.

    Raises:
        DataError: Not as many places as files of some kind.
    """
    places = [part.type for message in messages for part in message.content if isinstance(part, MediaPart)]
    for kind in KINDS:
        wanted, given = places.count(kind), len(files.get(kind, ()))
        if wanted != given:
            raise DataError(
                f"{wanted} <{kind}> placeholder{'s' * (wanted != 1)} but {given} {kind}{'s' * (given != 1)}; "
                f"add the {kind} or remove the placeholder"
            )
    rest = {kind: iter(files.get(kind, ())) for kind in KINDS}
    return tuple(MediaItem(type=kind, path=next(rest[kind])) for kind in places)


def files_by_kind(media: Sequence[MediaItem], options: Options) -> dict[str, list[str]]:
    """Paths as they are written, by kind; kinds without media are left out."""
    return {
        kind: found
        for kind in KINDS
        if (found := [relative(item.path, options) for item in media if item.type == kind])
    }
