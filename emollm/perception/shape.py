"""The shape of a face apart from how the head is held: similarity alignment of a mesh to a mean face (Kabsch 1976)."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.perception.litert import Array
from emollm.perception.mesh import LEFT_EYE, RIGHT_EYE

_FOREHEAD, _CHIN = 10, 152


class Aligned(NamedTuple):
    """A mesh laid onto the mean face."""

    points: Array
    """(n, 3): the mesh turned frontal, in the unit of the mean face (its root-mean-square radius is 1)."""
    rotation: Array
    """(3, 3): turns a frontal face into the observed one, in image axes (x right, y down, z away from the camera)."""
    scale: float
    """Image pixels of one unit of the mean face."""


def align(points: Array, mean: Array) -> Aligned:
    """Least-squares similarity of a mesh to the mean face.

    Args:
        points: (n, 3) mesh in image pixels.
        mean: (n, 3) mean face, centred.
    """
    one = align_many(points[None], mean)
    return Aligned(one.points[0], one.rotation[0], float(one.scale[0]))


class AlignedMany(NamedTuple):
    """Meshes laid onto the mean face; see :class:`Aligned`."""

    points: Array
    """(m, n, 3)."""
    rotation: Array
    """(m, 3, 3)."""
    scale: NDArray[np.float64]
    """(m,)."""


def align_many(points: Array, mean: Array) -> AlignedMany:
    """:func:`align` of many meshes (m, n, 3) at once."""
    mean = mean.astype(np.float64)
    shape = (points - points.mean(1, keepdims=True)).astype(np.float64)
    u, size, vt = np.linalg.svd(mean.T @ shape)
    signs = np.ones((len(points), 3))
    signs[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * signs[:, None, :]) @ vt  # row vectors: mean @ turn ≈ shape
    scale = (size * signs).sum(1) / (mean**2).sum()
    frontal = shape @ turn.transpose(0, 2, 1) / scale[:, None, None]
    return AlignedMany(frontal.astype(np.float32), turn.transpose(0, 2, 1).astype(np.float32), scale)


class Pose(NamedTuple):
    """How the head is held, in degrees; zero is the mean face."""

    yaw: float
    """Positive: turned to the person's own left."""
    pitch: float
    """Positive: up."""
    roll: float
    """Positive: tilted to the person's own left."""


def pose_of(rotation: Array) -> Pose:
    """Angles of the head from the rotation of :func:`align`."""
    return Pose(*map(float, poses_of(rotation[None])[0]))


def poses_of(rotations: Array) -> Array:
    """:func:`pose_of` of many rotations (m, 3, 3): degrees (m, 3) of yaw, pitch, roll."""
    ahead, across = -rotations[:, :, 2], rotations[:, :, 0]
    yaw = np.arctan2(ahead[:, 0], -ahead[:, 2])
    pitch = np.arcsin(np.clip(-ahead[:, 1], -1, 1))
    roll = np.arctan2(across[:, 1], across[:, 0])
    return np.degrees(np.stack([yaw, pitch, roll], 1)).astype(np.float32)


def mean_shape(meshes: Array, rounds: int = 4) -> Array:
    """Mean face of many meshes by generalised Procrustes analysis (Gower 1975), made left-right symmetric.

    In the mean face the outer eye corners are level and at one distance from the camera, and the chin is straight below the
    top of the forehead; yaw and roll of the mean face are zero by this, its pitch is the median pitch of the data.

    Args:
        meshes: (m, n, 3) in any unit.
        rounds: How often the mean is re-estimated.

    Returns:
        (n, 3), centred, root-mean-square radius 1.
    """
    mean = _frontal(meshes[0])
    for _ in range(rounds):
        mean = _frontal(np.mean([align(mesh, mean).points for mesh in meshes], axis=0))
        mirrored = mean * np.array([-1, 1, 1], np.float32)
        twin = np.argmin(
            ((mirrored[:, None] - mean[None]) ** 2).sum(-1), axis=1
        )  # each point's partner on the other side
        mean = _unit((mean + align(mirrored[twin], mean).points) / 2)
    mean = _frontal(mean)
    pitch = math.radians(float(np.median([pose_of(align(mesh, mean).rotation).pitch for mesh in meshes])))
    cos, sin = math.cos(pitch), math.sin(pitch)
    return (mean @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])).astype(np.float32)


def _frontal(points: Array) -> Array:
    """Turns a mesh so that the line of the outer eye corners is x and forehead to chin lies in the plane x = 0."""
    x = (points[LEFT_EYE[0]] - points[RIGHT_EYE[0]]).astype(np.float64)
    x /= np.linalg.norm(x)
    y = (points[_CHIN] - points[_FOREHEAD]).astype(np.float64)
    y -= (y @ x) * x
    y /= np.linalg.norm(y)
    return _unit((points @ np.stack([x, y, np.cross(x, y)]).T).astype(np.float32))


def _unit(points: NDArray[np.floating]) -> Array:
    shape = points.astype(np.float32) - points.mean(0)
    return (shape / np.sqrt((shape**2).sum(1).mean())).astype(np.float32)
