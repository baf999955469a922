"""CSV manifests."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.config import load
from emollm.errors import ConfigError, DataError
from emollm.face_sets import Columns, FaceSource
from emollm.face_sets.classes import Classes
from emollm.face_sets.layouts import Raw, Reader, reader


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes the lines of a CSV."""

    def written(*lines: str, encoding: str = "utf-8") -> Path:
        (tmp_path / "faces.csv").write_bytes("\n".join(lines).encode(encoding))
        return tmp_path / "faces.csv"

    return written


Save = Callable[..., Path]


def opened(path: Path, label_set: str = "affectnet8", columns: dict[str, Any] | None = None, **settings: Any) -> Reader:
    source = FaceSource(layout="csv", path=path, label_set=label_set, columns=Columns(**(columns or {})), **settings)
    return reader(source, Classes(label_set, source.ignore))


def rows(*args: Any, **settings: Any) -> list[Raw]:
    return list(opened(*args, **settings).rows())


def test_labels_are_words_or_codes_and_paths_are_kept(save: Save) -> None:
    found = rows(save("image,label", "a/1.jpg,happy", "b.jpg,5", '"c, d.jpg",Neutral'))
    assert [(row.path, row.id, row.label) for row in found] == [
        ("a/1.jpg", "a/1.jpg", 1),
        ("b.jpg", "b.jpg", 5),
        ("c, d.jpg", "c, d.jpg", 0),
    ]


def test_paths_may_start_from_another_folder(save: Save, tmp_path: Path) -> None:
    path = save("image,label", "a.jpg,0")
    assert opened(path, columns={"folder": "pictures"}).root == tmp_path / "pictures"


def test_the_file_of_fer2013_is_read(save: Save) -> None:
    named = {"label": "emotion", "pixels": "pixels", "split": "Usage"}
    path = save("emotion,pixels,Usage", "0,10 20 30 40,Training", "3,1 2 3 4 5 6 7 8 255,PrivateTest")
    first, second = rows(path, "fer2013", named)
    assert first.pixels is not None
    assert second.pixels is not None
    np.testing.assert_array_equal(first.pixels, [[10, 20], [30, 40]])
    assert (first.id, first.split, first.label, second.label, second.pixels[2, 2]) == ("line 2", "Training", 0, 3, 255)
    assert [row.id for row in rows(path, "fer2013", named, split="PrivateTest")] == ["line 3"]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1 2 3", "3 pixels are no square picture"),
        ("", "0 pixels are no square picture"),
        ("1 2 3 x", "pixels are not all whole numbers"),
        ("1 2 3 256", "pixels are not all from 0 to 255"),
        ("99999999999999999999 2 3 4", "pixels are not all from 0 to 255"),
    ],
)
def test_pixels_that_are_no_picture_reject_the_row(save: Save, cell: str, reason: str) -> None:
    (row,) = rows(save("label,pixels", f"0,{cell}"), columns={"pixels": "pixels"})
    assert row.reject == reason


def test_a_column_of_votes_a_class_is_read_in_the_order_of_the_label_set(save: Save) -> None:
    columns = {"votes": ["happiness", "neutral", "NF"], "split": "Usage"}
    path = save(
        "Usage,image,NF,neutral,happiness,more",
        "Training,a.png,1,2,7,x",
        "Training,b.png,0,0,0,x",
        "Training,c.png,0,,1,x",
    )
    first, second, third = rows(path, "ferplus", columns, split="Training")
    assert first.votes is not None
    assert first.votes.tolist() == [2, 7, 0, 0, 0, 0, 0, 0, 0, 1]
    assert second.reject == "votes sum to zero"
    assert third.reject == "votes are not all whole numbers: 1, , 0"


def test_valence_and_arousal_are_kept_and_missing_ones_are_nan(save: Save) -> None:
    columns = {"valence": "v", "arousal": "a"}
    path = save("image,label,v,a", "1.jpg,0,0.5,-1", "2.jpg,0,,0", "3.jpg,0,-2,-2", "4.jpg,0,3,0", "5.jpg,0,x,0")
    found = rows(path, columns=columns)
    assert (found[0].valence, found[0].arousal) == (0.5, -1)
    assert math.isnan(found[1].valence)
    assert math.isnan(found[2].valence)
    assert math.isnan(found[2].arousal)
    assert [row.reject for row in found[3:]] == ["v '3' is no number from -1 to 1", "v 'x' is no number from -1 to 1"]
    assert math.isnan(rows(path)[0].valence), "columns that are not named are not read"


def test_rows_that_lack_something_are_rejected_with_the_reason(save: Save) -> None:
    found = rows(save("image,label,more", "a.jpg,,x", ",0,x", "c.jpg,0", "d.jpg,0,x,y", "e.jpg,0,x"))
    assert [row.reject for row in found] == [
        "no label",
        "no path of a picture",
        "line 4 does not have the header's 3 cells",
        "line 5 does not have the header's 3 cells",
        None,
    ]


def test_classes_to_ignore_are_rejected_and_counted(save: Save) -> None:
    path = save("image,label", "a.jpg,8", "b.jpg,0", "c.jpg,10")
    with pytest.raises(DataError, match=r"faces\.csv:2: unknown class '8'; affectnet8 has: neutral \(0\)"):
        opened(path)
    assert [row.reject for row in rows(path, ignore=("8", "9", "10"))] == [
        "class '8' is ignored",
        None,
        "class '10' is ignored",
    ]


def test_an_unknown_class_in_another_split_does_not_matter(save: Save) -> None:
    path = save("image,label,split", "a.jpg,0,train", "b.jpg,boredom,test")
    assert len(rows(path, split="train")) == 1
    with pytest.raises(DataError, match="unknown class 'boredom'"):
        opened(path, split="test")


def test_a_limit_takes_rows_evenly_spaced(save: Save) -> None:
    path = save("image,label,split", *(f"{k}.jpg,0,{'train' if k % 2 else 'test'}" for k in range(20)))
    assert [row.id for row in rows(path, split="train", limit=2)] == ["1.jpg", "11.jpg"]


def test_a_byte_order_mark_and_empty_lines_are_no_matter(save: Save) -> None:
    assert len(rows(save("image,label", "", "a.jpg,0", "", encoding="utf-8-sig"))) == 1


def test_the_content_changes_with_a_picture_that_is_named(save: Save, tmp_path: Path) -> None:
    path = save("image,label", "a.jpg,0")
    before = opened(path).content()
    assert opened(path).content() == before
    (tmp_path / "a.jpg").touch()
    assert opened(path).content() != before


@pytest.mark.parametrize(
    ("lines", "settings", "message"),
    [
        (
            ["image,lable", "a.jpg,0"],
            {},
            r"unknown column 'label' \(did you mean 'lable'\?\); known: image, lable; set source.columns.label",
        ),
        (["path,label", "a.jpg,0"], {}, "unknown column 'image'; known: label, path; set source.columns.image"),
        (
            ["image,label", "a.jpg,0"],
            {"split": "train"},
            "unknown column 'split'; known: image, label; set source.columns.split",
        ),
        (
            ["image,label,split", "a.jpg,0,train"],
            {"split": "trian"},
            r"unknown split 'trian' \(did you mean 'train'\?\); known: train",
        ),
        (["image,label"], {}, "has no row"),
        ([""], {}, "is empty"),
        (["image,label,label", "a.jpg,0,1"], {}, "two columns are called 'label'"),
        (["image,label", "a.jpg,0"], {"columns": {"valence": "v"}}, "unknown column 'v'.*set source.columns.valence"),
        (
            ["image,label", "a.jpg,0"],
            {"columns": {"votes": ["neutral"]}},
            "unknown column 'neutral'.*set source.columns.votes",
        ),
        (["image,x", "a.jpg,0"], {"columns": {"votes": ["x"]}}, "columns.votes: unknown class 'x'"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_in_one_line(
    save: Save, lines: list[str], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as told:
        opened(save(*lines), **settings)
    assert "\n" not in str(told.value)


def test_what_is_no_csv_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.csv: no such file; expected a CSV"):
        opened(tmp_path / "x.csv")
    with pytest.raises(DataError, match="is a folder; expected a CSV"):
        opened(tmp_path)
    (tmp_path / "x.csv").write_bytes(b"image,label\n\xff,0\n")
    with pytest.raises(DataError, match=r"not UTF-8 text .*; save it as UTF-8"):
        opened(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_bytes(b"image,label\n\xff\xfe\x00,0\n")
    with pytest.raises(DataError, match="a binary file; expected a CSV"):
        opened(tmp_path / "x.csv")


def test_a_source_is_read_from_yaml_and_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "layout: csv\npath: f.csv\nlabel_set: fer2013\ncolumns: {label: emotion, pixels: pixels}\n"
    )
    source = load(FaceSource, tmp_path / "s.yaml", ["columns.split=Usage", "split=Training"])
    assert (source.columns.label, source.columns.split, source.split) == ("emotion", "Usage", "Training")
    with pytest.raises(ConfigError, match="columns"):
        load(FaceSource, tmp_path / "s.yaml", ["columns.image=null", "columns.pixels=null"])
