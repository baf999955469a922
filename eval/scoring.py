"""Predictions beside references: aligned by id, scored by a task, resampled, with what was met on the way.

Each kind of answer is a module of its own (``scoring_labels``, ``scoring_several``, ``scoring_open``, ``scoring_emer``, ``scoring_va``) that makes a :class:`Task`; this page has what they share.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from emollm import __version__
from emollm.errors import DataError, one_line
from emollm.eval import scoring_groups
from emollm.eval.predictions import DIFFERENT, NO_FORM, NO_ID, Notes, Row, Table
from emollm.metrics.bootstrap import RESAMPLES
from emollm.metrics.report import ClassScore, Measure, Metric, Report, measured
from emollm.metrics.scored import Note, Scored

EXTRA = "predictions whose id no reference has"
MISSING = "references without a prediction"
CLUSTER = "cluster"
"""Column of recorded answers that says which items belong together: speaker, dialogue …"""
DECLARED = ("model", "generator", "prompt", "judge", "seed")
"""Columns of predictions that say where they come from."""
_FEW = 20
"""Items or clusters below which percentile intervals are too narrow."""
_MOST_DECLARED = 5
_MOST_NAMED = 12


class Settings(NamedTuple):
    """What the options of a line say."""

    labels: str = ""
    """Id or file of a label set, or words separated by commas; by default the words of the references."""
    vocabulary: str = "2026"
    """Version or folder of the tables of the emotion wheels."""
    cluster: str = ""
    """Column of the references whose values are resampled as one; empty: :data:`CLUSTER` of recorded references, if they have it."""
    groups: tuple[str, ...] = ()
    """Columns of the references whose values are compared."""
    low: float = -1.0
    high: float = 1.0
    """Range of valence and arousal."""
    clues: bool = True
    """Whether the clues of descriptions are compared, for which sentences are embedded."""
    resamples: int = RESAMPLES
    seed: int = 0
    judge: str = ""
    """``http://host:port/v1#model`` of a judge of descriptions; empty for none."""
    language: Literal["en", "zh"] = "en"
    """Of the descriptions, for the judge's prompts."""


class Pair(NamedTuple):
    """A reference and what was said."""

    gold: Row
    said: Row | None


class Aligned(NamedTuple):
    """The references that are scored, in their own order."""

    pairs: tuple[Pair, ...]
    notes: Notes
    counts: dict[str, int]
    clusters: NDArray[Any] | None


class Task(NamedTuple):
    """A kind of answer of these pairs, ready to be resampled."""

    name: str
    primary: str
    measures: dict[str, Measure]
    answers: dict[str, int]
    undefined: tuple[str, ...] = ()
    """Metrics that these answers do not allow."""
    right: NDArray[np.bool_] | None = None
    """(n,) where answers are right or wrong."""
    report: Callable[[], Report] | None = None
    """Gives classes and confusion."""
    per_class: Mapping[str, ClassScore] = {}
    """Where there is no such report."""
    floors: Mapping[str, dict[str, float]] = {}
    more: Mapping[str, Mapping[str, Measure]] = {}
    tables: Mapping[str, Mapping[str, Metric]] = {}
    """Numbers that have their intervals, by kind and name."""
    by_group: tuple[str, ...] = ()
    """Metrics that are compared across declared groups."""
    remarks: tuple[str, ...] = ()
    told: Mapping[str, JsonValue] = {}
    """Of its own for the provenance."""


# ---- aligning -------------------------------------------------------------------------------------------------------


def align(gold: Table, said: Table, lacks: Callable[[Row], str], settings: Settings) -> Aligned:
    """Predictions beside their references.

    Args:
        gold: References.
        said: Predictions.
        lacks: Why a reference cannot be scored, empty if it can.
        settings: Name the column of the clusters.

    Raises:
        DataError: References that are not whole, no reference that can be scored, no id in common, or no such column.
    """
    checked_reference(gold)
    notes, pairs = Notes(), []
    for id, row in gold.rows.items():
        if reason := lacks(row):
            notes.add(f"references left out: {reason}", id)
            continue
        pairs.append(Pair(row, said.rows.get(id)))
        if id not in said.rows:
            notes.add(MISSING, id)
    if not pairs:
        told = "; ".join(f"{note.count} {note.what.removeprefix('references ')}" for note in notes.records())
        raise DataError(f"{gold.path}: nothing to score: {told}")
    if not said.rows.keys() & gold.rows.keys():
        first, other = next(iter(said.rows)), next(iter(gold.rows))
        raise DataError(
            f"{said.path}: none of its {len(said.rows)} ids is in {gold.path}: {one_line(first, 40)!r} here, "
            f"{one_line(other, 40)!r} there; give the same names in both"
        )
    for id in said.rows:
        if id not in gold.rows:
            notes.add(EXTRA, id)
    counts = {
        "references": len(gold.rows),
        "predictions": len(said.rows),
        "scored": len(pairs),
        "rejected": said.rejected + notes.count(EXTRA),
    }
    return Aligned(tuple(pairs), notes, counts, _clusters(pairs, settings.cluster, gold, notes))


def checked_reference(gold: Table) -> None:
    """Raises DataError where references are not whole: they are to be mended, not counted."""
    for note in gold.notes.records():
        if note.what in (NO_ID, NO_FORM, DIFFERENT):
            raise DataError(f"{gold.path}: {note.count} {note.what} ({', '.join(note.examples)}); mend the references")


def column(pairs: Sequence[Pair], name: str, gold: Table) -> list[str]:
    """A column of the references that are scored, empty where it is.

    Raises:
        DataError: None of them has it.
    """
    values = [pair.gold.fields.get(name, "") for pair in pairs]
    if not any(values):
        known = ", ".join(sorted({key for pair in pairs[:100] for key in pair.gold.fields})) or "none"
        raise DataError(f"{gold.path}: no column {name!r}; columns beside the answers: {known}")
    return values


def _clusters(pairs: Sequence[Pair], name: str, gold: Table, notes: Notes) -> NDArray[Any] | None:
    if not name:
        return None
    values = column(pairs, name, gold)
    for pair, value in zip(pairs, values, strict=True):
        if not value:
            notes.add(f"references without a {name}, each a cluster of its own", pair.gold.id)
    lone = (f"\0{pair.gold.id}" for pair in pairs)
    return np.array([value or own for value, own in zip(values, lone, strict=True)])


# ---- a report -------------------------------------------------------------------------------------------------------


def finish(task: Task, aligned: Aligned, gold: Table, said: Table, settings: Settings) -> Scored:
    """The record of a task, every number with its interval."""
    n = len(aligned.pairs)
    files = {"predictions": said} | ({"references": gold} if gold.path != said.path else {})
    report = task.report() if task.report is not None else None
    known = report.metrics if report is not None else {}
    every = {name: one for name, one in task.measures.items() if name not in known}
    columns = {name: column(aligned.pairs, name, gold) for name in settings.groups}
    compared = {name: task.measures[name] for name in task.by_group}
    further = {**task.more, **scoring_groups.gaps(compared, columns, aligned.clusters, settings.seed)}
    every |= {f"{kind}\0{k}": one for kind, own in further.items() for k, one in own.items()}
    found = known | measured(every, n, clusters=aligned.clusters, resamples=settings.resamples, seed=settings.seed)
    more = {kind: dict(own) for kind, own in task.tables.items()}
    for name in [name for name in found if "\0" in name]:
        kind, _, key = name.partition("\0")
        more.setdefault(kind, {})[key] = found.pop(name)
    return Scored(
        task=task.name,
        primary=task.primary,
        n=n,
        metrics=found | {name: Metric(value=None) for name in task.undefined},
        coverage=task.answers["answered"] / n,
        answers=task.answers,
        per_class=report.per_class if report else dict(task.per_class),
        confusion=report.confusion if report else None,
        floors=dict(task.floors) or (report.floors if report else {}),
        more=more,
        counts=aligned.counts,
        notes=(*notes_of_files(files), *aligned.notes.records()),
        remarks=(
            *few(aligned, task.measures),
            *_by_wilson(found, more, aligned),
            *task.remarks,
            *((scoring_groups.REMARK,) if settings.groups else ()),
        ),
        provenance=provenance(files, aligned, settings) | dict(task.told),
    )


def notes_of_files(tables: Mapping[str, Table]) -> tuple[Note, ...]:
    """What was met while each file was read."""
    return tuple(
        note.model_copy(update={"what": f"{name}: {note.what}"})
        for name, table in tables.items()
        for note in table.notes.records()
    )


def provenance(tables: Mapping[str, Table], aligned: Aligned, settings: Settings) -> dict[str, JsonValue]:
    """Where numbers come from: files by their sums, the bootstrap, versions."""
    files: dict[str, JsonValue] = {
        name: {"path": str(table.path), "sha256": table.sha256, "rows": len(table.rows), **_declared(table)}
        for name, table in tables.items()
    }
    clusters = len(aligned.pairs) if aligned.clusters is None else len(np.unique(aligned.clusters))
    return {
        "files": files,
        "bootstrap": {
            "resamples": settings.resamples,
            "seed": settings.seed,
            "level": 0.95,
            "clusters": clusters,
            "cluster_column": settings.cluster or None,
        },
        "versions": {"emollm": __version__, "python": platform.python_version(), "numpy": np.__version__},
    }


def _declared(table: Table) -> dict[str, JsonValue]:
    """What a file says itself of its model, prompt, judge and seed: the first values of each."""
    out: dict[str, JsonValue] = {}
    for key in DECLARED:
        told = dict.fromkeys(row.fields[key] for row in table.rows.values() if key in row.fields)
        if told:
            out[key] = [one_line(one) for one in list(told)[:_MOST_DECLARED]]
    return out


def few(aligned: Aligned, measures: Mapping[str, Measure]) -> tuple[str, ...]:
    """Warnings of intervals that are too narrow: there are few references or clusters, or few of them in some of the metrics."""
    n = len(aligned.pairs)
    drawn = n if aligned.clusters is None else len(np.unique(aligned.clusters))
    what = "references" if aligned.clusters is None else "clusters"
    out = [f"{drawn} {what}: intervals of so few are too narrow"] if drawn < _FEW else []
    fewer: dict[int, list[str]] = {}
    for name, one in measures.items():
        own = drawn if one.items is None else len(one.drawn(n, aligned.clusters))
        if own < min(drawn, _FEW):
            fewer.setdefault(own, []).append(name)
    out += [f"of {own} {what} alone, too few for their intervals: {', '.join(fewer[own])}" for own in sorted(fewer)]
    return tuple(out)


def _by_wilson(
    found: Mapping[str, Metric], more: Mapping[str, Mapping[str, Metric]], aligned: Aligned
) -> tuple[str, ...]:
    """Names the metrics whose interval is not the bootstrap's."""
    every = [*found.items(), *(one for own in more.values() for one in own.items())]
    names = [name for name, one in every if one.method == "wilson"]
    if not names:
        return ()
    told = ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")
    of = "items" if aligned.clusters is None else "clusters"
    return (f"all right or all wrong, which resampling cannot vary: the interval is Wilson's, of {of}: {told}",)
