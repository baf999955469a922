"""The files that arguments stand for, and what each names: a photo, a video, a sound recording or a table of measurements.

A file that is named is told by its content, so that a wrong suffix does no harm; only tables are told by theirs. In folders the
suffix decides, because looking into every file of a large folder takes long. ``talk.mp4`` and ``talk.wav`` side by side are two
clips: a video is explained with the sound that is in it.
"""

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from emollm.errors import DataError, MediaError
from emollm.types import Clip, Table

_TABLES = frozenset({".csv"})

_FILMS = ".mp4 .m4v .mov .qt .mkv .webm .avi .mpg .mpeg .mts .m2ts .wmv .asf .flv .ogv .3gp .3g2 .mxf .dv"
_SOUNDS = ".wav .wave .flac .mp3 .ogg .oga .opus .m4a .mka .aac .wma .aif .aiff .aifc .au .amr .ac3 .caf .w64 .weba"
VIDEO_SUFFIXES = frozenset(_FILMS.split())
"""Lower-case suffixes of the videos that a folder contributes; not ``.ts``, which is far more often a program."""
AUDIO_SUFFIXES = frozenset(_SOUNDS.split())
"""Lower-case suffixes of the sound recordings that a folder contributes."""


def is_table(path: Path) -> bool:
    """Whether the suffix is that of a table of measurements."""
    return path.suffix.lower() in _TABLES


def is_recording(path: Path) -> bool:
    """Whether the suffix is that of a video or a sound recording."""
    return path.suffix.lower() in VIDEO_SUFFIXES or is_sound(path)


def is_sound(path: Path) -> bool:
    """Whether the suffix is that of a sound recording."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def accepts(path: Path) -> bool:
    """Whether a file found in a folder is a clip: a photo, a recording, or a table of measurements of a known tool.

    A table that cannot be looked into is kept, to be rejected with its reason. Other files are not opened.
    """
    from emollm.media.images import looks_like_image

    if not is_table(path):
        return is_recording(path) or looks_like_image(path)
    from emollm.perception.tables import sniff

    try:
        with path.open("rb"):
            return sniff(path) is not None
    except (OSError, DataError):
        return True


def open_clip(path: Path, table_scale: float | None = None, table_fps: float | None = None) -> Clip:
    """The clip that a path names: a table by its suffix, anything else by its content.

    Args:
        path: A file.
        table_scale: Largest intensity of a table, where its tool does not fix it.
        table_fps: Frames a second of the video that a table was made of, where it has no times.

    Raises:
        DataError: A table that cannot be read, or of no known tool.
        MediaError: Neither photo nor video nor sound, or not readable at all.
    """
    id = clip_id(path)
    if is_table(path):
        return Clip(id=id, table=_table(path, id, table_scale, table_fps))
    match _kind(path):
        case "image":
            return Clip(id=id, image=path)
        case "video":
            return Clip(id=id, video=path)
        case _:
            return Clip(id=id, audio=path)


def _kind(path: Path) -> str:
    from emollm.media.images import looks_like_image
    from emollm.media.opening import kind_of

    try:
        return kind_of(path)
    except MediaError:
        if looks_like_image(path):  # who meant a photo is told what is wrong with it as a photo
            return "image"
        raise


def _table(path: Path, id: str, scale: float | None, fps: float | None) -> Table:
    from emollm.perception.tables import READERS, sniff

    try:
        name = sniff(path)
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"{id}: cannot be read: {error.strerror}") from error
    if name is None:
        raise DataError(f"{id}: not a table of a known tool ({', '.join(READERS)})")
    return Table(path=path, format=name, scale=scale, fps=fps)


def expand(arguments: Sequence[str], accepts: Callable[[Path], bool], note: Callable[[str], None]) -> list[Path]:
    """The files that files, folders and patterns stand for, each once, in the order of the arguments.

    A file that is named is kept whatever its suffix and even if it is not there, to be rejected later with its reason. A
    folder gives the accepted files in it and below, sorted, without hidden ones; a folder below that cannot be listed is
    kept too, to be rejected. A pattern (``*``, ``?``, ``[…]``, ``**``) that the shell left alone gives its matches likewise.

    Args:
        arguments: Files, folders and patterns.
        accepts: Whether a file that was found is wanted.
        note: Told of an argument that stands for nothing, where others do.

    Raises:
        DataError: A pattern matches nothing, or nothing is left to read.
    """
    found: list[Path] = []
    empty: list[str] = []
    for argument in arguments:
        before = len(found)
        path = Path(argument)
        if argument and os.path.isdir(argument):
            found += _below(path, accepts)
        elif "\0" not in argument and glob.has_magic(argument) and not os.path.lexists(argument):
            matches = [Path(name) for name in sorted(glob.glob(argument, recursive=True))]
            if not matches:
                raise DataError(f"{argument}: nothing matches this pattern")
            for match in matches:
                if match.is_dir():
                    found += _below(match, accepts)
                elif accepts(match):
                    found.append(match)
        elif argument:
            found.append(path)
        if len(found) == before:
            empty.append(argument)
    unique: dict[str, Path] = {}
    for path in found:
        unique.setdefault(os.path.abspath(path), path)
    if not unique:
        raise DataError(f"{', '.join(arguments) or 'no file given'}: found nothing of a kind that is read")
    for argument in empty:
        note(f"{argument or 'an empty argument'}: found nothing of a kind that is read; going on with the others")
    return list(unique.values())


def _below(folder: Path, accepts: Callable[[Path], bool]) -> list[Path]:
    """Accepted files below a folder, sorted; links to folders are followed, each real folder is visited once."""
    found: list[Path] = []
    seen: set[str] = set()

    def unreadable(error: OSError) -> None:
        found.append(Path(error.filename))

    for place, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in files if not name.startswith(".") and accepts(Path(place, name))]
    return sorted(found)


def clip_id(path: Path) -> str:
    """The path as given; a byte of a name that is not UTF-8 is written as its escape code: JSON cannot hold it."""
    return for_json(str(path))


def for_json(text: str) -> str:
    """The text with what is not UTF-8 as escape codes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
