"""One kind of answer scored, or two files of them compared on the same references."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from emollm.errors import DataError, one_line
from emollm.eval import scoring_choices, scoring_emer, scoring_labels, scoring_open, scoring_several, scoring_va
from emollm.eval.predictions import Row, Table, read
from emollm.eval.scoring import Aligned, Settings, Task, checked_reference, finish, notes_of_files, provenance
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
}
"""What makes the task of each kind of answer."""
_RECORDED = ("labels", "several", "ov")
"""Kinds whose references are words, which files of recorded answers hold."""


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
    said = read(predictions)
    gold = read(references) if references is not None else recorded(kind, said)
    task, aligned = KINDS[kind](gold, said, settings)
    return finish(task, aligned, gold, said, settings)


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
    a, b = read(first), read(second)
    gold = read(references) if references is not None else recorded(kind, a, b)
    if kind == "va":
        gold = _rated_by_both(gold, a, b, settings)
    (one, aligned), (other, aligned_b) = (KINDS[kind](gold, said, settings) for said in (a, b))
    n = len(aligned.pairs)
    shared = [name for name in one.measures if name in other.measures and not name.endswith("_lenient")]
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
        difference={name: metric(estimate) for name, estimate in found.items()},
        mcnemar={name: float(number) for name, number in test._asdict().items()} if test else None,
        notes=_notes(names, {"A": aligned, "B": aligned_b}),
        remarks=_remarks(kind, aligned.clusters is not None and test is not None),
        provenance=provenance(names, aligned, settings) | dict(one.told),
    )


def recorded(kind: str, *tables: Table) -> Table:
    """The references that files of recorded answers hold.

    Args:
        kind: One of :data:`KINDS`.
        tables: One or more.

    Raises:
        DataError: A kind or a file without such references, or not the same ids with the same references in all.
    """
    if kind not in _RECORDED:
        raise DataError(
            f"{tables[0].path}: references of {kind} do not stand in files of answers; give them with --gold"
        )
    for table in tables:
        if not any(row.reference for row in table.rows.values()):
            raise DataError(f"{table.path}: holds no references (key 'gold'); give them with --gold")
        checked_reference(table)
    a = tables[0]
    for b in tables[1:]:
        _check_same(a, b)
    return a._replace(rows={id: _reference(row) for id, row in a.rows.items()})


def _reference(row: Row) -> Row:
    faults = {"labels": row.faults["reference"]} if "reference" in row.faults else {}
    return Row(row.id, labels=row.reference, fields=row.fields, faults=faults)


def _check_same(a: Table, b: Table) -> None:
    """Raises DataError where two files do not hold the same references."""
    if lone := sorted(a.rows.keys() ^ b.rows.keys()):
        where = a.path if lone[0] in a.rows else b.path
        raise DataError(
            f"{where}: {len(lone)} ids are not in both files, such as {one_line(lone[0], 40)!r}; compare answers to the same items"
        )
    different = [id for id, row in a.rows.items() if _words(row.reference) != _words(b.rows[id].reference)]
    if different:
        raise DataError(
            f"{b.path}: {len(different)} references differ from those of {a.path}, such as that of "
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


def _words(reference: tuple[str, ...] | None) -> frozenset[str]:
    return frozenset(word.lower() for word in reference or ())


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
