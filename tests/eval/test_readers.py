"""Readers of clips, sounds and texts, each on a tiny invented copy of the published layout."""

from pathlib import Path

import pytest

from emollm.errors import ConfigError, DataError
from emollm.eval.items import Item
from emollm.eval.readers import READERS
from emollm.eval.run_items import has_reference
from emollm.eval.tasks import task


def put(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def read(id: str, root: Path, split: str | None = None) -> list[Item]:
    return list(task(id).open().items(root, split))


def golds(items: list[Item]) -> dict[str, tuple[str, ...]]:
    return {item.id: item.gold for item in items}


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
    put(
        tmp_path,
        "test_sent_emo.csv",
        head
        + '1,"You did what, exactly?",Ann,surprise,negative,0,0,1,1,"0:00:01,000","0:00:02,000"\n'
        + '2,Fine.,Ben,neutral,neutral,0,1,1,1,"0:00:02,000","0:00:03,000"\n'
        + '3,Stop!,Ann,bitterness,negative,1,0,1,1,"0:00:04,000","0:00:05,000"\n',
    )
    put(tmp_path, "output_repeated_splits_test/dia0_utt0.mp4")
    put(tmp_path, "output_repeated_splits_test/dia0_utt1.mp4")
    return tmp_path


def test_meld_gives_emotions_of_utterances_with_their_dialogue_as_cluster(meld: Path) -> None:
    items = read("meld", meld, "test")
    assert golds(items) == {
        "test/dia0_utt0": ("surprise",),
        "test/dia0_utt1": ("neutral",),
        "test/dia1_utt0": (),
    }
    assert [item.cluster for item in items] == ["test/dia0", "test/dia0", "test/dia1"]
    assert items[0].clip.video == meld / "output_repeated_splits_test" / "dia0_utt0.mp4"
    assert (items[0].clip.transcript, items[0].clip.speaker) == ("You did what, exactly?", "Ann")
    assert [item.gold for item in read("meld-sentiment", meld, "test")] == [("negative",), ("neutral",), ("negative",)]


def test_what_meld_lacks_is_told_and_not_raised(meld: Path) -> None:
    assert task("meld").open().lacks(meld) == [
        "no train_sent_emo.csv (train)",
        "no dev_sent_emo.csv (dev)",
        "label 'bitterness' is not in the set meld: test_sent_emo.csv:4",
        f"no media of an item of test: {meld}/output_repeated_splits_test/dia1_utt0.mp4",
    ]


def test_a_part_that_is_not_there_is_named(meld: Path) -> None:
    with pytest.raises(DataError, match=r"no train_sent_emo.csv \(train\)"):
        read("meld", meld, "train")
    with pytest.raises(DataError, match=r"unknown split 'tests' .did you mean 'test'"):
        read("meld", meld, "tests")


def test_mer_csv_gives_label_valence_and_video_by_name(tmp_path: Path) -> None:
    put(tmp_path, "train-label.csv", "name,discrete,valence\ntrain_1,worried,-1.5\ntrain_2,happy,much\n")
    put(tmp_path, "test-labels/test3-label.csv", "name,discrete,valence\ntest_1,sad,-2\n")
    put(tmp_path, "mer2023train/train/train_1.avi")
    reader = task("mer2023-semi").open()
    first, second, third = read("mer2023-semi", tmp_path)
    assert (first.gold, first.numbers, first.split) == (("worried",), {"valence": -1.5}, "train")
    assert first.clip.video == tmp_path / "mer2023train/train/train_1.avi"
    assert (second.gold, second.numbers) == (("happy",), {})
    assert (third.split, third.clip.video) == ("test3", tmp_path / "test3/test_1.mp4")
    assert "valence 'much' is no number: train-label.csv:3" in reader.lacks(tmp_path)


def test_openset_csv_reads_lists_and_subtitles_of_ov_merd(tmp_path: Path) -> None:
    put(tmp_path, "openset.csv", 'name,openset\nclip_1,"[\'annoyed\', ""let down""]"\nclip_2,[]\n')
    put(tmp_path, "subtitle_all.csv", "name,chinese,english\nclip_1,够了,Enough!\n")
    put(tmp_path, "video/clip_1.mp4")
    first, second = read("ov-merd", tmp_path)
    assert (first.gold, first.clip.transcript) == (("annoyed", "let down"), "Enough!")
    assert (second.gold, second.clip.video) == ((), tmp_path / "video/clip_2.mp4")
    assert task("ov-merd").open().lacks(tmp_path) == [
        "a row of openset.csv without labels and description: openset.csv:3",
        f"no media of an item of all: {tmp_path}/video/clip_2.mp4",
    ]


def test_openset_csv_reads_descriptions_of_emer(tmp_path: Path) -> None:
    put(tmp_path, "EMER_v1.csv", 'names,emotions,subtitles,reasons\nclip_9,angry,"Not now.","He stares, and shouts."\n')
    (item,) = read("emer", tmp_path)
    assert (item.gold, item.text, item.clip.transcript) == (("angry",), "He stares, and shouts.", "Not now.")


@pytest.fixture
def dfew(tmp_path: Path) -> Path:
    for fold in range(1, 6):
        others = "".join(f"{10 + one},{one}\n" for one in range(1, 6) if one != fold)
        put(
            tmp_path,
            f"EmoLabel_DataSplit/test(single-labeled)/set_{fold}.csv",
            f"video_name,label\n{10 + fold},{fold}\n",
        )
        put(tmp_path, f"EmoLabel_DataSplit/train(single-labeled)/set_{fold}.csv", f"video_name,label\n{others}")
        put(tmp_path, f"Clip/original/part_1/000{10 + fold}.mp4")
    return tmp_path


def test_all_of_a_fold_list_are_its_test_clips_each_once(dfew: Path) -> None:
    items = read("dfew", dfew)
    assert [item.split for item in items] == ["test1", "test2", "test3", "test4", "test5"]
    assert [item.gold for item in items] == [("happy",), ("sad",), ("neutral",), ("angry",), ("surprise",)]
    assert items[0].clip.video == dfew / "Clip/original/part_1/00011.mp4"
    assert len(read("dfew", dfew, "train1")) == 4
    assert task("dfew").open().lacks(dfew) == []


def test_a_clip_that_a_fold_trains_and_tests_on_is_told(dfew: Path) -> None:
    list_of = dfew / "EmoLabel_DataSplit/train(single-labeled)/set_2.csv"
    list_of.write_text(list_of.read_text() + "12,2\n")
    assert task("dfew").open().lacks(dfew) == ["1 ids both in test2 and in train2: 12"]


def test_bah_splits_lines_at_two_commas_and_clusters_by_participant(tmp_path: Path) -> None:
    video = "Videos/1/Visite_1/1_Question_1_Video.mp4"
    put(tmp_path, "test.txt", f"{video},1,Well, I would, but no.\nVideos/2/Visite_1/2_Question_1_Video.mp4,2,Yes.\n")
    put(tmp_path, video)
    first, second = read("bah", tmp_path)
    assert (first.gold, first.cluster, first.clip.transcript) == (("present",), "1", "Well, I would, but no.")
    assert (second.gold, second.cluster) == ((), "2")
    assert "label '2' is not in the set bah: test.txt:2" in task("bah").open().lacks(tmp_path)


def test_participants_of_two_parts_are_told(tmp_path: Path) -> None:
    put(tmp_path, "test.txt", "Videos/1/a.mp4,1,Yes.\n")
    put(tmp_path, "train.txt", "Videos/1/b.mp4,0,No.\n")
    assert "1 speakers or sources both in test and in train: 1" in task("bah").open().lacks(tmp_path)


@pytest.mark.parametrize(
    ("id", "file", "label", "speaker", "groups"),
    [
        ("emodb", "wav/03a01Wa.wav", "anger", "03", {"sex": "male", "sentence": "a01"}),
        ("ravdess", "Actor_02/03-01-06-01-02-01-02.wav", "fearful", "02", {"sex": "female", "sentence": "02"}),
        (
            "cremad",
            "AudioWAV/1001_DFA_HAP_XX.wav",
            "happiness",
            "1001",
            {"sex": "Male", "race": "Caucasian", "sentence": "DFA"},
        ),
    ],
)
def test_names_of_files_give_label_speaker_and_groups(
    tmp_path: Path, id: str, file: str, label: str, speaker: str, groups: dict[str, str]
) -> None:
    put(tmp_path, file)
    put(tmp_path, "VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,\n")
    (item,) = read(id, tmp_path)
    assert (item.gold, item.cluster, item.groups) == ((label,), speaker, groups)
    assert item.clip.audio == tmp_path / file


def test_songs_and_other_names_are_left_out_and_counted(tmp_path: Path) -> None:
    for name in ("03-01-06-01-02-01-02.wav", "03-02-06-01-02-01-02.wav", "notes.wav"):
        put(tmp_path, name)
    survey = task("ravdess").open().survey(tmp_path)
    assert dict(survey.items) == {"all": 1}
    assert survey.asides == ("1 files of other parts of the corpus, left out",)
    assert survey.lacks == ("a name that is not of the published form, left out: notes.wav",)


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    put(tmp_path, "ekman/labels.txt", "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise\n")
    put(tmp_path, "ekman/dev.tsv", 'So "happy", so scared\t3,2\tid1\nno\t9\tid2\nbroken\t1\n')
    return tmp_path


def test_texts_may_carry_several_labels(comments: Path) -> None:
    first, second = read("goemotions-ekman", comments, "dev")
    assert (first.gold, first.clip.transcript) == (("joy", "fear"), 'So "happy", so scared')
    assert second.gold == ()


def test_numbers_that_labels_txt_does_not_name_are_told(comments: Path) -> None:
    assert task("goemotions-ekman").open().lacks(comments) == [
        "no train.tsv (train)",
        "no test.tsv (test)",
        "label number '9', but labels.txt has 7 names: dev.tsv:2",
        "a row of dev.tsv that is not text, label numbers and id, left out: dev.tsv:3",
    ]


def test_another_order_of_names_counts_and_is_told(comments: Path) -> None:
    put(comments, "ekman/labels.txt", "joy\ndisgust\nfear\nanger\nneutral\nsadness\nsurprise\n")
    assert read("goemotions-ekman", comments, "dev")[0].gold == ("anger", "fear")
    assert any("in their order; names count" in line for line in task("goemotions-ekman").open().lacks(comments))


def test_every_reader_refuses_a_folder_that_is_not_there_and_bears_an_empty_one(tmp_path: Path) -> None:
    layouts = {str(task(id).reader["layout"]): task(id).open() for id in ("ferplus", "rafdb", "ov-merd", "meld", "bah")}
    layouts |= {
        str(task(id).reader["layout"]): task(id).open() for id in ("dfew", "mer2023-semi", "emodb", "goemotions")
    }
    layouts["image_folder"] = READERS["image_folder"](label_set="rafdb")
    assert set(layouts) == set(READERS)
    for reader in layouts.values():
        with pytest.raises(DataError, match="no such file or folder"):
            reader.lacks(tmp_path / "nowhere")
        assert reader.lacks(tmp_path) != []
        with pytest.raises(DataError, match="nothing to read"):
            next(reader.items(tmp_path))


def test_a_list_of_another_form_names_the_column_it_lacks(meld: Path) -> None:
    put(meld, "test_sent_emo.csv", "Utterance,Speaker,Emotions\nHi,Ann,joy\n")
    with pytest.raises(DataError, match="unknown column 'Dialogue_ID'"):
        read("meld", meld, "test")
    assert any("unknown column 'Dialogue_ID'" in line for line in task("meld").open().lacks(meld))


def test_an_id_that_stands_twice_is_told(tmp_path: Path) -> None:
    put(tmp_path, "openset.csv", "name,openset\nclip_1,['sad']\nclip_1,['happy']\n")
    assert "the same id twice in all: clip_1" in task("ov-merd").open().lacks(tmp_path)


def test_a_pattern_without_a_label_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"reader.pattern: .*expected a group .\?P<label>"):
        task("emodb", ("reader.pattern=(\\d+)",)).open()


def test_a_survey_counts_what_answers_can_be_compared_with(tmp_path: Path) -> None:
    """EMER's second version has descriptions and no labels."""
    (tmp_path / "EMER.csv").write_text("name,chinese,english\na,他很高兴,He is happy\nb,,\n")
    found = task("emer")
    survey = found.open().survey(tmp_path, lambda item: has_reference(item, found.asks))
    assert (survey.items, survey.references) == ({"all": 2}, {"all": 1})
    assert survey.counts["all"][""] == 2
