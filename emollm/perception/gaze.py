"""Where the eyes look, from the irises of a mesh.

The iris is 11.7 mm wide in nearly everyone (Hashemi et al. 2012: 11.7 ± 0.5), which gives the eye's scale, and turns on an
eyeball of about 12 mm radius. The angle is that of the eyes *in the head* (FACS 61–64 code the same), averaged over both.
"""

import math
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
    across, down, ahead = rotation[:2, 0], rotation[:2, 1], -rotation[:2, 2]  # the head's own axes as seen in the image
    angles = []
    for corners, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        rim = points[iris, :2]
        width = float(np.mean([np.linalg.norm(rim[1] - rim[3]), np.linalg.norm(rim[2] - rim[4])]))
        offset = rim[0] - points[list(corners), :2].mean(0)
        millimetres = offset * _IRIS_MM / max(width, 1e-3) - ahead * _PROTRUSION_MM
        sideways, downward = np.linalg.lstsq(np.stack([across, down], 1), millimetres, rcond=None)[0]
        angles.append((_angle(sideways), -_angle(downward)))
    yaw, pitch = np.mean(angles, axis=0)
    return Gaze(float(yaw), float(pitch) - _REST_PITCH)


def _angle(millimetres: float) -> float:
    return math.degrees(math.asin(float(np.clip(millimetres / _EYEBALL_MM, -_STEEPEST, _STEEPEST))))
