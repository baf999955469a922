"""How head and eyes are held, from the mesh alone, whichever net gave it."""

from typing import NamedTuple

import numpy as np

from emollm.perception.gaze import Gaze, gaze_of, gazes_of
from emollm.perception.litert import Array
from emollm.perception.mesh import Mesh
from emollm.perception.mesh_head import pretrained
from emollm.perception.shape import Pose, align, align_many, pose_of, poses_of
from emollm.types import Source


class Bearing(NamedTuple):
    """Head and eyes of one face."""

    pose: Pose
    gaze: Gaze


class MeshBearing:
    """Pose by alignment to a mean face, gaze by the irises.

    Args:
        mean: (478, 3) mean face that pose is measured against.
    """

    source = Source(backend="mesh-geometry", version="1", licence="Apache-2.0")

    def __init__(self, mean: Array) -> None:
        self._mean = mean

    def __call__(self, mesh: Mesh) -> Bearing:
        """Pose and gaze of a mesh of 478 points."""
        rotation = align(mesh.points, self._mean).rotation
        return Bearing(pose_of(rotation), gaze_of(mesh.points, rotation))

    def many(self, points: Array) -> Array:
        """Of meshes (m, 478, 3): degrees (m, 5) of yaw, pitch, roll, gaze yaw, gaze pitch."""
        rotations = align_many(points, self._mean).rotation
        return np.concatenate([poses_of(rotations), gazes_of(points, rotations)], 1)


def open_bearing() -> MeshBearing:
    """The geometry against the mean face that is shipped with the action-unit head."""
    return MeshBearing(pretrained().mean)
