"""An npz as FER+."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.face_sets import FaceSource, read
from emollm.face_sets.classes import Classes
from emollm.face_sets.layouts import Raw, reader

COLUMNS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]


def rows(path: Path, **settings: Any) -> list[Raw]:
    source = FaceSource(layout="npz", path=path, **settings)
    return list(reader(source, Classes(source.label_set, source.ignore)).rows())


def test_rows_of_a_split_have_their_pixels_votes_and_names(
    save_npz: Callable[..., Path], face: np.ndarray, tmp_path: Path
) -> None:
    table = read(FaceSource(path=save_npz(), split="valid"), tmp_path / "work")
    (row,) = table.to_list()
    assert (row["id"], row["split"], row["votes"], row["reject"]) == ("mirrored", "valid", [8, 2] + [0] * 8, None)
    np.testing.assert_array_equal(np.frombuffer(row["pixels"], np.uint8).reshape(row["shape"]), face[:, ::-1])


def test_columns_in_another_order_give_the_same_votes(save_npz: Callable[..., Path]) -> None:
    order = np.random.default_rng(3).permutation(10)
    whole = np.random.default_rng(4).integers(1, 9, (3, 10))
    straight = rows(save_npz("a.npz", votes=whole))
    turned = rows(save_npz("b.npz", votes=whole[:, order], columns=np.array(COLUMNS)[order]))
    np.testing.assert_array_equal([row.votes for row in turned], [row.votes for row in straight])
    np.testing.assert_array_equal([row.votes for row in straight], whole)


def test_votes_that_sum_to_zero_reject_the_row(save_npz: Callable[..., Path]) -> None:
    votes = np.array([[0] * 10, [9] + [0] * 9, [0] * 10])
    assert [row.reject for row in rows(save_npz(votes=votes))] == ["votes sum to zero", None, "votes sum to zero"]


def test_a_limit_takes_rows_evenly_spaced(save_npz: Callable[..., Path]) -> None:
    images = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((48, 48), np.uint8)
    votes, names = np.full((10, 10), 3), np.array([f"n{k}" for k in range(10)])
    path = save_npz(images=images, votes=votes, name=names, split=np.array(["train", "valid"] * 5))
    found = rows(path, split="valid", limit=2)
    assert [(row.id, int(row.pixels[0, 0])) for row in found if row.pixels is not None] == [("n1", 1), ("n5", 5)]


def test_compressed_colour_images_are_read(tmp_path: Path, save_npz: Callable[..., Path]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    with np.load(save_npz(images=images)) as arrays:
        np.savez_compressed(tmp_path / "small.npz", **arrays)
    for row, image in zip(rows(tmp_path / "small.npz"), images, strict=True):
        np.testing.assert_array_equal(row.pixels, image)


def test_an_ignored_column_takes_no_part(save_npz: Callable[..., Path]) -> None:
    found = rows(save_npz(votes=np.array([[0, 5] + [0] * 8, [5, 5] + [0] * 8, [5] + [0] * 9])), ignore=("neutral",))
    assert [row.reject for row in found] == [None, None, "all votes are for ignored classes"]
    assert found[1].votes is not None
    assert found[1].votes.tolist() == [0, 5] + [0] * 8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"votes": None}, r"lacks the array 'votes'; expected an npz with images, votes, columns"),
        (
            {"images": np.zeros((3, 48, 48))},
            r"expected images \(N, h, w\) or \(N, h, w, 3\) of uint8, got \(3, 48, 48\) of float64",
        ),
        ({"images": np.zeros((2, 48, 48), np.uint8)}, r"expected votes of shape \(2, 10\) for 2 images, got \(3, 10\)"),
        ({"votes": np.full((3, 10), 0.5)}, "expected votes as whole numbers from 0, got float64"),
        ({"votes": np.full((3, 10), -1)}, "expected votes as whole numbers from 0"),
        (
            {"columns": np.array([*COLUMNS[:7], "boredom", *COLUMNS[8:]])},
            "unknown class 'boredom'.*ferplus has: neutral",
        ),
        (
            {"columns": np.array([*COLUMNS[:7], "joy", *COLUMNS[8:]])},
            "columns 'happiness' and 'joy' both stand for happiness",
        ),
        ({"name": np.array([None] * 3)}, "expected an npz with images"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(
    save_npz: Callable[..., Path], changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as told:
        rows(save_npz(**changed))
    assert "\n" not in str(told.value)


def test_an_unknown_split_is_answered_with_the_known_ones(save_npz: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"unknown split 'tset'.*known: train, valid"):
        rows(save_npz(), split="tset")


@pytest.mark.parametrize("content", [b"", b"no npz", b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_npz_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz: (expected an npz|lacks the array)") as told:
        rows(tmp_path / "x.npz")
    assert "\n" not in str(told.value)


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(DataError, match="expected an npz with images"):
        rows(tmp_path / "x.npy")


def test_names_and_splits_may_be_left_out(save_npz: Callable[..., Path]) -> None:
    path = save_npz(name=None, split=None)
    assert [(row.id, row.split) for row in rows(path)] == [("0000000", ""), ("0000001", ""), ("0000002", "")]
    with pytest.raises(DataError, match=r"unknown split 'valid'|has no splits, wanted 'valid'"):
        rows(path, split="valid")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.npz: no such file; expected an npz"):
        rows(tmp_path / "x.npz")


def test_a_truncated_npz_is_refused(tmp_path: Path, save_npz: Callable[..., Path]) -> None:
    whole = save_npz().read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.npz: expected an npz"):
        rows(tmp_path / "cut.npz")


def test_damage_within_the_images_is_told_in_one_line(tmp_path: Path, save_npz: Callable[..., Path]) -> None:
    path = save_npz()
    data = bytearray(path.read_bytes())
    data[3000:3100] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"faces\.npz: .*CRC"):
        rows(path)
