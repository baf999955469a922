"""Tiles that stand in two splits."""

from pathlib import Path

import numpy as np

from emollm.face_sets.copies import copies


def test_only_pixel_exact_copies_of_the_other_split_are_named(tmp_path: Path) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (6, 48, 48), np.uint8)
    tiles[4] = tiles[0]  # of the other split, labelled or not
    tiles[5] = tiles[3]  # of its own split
    tiles[2] = tiles[1]
    tiles[2, 0, 0] ^= 1  # all but one pixel
    split = np.array(["train", "train", "valid", "valid", "valid", "valid"])
    np.savez(tmp_path / "faces.npz", images=tiles, votes=np.zeros((6, 10), np.uint8), split=split)
    assert copies(tmp_path / "faces.npz", "valid", "train") == {"ferplus/valid/000002"}
    assert copies(tmp_path / "faces.npz", "train", "valid") == {"ferplus/train/000000"}
