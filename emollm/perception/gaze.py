"""Where the eyes look, from the irises of a mesh.

The iris is 11.7 mm wide in nearly everyone (Hashemi et al. 2012: 11.7 ± 0.5), which gives the eye's scale, and turns on an
eyeball of about 12 mm radius. The angle is that of the eyes *in the head* (FACS 61–64 code the same), averaged over both.
"""

import math
from typing import NamedTuple

from emollm.perception.litert import Array
from emollm.perception.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS

_IRIS_MM = 11.7
_EYEBALL_MM = 12.0
_PROTRUSION_MM = 6.0
"""How far the iris stands before the middle of the eye's corners: turning the head alone shifts it by so much. Estimated on
FER+ train, where it makes gaze follow the blendshape model's eyeLook values best (docs/perception.md)."""
_REST_PITCH = 5.0
"""Degrees by which a straight gaze stands above the line of the corners: the median of FER+ train."""
_FLATTEST = 0.05
"""Least area, in the image, of the unit square of the head's own axes."""
_STEEPEST = 0.95
"""Sine at which an angle is cut off: beyond it the measured offset is no gaze any more."""


class Gaze(NamedTuple):
    """Direction of the eyes in the head, in degrees."""

    yaw: float
    """Positive: to the person's own left."""
    pitch: float
    """Positive: up."""


def gaze_of(points: Array, rotation: Array) -> Gaze:
    """Gaze of a mesh with irises.

    Args:
        points: (478, 3) mesh in image pixels.
        rotation: (3, 3) of :func:`emollm.perception.shape.align`: how the head is turned.
    """
    # The head's own axes as seen in the image; a profile (the two fall together) is measured as nearly one.
    (ax, dx, bx), (ay, dy, by) = rotation[:2].tolist()
    across_down = ax * dy - ay * dx
    area = math.copysign(max(abs(across_down), _FLATTEST), across_down)
    yaw = pitch = 0.0
    for corners, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        centre, *rim = points[iris, :2].tolist()
        (x0, y0), (x1, y1) = points[list(corners), :2].tolist()
        scale = _IRIS_MM / max((math.dist(rim[0], rim[2]) + math.dist(rim[1], rim[3])) / 2, 1e-3)
        x = (centre[0] - (x0 + x1) / 2) * scale + bx * _PROTRUSION_MM
        y = (centre[1] - (y0 + y1) / 2) * scale + by * _PROTRUSION_MM
        yaw += _angle((x * dy - y * dx) / area) / 2
        pitch -= _angle((ax * y - ay * x) / area) / 2
    return Gaze(yaw, pitch - _REST_PITCH)


def _angle(millimetres: float) -> float:
    """Degrees by which an eye is turned that stands so far from its middle."""
    return math.degrees(math.asin(min(max(millimetres / _EYEBALL_MM, -_STEEPEST), _STEEPEST)))
