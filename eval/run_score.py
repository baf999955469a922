"""The answers of a run beside its references, scored as any predictions are, with what the run knows of itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from emollm.eval.items import Item
from emollm.eval.predictions import Notes, Row, Table, read
from emollm.eval.run_items import Question
from emollm.eval.scoring import Settings, finish
from emollm.eval.scoring_compare import KINDS
from emollm.eval.scoring_groups import MOST
from emollm.eval.tasks import Task
from emollm.metrics.scored import Scored

_CLUSTER = "cluster"


def kind_of(task: Task) -> str:
    """What kind of answer a task wants: a name of the table of scorers."""
    if task.asks == "labels":
        return "ov" if task.label_set is None else "several"
    return {"label": "labels", "description": "emer", "numbers": "va"}[task.asks]


def score(
    task: Task,
    question: Question,
    items: Sequence[Item],
    answers: Path,
    data: Path,
    fingerprint: str,
    settings: Settings,
    told: dict[str, JsonValue],
) -> Scored:
    """The record of a run.

    Args:
        task: Says what answers are compared with.
        question: Its closed set, if it has one.
        items: Of the run, with their references.
        answers: The file of answers, of these items only.
        data: Where the data set lies.
        fingerprint: Of the items and their contents.
        settings: Of the bootstrap, and tables of the wheels; sets, clusters and groups are filled in here.
        told: More of where the numbers come from.

    Raises:
        DataError: Nothing to score.
    """
    gold = references(task, items, data, fingerprint)
    said = read(answers)
    settings = settings._replace(
        labels=_listed(task, question),
        cluster=(task.cluster or _CLUSTER) if any(item.cluster for item in items) else "",
        groups=tuple(
            name for name in task.groups if 0 < len({item.groups.get(name, "") for item in items} - {""}) <= MOST
        ),
    )
    scoring, aligned = KINDS[kind_of(task)](gold, said, settings)
    found = finish(scoring, aligned, gold, said, settings)
    more: dict[str, JsonValue] = {}
    if question.labels is not None:
        labels = question.labels
        more["label_set"] = {"id": f"{labels.id}@{labels.version}", "labels": list(labels.labels)}
    return found.model_copy(
        update={
            "primary": task.primary if task.primary in found.metrics else found.primary,
            "provenance": found.provenance | more | told,
        }
    )


def references(task: Task, items: Sequence[Item], data: Path, fingerprint: str) -> Table:
    """The items as a table of references."""
    rows = {}
    for item in items:
        fields = {name: value for name, value in item.groups.items() if value}
        if item.cluster:
            fields[task.cluster or _CLUSTER] = item.cluster
        id = item.id.strip()
        rows[id] = Row(id, item.gold or None, item.text or None, dict(item.numbers), fields=fields)
    return Table(data, fingerprint, rows, Notes(), 0)


def _listed(task: Task, question: Question) -> str:
    """The closed set as the scorers take it: its name, or its labels where some of the set are no answer."""
    if question.labels is None:
        return ""
    return ",".join(question.labels.labels) if task.without else str(task.label_set)


def row_of(id: str, fields: dict[str, Any], item: Item, **more: Any) -> dict[str, Any]:
    """An answer as it is kept: what was read, the reference, and what else is known of it; empty values are left out."""
    row: dict[str, Any] = {"id": id, **fields}
    if item.gold:
        row["gold"] = list(item.gold)
    return row | {name: value for name, value in more.items() if value not in (None, "", {})}
