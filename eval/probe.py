"""What a frozen face net knows: linear readings of its features, beside those of random weights and of raw pixels.

Three targets. *Pictures of another kind*: classes of a folder or a CSV of faces the net was never trained on, cross-validated. *Few
labels*: k faces of each class of the training part, drawn several times, read on the whole validation part. (A net that was trained on
those labels has seen them: this shows what its features keep, not what it would do without them.) *Action units*: the intensities
that our perception measures, by ridge regression, as R² on the validation part. Linear probes: Alain & Bengio 2016.

    python -m emollm.eval.probe face-mt --data ferplus_train_valid.npz [--other labels.csv --other-folder img]
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from emollm.encoders.predict import predict
from emollm.encoders.weights import Trained, load
from emollm.errors import DataError, EmollmError
from emollm.eval.face import labels_of
from emollm.eval.probe_fit import folds, logistic, ridge, splits
from emollm.face_sets.face_set import FaceSet
from emollm.face_sets.prepare import CropSettings, prepare
from emollm.face_sets.source import Columns, FaceSource
from emollm.metrics.bootstrap import Estimate, Statistic, Weights, bootstrap, mean
from emollm.metrics.classification import counter, uar

_BATCH = 512
_SIDE = 48
"""Side of the raw pixels that are read."""
_FOLDS = 5
FEW = (5, 10, 50)
"""Labelled faces of each class."""

Features = Mapping[str, NDArray[np.float32]]
"""(n, D) by name; of all sets the same names."""
Codes = NDArray[np.int64]


class Score(NamedTuple):
    """What one reading gets."""

    features: str
    accuracy: Estimate
    recall: Estimate
    """Mean recall of the classes."""


# ---- features -------------------------------------------------------------------------------------------------------


def random_weights(trained: Trained, seed: int = 0) -> Trained:
    """The same architecture before any training."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = trained.config.net.build()
    return trained._replace(name="random weights", net=net.eval().requires_grad_(False))


def features_of(trained: Trained, faces: FaceSet, rows: NDArray[np.integer]) -> dict[str, NDArray[np.float32]]:
    """All that is read: the net's embedding and pooled features, pooled features of random weights, and pixels.

    Args:
        trained: The net.
        faces: Crops of its size and margin.
        rows: Which of them.
    """
    blank = random_weights(trained)
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for start in range(0, len(rows), _BATCH):
        crops = faces.rows(rows[start : start + _BATCH]).crops
        said = predict(trained, crops)
        if said.embedding is not None:
            parts.setdefault(f"{trained.name}, embedding", []).append(said.embedding)
        parts.setdefault(f"{trained.name}, pooled", []).append(said.pooled)
        parts.setdefault("random weights, pooled", []).append(predict(blank, crops).pooled)
        parts.setdefault(f"pixels {_SIDE} × {_SIDE}", []).append(np.stack([pixels(crop) for crop in crops]))
    return {name: np.concatenate(part) for name, part in parts.items()}


def pixels(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(2304,) greys in [0, 1] of a crop (S, S, 3)."""
    small = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).ravel() / np.float32(255)


# ---- targets --------------------------------------------------------------------------------------------------------


def crossed(features: Features, label: Codes, classes: int, k: int, seed: int = 0) -> list[Score]:
    """Every face answered by a reading fitted on the other folds.

    Args:
        features: Of n faces.
        label: (n,) in [0, classes).
        classes: Number of classes.
        k: Folds, each with its share of every class; inside of a fit the L2 is chosen by three more.
        seed: Of the folds.
    """
    fold = folds(label, k, seed)
    scores = []
    for name, given in features.items():
        said = np.empty(len(label), np.int64)
        for inside, outside in splits(fold):
            said[outside] = logistic(given[inside], label[inside], classes, seed=seed)(given[outside]).argmax(1)
        scores.append(_score(name, label, [said], classes))
    return scores


def few(
    seen: Features, label: Codes, unseen: Features, reference: Codes, classes: int, k: int, draws: int, seed: int = 0
) -> list[Score]:
    """Readings fitted on k faces of each class, scored on all unseen faces.

    Args:
        seen: Of the faces that are drawn from.
        label: (n,) of these.
        unseen: Of the faces that are answered.
        reference: (m,) of these.
        classes: Number of classes.
        k: Faces of a class; all of a class that has fewer.
        draws: How many times; scores are the mean of them. The interval is over the unseen faces.
        seed: Of the draws, which are the same for all features.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        np.concatenate([rng.permutation(np.flatnonzero(label == one))[:k] for one in range(classes)])
        for _ in range(draws)
    ]
    scores = []
    for name in seen:
        said = [logistic(seen[name][rows], label[rows], classes, seed=seed)(unseen[name]).argmax(1) for rows in drawn]
        scores.append(_score(name, reference, said, classes))
    return scores


def _score(name: str, reference: Codes, said: Sequence[Codes], classes: int) -> Score:
    """Means over several readings; resampled are faces."""
    right = np.mean([one == reference for one in said], axis=0)
    counters = [counter(reference, one, classes) for one in said]

    def recall(weights: Weights) -> NDArray[np.float64]:
        return np.asarray(np.mean([uar(count(weights)) for count in counters], axis=0))

    found = bootstrap({"accuracy": mean(right), "recall": recall}, len(reference))
    return Score(name, found["accuracy"], found["recall"])


def explained(
    seen: Features,
    targets: NDArray[np.floating],
    unseen: Features,
    reference: NDArray[np.floating],
    units: Sequence[str],
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """R² of each unit and their ``mean``, by features; NaN where a unit does not vary.

    Args:
        seen: Of the faces that are fitted on.
        targets: (n, U) measured in these; NaN: not measured.
        unseen: Of the faces that are predicted.
        reference: (m, U) measured in these.
        units: Their codes.
        seed: Of the folds by which the L2 is chosen.
    """
    found = {}
    for name in seen:
        said = ridge(seen[name], targets, seed=seed)(unseen[name])
        each = {unit: r2(reference[:, k].astype(np.float64), said[:, k]) for k, unit in enumerate(units)}
        found[name] = bootstrap({"mean": _mean_of(list(each.values())), **each}, len(reference))
    return found


def r2(reference: NDArray[np.float64], said: NDArray[np.float64]) -> Statistic:
    """Share of the variance of a reference (n,) that is predicted; rows where it is NaN do not count."""
    known = np.isfinite(reference)
    value = np.where(known, reference, 0.0)
    missed = np.where(known, (value - said) ** 2, 0.0)

    def statistic(weights: Weights) -> NDArray[np.float64]:
        total = weights @ known
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = weights @ value / total
            spread = weights @ value**2 - total * middle**2
            share = np.where(spread > 1e-9 * total, 1 - weights @ missed / spread, np.nan)
        return np.asarray(share)

    return statistic


def _mean_of(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of those that are defined."""

    def statistic(weights: Weights) -> NDArray[np.float64]:
        values = np.stack([one(weights) for one in statistics])
        defined = np.isfinite(values)
        total = np.where(defined, values, 0.0).sum(0)
        return np.asarray(np.where(defined.any(0), total / np.maximum(defined.sum(0), 1), np.nan))

    return statistic


# ---- tables ---------------------------------------------------------------------------------------------------------


def class_table(columns: Mapping[str, Sequence[Score]], floors: Mapping[str, tuple[float, float]]) -> str:
    """Markdown: accuracy / macro recall in percent, a column a task.

    Args:
        columns: Scores by task; of all tasks the same features.
        floors: Accuracy and macro recall of always answering the commonest class, by task.
    """
    lines = [f"| accuracy · macro recall % | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in zip(*columns.values(), strict=True):
        cells = [f"{_percent(score.accuracy)} · {_percent(score.recall)}" for score in row]
        lines.append(f"| {row[0].features} | {' | '.join(cells)} |")
    blind = [f"{100 * floors[task][0]:.1f} · {100 * floors[task][1]:.1f}" for task in columns]
    return "\n".join([*lines, f"| always the commonest class | {' | '.join(blind)} |"])


def unit_table(found: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Markdown: R² of each unit, a column a kind of features."""
    lines = [f"| R² | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for unit in next(iter(found.values())):
        cells = [f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in (each[unit] for each in found.values())]
        lines.append(f"| {unit} | {' | '.join('–' if 'nan' in cell else cell for cell in cells)} |")
    return "\n".join(lines)


def floor(reference: Codes, classes: int) -> tuple[float, float]:
    """Accuracy and macro recall of always answering the commonest class."""
    counts = np.bincount(reference, minlength=classes)
    return float(counts.max() / counts.sum()), 1 / int((counts > 0).sum())


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


# ---- the run --------------------------------------------------------------------------------------------------------


def probe(
    trained: Trained,
    seen: FaceSource,
    unseen: FaceSource,
    other: FaceSource | None,
    prepared: Callable[[FaceSource, CropSettings], FaceSet],
    draws: int = 10,
) -> str:
    """All readings of a net as Markdown.

    Args:
        trained: The net.
        seen: Labelled faces to fit on.
        unseen: Faces to answer.
        other: Faces of another kind, cross-validated; none if not given.
        prepared: Makes crops of faces.
        draws: Of each number of labelled faces.

    Raises:
        DataError: The faces cannot be read, or have no labels.
    """
    crops = CropSettings(size=trained.net.size, margin=trained.config.net.margin)
    fit, test = prepared(seen, crops), prepared(unseen, crops)
    columns: dict[str, list[Score]] = {}
    floors: dict[str, tuple[float, float]] = {}
    if other is not None:
        faces = prepared(other, crops)
        rows, label = labelled(faces, other)
        task = f"{other.path.name}: {len(rows)} faces, {_FOLDS} folds"
        columns[task] = crossed(features_of(trained, faces, rows), label, len(faces.labels), _FOLDS)
        floors[task] = floor(label, len(faces.labels))
    train, valid = (features_of(trained, faces, np.arange(len(faces))) for faces in (fit, test))
    (from_rows, label), (rows, reference) = labelled(fit, seen), labelled(test, unseen)
    known, asked = (
        {name: given[at] for name, given in part.items()} for part, at in ((train, from_rows), (valid, rows))
    )
    for k in FEW:
        fewest = int(np.bincount(label, minlength=len(fit.labels)).min())
        task = f"{k} faces a class, {draws} draws" + (f" (rarest class: {fewest})" if fewest < k else "")
        columns[task] = few(known, label, asked, reference, len(fit.labels), k, draws)
        floors[task] = floor(reference, len(fit.labels))
    units = explained(train, _units(fit), valid, _units(test), fit.units)
    return "\n\n".join(
        [
            f"{trained.name} ({trained.version}), frozen. Fitted on faces of {seen.path.name} ({len(fit)} of {seen.split}), "
            f"scored on {len(rows)} labelled ones of {unseen.split}; units on {len(test)}. Intervals: 95 %, bootstrap over faces.",
            class_table(columns, floors),
            unit_table(units),
        ]
    )


def labelled(faces: FaceSet, source: FaceSource) -> tuple[Codes, Codes]:
    """Rows that have a label, and the labels.

    Raises:
        DataError: There are none.
    """
    label = labels_of(faces)
    rows = np.flatnonzero(label >= 0)
    if not len(rows):
        raise DataError(f"{source.path}: no face has a label; give labelled faces")
    return rows, label[rows]


def _units(faces: FaceSet) -> NDArray[np.float32]:
    """(n, U) of all rows."""
    return np.array(faces.dataset["units"][:], np.float32)


@click.command()
@click.argument("net", default="face-mt")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Faces with votes, as an npz of tiles.")
@click.option("--limit", type=click.IntRange(1), help="Fit on so many evenly spread faces instead of all.")
@click.option(
    "--other", type=click.Path(path_type=Path), help="CSV of other faces, with a column of pictures and one of labels."
)
@click.option("--other-folder", default="", help="Where its pictures are, relative to the CSV.")
@click.option(
    "--other-columns", default="file,label7", show_default=True, help="Its columns of pictures and of labels."
)
@click.option("--other-labels", default="fer2013", show_default=True, help="Label set of the other faces.")
@click.option("--draws", type=click.IntRange(1), default=10, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/face-sets"), show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that cut crops.")
def main(
    net: str,
    data: Path,
    limit: int | None,
    other: Path | None,
    other_folder: str,
    other_columns: str,
    other_labels: str,
    draws: int,
    work: Path,
    workers: int,
) -> None:
    """Print what linear readings of a frozen net get."""
    import torch

    torch.set_num_threads(1)
    strange = None
    if other is not None:
        image, _, label = other_columns.partition(",")
        columns = Columns(image=image, label=label, folder=other_folder)
        strange = FaceSource(layout="csv", path=other, label_set=other_labels, columns=columns)
    seen, unseen = (FaceSource(path=data, split=split) for split in ("train", "valid"))
    try:
        print(
            probe(
                load(net),
                seen.model_copy(update={"limit": limit}),
                unseen,
                strange,
                lambda source, crops: prepare(source, crops, work, workers),
                draws,
            )
        )
    except EmollmError as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    main()
