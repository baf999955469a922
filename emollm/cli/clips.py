"""Arguments and steps that the commands on clips share."""

import functools
import glob
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from emollm import config
from emollm.cli.batch import REJECTS, Batch, clip_id, expand
from emollm.cli.terminal import json_for
from emollm.errors import ConfigError, DataError, MediaError
from emollm.types import Clip, Record, Table

if TYPE_CHECKING:
    from emollm.perception.settings import PerceptionSettings

S = TypeVar("S", bound=config.Settings)
R = TypeVar("R", bound=Record)

_TABLES = (".csv",)


@dataclass(frozen=True)
class Request:
    """What every command on clips is asked for."""

    clips: tuple[str, ...]
    as_json: bool
    out: Path | None
    fresh: bool
    config_file: Path | None
    overrides: tuple[str, ...]
    table_scale: float | None

    def settings(self, cls: type[S]) -> S:
        """The command's settings, from ``--config`` and ``--set``."""
        return config.load(cls, self.config_file, self.overrides)

    def paths(self) -> list[Path]:
        """The files that the arguments stand for; see :func:`emollm.cli.batch.expand`."""
        paths = expand(self.clips, accepts)
        if self.out is not None:
            refuse_clips([self.out], paths)
        return paths

    def open(self, path: Path) -> Clip:
        """The clip that a path names; see :func:`open_clip`."""
        return open_clip(path, self.table_scale)

    def pinned(self, perception: "PerceptionSettings", paths: Sequence[Path]) -> "PerceptionSettings":
        """The settings with ``auto`` replaced by what it stands for now.

        Results that are kept must not be taken over by a later run for which ``auto`` stands for another backend.
        """
        if self.out is None or all(map(is_table, paths)):
            return perception
        from emollm.perception.photo import choose_meter

        return perception.model_copy(update={"action_units": choose_meter(perception.action_units)})

    @property
    def in_words(self) -> bool:
        """Whether results are printed for people."""
        return self.out is None and not self.as_json

    def show(self, batch: Batch[R], record: R, text: Callable[[], str]) -> None:
        """Prints a result in the form that was asked for; nothing where it only goes to ``--out``."""
        if self.as_json:
            batch.show(json_for(record.to_json(), sys.stdout))
        elif self.in_words:
            batch.show(text())


def clip_options(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the arguments of every command on clips; it takes them as its first argument, a :class:`Request`."""

    @functools.wraps(command)
    def gathered(**values: Any) -> int:
        request = Request(**{name: values.pop(name) for name in Request.__dataclass_fields__})
        if request.out is not None and (request.out.suffix.lower() != ".jsonl" or request.out.is_dir()):
            raise ConfigError(f"--out {request.out}: expected a file name that ends in .jsonl")
        if request.out is not None and REJECTS in (request.out.name, os.path.basename(os.path.realpath(request.out))):
            raise ConfigError(f"--out {request.out}: {REJECTS} beside the results lists the rejects; give another name")
        scale = request.table_scale
        if scale is not None and not (math.isfinite(scale) and scale > 0):
            raise ConfigError(f"--table-scale {scale:g}: expected a number above 0, for example 1 or 5")
        return command(request, **values)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


_OPTIONS: tuple[Callable[[Callable[..., int]], Callable[..., int]], ...] = (
    click.argument("clips", nargs=-1, required=True, metavar="CLIP..."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line and nothing else."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Keep the results in a .jsonl file; the same command goes on where it was stopped. Results of other clips that "
        "it has with the same settings stay there; a file that cannot be kept so is refused, not replaced.",
    ),
    click.option("--fresh", is_flag=True, help="Do everything anew, and drop the results that --out has."),
    click.option("--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings as YAML."),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="NAME=VALUE",
        help="One setting, for example perception.faces.max_faces=3.",
    ),
    click.option(
        "--table-scale",
        type=float,
        metavar="MAX",
        help="Largest intensity of a table whose tool does not fix it (LibreFace: 1 or 5).",
    ),
)


def refuse_clips(files: Iterable[Path], clips: Sequence[Path]) -> None:
    """Refuses to write over a clip, whatever link or spelling leads to it.

    Raises:
        ConfigError: One of the files is a clip.
    """
    places = {os.path.realpath(clip) for clip in clips}
    nodes = {node for clip in clips if (node := _node(clip)) is not None}
    for file in files:
        if os.path.realpath(file) in places or _node(file) in nodes:
            raise ConfigError(
                f"{file}: is a clip and would be replaced by what is written; give another folder or name"
            )


def _node(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def several(argument: str) -> bool:
    """Whether an argument is a folder or a pattern and so may stand for other clips the next time."""
    if os.path.isdir(argument):
        return True
    return "\0" not in argument and glob.has_magic(argument) and not os.path.lexists(argument)


def takes_in(argument: str, file: Path) -> bool:
    """Whether a folder or a pattern gives this file, if it is there, as a clip; hidden ones below it are not read."""
    if os.path.isdir(argument):
        real, folder = os.path.realpath(file), os.path.realpath(argument)
        below = os.path.relpath(real, folder)
        return not below.startswith(".") and f"{os.sep}." not in below
    parts = Path(os.path.abspath(argument)).parts
    return any(_matches(parts, Path(os.path.abspath(place)).parts) for place in (file, *file.parents))


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a path is one that the pattern gives; ``**`` stands for any number of folders."""
    if not pattern or not parts:
        return not parts and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return _matches(pattern[1:], parts) or _matches(pattern, parts[1:])
    return fnmatchcase(parts[0], pattern[0]) and _matches(pattern[1:], parts[1:])


def is_table(path: Path) -> bool:
    """Whether the suffix is that of a table of measurements."""
    return path.suffix.lower() in _TABLES


def accepts(path: Path) -> bool:
    """Whether a file found in a folder is a clip: a photo, or a table of measurements of a known tool.

    A table that cannot be looked into is kept, to be rejected with its reason.
    """
    from emollm.media.images import looks_like_image

    if not is_table(path):
        return looks_like_image(path)
    from emollm.perception.tables import sniff

    try:
        with path.open("rb"):
            return sniff(path) is not None
    except (OSError, DataError):
        return True


def open_clip(path: Path, table_scale: float | None) -> Clip:
    """The clip that a path names: a table by its suffix, anything else as a photo.

    Raises:
        DataError: A table that cannot be read, or of no known tool.
        MediaError: A recording, which this version does not read.
    """
    id = clip_id(path)
    if is_table(path):
        from emollm.perception.tables import READERS, sniff

        try:
            name = sniff(path)
            path.open("rb").close()
        except OSError as error:
            raise DataError(f"{id}: cannot be read: {error.strerror}") from error
        if name is None:
            raise DataError(f"{id}: not a table of a known tool ({', '.join(READERS)})")
        return Clip(id=id, table=Table(path=path, format=name, scale=table_scale))
    if path.suffix.lower() in _RECORDINGS:
        raise MediaError(f"{id}: this version reads photos and tables of measurements, not recordings; give a photo")
    return Clip(id=id, image=path)


_RECORDINGS = frozenset(
    ".mp4 .mov .mkv .webm .avi .m4v .mpg .mpeg .wav .flac .mp3 .ogg .opus .m4a .aac".split()  # noqa: SIM905
)
