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
from emollm.cli.batch import REJECTS, Batch, expand
from emollm.cli.terminal import json_for
from emollm.clip_files import accepts, is_sound, is_table, open_clip
from emollm.errors import ConfigError
from emollm.types import Clip, Record

if TYPE_CHECKING:
    from emollm.perception.settings import PerceptionSettings

S = TypeVar("S", bound=config.Settings)
R = TypeVar("R", bound=Record)
_Option = Callable[[Callable[..., int]], Callable[..., int]]


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
    table_fps: float | None

    @property
    def table(self) -> str:
        """What was said about tables, for the fingerprint of a run."""
        return f"{self.table_scale} {self.table_fps}"

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
        """The clip that a path names; see :func:`emollm.clip_files.open_clip`."""
        return open_clip(path, self.table_scale, self.table_fps)

    def pinned(self, perception: "PerceptionSettings", paths: Sequence[Path]) -> "PerceptionSettings":
        """The settings with ``auto`` replaced by what it stands for now.

        Results that are kept must not be taken over by a later run for which ``auto`` stands for another backend.
        """
        if self.out is None or all(is_table(path) or is_sound(path) for path in paths):
            return perception
        from emollm.perception.photo import choose_meter

        video = perception.video.model_copy(update={"action_units": choose_meter(perception.video.action_units)})
        return perception.model_copy(update={"action_units": choose_meter(perception.action_units), "video": video})

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
    return _gathering(command, ".jsonl", (*_options("a .jsonl file"), *_TABLE_OPTIONS))


def clip_or_list_options(command: Callable[..., int]) -> Callable[..., int]:
    """The same for a command that can be given its clips in another way too."""
    return _gathering(command, ".jsonl", (*_options("a .jsonl file", required=False), *_TABLE_OPTIONS))


def picture_options(command: Callable[..., int]) -> Callable[..., int]:
    """The same for a command that looks at pictures and writes Parquet: it takes no tables of measurements."""
    return _gathering(command, ".parquet", _options("a .parquet file"))


def _gathering(command: Callable[..., int], suffix: str, options: Sequence[_Option]) -> Callable[..., int]:
    @functools.wraps(command)
    def gathered(**values: Any) -> int:
        request = Request(**{name: values.pop(name, None) for name in Request.__dataclass_fields__})
        if request.out is not None and (request.out.suffix.lower() != suffix or request.out.is_dir()):
            raise ConfigError(f"--out {request.out}: expected a file name that ends in {suffix}")
        if request.out is not None and REJECTS in (request.out.name, os.path.basename(os.path.realpath(request.out))):
            raise ConfigError(f"--out {request.out}: {REJECTS} beside the results lists the rejects; give another name")
        _refuse_unless_above_0("--table-scale", request.table_scale, "1 or 5")
        _refuse_unless_above_0("--table-fps", request.table_fps, "25 or 29.97")
        return command(request, **values)

    made: Callable[..., int] = gathered
    for option in reversed(options):
        made = option(made)
    return made


def _options(file: str, required: bool = True) -> tuple[_Option, ...]:
    return (
        click.argument("clips", nargs=-1, required=required, metavar="CLIP..."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line and nothing else."),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"Keep the results in {file}; the same command goes on where it was stopped. Results of other clips that "
            "it has with the same settings stay there; a file that cannot be kept so is refused, not replaced.",
        ),
        click.option("--fresh", is_flag=True, help="Do everything anew, and drop the results that --out has."),
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings as YAML."
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="NAME=VALUE",
            help="One setting, for example perception.faces.max_faces=3; perception.voice.words=none leaves the words out, "
            "perception.voice.enabled=false the whole sound.",
        ),
    )


_TABLE_OPTIONS: tuple[_Option, ...] = (
    click.option(
        "--table-scale",
        type=float,
        metavar="MAX",
        help="Largest intensity of a table whose tool does not fix it (LibreFace: 1 or 5).",
    ),
    click.option(
        "--table-fps",
        type=float,
        metavar="FPS",
        help="Frames a second of the video that a table was made of, where it numbers the frames and has no times (py-feat).",
    ),
)


def _refuse_unless_above_0(option: str, value: float | None, example: str) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{option} {value:g}: expected a number above 0, for example {example}")


def is_recorded(clip: Clip) -> bool:
    """Whether a clip is a video or sound, which takes its time."""
    return clip.video is not None or clip.audio is not None


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
