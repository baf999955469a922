"""Crops, regions and alignment."""

import math

import numpy as np
import pytest

from emollm.perception.geometry import Region, crop, letterbox, region_of, to_image
from emollm.perception.shape import align, mean_shape, pose_of


def test_a_crop_shows_the_region_at_its_own_size() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    patch = crop(pixels, Region(30, 20, 16, 0.0), 16)
    np.testing.assert_array_equal(patch, pixels[12:28, 22:38])


def test_a_turned_region_is_cut_upright() -> None:
    """A vertical bar in the picture is level in a region whose content is turned by a quarter."""
    pixels = np.zeros((101, 101, 3), np.uint8)
    pixels[:, 48:53] = 255
    patch = crop(pixels, Region(50, 50, 40, math.pi / 2), 40)
    assert patch[20].mean() > 200
    assert patch[5].mean() == 0


def test_points_of_a_crop_return_to_the_image() -> None:
    region = region_of(100, 50, 80, np.array([90.0, 40.0]), np.array([110.0, 60.0]))
    assert math.degrees(region.angle) == pytest.approx(45)
    matrix = to_image(region, 192)
    np.testing.assert_allclose(matrix @ [96, 96, 1], [100, 50])
    right = matrix @ [192, 96, 1]
    np.testing.assert_allclose(right - [100, 50], np.array([1, 1]) / math.sqrt(2) * 40, atol=1e-9)


def test_letterbox_keeps_the_aspect_and_tells_what_it_shows() -> None:
    square, region = letterbox(np.full((50, 100, 3), 200, np.uint8), 64)
    assert (region.x, region.y, region.side) == (50, 25, 100)
    assert square[0].max() == 0
    assert square[32].min() == 200


def _head(seed: int = 0) -> np.ndarray:
    """A symmetric cloud with the marked points of a face in their places, in mesh axes."""
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(239, 3)) * [0.7, 1, 0.5]
    points = np.concatenate([half, half * [-1, 1, 1]])
    points[10], points[152] = [0, -1.6, 0], [0, 1.5, 0]
    points[249], points[391] = points[10], points[152]  # on the midline a point is its own mirror image
    points[24], points[272] = [0.9, -0.6, 0.2], [-0.9, -0.6, 0.2]
    points[263], points[33] = [0.9, -0.6, 0.2], [-0.9, -0.6, 0.2]
    return points


def _turn(yaw: float = 0, pitch: float = 0, roll: float = 0) -> np.ndarray:
    """Rotation in image axes (x right, y down, z away): yaw to image right, pitch up, roll clockwise."""
    a, b, c = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@pytest.mark.parametrize(
    ("name", "angle"),
    [("yaw", 25.0), ("yaw", -40.0), ("pitch", 15.0), ("pitch", -20.0), ("roll", 30.0), ("roll", -10.0)],
)
def test_pose_recovers_the_angle_the_head_was_turned_by(name: str, angle: float) -> None:
    """Yaw to the person's left is to the image's right, pitch up, roll to the person's left is clockwise."""
    face = _head()
    face -= face.mean(0)
    turned = face @ _turn(**{name: angle}).T * 37 + [300, 200, 5]
    pose = pose_of(align(turned, face.astype(np.float32)).rotation)
    assert getattr(pose, name) == pytest.approx(angle, abs=0.01)
    assert all(abs(value) < 0.01 for other, value in pose._asdict().items() if other != name)


def test_alignment_undoes_position_size_and_rotation() -> None:
    face = _head()
    face -= face.mean(0)
    moved = face @ _turn(20, -10, 5).T * 80 + [10, 20, 30]
    aligned = align(moved, face.astype(np.float32))
    np.testing.assert_allclose(aligned.points, face, atol=1e-4)
    assert aligned.scale == pytest.approx(80)


def test_the_mean_face_is_symmetric_whatever_the_data_looked_at() -> None:
    rng = np.random.default_rng(1)
    faces = np.array(
        [
            _head() @ _turn(*rng.normal(size=3) * 15 + [20, 0, 0]).T + rng.normal(size=(478, 3)) * 0.005
            for _ in range(40)
        ]
    )
    mean = mean_shape(faces.astype(np.float32))
    mirrored = mean * [-1, 1, 1]
    nearest = np.linalg.norm(mirrored[:, None] - mean[None], axis=2).min(1)
    assert nearest.max() < 0.01
    assert np.sqrt((mean**2).sum(1).mean()) == pytest.approx(1)
