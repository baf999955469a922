"""Folders of pictures."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.face_sets import FaceSource
from emollm.face_sets.classes import Classes
from emollm.face_sets.layouts import Raw, Reader, reader

Save = Callable[..., Path]


def opened(path: Path, label_set: str = "rafdb", **settings: Any) -> Reader:
    source = FaceSource(layout="folder", path=path, label_set=label_set, **settings)
    return reader(source, Classes(label_set, source.ignore))


def told(path: Path, **settings: Any) -> list[tuple[str, str, int]]:
    return [(row.id, row.split, row.label) for row in opened(path, **settings).rows()]


def test_folders_of_numbers_are_codes_of_the_label_set(tmp_path: Path, save_png: Save) -> None:
    for number in range(1, 8):
        save_png(tmp_path / "train" / str(number) / "a.png")
    save_png(tmp_path / "test" / "4" / "b.jpg")
    assert told(tmp_path, split="train") == [(f"train/{k}/a.png", "train", k - 1) for k in range(1, 8)]
    assert told(tmp_path, split="test") == [("test/4/b.jpg", "test", 3)]
    assert Classes("rafdb").labels[3] == "happiness"
    assert len(told(tmp_path)) == 8


def test_folders_of_words_need_no_split(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "Happy" / "b.png")
    save_png(tmp_path / "Happy" / "a.png")
    save_png(tmp_path / "fearful" / "c.png")
    (tmp_path / "Happy" / "notes.txt").write_text("no picture")
    (tmp_path / "README.md").write_text("no picture")
    assert told(tmp_path) == [("Happy/a.png", "", 3), ("Happy/b.png", "", 3), ("fearful/c.png", "", 1)]


def test_a_folder_of_faces_without_an_emotion_is_unlabelled(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "unknown" / "a.png")
    save_png(tmp_path / "fear" / "a.png")
    assert told(tmp_path, label_set="ferplus") == [("fear/a.png", "", 6), ("unknown/a.png", "", -1)]


def test_an_ignored_class_is_rejected_with_the_reason(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "fear" / "a.png")
    save_png(tmp_path / "Bored" / "a.png")
    rows: list[Raw] = list(opened(tmp_path, ignore=("bored",)).rows())
    assert [row.reject for row in rows] == ["class 'Bored' is ignored", None]


def test_a_picture_beside_the_classes_is_rejected(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "train" / "fear" / "a.png")
    save_png(tmp_path / "train" / "stray.png")
    rows = list(opened(tmp_path, split="train").rows())
    assert [(row.id, row.reject) for row in rows] == [
        ("train/stray.png", "lies in no folder of a class"),
        ("train/fear/a.png", None),
    ]


def test_a_name_that_is_not_utf8_is_rejected_and_shown(tmp_path: Path, save_png: Save) -> None:
    picture = save_png(tmp_path / "fear" / "a.png")
    os.rename(picture, os.fsencode(tmp_path / "fear") + b"/\xff.png")
    (row,) = opened(tmp_path).rows()
    assert (row.id, row.reject) == ("fear/\\xff.png", "its name is not UTF-8")


def test_the_content_changes_with_a_picture(tmp_path: Path, save_png: Save) -> None:
    picture = save_png(tmp_path / "fear" / "a.png")
    before = opened(tmp_path).content()
    assert opened(tmp_path).content() == before
    save_png(picture, np.zeros((9, 9), np.uint8))
    assert opened(tmp_path).content() != before


def test_a_limit_takes_pictures_of_all_folders(tmp_path: Path, save_png: Save) -> None:
    for word in ("fear", "happy"):
        for number in range(4):
            save_png(tmp_path / word / f"{number}.png")
    assert [id for id, _, _ in told(tmp_path, limit=4)] == ["fear/0.png", "fear/2.png", "happy/0.png", "happy/2.png"]


def test_an_unknown_class_is_named(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "train" / "boredom" / "a.png")
    with pytest.raises(
        DataError, match=r"unknown class 'boredom'; rafdb has: surprise .*source\.ignore \(data\.ignore in a recipe\)$"
    ):
        opened(tmp_path, split="train")


def test_an_unknown_split_is_answered_with_the_known_ones(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "train" / "fear" / "a.png")
    with pytest.raises(DataError, match="unknown split 'valid'; known: train"):
        opened(tmp_path, split="valid")


def test_a_split_of_a_folder_without_splits_is_refused(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "fear" / "a.png")
    with pytest.raises(DataError, match="has no splits, wanted 'train'"):
        opened(tmp_path, split="train")


def test_splits_and_classes_side_by_side_are_refused(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "train" / "fear" / "a.png")
    save_png(tmp_path / "fear" / "a.png")
    with pytest.raises(DataError, match="train has folders and fear pictures"):
        opened(tmp_path)


def test_a_folder_within_a_class_is_refused(tmp_path: Path, save_png: Save) -> None:
    save_png(tmp_path / "train" / "fear" / "a.png")
    save_png(tmp_path / "train" / "fear" / "person" / "a.png")
    with pytest.raises(DataError, match="person: expected pictures in train/fear, found a folder"):
        opened(tmp_path)


@pytest.mark.parametrize("kind", ["absent", "file", "empty"])
def test_what_is_no_such_folder_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "file":
        path.touch()
    elif kind == "empty":
        path.mkdir()
    messages = {"absent": "no such folder", "file": "is a file", "empty": "no pictures in folders of classes"}
    with pytest.raises(DataError, match=messages[kind]):
        opened(path)
