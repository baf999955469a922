"""The aligned crop of a face: what face encoders are trained on and fed with."""

import math

import cv2
import numpy as np

from emollm.media.images import Picture
from emollm.perception.geometry import Pixels, Region, crop
from emollm.perception.mesh import FACE_MARGIN, region_of_points
from emollm.types import Face

MARGIN = 0.25
"""How far a crop reaches beyond the mesh on each side, in sides of the face."""


def aligned_crop(picture: Picture, face: Face, size: int = 112, margin: float = MARGIN) -> Pixels:
    """A face upright and centred: (size, size, 3) uint8 RGB.

    Args:
        picture: The decoded photo.
        face: As in the Observation, in pixels of the file.
        size: Side of the crop in pixels.
        margin: Share of the face's longer side that is added on each side. What lies outside of the photo repeats its edge.
    """
    region, scale = _region(face), picture.scale
    side = region.side * (1 + 2 * margin) * scale
    region = Region(region.x * scale, region.y * scale, side, region.angle)
    finer = max(
        1, int(side // size)
    )  # a large face is cut at several times the size and averaged, so that it does not alias
    patch = crop(picture.pixels, region, size * min(finer, 8))
    return cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA) if finer > 1 else patch  # type: ignore[return-value]


def _region(face: Face) -> Region:
    """The face itself: by its mesh, whose extent does not change when the head tilts; without one by its box."""
    if face.landmarks:
        own = region_of_points(np.array(face.landmarks, np.float32))
        return own._replace(side=own.side / FACE_MARGIN)
    box = face.box
    side = max(box.width, box.height)
    return Region(box.x + box.width / 2, box.y + box.height / 2, side, math.radians(face.roll))
