"""The light mesh, the head on it, and finding faces."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from emollm import assets
from emollm.errors import ModelError
from emollm.media.images import Picture
from emollm.perception.blazeface import Detection, iou, merge
from emollm.perception.faces import distinct, same_face
from emollm.perception.geometry import Region
from emollm.perception.landmarker import FaceLandmarker
from emollm.perception.mesh import (
    LEFT_EYE,
    LEFT_IRIS,
    RIGHT_EYE,
    RIGHT_IRIS,
    nearly_same,
    open_light_mesh,
    region_of_points,
)
from emollm.perception.mesh_head import Head


def test_irises_lie_between_the_corners_of_their_eyes(astronaut_picture: Picture) -> None:
    mesh = open_light_mesh()(astronaut_picture.pixels, Region(225, 125, 165, 0.0))
    assert mesh.presence > 0.9
    for corners, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        x = sorted(mesh.points[list(corners), 0])
        assert x[0] < mesh.points[iris, 0].mean() < x[1]
        width = np.linalg.norm(mesh.points[iris][1, :2] - mesh.points[iris][3, :2])
        assert 0.25 < width / (x[1] - x[0]) < 0.6


def test_a_poor_region_is_looked_at_again(astronaut_picture: Picture) -> None:
    """From a region that is off by a fifth of the face the same points come out as from a good one."""
    mesh = open_light_mesh()
    good = mesh(astronaut_picture.pixels, Region(225, 125, 165, 0.0))
    poor = mesh(astronaut_picture.pixels, Region(240, 110, 210, 0.2))
    assert not nearly_same(poor.region, Region(240, 110, 210, 0.2))
    assert np.abs(good.points[:, :2] - poor.points[:, :2]).mean() < 2.5


def test_presence_is_low_where_there_is_no_face(astronaut_picture: Picture) -> None:
    assert open_light_mesh()(astronaut_picture.pixels, Region(430, 430, 120, 0.0)).presence < 0.5


def test_the_region_of_points_is_theirs_when_the_picture_turns() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((478, 3)).astype(np.float32) * 100
    points[RIGHT_EYE[0]], points[LEFT_EYE[0]] = [20, 50, 0], [80, 50, 0]
    angle = 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    plain, turned = region_of_points(points), region_of_points((points @ turn.T).astype(np.float32))
    assert turned.angle - plain.angle == pytest.approx(angle, abs=1e-4)
    assert turned.side == pytest.approx(plain.side, rel=1e-4)
    np.testing.assert_allclose([turned.x, turned.y], turn[:2, :2] @ [plain.x, plain.y], atol=1e-2)


def detection(x: float, y: float, side: float, score: float = 0.9) -> Detection:
    return Detection(score, np.array([x, y, x + side, y + side], np.float32), np.zeros((6, 2), np.float32))


def test_overlapping_boxes_are_one_face_and_neighbours_are_two() -> None:
    a, b, c = detection(0, 0, 100), detection(20, 10, 100), detection(90, 0, 100)
    assert same_face(a.box, b.box)
    assert not same_face(a.box, c.box)
    assert same_face(a.box, detection(40, 40, 20).box), "a small box in the middle of a large one"
    assert distinct([a, b, c]) == [a, c]
    assert distinct([b, c], known=[a]) == [c]


def test_weighted_suppression_averages_by_score() -> None:
    shapes = np.array([[[0, 0], [10, 10]], [[2, 0], [12, 10]], [[50, 50], [60, 60]]], np.float32)
    merged = merge(np.array([0.9, 0.3, 0.5], np.float32), shapes, 0.3)
    assert [score for score, _ in merged] == pytest.approx([0.9, 0.5])
    np.testing.assert_allclose(merged[0][1], [[0.5, 0], [10.5, 10]], atol=1e-5)
    assert iou(np.array([0, 0, 2, 2]), np.array([[1, 1, 3, 3], [0, 0, 2, 2]]))[0] == pytest.approx(1 / 7)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_landmarker_bundle_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.task").write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.task: expected a face landmarker bundle") as caught:
        FaceLandmarker(tmp_path / "x.task")
    assert "\n" not in str(caught.value)


def test_a_bundle_of_other_nets_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    """The light mesh has 468 points and is no blendshape net: it must not be run as if it were."""
    mesh = assets.path("face-mesh").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.task", "w") as bundle:
        bundle.writestr("face_landmarks_detector.tflite", mesh)
        bundle.writestr("face_blendshapes.tflite", mesh)
    with pytest.raises(ModelError, match="expected nets for 478 points and 52 blendshapes"):
        FaceLandmarker(tmp_path / "x.task")


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"text that is no safetensors"])
def test_what_is_no_head_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="not an action-unit head") as caught:
        Head(tmp_path / "model.safetensors")
    assert "\n" not in str(caught.value)
