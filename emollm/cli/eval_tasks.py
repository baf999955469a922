"""``emollm eval list``, ``describe`` and ``check``: which benchmarks there are, what each is worth, and what a copy of one lacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emollm.cli import DONE

if TYPE_CHECKING:
    from emollm.eval.readers.findings import Survey
    from emollm.eval.tasks import Task

_MOST_LACKS = 20
"""Lines of what is lacking that are told without ``--json``."""
_LABELS = 12
"""Labels of a part that are told without ``--json``."""


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_tasks(as_json: bool) -> int:
    """List the benchmarks that can be run, and those that cannot yet."""
    from emollm.eval.tasks import not_yet, task, tasks

    known = [task(id) for id in tasks()]
    if as_json:
        rows = [_summary(one) for one in known]
        _echo_json({"tasks": rows, "not_yet": [one._asdict() for one in not_yet()]})
        return DONE
    lines = [("task", "layout", "asks", "classes", "metric", "title")]
    for one in known:
        count = str(len(one.classes) or "open")
        lines.append((one.id, str(one.reader["layout"]), one.asks, count, one.primary, one.title))
    _echo_table(lines)
    click.echo("\nnot yet")
    _echo_table([(one.id, f"{one.title}: needs {one.needs}") for one in not_yet()])
    return DONE


@click.command()
@click.argument("name", metavar="TASK")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def describe(name: str, as_json: bool) -> int:
    """Say what a benchmark is: source, licence, parts, labels, metrics, floors, traps and how its folder looks."""
    from emollm.eval.tasks import task

    found = task(name)
    if as_json:
        _echo_json(found.model_dump(mode="json") | {"classes": found.classes, "primary": found.primary})
    else:
        click.echo(_card(found))
    return DONE


@click.command()
@click.argument("places", nargs=-1, required=True, metavar="[TASK] PATH")
@click.option("--task", "name", help="The benchmark, where it is not given before the path.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A setting, such as reader.image=file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(places: tuple[str, ...], name: str | None, overrides: tuple[str, ...], as_json: bool) -> int:
    """Say what a copy of a data set holds and lacks, without opening its media.

    What is lacking is told and is no error; the exit code is 2 where nothing can be read.
    """
    from emollm.errors import DataError, one_line
    from emollm.eval.run_items import has_reference
    from emollm.eval.tasks import task

    name, root = _task_and_path(places, name)
    found = task(name, overrides)
    survey = found.open().survey(root, lambda item: has_reference(item, found.asks))
    if not sum(survey.items.values()):
        first = next(iter(survey.lacks), "it holds nothing of the expected layout")
        raise DataError(
            one_line(
                f"{root}: nothing to read for {found.id}: {first}; `emollm eval describe {found.id}` shows the layout",
                None,
            )
        )
    if as_json:
        _echo_json(
            {"task": found.ref, "overrides": list(found.overrides), "path": str(root)}
            | {key: _plain(value) for key, value in survey._asdict().items()}
        )
    else:
        click.echo("\n".join(_told(found, root, survey)))
    return DONE


def _task_and_path(places: tuple[str, ...], name: str | None) -> tuple[str, Path]:
    """The two arguments, in either order; raises a usage error where one is missing."""
    from emollm.eval.tasks import tasks

    if name is not None and len(places) == 1:
        return name, Path(places[0])
    if name is None and len(places) == 2:
        first, second = places
        return (second, Path(first)) if second in tasks() and first not in tasks() else (first, Path(second))
    raise click.UsageError(
        "expected a task and the path of its data, for example: emollm eval check ferplus data/ferplus"
    )


def _summary(task: "Task") -> dict[str, Any]:
    return {
        "id": task.id,
        "version": task.version,
        "title": task.title,
        "layout": task.reader["layout"],
        "asks": task.asks,
        "classes": len(task.classes) or None,
        "primary": task.primary,
        "default_split": task.default_split,
    }


def _card(task: "Task") -> str:
    """The card as plain text."""
    labels = ", ".join(task.classes) or "open vocabulary"
    lines = [
        f"{task.title}  ({task.ref})",
        "",
        f"source    {task.cite}",
        f"licence   {task.licence}",
        f"obtain    {task.obtain}",
        f"shows     {', '.join(task.streams)}",
        f"asks      {task.asks}, by the prompt {task.prompt}",
        f"labels    {labels}" + (f"  ({len(task.classes)}, set {task.label_set})" if task.classes else ""),
        f"metrics   {', '.join(task.metrics)}; the headline is {task.primary}",
        f"resample  {task.cluster or 'each item'}" + (f"; groups: {', '.join(task.groups)}" if task.groups else ""),
        "",
        "parts",
    ]
    for name, split in task.splits.items():
        headline = ", the headline's" if name == task.default_split else ""
        lines.append(f"  {name:<10}{split.role}{headline}" + (f", {split.n} items" if split.n else ""))
    for title, rows in (("floors", task.floors), ("traps", task.traps)):
        if rows:
            lines += ["", title, *(f"  - {row}" for row in rows)]
    return "\n".join([*lines, "", "layout", *(f"  {line}" for line in task.layout.rstrip().splitlines())])


def _told(task: "Task", root: Path, survey: "Survey") -> list[str]:
    """What a survey found, as lines."""
    from emollm.errors import visible

    lines = [f"{visible(str(root))}: {task.title} ({task.ref})"]
    if task.overrides:
        lines.append(visible(f"  changed by --set: {'; '.join(task.overrides)}"))
    for split, items in survey.items.items():
        counts, references = survey.counts[split], survey.references[split]
        plan = task.splits.get(split)
        official = f" of {plan.n} published" if plan and plan.n and plan.n != references else ""
        has = "labelled" if task.asks in ("label", "labels") else "with a reference"
        clusters = f", {survey.clusters[split]} {task.cluster}s" if split in survey.clusters and task.cluster else ""
        lines.append(f"  {split}: {items} items, {references} {has}{official}{clusters}")
        named = [f"{label} {count}" for label, count in counts.items() if label]
        more = f" and {len(named) - _LABELS} more labels" if len(named) > _LABELS else ""
        if named:
            lines.append(f"    {', '.join(named[:_LABELS])}{more}")
    lines += [f"  {aside}" for aside in survey.asides]
    if not survey.lacks:
        return [*lines, "  lacks nothing"]
    more_lacks = len(survey.lacks) - _MOST_LACKS
    lines += ["  lacks", *(f"    {line}" for line in survey.lacks[:_MOST_LACKS])]
    return [*lines, f"    and {more_lacks} more; --json tells all"] if more_lacks > 0 else lines


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _echo_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def _echo_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as their longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        click.echo("".join(f"{cell:<{width + 2}}" for cell, width in zip(row, widths, strict=False)) + row[-1])
