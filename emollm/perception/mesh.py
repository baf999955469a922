"""Face meshes: 478 points of a face, and what the networks saw on the way.

Two nets share one order of points (MediaPipe's canonical face mesh, Kartynnik et al. 2019): 0–467 the face, 468–472 the
iris of the person's right eye (centre, then four rim points), 473–477 that of the left eye.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emollm import assets
from emollm.perception.geometry import Image, Pixels, Region, crop, region_of, to_image
from emollm.perception.litert import Array, Net

TO_INPUT = 1 / 255
"""What mesh nets see of the levels 0 to 255."""
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
    seen: "Seen | None" = None
    """What the light net was shown, until the eyes have been looked at."""


class Seen(NamedTuple):
    """The input of a look, and its points there."""

    patch: Pixels
    """(192, 192, 3)."""
    points: NDArray[np.float32]
    """(468, 3) in pixels of the patch."""


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
        seen = self.look(pixels, region)
        better = region_of_points(seen.points)
        return self.with_irises(pixels, seen if nearly_same(region, better) else self.look(pixels, better))

    def looks(self, pixels: Pixels, region: Region) -> list[Mesh]:
        """All looks at a face, for training: that at the region itself if it is near enough, and that at its own points."""
        first = self.look(pixels, region)
        better = region_of_points(first.points)
        seen = [first] if nearly_same(region, better) else []
        return [self.with_irises(pixels, look) for look in (*seen, self.look(pixels, better))]

    def look(self, pixels: Image, region: Region) -> Mesh:
        """One look at a region: 468 points without irises, the net's feature maps beside them."""
        patch = crop(pixels, region, self._mesh.input_shape[1])
        raw, presence, *taps = self._mesh.see(patch, TO_INPUT)
        raw = raw.reshape(FACE_POINTS, 3)
        points = points_in_image(raw, region, self._mesh.input_shape[1])
        features = np.concatenate([tap.ravel() for tap in taps])
        return Mesh(points, sigmoid(float(presence.item())), region, features, Seen(patch, raw))

    def with_irises(self, pixels: Image, look: Mesh, before: "Eyes | None" = None) -> Mesh:
        """A look (468 points) completed to 478 points, and the iris net's view of both eyes added to its features.

        Args:
            pixels: The picture of the look.
            look: From :meth:`look`.
            before: What was seen of the same person's eyes in earlier frames: an eye that has not changed since is not
                looked at anew. It is updated.
        """
        eyes = before if before is not None else Eyes()
        right, right_lids = self._eye(pixels, look, 0, eyes)
        left, left_lids = self._eye(pixels, look, 1, eyes)
        features = np.concatenate([look.features if look.features is not None else [], right_lids, left_lids])
        points = np.concatenate([look.points, right, left])
        return look._replace(points=points, features=features.astype(np.float32), seen=None)

    def _eye(self, pixels: Image, look: Mesh, index: int, eyes: "Eyes") -> tuple[Array, Array]:
        """Iris points (5, 3) in the image, and lids, brow and iris (228,) relative to the eye, mirrored to a right eye."""
        size, points = self._iris.input_shape[1], look.points
        corners, mirrored = ((RIGHT_EYE, False), (LEFT_EYE, True))[index]
        outer, inner = points[corners[0]], points[corners[1]]
        # In the image a right eye's outer corner is on the left; a left eye is mirrored so that the net sees the same.
        start, end = (inner, outer) if mirrored else (outer, inner)
        middle = (outer + inner) / 2
        side = EYE_MARGIN * max(float(np.linalg.norm(outer[:2] - inner[:2])), 1.0)
        region = region_of(middle[0], middle[1], side, start, end)
        view = None if look.seen is None else eye_view(look.seen, corners)
        seen = eyes.known(index, view)
        if seen is None:
            patch = crop(pixels, region, size)
            lids, iris = self._iris.see(patch[:, ::-1] if mirrored else patch, TO_INPUT)
            seen = np.concatenate([lids.reshape(71, 3), iris.reshape(5, 3)])
            eyes.keep(index, view, seen)
        rim = seen[71:].copy()
        if mirrored:
            rim[:, 0] = size - 1 - rim[:, 0]
        rim = points_in_image(rim, region, size)
        rim[:, 2] += middle[2]
        return rim, (seen / size - 0.5).astype(np.float32).ravel()


class Eyes:
    """What was last seen of a person's eyes: an eye is looked at anew when its picture has changed, or after some frames.

    On a clip of one moving face (472 frames) that is three looks of ten; intensities then differ by .003 in the mean (.05 on one
    in a hundred) from those of looking always, and correlate with them by .998 (docs/experiments.md 6).
    """

    CHANGED = 9.0
    """Mean difference of grey levels (0 to 255) from which on an eye has changed."""
    OLDEST = 8
    """Frames for which a view is used at most."""

    def __init__(self) -> None:
        self._views: list[Array | None] = [None, None]
        self._seen: list[Array | None] = [None, None]
        self._age = [0, 0]

    def known(self, index: int, view: Array | None) -> Array | None:
        """(76, 3) what the net saw of an eye (0 right, 1 left), if the eye still looks so.

        Args:
            index: Which eye.
            view: From :func:`eye_view`.
        """
        last = self._views[index]
        self._age[index] += 1
        if view is None or last is None or self._age[index] >= self.OLDEST:
            return None
        return self._seen[index] if float(np.abs(view - last).mean()) <= self.CHANGED else None

    def keep(self, index: int, view: Array | None, seen: Array) -> None:
        """Keeps what the net saw of an eye."""
        self._views[index], self._seen[index], self._age[index] = view, seen, 0


_VIEW = (16, 10)


def eye_view(seen: Seen, corners: tuple[int, int]) -> Array:
    """An eye with its lids, coarsely, in grey: (10, 16) in 0 to 255."""
    (x0, y0), (x1, y1) = seen.points[list(corners), :2].tolist()
    x, y, half = (x0 + x1) / 2, (y0 + y1) / 2, max(0.75 * math.hypot(x1 - x0, y1 - y0), 4.0)
    size = len(seen.patch)
    left, top = (int(min(max(low, 0), size - 8)) for low in (x - half, y - 0.6 * half))
    right, bottom = (int(min(max(high, low + 8), size)) for high, low in ((x + half, left), (y + 0.6 * half, top)))
    small = cv2.resize(seen.patch[top:bottom, left:right], _VIEW, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32).mean(2)


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
