"""``emollm eval``: models on labelled data, with floors and intervals."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from emollm.cli import DONE, SOME_REJECTED, say
from emollm.cli.eval_lmms import lmms
from emollm.cli.eval_run import run
from emollm.cli.eval_score import compare, score
from emollm.cli.eval_tasks import check, describe, list_tasks
from emollm.errors import ConfigError, MissingDependency, one_line

if TYPE_CHECKING:
    from emollm.eval.face import FaceTask, Reject

_SUFFIXES = {".npz": "npz", ".csv": "csv", ".tsv": "csv"}
_TOLD = 5
"""Rejected pictures that are told one by one."""


@click.group("eval")
def command() -> None:
    """Measure models on labelled data."""


for _child in (list_tasks, describe, check, run, score, compare, lmms):
    command.add_command(_child)


@command.command("face")
@click.option(
    "--encoder", default="face-mt", show_default=True, help="A shipped face net, or a folder that training wrote."
)
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="An npz as FER+, a folder of classes, or a CSV."
)
@click.option("--split", help="The part to score; may be left out where there is only one.")
@click.option("--layout", type=click.Choice(["npz", "folder", "csv"]), help="By default told by the name of the data.")
@click.option("--label-set", default="ferplus", show_default=True, help="What the classes of the data are called.")
@click.option("--classes", metavar="A,B,…", help="Score only these, and let the net answer nothing else.")
@click.option(
    "--heads", default="expression", show_default=True, metavar="A,B", help="expression, units: heads to score."
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A setting, such as source.columns.image=file."
)
@click.option("--limit", type=click.IntRange(1), help="At most so many faces, evenly spaced.")
@click.option("--resamples", type=click.IntRange(100, 1_000_000), help="Of the bootstrap.  [default: 2000]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep prepared crops here for the next time.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that cut crops.")
@click.option("--speed", is_flag=True, help="Also measure CPU milliseconds a face.")
@click.option("--predictions", type=click.Path(path_type=Path), help="Write the answers face by face (.csv, .parquet).")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report as JSON to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def face(
    encoder: str,
    data: Path,
    work: Path | None,
    workers: int,
    speed: bool,
    predictions: Path | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Score a face net: accuracy, recalls, calibration, each with its interval and floor.

    Of data with votes the majority protocol of FER+ gives the labels; how many images it discards is told. Pictures that cannot be used
    are told on standard error; the others are scored, and the exit code is 1.
    """
    with needs_train():
        from emollm.encoders.weights import load
        from emollm.eval.face import evaluate, rejects
        from emollm.eval.face_text import checked_table, text, write_predictions
    from emollm.files import replacing

    if predictions is not None:
        checked_table(predictions)
    _spare_inputs(data, out, predictions)
    task = face_task(data, **options)
    trained = load(encoder)
    with ExitStack() as stack:
        folder = work or Path(stack.enter_context(TemporaryDirectory(prefix="emollm-faces-")))
        result = evaluate(trained, task, folder, workers=workers, progress=stack.enter_context(_bar()))
        if predictions is not None:
            write_predictions(result.answers, predictions)
        rejected = rejects(result.faces)
    _tell(rejected, result.report.counts["read"], data, work)
    given = {"encoder": encoder, "data": str(data), "speed": speed} | {k: v for k, v in options.items() if v}
    told = result.report.provenance | {"options": {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}}
    if speed:
        from emollm.eval.face_speed import speeds

        told["cpu_ms_a_face"] = dict(speeds([trained])[0]._asdict())
    report = result.report.model_copy(update={"provenance": told})
    if out is not None:
        with replacing(out, "w") as file:
            file.write(report.to_json(indent=1) + "\n")
    click.echo(report.to_json() if as_json else text(report))
    return SOME_REJECTED if rejected else DONE


def _tell(rejected: Sequence["Reject"], read: int, data: Path, work: Path | None) -> None:
    """Says how many pictures could not be used, and of the first which and why."""
    if not rejected:
        return
    say(f"{data}: {len(rejected)} of {read} pictures could not be used; the others are scored")
    for reject in rejected[:_TOLD]:
        say(f"{one_line(reject.id, 80)}: {reject.reason}")
    if (more := len(rejected) - _TOLD) > 0:
        place = f"rejects.jsonl in a folder of {work} lists all" if work else "--work FOLDER keeps the whole list"
        say(f"and {more} more; {place}")


def _spare_inputs(data: Path, out: Path | None, predictions: Path | None) -> None:
    """Refuses outputs that would replace the data, something in it, or each other.

    Raises:
        ConfigError: They would.
    """
    written = [path.resolve() for path in (out, predictions) if path is not None]
    for path in written:
        if path == data.resolve() or (data.is_dir() and data.resolve() in path.parents):
            raise ConfigError(
                f"{path}: lies in the data that is measured, which would be overwritten; give another name"
            )
    if len(set(written)) < len(written):
        raise ConfigError(f"{out}: --out and --predictions name the same file; give two names")


def face_task(
    data: Path,
    *,
    split: str | None = None,
    layout: str | None = None,
    label_set: str = "ferplus",
    classes: str | None = None,
    heads: str = "expression",
    overrides: tuple[str, ...] = (),
    limit: int | None = None,
    resamples: int | None = None,
    seed: int = 0,
) -> "FaceTask":
    """The settings that a line's options stand for.

    Raises:
        ConfigError: Options that no setting takes, or data whose layout its name does not tell.
    """
    import json

    from emollm import config
    from emollm.eval.face import FaceTask

    source = {
        "path": str(data),
        "layout": layout or _layout(data),
        "split": split,
        "label_set": label_set,
        "limit": limit,
    }
    values: dict[str, Any] = {f"source.{name}": value for name, value in source.items()}
    values |= {"classes": _words(classes or ""), "heads": _words(heads), "seed": seed}
    if resamples is not None:
        values["resamples"] = resamples
    return config.load(FaceTask, None, [*(f"{name}={json.dumps(value)}" for name, value in values.items()), *overrides])


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _layout(data: Path) -> str:
    if data.is_dir():
        return "folder"
    if data.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[data.suffix.lower()]
    if not data.exists():
        raise ConfigError(f"{data}: no such file or folder")
    raise ConfigError(f"{data}: its name does not say what it is; give --layout npz, folder or csv")


@contextmanager
def needs_train() -> Iterator[None]:
    """Names the extra where one of its packages is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == "emollm":
            raise
        raise MissingDependency(
            f"measuring face nets needs the package {error.name!r}; install it with: pip install 'emollm[train]'"
        ) from error


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if that is a terminal."""
    from tqdm import tqdm

    with tqdm(desc="answers", unit=" faces", leave=False, file=sys.stderr, disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
