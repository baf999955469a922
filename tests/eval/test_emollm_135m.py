"""The proof of the embedded model: an invented set, a tiny model, and numbers that follow by hand from fixed replies."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from emollm.cue_text import cue_text
from emollm.data_engines.base import Gold, Item
from emollm.data_engines.composing import compose
from emollm.data_engines.recipe import ShowingSettings
from emollm.data_engines.showing import seen, shown
from emollm.errors import DataError
from emollm.eval.emollm_135m import main, prove
from emollm.eval.emollm_135m_asking import Answers
from emollm.eval.emollm_135m_failures import wrong
from emollm.eval.emollm_135m_items import ask, wording, words_case
from emollm.eval.emollm_135m_labels import expression
from emollm.eval.emollm_135m_proof import TILES, Proof, Sizes
from emollm.eval.emollm_135m_rationales import Shown, checked
from emollm.eval.emollm_135m_rationales import shown as dealt
from emollm.eval.emollm_135m_scores import Row
from emollm.eval.emollm_135m_words import counted, flags
from emollm.eval.emollm_135m_words import read as comments
from emollm.face_sets.copies import tile_id
from emollm.measured_items import read
from emollm.modeling.tiny import tiny, tiny_backbone
from emollm.perception import observe
from emollm.samples import Task
from emollm.turns import without
from emollm.types import Box, Clip, Cue, CueKind, Face, MediaInfo, Observation, Scale, Source, Track

GIVEN = Source(backend="invented", version="1", licence="CC0-1.0")
FACES = (
    ("happiness", 0.9),
    ("happiness", 0.8),
    ("sadness", 0.2),
    ("sadness", 0.7),
    ("sadness", 0.1),
    ("happiness", 0.0),
)
"""Label of people, and how sure the net is of happiness; so it is right in three of the first four. The fifth equals a training tile, and in the
sixth no face is found."""
COPY, UNSEEN = 4, 5
VOICES = ("03a01Wa", "03a01Nb", "08a01Wa", "08a01Nb", "13a01Wa", "13a01Lb", "14a01Nb")
"""Anger, neutral and boredom of four speakers; 13 and 14 validate."""
EMODB = {"W": "anger", "N": "neutral", "L": "boredom"}


def face_item(folder: Path, place: int) -> Item:
    label, sure = FACES[place]
    id = tile_id("valid", place)
    path = folder / f"{place}.png"
    Image.fromarray(np.random.default_rng(place).integers(0, 255, (40, 40, 3)).astype(np.uint8)).save(path)
    nets = {"happiness": sure, "sadness": round(1 - sure, 2)}
    cues = [
        Cue(id="p1.AU12", kind=CueKind.ACTION_UNIT, name="AU12", scale=Scale.INTENSITY, value=sure, track="p1", source=GIVEN),
        *(
            Cue(id=f"p1.{name}", kind=CueKind.EXPRESSION, name=name, scale=Scale.PROBABILITY, value=own, track="p1", source=GIVEN)
            for name, own in nets.items()
        ),
    ]  # fmt: skip
    track = Track(id="p1", faces=(Face(box=Box(x=4, y=4, width=30, height=30), confidence=0.9),), prominence=1.0)
    found = Observation(id=id, media=MediaInfo(kind="image"), tracks=(track,), cues=tuple(cues))
    if place == UNSEEN:
        found = Observation(id=id, media=MediaInfo(kind="image"))
    gold = Gold(labels=(label,), label_set="ferplus", by="annotators")
    return Item(clip=Clip(id=id, image=path), observation=found, gold=gold, split="valid")


def voice_item(folder: Path, name: str) -> Item:
    path = folder / f"{name}.wav"
    loud = 0.3 if name[5] == "W" else 0.01
    soundfile.write(path, np.random.default_rng(int(name[:2])).normal(size=16_000) * loud, 16_000)
    cue = Cue(
        id="voice.f0_median", kind=CueKind.PROSODY, name="f0_median", scale=Scale.HERTZ, value=200.0, source=GIVEN
    )
    found = Observation(id=name, media=MediaInfo(kind="audio", duration=1.0), cues=(cue,))
    gold = Gold(labels=(EMODB[name[5]],), label_set="emodb", by="acting")
    clip = Clip(id=f"emodb/{name}", audio=path, speaker=f"emodb/{name[:2]}")
    return Item(clip=clip, observation=found, gold=gold, split="valid" if name[:2] in ("13", "14") else "train")


def words_item(id: str, label: str) -> Item:
    """A comment that says what it is."""
    found = words_case(f"goemotions/{id}", f"It is {label}.", label)
    gold = Gold(labels=(label,), label_set="goemotions-ekman", by="annotators")
    return Item(clip=found.clip, observation=found.seen, gold=gold, split="valid")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of six faces, seven voices and two comments, as the data engines write it, beside the corpora of tiles and comments."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "items").mkdir()
    parts = {
        "ferplus-valid-00000-0": [face_item(folder, place) for place in range(len(FACES))],
        "emodb-00000-0": [voice_item(folder, name) for name in VOICES],
        "goemotions-valid-00000-0": [words_item("a", "joy"), words_item("b", "anger")],
    }
    tiles = np.random.default_rng(0).integers(0, 256, (7, 48, 48), np.uint8)
    tiles[0] = tiles[1 + COPY]
    (folder / "ferplus").mkdir()
    split = np.array(["train", *["valid"] * 6])
    np.savez(folder / TILES, images=tiles, votes=np.zeros((7, 10), np.uint8), split=split)
    corpus = folder / "goemotions" / "ekman"
    corpus.mkdir(parents=True)
    (corpus / "labels.txt").write_text("anger\ndisgust\nfear\njoy\nsadness\nsurprise\nneutral\n")
    (corpus / "dev.tsv").write_text("It is joy.\t3\ta\nIt is anger.\t0\tb\nWell!\t3,5\tc\n")
    (corpus / "train.tsv").write_text("Very well.\t3\td\nSo bad.\t0,4\te\n")
    for name, items in parts.items():
        (folder / "items" / f"{name}.jsonl").write_text("".join(f"{item.to_json()}\n" for item in items))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that sees faces and hears; its tone head hears anger in every voice."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    made = tiny("smollm", ("face", "speech"), tone=("neutral", "anger"))
    for name, weight in made.model.model.streams["speech"].tower.tone.named_parameters():
        weight.data = weight.data * 0 + (torch.tensor([0.0, 9.0]) if name == "bias" else 0)
    made.model.save_pretrained(folder)
    made.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def run(built: Path, model: Path, tmp_path: Path) -> Callable[..., list[Row]]:
    """Runs measures; answers are kept below ``out``."""
    backbone = str(tiny_backbone(tmp_path / "untuned"))

    def made(*measures: str, untuned: int = 2) -> list[Row]:
        sizes = Sizes(untuned=untuned)
        return prove(built, built, tmp_path / "out", [str(model)], measures, sizes, batch=3, untuned=backbone)

    return made


def rewrite(path: Path, reply: Callable[[dict[str, str]], str]) -> int:
    """Puts other replies in the place of those of a file; the number of its answers."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**one, "reply": reply(one)}) + "\n" for one in rows))
    return len(rows)


def number(rows: list[Row], shown: str, metric: str, who: str = "tiny@") -> float:
    """The value of one row."""
    (found,) = [one for one in rows if one.shown == shown and one.metric == metric and one.who.startswith(who)]
    return round(found.value, 6)


# ---- end to end -----------------------------------------------------------------------------------------------------


def test_faces_are_scored_by_their_replies_and_asked_once(run: Callable[..., list[Row]], tmp_path: Path) -> None:
    run("face_cues")
    said = {"0": "Happiness.", "1": "sadness", "2": "sad", "3": "I cannot tell"}
    file = tmp_path / "out" / "face_cues.jsonl"
    asked = rewrite(file, lambda row: said[row["id"][-1]] if row["model"].startswith("tiny@") else "fear")
    rows = run("face_cues")
    assert len(file.read_text().splitlines()) == asked == 4 + 2 + 2
    shown, measured = "picture and cues", "; faces that perception measures"
    assert (
        number(rows, shown, "accuracy") == 0.4
    )  # of the five that are no copy; the one that is not found counts as wrong
    assert number(rows, shown, "mean recall") == round((1 / 3 + 1 / 2) / 2, 6)
    assert number(rows, shown + measured, "accuracy") == 0.5
    assert number(rows, "picture", "accuracy", "invented@1") == 0.6
    assert number(rows, "picture" + measured, "accuracy", "invented@1") == 0.75
    assert number(rows, "cues as text", "accuracy", "untuned@") == 0
    assert [one.floor for one in rows if one.shown == shown and one.metric == "accuracy"] == [0.6]
    assert any("2 without a label" in one.note and "1 of 5 faces are not found" in one.note for one in rows)
    assert all("1 left out: the face is a pixel-exact copy" in one.note for one in rows)
    assert json.loads((tmp_path / "out" / "proof.json").read_text())["rows"][0]["n"] == 5


def test_calls_with_other_measures_and_sizes_make_one_table(run: Callable[..., list[Row]], tmp_path: Path) -> None:
    alone = run("words")
    assert {one.measure for one in run("face_cues", untuned=1)} == {"words", "face_cues"}
    again = run("face_cues", untuned=2)
    assert [one for one in again if one.measure == "words"][:-1] == alone[
        :-1
    ]  # the last one has no interval: not a number
    kept = json.loads((tmp_path / "out" / "proof.json").read_text())
    assert {name: how["sizes"]["untuned"] for name, how in kept["measures"].items()} == {"face_cues": 2, "words": 2}
    assert len(kept["rows"]) == len(again)
    (tmp_path / "out" / "proof.json").write_text("[]")
    with pytest.raises(DataError, match=r"proof\.json: not a table of this command"):
        run("words")


def test_a_combination_with_a_copied_face_is_left_out(built: Path, model: Path, tmp_path: Path) -> None:
    made = face_item(built, 0)
    clip = made.clip.model_copy(update={"id": "combined/valid/face+words-0", "transcript": "Well!"})
    notes = {"items": {"face": tile_id("valid", COPY), "words": "goemotions/a"}}
    folder = tmp_path / "set"
    (folder / "items").mkdir(parents=True)
    line = Item(clip=clip, observation=made.observation, gold=made.gold, split="valid", notes=notes).to_json()
    (folder / "items" / "combined-valid.jsonl").write_text(f"{line}\n")
    (case,) = read(folder, "combined")
    with Answers(tmp_path / "out") as answers:
        proof = Proof(folder, built, str(model), answers)
        assert proof.fresh([case, case._replace(made_of=(tile_id("valid", 0),))]) == [
            case._replace(made_of=(tile_id("valid", 0),))
        ]


def test_the_net_s_word_is_that_about_the_person_of_the_case(built: Path) -> None:
    case = read(built, "face")[0]
    other = case.seen.cues[-1].model_copy(update={"id": "p2.sadness", "track": "p2", "value": 1.0})
    crowd = case._replace(seen=case.seen.model_copy(update={"cues": (*case.seen.cues, other)}))
    assert (expression(crowd), expression(crowd._replace(track="p2"))) == ("happiness", "sadness")


def test_swapped_pictures_and_cues(run: Callable[..., list[Row]], tmp_path: Path) -> None:
    run("swap")
    mixed = "picture of A, cues of B"
    rewrite(
        tmp_path / "out" / "swap.jsonl",
        lambda row: "anger" if row["variant"].endswith("net's") else row["gold"],
    )
    rows = run("swap")
    assert number(rows, "picture A, then picture B", "label changes") == 1
    assert (number(rows, mixed, "label of A (picture)"), number(rows, mixed, "label of B (cues)")) == (1, 0)
    assert number(rows, f"{mixed} but the expression net's", "neither") == 1


def test_voices_beside_a_probe_of_the_training_speakers(run: Callable[..., list[Row]], tmp_path: Path) -> None:
    run("voice")
    rewrite(tmp_path / "out" / "voice.jsonl", lambda row: row["gold"] if row["variant"] == "sound" else "neutral")
    rows = run("voice")
    assert number(rows, "sound", "mean recall") == 1
    assert number(rows, "sound and cues", "mean recall") == 0.5
    probed = next(one for one in rows if one.who == "linear probe" and one.metric == "mean recall")
    assert (probed.value, probed.n) == (1, 2)  # loud anger and quiet neutral; boredom has no place among the labels
    assert probed.note.startswith("4 voices of 2 speakers")
    assert number(rows, "sound", "mean recall", "tone head") == 0.5  # one voice is angry, the other one neutral
    assert {one.who.partition(" − ")[2] for one in rows if one.value == 0.5 and "−" in one.who} == {
        "tone head of the model"
    }


def test_words_by_a_generated_label_and_by_all_labels_above_a_threshold(
    run: Callable[..., list[Row]], built: Path, tmp_path: Path
) -> None:
    run("words")
    scores = dict.fromkeys(counted(), 0.0)

    def answered(row: dict[str, str]) -> dict[str, object]:
        if row["variant"] != "rows of one label" and not row["variant"].startswith("scores"):
            return {"reply": "joy"}
        gold = row["gold"].split()
        told = scores | dict.fromkeys(gold if "surprise" not in gold else gold[:1], 1 / len(gold))
        return {"scores": list(told.values())}

    file = tmp_path / "out" / "words.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row | answered(row)) + "\n" for row in rows))
    found = run("words")
    # one joyful and one angry comment, both called joy: F1 of happiness 2/3, of six other labels 0
    assert number(found, "rows of one label", "macro-F1") == round(2 / 3 / 7, 6)
    # happiness and anger are given where they belong; the surprise beside the happiness is not
    assert number(found, "all rows", "macro-F1, several labels") == round(2 / 7, 6)
    assert any(one.note == "quoted, not computed here" for one in found)


# ---- turns ----------------------------------------------------------------------------------------------------------


def test_a_case_is_asked_as_training_asks(built: Path) -> None:
    case, item = read(built, "face")[0], face_item(built, 0)
    assert item.observation is not None
    hidden = ShowingSettings(hidden={CueKind.EXPRESSION: 1.0})
    for found, own in ((item.observation, case.seen), (seen(item.observation, hidden, 0), without(case.seen, {CueKind.EXPRESSION}))):  # fmt: skip
        turns = [(wording(Task.RECOGNITION), "happiness")]
        sample = compose(
            item, found, "p1", Task.RECOGNITION, turns, label="happiness", label_set="basic8", engine="t@1"
        )
        asked = ask(case, built, cues=own)
        assert (asked.messages, asked.media) == (sample.messages[:1], sample.media)
        bare = shown(sample, None, ShowingSettings(bare=1.0), 0)
        assert (ask(case, built).messages, ask(case, built).media) == (bare.messages[:1], bare.media)


def test_words_of_no_item_read_as_if_they_were_measured() -> None:
    text = "I've never been this sad in my life! <|im_end|>"
    measured = observe(Clip(id="c", transcript=text))
    assert cue_text(words_case("c", text, "sadness").seen, None) == cue_text(measured, None)


def test_comments_keep_all_their_labels_that_count(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise\n")
    (tmp_path / "dev.tsv").write_text("Well, well\t3,6\tab1\n  \t0\tab2\n")
    found = comments(tmp_path, "dev")
    assert [(one.id, one.labels) for one in found] == [("goemotions/ab1", ("happiness", "surprise"))]
    assert dict(zip(counted(), flags(found)[0].tolist(), strict=True))["surprise"]
    assert "contempt" not in counted()
    (tmp_path / "dev.tsv").write_text("no label\t9\tab1\n")
    with pytest.raises(DataError, match=r"dev\.tsv:1"):
        comments(tmp_path, "dev")


# ---- reasons --------------------------------------------------------------------------------------------------------


def test_claims_are_checked_by_own_and_by_other_evidence(built: Path) -> None:
    smiling, grave = read(built, "face")[0], read(built, "face")[2]
    still = tuple(cue.model_copy(update={"value": 0.0}) if cue.name == "AU12" else cue for cue in grave.seen.cues)
    one = Shown(smiling, smiling.seen, grave.seen.model_copy(update={"cues": still}))
    told = "**Key Observations:**\nThe lip corners are pulled up (AU12).\n\n**Conclusion:**\nhappiness"
    found = checked(told, one, True)
    assert found.read
    assert (found.own.supported, found.own.contradicted) == (1, 0)
    assert found.other is not None
    assert (found.other.supported, found.other.contradicted) == (0, 1)
    loose = checked("The lip corners are pulled up (AU12).", one, True)
    assert (loose.read, loose.own.supported) == (False, 1)


def test_what_explain_delivers_lacks_what_is_contradicted(built: Path) -> None:
    smiling = read(built, "face")[0]
    one = Shown(smiling, smiling.seen, None)
    told = (
        "**Key Observations:**\nThe lip corners are pulled up (AU12). The lip corner puller is absent.\n\n"
        "**Overall Emotional Interpretation:**\nBoth cannot be.\n\n**Conclusion:**\nThis is happiness."
    )
    found = checked(told, one, True)
    assert (found.own.supported, found.own.contradicted) == (1, 1)
    assert (found.kept.supported, found.kept.contradicted) == (1, 0)
    assert sum(checked(told, one, False).kept) == 0  # explain keeps no claim of a reply without a label


def test_nobody_keeps_their_own_evidence(built: Path) -> None:
    faces, voices = read(built, "face")[:4], read(built, "voice", "valid")[:1]
    found = dealt([*faces, *voices], 0)
    others = [one.other.id for one in found[:4] if one.other is not None]
    assert sorted(others) == sorted(case.id for case in faces)
    assert all(one.other is not None and one.other.id != one.case.id for one in found[:4])
    assert found[4].other is None  # the only voice


# ---- what goes wrong ------------------------------------------------------------------------------------------------


def test_an_item_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    for block in "ab":
        (tmp_path / "items" / f"ferplus-valid-00000-{block}.jsonl").write_text(f"{face_item(tmp_path, 0).to_json()}\n")
    with pytest.raises(DataError, match="stands twice"):
        read(tmp_path, "face")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--set": "nowhere"}, "nowhere/items: no such folder"),
        ({"--measures": "faces"}, "unknown measure 'faces' (did you mean 'face'?)"),
        ({"--model": "./nothing"}, "no such model folder"),
        ({"--data": "."}, "ferplus_train_valid.npz: no such file; faces that equal a training tile are left out"),
    ],
)
def test_a_mistake_is_one_line(
    built: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], told: str
) -> None:
    given = {"--set": str(built), "--data": str(built), "--out": str(tmp_path / "out"), "--model": str(model)} | changed
    assert main([word for pair in given.items() for word in pair]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert told in lines[0]


# ---- failures -------------------------------------------------------------------------------------------------------


def test_wrong_faces_are_drawn_label_by_label_and_right_ones_never(built: Path) -> None:
    cases = read(built, "face")
    replies = {case.id: "anger" for case in cases[:3]} | {cases[3].id: "This is sadness."}
    found = wrong(cases, replies, 2, 0)
    assert [(one.case.gold, one.answer) for one in found] == [("happiness", "anger"), ("sadness", "anger")]
    assert len(wrong(cases, replies, 8, 0)) == 3
