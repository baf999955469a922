"""Regions of a face and the crops, points and angles that belong to them.

Image coordinates: x to the right, y down, pixels; angles in radians, clockwise in the image.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emollm.media.planes import Planes

Pixels = NDArray[np.uint8]
Points = NDArray[np.float32]


_limited = [0, 0]
"""How many ask for one thread of OpenCV, and how many threads it had before."""
_limiting = threading.Lock()


@contextmanager
def one_thread_of_opencv() -> Iterator[None]:
    """Keeps OpenCV from sharing out work: crops are small, and its thread pool costs a quarter of the processor time.

    The setting is the whole process's; when the last one that asked is done, it is as before.
    """
    with _limiting:
        if not _limited[0]:
            _limited[1] = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _limited[0] += 1
    try:
        yield
    finally:
        with _limiting:
            _limited[0] -= 1
            if not _limited[0]:
                cv2.setNumThreads(_limited[1])


class Region(NamedTuple):
    """A rotated square in an image."""

    x: float
    """Centre."""
    y: float
    side: float
    angle: float
    """By how much the content is turned, clockwise; a crop turns it back upright."""


def region_of(x: float, y: float, side: float, start: Points, end: Points) -> Region:
    """A square at (x, y) turned so that the line from ``start`` to ``end`` is level."""
    return Region(x, y, side, math.atan2(float(end[1] - start[1]), float(end[0] - start[0])))


def to_image(region: Region, size: int) -> NDArray[np.float64]:
    """Affine map (2, 3) from a ``size`` × ``size`` crop to the image."""
    scale = region.side / size
    cos, sin = math.cos(region.angle) * scale, math.sin(region.angle) * scale
    half = size / 2
    return np.array(
        [[cos, -sin, region.x - half * (cos - sin)], [sin, cos, region.y - half * (sin + cos)]], dtype=np.float64
    )


Image = Pixels | Planes
"""An RGB picture (H, W, 3), or a frame's planes of the same size."""


def crop(pixels: Image, region: Region, size: int, border: int = cv2.BORDER_REPLICATE) -> Pixels:
    """The region as an upright ``size`` × ``size`` picture, bilinear.

    As in MediaPipe, whose nets were trained so: corners map to corners, without half a pixel's shift and without a filter
    (measured: with either, blendshapes differ from MediaPipe's by up to 0.2 instead of 0.04).

    Args:
        pixels: (H, W, 3) uint8, or a frame's planes.
        region: Where to cut.
        size: Side of the result in pixels.
        border: OpenCV's border mode for what lies outside of the image.
    """
    if isinstance(pixels, Planes):
        return pixels.warped(to_image(region, size), size, border)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels, to_image(region, size), (size, size), flags=flags, borderMode=border)  # type: ignore[return-value]


def rgb(picture: Image) -> Pixels:
    """All of a picture as RGB (H, W, 3)."""
    return picture.rgb() if isinstance(picture, Planes) else picture


def letterbox(pixels: Pixels, size: int) -> tuple[Pixels, Region]:
    """The whole picture in a ``size`` × ``size`` square with black bars, and the region that the square shows."""
    height, width = pixels.shape[:2]
    region = Region(width / 2, height / 2, float(max(height, width)), 0.0)
    return crop(pixels, region, size, cv2.BORDER_CONSTANT), region
