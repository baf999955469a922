"""``emollm eval face`` as a user calls it."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from emollm.encoders.net import FaceNetConfig
from emollm.encoders.weights import TrainedConfig, save
from emollm.ferplus import CLASSES
from emollm.media.images import Picture

FAST = ("--set", "backend=mesh-head", "--resamples", "100", "--workers", "1")


@pytest.fixture
def faces(tmp_path: Path, astronaut_picture: Picture) -> Path:
    """Four tiles of a happy face, of which one is voted neutral and one is discarded."""
    face = cv2.resize(astronaut_picture.pixels[40:220, 130:310], (48, 48), interpolation=cv2.INTER_AREA)
    votes = np.zeros((4, 10), np.uint8)
    votes[[0, 1], 1] = votes[2, 0] = 10
    votes[3, [0, 1]] = 5
    np.savez(
        tmp_path / "faces.npz",
        images=np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)] * 4),
        votes=votes,
        columns=np.array([*CLASSES, "unknown", "NF"]),
        name=np.array(list("abcd")),
        split=np.array(["valid"] * 4),
    )
    return tmp_path / "faces.npz"


def test_json_alone_stands_on_standard_output(say: Callable, faces: Path) -> None:
    done = say("eval", "face", "--encoder", "face-mt", "--data", faces, "--split", "valid", "--json", *FAST)
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    assert set(report) >= {"n", "metrics", "coverage", "per_class", "provenance"}
    assert report["n"] == 3
    assert set(report["metrics"]["war"]) == {"value", "ci", "floor", "method"}
    assert report["metrics"]["war"]["floor"] == pytest.approx(2 / 3)
    assert report["per_class"]["happiness"]["support"] == 2
    assert report["provenance"]["data"]["path"] == str(faces)
    assert report["provenance"]["options"]["split"] == "valid"


def test_a_table_for_people_files_and_times(say: Callable, faces: Path, tmp_path: Path) -> None:
    net = FaceNetConfig(labels=CLASSES, backbone={"size": 16, "stem": 4, "widths": [8], "depths": [0]})
    save(tmp_path / "net", net.build(), TrainedConfig(net=net), {})
    out, answers = tmp_path / "report.json", tmp_path / "answers.csv"
    done = say(
        "eval",
        "face",
        "--encoder",
        tmp_path / "net",
        "--data",
        faces,
        "--out",
        out,
        "--predictions",
        answers,
        "--speed",
        *FAST,
        "--work",
        tmp_path / "w",
    )
    assert (done.code, done.err) == (0, "")
    assert "| uar " in done.out
    assert "ms for one face" in done.out
    assert json.loads(out.read_text())["provenance"]["cpu_ms_a_face"]["threads"] == 2
    assert answers.read_text().count("\n") == 4


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--split", "tset"), "unknown split 'tset'; known: valid"),
        (("--encoder", "face-tm"), "did you mean 'face-mt'"),
        (("--encoder", " "), "the name of the face net is empty; give one of face-mt or a folder"),
        (("--classes", "happines,fear"), "unknown class of ferplus 'happines' (did you mean 'happiness'?)"),
        (("--classes", "fear,disgust"), "nothing to score"),
        (("--label-set", "ferpuls"), "unknown label set 'ferpuls'"),
        (("--predictions", "answers.xlsx"), "answers are written as .csv or .parquet"),
        (("--set", "sourc.split=x"), "did you mean 'source'"),
        (("--heads", "expresion"), "heads.0"),
        (("--layout", "csv"), "a binary file; expected a CSV in UTF-8"),
    ],
)
def test_wrong_options_are_one_line(say: Callable, faces: Path, arguments: tuple[str, ...], why: str) -> None:
    done = say("eval", "face", "--data", faces, *FAST, *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert why in done.err


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"votes": None}, "lacks the array 'votes'"),
        ({"images": np.zeros((4, 48, 48), np.float32)}, "of uint8"),
        ({"votes": np.zeros((3, 10), np.uint8)}, "votes of shape (4, 10)"),
        ({"votes": np.zeros((4, 10), np.uint8)}, "none of its 4 rows can be used"),
        ({"votes": np.eye(4, 10, 8, dtype=np.uint8) * 9}, "no face with a label"),
    ],
)
def test_a_wrong_npz_is_one_line(say: Callable, faces: Path, change: dict[str, np.ndarray | None], why: str) -> None:
    with np.load(faces) as arrays:
        kept = {key: arrays[key] for key in arrays} | change
    np.savez(faces, **{key: value for key, value in kept.items() if value is not None})
    done = say("eval", "face", "--data", faces, *FAST)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert why in done.err


@pytest.mark.parametrize(("name", "content"), [("x.npz", b"no npz"), ("x.txt", b"text"), ("nothing.npz", None)])
def test_a_file_that_is_no_data_set_is_one_line(
    say: Callable, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = say("eval", "face", "--data", tmp_path / name, *FAST)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert name in done.err


@pytest.mark.parametrize(("rejects", "told"), [(1, "b.png: votes sum to zero"), (7, "and 2 more; --work FOLDER keeps")])
def test_pictures_that_cannot_be_used_are_told_and_the_others_scored(
    say: Callable, faces: Path, rejects: int, told: str
) -> None:
    with np.load(faces) as arrays:
        kept = {key: arrays[key] for key in ("images", "votes", "columns")}
    kept["images"] = np.repeat(kept["images"][:1], rejects + 2, axis=0)
    votes = np.repeat(kept["votes"][:1], rejects + 2, axis=0)
    votes[1:-1] = 0
    np.savez(
        faces, **kept | {"votes": votes, "name": np.array([f"{letter}.png" for letter in "abcdefghi"[: rejects + 2]])}
    )
    done = say("eval", "face", "--data", faces, "--json", *FAST)
    assert done.code == 1
    report = json.loads(done.out)
    assert (report["n"], report["counts"]["rejected"]) == (2, rejects)
    lines = done.err.splitlines()
    assert lines[0] == f"emollm: {faces}: {rejects} of {rejects + 2} pictures could not be used; the others are scored"
    assert lines[1] == "emollm: b.png: votes sum to zero"
    assert told in lines[-1]
    assert len(lines) == 1 + min(rejects, 5) + (rejects > 5)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda net: (net / "model.safetensors").write_bytes(b"\0" * 20), "copy or fetch it again, or train it anew"),
        (
            lambda net: (net / "config.json").write_text('{"net": {"encoder": "face_tm", "labels": ["a", "b"]}}'),
            "unknown encoder 'face_tm' (did you mean 'face_mt'?)",
        ),
    ],
)
def test_a_net_that_cannot_be_used_is_one_line_that_says_what_to_do(
    say: Callable, faces: Path, tmp_path: Path, damage: Callable[[Path], object], why: str
) -> None:
    net = FaceNetConfig(labels=CLASSES, backbone={"size": 16, "stem": 4, "widths": [8], "depths": [0]})
    save(tmp_path / "net", net.build(), TrainedConfig(net=net), {})
    damage(tmp_path / "net")
    done = say("eval", "face", "--encoder", tmp_path / "net", "--data", faces, *FAST)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert str(tmp_path / "net") in done.err
    assert why in done.err


def test_a_folder_that_is_no_net_is_one_line(say: Callable, faces: Path, tmp_path: Path) -> None:
    done = say("eval", "face", "--encoder", tmp_path, "--data", faces, *FAST)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "config.json" in done.err


def test_the_data_and_the_other_output_are_not_overwritten(say: Callable, faces: Path, tmp_path: Path) -> None:
    before = faces.read_bytes()
    done = say("eval", "face", "--data", faces, *FAST, "--out", faces)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "lies in the data that is measured" in done.err
    assert faces.read_bytes() == before
    same = tmp_path / "same.csv"
    done = say("eval", "face", "--data", faces, *FAST, "--out", same, "--predictions", same)
    assert (done.code, done.out, same.exists()) == (2, "", False)
    assert "name the same file" in done.err
