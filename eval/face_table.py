"""Face nets side by side on the same faces: the table of docs/face-encoders.md.

Each net gets crops of its own size; accuracy and recall stand with their intervals, calibration and speed beside them, and every net is
compared with the first one face by face: the paired bootstrap of the difference in accuracy, and McNemar's exact test.

    python -m emollm.eval.face_table face-mt runs/se-swin runs/resemotenet --data FERPLUS.npz --split valid
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np

from emollm import config
from emollm.encoders.weights import Trained, load
from emollm.errors import DataError
from emollm.eval.bench_machine import machine
from emollm.eval.face import FaceTask, Result, evaluate
from emollm.eval.face_scores import Answers
from emollm.eval.face_speed import Speed, speeds
from emollm.metrics.bootstrap import Estimate, McNemar, bootstrap, difference, mcnemar, mean
from emollm.metrics.report import Metric

_HEADER = (
    "encoder",
    "net",
    "parameters",
    "WAR",
    "UAR",
    "ECE",
    "CPU ms a face (one, batched)",
    "WAR − first",
    "McNemar p",
)


class Row(NamedTuple):
    """One net."""

    trained: Trained
    result: Result
    speed: Speed
    against: tuple[Estimate, McNemar] | None
    """Difference in accuracy to the first net, and whether it is one; None of the first."""


def compare(
    nets: Sequence[Trained], task: FaceTask, work: Path, *, threads: int = 2, rounds: int = 20, workers: int = 2
) -> list[Row]:
    """Scores and times of nets on the same faces.

    Args:
        nets: The first is what the others are compared with.
        task: The faces.
        work: Folder for prepared crops; nets of one size and margin share them.
        threads: Of torch, for the times.
        rounds: Of the times.
        workers: Processes that cut crops.

    Raises:
        DataError: As of :func:`emollm.eval.face.evaluate`, or nets that score different faces.
    """
    results = [evaluate(net, task, work, workers=workers) for net in nets]
    times = speeds(nets, threads=threads, rounds=rounds)
    first = results[0].answers
    rows = []
    for place, (net, result, speed) in enumerate(zip(nets, results, times, strict=True)):
        against = paired(result.answers, first, task) if place else None
        rows.append(Row(net, result, speed, against))
    return rows


def paired(one: Answers, other: Answers, task: FaceTask) -> tuple[Estimate, McNemar]:
    """How much more accurate one net is than another on the same faces.

    Raises:
        DataError: They did not answer the same faces for the same classes.
    """
    if one.ids != other.ids or not np.array_equal(one.reference, other.reference):
        raise DataError(
            f"the nets score different faces ({len(one.ids)} and {len(other.ids)}): compare them with --classes that both have"
        )
    right = one.right, other.right
    gain = difference(mean(right[0]), mean(right[1]))
    found = bootstrap({"war": gain}, len(one.ids), resamples=task.resamples, seed=task.seed)["war"]
    return found, mcnemar(*right)


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown, with a line on what they were measured on."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    report, source = rows[0].result.report, rows[0].result.report.provenance
    data = source["data"]
    assert isinstance(data, dict)
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.counts.items())
    floor = report.metrics["war"].floor or 0
    lines += [
        "",
        f"{Path(str(data['path'])).name} ({data['sha256'] or data['prepared']}), split {data['split'] or 'all'}, {source['protocol']}: {told}. "
        f"In brackets 95 % intervals (percentile bootstrap, {_resamples(source)}). Floor of WAR {100 * floor:.1f} %. "
        f"Times: {rows[0].speed.threads} threads, medians, the nets in turn; mirror images included where a net averages over them; {machine()}.",
    ]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    metrics, trained = row.result.report.metrics, row.trained
    gain, p = "–", "–"
    if row.against is not None:
        found, test = row.against
        gain = f"{100 * found.value:+.2f} ({100 * found.low:+.2f} to {100 * found.high:+.2f})"
        p = f"{test.p:.2g}"
    ece = metrics["ece"].value
    return (
        trained.name,
        trained.config.net.encoder,
        f"{trained.net.parameters_of() / 1e6:.2f} M",
        _share(metrics["war"]),
        _share(metrics["uar"]),
        "–" if ece is None else f"{ece:.3f}",
        f"{row.speed.single:.2f}, {row.speed.batched:.2f}",
        gain,
        p,
    )


def _share(found: Metric) -> str:
    if found.value is None:
        return "–"
    ci = "" if found.ci is None else f" ({100 * found.ci[0]:.1f}–{100 * found.ci[1]:.1f})"
    return f"{100 * found.value:.2f} %{ci}"


def _resamples(source: Mapping[str, object]) -> str:
    intervals = source["intervals"]
    assert isinstance(intervals, dict)
    return f"{intervals['resamples']} resamples, seed {intervals['seed']}"


@click.command()
@click.argument("nets", nargs=-1, required=True)
@click.option("--data", required=True, help="The faces.")
@click.option("--layout", type=click.Choice(["npz", "folder", "csv"]), default="npz", show_default=True)
@click.option("--split", help="Which part.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep prepared crops here.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that cut crops.")
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True, help="Of torch, for the times.")
@click.option("--set", "overrides", multiple=True, help="A setting of the task, such as classes=[neutral,happiness].")
def main(
    nets: tuple[str, ...],
    data: str,
    layout: str,
    split: str | None,
    work: Path | None,
    workers: int,
    threads: int,
    overrides: tuple[str, ...],
) -> None:
    """Print the table in Markdown."""
    import json

    given = {"source.path": data, "source.layout": layout, "source.split": split}
    task = config.load(FaceTask, None, [*(f"{name}={json.dumps(value)}" for name, value in given.items()), *overrides])
    opened = [load(net) for net in nets]
    with TemporaryDirectory(prefix="emollm-faces-") as folder:
        click.echo(table(compare(opened, task, work or Path(folder), threads=threads, workers=workers)))


if __name__ == "__main__":
    main()
