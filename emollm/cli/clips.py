"""Options and steps that the commands on clips share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from emollm.cli.batch import clip_id
from emollm.errors import ConfigError, DataError, MediaError
from emollm.types import Clip, Table

F = TypeVar("F", bound=Callable[..., Any])

_TABLES = (".csv",)


def clip_options(command: F) -> F:
    """The arguments and options of every command on clips."""
    options = (
        click.argument("clips", nargs=-1, required=True, metavar="CLIP..."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line and nothing else."),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Keep the results in a .jsonl file; the same command goes on where it was stopped.",
        ),
        click.option("--fresh", is_flag=True, help="Do everything anew, whatever --out holds."),
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings as YAML."
        ),
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
    for option in reversed(options):
        command = option(command)
    return command


def accepts(path: Path) -> bool:
    """Whether a file found in a folder is a clip: a photo, or a table of measurements of a known tool."""
    from emollm.media.images import looks_like_image

    if path.suffix.lower() in _TABLES:
        from emollm.perception.tables import sniff

        return sniff(path) is not None
    return looks_like_image(path)


def open_clip(path: Path, table_scale: float | None) -> Clip:
    """The clip that a path names: a table by its suffix, anything else as a photo.

    Raises:
        DataError: A table of no known tool.
        MediaError: A recording, which this version does not read.
    """
    id = clip_id(path)
    if path.suffix.lower() in _TABLES:
        from emollm.perception.tables import READERS, sniff

        name = sniff(path)
        if name is None:
            raise DataError(f"{id}: not a table of a known tool ({', '.join(READERS)})")
        return Clip(id=id, table=Table(path=path, format=name, scale=table_scale))
    if path.suffix.lower() in _RECORDINGS:
        raise MediaError(f"{id}: this version reads photos and tables of measurements, not recordings; give a photo")
    return Clip(id=id, image=path)


_RECORDINGS = frozenset(
    ".mp4 .mov .mkv .webm .avi .m4v .mpg .mpeg .wav .flac .mp3 .ogg .opus .m4a .aac".split()  # noqa: SIM905
)


def check_out(out: Path | None, suffix: str = ".jsonl") -> None:
    """Refuses an output file of another kind before any work is done.

    Raises:
        ConfigError: The suffix is another one, or the path is a folder.
    """
    if out is not None and (out.suffix.lower() != suffix or out.is_dir()):
        raise ConfigError(f"--out {out}: expected a file name that ends in {suffix}")
