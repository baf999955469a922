"""Records as Parquet and back."""

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from emollm import embedding_table
from emollm.embedding import EmbeddedClip, EmbeddedFace, Head, Net, exact
from emollm.embedding_table import ParquetForm
from emollm.types import Box

NET = Net("tiny", "0" * 12, ("a", "b"), 3, "CC0-1.0", Head.EMBEDDING)


def clip(number: int, faces: int) -> EmbeddedClip:
    """A clip with some faces, all numbers different."""
    rows = [
        EmbeddedFace(
            track=f"p{k + 1}",
            time=k / 3,
            apex=bool(k % 2),
            box=Box(x=number + 0.1, y=-k, width=10.3, height=11),
            confidence=0.937,
            label="ab"[k % 2],
            probabilities=(0.25, 0.75),
            vector=tuple(exact(np.array([0.1, number + 0.3, -k / 4], np.float32))),
        )
        for k in range(faces)
    ]
    return EmbeddedClip(id=f"clip {number} ä\n", faces=tuple(rows), note=None if faces else "no face found")


def written(clips: list[EmbeddedClip], path: Path) -> Path:
    with path.open("wb") as file:
        ParquetForm(NET).write(file, (one.to_json().encode() for one in clips))
    return path


@pytest.mark.parametrize("faces", [[], [0], [0, 2, 0, 0, 1, 3, 0], [1] * 9, [11, 0, 1]])
def test_clips_come_back_equal_and_in_order(faces: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_table, "ROWS", 4)  # several groups
    clips = [clip(number, many) for number, many in enumerate(faces)]
    with ParquetForm(NET).read(written(clips, tmp_path / "a.parquet")) as lines:
        assert [EmbeddedClip.from_json(line) for line in lines] == clips


def test_rows_stand_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_table, "ROWS", 4)
    path = written([clip(0, 3), clip(1, 6), clip(2, 1)], tmp_path / "a.parquet")
    groups = pq.read_metadata(path)
    assert [groups.row_group(k).num_rows for k in range(groups.num_row_groups)] == [4, 4, 2]


def test_a_file_that_is_cut_off_is_no_table(tmp_path: Path) -> None:
    path = written([clip(0, 3)], tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    assert ParquetForm(NET).read(path).read() == b"not a table of embeddings\n"


def test_an_empty_file_holds_no_record(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").touch()
    assert isinstance(ParquetForm(NET).read(tmp_path / "a.parquet"), io.BytesIO)
    assert ParquetForm(NET).read(tmp_path / "a.parquet").read() == b""
