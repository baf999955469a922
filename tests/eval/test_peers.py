"""The parts of the comparison with a peer that need no peer."""

from pathlib import Path

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.eval import peers
from emollm.eval.peers import LABELS, SEVEN, Row
from emollm.face_sets import FaceSource
from emollm.metrics.classification import classification


def test_the_peers_classes_are_put_in_our_order() -> None:
    said = np.eye(len(LABELS))
    answered = [SEVEN[k] for k in peers.in_our_order(said)]
    assert answered == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


def test_the_most_probable_of_the_classes_that_count_is_the_answer() -> None:
    said = np.zeros((1, 7))
    said[0, [LABELS.index("angry"), LABELS.index("sad")]] = 0.6, 0.4
    assert peers.in_our_order(said, ("neutral", "sadness")).tolist() == [1]


def test_contempt_is_none_of_the_seven() -> None:
    assert "contempt" not in SEVEN
    assert len(SEVEN) == len(set(SEVEN)) == len(LABELS)


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3), (96, 96, 3), (64, 64)])
def test_pictures_become_grey_at_the_peers_size(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 77, np.uint8)
    assert peers.grey(picture).shape == (64, 64)
    assert set(np.unique(peers.grey(picture))) == {77}


def tiles_file(path: Path) -> Path:
    images = np.stack([np.full((48, 48), 10 * k, np.uint8) for k in range(4)])
    votes = np.zeros((4, 2), np.int64)
    votes[:, 0] = 9
    np.savez(path, images=images, votes=votes, columns=np.array(["neutral", "fear"]), name=np.array(list("abcd")))
    return path


def test_tiles_come_in_the_order_of_the_ids(tmp_path: Path) -> None:
    source = FaceSource(path=tiles_file(tmp_path / "tiles.npz"))
    found = peers.tiles(source, ["d", "b"], tmp_path / "work")
    assert (found.shape, found[:, 0, 0].tolist()) == ((2, 64, 64), [30, 10])


def test_pictures_on_disk_are_no_tiles(tmp_path: Path) -> None:
    (tmp_path / "neutral").mkdir()
    (tmp_path / "neutral" / "a.png").write_bytes(b"x")
    source = FaceSource(layout="folder", path=tmp_path)
    id = next(iter(peers.read(source, tmp_path / "work")["id"][:]))
    with pytest.raises(DataError, match="expected tiles with pixels"):
        peers.tiles(source, [id], tmp_path / "work")


# ---- the table ------------------------------------------------------------------------------------------------------


def row(name: str, predicted: np.ndarray, reference: np.ndarray, speed: tuple[float, float] | None = None) -> Row:
    return Row(name, predicted, classification(reference, predicted, SEVEN), speed)


@pytest.fixture
def table() -> str:
    """Ours has all of 70 faces right, the peer 42."""
    reference = np.arange(70) % 7
    worse = np.where(np.arange(70) < 42, reference, (reference + 1) % 7)
    rows = [row("ours", reference, reference, (1.5, 0.25)), row("peer", worse, reference)]
    return peers.table(rows, reference)


def test_the_table_has_scores_speeds_and_the_floor(table: str) -> None:
    ours, peer = (
        next(line for line in table.splitlines() if line.startswith(f"| {name} |")) for name in ("ours", "peer")
    )
    assert "| 100.0 [100.0, 100.0] |" in ours
    assert ours.endswith("| 1.50 | 0.25 |")
    assert "| 60.0 [" in peer
    assert peer.endswith("|  |  |")
    assert "| always the commonest class | 14.3 | 14.3 |" in table


def test_the_table_tells_the_paired_difference(table: str) -> None:
    (line,) = [line for line in table.splitlines() if line.startswith("- ours − peer")]
    assert "+40.0 points [+" in line
    assert "only the first is right 28 times, only the second 0 (McNemar, p < 0.001)" in line


def test_recalls_stand_class_by_class(table: str) -> None:
    lines = table.splitlines()
    assert f"| recall % | {' | '.join(SEVEN)} |" in lines
    assert "| faces | 10 | 10 | 10 | 10 | 10 | 10 | 10 |" in lines
