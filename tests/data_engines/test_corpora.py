"""The corpora of the embedded model: what is read, which split it stands in, what is put together."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emollm.data_engines import corpora
from emollm.data_engines.base import Gold, Item
from emollm.data_engines.combining import combined, emotion_of
from emollm.data_engines.measuring import measure, read_items
from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.evidence import check
from emollm.perception.settings import PerceptionSettings
from emollm.reasoner import reason
from emollm.samples import Mark
from emollm.types import Box, Clip, Cue, CueKind, Extent, Face, MediaInfo, Observation, Scale, Source, Track

SOURCE = Source(backend="test", version="1", licence="CC0")


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("anger\njoy\nneutral\n")
    (tmp_path / "train.tsv").write_text('what a day\t1\taa\nboth of it\t0,1\tab\n"quoted once\t2\tac\n')
    (tmp_path / "dev.tsv").write_text("stop that\t0\tba\n")
    return tmp_path


def test_comments_with_one_label_are_items_of_their_split(comments: Path) -> None:
    items = [*corpora.words(comments, "train"), *corpora.words(comments, "valid")]
    assert [(item.clip.transcript, item.gold.labels, item.split) for item in items if item.gold] == [
        ("what a day", ("joy",), "train"),
        ('"quoted once', ("neutral",), "train"),
        ("stop that", ("anger",), "valid"),
    ]


def test_a_cut_line_is_refused_with_its_place(comments: Path) -> None:
    (comments / "train.tsv").write_text("what a day\t1\taa\nhalf a li")
    with pytest.raises(DataError, match=r"train\.tsv:2: expected text, label ids"):
        list(corpora.words(comments, "train"))


def test_two_speakers_are_kept_for_validation(tmp_path: Path) -> None:
    for name in ("03a01Wa", "13a01Fb", "14b02Na"):
        (tmp_path / f"{name}.flac").touch()
    items = list(corpora.voices(tmp_path))
    assert [(item.clip.speaker, item.split, item.gold and item.gold.labels) for item in items] == [
        ("emodb/03", "train", ("anger",)),
        ("emodb/13", "valid", ("happiness",)),
        ("emodb/14", "valid", ("neutral",)),
    ]


def test_a_tile_becomes_a_picture_with_its_votes_and_without_majority_none(tmp_path: Path) -> None:
    votes = np.zeros((3, 10), np.uint8)
    votes[0, [1, 0]] = 8, 2
    votes[1, [3, 4]] = 5, 5
    votes[2, 8] = 10
    file = tmp_path / "tiny.npz"
    images = np.full((3, 48, 48), 90, np.uint8)
    np.savez(file, images=images, votes=votes, split=np.array(["train"] * 3))
    (item,) = corpora.faces(file, "train", tmp_path / "media")
    assert item.gold is not None
    assert item.gold.labels == ("happiness",)
    assert item.gold.shares == {"neutral": 0.2, "happiness": 0.8}
    assert item.clip.image is not None
    assert item.clip.image.read_bytes().startswith(b"\x89PNG")


def test_a_tile_that_another_split_holds_too_is_not_taught(tmp_path: Path) -> None:
    votes = np.zeros((4, 10), np.uint8)
    votes[:, 1] = 10
    images = np.stack([np.full((48, 48), grey, np.uint8) for grey in (10, 20, 30, 20)])
    file = tmp_path / "tiny.npz"
    np.savez(file, images=images, votes=votes, split=np.array(["train", "train", "train", "valid"]))
    taught = [item.clip.id for item in corpora.faces(file, "train", tmp_path / "media")]
    assert taught == ["ferplus/train/000000", "ferplus/train/000002"]
    assert [item.clip.id for item in corpora.faces(file, "valid", tmp_path / "media")] == ["ferplus/valid/000000"]


def test_measured_blocks_are_kept_and_what_is_unreadable_is_listed(tmp_path: Path, comments: Path) -> None:
    items = list(corpora.words(comments, "train"))
    broken = items[0].model_copy(
        update={"clip": items[0].clip.model_copy(update={"id": "x", "image": tmp_path / "none.png"})}
    )
    paths = measure([*items, broken], tmp_path / "out", "words", PerceptionSettings())
    before = paths[0].stat().st_mtime_ns
    measure([*items, broken], tmp_path / "out", "words", PerceptionSettings())
    assert paths[0].stat().st_mtime_ns == before
    assert [item.clip.id for item in read_items(paths)] == [item.clip.id for item in items]
    fewer = measure(items[:1], tmp_path / "out", "words", PerceptionSettings())
    assert [item.clip.id for item in read_items(fewer)] == [items[0].clip.id]
    assert "none.png" in paths[0].with_suffix(".rejects.jsonl").read_text()


def face(number: int, label: str, smile: float) -> Item:
    cue = Cue(
        id="p1.AU12",
        kind=CueKind.ACTION_UNIT,
        name="AU12",
        scale=Scale.INTENSITY,
        value=smile,
        track="p1",
        source=SOURCE,
    )
    person = Track(id="p1", faces=(Face(box=Box(x=0, y=0, width=90, height=90), confidence=0.9),), prominence=1.0)
    seen = Observation(id=f"f{number}", media=MediaInfo(kind="image"), tracks=(person,), cues=(cue,))
    clip = Clip(id=f"f{number}", image=Path("f.png"), dataset="faces")
    return Item(clip=clip, observation=seen, gold=Gold(labels=(label,), label_set="ferplus"), split="train")


def voice(number: int, label: str) -> Item:
    cue = Cue(
        id="voice.f0_sd", kind=CueKind.PROSODY, name="f0_sd", scale=Scale.SEMITONES, value=4.5, extent=Extent.WHOLE, end=2.0,
        source=SOURCE,
    )  # fmt: skip
    seen = Observation(id=f"v{number}", media=MediaInfo(kind="audio", duration=2.0), cues=(cue,))
    clip = Clip(id=f"v{number}", audio=Path("v.flac"), speaker="emodb/03", dataset="voices")
    return Item(clip=clip, observation=seen, gold=Gold(labels=(label,), label_set="emodb"), split="train")


STREAMS = {
    "face": [face(0, "happiness", 0.8), face(1, "anger", 0.0), face(2, "happiness", 0.7)],
    "voice": [voice(0, "happiness"), voice(1, "anger"), voice(2, "boredom")],
}


def test_combinations_are_even_over_emotions_and_conflicts_are_marked() -> None:
    found = list(combined(STREAMS, [("face", "voice")], 200, 0.3, seed=1))
    assert found == list(combined(STREAMS, [("face", "voice")], 200, 0.3, seed=1))
    for item in found:
        streams = item.notes["streams"]
        assert (len(set(streams.values())) > 1) == (item.marks == (Mark.CONFLICT,))
    assert 0.2 < sum(item.marks == (Mark.CONFLICT,) for item in found) / 200 < 0.4
    assert {*Counter(item.notes["streams"]["face"] for item in found)} == {"happiness", "anger"}
    assert not any("boredom" in item.notes["streams"].values() for item in found)
    assert all(emotion_of(item) == item.notes["streams"]["face"] for item in found)


def test_what_is_said_of_a_combination_holds_for_both_of_its_streams() -> None:
    (item,) = combined(STREAMS, [("face", "voice")], 1, 0.0, seed=3)
    assert item.observation is not None
    answer = reason(item.observation, label_set("basic8"))
    assert answer.rationale is not None
    claims = check(answer.rationale, item.observation, "p1")
    assert [claim for claim in claims if claim.verdict == "contradicted"] == []
    supported = " ".join(claim.text for claim in claims if claim.verdict == "supported")
    assert "AU12" in supported
    assert "pitch" in supported
