"""The aligned crop of a face: what face encoders are trained on and fed with."""

import math

import cv2

from emollm.media.images import Picture
from emollm.perception.geometry import Pixels, Region, crop
from emollm.types import Face

MARGIN = 0.25
"""How far a crop reaches beyond the box of the mesh on each side, in sides of the box."""


def aligned_crop(picture: Picture, face: Face, size: int = 112, margin: float = MARGIN) -> Pixels:
    """A face upright and centred: (size, size, 3) uint8 RGB.

    Args:
        picture: The decoded photo.
        face: Box and roll as in the Observation, in pixels of the file.
        size: Side of the crop in pixels.
        margin: Share of the box's longer side that is added on each side. What lies outside of the photo repeats its edge.
    """
    box, scale = face.box, picture.scale
    side = max(box.width, box.height) * (1 + 2 * margin) * scale
    region = Region((box.x + box.width / 2) * scale, (box.y + box.height / 2) * scale, side, math.radians(face.roll))
    finer = max(
        1, int(side // size)
    )  # a large face is cut at several times the size and averaged, so that it does not alias
    patch = crop(picture.pixels, region, size * min(finer, 8))
    return cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA) if finer > 1 else patch  # type: ignore[return-value]
