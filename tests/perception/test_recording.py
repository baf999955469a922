"""A clip becomes one observation: who is there when, what is heard, and what is not there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm import assets
from emollm.config import load
from emollm.errors import MediaError
from emollm.perception import following, observe
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, CueKind, Extent, Observation

Stage = Any
"""Of conftest.py."""
MakeVideo = Callable[..., Path]

DEAF = load(PerceptionSettings, None, ["voice.enabled=false"])


@pytest.fixture(scope="module")
def pexels() -> Observation:
    """A real clip: one person, who is sad and then laughs; a sound without speech."""
    return observe(Clip(id="pexels", video=assets.path("clip-pexels")))


def reasons(observation: Observation, stream: str) -> str:
    return " / ".join(gap.reason for gap in observation.missing if gap.stream == stream)


def test_a_real_clip_has_one_person_from_beginning_to_end(pexels: Observation) -> None:
    (track,) = pexels.tracks
    assert (track.id, track.prominence, track.frames) == ("p1", 1.0, 472)
    assert track.start == 0.0
    assert track.end == pytest.approx(19.64, abs=0.05)


def test_the_laughter_of_the_real_clip_is_its_apex(pexels: Observation) -> None:
    apex = pexels.tracks[0].peaks[0]
    assert apex.time > 10
    assert "AU12" in apex.units
    smile = next(cue for cue in pexels.cues if cue.id == "p1.AU12")
    assert (smile.extent, smile.value) == (Extent.MOMENT, pytest.approx(0.9, abs=0.15))
    assert smile.start <= apex.time <= smile.end


def test_the_silent_sound_of_the_real_clip_is_said_to_be_silent(pexels: Observation) -> None:
    assert "the sound is silent" in reasons(pexels, "voice")
    assert not pexels.words
    assert not [cue for cue in pexels.cues if cue.kind in (CueKind.PROSODY, CueKind.WORDS)]


def test_the_faces_of_a_track_are_those_at_its_peaks(pexels: Observation) -> None:
    track = pexels.tracks[0]
    assert [face.time for face in track.faces] == [peak.time for peak in track.peaks]
    for face in track.faces:
        points = np.array(face.landmarks)
        assert points.shape == (478, 2)
        assert points[:468].min(0) == pytest.approx([face.box.x, face.box.y], abs=0.2)


def test_an_observation_of_a_clip_reads_back_equal(pexels: Observation) -> None:
    assert Observation.from_json(pexels.to_json()) == pexels


def test_meshes_that_were_not_kept_are_measured_again(pexels: Observation, monkeypatch: pytest.MonkeyPatch) -> None:
    from emollm.perception import people

    monkeypatch.setattr(people, "_MESHES", 100)
    again = observe(Clip(id="pexels", video=assets.path("clip-pexels")), DEAF)
    for one, two in zip(again.tracks[0].faces, pexels.tracks[0].faces, strict=True):
        away = np.abs(np.array(one.landmarks) - np.array(two.landmarks)).max(1)
        assert np.median(away[:468]) < 1  # at a face that was held still the first time it is looked at anew
        assert away.max() < 10  # an eye that has hardly changed was not looked at anew the first time


def test_two_people_are_two_tracks_by_prominence(stage: Stage, make_video: MakeVideo, tmp_path: Path) -> None:
    small = np.ascontiguousarray(stage.man[::2, ::2])
    stills = (stage.frame(t, [(small, 100, 135), (stage.woman, 330, 135)]) for t in stage.times(1))
    found = observe(Clip(id="two", video=make_video(tmp_path / "two.mp4", stills)), DEAF)
    assert [track.id for track in found.tracks] == ["p1", "p2"]
    assert found.tracks[0].faces[0].box.x > found.tracks[1].faces[0].box.x
    assert sum(track.prominence for track in found.tracks) == pytest.approx(1, abs=0.01)
    assert {cue.track for cue in found.cues} == {"p1", "p2"}


def test_no_face_for_the_first_half(stage: Stage, make_video: MakeVideo, tmp_path: Path) -> None:
    stills = (stage.frame(t, [(stage.woman, 240, 135)] if t >= 1 else []) for t in stage.times(2))
    found = observe(Clip(id="late", video=make_video(tmp_path / "late.mp4", stills)), DEAF)
    assert found.tracks[0].start == pytest.approx(1.0, abs=0.25)
    assert "of the frames" in reasons(found, "face")


def test_a_video_without_sound_says_so(stage: Stage, make_video: MakeVideo, tmp_path: Path) -> None:
    stills = (stage.frame(t, [(stage.woman, 240, 135)]) for t in stage.times(0.4))
    found = observe(Clip(id="mute", video=make_video(tmp_path / "mute.mp4", stills)))
    assert reasons(found, "audio") == "the video has no audio stream"


def test_a_video_of_one_frame_is_measured_like_a_photo(stage: Stage, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "one.mp4", [stage.frame(0.0, [(stage.woman, 240, 135)])])
    found = observe(Clip(id="one", video=path))
    assert found.media.frames == 1
    assert next(cue for cue in found.cues if cue.id == "p1.AU12").value > 0.5  # type: ignore[operator]


def test_sound_that_ends_early_leaves_the_pictures_whole(stage: Stage, make_video: MakeVideo, tmp_path: Path) -> None:
    stills = (stage.frame(t, [(stage.woman, 240, 135)]) for t in stage.times(2))
    hum = 0.1 * np.sin(np.arange(8_000) / 16_000 * 2 * np.pi * 110)
    found = observe(Clip(id="short", video=make_video(tmp_path / "short.mp4", stills, hum)))
    assert found.media.frames == 50
    assert found.tracks[0].end == pytest.approx(1.96, abs=0.05)
    assert "no speech" in reasons(found, "voice")


def test_a_sound_alone_has_no_tracks_and_misses_no_face(tmp_path: Path) -> None:
    import wave

    path = tmp_path / "hum.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
        file.writeframes((3000 * np.sin(np.arange(32_000) / 20)).astype("<i2").tobytes())
    found = observe(Clip(id="hum", audio=path))
    assert found.media.kind == "audio"
    assert found.media.duration == pytest.approx(2.0, abs=0.01)
    assert not found.tracks
    assert not reasons(found, "face")


def test_words_that_came_with_a_clip_are_not_recognised_anew(
    stage: Stage, make_video: MakeVideo, tmp_path: Path
) -> None:
    stills = (stage.frame(t, [(stage.woman, 240, 135)]) for t in stage.times(0.4))
    clip = Clip(id="said", video=make_video(tmp_path / "said.mp4", stills), transcript="I am glad")
    found = observe(clip)
    assert [cue.text for cue in found.cues if cue.name == "transcript"] == ["I am glad"]


def test_the_scene_is_missing_without_a_checkpoint(pexels: Observation) -> None:
    assert "perception.scene.checkpoint" in reasons(pexels, "scene")


def test_a_photo_and_a_video_are_two_clips(astronaut: Path) -> None:
    with pytest.raises(MediaError, match="two clips"):
        observe(Clip(id="both", image=astronaut, video=assets.path("clip-pexels")))


def test_who_interrupts_stops_both_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        observe(Clip(id="pexels", video=assets.path("clip-pexels")), progress=interrupted)
    assert threading.active_count() <= before
    assert len(following._kits) >= 1


def test_progress_is_told_in_seconds_of_the_clip() -> None:
    told: list[tuple[float, float | None]] = []
    observe(Clip(id="face", video=assets.path("clip-single-face")), DEAF, lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1][0] <= told[-1][1] == pytest.approx(2.4, abs=0.1)  # type: ignore[operator]
