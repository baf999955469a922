"""The answers of a run beside its references, scored as any predictions are, with what the run knows of itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from emollm.errors import ConfigError
from emollm.eval.items import Item
from emollm.eval.predictions import CHINESE, EVIDENCE, FAULT, IDS, LISTS, NUMBERS, TEXTS, Notes, Row, Table, read
from emollm.eval.run_items import Question
from emollm.eval.scoring import CLUSTER, DECLARED, Settings, finish
from emollm.eval.scoring_compare import KINDS
from emollm.eval.scoring_groups import MOST
from emollm.eval.tasks import Task, tasks
from emollm.eval.tasks import task as task_of
from emollm.metrics.scored import Scored

_KEYS = frozenset(
    (
        *("gold", "reference", FAULT, CLUSTER, *IDS, *LISTS, *TEXTS, *CHINESE, *NUMBERS, *EVIDENCE, "track", *DECLARED),
        *("scores", "confidence", "reply", "cut", "task", "settings", "key"),
    )
)
"""Keys of rows that mean something."""


def kind_of(task: Task) -> str:
    """What kind of answer a task wants: a name of the table of scorers."""
    if task.asks == "labels":
        return "ov" if task.label_set is None else "several"
    return {"label": "labels", "description": "emer", "numbers": "va"}[task.asks]


def recorded_kind(*files: Path) -> str:
    """What kind of answer files hold, by the tasks that their rows name; labels where they name none that is known.

    Raises:
        DataError: A file that cannot be read.
        ConfigError: Answers of several kinds, or of labels of which nothing says whether they are of a closed set.
    """
    tables = [read(file) for file in files]
    named = {row.fields["task"] for table in tables for row in table.recorded.values() if "task" in row.fields}
    kinds = {kind_of(found) for name in named if (found := _task_of(name)) is not None}
    if len(kinds) > 1:
        raise ConfigError(
            f"{tables[0].path}: answers of {' and of '.join(sorted(kinds))}; say with --kind as which they are compared"
        )
    if kinds:
        return kinds.pop()
    for table in tables:
        if any(len(row.reference or ()) > 1 for row in table.recorded.values()):
            raise ConfigError(
                f"{table.path}: references of several labels; say --kind several (of a closed set) or --kind ov (free words)"
            )
    return "emer" if any(row.described for table in tables for row in table.recorded.values()) else "labels"


def _task_of(name: str) -> Task | None:
    """The task that rows name, as ``id@version`` or as the path of a file; None if it is not known here."""
    id = name.rpartition("@")[0] or name
    is_own = Path(id).suffix in (".yaml", ".yml") and Path(id).is_file()
    return task_of(id) if is_own or id in tasks() else None


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
        cluster=(task.cluster or CLUSTER) if any(item.cluster for item in items) else "",
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
            fields[task.cluster or CLUSTER] = item.cluster
        id = item.id.strip()
        rows[id] = Row(id, item.gold or None, item.text or None, dict(item.numbers), fields=fields)
    return Table(data, fingerprint, rows, Notes(), 0)


def _listed(task: Task, question: Question) -> str:
    """The closed set as the scorers take it: its name, or its labels where some of the set are no answer."""
    if question.labels is None:
        return ""
    return ",".join(question.labels.labels) if task.without else str(task.label_set)


def row_of(id: str, fields: dict[str, Any], item: Item, **more: Any) -> dict[str, Any]:
    """An answer as it is kept: what was read, what is known of the item, and what else is of the answer; empty values are left out."""
    row: dict[str, Any] = {"id": id, **fields, **known_of(item)}
    return row | {name: value for name, value in more.items() if value not in (None, "", {})}


def known_of(item: Item) -> dict[str, Any]:
    """What a row says of its item: the reference, as ``gold`` or as ``reference`` where it is a text, ``cluster``, and declared groups.

    Groups stand under their own names; one that is called like a key of the rows is left out.
    """
    found = {"gold": list(item.gold), "reference": item.text, "cluster": item.cluster}
    found |= {name: value for name, value in item.groups.items() if name not in _KEYS}
    return {name: value for name, value in found.items() if value}


def lost_row(item: Item, reason: str) -> dict[str, Any]:
    """The row of an item that could not be asked."""
    return row_of(item.id.strip(), {}, item) | {FAULT: reason, "key": ""}
