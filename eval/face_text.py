"""A face evaluation as text, in the form of all reports, and its answers face by face as a table."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from emollm.errors import ConfigError, MissingDependency, visible
from emollm.eval import scoring_report
from emollm.eval.face_scores import Answers
from emollm.files import replacing
from emollm.metrics.report import Confusion, Report
from emollm.metrics.scored import Scored

_COUNTS = {
    "read": "images read",
    "rejected": "could not be used",
    "discarded": "discarded by the protocol",
    "unlabelled": "without a label",
    "of_other_classes": "of classes not asked for",
    "scored": "scored",
    "scored_without_a_found_face": "of these without a found face (the whole picture was answered)",
}
_MORE = {"unit_ccc": "action units, concordance (CCC) with what perception measures"}
_FLOOR = "floor: without looking at the faces (always one class, by chance, or how often each occurs)"
_STRAY = "other"
"""The column of answers that are none of the classes."""


def text(report: Report) -> str:
    """The report for people: what was scored, then the form that all reports have."""
    return "\n".join([*_facts(report), "", scoring_report.text(scored(report))])


def scored(report: Report) -> Scored:
    """The same numbers as the record of any scored predictions."""
    said, strays = round(report.coverage * report.n), _strays(report.confusion)
    return Scored(
        task="face",
        primary="war",
        n=report.n,
        metrics=report.metrics,
        coverage=report.coverage,
        answers={"answered": said - strays, "outside": strays, "missing": report.n - said},
        per_class=report.per_class,
        confusion=report.confusion,
        floors=report.floors,
        more={_MORE.get(kind, kind): own for kind, own in report.more.items()},
        counts={_COUNTS.get(name, name): count for name, count in report.counts.items()},
        remarks=tuple(_remarks(report)),
        provenance=_whence(report),
    )


def _facts(report: Report) -> Iterator[str]:
    told: Mapping[str, Any] = report.provenance
    model, data = told["model"], told["data"]
    split = f", split {data['split']}" if data["split"] else ""
    yield visible(
        f"{model['name']} ({model['version']}, {model['encoder']}, {model['parameters'] / 1e6:.2f} M parameters) on {data['path']}{split}"
    )
    yield f"protocol: {told['protocol']}"
    if told["classes"]["restricted"]:
        yield visible(
            f"restricted to {', '.join(told['classes']['scored'])}: other faces are left out, and the net may answer nothing else"
        )
    for reason, count in told["rejects"].items():
        yield visible(f"could not be used, {count}: {reason}")
    if speed := told.get("cpu_ms_a_face"):
        yield f"CPU, {speed['threads']} threads: {speed['single']:.2f} ms for one face, {speed['batched']:.2f} ms a face in batches of 64"


def _remarks(report: Report) -> Iterator[str]:
    present = sum(score.support > 0 for score in report.per_class.values())
    if present < len(report.per_class):
        yield (
            f"{present} of {len(report.per_class)} classes have faces: UAR is the mean over these, macro F1 that over all, "
            "0 where a class has neither faces nor answers"
        )
    yield _FLOOR
    if exact := [name for name, found in report.metrics.items() if found.method == "wilson"]:
        yield f"all right or all wrong, which resampling cannot vary: the interval is Wilson's: {', '.join(exact)}"


def _strays(confusion: Confusion) -> int:
    """Answers that are none of the classes."""
    if _STRAY not in confusion.columns[len(confusion.rows) :]:
        return 0
    at = confusion.columns.index(_STRAY, len(confusion.rows))
    return sum(row[at] for row in confusion.counts)


def _whence(report: Report) -> dict[str, JsonValue]:
    """Where the numbers come from, as the shared form tells it."""
    told: Mapping[str, Any] = report.provenance
    data, intervals = told["data"], told["intervals"]
    return {
        "files": {
            "faces": {"path": data["path"], "rows": report.counts["read"], "sha256": data["sha256"] or data["prepared"]}
        },
        "bootstrap": {
            "resamples": intervals["resamples"],
            "seed": intervals["seed"],
            "clusters": report.n,
            "cluster_column": None,
        },
        "versions": told["versions"],
    }


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
