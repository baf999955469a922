"""Face embeddings on the command line: the table, bad input, and going on."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emollm.embedding import EmbeddedClip
from emollm.encoders.net import FaceNet, FaceNetConfig
from emollm.encoders.weights import TrainedConfig, save

Say = Callable[..., tuple[int, str, str]]
HEAD = ("--set", "perception.action_units=mesh-head")
CLASSES = ("glad", "sad", "other")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny face net with random weights, as training writes it."""
    folder = tmp_path_factory.mktemp("nets") / "tiny"
    backbone = {"size": 16, "stem": 4, "widths": (8,), "depths": (1,)}
    config = FaceNetConfig(labels=CLASSES, embedding=5, backbone=backbone)
    save(folder, FaceNet(config), TrainedConfig(net=config), {"licence": "CC0-1.0"})
    return folder


@pytest.fixture
def embed(say: Say, encoder: Path) -> Say:
    """The command with the tiny net."""
    return lambda *arguments: say("embed", "--encoder", encoder, *HEAD, *arguments)


@pytest.fixture
def photo(woman: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "woman.png"
    Image.fromarray(woman).save(path)
    return path


@pytest.fixture
def empty(nobody: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "nobody.png"
    Image.fromarray(nobody).save(path)
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]


# ---- what is written ------------------------------------------------------------------------------------------------


def test_every_face_of_a_photo_is_a_row(embed: Say, group: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    assert embed(group, "--out", out) == (0, "", "")
    assert [row["track"] for row in rows(out)] == ["p1", "p2", "p3", "p4", "p5"]
    assert {row["id"] for row in rows(out)} == {str(group)}
    assert all(row["width"] > 50 and row["time"] == 0 and not row["apex"] for row in rows(out))


def test_the_table_says_what_made_it(embed: Say, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    embed(photo, "--out", out)
    schema = pq.read_schema(out)
    assert schema.metadata[b"net"] == b"tiny"
    assert json.loads(schema.metadata[b"classes"]) == list(CLASSES)
    assert schema.metadata[b"licence"] == b"CC0-1.0"
    assert len(schema.metadata[b"net_version"]) == 12
    assert set(json.loads(schema.metadata[b"created_by"])) == {"emollm", "pyarrow", "torch"}
    assert schema.field("embedding").type.list_size == 5
    assert schema.field("probabilities").type.list_size == len(CLASSES)


def test_columns_read_back_as_numpy_arrays(embed: Say, group: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    embed(group, "--out", out)
    table = pq.read_table(out)
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    chances = table["probabilities"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    assert (vectors.shape, vectors.dtype) == ((5, 5), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert chances.sum(1) == pytest.approx(np.ones(5), abs=1e-5)
    assert [row["label"] for row in table.to_pylist()] == [CLASSES[k] for k in chances.argmax(1)]


def test_pooled_features_have_the_width_of_the_encoder(embed: Say, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    assert embed(photo, "--head", "pooled", "--out", out)[0] == 0
    assert len(rows(out)[0]["embedding"]) == 8


def test_people_in_a_video_are_looked_at_every_so_often(
    embed: Say, film: Callable[..., Path], woman: np.ndarray, nobody: np.ndarray, tmp_path: Path
) -> None:
    clip, out = film(tmp_path / "two.mp4", [woman] * 11 + [nobody] * 4 + [woman] * 6), tmp_path / "faces.parquet"
    assert embed(clip, "--every", "0.5", "--out", out) == (0, "", "")
    regular = [row["time"] for row in rows(out) if not row["apex"]]
    assert {row["track"] for row in rows(out)} == {"p1"}
    assert [time for time in (0.0, 0.5, 1.0, 2.0) if time in regular or time in _apexes(out)] == [0.0, 0.5, 1.0, 2.0]
    assert not any(1.1 <= row["time"] < 1.5 for row in rows(out))


def _apexes(out: Path) -> list[float]:
    return [row["time"] for row in rows(out) if row["apex"]]


def test_the_apex_of_a_face_is_among_its_rows(embed: Say, say: Say, moving: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    assert embed(moving, "--every", "60", "--out", out) == (0, "", "")
    observation = json.loads(say("observe", moving, "--json", "--no-landmarks", *HEAD)[1])
    peaks = sorted(face["time"] for face in observation["tracks"][0]["faces"])
    assert _apexes(out) == peaks
    assert sorted({0.0, *peaks}) == [row["time"] for row in rows(out)]


@pytest.fixture
def moving(film: Callable[..., Path], woman: np.ndarray, tmp_path: Path) -> Path:
    """A face that is squeezed for a moment, after 1.2 s."""
    squeezed = woman.copy()
    squeezed[150:200] = np.asarray(Image.fromarray(woman[150:200]).resize((256, 25)).resize((256, 50)))
    return film(tmp_path / "moving.mp4", [woman] * 12 + [squeezed[:, ::-1].copy()] * 2 + [woman] * 10)


def test_only_the_track_that_is_asked_for_is_written(embed: Say, group: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    assert embed(group, "--track", "p2", "--out", out)[0] == 0
    assert [row["track"] for row in rows(out)] == ["p2"]


def test_json_prints_the_same_numbers_as_the_table(embed: Say, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    code, printed, _ = embed(photo, "--json", "--out", out)
    (face,) = EmbeddedClip.from_json(printed).faces
    assert code == 0
    assert np.array_equal(np.float32(face.vector), np.float32(rows(out)[0]["embedding"]))


def test_two_runs_write_the_same_bytes(embed: Say, photo: Path, group: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    embed(photo, group, "--out", first)
    embed(photo, group, "--out", second)
    assert first.read_bytes() == second.read_bytes()


# ---- bad input ------------------------------------------------------------------------------------------------------


def test_a_photo_without_a_face_has_no_row_and_is_told_of(embed: Say, empty: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    assert embed(empty, "--out", out) == (0, "", f"emollm: {empty}: no face found\n")
    assert rows(out) == []
    assert pq.read_schema(out).field("embedding").type.list_size == 5


def test_clips_that_cannot_be_read_are_told_of_and_the_others_done(embed: Say, photo: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "clips", tmp_path / "faces.parquet"
    folder.mkdir()
    shutil.copy(photo, folder / "good.png")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes(photo.read_bytes()[:2000])
    (folder / "words.jpg").write_text("just words")
    (folder / "broken.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(200))
    (folder / "sound.wav").touch()  # not of a kind that is looked at
    code, _, err = embed(folder, "--out", out)
    lines = err.splitlines()
    assert code == 1
    assert [line.split(": ")[1] for line in lines[:-1]] == [
        str(folder / name) for name in ("broken.mkv", "cut.png", "empty.png", "words.jpg")
    ]
    assert "1 of 5 clips done, 4 rejected" in lines[-1]
    assert [Path(row["id"]).name for row in rows(out)] == ["good.png"]


@pytest.mark.parametrize("content", [None, b"", b"just words"])
def test_nothing_is_left_behind_where_nothing_could_be_done(embed: Say, tmp_path: Path, content: bytes | None) -> None:
    clip = tmp_path / "x.png"
    if content is not None:
        clip.write_bytes(content)
    code, out, err = embed(clip, "--out", tmp_path / "results" / "faces.parquet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"emollm: {clip}: ")
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["rejects.jsonl"]


def test_sound_and_tables_are_refused_by_name(embed: Say, tmp_path: Path) -> None:
    table = tmp_path / "faces.csv"
    table.write_text("frame,face_id,timestamp,confidence,success,AU01_r\n1,0,0.0,0.98,1,0.5\n")
    code, _, err = embed(table, "--out", tmp_path / "faces.parquet")
    assert (code, err) == (
        2,
        f"emollm: {table}: holds no pictures but a table of measurements; give a photo or a video\n",
    )


def test_a_track_that_nobody_is_gets_the_known_ones(embed: Say, photo: Path, tmp_path: Path) -> None:
    code, _, err = embed(photo, "--track", "p9", "--out", tmp_path / "faces.parquet")
    assert code == 2
    assert "unknown track 'p9'" in err
    assert "known: p1" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--every", "0", "--out", "x.parquet"), "--every 0: expected a number of seconds above 0"),
        (("--every", "nan", "--out", "x.parquet"), "--every nan: expected"),
        (("--out", "x.csv"), "expected a file name that ends in .parquet"),
        ((), "expected --out FILE.parquet"),
        (("--head", "tail", "--out", "x.parquet"), "'tail' is not one of"),
        (("--encoder", "face-mr", "--out", "x.parquet"), "unknown face net 'face-mr'"),
    ],
)
def test_wrong_usage_is_one_line(embed: Say, photo: Path, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = embed(photo, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


def test_a_net_without_an_embedding_is_refused(say: Say, photo: Path, tmp_path: Path) -> None:
    config = FaceNetConfig(
        labels=CLASSES, embedding=0, backbone={"size": 16, "stem": 4, "widths": (8,), "depths": (1,)}
    )
    save(tmp_path / "bare", FaceNet(config), TrainedConfig(net=config), {})
    code, _, err = say("embed", photo, "--encoder", tmp_path / "bare", "--out", tmp_path / "x.parquet")
    assert code == 2
    assert "give --head pooled" in err


def test_pyarrow_is_asked_for_where_it_is_missing(
    embed: Say, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = embed(photo, "--out", tmp_path / "faces.parquet")
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install 'emollm[face]'" in err


# ---- going on -------------------------------------------------------------------------------------------------------


def test_results_of_other_clips_stay(embed: Say, photo: Path, empty: Path, group: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    embed(photo, empty, "--out", out)
    before = rows(out)
    code, _, err = embed(group, "--out", out)
    assert code == 0
    assert "beside 2 of other clips" in err
    assert rows(out)[:1] == before
    assert len(rows(out)) == 6
    _, _, again = embed(empty, photo, group, "--out", out)
    assert "3 of 3 clips done (3 by an earlier run)" in again
    assert f"{empty}: no face found" in again


def test_a_file_of_somebody_else_is_not_replaced(embed: Say, photo: Path, tmp_path: Path) -> None:
    import pyarrow as pa

    foreign, words = tmp_path / "foreign.parquet", tmp_path / "words.parquet"
    pq.write_table(pa.table({"id": ["a"], "value": [1]}), foreign)
    words.write_text("just words")
    for out in (foreign, words):
        before = out.read_bytes()
        code, _, err = embed(photo, "--out", out, "--fresh")
        assert (code, err.count("\n")) == (2, 1)
        assert "expected a table of face embeddings" in err
        assert out.read_bytes() == before


def test_results_made_with_other_settings_are_not_dropped_unasked(
    embed: Say, photo: Path, group: Path, tmp_path: Path
) -> None:
    out = tmp_path / "faces.parquet"
    embed(photo, "--out", out)
    code, _, err = embed(group, "--head", "pooled", "--out", out)
    assert code == 2
    assert "has 1 results of other clips" in err
    assert embed(group, "--head", "pooled", "--fresh", "--out", out)[0] == 0
    assert len(rows(out)[0]["embedding"]) == 8


def test_a_stopped_run_leaves_no_table_and_goes_on(embed: Say, encoder: Path, photo: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "clips", tmp_path / "faces.parquet"
    folder.mkdir()
    for number in range(200):
        shutil.copy(photo, folder / f"{number:03}.png")
    command = [
        sys.executable,
        "-m",
        "emollm",
        "embed",
        str(folder),
        "--encoder",
        str(encoder),
        *HEAD,
        "--out",
        str(out),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        part = out.with_name("faces.parquet.part")
        while not part.exists() or part.read_bytes().count(b"\n") < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again to go on" in err
    assert [path.name for path in tmp_path.glob("*faces*")] == ["faces.parquet.part"]
    for number in range(20, 200):
        (folder / f"{number:03}.png").unlink()
    code, _, err = embed(folder, "--out", out)
    assert code == 0
    assert "by an earlier run" in err
    assert len(rows(out)) >= 20
    assert list(tmp_path.glob("*.part")) == []
