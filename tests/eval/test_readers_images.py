"""Readers of pictures, each on a tiny invented copy of the published layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emollm.errors import ConfigError, DataError
from emollm.eval.items import Item
from emollm.eval.readers import READERS
from emollm.eval.tasks import task

VOTES = {  # in the order of FER+'s columns
    "happy": (0, 9, 0, 0, 1, 0, 0, 0, 0, 0),
    "tie": (5, 5, 0, 0, 0, 0, 0, 0, 0, 0),
    "no emotion": (1, 0, 0, 0, 0, 0, 0, 0, 9, 0),
    "fear": (0, 0, 3, 0, 0, 0, 7, 0, 0, 0),
}


def put(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def read(id: str, root: Path, split: str | None = None) -> list[Item]:
    return list(task(id).open().items(root, split))


def tile(grey: int) -> np.ndarray:
    """(48, 48) with a bright half, so that one picture is told from another."""
    pixels = np.full((48, 48), grey, np.uint8)
    pixels[:, 24:] = 200
    return pixels


@pytest.fixture
def fer(tmp_path: Path) -> Path:
    """FER2013's table of five rows with FER+'s votes; the third row shows no face and has no name."""
    usage = ["Training", "Training", "Training", "PublicTest", "PrivateTest"]
    rows = [f"{k},{' '.join(map(str, tile(10 * k).ravel()))},{part}" for k, part in enumerate(usage)]
    put(tmp_path, "fer2013.csv", "emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    head = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    names = ["fer0000000.png", "fer0000001.png", "", "fer0000002.png", "fer0000003.png"]
    votes = [VOTES["happy"], VOTES["tie"], (0,) * 9 + (10,), VOTES["no emotion"], VOTES["fear"]]
    lines = [f"{part},{name},{','.join(map(str, row))}" for part, name, row in zip(usage, names, votes, strict=True)]
    put(tmp_path, "fer2013new.csv", head + "\n".join(lines) + "\n")
    return tmp_path


def test_fer2013_is_read_by_its_column_of_parts(fer: Path) -> None:
    assert [item.gold for item in read("fer2013", fer, "train")] == [("angry",), ("disgust",), ("fear",)]
    assert [item.gold for item in read("fer2013", fer, "test")] == [("sad",)]


def test_ferplus_discards_by_the_majority_protocol_and_counts(fer: Path) -> None:
    assert [(item.id, item.gold) for item in read("ferplus", fer)] == [
        ("fer0000000.png", ("happiness",)),
        ("fer0000001.png", ()),
        ("fer0000002.png", ()),
        ("fer0000003.png", ("fear",)),
    ]
    survey = task("ferplus").open().survey(fer)
    assert survey.asides == (
        "1 images of train discarded: no class has more than half of the votes",
        "1 images of valid discarded: the majority sees no emotion or no face",
    )
    assert survey.lacks == ()


def test_votes_without_pixels_have_labels_and_no_pictures(fer: Path) -> None:
    (fer / "fer2013.csv").unlink()
    reader = task("ferplus").open()
    assert next(reader.items(fer, "test")).gold == ("fear",)
    assert reader.lacks(fer)[0] == "no fer2013.csv: there are labels but no pictures"


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    np.savez(
        tmp_path / "ferplus.npz",
        images=np.stack([tile(10), tile(20), tile(30)]),
        votes=np.array([VOTES["happy"], VOTES["tie"], VOTES["fear"]], np.uint8),
        columns=np.array(names),
        name=np.array(["fer0000000.png", "fer0000001.png", "fer0000009.png"]),
        split=np.array(["train", "train", "valid"]),
    )
    return tmp_path


def test_an_npz_of_ferplus_gives_the_same(npz: Path) -> None:
    reader = task("ferplus").open()
    assert reader.splits(npz) == ("train", "valid")
    assert [item.gold for item in reader.items(npz)] == [("happiness",), (), ("fear",)]
    assert reader.lacks(npz) == ["no row of test"]
    assert [item.id for item in reader.items(npz / "ferplus.npz", "valid")] == ["fer0000009.png"]


@pytest.mark.parametrize(("copy", "grey"), [("fer", 40), ("npz", 30)])
def test_pictures_in_a_table_are_written_where_they_are_wanted(
    request: pytest.FixtureRequest, tmp_path: Path, copy: str, grey: int
) -> None:
    root: Path = request.getfixturevalue(copy)
    reader = task("ferplus").open()
    wanted = [item for item in reader.items(root) if item.gold == ("fear",)]
    (item,) = reader.unpack(root, wanted, tmp_path / "cut")
    assert item.clip.image is not None
    with Image.open(item.clip.image) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (216, 216)  # padded by a quarter, three times as large
    assert (pixels[108, 50], pixels[108, 200]) == (grey, 200)
    assert len(list((tmp_path / "cut").iterdir())) == 1
    assert item._replace(clip=wanted[0].clip) == wanted[0]


def test_an_item_of_another_copy_cannot_be_unpacked(fer: Path, npz: Path, tmp_path: Path) -> None:
    reader = task("fer2013").open()
    stranger = next(reader.items(fer))._replace(id="row09999.png")
    with pytest.raises(DataError, match=r"no pixels of row09999.png"):
        list(reader.unpack(fer, [stranger], tmp_path / "cut"))


def test_raf_db_is_read_from_its_list(tmp_path: Path) -> None:
    put(tmp_path, "basic/EmoLabel/list_patition_label.txt", "train_00001.jpg 5\ntest_0001.jpg 7\ntest_0002.jpg 8\n")
    put(tmp_path, "basic/Image/aligned/train_00001_aligned.jpg")
    put(tmp_path, "basic/Image/original/test_0001.jpg")
    reader = task("rafdb").open()
    (train,) = reader.items(tmp_path, "train")
    assert (train.gold, train.clip.image) == (
        ("sadness",),
        tmp_path / "basic/Image/aligned/train_00001_aligned.jpg",
    )
    first, second = reader.items(tmp_path, "test")
    assert (first.gold, first.clip.image) == (("neutral",), tmp_path / "basic/Image/original/test_0001.jpg")
    assert second.gold == ()
    assert reader.lacks(tmp_path) == [
        "label '8' is not in the set rafdb: list_patition_label.txt:3",
        f"no media of an item of test: {tmp_path}/basic/Image/aligned/test_0002_aligned.jpg",
    ]


@pytest.fixture
def affectnet(tmp_path: Path) -> Path:
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"
    rows = ["1/a.jpg,0,0,9,9,1;2,0,-0.1,0.2", "1/b.jpg,0,0,9,9,1;2,7,-0.6,0.3", "1/c.jpg,0,0,9,9,1;2,10,-2,-2"]
    put(tmp_path, "validation.csv", head + "\n".join(rows) + "\n")
    for name in "abc":
        put(tmp_path, f"Manually_Annotated_Images/1/{name}.jpg")
    return tmp_path


def test_affectnet_leaves_classes_out_and_does_not_read_minus_two(affectnet: Path) -> None:
    eight, seven = read("affectnet8", affectnet), read("affectnet7", affectnet)
    assert [item.gold for item in eight] == [("neutral",), ("contempt",), ()]
    assert [item.gold for item in seven] == [("neutral",), (), ()]
    assert [dict(item.numbers) for item in eight] == [
        {"valence": -0.1, "arousal": 0.2},
        {"valence": -0.6, "arousal": 0.3},
        {},
    ]
    assert task("affectnet7").open().survey(affectnet).asides == (
        "1 of '7', which the benchmark leaves out",
        "1 of '10', which the benchmark leaves out",
    )


def test_codes_of_a_shifted_copy_replace_those_of_the_set(affectnet: Path) -> None:
    shifted = task("affectnet8", ('reader.codes={"7": anger}',)).open()
    assert [item.gold for item in shifted.items(affectnet)] == [(), ("anger",), ()]
    assert "label '0' is not in the set affectnet8: validation.csv:2" in shifted.lacks(affectnet)


@pytest.fixture
def expw(tmp_path: Path) -> Path:
    put(
        tmp_path,
        "label/label.lst",
        "party.png 0 20 10 30 40 99.1 3\nparty.png 1 20 60 80 40 88.0 0\nparty.png 2 x 1 1 1 9 6\n",
    )
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[:, 50:] = (0, 0, 255)
    (tmp_path / "image/origin").mkdir(parents=True)
    Image.fromarray(picture).save(tmp_path / "image/origin/party.png")
    return tmp_path


def test_each_face_of_a_picture_is_an_item_and_is_cut_out(expw: Path, tmp_path: Path) -> None:
    reader = task("expw").open()
    items = list(reader.items(expw))
    assert [(item.id, item.gold) for item in items] == [("party.png#0", ("happy",)), ("party.png#1", ("angry",))]
    left, right = reader.unpack(expw, items, tmp_path / "cut")
    assert left.clip.image is not None
    assert right.clip.image is not None
    with Image.open(left.clip.image) as one, Image.open(right.clip.image) as two:
        assert one.size == two.size == (32, 32)
        assert (one.getpixel((16, 16)), two.getpixel((16, 16))) == ((0, 0, 0), (0, 0, 255))
    assert reader.lacks(expw) == ["a row whose box is not left, top, right and bottom in pixels, left out: label.lst:3"]


def test_pictures_without_a_label_are_counted_apart(tmp_path: Path) -> None:
    put(
        tmp_path,
        "labels.csv",
        "file,query,label7,width,height,source\na.jpg,sad face,sad,9,9,X\nb.jpg,grim face,,9,9,X\n",
    )
    put(tmp_path, "img/a.jpg")
    put(tmp_path, "img/b.jpg")
    survey = task("sfhq").open().survey(tmp_path)
    assert survey.counts == {"all": {"sad": 1, "": 1}}
    assert (survey.lacks, survey.asides) == ((), ("1 without a label",))


def test_folders_of_classes_may_lie_in_folders_of_parts(tmp_path: Path) -> None:
    reader = READERS["image_folder"].model_validate({"label_set": "rafdb", "parts": {"valid": ("val",)}})
    for name in (
        "train/1/a.jpg",
        "train/happiness/b.png",
        "val/7/c.jpg",
        "train/mask/d.jpg",
        "train/e.jpg",
        "val/7/x.txt",
    ):
        put(tmp_path, name)
    assert reader.splits(tmp_path) == ("train", "valid")
    assert {item.id: item.gold for item in reader.items(tmp_path)} == {
        "train/1/a.jpg": ("surprise",),
        "train/happiness/b.png": ("happiness",),
        "train/mask/d.jpg": (),
        "val/7/c.jpg": ("neutral",),
    }
    assert reader.lacks(tmp_path) == [
        "a picture in no folder of a class, left out: train/e.jpg",
        f"label 'mask' is not in the set rafdb: {tmp_path}/train/mask",
    ]


def test_folders_of_classes_may_lie_on_top(tmp_path: Path) -> None:
    put(tmp_path, "happy/a.jpg")
    reader = READERS["image_folder"].model_validate({"label_set": "expw"})
    assert [(item.split, item.gold) for item in reader.items(tmp_path)] == [("all", ("happy",))]


def test_a_task_reads_a_copy_in_folders(tmp_path: Path) -> None:
    put(tmp_path, "train/5/a.jpg")
    copy = task("rafdb", ("reader={layout: image_folder, parts: {train: [], test: [valid]}}",)).open()
    assert [item.gold for item in copy.items(tmp_path, "train")] == [("sadness",)]
    assert copy.lacks(tmp_path) == ["no folder valid (test)"]


def test_a_template_of_paths_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"may hold \{path\}"):
        task("sfhq", ('reader.paths=["{folder}/{path}"]',)).open()
