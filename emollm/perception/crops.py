"""The aligned crop of a face: what face encoders are trained on and fed with."""

import math

import cv2
import numpy as np

from emollm.media.images import Picture
from emollm.perception.geometry import Image, Pixels, Region, crop, rgb
from emollm.perception.mesh import FACE_MARGIN, region_of_points
from emollm.types import Face

ALIGNER = "mesh@1"
"""How crops are cut; any change of it makes nets that were trained on them stale."""
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
    return face_crop(picture.pixels, picture.scale, face, size, margin)


def face_crop(picture: Image, scale: float, face: Face, size: int, margin: float) -> Pixels:
    """The same of a frame of a video; of its planes only what is cut out becomes RGB.

    Args:
        picture: (H, W, 3) uint8 RGB, or the frame's planes.
        scale: Size of ``picture`` divided by the size of the file's pictures.
        face: In pixels of the file.
        size: Side of the crop in pixels.
        margin: As for :func:`aligned_crop`.
    """
    if size % 2:  # planes of colour have half the size
        picture = rgb(picture)
    wide = crop_region(scale, face, margin)
    # A large face is cut at several times the size and averaged, so that it does not alias.
    finer = max(1, int(wide.side // size))
    patch = crop(picture, wide, size * min(finer, 8))
    return cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA) if finer > 1 else patch  # type: ignore[return-value]


def crop_region(scale: float, face: Face, margin: float) -> Region:
    """Which part of a picture is cut out, in the picture's own pixels; see :func:`face_crop`."""
    region = _region(face)
    return Region(region.x * scale, region.y * scale, region.side * (1 + 2 * margin) * scale, region.angle)


def _region(face: Face) -> Region:
    """The face itself: by its mesh, whose extent does not change when the head tilts; without one by its box."""
    if face.landmarks:
        own = region_of_points(np.array(face.landmarks, np.float32))
        return own._replace(side=own.side / FACE_MARGIN)
    box = face.box
    side = max(box.width, box.height)
    return Region(box.x + box.width / 2, box.y + box.height / 2, side, math.radians(face.roll))
