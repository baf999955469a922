"""FER+ and its majority protocol."""

from pathlib import Path

import numpy as np
import pytest

from emollm import ferplus
from emollm.errors import DataError
from emollm.eval.priors import Scored, summary


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ([8, 2, 0, 0, 0, 0, 0, 0, 0, 0], "neutral"),
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ([5, 1, 1, 1, 1, 0, 1, 0, 0, 0], "neutral"),
        ([4, 3, 2, 0, 0, 0, 0, 0, 1, 0], None),
        ([0, 0, 0, 0, 0, 0, 0, 6, 0, 4], "contempt"),
        ([2, 0, 0, 0, 0, 0, 0, 0, 8, 0], None),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], None),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None),
    ],
)
def test_the_majority_needs_more_than_half_of_the_votes_that_are_not_alone(votes: list[int], label: str | None) -> None:
    assert ferplus.majority(np.array(votes)) == label


def test_a_split_is_read_from_an_npz(tmp_path: Path) -> None:
    images = np.arange(3 * 48 * 48, dtype=np.uint8).reshape(3, 48, 48)
    np.savez(
        tmp_path / "f.npz", images=images, votes=np.eye(3, 10, dtype=int), split=np.array(["train", "valid", "train"])
    )
    faces = ferplus.read(tmp_path / "f.npz", "train")
    np.testing.assert_array_equal(faces.images, images[[0, 2]])
    assert ferplus.enlarged(faces.images[0]).shape == (216, 216, 3)
    with pytest.raises(DataError, match="no row of split 'test'"):
        ferplus.read(tmp_path / "f.npz", "test")


@pytest.mark.parametrize("content", [b"", b"no npz", b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_ferplus_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match="expected an npz with images, votes and split"):
        ferplus.read(tmp_path / "x.npz", "train")


def test_an_abstention_is_wrong_in_strict_and_left_out_of_covered() -> None:
    rows = [
        Scored("anger", "anger", "anger"),
        Scored("anger", None, "anger"),
        Scored("fear", "anger", "anger"),
        Scored("fear", None, None),
    ]
    scores = summary(rows)
    assert (scores["coverage"], scores["strict"], scores["covered"], scores["best_ranked"]) == (
        0.75 - 0.25,
        0.25,
        0.5,
        0.5,
    )
    assert scores["uar_best_ranked"] == 0.5
    assert scores["majority_floor"] == 0.5
