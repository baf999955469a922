"""Face meshes: 478 points of a face, and what the networks saw on the way.

Two nets share one order of points (MediaPipe's canonical face mesh, Kartynnik et al. 2019): 0–467 the face, 468–472 the
iris of the person's right eye (centre, then four rim points), 473–477 that of the left eye.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm import assets
from emollm.perception.geometry import Pixels, Region, crop, region_of, to_image
from emollm.perception.litert import Array, Net

RIGHT_EYE = (33, 133)
"""Outer and inner corner of the person's right eye."""
LEFT_EYE = (263, 362)
RIGHT_IRIS = slice(468, 473)
LEFT_IRIS = slice(473, 478)

FACE_MARGIN = 1.5
"""Side of the region a mesh net sees, in sides of the face's box (MediaPipe's face landmark graph)."""
_ABOVE, _LARGER = 0.02, 1.02
"""How much higher (in sides) and larger a face's own region is than that of its detection: medians over FER+ train tiles and
photos, between those of the two detectors."""
EYE_MARGIN = 2.3
"""Side of the region the iris net sees, in distances between the corners of the eye (MediaPipe's iris graph)."""

# Inner tensors of the light mesh net that the action-unit head reads: its trunk (3, 3, 128) before the point and the
# presence branches part, and the last feature map of the point branch (3, 3, 32).
MESH_TAPS = (160, 207)
FACE_POINTS = 468
"""Points of the mesh net itself; those of the irises follow."""
MESH_FEATURES = 3 * 3 * (128 + 32)
"""Length of the mesh net's own part of ``Mesh.features``; what the iris net sees follows."""


class Mesh(NamedTuple):
    """The mesh of one face."""

    points: NDArray[np.float32]
    """(478, 3): x, y in image pixels; z in the same unit, smaller is nearer, about 0 at the centre of the head."""
    presence: float
    """Probability that the region shows a face."""
    region: Region
    """Where the net looked."""
    features: NDArray[np.float32] | None = None
    """(F,): what the light net knows beside its points, input of the action-unit head."""


class LightMesh:
    """The light mesh net (192 × 192, 468 points) with the iris net: about 2.5 ms a face on one core.

    Args:
        mesh: ``face_landmark.tflite``, opened with ``MESH_TAPS``.
        iris: ``iris_landmark.tflite``.
    """

    def __init__(self, mesh: Net, iris: Net) -> None:
        self._mesh = mesh
        self._iris = iris

    def __call__(self, pixels: Pixels, region: Region) -> Mesh:
        """Mesh of the face in a region, after a first look if that is needed to see the face well.

        The nets see a face best in the region of its own points. A detection's region is often nearly that, and is then
        looked at once; otherwise the points of a first look say where to look again.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            region: From :func:`region_of_detection`, or from the points of an earlier frame.
        """
        seen = self._look(pixels, region)
        better = region_of_points(seen.points)
        return self._with_irises(pixels, seen if nearly_same(region, better) else self._look(pixels, better))

    def looks(self, pixels: Pixels, region: Region) -> list[Mesh]:
        """All looks at a face, for training: that at the region itself if it is near enough, and that at its own points."""
        first = self._look(pixels, region)
        better = region_of_points(first.points)
        seen = [first] if nearly_same(region, better) else []
        return [self._with_irises(pixels, look) for look in (*seen, self._look(pixels, better))]

    def _look(self, pixels: Pixels, region: Region) -> Mesh:
        """The mesh without irises, its feature maps beside it."""
        raw, presence, *taps = self._mesh(to_input(crop(pixels, region, self._mesh.input_shape[1])))
        points = points_in_image(raw.reshape(468, 3), region, self._mesh.input_shape[1])
        return Mesh(points, sigmoid(float(presence.item())), region, np.concatenate([tap.ravel() for tap in taps]))

    def _with_irises(self, pixels: Pixels, look: Mesh) -> Mesh:
        right, right_lids = self._eye(pixels, look.points, RIGHT_EYE, mirrored=False)
        left, left_lids = self._eye(pixels, look.points, LEFT_EYE, mirrored=True)
        features = np.concatenate([look.features if look.features is not None else [], right_lids, left_lids])
        return look._replace(points=np.concatenate([look.points, right, left]), features=features.astype(np.float32))

    def _eye(self, pixels: Pixels, points: Array, corners: tuple[int, int], mirrored: bool) -> tuple[Array, Array]:
        """Iris points (5, 3) in the image, and lids, brow and iris (228,) relative to the eye, mirrored to a right eye."""
        size = self._iris.input_shape[1]
        outer, inner = points[corners[0]], points[corners[1]]
        # In the image a right eye's outer corner is on the left; a left eye is mirrored so that the net sees the same.
        start, end = (inner, outer) if mirrored else (outer, inner)
        middle = (outer + inner) / 2
        side = EYE_MARGIN * max(float(np.linalg.norm(outer[:2] - inner[:2])), 1.0)
        region = region_of(middle[0], middle[1], side, start, end)
        patch = crop(pixels, region, size)
        lids, iris = self._iris(to_input(np.ascontiguousarray(patch[:, ::-1]) if mirrored else patch))
        seen = np.concatenate([lids.reshape(71, 3), iris.reshape(5, 3)])
        rim = seen[71:].copy()
        if mirrored:
            rim[:, 0] = size - 1 - rim[:, 0]
        rim = points_in_image(rim, region, size)
        rim[:, 2] += middle[2]
        return rim, (seen / size - 0.5).astype(np.float32).ravel()


def region_of_detection(box: Array, points: Array) -> Region:
    """The region a mesh net sees of a detected face.

    Args:
        box: (4,) left, top, right, bottom.
        points: (6, 2) BlazeFace's key points; the first two are the eyes.
    """
    side = FACE_MARGIN * max(float(box[2] - box[0]), float(box[3] - box[1]))
    return region_of((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, side, points[0], points[1])


def region_of_points(points: Array) -> Region:
    """The region a mesh net sees of a face whose points are known: as in tracking, independent of the detector.

    Args:
        points: (468 or more, 2 or 3) mesh points.
    """
    face = points[:468, :2]
    turned = region_of(0, 0, 1, points[RIGHT_EYE[0]], points[LEFT_EYE[0]])
    cos, sin = np.cos(turned.angle), np.sin(turned.angle)
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)  # image to upright
    upright = face @ turn.T
    low, high = upright.min(0), upright.max(0)
    centre = turn.T @ ((low + high) / 2)
    return Region(float(centre[0]), float(centre[1]), FACE_MARGIN * float((high - low).max()), turned.angle)


def nearly_same(one: Region, two: Region) -> bool:
    """Whether two regions differ so little that a second look shows the same: 6 % of the side, 10 % in size, 8°.

    The head is trained on looks within these bounds.
    """
    away = math.hypot(one.x - two.x, one.y - two.y) / two.side
    turned = abs(math.remainder(one.angle - two.angle, 2 * math.pi))
    return away < 0.06 and abs(one.side / two.side - 1) < 0.1 and turned < math.radians(8)


def expected_region(region: Region) -> Region:
    """Where a face's own region most likely is, given that of its detection."""
    up = region.side * _ABOVE
    x, y = region.x + up * math.sin(region.angle), region.y - up * math.cos(region.angle)
    return Region(x, y, region.side * _LARGER, region.angle)


def to_input(patch: Pixels) -> Array:
    """A crop (H, W, 3) as input of a mesh net: (1, H, W, 3) in [0, 1]."""
    return np.multiply(patch[None], 1 / 255.0, dtype=np.float32)


def points_in_image(points: Array, region: Region, size: int) -> Array:
    """Points (n, 3) of a crop in image pixels."""
    matrix = to_image(region, size).astype(np.float32)
    return np.concatenate([points[:, :2] @ matrix[:, :2].T + matrix[:, 2], points[:, 2:] * (region.side / size)], 1)


def sigmoid(logit: float) -> float:
    """Probability of a logit."""
    return float(1 / (1 + np.exp(-np.clip(logit, -80, 80))))


def open_light_mesh() -> LightMesh:
    """The light mesh net with its iris net, from the assets ``face-mesh`` and ``iris``."""
    return LightMesh(
        Net(assets.path("face-mesh"), name="face-mesh", taps=MESH_TAPS),
        Net(assets.path("iris"), name="iris"),
    )
