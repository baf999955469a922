"""A face evaluation as text, and its answers face by face as a table."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emollm.errors import ConfigError, MissingDependency
from emollm.eval.face_scores import Answers
from emollm.files import replacing
from emollm.metrics.report import Confusion, Metric, Report

_NAMES = {
    "war": "accuracy (WAR)",
    "uar": "macro recall (UAR)",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "ece": "calibration error (ECE, 15 bins)",
    "ece_uncalibrated": "  at temperature 1",
    "ece_equal_mass": "  bins of equal mass",
    "brier": "Brier score",
    "nll": "negative log-likelihood, nats",
    "accuracy_at_80": "accuracy of the surest 80 %",
    "aurc": "area under risk–coverage",
    "kl": "KL(votes ‖ answer), nats",
    "tv": "total variation to the votes",
}
_SHARES = ("war", "uar", "macro_f1", "weighted_f1", "accuracy_at_80")
"""Metrics that are read as percentages."""
_COUNTS = {
    "read": "images read",
    "rejected": "could not be used",
    "discarded": "discarded by the protocol",
    "unlabelled": "without a label",
    "of_other_classes": "of classes not asked for",
    "scored": "scored",
    "scored_without_a_found_face": "of these without a found face (the whole picture was answered)",
}


def text(report: Report) -> str:
    """The report for people: what was scored, metrics with intervals and floors, classes, confusion."""
    units = [_units(report)] if report.more else []
    parts = [_head(report), _metrics(report), _classes(report), *units, _confusion(report)]
    return "\n\n".join("\n".join(part) for part in parts)


def _head(report: Report) -> Iterator[str]:
    told: Mapping[str, Any] = report.provenance
    model, data = told["model"], told["data"]
    split = f", split {data['split']}" if data["split"] else ""
    yield f"{model['name']} ({model['version']}, {model['encoder']}, {model['parameters'] / 1e6:.2f} M parameters) on {data['path']}{split}"
    yield f"protocol: {told['protocol']}"
    yield "; ".join(f"{_COUNTS.get(name, name)}: {count}" for name, count in report.counts.items())
    if told["classes"]["restricted"]:
        yield f"restricted to {', '.join(told['classes']['scored'])}: other faces are left out, and the net may answer nothing else"
    for reason, count in told["rejects"].items():
        yield f"could not be used, {count}: {reason}"
    if speed := told.get("cpu_ms_a_face"):
        yield f"CPU, {speed['threads']} threads: {speed['single']:.2f} ms for one face, {speed['batched']:.2f} ms a face in batches of 64"
    same = "; strict and lenient scores are the same" if report.coverage == 1 else ""
    yield f"coverage {report.coverage:.1%}{same}"


def _metrics(report: Report) -> Iterator[str]:
    rows = [("", "value", "95 % interval", "floor")]
    for name, found in report.metrics.items():
        base = name.removesuffix("_lenient")
        told = _NAMES.get(base, base) + (", lenient" if base != name else "")
        rows.append((told, *_cells(found, base in _SHARES)))
    yield from _table(rows)
    present = sum(score.support > 0 for score in report.per_class.values())
    if present < len(report.per_class):
        yield (
            f"{present} of {len(report.per_class)} classes have faces: macro recall is the mean over these, macro F1 that over all, "
            "0 where a class has neither faces nor answers"
        )
    yield "floor: without looking at the faces (always one class, by chance, or how often each occurs)"


def _cells(found: Metric, is_share: bool) -> tuple[str, str, str]:
    """Value, interval and floor."""

    def told(number: float | None) -> str:
        return "–" if number is None else f"{100 * number:.2f} %" if is_share else f"{number:.4f}"

    ci = "–" if found.ci is None else f"{told(found.ci[0])} – {told(found.ci[1])}"
    return told(found.value), ci, told(found.floor)


def _classes(report: Report) -> Iterator[str]:
    rows = [("class", "faces", "recall", "95 % interval", "precision", "F1")]
    for label, score in report.per_class.items():
        shares = [
            "–" if number is None else f"{100 * number:.1f} %" for number in (score.recall, score.precision, score.f1)
        ]
        ci = "–" if score.recall_ci is None else f"{100 * score.recall_ci[0]:.1f} – {100 * score.recall_ci[1]:.1f} %"
        rows.append((label, str(score.support), shares[0], ci, shares[1], shares[2]))
    yield from _table(rows)


def _units(report: Report) -> Iterator[str]:
    rows = [("action unit, concordance with what perception measures", "CCC", "95 % interval")]
    rows += [(code, *_cells(found, False)[:2]) for code, found in report.more["unit_ccc"].items()]
    yield from _table(rows)


def _confusion(report: Report) -> Iterator[str]:
    yield "confusion (rows: people, columns: the net)"
    found: Confusion = report.confusion
    rows = [("", *(label[:9] for label in found.columns))]
    rows += [(label, *map(str, row)) for label, row in zip(found.rows, found.counts, strict=True)]
    yield from _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with the first column to the left and the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        first, *others = (
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


# ---- face by face ---------------------------------------------------------------------------------------------------


def write_predictions(given: Answers, file: Path) -> None:
    """Writes one row a face: ``id``, ``reference``, ``predicted``, ``found`` and the probability of each class, ``p_<class>``.

    Args:
        given: Answers.
        file: ``.csv`` or ``.parquet``.

    Raises:
        ConfigError: Another suffix.
        MissingDependency: Parquet without ``pyarrow``.
        EmollmError: It cannot be written.
    """
    columns = _columns(given)
    if checked_table(file).suffix == ".csv":
        made = io.StringIO()
        writer = csv.writer(made, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        with replacing(file, "w") as out:
            out.write(made.getvalue())
        return
    import pyarrow
    import pyarrow.parquet

    with replacing(file) as out:
        pyarrow.parquet.write_table(pyarrow.table(columns), out)


def checked_table(file: Path) -> Path:
    """The file, if answers can be written to a file of that name. Raises as :func:`write_predictions`."""
    if file.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"{file}: answers are written as .csv or .parquet; give it such a name")
    if file.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingDependency(
                f"{file}: Parquet needs the package 'pyarrow'; pip install 'emollm[train]'"
            ) from error
    return file


def _columns(given: Answers) -> dict[str, list[Any]]:
    labels = given.match.labels
    out: dict[str, list[Any]] = {
        "id": list(given.ids),
        "reference": [labels[k] for k in given.reference],
        "predicted": [labels[k] if k >= 0 else "other" for k in given.predicted],
        "found": given.found.tolist(),
    }
    for k, label in enumerate(labels):
        out[f"p_{label}"] = given.probabilities[:, k].round(6).tolist()
    return out
