"""Draws how runs went: loss by step, validation loss and labels right at each validation.

python -m emollm.train.curves runs/align/emollm-135m runs/sft/emollm-135m --out docs/images/emollm-135m-curves.svg

A panel a run, from the log in its newest checkpoint.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from emollm.errors import ConfigError, DataError, EmollmError
from emollm.files import replacing
from emollm.refusal import Refusal
from emollm.train.sft_state import whole

Points = list[tuple[int, float]]
"""Step and value."""


class Curves(NamedTuple):
    """What a run logged."""

    name: str
    loss: Points
    """Of training, averaged over the steps between two lines of the log."""
    validation: Points
    """Loss."""
    right: Points
    """Share of generated labels that are right (WAR)."""


def read(run: Path) -> Curves:
    """The log of a run, from its newest checkpoint.

    Raises:
        DataError: It has no whole checkpoint, or that holds no log.
    """
    found = whole(run)
    if not found:
        raise DataError(f"{run}: expected a run of emollm train with a whole checkpoint, found none; train first")
    file = found[-1] / "trainer_state.json"
    try:
        lines: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["log_history"]

        def of(key: str) -> Points:
            return [(int(line["step"]), float(line[key])) for line in lines if key in line]

        return Curves(f"{run.resolve().parent.name}/{run.name}", of("loss"), of("eval_loss"), of("eval_war"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: expected the log of a run: {' '.join(str(error).split())}") from error


def draw(runs: Sequence[Curves], out: Path) -> None:
    """A picture with a panel a run.

    Args:
        runs: What was logged.
        out: ``.svg`` or ``.png``, written whole or not at all.

    Raises:
        ConfigError: Another kind of file.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if out.suffix not in (".svg", ".png"):
        raise ConfigError(f"--out {out}: expected a name that ends in .svg or .png")
    with mpl.rc_context({"svg.hashsalt": out.name, "font.size": 9}):
        figure = Figure(figsize=(4.6 * len(runs), 3.2), layout="constrained")
        for place, run in enumerate(runs):
            axes = figure.add_subplot(1, len(runs), place + 1)
            axes.plot(*_columns(run.loss), color="#4477aa", linewidth=1, label="training loss")
            if run.validation:
                axes.plot(*_columns(run.validation), "o-", color="#aa3377", markersize=3, label="validation loss")
            axes.set(title=run.name, xlabel="step", ylim=(0, None))
            lines = list(axes.get_lines())
            if run.right:
                shares = axes.twinx()
                lines += shares.plot(*_columns(run.right), "s--", color="#228833", markersize=3, label="labels right")
                shares.set(ylim=(0, 1))
            if place == len(runs) - 1:
                names = [str(line.get_label()) for line in lines]
                figure.legend(lines, names, frameon=False, loc="outside lower center", ncols=3)
        with replacing(out) as file:
            figure.savefig(file, format=out.suffix[1:], metadata={"Date": None} if out.suffix == ".svg" else {})


def _columns(points: Points) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The picture: .svg or .png.")
def main(runs: tuple[Path, ...], out: Path) -> None:
    """Draw the loss of each RUN by step, with what was validated."""
    try:
        draw([read(run) for run in runs], out)
    except EmollmError as error:
        raise Refusal(str(error)) from error
    click.echo(out)


if __name__ == "__main__":
    main()
