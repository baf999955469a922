"""Grey boxes over parts of faces, where the face mesh says they are; where no face is found, over thirds of the picture."""

import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emollm.eval.sweeping.base import Facts, Part
from emollm.eval.sweeping.media import Pixels
from emollm.perception.geometry import one_thread_of_opencv
from emollm.report.regions import REGIONS
from emollm.types import Side

if TYPE_CHECKING:
    from emollm.perception.photo import PhotoPerception

GREY = 128
_RENEWED = 0.2
"""Seconds of a video after which faces are looked for again."""
_WIDER = {"eyes": 0.2, "mouth": 0.3, "half": 0.0}
"""By how much of its size a box reaches beyond the points on each side."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two excluded."""
Points = NDArray[np.floating]
"""(478, 2) mesh in pixels."""


class Covering:
    """Covers one part of each face in picture after picture.

    Args:
        part: What is covered.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._boxes: list[Box] = []
        self._found = False
        self._at = -_RENEWED
        self._looks = self._meshes = 0

    def __call__(self, pixels: Pixels, time: float) -> Pixels:
        """The picture with its boxes; of a video its frames in order."""
        if time - self._at >= _RENEWED:
            faces = meshes(pixels)
            self._at, self._found = time, bool(faces)
            height, width = pixels.shape[:2]
            self._boxes = [over(face, self._part) for face in faces] or [third(width, height, self._part)]
        self._looks += 1
        self._meshes += self._found
        out = pixels.copy()
        for left, top, right, bottom in self._boxes:
            out[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = GREY
        return out

    def facts(self) -> Facts:
        """Whether boxes were put by landmarks or by thirds of the picture; of a video the share of its frames."""
        share = self._meshes / max(self._looks, 1)
        return {"boxes by landmarks": share, "boxes by thirds": 1 - share}


def over(mesh: Points, part: Part) -> Box:
    """The box over a part of a face: eyes with brows, the mouth, or the person's own left half."""
    if part == "half":
        oval, line = mesh[list(REGIONS["face_oval"][0].points)], mesh[list(REGIONS["nose_line"][0].points)]
        own = next(region for region in REGIONS["eye"] if region.side is Side.LEFT)
        middle = float(line[:, 0].mean())
        on_right = float(mesh[list(own.points), 0].mean()) > middle
        left, right = (middle, oval[:, 0].max()) if on_right else (oval[:, 0].min(), middle)
        return _whole(left, oval[:, 1].min(), right, oval[:, 1].max())
    names = ("eye", "brow") if part == "eyes" else ("lips",)
    points = mesh[[point for name in names for region in REGIONS[name] for point in region.points]]
    (left, top), (right, bottom) = points.min(0), points.max(0)
    dx, dy = (right - left) * _WIDER[part], (bottom - top) * _WIDER[part]
    return _whole(left - dx, top - dy, right + dx, bottom + dy)


def third(width: int, height: int, part: Part) -> Box:
    """The box over where a part is in a picture that a face fills."""
    if part == "half":
        return width // 2, 0, width, height
    top, bottom = (height / 6, height / 2) if part == "eyes" else (height * 2 / 3, height)
    return _whole(0, top, width, bottom)


def meshes(pixels: Pixels) -> Sequence[Points]:
    """The mesh of each face that is found."""
    with _one_at_a_time, one_thread_of_opencv():
        return [person.reading.mesh.points[:, :2] for person in _perception().people(pixels)]


_one_at_a_time = threading.Lock()


@cache
def _perception() -> "PhotoPerception":
    from emollm.perception.expression import ExpressionSettings
    from emollm.perception.photo import open_photo_perception
    from emollm.perception.settings import PerceptionSettings

    alone = PerceptionSettings(action_units="mesh-head", expression=ExpressionSettings(net=None), threads=1)
    return open_photo_perception(alone)


def _whole(left: float, top: float, right: float, bottom: float) -> Box:
    return int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom))
