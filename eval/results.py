"""The results of the shipped models on everything that is at hand, by one command, as the tables of ``docs/results.md``.

    python -m emollm.eval.results --data DATA --out runs/results --page docs/results.md

Each row of ``results.yaml`` is a run or a sweep as ``emollm eval run`` makes it, in a folder of its own below ``--out``, so that the command
goes on where it was stopped. Rows whose data are not there are told and left out of the tables.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from emollm import config
from emollm.config import Settings
from emollm.errors import DataError, EmollmError
from emollm.eval.bench_table import put
from emollm.eval.run import Plan, Progress, run
from emollm.eval.sweeping.table import Swept
from emollm.eval.sweeps import Sweep, sweep
from emollm.eval.tasks import refuse_test, task
from emollm.metrics.report import Metric
from emollm.metrics.scored import Scored

SECTIONS = ("eval-runs", "eval-sweeps")
_EVERY = 20
"""Answers between two lines of progress."""


class Measured(Settings):
    """One task answered by some generators."""

    task: str
    """Id of a task."""
    data: str
    """Folder below the data folder."""
    split: str
    """A part that is no test."""
    generators: tuple[str, ...]
    """As of ``--generator``."""
    limit: int | None = None
    """At most so many items, evenly spaced."""
    set: tuple[str, ...] = ()
    """Changes of the task, as of ``--set``."""
    sweep: Sweep | None = None
    """What varies, if anything."""
    told: str = ""
    """What the table calls it; the task's title if empty."""


class ResultsSettings(Settings):
    """What is measured."""

    version: Literal[1]
    runs: tuple[Measured, ...] = ()
    sweeps: tuple[Measured, ...] = ()


class Found(NamedTuple):
    """What one run gave."""

    row: Measured
    generator: str
    scored: Scored


class Varied(NamedTuple):
    """What one sweep gave."""

    row: Measured
    swept: Swept


def settings(file: Path | None = None) -> ResultsSettings:
    """The rows of a file; those that come with the package if none is given.

    Raises:
        ConfigError: It cannot be read.
    """
    return config.load(ResultsSettings, file or Path(str(files("emollm.eval") / "results.yaml")))


def measure(rows: ResultsSettings, data: Path, out: Path) -> tuple[list[Found], list[Varied], list[str]]:
    """Runs what was not run yet.

    Args:
        rows: What is measured.
        data: Folder of the data sets.
        out: Folder of the runs; the same call goes on with it.

    Returns:
        Runs, sweeps, and what was left out because its data are not there.

    Raises:
        EmollmError: As of :func:`emollm.eval.run.run` and :func:`emollm.eval.sweeps.sweep`.
    """
    found, varied, absent = [], [], []
    for row in (*rows.runs, *rows.sweeps):
        if not (data / row.data).exists():
            absent.append(f"{row.task}: no {row.data}/")
            continue
        for generator in row.generators:
            plan = _plan(row, generator, data, out)
            if row.sweep is None:
                found.append(Found(row, generator, run(plan, _Said(plan.out.name)).scored))
            else:
                varied.append(Varied(row, sweep(plan, row.sweep, _Said(f"{plan.out.name} {row.sweep}"))))
    return found, varied, absent


def _plan(row: Measured, generator: str, data: Path, out: Path) -> Plan:
    of = task(row.task, row.set)
    refuse_test(of, row.split, "select")  # what is looked at again and again must be no test
    name = f"{row.task}-{row.split}-{generator.replace(':', '-')}" + ("-sweeps" if row.sweep else "")
    return Plan(of, data / row.data, generator, out / name, split=row.split, limit=row.limit)


class _Said:
    """Says now and then how far a run is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, now: Progress) -> None:
        if now.done % _EVERY == 0 or now.done == now.total:
            print(f"results: {self._name}: {now.done} of {now.total}", file=sys.stderr, flush=True)


# ---- tables ---------------------------------------------------------------------------------------------------------


def runs_table(found: Sequence[Found]) -> str:
    """A row a run: the task's first two metrics with intervals and floors, coverage, and below it the commands."""
    lines = [
        "| what | by | n | metric | 95 % interval | floor | second metric | 95 % interval | answered |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    last = ""
    for row, generator, scored in found:
        of = task(row.task, row.set)
        names = [name for name in of.metrics if name in scored.metrics][:2] or [scored.primary]
        first, second = scored.metrics[names[0]], scored.metrics[names[1]] if len(names) > 1 else None
        title = row.told or of.title
        cells = [
            "" if title == last else f"{title}, {row.split}",
            _named(generator),
            f"{scored.n:,}",
            f"{names[0]} {_number(first.value)}",
            _interval(first),
            _number(first.floor),
            f"{names[1]} {_number(second.value)}" if second is not None else "",
            _interval(second) if second is not None else "",
            f"{scored.coverage:.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
        last = title
    return "\n".join([*lines, "", "```sh", *_commands([one.row for one in found]), "```"])


def sweeps_table(varied: Sequence[Varied]) -> str:
    """A row a variant: the metric, how far it is from the clean run with its paired interval, and flips."""
    blocks = []
    for row, swept in varied:
        of = task(row.task, row.set)
        lines = [
            f"**{row.told or of.title}, {row.split}, {row.sweep}**, {_named(swept.generator)}, n = {swept.n}, {swept.measure}:",
            "",
            "| variant | value | from clean | 95 % of the difference | flips |",
            "|---|---|---|---|---|",
        ]
        for one in swept.rows:
            gap = one.difference
            cells = [
                one.name, _number(one.metric.value), _number(gap.value if gap else None, True), _interval(gap) if gap else "",
                "" if one.flips is None or gap is None else f"{one.flips:.0%}",
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        if swept.spread is not None:
            apart = swept.spread
            lines += ["", f"{apart.wordings} wordings: {apart.lowest:.3f} to {apart.highest:.3f}, sd {apart.sd:.3f}."]
        lines += ["", "```sh", *_commands([row]), "```"]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _commands(rows: Sequence[Measured]) -> Iterator[str]:
    """The commands that make the rows one by one."""
    for row in dict.fromkeys(rows):
        words = ["emollm", "eval", "run", row.task, "--data", f"DATA/{row.data}", "--split", row.split]
        words += [part for one in row.set for part in ("--set", one)]
        words += ["--limit", str(row.limit)] if row.limit else []
        words += ["--sweep", row.sweep] if row.sweep else []
        names = row.generators
        yield shlex.join([*words, "--generator", names[0]]) + (f"  # and {', '.join(names[1:])}" if names[1:] else "")


def _named(generator: str) -> str:
    return generator.partition(" ")[0]


def _number(value: float | None, signed: bool = False) -> str:
    return "" if value is None else f"{value:+.3f}" if signed else f"{value:.3f}"


def _interval(found: Metric) -> str:
    return "" if found.ci is None else f"{found.ci[0]:.3f} – {found.ci[1]:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and writes; 0 done, 1 some data were not there, 2 nothing done, 130 stopped."""
    parser = argparse.ArgumentParser(prog="python -m emollm.eval.results", description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="?", type=Path, help="another list of rows than the package's")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; the same command goes on with it")
    parser.add_argument("--only", choices=["runs", "sweeps"], help="leave the other part as it is")
    parser.add_argument("--page", type=Path, help="a page whose sections are replaced; else the tables are printed")
    given = parser.parse_args(arguments)
    try:
        if not given.data.is_dir():
            raise DataError(f"--data {given.data}: no such folder")
        rows = settings(given.rows)
        if given.only is not None:
            rows = rows.model_copy(update={"runs" if given.only == "sweeps" else "sweeps": ()})
        found, varied, absent = measure(rows, given.data, given.out)
        if not found and not varied:
            raise DataError(f"--data {given.data}: {'; '.join(absent)}")
        tables = [runs_table(found) if found else "", sweeps_table(varied)]
        for section, text in zip(SECTIONS, tables, strict=True):
            if text and given.page is None:
                print(text, end="\n\n")
            elif text:
                put(given.page, section, text)
    except EmollmError as error:
        print(f"emollm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("emollm: stopped; the same command goes on", file=sys.stderr)
        return 130
    for one in absent:
        print(f"emollm: left out, {one}", file=sys.stderr)
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
