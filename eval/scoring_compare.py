"""One kind of answer scored, or two files of them compared on the same references."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from emollm.errors import DataError, one_line
from emollm.eval import (
    scoring_abaw,
    scoring_choices,
    scoring_emer,
    scoring_faith,
    scoring_labels,
    scoring_open,
    scoring_several,
    scoring_va,
)
from emollm.eval.predictions import CHINESE, TEXTS, Row, Table, read
from emollm.eval.scoring import (
    CLUSTER,
    Aligned,
    Settings,
    Task,
    checked_reference,
    few,
    finish,
    notes_of_files,
    provenance,
)
from emollm.metrics.bootstrap import bootstrap, difference, mcnemar, value
from emollm.metrics.report import metric
from emollm.metrics.scored import Compared, Note, Scored

KINDS: dict[str, Callable[[Table, Table, Settings], tuple[Task, Aligned]]] = {
    "labels": scoring_labels.build,
    "several": scoring_several.build,
    "ov": scoring_open.build,
    "emer": scoring_emer.build,
    "va": scoring_va.build,
    "sentiment": scoring_choices.sentiment,
    "preference": scoring_choices.preferred,
    "faithfulness": scoring_faith.build,
    "abaw": scoring_abaw.build,
}
"""What makes the task of each kind of answer."""
_RECORDED = ("labels", "several", "ov", "emer")
"""Kinds whose references are words or texts, which files of recorded answers hold."""
_OWN_ROWS = "the references are those of the answers' own file: n is its rows, and items that it lacks are not counted"


def score(kind: str, predictions: Path, references: Path | None, settings: Settings) -> Scored:
    """Predictions of a kind, scored.

    Args:
        kind: One of :data:`KINDS`.
        predictions: See :mod:`emollm.eval.predictions`.
        references: The same; None where the predictions hold them under ``gold``.
        settings: Options.

    Raises:
        EmollmError: A file that cannot be read, or nothing to score.
    """
    texts = _texts(settings)
    said = read(predictions, texts)
    gold = read(references, texts) if references is not None else recorded(kind, said)
    settings = settings if references is not None else _clustered(gold, settings)
    task, aligned = KINDS[kind](gold, said, settings)
    found = finish(task, aligned, gold, said, settings)
    told = (_OWN_ROWS,) if references is None and kind in _RECORDED else ()
    return found.model_copy(update={"remarks": (*found.remarks, *told)})


def compare(kind: str, first: Path, second: Path, references: Path | None, settings: Settings) -> Compared:
    """Two files of predictions on the same references: differences with their paired intervals.

    Args:
        kind: One of :data:`KINDS`.
        first: A.
        second: B.
        references: None where both files hold the references under ``gold``.
        settings: Options.

    Raises:
        EmollmError: As :func:`score`; or files whose references differ.
    """
    texts = _texts(settings)
    a, b = read(first, texts), read(second, texts)
    gold = read(references, texts) if references is not None else recorded(kind, a, b)
    settings = settings if references is not None else _clustered(gold, settings)
    if kind == "va":
        gold = _rated_by_both(gold, a, b, settings)
    (one, aligned), (other, aligned_b) = (KINDS[kind](gold, said, settings) for said in (a, b))
    n = len(aligned.pairs)
    shared = [name for name in one.measures if name in other.measures and not name.endswith("_lenient")]
    if one.primary not in shared:
        raise DataError(f"nothing to compare: {one.primary} is not defined of both files, in which answers are missing")
    statistics = {name: difference(one.measures[name].statistic, other.measures[name].statistic) for name in shared}
    found = bootstrap(statistics, n, clusters=aligned.clusters, resamples=settings.resamples, seed=settings.seed)
    test = mcnemar(one.right, other.right) if one.right is not None and other.right is not None else None
    names = {"A": a, "B": b} | ({"references": gold} if references is not None else {})
    return Compared(
        task=kind,
        n=n,
        primary=one.primary,
        first=_values(one, shared, n),
        second=_values(other, shared, n),
        answers={"A": one.answers, "B": other.answers},
        rejected={"A": aligned.counts["rejected"], "B": aligned_b.counts["rejected"]},
        difference={name: metric(estimate) for name, estimate in found.items()},
        mcnemar={name: float(number) for name, number in test._asdict().items()} if test else None,
        notes=_notes(names, {"A": aligned, "B": aligned_b}),
        remarks=(
            *few(aligned, {name: one.measures[name] for name in shared}),
            *_remarks(kind, aligned.clusters is not None and test is not None),
            *((_OWN_ROWS,) if references is None and kind in _RECORDED else ()),
        ),
        provenance=provenance(names, aligned, settings) | dict(one.told),
    )


def _texts(settings: Settings) -> Sequence[str]:
    """Columns of running text in the language of the judge."""
    return CHINESE if settings.language == "zh" else TEXTS


def recorded(kind: str, *tables: Table) -> Table:
    """The references that files of recorded answers hold.

    Args:
        kind: One of :data:`KINDS`.
        tables: One or more.

    Raises:
        DataError: A kind or a file without such references, or not the same ids with the same references in all.
    """
    if kind == "faithfulness":
        return _items(*tables)
    if kind not in _RECORDED:
        raise DataError(
            f"{tables[0].path}: references of {kind} do not stand in files of answers; give them with --gold"
        )
    for table in tables:
        if not any(row.reference or row.described for row in table.recorded.values()):
            raise DataError(f"{table.path}: holds no references (key 'gold' or 'reference'); give them with --gold")
        checked_reference(table)
    a = tables[0]
    for b in tables[1:]:
        _check_same(a, b)
    return a._replace(rows={id: _reference([table.recorded[id] for table in tables]) for id in a.recorded})


def _items(first: Table, *others: Table) -> Table:
    """The ids of answers that need no references.

    Raises:
        DataError: Not the same ids in all.
    """
    for other in others:
        _check_same(first, other)
    return first._replace(rows={id: Row(id, fields=row.fields) for id, row in first.recorded.items()})


def _reference(rows: Sequence[Row]) -> Row:
    """What rows of one item say of it; of the other columns the first that has one counts."""
    row = rows[0]
    parts = {"labels": "reference", "text": "described"}
    faults = {part: row.faults[whose] for part, whose in parts.items() if whose in row.faults}
    fields = {name: value for one in reversed(rows) for name, value in one.fields.items()}
    return Row(row.id, labels=row.reference, text=row.described, fields=fields, faults=faults)


def _clustered(gold: Table, settings: Settings) -> Settings:
    """Settings with the clusters that recorded references declare, if none are named."""
    declared = any(CLUSTER in row.fields for row in gold.rows.values())
    return settings._replace(cluster=CLUSTER) if declared and not settings.cluster else settings


def _check_same(one: Table, other: Table) -> None:
    """Raises DataError where two files do not hold the same references."""
    a, b = one.recorded, other.recorded
    if lone := sorted(a.keys() ^ b.keys()):
        where = one.path if lone[0] in a else other.path
        raise DataError(
            f"{where}: {len(lone)} ids are not in both files, such as {one_line(lone[0], 40)!r}; compare answers to the same items"
        )
    different = [id for id, row in a.items() if _told(row) != _told(b[id])]
    if different:
        raise DataError(
            f"{other.path}: {len(different)} references differ from those of {one.path}, such as that of "
            f"{one_line(different[0], 40)!r}; compare answers to the same references"
        )


def _rated_by_both(gold: Table, a: Table, b: Table, settings: Settings) -> Table:
    """The references that both rate: of a missing rating no error is known."""
    rows = {}
    for id, row in gold.rows.items():
        if all(scoring_va.answered(table.rows.get(id), row, settings) for table in (a, b)):
            rows[id] = row
    if not rows:
        raise DataError(f"{gold.path}: nothing to compare: no reference is rated in both files")
    return gold._replace(rows=rows)


def _told(row: Row) -> tuple[frozenset[str], str]:
    """A recorded reference as it is compared."""
    return frozenset(word.lower() for word in row.reference or ()), (row.described or "").strip()


def _notes(tables: Mapping[str, Table], aligned: Mapping[str, Aligned]) -> tuple[Note, ...]:
    """What was met in the files, in both alignments, and in one of them."""
    (first, one), (second, other) = ((name, own.notes.records()) for name, own in aligned.items())
    both = [note for note in one if note in other]
    return (
        *notes_of_files(tables),
        *both,
        *(
            note.model_copy(update={"what": f"{name}: {note.what}"})
            for name, own in ((first, one), (second, other))
            for note in own
            if note not in both
        ),
    )


def _values(task: Task, names: list[str], n: int) -> dict[str, float | None]:
    found = {name: value(task.measures[name].statistic, n) for name in names}
    return {name: None if math.isnan(number) else number for name, number in found.items()}


def _remarks(kind: str, has_both: bool) -> tuple[str, ...]:
    """What one has to know; ``has_both``: clusters, and a test that does not know of them."""
    out = ["an interval that holds 0 does not tell the two apart; of many metrics one in twenty excludes 0 by chance"]
    if kind == "va":
        out.append("only references that both files rate are compared")
    else:
        out.append("answers that are missing or cannot be read count as wrong in their own file")
    if has_both:
        out.append("McNemar's test takes every item as independent; where clusters are declared, go by the interval")
    return tuple(out)
