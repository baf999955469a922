"""Which parts of a face can be measured: what lies beyond the picture's edge, and eyes that show no gaze."""

import numpy as np
from numpy.typing import NDArray

from emollm.facs import BLENDSHAPES, Region
from emollm.perception.litert import Array

SHUT = 0.6
"""Both eyes closed by so much: there is no gaze to measure."""
FARTHEST_GAZE = 45.0
"""Degrees that eyes can turn in the head, about; what reads beyond is dark glasses, or no eye."""
PARTIAL = 0.1
"""Share of all mesh points beyond the edge from which on a face is called partial."""
_HIDDEN = 0.3
"""Share of a region's mesh points beyond the picture's edge from which on its units are not measured."""

# Mesh points by which it is judged whether a region lies in the picture.
_REGION_POINTS = {
    Region.UPPER: (70, 63, 105, 66, 107, 55, 336, 296, 334, 293, 300, 285),
    Region.EYES: (33, 159, 145, 133, 263, 386, 374, 362, 50, 280),
    Region.LOWER: (61, 291, 0, 17, 13, 14, 78, 308, 152, 98, 327, 205, 425),
}
_BLINKS = [BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]


def outside(points: Array, width: int, height: int) -> NDArray[np.bool_]:
    """Which mesh points (…, n, 2 or 3) lie beyond the edges of a picture of that size: (…, n)."""
    x, y = points[..., 0], points[..., 1]
    return (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)


def hidden(beyond: NDArray[np.bool_]) -> dict[Region, NDArray[np.bool_]]:
    """Regions that lie beyond the edge, from :func:`outside` of all points (…, 478): (…) each."""
    return {name: beyond[..., list(points)].mean(-1) > _HIDDEN for name, points in _REGION_POINTS.items()}


def shut(blendshapes: Array) -> NDArray[np.bool_]:
    """Whether both eyes are closed, from blendshapes (…, 52): (…)."""
    return blendshapes[..., _BLINKS].min(-1) > SHUT
