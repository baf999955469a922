"""A prepared data set, opened."""

import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.face_sets import Columns, CropSettings, FaceSet, FaceSource, prepare

COLUMNS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    """Forty-five rows of noise in three files; of fifty every tenth cannot be used."""
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    votes = random.integers(0, 5, (50, 10))
    votes[::10] = 0
    np.savez(
        folder / "f.npz",
        images=random.integers(0, 256, (50, 48, 48), np.uint8),
        votes=votes,
        columns=np.array(COLUMNS),
        name=np.array([f"n{k}" for k in range(50)]),
        split=np.array(["train"] * 50),
    )
    crop = CropSettings(size=16, backend="mesh-head")
    module = import_module("emollm.face_sets.prepare")  # the package's own name for it is the function's
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SHARD", 20)
        patch.setattr(module, "_STRETCH", 7)
        return prepare(FaceSource(path=folder / "f.npz"), crop, folder, workers=1)


def test_rows_by_number_are_those_of_the_table(faces: FaceSet) -> None:
    order = np.random.default_rng(1).permutation(len(faces))
    rows = faces.rows(order)
    table = [faces.dataset[int(number)] for number in order]
    assert (len(faces), faces.rejects, len(list(faces.folder.glob("shard-*.arrow")))) == (45, 5, 3)
    np.testing.assert_array_equal(rows.crops.reshape(45, -1), [np.frombuffer(row["crop"], np.uint8) for row in table])
    for name in ("shares", "label", "units", "found"):
        np.testing.assert_array_equal(
            getattr(rows, name), np.array([row[name] for row in table], getattr(rows, name).dtype)
        )


def test_rows_have_the_stated_shapes_and_types(faces: FaceSet) -> None:
    rows = faces.rows([3, -1, 3])
    assert [(part.shape, part.dtype.name) for part in rows] == [
        ((3, 16, 16, 3), "uint8"),
        ((3, 8), "float32"),
        ((3,), "int64"),
        ((3, len(faces.units)), "float32"),
        ((3, 2), "float32"),
        ((3,), "bool"),
    ]
    np.testing.assert_array_equal(rows.crops[0], rows.crops[2])
    np.testing.assert_array_equal(rows.crops[1], faces.rows([44]).crops[0])


def test_rows_may_be_changed_without_changing_the_set(faces: FaceSet) -> None:
    rows = faces.rows([0])
    before = faces.rows([0])
    for part in rows:
        part[:] = 1
    for one, other in zip(faces.rows([0]), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_slices_and_no_rows_at_all_are_given(faces: FaceSet) -> None:
    np.testing.assert_array_equal(faces.rows(slice(5, None, 10)).label, faces.label[5::10])
    assert faces.rows([]).crops.shape == (0, 16, 16, 3)


@pytest.mark.parametrize("number", [45, -46])
def test_a_row_that_there_is_not_is_an_error(faces: FaceSet, number: int) -> None:
    with pytest.raises(IndexError, match="rows 0 to 44"):
        faces.rows([0, number])


def test_labels_of_all_rows_are_had_without_crops(faces: FaceSet) -> None:
    rows = faces.rows()
    np.testing.assert_array_equal(faces.shares, rows.shares)
    np.testing.assert_array_equal(faces.label, rows.label)


def test_frequencies_of_unlabelled_rows_are_an_error(faces: FaceSet) -> None:
    unlabelled = np.flatnonzero(faces.shares.sum(1) == 0)
    with pytest.raises(DataError, match=r"none of .* rows is labelled"):
        faces.frequencies(unlabelled)


def test_a_set_travels_to_other_processes_as_its_folder(faces: FaceSet) -> None:
    opens, sent = faces.__reduce__()
    assert sent == (faces.folder,)
    np.testing.assert_array_equal(opens(*sent).rows([7]).crops, faces.rows([7]).crops)


def test_valence_and_arousal_are_those_of_the_manifest_and_nan_where_it_has_none(tmp_path: Path) -> None:
    pixels = " ".join(["90"] * 48 * 48)
    (tmp_path / "f.csv").write_text(f"label,pixels,v,a\nhappiness,{pixels},0.5,-1\nsadness,{pixels},,0.25\n")
    columns = Columns(pixels="pixels", valence="v", arousal="a")
    source = FaceSource(layout="csv", path=tmp_path / "f.csv", columns=columns)
    faces = prepare(source, CropSettings(size=16, backend="mesh-head"), tmp_path, workers=1)
    np.testing.assert_array_equal(faces.affect, np.array([[0.5, -1], [np.nan, 0.25]], np.float32))
    np.testing.assert_array_equal(faces.rows([1, 0]).affect, faces.affect[::-1])


def test_a_folder_that_is_no_finished_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a prepared data set of faces, found no set\.json; prepare it first"):
        FaceSet.open(tmp_path)


def test_a_set_that_lacks_a_file_or_holds_a_damaged_one_is_refused(faces: FaceSet, tmp_path: Path) -> None:
    shutil.copytree(faces.folder, tmp_path / "set")
    shard = tmp_path / "set" / "shard-00001.arrow"
    shard.write_bytes(b"no Arrow at all")
    with pytest.raises(DataError, match=r"a damaged file: .*; remove the folder and prepare it anew"):
        FaceSet.open(tmp_path / "set")
    shard.unlink()
    with pytest.raises(DataError, match=r"expected 45 rows, found 27"):
        FaceSet.open(tmp_path / "set")
