"""From a source to crops: one row of the set for each picture that can be used, and a reason for each other."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

from emollm import ferplus
from emollm.errors import ConfigError, DataError
from emollm.face_sets import CropSettings, FaceSet, FaceSource, prepare
from emollm.media.images import Picture, read_image
from emollm.perception import observe
from emollm.perception.crops import aligned_crop
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, CueKind, Observation

Save = Callable[..., Path]


def listed(faces: FaceSet) -> list[tuple[int, str, str]]:
    lines = faces.rejects_file.read_text(encoding="utf-8").splitlines()
    return [(line["row"], line["id"], line["reason"]) for line in map(json.loads, lines)]


def test_a_tile_is_cut_and_measured_as_perception_would(
    save_npz: Save, crop: CropSettings, face: np.ndarray, tmp_path: Path
) -> None:
    faces = prepare(FaceSource(path=save_npz()), crop, tmp_path, workers=1)
    cv2.imwrite(str(tmp_path / "tile.png"), ferplus.enlarged(face))
    seen = observe(Clip(id="tile", image=tmp_path / "tile.png"), PerceptionSettings(action_units="mesh-head"))
    wanted = aligned_crop(read_image(tmp_path / "tile.png"), seen.tracks[0].faces[0], crop.size, crop.margin)
    rows = faces.rows([0])
    np.testing.assert_array_equal(rows.crops[0], wanted)
    units = {cue.name: cue.value for cue in seen.cues if cue.kind is CueKind.ACTION_UNIT and cue.reliable}
    np.testing.assert_array_equal(
        rows.units[0], np.array([units.get(code, np.nan) for code in faces.units], np.float32)
    )
    assert faces.units == tuple(sorted(units))
    assert rows.found.tolist() == [True]


def test_votes_become_shares_and_the_majority_label(save_npz: Save, crop: CropSettings, tmp_path: Path) -> None:
    faces = prepare(FaceSource(path=save_npz()), crop, tmp_path, workers=1)
    rows = faces.rows()
    assert faces.labels == ferplus.CLASSES
    assert rows.label.tolist() == [1, -1, 0]
    np.testing.assert_allclose(
        rows.shares,
        np.array([[0, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0.4, 0.4, 0, 0.2, 0], [0.8, 0.2, 0, 0, 0, 0, 0, 0]], np.float32),
    )
    assert faces.dataset["votes"][2] == [8, 2] + [0] * 8
    assert faces.absent == ("surprise", "disgust", "contempt")
    assert list(faces.dataset["id"]) == ["smile", "flat", "mirrored"]
    np.testing.assert_allclose(faces.frequencies(), [0.8 / 3, 1.2 / 3, 0, 0.4 / 3, 0.4 / 3, 0, 0.2 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(faces.frequencies(hard=True), [0.5, 0.5, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(faces.frequencies(np.array([0])), [0, 1, 0, 0, 0, 0, 0, 0])


def test_where_no_face_is_found_the_whole_tile_is_cut_and_nothing_is_measured(
    save_npz: Save, crop: CropSettings, tmp_path: Path
) -> None:
    images = np.zeros((3, 48, 48), np.uint8)
    images[:, 12:36, 12:36] = 200
    faces = prepare(
        FaceSource(path=save_npz(images=images)), crop.model_copy(update={"margin": 0.0}), tmp_path, workers=1
    )
    rows = faces.rows([1])
    assert (faces.found, rows.found.tolist(), np.isnan(rows.units).all()) == (0, [False], True)
    whole = cv2.resize(images[1], (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(rows.crops[0, ..., 0].astype(int) - whole).mean() < 5, "the tile fills the crop"


def test_a_photo_is_cut_at_its_most_prominent_face(
    astronaut: Path, astronaut_picture: Picture, astronaut_observation: Observation, crop: CropSettings, tmp_path: Path
) -> None:
    (tmp_path / "faces" / "happy").mkdir(parents=True)
    (tmp_path / "faces" / "happy" / "a.png").write_bytes(astronaut.read_bytes())
    source = FaceSource(layout="folder", path=tmp_path / "faces")
    faces = prepare(source, crop, tmp_path / "work", workers=1)
    wanted = aligned_crop(astronaut_picture, astronaut_observation.tracks[0].faces[0], crop.size, crop.margin)
    np.testing.assert_array_equal(faces.rows([0]).crops[0], wanted)


def test_a_picture_file_gives_the_crop_of_the_same_array(
    save_npz: Save, save_png: Save, crop: CropSettings, tmp_path: Path
) -> None:
    save_png(tmp_path / "f" / "happy" / "smile.png")
    from_file = prepare(FaceSource(layout="folder", path=tmp_path / "f"), crop, tmp_path / "work", workers=1)
    from_array = prepare(FaceSource(path=save_npz()), crop, tmp_path / "work", workers=1)
    np.testing.assert_array_equal(from_file.rows([0]).crops, from_array.rows([0]).crops)
    np.testing.assert_array_equal(from_file.rows([0]).units, from_array.rows([0]).units)


def test_modes_of_pictures_are_read_alike(face: np.ndarray, save_png: Save, crop: CropSettings, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "faces" / "fear"
    grey = Image.fromarray(face)
    save_png(folder / "grey16.png", face.astype(np.uint16) * 257)
    grey.save(folder / "grey8.png")
    grey.convert("RGBA").save(folder / "rgba.png")
    grey.quantize(256).save(folder / "palette.png")
    faces = prepare(FaceSource(layout="folder", path=tmp_path / "faces"), crop, tmp_path / "work", workers=1)
    rows = faces.rows()
    assert (len(faces), faces.rejects, faces.found) == (4, 0, 1)
    for other in rows.crops[1:]:
        assert np.abs(rows.crops[0].astype(int) - other).mean() < 3


def test_pictures_that_cannot_be_used_are_listed_and_nothing_stands_in_for_them(
    save_png: Save, crop: CropSettings, tmp_path: Path
) -> None:
    folder = tmp_path / "faces" / "fear"
    whole = save_png(folder / "d.png").read_bytes()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    save_png(folder / "c.png", np.zeros((5, 5), np.uint8))
    (folder / "e.png").touch()
    faces = prepare(FaceSource(layout="folder", path=tmp_path / "faces"), crop, tmp_path / "work", workers=1)
    assert list(faces.dataset["id"]) == ["fear/d.png"]
    found = listed(faces)
    assert faces.rejects == 4
    assert [(row, id) for row, id, _ in found] == [
        (0, "fear/a.png"),
        (1, "fear/b.png"),
        (2, "fear/c.png"),
        (4, "fear/e.png"),
    ]
    reasons = [reason for _, _, reason in found]
    assert reasons[0].startswith("not an image")
    assert "truncated" in reasons[1]
    assert reasons[2] == "5x5 pixels, less than the 8 needed"
    assert all(str(tmp_path) not in reason and "\n" not in reason for reason in reasons)


def test_a_manifest_keeps_affect_and_lists_pictures_that_are_not_there(
    save_png: Save, crop: CropSettings, tmp_path: Path
) -> None:
    save_png(tmp_path / "pictures" / "a.png")
    (tmp_path / "f.csv").write_text("image,label,v\npictures/a.png,happy,0.5\npictures/b.png,fear,0\n")
    source = FaceSource(layout="csv", path=tmp_path / "f.csv", label_set="affectnet8")
    source = source.model_copy(update={"columns": source.columns.model_copy(update={"valence": "v"})})
    faces = prepare(source, crop, tmp_path / "work", workers=1)
    (row,) = faces.dataset.to_list()
    assert (row["valence"], row["label"], row["votes"], faces.record.columns) == (0.5, 1, [], ())
    assert np.isnan(row["arousal"])
    assert [(row, id) for row, id, _ in listed(faces)] == [(1, "pictures/b.png")]
    assert faces.absent == tuple(label for label in faces.labels if label != "happiness")


def test_units_are_left_out_when_not_wanted(save_npz: Save, crop: CropSettings, tmp_path: Path) -> None:
    faces = prepare(FaceSource(path=save_npz()), crop.model_copy(update={"units": False}), tmp_path, workers=1)
    assert (faces.units, faces.rows().units.shape) == ((), (3, 0))


def test_worker_processes_give_what_one_process_gives(save_npz: Save, crop: CropSettings, tmp_path: Path) -> None:
    count = 60
    images = np.repeat(np.load(save_npz())["images"], 20, 0)
    path = save_npz(
        images=images,
        votes=np.full((count, 10), 3),
        name=np.array([f"n{k}" for k in range(count)]),
        split=np.array(["train"] * count),
    )
    alone = prepare(FaceSource(path=path), crop, tmp_path / "a", workers=1)
    shared = prepare(FaceSource(path=path), crop, tmp_path / "b", workers=2)
    assert list(alone.dataset["id"]) == list(shared.dataset["id"]) == [f"n{k}" for k in range(count)]
    for one, other in zip(alone.rows(), shared.rows(), strict=True):
        np.testing.assert_array_equal(one, other)


# ---- kept, and gone on with -----------------------------------------------------------------------------------------


def test_a_set_is_made_once(save_npz: Save, crop: CropSettings, tmp_path: Path) -> None:
    path = save_npz()
    first = prepare(FaceSource(path=path), crop, tmp_path / "work", workers=1)
    made = {file: file.stat().st_mtime_ns for file in first.folder.iterdir()}
    path.rename(tmp_path / "elsewhere.npz")
    second = prepare(FaceSource(path=tmp_path / "elsewhere.npz"), crop, tmp_path / "work", workers=1)
    assert second.fingerprint == first.fingerprint
    assert {file: file.stat().st_mtime_ns for file in first.folder.iterdir()} == made


@pytest.mark.parametrize("change", ["content", "size", "margin", "split", "limit", "ignore"])
def test_another_source_or_another_cut_is_another_set(
    save_npz: Save, crop: CropSettings, tmp_path: Path, change: str
) -> None:
    first = prepare(FaceSource(path=save_npz()), crop, tmp_path, workers=1)
    source = {"split": {"split": "train"}, "limit": {"limit": 2}, "ignore": {"ignore": ("fear",)}}.get(change, {})
    cut = {"size": {"size": 24}, "margin": {"margin": 0.1}}.get(change, {})
    path = save_npz(votes=np.full((3, 10), 4)) if change == "content" else save_npz()
    second = prepare(FaceSource(path=path, **source), crop.model_copy(update=cut), tmp_path, workers=1)
    assert second.fingerprint != first.fingerprint


def test_an_interrupted_run_goes_on_with_the_files_it_has(
    save_npz: Save, crop: CropSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package's own name for the module is the function's.
    monkeypatch.setattr(import_module("emollm.face_sets.prepare"), "_SHARD", 1)
    votes = np.array([[0] * 10, [0, 9] + [0] * 8, [9] + [0] * 9])
    whole = prepare(FaceSource(path=save_npz(votes=votes)), crop, tmp_path, workers=1)
    rows, rejects = whole.rows(), listed(whole)
    kept = whole.folder / "shard-00001.arrow"
    made = kept.stat().st_mtime_ns
    # As a run leaves it that is killed in its third file: no record, no list, half a file under another name.
    (whole.folder / "set.json").unlink()
    (whole.folder / "rejects.jsonl").unlink()
    (whole.folder / "shard-00000.rejects").write_text(
        json.dumps({"row": 0, "id": "smile", "reason": "votes sum to zero"}) + "\n"
    )
    (whole.folder / "shard-00002.arrow").rename(whole.folder / ".shard-00002.arrow.x.tmp")
    again = prepare(FaceSource(path=save_npz(votes=votes)), crop, tmp_path, workers=1)
    assert kept.stat().st_mtime_ns == made
    assert listed(again) == rejects == [(0, "smile", "votes sum to zero")]
    for one, other in zip(again.rows(), rows, strict=True):
        np.testing.assert_array_equal(one, other)
    assert {file.name for file in again.folder.iterdir()} == {
        "set.json",
        "rejects.jsonl",
        "shard-00000.arrow",
        "shard-00001.arrow",
        "shard-00002.arrow",
    }


# ---- refused --------------------------------------------------------------------------------------------------------


def test_a_source_without_a_usable_row_is_refused_with_the_first_reason(
    save_npz: Save, crop: CropSettings, tmp_path: Path
) -> None:
    path = save_npz(votes=np.zeros((3, 10), int))
    for _ in range(2):  # the second time from what the first has kept
        with pytest.raises(DataError, match=r"none of its 3 rows can be used; the first: smile: votes sum to zero"):
            prepare(FaceSource(path=path), crop, tmp_path, workers=1)


def test_an_unknown_backend_is_refused(save_npz: Save, crop: CropSettings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown action unit backend 'mesh-haed'"):
        prepare(FaceSource(path=save_npz()), crop.model_copy(update={"backend": "mesh-haed"}), tmp_path, workers=1)


def test_a_work_folder_that_cannot_be_made_is_refused(save_npz: Save, crop: CropSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be made: .*; give another work folder"):
        prepare(FaceSource(path=save_npz()), crop, tmp_path / "file", workers=1)


def test_importing_the_package_imports_neither_torch_nor_datasets() -> None:
    code = "import sys, emollm.face_sets; sys.exit(bool({'torch', 'datasets', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
