"""Where the eyes look, from the irises of a mesh.

The iris is 11.7 mm wide in nearly everyone (Hashemi et al. 2012: 11.7 ± 0.5), which gives the eye's scale, and turns on an
eyeball of about 12 mm radius. The angle is that of the eyes *in the head* (FACS 61–64 code the same), averaged over both.
"""

from typing import NamedTuple

import numpy as np

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
    return Gaze(*map(float, gazes_of(points[None], rotation[None])[0]))


def gazes_of(points: Array, rotations: Array) -> Array:
    """:func:`gaze_of` of many meshes: degrees (m, 2) of yaw and pitch.

    Args:
        points: (m, 478, 3).
        rotations: (m, 3, 3).
    """
    # The head's own axes as seen in the image; a profile (the two fall together) is measured as nearly one.
    (ax, dx, bx), (ay, dy, by) = (tuple(rotations[:, row].astype(np.float64).T) for row in (0, 1))
    across_down = ax * dy - ay * dx
    area = np.copysign(np.maximum(np.abs(across_down), _FLATTEST), across_down)
    angles = np.zeros((len(points), 2))
    for corners, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        rim = points[:, iris, :2].astype(np.float64)  # the first is the centre
        wide = np.linalg.norm(rim[:, 1] - rim[:, 3], axis=1) + np.linalg.norm(rim[:, 2] - rim[:, 4], axis=1)
        scale = _IRIS_MM / np.maximum(wide / 2, 1e-3)
        away = rim[:, 0] - points[:, list(corners), :2].mean(1)
        x = away[:, 0] * scale + bx * _PROTRUSION_MM
        y = away[:, 1] * scale + by * _PROTRUSION_MM
        angles[:, 0] += _angle((x * dy - y * dx) / area) / 2
        angles[:, 1] -= _angle((ax * y - ay * x) / area) / 2
    angles[:, 1] -= _REST_PITCH
    return angles.astype(np.float32)


def _angle(millimetres: Array) -> Array:
    """Degrees by which eyes are turned that stand so far from their middle."""
    return np.degrees(np.arcsin(np.clip(millimetres / _EYEBALL_MM, -_STEEPEST, _STEEPEST)))
