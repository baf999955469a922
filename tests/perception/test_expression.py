"""A face net's probabilities become cues: of photos, of videos over time, and of nothing where it cannot be asked."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from emollm import assets
from emollm.config import load
from emollm.encoders.net import FaceNetConfig
from emollm.encoders.weights import TrainedConfig, save
from emollm.errors import ModelError
from emollm.media.images import Picture, read_image
from emollm.perception import observe
from emollm.perception.course.expressions import Expressions
from emollm.perception.crops import aligned_crop, face_crop
from emollm.perception.expression import ExpressionNet, ExpressionSettings, Looks, open_expression
from emollm.perception.looks import Onlookers
from emollm.perception.photo import PhotoPerception
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, Cue, CueKind, Extent, MediaInfo, Missing, Observation, Scale

Stage = Any
MakeVideo = Callable[..., Path]

WITHOUT_TORCH = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name="torch")

sys.meta_path.insert(0, Blocker())
from emollm.cli import main
main()
"""


def settings(*overrides: str) -> PerceptionSettings:
    return load(PerceptionSettings, None, ["action_units=mesh-head", "voice.enabled=false", *overrides])


OFF = settings("expression.net=null")


def net() -> ExpressionNet:
    opened = open_expression(ExpressionSettings())
    assert isinstance(opened, ExpressionNet)
    return opened


def expressions(observation: Observation, track: str = "p1", extent: Extent = Extent.MOMENT) -> list[Cue]:
    return [cue for cue in observation.of(track, CueKind.EXPRESSION) if cue.extent is extent]


def reasons(observation: Observation) -> list[str]:
    return [gap.reason for gap in observation.missing if gap.stream == "expression"]


def why_not(observation: Observation) -> str:
    """The one reason why the one person was not read."""
    assert len(observation.tracks) == 1
    assert not expressions(observation)
    (reason,) = reasons(observation)
    return reason


def without(observation: Observation) -> Observation:
    """What is left when everything of the net is taken out."""
    cues = tuple(cue for cue in observation.cues if cue.kind is not CueKind.EXPRESSION)
    series = tuple(one for one in observation.series if one.kind is not CueKind.EXPRESSION)
    versions = {name: version for name, version in observation.versions.items() if name != "face-mt"}
    return observation.model_copy(update={"cues": cues, "series": series, "versions": versions})


def photo(pixels: np.ndarray) -> Observation:
    picture = Picture(pixels, MediaInfo(kind="image", width=pixels.shape[1], height=pixels.shape[0]), 1.0)
    return PhotoPerception(settings())(picture, "photo")


@pytest.fixture(scope="module")
def scene(stage: Stage, make_video: MakeVideo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of two faces."""
    stills = (stage.frame(t, [(stage.woman, 140, 135), (stage.man, 340, 135)]) for t in stage.times(2.0))
    return make_video(tmp_path_factory.mktemp("scene") / "two.mp4", stills)


# ---- photos ---------------------------------------------------------------------------------------------------------


def test_the_astronaut_is_happy(astronaut_observation: Observation) -> None:
    cues = expressions(astronaut_observation)
    best = max(cues, key=lambda cue: cue.value or 0.0)
    assert (best.id, best.name) == ("p1.expression.happiness", "happiness")
    assert (best.value or 0.0) > 0.5


def test_each_face_of_a_group_has_one_probability_a_class(group_observation: Observation) -> None:
    words = {"neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"}
    for track in group_observation.tracks:
        cues = expressions(group_observation, track.id)
        assert {cue.name for cue in cues} == words
        assert sum(cue.value or 0.0 for cue in cues) == pytest.approx(1, abs=0.005)
        assert {(cue.scale, str(cue.source), cue.source.licence) for cue in cues} == {
            (Scale.PROBABILITY, f"face-mt@{net().source.version}", "Apache-2.0")
        }


def test_a_photo_names_the_version_of_the_net(astronaut_observation: Observation) -> None:
    assert astronaut_observation.versions["face-mt"] == net().source.version


def test_without_the_net_the_rest_of_a_photo_is_as_with_it(astronaut: Path, astronaut_observation: Observation) -> None:
    off = observe(Clip(id="astronaut", image=astronaut), OFF)
    assert not expressions(off)
    assert not reasons(off)
    assert off == without(astronaut_observation)


def test_a_face_and_its_mirror_image_have_one_expression(
    astronaut_picture: Picture, astronaut_observation: Observation
) -> None:
    one = net()
    crop = aligned_crop(astronaut_picture, astronaut_observation.tracks[0].faces[0], one.size, one.margin)
    first, second = one([crop, crop[:, ::-1]])
    assert second == pytest.approx(first, abs=1e-4)


def test_the_batch_does_not_change_what_is_read(group: Path, group_observation: Observation) -> None:
    one, picture = net(), read_image(group)
    crops = [aligned_crop(picture, track.faces[0], one.size, one.margin) for track in group_observation.tracks]
    assert np.concatenate([one([crop]) for crop in crops]) == pytest.approx(one(crops), abs=1e-4)


def test_a_photo_is_read_the_same_again_and_by_many_threads(group: Path, group_observation: Observation) -> None:
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: observe(Clip(id="group", image=group), settings()), range(4)))
    assert all(one == group_observation for one in again)


def test_the_threads_of_torch_are_left_as_they_were(astronaut_picture: Picture) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        net()([np.zeros((net().size, net().size, 3), np.uint8)])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_face_that_is_too_small_is_not_read(astronaut_picture: Picture) -> None:
    small = cv2.resize(astronaut_picture.pixels, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)
    assert "pixels wide, less than the 24 needed" in why_not(photo(small))


def test_a_face_that_is_half_outside_is_not_read(
    astronaut_picture: Picture, astronaut_observation: Observation
) -> None:
    box = astronaut_observation.tracks[0].faces[0].box
    seen = photo(np.ascontiguousarray(astronaut_picture.pixels[: int(box.y + 0.6 * box.height)]))
    assert why_not(seen) == "a part of the face lies outside of the picture"


# ---- which net ------------------------------------------------------------------------------------------------------


def test_a_net_that_does_not_exist_is_refused(astronaut: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown face net 'face-nt'.*did you mean 'face-mt'"):
        observe(Clip(id="x", image=astronaut), settings("expression.net=face-nt"))


def test_a_net_for_crops_of_another_aligner_is_refused(tmp_path: Path, astronaut: Path) -> None:
    config = FaceNetConfig(labels=("happy", "sad"), embedding=0, backbone={"stem": 4, "widths": [4], "depths": [0]})
    save(tmp_path / "net", config.build(), TrainedConfig(net=config, aligner="eyes@7"), {})
    with pytest.raises(ModelError, match="faces cut by eyes@7, but here they are cut by mesh@1"):
        observe(Clip(id="x", image=astronaut), settings(f"expression.net={tmp_path / 'net'}"))


def test_a_net_of_ones_own_is_used_with_its_own_words(tmp_path: Path, astronaut: Path) -> None:
    config = FaceNetConfig(labels=("calm", "tense"), embedding=0, backbone={"stem": 4, "widths": [4], "depths": [0]})
    save(tmp_path / "mine", config.build(), TrainedConfig(net=config), {})
    seen = observe(Clip(id="x", image=astronaut), settings(f"expression.net={tmp_path / 'mine'}"))
    assert [cue.id for cue in expressions(seen)] == ["p1.expression.calm", "p1.expression.tense"]
    assert {cue.source.backend for cue in expressions(seen)} == {"mine"}


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--set", "perception.expression.net=elsewhere"), 2)])
def test_without_torch_the_stream_is_missing_unless_a_net_was_named(
    astronaut: Path, more: tuple[str, ...], code: int
) -> None:
    command = [
        sys.executable,
        "-c",
        WITHOUT_TORCH,
        "observe",
        "--json",
        str(astronaut),
        "--set",
        "perception.action_units=mesh-head",
        *more,
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == code, run.stderr
    told = "needs the package 'torch'; pip install 'emollm["
    if code:
        assert told in run.stderr
        assert len(run.stderr.strip().splitlines()) == 1
    else:
        seen = Observation.from_json(run.stdout)
        assert not expressions(seen)
        assert len(reasons(seen)) == 1
        assert told in reasons(seen)[0]
        assert any(cue.kind is CueKind.ACTION_UNIT for cue in seen.cues)


# ---- videos ---------------------------------------------------------------------------------------------------------


def test_everybody_in_a_video_is_read_at_the_stated_rate(scene: Path) -> None:
    seen = observe(Clip(id="two", video=scene), settings("expression.rate=4"))
    for track in ("p1", "p2"):
        series = [one for one in seen.series if one.kind is CueKind.EXPRESSION and one.track == track]
        assert len(series) == len(net().names)
        for one in series:
            assert (one.start, one.step) == (0.0, 0.25)
            assert len(one.values) == 8
            assert None not in one.values
        rows = zip(*(one.values for one in series), strict=True)
        assert all(sum(value or 0.0 for value in row) == pytest.approx(1, abs=0.005) for row in rows)


def test_a_video_has_probabilities_of_its_apex_and_of_all_of_it(scene: Path) -> None:
    seen = observe(Clip(id="two", video=scene), settings())
    for track in seen.tracks:
        for extent in (Extent.MOMENT, Extent.WHOLE):
            cues = expressions(seen, track.id, extent)
            assert len(cues) == len(net().names)
            assert sum(cue.value or 0.0 for cue in cues) == pytest.approx(1, abs=0.005)
            best = max(cues, key=lambda cue: cue.value or 0.0)
            assert best.name == "happiness"
        moment, apex = expressions(seen, track.id)[0], track.peaks[0].time
        assert moment.start <= moment.end
        assert max(abs(moment.start - apex), abs(moment.end - apex)) <= 0.2 + 2e-3


def test_without_the_net_the_rest_of_a_video_is_as_with_it(scene: Path) -> None:
    on, off = (observe(Clip(id="two", video=scene), chosen) for chosen in (settings(), OFF))
    assert off == without(on)
    assert off != on


def test_a_video_is_read_the_same_again(scene: Path) -> None:
    first, second = (observe(Clip(id="two", video=scene), settings()) for _ in range(2))
    assert first == second


def test_small_faces_of_a_video_are_followed_but_not_read(stage: Stage, make_video: MakeVideo, tmp_path: Path) -> None:
    stills = (stage.frame(t, [(stage.woman, 140, 135)]) for t in stage.times(1.0))
    seen = observe(Clip(id="small", video=make_video(tmp_path / "small.mp4", stills)), settings("smallest=200"))
    assert "less than the 200 needed" in why_not(seen)


def test_a_head_that_is_turned_far_away_is_left_out_of_the_looks(
    astronaut_picture: Picture, astronaut_observation: Observation
) -> None:
    looks, face = Looks(net, rate=5, smallest=24), astronaut_observation.tracks[0].faces[0]
    times, yaw = np.arange(10) / 10, np.array([0, 0, 0, 0, 0, 80, 80, 80, 80, 80.0])
    for time in times:
        if looks.wants(1, time):
            looks.show(1, astronaut_picture.pixels, 1.0, face.model_copy(update={"time": float(time)}))
    looks.name({1: "p1"})
    read = looks.of(1, "p1", times, yaw)
    assert isinstance(read, Expressions)
    assert read.times.tolist() == [0.0, 0.2, 0.4]
    away = looks.of(1, "p1", times, np.full(10, -70.0))
    assert isinstance(away, Missing)
    assert away.reason == "the head is turned by more than 60°"


def test_each_of_several_onlookers_is_shown_only_what_it_wants(astronaut_observation: Observation) -> None:
    class Counter:
        def __init__(self, every: int) -> None:
            self.every, self.seen, self.named = every, list[float](), dict[int, str]()

        def wants(self, person: int, time: float) -> bool:
            return int(time) % self.every == 0

        def show(self, person: int, picture: Any, scale: float, face: Any) -> None:
            self.seen.append(face.time)

        def name(self, tracks: Any) -> None:
            self.named = dict(tracks)

    first, second = Counter(2), Counter(3)
    both, face = Onlookers([first, second]), astronaut_observation.tracks[0].faces[0]
    for time in range(7):
        if both.wants(1, time):
            both.show(1, np.zeros((2, 2, 3), np.uint8), 1.0, face.model_copy(update={"time": float(time)}))
    both.name({1: "p1"})
    assert (first.seen, second.seen) == ([0, 2, 4, 6], [0, 3, 6])
    assert first.named == second.named == {1: "p1"}


def test_the_crop_of_a_frames_planes_is_that_of_its_rgb_picture() -> None:
    from emollm.media.video import frame_at

    path = assets.path("clip-pexels")
    seen = observe(Clip(id="x", video=path), OFF)
    face = seen.tracks[0].faces[0]
    frame = frame_at(path, face.time)
    cut = face_crop(frame.picture, frame.scale, face, 48, 0.1)
    whole = face_crop(frame.pixels, frame.scale, face, 48, 0.1)
    assert np.abs(cut.astype(int) - whole).mean() < 2
    assert face_crop(frame.picture, frame.scale, face, 47, 0.1).shape == (47, 47, 3)
