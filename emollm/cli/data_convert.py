"""``emollm data convert``: training data and annotations from one project's format to another's."""

import json
from pathlib import Path

import click

from emollm.cli import DONE, SOME_REJECTED, say
from emollm.errors import ConfigError

_TOLD = 5
"""Losses that are told one by one."""


@click.command("convert")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path(path_type=Path))
@click.option("--from", "source", default="auto", show_default=True, metavar="NAME", help="Format of the inputs.")
@click.option("--to", "target", required=True, metavar="NAME", help="Format to write.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="PATH", help="File to write.")
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the media: relative paths start there and the files must exist; written paths are relative to it.",
)
@click.option("--licence", default="unknown", show_default=True, metavar="TEXT", help="Of records that state none.")
@click.option("--dataset", metavar="NAME", help="Name of the data set, for records that state none.")
@click.option("--table-scale", type=float, metavar="MAX", help="Largest intensity of a LibreFace table: 1 or 5.")
@click.option("--table-fps", type=float, metavar="FPS", help="Frames a second of what a py-feat table was made of.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def convert(
    inputs: tuple[Path, ...],
    source: str,
    target: str,
    out: Path,
    root: Path | None,
    licence: str,
    dataset: str | None,
    table_scale: float | None,
    table_fps: float | None,
    as_json: bool,
) -> int:
    """Convert training data and annotations between formats.

    Conversations: messages, trl, llamafactory, swift, humanomni, r1-omni, parquet. Annotated clips: items, merr, mer-factory (read
    only), emer, ov, expllm, and tables of openface2, pyfeat, libreface (both read only). An annotation becomes a conversation by its
    text or label. Records that cannot be converted are listed in rejects.jsonl beside the output, and the exit code is then 1.
    """
    from emollm.data_engines.formats.base import Options
    from emollm.data_engines.formats.convert import convert as run
    from emollm.data_engines.formats.convert import told_losses

    if root is not None and not root.is_dir():
        raise ConfigError(f"--root {root}: expected a folder with the media")
    for option, number in (("--table-scale", table_scale), ("--table-fps", table_fps)):
        if number is not None and not 0 < number < float("inf"):
            raise ConfigError(f"{option} {number:g}: expected a number above 0")
    options = Options(root, licence, dataset, table_scale, table_fps)
    done = run(inputs, source, target, out, options)
    if as_json:
        counts = {
            name: getattr(done, name) for name in ("source", "target", "read", "written", "rejected", "merged", "lost")
        }
        click.echo(json.dumps({"out": str(out), **counts, "rejects": str(done.rejects) if done.rejects else None}))
    losses = list(told_losses(done))
    for line in (*done.notes, *losses[:_TOLD]):
        say(line)
    if len(losses) > _TOLD:
        say(f"and {len(losses) - _TOLD} other kinds of loss; --json lists all")
    say(_summary(done.read, done.written, done.rejected, f"{done.source} to {target}", out, done.rejects))
    return SOME_REJECTED if done.rejected else DONE


def _summary(read: int, written: int, rejected: int, what: str, out: Path, rejects: Path | None) -> str:
    bad = f", {rejected} rejected (see {rejects})" if rejected else ""
    return f"{what}: {read} records read, {written} written to {out}{bad}"
