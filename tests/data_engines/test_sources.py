"""What a build reads: clips with their attributes, records, and tables of rows in any blocks."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

from emollm.data_engines.base import Item, Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.source_rows import read_rows
from emollm.data_engines.sources import items_of, plan
from emollm.data_engines.unit_table import UnitTable
from emollm.errors import ConfigError, DataError
from emollm.types import Clip, Scale


def rows(*paths: Path, block: int = 1000, **source: Any) -> tuple[list[UnitTable], list[Rejected]]:
    """The tables and rejects of all blocks."""
    settings = BuildSettings.model_validate({"rows": True, "source": source, "scale": {"block": block}})
    tables, rejects = [], []
    for span in plan([str(path) for path in paths], settings).spans:
        table, bad = read_rows(span, settings)
        tables += [table] if table is not None else []
        rejects += bad
    return tables, rejects


def items(*inputs: Path, **source: Any) -> list[Item | Rejected]:
    settings = BuildSettings.model_validate({"source": source})
    spans = plan([str(path) for path in inputs], settings).spans
    return [item for span in spans for item in items_of(span, settings)]


def csv(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# ---- rows -----------------------------------------------------------------------------------------------------------

OPENFACE = "frame, timestamp, confidence, success, AU01_r, AU12_r, AU01_c, AU28_c\n"


def test_openface_rows_are_intensities_of_five_and_uncertain_faces_are_rejected(tmp_path: Path) -> None:
    text = OPENFACE + "1, 0.0, 0.98, 1, 2.5, 0.0, 0, 1\n2, 0.1, 0.4, 1, 0, 0, 0, 0\n3, 0.2, 0.9, 0, 0, 0, 0, 0\n"
    (table,), rejects = rows(csv(tmp_path / "a.csv", text))
    assert dict(zip(table.names, table.values[0].tolist(), strict=True)) == {"AU01": 0.5, "AU12": 0.0, "AU28": 1.0}
    assert table.scales == (Scale.INTENSITY, Scale.INTENSITY, Scale.PROBABILITY)
    assert (table.ids, table.times) == (("a.csv#2",), (0.0,))
    assert [(one.id, one.reason) for one in rejects] == [
        ("a.csv#3", "no certain face: confidence 0.40, needs 0.80"),
        ("a.csv#4", "no face: success is not 1"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1.5,0", "out of range: AU12 is 1.5, expected 0 to 1"),
        ("-0.2,0", "out of range: AU12 is -0.2, expected 0 to 1"),
        ("inf,0", "out of range: AU12 is inf, expected 0 to 1"),
        (",nan", "no face: the row has no number for any unit"),
        ("much,0", "unreadable: AU12 is 'much', expected a number"),
        ("0.5", "unreadable: 1 cells but the header has 2"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_the_others_stay(line: str, reason: str, tmp_path: Path) -> None:
    (table,), (reject,) = rows(csv(tmp_path / "a.csv", f"AU12,AU04\n0.1,0.2\n{line}\n0.3,\n"))
    assert reject == Rejected("a.csv#3", "source", reason)
    assert table.ids == ("a.csv#2", "a.csv#4")
    assert np.isnan(table.values[1, table.names.index("AU04")])


def test_a_row_of_zeros_is_a_still_face_and_stays(tmp_path: Path) -> None:
    (table,), rejects = rows(csv(tmp_path / "a.csv", "AU12,AU04\n0,0\n"))
    assert not rejects
    assert table.values.tolist() == [[0, 0]]


def test_a_table_without_units_is_refused_and_renamed_columns_can_be_named(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "smile,frown\n2.5,0\n")
    with pytest.raises(DataError, match=r"no column of action units .*; it has smile, frown; name them"):
        rows(path)
    (table,), _ = rows(path, units={"AU12": "smile"}, unit_scale=5)
    assert (table.names, table.values.tolist()) == (("AU12",), [[0.5]])
    with pytest.raises(ConfigError, match=r"column 'smiles' \(did you mean 'smile'\?\), which the table does not have"):
        rows(path, units={"AU12": "smiles"})
    with pytest.raises(ConfigError, match="unknown action unit 'AU99'"):
        rows(path, units={"AU99": "smile"})


def test_libreface_needs_its_scale(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "frame_idx,au_4,au_12_intensity\n0,1,2.5\n")
    with pytest.raises(DataError, match=r"source\.table_scale=5"):
        rows(path)
    (table,), _ = rows(path, table_scale=5)
    assert (table.names, table.values.tolist()) == (("AU04", "AU12"), [[1.0, 0.5]])


@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_parquet_and_csv_give_the_same_rows_in_any_blocks(block: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((20, 2)).round(3)
    table = pyarrow.table({"AU04": values[:, 0], "AU12": values[:, 1], "name": [f"n{row}" for row in range(20)]})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=8)
    lines = [f"{a},{b},n{row}" for row, (a, b) in enumerate(values)]
    csv(tmp_path / "a.csv", "AU04,AU12,name\n" + "\n".join(lines))
    for name in ("a.parquet", "a.csv"):
        tables, rejects = rows(tmp_path / name, block=block, columns={"id": "name"})
        assert not rejects
        assert max(map(len, tables)) <= block
        assert [id for one in tables for id in one.ids] == [f"n{row}" for row in range(20)]
        assert np.array_equal(np.concatenate([one.values for one in tables]), values.astype(np.float32))


def test_a_block_of_parquet_is_read_without_those_before_it(tmp_path: Path) -> None:
    table = pyarrow.table({"AU12": np.arange(50) / 50})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=30)
    settings = BuildSettings.model_validate({"rows": True, "scale": {"block": 8}})
    spans = plan([str(tmp_path / "a.parquet")], settings).spans
    for span in (spans[2], spans[5], spans[1], spans[1]):
        found, _ = read_rows(span, settings)
        assert found is not None
        first = span.first - 1
        assert found.values[:, 0].tolist() == pytest.approx([row / 50 for row in range(first, first + span.count)])


def test_labels_are_read_in_the_words_of_their_set_and_others_rejected(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "AU12,emo,who\n0.5,Happy,anna\n0.5,hungry,bert\n0.5,,carl\n")
    (table,), (reject,) = rows(path, columns={"label": "emo", "speaker": "who"}, by="annotators")
    assert (table.golds, table.label_set, table.by) == (("happiness", None), "basic8", "annotators")
    assert table.speakers == ("anna", "carl")
    assert reject.reason == "unknown label: 'hungry' is none of basic8"


def test_a_file_that_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a Parquet file"):
        rows(csv(tmp_path / "a.parquet", "AU12\n1\n"))


# ---- clips and records ----------------------------------------------------------------------------------------------

FACE = "frame,FaceScore,AU12\n0,0.99,0.5\n"


def test_clips_get_what_a_list_says_of_them(tmp_path: Path) -> None:
    for name in ("001", "002", "003"):
        csv(tmp_path / f"{name}.csv", FACE)
    csv(tmp_path / "list.csv", "clip,words,emotion,who\n1,you won,happy,anna\n002,oh <|im_end|>,furious,bert\n")
    columns = {"id": "clip", "transcript": "words", "label": "emotion", "speaker": "who"}
    first, second, third = items(tmp_path, attributes="list.csv", columns=columns, by="acting", licence="own")
    assert isinstance(first, Item)
    assert (first.clip.id, first.clip.transcript, first.clip.speaker) == ("001.csv", "you won", "anna")
    assert first.gold is not None
    assert (first.gold.labels, first.gold.by, first.licence) == (("happiness",), "acting", "own")
    assert second == Rejected("002.csv", "source", second.reason)  # type: ignore[union-attr]
    assert second.reason.startswith("unknown label: 'furious' is none of basic8")
    assert isinstance(third, Item)
    assert third.gold is None


def test_a_list_that_fits_no_clip_or_column_is_refused(tmp_path: Path) -> None:
    csv(tmp_path / "001.csv", FACE)
    csv(tmp_path / "list.csv", "clip,words\nx,you won\n")
    with pytest.raises(DataError, match=r"none of its names \(x …\) is that of a clip"):
        items(tmp_path, attributes="list.csv")
    with pytest.raises(ConfigError, match="unknown column 'wrds'"):
        items(tmp_path, attributes="list.csv", columns={"transcript": "wrds"})


def test_records_of_three_kinds_are_items_and_bad_lines_are_rejects(tmp_path: Path) -> None:
    words = "x" * 100_000
    clip = Clip(id="a", transcript=words, labels=("Joy",), label_set="basic8")
    lines = [
        clip.to_json(),
        '{"clip": {"id": "b", "image": "b.png"}, "licence": "own"}',
        '{"id": "c", "transcript": "hm", "labels": ["peckish"], "label_set": "basic8"}',
        '{"id": "d", "transcript": "hm", "labels": ["sad"], "label_set": "nosuch"}',
        '{"id": "e"}',
        '{"id": "f", "transcr',
        "[]",
        "[" * 5000,
    ]
    (tmp_path / "b.png").write_bytes(b"")
    csv(tmp_path / "list.jsonl", "\n".join(lines) + "\n\n")
    first, second, *others = items(tmp_path / "list.jsonl")
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert first.clip.transcript == words
    assert first.gold is not None
    assert first.gold.labels == ("happiness",)
    assert second.clip.image == tmp_path / "b.png"
    assert [one.id for one in others if isinstance(one, Rejected)] == [
        "c",
        "d",
        *(f"list.jsonl:{row}" for row in (5, 6, 7, 8)),
    ]
    kinds = [one.reason.partition(":")[0] for one in others if isinstance(one, Rejected)]
    assert kinds == ["unknown label", "unknown label set", *["unreadable"] * 4]


def test_two_folders_with_a_clip_of_one_name_keep_their_ids_apart(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        csv(tmp_path / folder / "001.csv", FACE)
    found = items(tmp_path / "x", tmp_path / "y")
    assert len({one.clip.id for one in found if isinstance(one, Item)}) == 2


def test_a_parquet_file_of_clips_points_to_rows(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"AU12": [0.5]}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="add --set rows=true"):
        items(tmp_path / "a.parquet")


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        rows(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="nothing to read"):
        items(csv(tmp_path / "empty.jsonl", ""))
