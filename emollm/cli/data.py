"""``emollm data``: builds training data, converts it between formats, and draws reports about it."""

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emollm import config
from emollm.cli import DONE, NOTHING_DONE, SOME_REJECTED, Stopped, say

if TYPE_CHECKING:
    from emollm.data_engines.recipe import BuildSettings
    from emollm.data_engines.shards import Counts

_OTHERS = {
    "convert": ("emollm.cli.data_convert", "Turn Samples into the formats of other tools, and back."),
    "report": ("emollm.cli.data_report", "Draw what a build kept and rejected as one HTML page."),
}
"""Module of each further command, imported when it is used, and its line in the help."""


class _Data(click.Group):
    """Commands by name; those of other modules are imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *_OTHERS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OTHERS:
            found: click.Command = getattr(import_module(_OTHERS[cmd_name][0]), cmd_name)
            return found
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, one.get_short_help_str()) for name, one in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*rows, *((name, line) for name, (_, line) in _OTHERS.items())])


@click.group("data", cls=_Data)
def command() -> None:
    """Build, convert and report on training data."""


@command.command("build", short_help="Turn clips, annotations or tables of action units into Samples.")
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="PATH",
    help="Clips, folders, patterns, .jsonl of records, tables of rows; may be given several times.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder of the shards.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change a setting of the recipe.")
@click.option("--engine", type=click.Choice(["local", "ray"]), help="Processes here, or Ray Data; as the recipe says.")
@click.option("--workers", type=click.IntRange(1, 1024), metavar="N", help="Processes; as the recipe says.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Read at most so many items.")
@click.option("--label-guided", is_flag=True, help="Show the gold label to the writer; recorded in every Sample.")
@click.option("--fresh", is_flag=True, help="Replace the build that is in DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def build(
    recipe: str,
    inputs: tuple[str, ...],
    out: Path,
    overrides: tuple[str, ...],
    engine: str | None,
    workers: int | None,
    limit: int | None,
    label_guided: bool,
    fresh: bool,
    as_json: bool,
) -> int:
    """Turn clips, annotations or tables of action units into Samples whose every claim is verified.

    RECIPE is a YAML file or the name of one that comes with emollm. DIR gets samples-*.jsonl, rejects-*.jsonl with the reason of
    each reject, and build.json. The same command again goes on where a run was stopped.
    """
    from emollm.data_engines.run import build as run

    settings = _settings(recipe, overrides, engine, workers, label_guided)
    meter = _Meter()
    try:
        counts = run(settings, inputs, out, limit=limit, fresh=fresh, progress=meter, note=say)
    except KeyboardInterrupt as error:
        raise Stopped(f"{meter.told}run the same command again to go on") from error
    finally:
        meter.close()
    if as_json:
        click.echo(counts.to_json())
    say(_summary(counts, out))
    if counts.later:
        say(f"{counts.later} Samples wait for a later run (budget spent or no reply): run the same command again")
    if counts.items == counts.unread:
        return NOTHING_DONE
    return SOME_REJECTED if counts.unread or counts.later else DONE


def _settings(
    recipe: str, overrides: tuple[str, ...], engine: str | None, workers: int | None, label_guided: bool
) -> "BuildSettings":
    from emollm.data_engines.recipe import BuildSettings, find

    more = [
        *([f"scale.engine={engine}"] if engine is not None else []),
        *([f"scale.workers={workers}"] if workers is not None else []),
        *(["label_guided=true"] if label_guided else []),
    ]
    return config.load(BuildSettings, find(recipe), (*overrides, *more))


def _summary(counts: "Counts", out: Path) -> str:
    text = f"{counts.items} items: {counts.kept} Samples kept, {counts.rejects} rejected"
    if counts.unread:
        text += f", {counts.unread} items could not be read"
    reasons = sorted(counts.rejected.items(), key=lambda one: (-one[1], one[0]))[:3]
    told = f" ({'; '.join(f'{number} {name}' for name, number in reasons)})" if reasons else ""
    return f"{text}{told}; written to {out}"


class _Meter:
    """Progress on standard error: a bar with rate and time left on a terminal, else a line now and then."""

    _EVERY = 30.0
    """Seconds between two lines."""

    def __init__(self) -> None:
        self._begun = self._said = time.monotonic()
        self._bar: Any = None
        self._at_first: int | None = None
        self._done = self._total = self._rejects = 0

    def __call__(self, done: int, total: int, counts: "Counts") -> None:
        """One more block is done."""
        before, self._done, self._total = self._done, done, total
        self._rejects += counts.rejects
        if self._at_first is None:
            self._at_first = before
        if sys.stderr.isatty():
            self._draw(done - before)
        elif time.monotonic() - self._said >= self._EVERY and done < total:
            self._said = time.monotonic()
            say(self._line())

    def _draw(self, more: int) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit="item", dynamic_ncols=True, leave=False, file=sys.stderr)
        self._bar.set_postfix_str(f"{self._rejects} rejected", refresh=False)
        self._bar.update(more)

    def _line(self) -> str:
        rate = self._done / max(time.monotonic() - self._begun, 1e-6)
        left = (self._total - self._done) / rate
        return f"{self._done} of {self._total} items, {rate:.0f}/s, about {left / 60:.0f} min left, {self._rejects} rejected"

    @property
    def told(self) -> str:
        """How far the run came."""
        return f"stopped after {self._done} of {self._total} items; " if self._total else "stopped; "

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
