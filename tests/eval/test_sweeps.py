"""Sweeps: what they change is as much as they say, the same each time, and told; what they do not change is untouched."""

import re
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from emollm import assets
from emollm.cli.eval_sweep import KINDS, swept
from emollm.errors import ConfigError, DataError, MediaError
from emollm.eval.generators.wording import without_cue_text
from emollm.eval.items import Item
from emollm.eval.run import Plan
from emollm.eval.sweeping.base import Part, Shown, Variant, draw, settings
from emollm.eval.sweeping.boxes import GREY, Covering
from emollm.eval.sweeping.media import heard
from emollm.eval.sweeping.pages import charts
from emollm.eval.sweeping.pictures import DEGRADATIONS, worse
from emollm.eval.sweeping.sound import active, mixed, noises
from emollm.eval.sweeping.streams import deranged, streams
from emollm.eval.sweeping.table import Said, flips, follows
from emollm.eval.sweeping.words import errors, joined, misheard, mishearings, tokens
from emollm.eval.sweeps import SWEEPS, sweep, variants
from emollm.eval.tasks import task
from emollm.media.audio import RATE
from emollm.media.images import read_image
from emollm.media.video import open_video
from emollm.types import Clip, MediaPart, Message, TextPart
from tests.eval.serving import goemotions, serving
from tests.eval.sweep_clips import speech, write_video, write_wav

SENTENCE = "well I never said that you could take the red car to the lake with them on a rainy night"


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Nine items of three labels with a voice, words and a picture; the last one is a video with sound and words."""
    out = []
    for k in range(9):
        clip = Clip(
            id=f"i{k}",
            image=tmp_path / f"{k}.png",
            audio=write_wav(tmp_path / f"{k}.wav", speech(k)),
            transcript=f"{SENTENCE} {k}",
        )
        pixels = draw(0, str(k)).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        out.append(Item(clip.id, clip, (("joy", "anger", "fear")[k % 3],)))
    clip = Clip(id="v", video=write_video(tmp_path / "v.mkv", 90), transcript="so it is")
    return [*out, Item("v", clip, ("joy",))]


def shown(items: list[Item], folder: Path, seed: int = 0) -> Shown:
    return Shown(items, folder / "made", seed, settings())


def changed(variant: Variant, item: Item) -> Item:
    assert variant.change is not None
    return variant.change(item)


def named(name: str, found: list[Variant]) -> Variant:
    return next(one for one in found if one.name == name)


# ---- noise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["white noise 20 dB", "white noise 0 dB", "babble 10 dB", "babble 0 dB"])
def test_speech_is_above_noise_by_what_is_asked_where_there_is_speech(
    items: list[Item], tmp_path: Path, name: str
) -> None:
    variant = named(name, list(noises(shown(items, tmp_path))))
    item = changed(variant, items[0])
    assert item.clip.audio is not None
    clean, noisy = heard(tmp_path / "0.wav").astype(np.float64), heard(item.clip.audio).astype(np.float64)
    gain = variant.told()["mean gain"]
    on = active(clean)
    found = 10 * np.log10((clean[on] ** 2).mean() / (((noisy / gain) - clean)[on] ** 2).mean())
    assert found == pytest.approx(variant.level, abs=0.5)
    assert variant.told()["measured SNR (dB)"] == pytest.approx(found, abs=0.1)
    assert item._replace(clip=items[0].clip) == items[0]


def test_pauses_are_no_speech(tmp_path: Path) -> None:
    """The level of speech is that of the two seconds of syllables; a second of silence does not lower it."""
    on = active(speech(0))
    assert on[: 2 * RATE].mean() > 0.9
    assert on[2 * RATE :].mean() < 0.3


def test_loud_speech_with_noise_is_made_quieter_instead_of_clipped() -> None:
    found = mixed(loud := speech(0, loud=0.8), draw(0, "x").standard_normal(len(loud)), 0)
    assert found.gain < 1
    assert np.abs(found.samples).max() <= 1
    assert found.snr == pytest.approx(0, abs=0.1)


def test_silence_has_no_ratio_and_is_refused(items: list[Item], tmp_path: Path) -> None:
    write_wav(tmp_path / "0.wav", np.zeros(RATE))
    variant = named("white noise 5 dB", list(noises(shown(items, tmp_path))))
    with pytest.raises(MediaError, match=r"0\.wav: no sound above -90 dB"):
        changed(variant, items[0])


def test_babble_wants_voices_of_others(items: list[Item], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected 7 items with sound, got 3"):
        list(noises(shown(items[:3], tmp_path)))
    one_speaker = [item._replace(cluster="Ann") for item in items]
    with pytest.raises(DataError, match="i0: babble wants at least 3 voices of others, 0 can be heard"):
        changed(named("babble 5 dB", list(noises(shown(one_speaker, tmp_path)))), one_speaker[0])


def test_noise_of_a_video_stands_beside_it_in_place_of_its_sound(items: list[Item], tmp_path: Path) -> None:
    item = changed(named("white noise 10 dB", list(noises(shown(items, tmp_path)))), items[-1])
    assert item.clip.video == items[-1].clip.video
    assert item.clip.audio is not None
    assert len(heard(item.clip.audio)) == pytest.approx(RATE / 2, abs=2)


@pytest.mark.parametrize("level", settings().errors.levels)
def test_words_are_misheard_as_often_as_asked_and_the_rate_is_told(
    items: list[Item], tmp_path: Path, level: float
) -> None:
    many = [item._replace(id=f"{k}", clip=items[k % 9].clip) for k, item in enumerate(items[:9] * 12)]
    variant = named(f"transcript errors {level:g} %", list(mishearings(shown(many, tmp_path))))
    texts = [(item.clip.transcript or "", changed(variant, item).clip.transcript or "") for item in many]
    wrong = sum(errors(tokens(clean), tokens(said)) for clean, said in texts)
    rate = 100 * wrong / sum(len(tokens(clean)) for clean, _ in texts)
    assert variant.told()["measured WER (%)"] == pytest.approx(rate)
    assert rate == pytest.approx(level, abs=max(0.6, 0.08 * level))


def test_harsher_errors_keep_the_milder_ones() -> None:
    words = SENTENCE.split()
    kept = [set(words) - set(misheard(words, level, ["zebra"], (1.0, 0.0), draw(3, "x"))) for level in (10, 20, 40)]
    assert kept[0] < kept[1] < kept[2]


@pytest.mark.parametrize("text", ["no", "你好吗 OK 了", "Don't!  Stop"])
def test_some_words_are_always_left(text: str) -> None:
    words = tokens(text)
    assert joined(words).split() == text.split()
    assert misheard(words, 100, words, (0.0, 1.0), draw(0, "x"))


def test_word_errors_are_counted_as_recognisers_are() -> None:
    assert errors(["a", "b", "c", "d"], ["a", "X", "c", "d", "e"]) == 2
    assert errors(["Well,", "yes."], ["well", "yes"]) == 0
    assert errors(["a"], []) == 1


# ---- pictures -------------------------------------------------------------------------------------------------------


def test_blur_lowers_sharpness_step_by_step() -> None:
    pixels = draw(0, "picture").integers(0, 256, (60, 80, 3), dtype=np.uint8)
    blurred = [pixels, *(DEGRADATIONS["blur"](pixels, level, draw(0)) for level in (1, 2, 4))]
    sharp = [cv2.Laplacian(one, cv2.CV_64F).var() for one in blurred]
    assert sharp == sorted(sharp, reverse=True)
    assert len(set(sharp)) == 4


def test_each_degradation_does_what_its_unit_says() -> None:
    flat = np.full((64, 64, 3), 200, np.uint8)
    assert DEGRADATIONS["dark"](flat, 1, draw(0)).max() == 146  # half of the light of 200
    assert np.std(DEGRADATIONS["grain"](flat - 72, 10, draw(0)).astype(float)) == pytest.approx(10, rel=0.02)
    noisy = draw(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert DEGRADATIONS["shrunk"](noisy, 8, draw(0)).std() < noisy.std() / 4
    far = [np.abs(DEGRADATIONS["jpeg"](noisy, level, draw(0)).astype(int) - noisy).mean() for level in (50, 20, 5)]
    assert far == sorted(far)


def test_a_face_is_covered_by_its_landmarks_and_nothing_else() -> None:
    pixels = read_image(assets.path("photo-astronaut")).pixels
    middles: dict[Part, tuple[int, int]] = {"eyes": (97, 223), "mouth": (147, 223)}
    for part, middle in middles.items():
        covering = Covering(part)
        now = (covering(pixels, 0.0) != pixels).any(-1)
        rows, columns = np.nonzero(now)
        assert (np.mean(rows), np.mean(columns)) == pytest.approx(middle, abs=10)
        assert now.mean() < 0.05
        assert covering.facts() == {"boxes by landmarks": 1.0, "boxes by thirds": 0.0}


def test_where_no_face_is_found_a_third_is_covered_and_said(items: list[Item], tmp_path: Path) -> None:
    variant = named("mouth covered", list(worse(shown(items, tmp_path))))
    item = changed(variant, items[0])
    assert item.clip.image is not None
    pixels = read_image(item.clip.image).pixels
    assert (pixels[40:] == GREY).all()
    assert (pixels[:40] == read_image(tmp_path / "0.png").pixels[:40]).all()
    assert variant.told() == {"items changed": 1, "boxes by landmarks": 0.0, "boxes by thirds": 1.0}


def test_a_video_gets_darker_and_keeps_its_times_and_its_sound(items: list[Item], tmp_path: Path) -> None:
    item = changed(named("dark 2", list(worse(shown(items, tmp_path)))), items[-1])
    assert item.clip.video is not None
    before, after = (list(open_video(path).frames()) for path in (tmp_path / "v.mkv", item.clip.video))
    assert [frame.time for frame in after] == pytest.approx([frame.time for frame in before], abs=0.002)
    assert after[0].pixels.mean() == pytest.approx(46, abs=4)  # a quarter of the light of 90
    assert item.clip.audio == tmp_path / "v.mkv"


# ---- streams --------------------------------------------------------------------------------------------------------


def test_swapping_never_pairs_equal_labels_and_uses_each_item_once() -> None:
    golds = [frozenset({label}) for label in "aaaabbbcc"]
    for seed in range(20):
        donors = deranged(golds, draw(seed))
        assert sorted(k for k in donors if k is not None) == list(range(9))
        assert not any(golds[k] & golds[donor] for k, donor in enumerate(donors) if donor is not None)


def test_with_a_common_label_donors_are_used_again_and_who_has_none_is_left() -> None:
    golds = [frozenset(one) for one in ("a", "a", "a", "b", "ab")]
    donors = deranged(golds, draw(0))
    assert donors[:4] == [3, 3, 3, donors[3]]
    assert donors[3] in (0, 1, 2)
    assert donors[4] is None
    assert deranged([frozenset("a")] * 3, draw(0)) == [None] * 3


def test_a_stream_is_taken_out_and_the_others_stay(items: list[Item], tmp_path: Path) -> None:
    found = list(streams(shown(items, tmp_path), cues=True))
    assert [one.name for one in found] == [
        "face removed", "audio removed", "words removed", "cue text removed", "face swapped", "audio swapped",
        "words swapped",
    ]  # fmt: skip
    photo, video = items[0], items[-1]
    assert changed(named("face removed", found), photo).clip == photo.clip.model_copy(update={"image": None})
    heard_alone = changed(named("face removed", found), video).clip
    assert (heard_alone.video, heard_alone.audio) == (None, video.clip.video)
    silent = changed(named("audio removed", found), video).clip
    assert silent.video is not None
    assert not open_video(silent.video).has_sound
    assert len(list(open_video(silent.video).frames())) == 5
    assert changed(named("words removed", found), photo).clip.transcript is None
    assert not named("cue text removed", found).cues


def test_where_nothing_is_left_a_grey_picture_or_silence_stands(items: list[Item], tmp_path: Path) -> None:
    lone = [item._replace(clip=item.clip.model_copy(update={"audio": None, "transcript": None})) for item in items[:2]]
    (only,) = streams(shown(lone, tmp_path), cues=False)
    blank = changed(only, lone[0]).clip.image
    assert blank is not None
    assert (read_image(blank).pixels == np.full((60, 80, 3), GREY)).all()
    assert only.told() == {"items changed": 1, "of them with nothing left, shown grey or silent": 1}
    words = [item._replace(clip=Clip(id=item.id, transcript="so")) for item in items[:2]]
    (only,) = streams(shown(words, tmp_path), cues=False)
    with pytest.raises(DataError, match="i0: nothing is left without its words"):
        changed(only, words[0])


def test_a_swapped_stream_is_the_donors_and_all_else_stays(items: list[Item], tmp_path: Path) -> None:
    found = list(streams(shown(items, tmp_path), cues=False))
    variant = named("audio swapped", found)
    for item in items:
        donor, clip = variant.donors[item.id], changed(variant, item).clip
        assert not set(donor.gold) & set(item.gold)
        assert clip.audio == (donor.clip.audio or donor.clip.video)
        assert clip.model_copy(update={"audio": None}) == item.clip.model_copy(update={"audio": None})
    assert "v" not in named("face swapped", found).donors  # no other video


def test_who_follows_which_stream_is_counted(items: list[Item]) -> None:
    donors = {"i0": items[1], "i1": items[2], "i2": items[0], "i3": items[1]}
    said: dict[str, Said] = {
        "i0": frozenset({"joy"}),
        "i1": frozenset({"fear"}),
        "i2": "unparsed",
        "i3": frozenset({"fear"}),
    }
    found = follows(donors, items[:4], said, None)
    assert found is not None
    assert found.model_dump() == {"swapped": 4, "own": 1, "donor": 1, "both": 0, "neither": 1, "unread": 1}


# ---- the sweep ------------------------------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_bytes(items: list[Item], tmp_path: Path) -> None:
    names = ("white noise 10 dB", "babble 5 dB", "grain 20", "blur 1", "dark 1")

    def made(folder: str, seed: int) -> list[bytes]:
        of = shown(items, tmp_path / folder, seed)
        found = [*noises(of), *worse(of)]
        clips = [changed(named(name, found), item).clip for name in names for item in (items[0], items[-1])]
        return [(clip.audio if k < 4 else clip.image or clip.video).read_bytes() for k, clip in enumerate(clips)]  # type: ignore[union-attr]

    first = made("first", 0)
    assert made("again", 0) == first
    assert made("first", 0) == first  # found where they were made
    other = made("other", 1)
    assert [one == two for one, two in zip(first, other, strict=True)] == [False] * 6 + [True] * 4


@pytest.mark.parametrize("kind", ["streams", "noise", "image-quality"])
def test_the_clean_variant_comes_first_and_leaves_clips_untouched(items: list[Item], tmp_path: Path, kind: str) -> None:
    plan = Plan(task("meld"), tmp_path, "cues", tmp_path / "out")
    found = variants(plan, kind, items, settings())  # type: ignore[arg-type]
    assert found[0] == Variant("clean")
    assert Counter(one.name for one in found).most_common(1)[0][1] == 1
    assert not (tmp_path / "out").exists()  # nothing is made before it is shown


def test_there_must_be_something_to_vary(items: list[Item], tmp_path: Path) -> None:
    words = [item._replace(clip=Clip(id=item.id, transcript="so")) for item in items]
    plan = Plan(task("goemotions"), tmp_path, "cues", tmp_path / "out")
    with pytest.raises(ConfigError, match="--sweep image-quality: goemotions: no item has pictures"):
        variants(plan, "image-quality", words, settings())
    with pytest.raises(ConfigError, match="unknown sweep 'light'"):
        sweep(plan, "light")  # type: ignore[arg-type]


TEXTS = [(f"{SENTENCE} and it is {word}", label) for word, label in (("good", "joy"), ("bad", "anger")) for _ in "1234"]


def plan_of(tmp_path: Path, generator: str) -> Plan:
    data = goemotions(tmp_path / "data", TEXTS)
    return Plan(task("goemotions-ekman"), data, generator, tmp_path / "out", split="dev", resamples=100)


def test_a_sweep_tells_what_each_level_costs(tmp_path: Path) -> None:
    with serving(lambda text: "joy" if "good" in text else "anger" if "bad" in text else "fear") as server:
        found = sweep(plan_of(tmp_path, server.generator), "noise")
        asked = len(server.bodies)
        again = sweep(plan_of(tmp_path, server.generator), "noise")
        assert len(server.bodies) == asked  # known answers are not asked again
    clean, *rows = found.rows
    assert (clean.kind, clean.difference, clean.flips) == ("clean", None, None)
    assert [row.level for row in rows] == [5, 10, 20, 40]
    for row in rows:
        assert row.difference is not None
        assert row.difference.value == pytest.approx((row.metric.value or 0) - (clean.metric.value or 0))
        assert row.facts["items with words"] == 8
        assert (row.flips == 0) == (row.metric.value == clean.metric.value)
    assert rows[-1].flips is not None
    assert rows[-1].flips > 0
    assert again == found
    assert [len(chart.points) for chart in charts(found.rows)] == [5]
    page, plain = ((tmp_path / "out" / name).read_text() for name in ("sweep-noise.html", "sweep-noise.md"))
    assert page.count("<circle") == 5
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "| transcript errors 40 % |" in plain


def test_wordings_are_compared_and_their_spread_is_told(tmp_path: Path) -> None:
    """The server answers the second wording otherwise."""
    with serving(lambda text: "fear" if "no other" in text else "joy" if "good" in text else "anger") as server:
        found = sweep(plan_of(tmp_path, server.generator), "prompts")
    assert [row.name for row in found.rows] == ["clean", "wording 2", "wording 3"]
    assert "no other" in found.rows[1].prompt
    assert [row.flips for row in found.rows] == [None, 1.0, 0.0]
    assert found.spread is not None
    values = [row.metric.value for row in found.rows]
    assert (found.spread.lowest, found.spread.highest) == (min(values), max(values))  # type: ignore[type-var]
    assert found.spread.sd == pytest.approx(np.std(np.array(values, float), ddof=1))
    assert found.spread.flips == 1.0


def test_a_clean_run_that_fails_is_not_called_robust(tmp_path: Path) -> None:
    """A model that always gives the same answer never flips; that is said to be no sign of robustness."""
    constant = sweep(plan_of(tmp_path, "constant:fear"), "noise")
    assert {row.flips for row in constant.rows[1:]} == {0.0}
    assert "not above its floor" in constant.remarks[0]
    assert "constant:fear looks at nothing" in constant.remarks[1]
    with serving(lambda text: "I would rather not say") as server:
        unread = sweep(plan_of(tmp_path / "unread", server.generator), "noise")
    assert unread.rows[0].coverage == 0
    assert "no answer that could be read" in unread.remarks[0]


def test_without_cue_text_a_model_is_shown_the_same_media_and_asked_the_same() -> None:
    parts = (
        MediaPart(type="image"),
        MediaPart(type="audio"),
        TextPart(text="AU12 strong\n\n"),
        TextPart(text="Which?"),
    )
    assert without_cue_text(Message(role="user", content=parts)).content == (*parts[:2], parts[3])


def test_the_command_prints_the_table_and_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(plan_of(tmp_path, "constant:joy"), "noise", False) == 0
    assert "| transcript errors 40 % |" in capsys.readouterr().out
    assert set(KINDS) == set(SWEEPS)


def test_no_answer_is_another_answer_than_any() -> None:
    joy = frozenset({"joy"})
    assert (
        flips([{"a": joy, "b": joy, "c": joy, "d": "missing"}, {"a": joy, "b": "unparsed", "c": joy, "d": "missing"}])
        == 0.25
    )


@pytest.mark.parametrize("generator", ["majority", "constant:joy", "cues"])
def test_wordings_are_not_varied_for_who_reads_no_question(tmp_path: Path, generator: str) -> None:
    with pytest.raises(ConfigError, match=f"--sweep prompts: the generator {generator} does not read the question"):
        sweep(plan_of(tmp_path, generator), "prompts")
    assert not (tmp_path / "out").exists()


def test_swaps_are_remarked_only_where_something_was_swapped(tmp_path: Path) -> None:
    """Words alone have no second stream: they cannot be swapped without becoming the other item."""
    with serving(lambda text: "joy") as server:
        found = sweep(plan_of(tmp_path, server.generator), "streams")
    assert not any("a swapped stream is" in remark for remark in found.remarks)
    assert any("nothing is swapped" in remark for remark in found.remarks)


def test_a_sweep_tells_which_settings_were_changed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "constant:joy")._replace(task=task("goemotions-ekman", ("without=[fear]",)))
    found = sweep(plan, "noise")
    assert found.provenance["task"] == f"{task('goemotions-ekman').ref}+set"
    assert "settings of the task were changed: without=[fear]" in found.remarks
