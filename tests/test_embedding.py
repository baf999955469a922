"""When a face of a video is looked at, and exact decimals."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.embedding import Embedder, Head, _Looks, exact
from emollm.encoders.net import FaceNet, FaceNetConfig
from emollm.encoders.weights import Trained, TrainedConfig
from emollm.errors import MediaError, ModelError
from emollm.perception.settings import PerceptionSettings
from emollm.types import Box, Clip, Face, Peak, Track


def trained(aligner: str = "mesh@1", mirrored: bool = True) -> Trained:
    config = FaceNetConfig(
        labels=("a", "b"), embedding=3, backbone={"size": 16, "stem": 4, "widths": (8,), "depths": (1,)}
    )
    return Trained(
        "tiny", "0" * 12, FaceNet(config).eval(), TrainedConfig(net=config, aligner=aligner, mirrored=mirrored)
    )


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(trained(), Head.EMBEDDING, "none")


def face(time: float) -> Face:
    return Face(time=time, box=Box(x=4, y=4, width=20, height=20), confidence=0.9)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_decimals_stand_for_single_precision_exactly(value: float) -> None:
    (decimal,) = exact(np.array([value], np.float32))
    assert np.float32(decimal) == np.float32(value)


@pytest.mark.parametrize(
    ("rate", "every", "looks"),
    [
        (10.0, 0.5, [0.0, 0.5, 1.0, 1.5]),
        (30.0, 1.0, [0.0, 1.0]),
        (3.0, 0.5, [0.0, 2 / 3, 1.0, 5 / 3]),
        (2.0, 0.01, [0.0, 0.5, 1.0, 1.5]),
    ],
)
def test_the_first_frame_of_each_interval_is_wanted(
    embedder: Embedder, rate: float, every: float, looks: list[float]
) -> None:
    onlooker = _Looks(embedder, every)
    times = [number / rate for number in range(int(2 * rate))]
    assert [time for time in times if onlooker.wants(1, time)] == pytest.approx(looks)


def test_people_are_looked_at_in_the_same_frames(embedder: Embedder) -> None:
    onlooker = _Looks(embedder, 1.0)
    wanted = [
        (person, time)
        for time in (0.0, 0.4, 0.8, 1.2, 1.6, 2.0)
        for person in (1, 2)
        if time or person == 1
        if onlooker.wants(person, time)
    ]
    assert wanted == [(1, 0.0), (2, 0.4), (1, 1.2), (2, 1.2), (1, 2.0), (2, 2.0)]


def test_an_apex_that_was_looked_at_anyway_is_one_row(embedder: Embedder) -> None:
    onlooker = _Looks(embedder, 1.0)
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    for time in (0.0, 1.0):
        assert onlooker.wants(7, time)
        onlooker.show(7, pixels, 1.0, face(time))
    onlooker.name({7: "p1"})
    track = Track(id="p1", faces=(face(1.0),), prominence=1.0, peaks=(Peak(time=1.0, start=0.5, end=1.5, score=1.0),))
    rows = onlooker.of(Path("never opened.mp4"), [track])
    assert [(row.track, row.time, row.apex) for row in rows] == [("p1", 0.0, False), ("p1", 1.0, True)]


def test_people_who_do_not_count_have_no_rows(embedder: Embedder) -> None:
    onlooker = _Looks(embedder, 1.0)
    assert onlooker.wants(3, 0.0)
    onlooker.show(3, np.zeros((32, 32, 3), np.uint8), 1.0, face(0.0))
    onlooker.name({})
    assert onlooker.of(Path("never opened.mp4"), []) == []


def test_pooled_features_are_the_mean_of_a_face_and_its_mirror_image() -> None:
    crops = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
    both = Embedder(trained(), Head.POOLED, "none").vectors(np.concatenate([crops, crops[:, :, ::-1]]))[1]
    assert both[:3] == pytest.approx(both[3:], abs=1e-6)


def test_a_net_for_crops_of_another_aligner_is_refused() -> None:
    with pytest.raises(ModelError, match="cut by boxes@1"):
        Embedder(trained(aligner="boxes@1"), Head.EMBEDDING, "none")


def test_sound_is_refused(embedder: Embedder) -> None:
    with pytest.raises(MediaError, match="no pictures but sound"):
        embedder.embed(Clip(id="a.wav", audio=Path("a.wav")), PerceptionSettings())
