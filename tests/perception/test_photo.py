"""What is measured in real photos, and what is said to be missing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from emollm.errors import ConfigError, MediaError
from emollm.facs import BLENDSHAPES, UNITS, Region
from emollm.media.images import Picture, read_image
from emollm.perception import observe
from emollm.perception.backends import Span
from emollm.perception.mesh_head import pretrained
from emollm.perception.photo import PhotoPerception, choose_meter, open_photo_perception
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, Cue, CueKind, MediaInfo, Missing, Observation, Scale

HEAD = PerceptionSettings(action_units="mesh-head")


def measure(pixels: np.ndarray, scale: float = 1.0, settings: PerceptionSettings = HEAD) -> Observation:
    size = MediaInfo(kind="image", width=round(pixels.shape[1] / scale), height=round(pixels.shape[0] / scale))
    return open_photo_perception(settings)(Picture(np.ascontiguousarray(pixels), size, scale), "photo")


def values(observation: Observation, track: str = "p1") -> dict[str, Cue]:
    return {cue.name: cue for cue in observation.of(track)}


def test_a_smile_is_measured_as_lip_corners_pulled_up(astronaut_observation: Observation) -> None:
    cues = values(astronaut_observation)
    units = {name: cue.value for name, cue in cues.items() if cue.kind is CueKind.ACTION_UNIT}
    assert cues["AU12"].value is not None
    assert cues["AU12"].value > 0.6
    assert units["AU15"] < 0.1
    assert units["AU04"] < 0.1


def test_a_face_is_where_it_is(astronaut_observation: Observation) -> None:
    """The face of the 512 × 512 photo spans about 175–275 by 70–175 pixels, its left eye at the image's right."""
    (track,) = astronaut_observation.tracks
    (face,) = track.faces
    assert 165 < face.box.x < 195
    assert 60 < face.box.y < 105
    assert 70 < face.box.width < 115
    assert len(face.landmarks) == 478
    assert face.landmarks[473][0] > face.landmarks[468][0]
    assert track.prominence == 1.0


def test_every_unit_is_measured_or_declared_missing(astronaut_observation: Observation) -> None:
    """No unit of the face is silently absent: blink and wink are events in time, which a photo does not have."""
    measured = {cue.name for cue in astronaut_observation.cues if cue.kind is CueKind.ACTION_UNIT}
    missing = {gap.stream for gap in astronaut_observation.missing} - {"scene"}
    face = {code for code, unit in UNITS.items() if unit.region is not Region.HEAD} - {"AU45", "AU46"}
    assert measured & missing == set()
    assert measured | missing == face
    assert {"AU06", "AU09", "AU34"} <= missing, "shapes that never move are not measured"
    assert {"AU14", "AU27"} <= missing, "what the head follows too loosely is not measured"
    assert all(gap.reason for gap in astronaut_observation.missing)


def test_cues_declare_scale_source_and_both_sides(astronaut_observation: Observation) -> None:
    scales = {CueKind.ACTION_UNIT: Scale.INTENSITY, CueKind.EXPRESSION: Scale.PROBABILITY}
    for cue in astronaut_observation.cues:
        assert cue.scale is scales.get(cue.kind, Scale.DEGREES)
        assert cue.source.licence
        assert cue.source.version
        if cue.kind is CueKind.ACTION_UNIT:
            assert (cue.left is not None) == UNITS[cue.name].two_sided
            if cue.left is not None:
                assert cue.value == max(cue.left, cue.right or 0.0)


def test_sides_of_a_tilted_face_are_not_told(astronaut_picture: Picture) -> None:
    height, width = astronaut_picture.pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -25, 1.0)
    tilted = values(measure(cv2.warpAffine(astronaut_picture.pixels, turn, (width, height))))
    assert abs(tilted["roll"].value or 0.0) > 15
    assert {(cue.left, cue.right) for cue in tilted.values() if cue.kind is CueKind.ACTION_UNIT} == {(None, None)}
    assert (tilted["AU12"].value or 0.0) > 0.5


def test_lids_that_are_lowered_make_absent_brows_no_evidence_and_shut_ones_hide_the_gaze(
    astronaut_picture: Picture,
) -> None:
    perception = open_photo_perception(HEAD)
    (person,) = perception.people(astronaut_picture.pixels)
    assert all(cue.reliable for cue in values(measure(astronaut_picture.pixels)).values() if cue.name != "AU05")
    shapes = person.reading.blendshapes.copy()
    shapes[[BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]] = 0.75
    closed = person._replace(reading=person.reading._replace(blendshapes=shapes))
    found = list(perception._measure(closed, "p1", astronaut_picture))
    unsure = {item.name for item in found if isinstance(item, Cue) and not item.reliable}
    assert unsure - {"AU05"} == {"AU01", "AU02", "AU04"}
    gaps = {item.stream: item.reason for item in found if isinstance(item, Missing)}
    assert gaps == dict.fromkeys(("AU61", "AU62", "AU63", "AU64", "gaze"), "eyes closed")


def test_five_people_are_found_apart_and_in_order_of_prominence(group_observation: Observation) -> None:
    assert [track.id for track in group_observation.tracks] == ["p1", "p2", "p3", "p4", "p5"]
    shares = [track.prominence for track in group_observation.tracks]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=0.01)
    centres = np.array(
        [
            [t.faces[0].box.x + t.faces[0].box.width / 2, t.faces[0].box.y + t.faces[0].box.height / 2]
            for t in group_observation.tracks
        ]
    )
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2) + np.eye(5) * 1e9
    assert distances.min() > 60


def test_mirroring_swaps_sides_and_turns(astronaut_picture: Picture) -> None:
    plain, mirrored = measure(astronaut_picture.pixels), measure(astronaut_picture.pixels[:, ::-1])
    ours, theirs = values(plain), values(mirrored)
    assert theirs["yaw"].value == pytest.approx(-(ours["yaw"].value or 0), abs=6)
    assert theirs["roll"].value == pytest.approx(-(ours["roll"].value or 0), abs=3)
    assert theirs["pitch"].value == pytest.approx(ours["pitch"].value, abs=5)
    left = [(ours[name].left or 0.0, theirs[name].right or 0.0) for name in ("AU12", "AU02", "AU07", "AU10", "AU16")]
    np.testing.assert_allclose(*zip(*left, strict=True), atol=0.2)


def test_turning_the_picture_turns_the_head(astronaut_picture: Picture) -> None:
    """A picture turned clockwise shows a head tilted to the person's own left."""
    pixels = astronaut_picture.pixels
    matrix = cv2.getRotationMatrix2D((225, 125), -20, 1.0)  # OpenCV's angles are counter-clockwise
    turned = cv2.warpAffine(pixels, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    before, after = values(measure(pixels)), values(measure(turned))
    assert (after["roll"].value or 0) - (before["roll"].value or 0) == pytest.approx(20, abs=4)
    assert after["AU12"].value == pytest.approx(before["AU12"].value, abs=0.15)


def test_positions_are_pixels_of_the_file_even_if_it_was_reduced(astronaut_picture: Picture) -> None:
    full = measure(astronaut_picture.pixels)
    half = measure(cv2.resize(astronaut_picture.pixels, (256, 256), interpolation=cv2.INTER_AREA), scale=0.5)
    a, b = full.tracks[0].faces[0], half.tracks[0].faces[0]
    assert b.box.width == pytest.approx(a.box.width, rel=0.1)
    np.testing.assert_allclose(a.landmarks[1], b.landmarks[1], atol=6)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((300, 200, 3), np.uint8),
        np.full((64, 64, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8),
        np.zeros((1, 900, 3), np.uint8),
    ],
    ids=["1x1", "black", "white", "noise", "line"],
)
def test_a_picture_without_a_face_says_so(pixels: np.ndarray) -> None:
    observation = measure(pixels)
    assert observation.tracks == ()
    assert observation.cues == ()
    assert [(gap.stream, gap.reason) for gap in observation.missing] == [("face", "no face found")]


def test_half_a_face_has_its_hidden_units_missing(astronaut_picture: Picture) -> None:
    """Cut just above the mouth: the brows are measured, the mouth is declared missing."""
    observation = measure(astronaut_picture.pixels[:138])
    assert len(observation.tracks) == 1
    cues, gaps = values(observation), {gap.stream: gap.reason for gap in observation.missing if gap.track == "p1"}
    assert {"AU01", "AU02", "AU04"} <= set(cues)
    assert "AU12" not in cues
    assert "outside of the picture" in gaps["AU12"]
    assert "outside of the picture" in gaps["face"]


def test_a_face_too_small_to_measure_is_found_and_declared(astronaut_picture: Picture) -> None:
    settings = HEAD.model_copy(update={"smallest": 200.0})
    observation = measure(astronaut_picture.pixels, settings=settings)
    assert len(observation.tracks) == 1
    assert observation.cues == ()
    assert any("pixels wide" in gap.reason for gap in observation.missing)


def test_more_people_than_wanted_are_declared(group: Path) -> None:
    settings = HEAD.model_copy(update={"faces": HEAD.faces.model_copy(update={"max_faces": 2})})
    observation = observe(Clip(id="group", image=group), settings)
    assert len(observation.tracks) == 2
    assert "3 more faces than faces.max_faces=2" in {gap.reason for gap in observation.missing}


def test_small_faces_of_a_large_picture_are_found_in_tiles(astronaut_picture: Picture) -> None:
    """One face in 2,400 × 1,600 pixels, a twenty-fourth of the width, is out of reach without tiles."""
    face = astronaut_picture.pixels[20:220, 130:330]
    canvas = np.full((1600, 2400, 3), 90, np.uint8)
    canvas[1300:1500, 2050:2250] = face
    assert len(measure(canvas).tracks) == 1


def test_the_same_photo_gives_the_same_observation(astronaut: Path, astronaut_observation: Observation) -> None:
    again = PhotoPerception(HEAD)(read_image(astronaut), "astronaut")
    assert (again.tracks, again.cues) == (astronaut_observation.tracks, astronaut_observation.cues)


def test_an_unreadable_photo_is_refused_before_a_model_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(MediaError, match=r"broken\.jpg"):
        observe(Clip(id="x", image=tmp_path / "broken.jpg"), PerceptionSettings(threads=3))


def test_an_unknown_backend_is_answered_with_the_known_ones(astronaut: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'mesh-head'"):
        observe(Clip(id="x", image=astronaut), PerceptionSettings(action_units="mesh-hed"))


def test_auto_takes_our_head_where_the_bundle_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    assert choose_meter("auto") == "mesh-head"
    assert choose_meter("face-landmarker") == "face-landmarker"


def test_intensity_runs_from_neutral_to_the_strongest_faces() -> None:
    assert [Span(0.3, 0.7).intensity(raw) for raw in (0.1, 0.3, 0.5, 0.9)] == pytest.approx([0, 0, 0.5, 1])


def test_units_follow_the_recipe_before_they_are_scaled(astronaut_observation: Observation) -> None:
    """``raw`` is the recipe's value of the blendshapes; intensity is that on the unit's own span."""
    spans = pretrained().spans
    for cue in astronaut_observation.of("p1", CueKind.ACTION_UNIT):
        assert cue.raw is not None
        assert cue.value == pytest.approx(spans[cue.name].intensity(cue.raw), abs=0.003)


def test_four_threads_measure_at_once_and_alike(astronaut: Path, astronaut_observation: Observation) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: observe(Clip(id="astronaut", image=astronaut), HEAD), range(12)))
    assert all(run == astronaut_observation for run in runs)


def test_words_that_come_with_a_photo_are_kept_as_data(astronaut: Path) -> None:
    clip = Clip(id="c", image=astronaut, transcript="Ignore this <b>and</b> smile.")
    words, *_ = observe(clip, HEAD).of(None, CueKind.WORDS)
    assert words.text == clip.transcript
    only = observe(Clip(id="t", transcript="Not now."))
    assert [cue.text for cue in only.cues] == ["Not now."]


def test_a_photo_with_a_sound_is_seen_and_heard(astronaut: Path, tmp_path: Path) -> None:
    import wave

    path = tmp_path / "hum.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
        file.writeframes((3000 * np.sin(np.arange(16_000) / 20)).astype("<i2").tobytes())
    found = observe(Clip(id="c", image=astronaut, audio=path), HEAD)
    assert [track.id for track in found.tracks] == ["p1"]
    assert any(gap.stream == "voice" and "no speech" in gap.reason for gap in found.missing)


def test_what_reads_as_an_impossible_gaze_is_declared_missing(group_observation: Observation) -> None:
    """One of the five wears dark glasses: whatever the iris net sees there, no gaze beyond 45° is ever told."""
    for cue in group_observation.cues:
        assert cue.kind is not CueKind.GAZE or abs(cue.value or 0) <= 45
    told = {cue.track for cue in group_observation.cues if cue.kind is CueKind.GAZE}
    missing = {gap.track for gap in group_observation.missing if gap.stream == "gaze"}
    assert told | missing == {"p1", "p2", "p3", "p4", "p5"}
    assert told & missing == set()


def test_given_words_have_a_polarity_where_they_are_english() -> None:
    def polarity(text: str) -> list[float | None]:
        return [cue.value for cue in observe(Clip(id="x", transcript=text)).cues if cue.name == "polarity"]

    (good,) = polarity("this is the best day I have had")
    assert good is not None
    assert good > 0.3
    assert polarity("die Lappen liegen auf dem Eisschrank") == []  # "die" is a word of the English lexicon
