"""A face net on labelled faces: crops as perception cuts them, the net's answers, scores with floors and intervals.

Of faces with votes the majority protocol of Barsoum et al. 2016 gives the label and discards the rest; how many, and in how many no face
was found, is always told. Faces that were not found are scored too, by their whole picture.

    report, answers = evaluate(load("face-mt"), FaceTask(source=FaceSource(path=Path("ferplus.npz"), split="valid")), work)
"""

import json
import platform
from collections import Counter
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from emollm import __version__, fetch
from emollm.config import Settings
from emollm.encoders.predict import Predictions, predict
from emollm.encoders.weights import Trained
from emollm.errors import DataError, ModelError
from emollm.eval.face_classes import Match, match
from emollm.eval.face_scores import Answers, Units, answers, report
from emollm.face_sets.face_set import FaceSet, Rows
from emollm.face_sets.prepare import CropSettings, prepare
from emollm.face_sets.raw import read
from emollm.face_sets.source import FaceSource
from emollm.metrics.bootstrap import RESAMPLES
from emollm.metrics.report import Report
from emollm.perception.crops import ALIGNER

_BATCH = 512
"""Crops read and answered at a time."""
_REASONS = 5
"""Reasons for rejects that a report names."""
_PACKAGES = ("torch", "numpy", "opencv-python-headless", "ai-edge-litert")
PROTOCOLS = {True: "ferplus-majority (Barsoum et al. 2016)", False: "labels as given"}
"""By whether the data set has votes."""


class FaceTask(Settings):
    """What a face net is measured on, and how."""

    source: FaceSource
    """The faces."""
    classes: tuple[str, ...] = ()
    """Score only these classes, and let the net answer nothing else; all if empty."""
    heads: Annotated[tuple[Literal["expression", "units"], ...], Field(min_length=1)] = ("expression",)
    """``expression`` is always scored; ``units`` too: the concordance of the net's action units with what perception measures."""
    backend: str = "auto"
    """What finds the faces: a backend of action units, as in the settings of perception."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = RESAMPLES
    """Of the bootstrap."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the bootstrap."""


class Reject(NamedTuple):
    """A row that could not be used."""

    id: str
    reason: str


class Result(NamedTuple):
    """What came out, and what it was made of."""

    report: Report
    answers: Answers
    faces: FaceSet


def evaluate(
    trained: Trained,
    task: FaceTask,
    work: Path,
    *,
    workers: int = 2,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Scores of a net.

    Args:
        trained: The net.
        task: The faces, and which classes.
        work: Folder for prepared crops; kept there, they are not made again.
        workers: Processes that cut crops.
        device: Where the net is.
        progress: Called with how many faces are answered, and how many there are.

    Raises:
        DataError: The faces cannot be read, none has a label, or their classes do not fit those of the net.
        ConfigError: Unknown class or label set.
        ModelError: The net gives no finite numbers, or its crops are cut otherwise than here.
        MissingDependency: ``datasets`` is not installed.
    """
    crops = crops_of(trained, task)
    refuse_mixture(task.source, work)
    faces = prepare(task.source, crops, work, workers)
    given = answered(trained, faces, task, device=device, progress=progress)
    found = report(given, resamples=task.resamples, seed=task.seed)
    counts = _counts(faces, given.match, len(given.ids), int((~given.found).sum()))
    told = provenance(trained, task, faces, given.match)
    return Result(found.model_copy(update={"counts": counts, "provenance": told}), given, faces)


def refuse_mixture(source: FaceSource, work: Path) -> None:
    """Raises DataError where no part is chosen of a data set that has several: train and valid are not scored together."""
    if source.split is None:
        parts = sorted(set(read(source, work)["split"][:]))
        if len(parts) > 1:
            raise DataError(f"{source.path}: has the splits {', '.join(parts)}; choose one with --split")


def crops_of(trained: Trained, task: FaceTask) -> CropSettings:
    """Crops as the net wants them.

    Raises:
        ModelError: Its crops were cut by an aligner that is not here.
    """
    if trained.config.aligner != ALIGNER:
        raise ModelError(
            f"{trained.name}: trained on faces cut by {trained.config.aligner}, but here they are cut by {ALIGNER}; train it anew"
        )
    config, units = trained.config.net, "units" in task.heads
    if units and not config.units:
        raise ModelError(f"{trained.name}: has no head for action units; leave out --heads units")
    return CropSettings(size=trained.net.size, margin=config.margin, units=units, backend=task.backend)


def answered(
    trained: Trained,
    faces: FaceSet,
    task: FaceTask,
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """What the net says of the faces that are scored, beside their labels."""
    label = labels_of(faces)
    present = [word for k, word in enumerate(faces.labels) if (label == k).any()]
    config = trained.config
    matched = match(
        config.net.labels, config.label_set, faces.labels, task.source.label_set, present=present, only=task.classes
    )
    scored = np.flatnonzero(np.isin(label, matched.in_data))
    if not len(scored):
        raise DataError(f"{task.source.path}: no face with a label of {', '.join(matched.labels)}; nothing to score")
    units = shared_units(config.net.units, faces.units) if "units" in task.heads else ()
    parts: list[tuple[Rows, Predictions]] = []
    for start in range(0, len(scored), _BATCH):
        rows = faces.rows(scored[start : start + _BATCH])
        parts.append((rows._replace(crops=rows.crops[:0]), predict(trained, rows.crops, device=device)))
        if progress is not None:
            progress(start + len(rows.label), len(scored))
    known = Rows(*(np.concatenate(column) for column in zip(*(rows for rows, _ in parts), strict=True)))
    given = answers(
        matched,
        tuple(faces.dataset.select(scored)["id"][:]),
        known.label,
        known.shares if faces.record.columns else None,
        known.found,
        np.concatenate([said.logits for _, said in parts]),
        config.temperature,
    )
    if not units:
        return given
    own = np.concatenate([said.units for _, said in parts if said.units is not None])
    in_net, in_data = ([codes.index(code) for code in units] for codes in (config.net.units, faces.units))
    return given._replace(units=Units(units, own[:, in_net], known.units[:, in_data]))


def shared_units(net: tuple[str, ...], measured: tuple[str, ...]) -> tuple[str, ...]:
    """Action units that both the net and perception have.

    Raises:
        DataError: There is none.
    """
    both = tuple(code for code in net if code in measured)
    if not both:
        raise DataError(f"the net's action units ({', '.join(net)}) are none of those measured ({', '.join(measured)})")
    return both


def labels_of(faces: FaceSet) -> NDArray[np.int64]:
    """(n,) the class of each face, −1 where it has none."""
    return np.array(faces.dataset["label"][:], np.int64)


def _counts(faces: FaceSet, matched: Match, scored: int, not_found: int) -> dict[str, int]:
    """What became of all rows of the source."""
    unlabelled = int((labels_of(faces) < 0).sum())
    counts = {"read": len(faces) + faces.rejects, "rejected": faces.rejects}
    counts["discarded" if faces.record.columns else "unlabelled"] = unlabelled
    if len(faces) - unlabelled > scored:
        counts["of_other_classes"] = len(faces) - unlabelled - scored
    return {**counts, "scored": scored, "scored_without_a_found_face": not_found}


def provenance(trained: Trained, task: FaceTask, faces: FaceSet, matched: Match) -> dict[str, JsonValue]:
    """What the numbers depend on; paths only as they were given."""
    config, source = trained.config, task.source
    return {
        "model": {
            "name": trained.name,
            "version": trained.version,
            "encoder": config.net.encoder,
            "parameters": trained.net.parameters_of(),
            "temperature": config.temperature,
            "mirrored": config.mirrored,
            "labels": list(config.net.labels),
        },
        "data": {
            "path": str(source.path),
            "sha256": _hash(source.path),
            "layout": source.layout,
            "split": source.split,
            "label_set": source.label_set,
            "limit": source.limit,
            "prepared": faces.fingerprint,
        },
        "rejects": dict(Counter(reject.reason for reject in rejects(faces)).most_common(_REASONS)),
        "protocol": PROTOCOLS[bool(faces.record.columns)],
        "classes": {
            "scored": list(matched.labels),
            "of_the_net": [config.net.labels[k] for k in matched.in_net],
            "restricted": matched.is_restricted,
        },
        "crops": {
            "size": faces.record.size,
            "margin": faces.record.margin,
            "aligner": config.aligner,
            **dict(faces.record.versions),
        },
        "intervals": {
            "level": 0.95,
            "metrics": "percentile bootstrap over faces",
            "recalls": "Wilson",
            "resamples": task.resamples,
            "seed": task.seed,
        },
        "versions": versions(),
    }


def rejects(faces: FaceSet) -> list[Reject]:
    """Rows that could not be used, in the order of the source."""
    with faces.rejects_file.open(encoding="utf-8") as lines:
        rows = map(json.loads, lines)
        return [Reject(str(row["id"]), str(row["reason"])) for row in rows]


def versions() -> dict[str, JsonValue]:
    """Of emollm, Python and the packages that compute."""
    return {"emollm": __version__, "python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _hash(path: Path) -> str | None:
    """First 12 digits of a file's SHA-256; None of a folder, whose content is in ``prepared``."""
    return fetch.sha256(path)[:12] if path.is_file() else None
