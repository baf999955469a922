"""Pictures as data URIs, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from emollm.media.images import Picture
    from emollm.types import Box

_QUALITY = 82
_MARGIN = 0.35
"""Share of a face's size that a close-up shows on each side of it."""


def picture_uri(picture: Picture, longest: int) -> str:
    """The whole picture as a data URI (WebP), its longer side at most ``longest`` pixels."""
    return image_uri(_image(picture), longest)


def around(picture: Picture, box: Box) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a close-up of a face, in the picture's own pixels and within the picture.

    Args:
        picture: Its ``scale`` tells how its pixels relate to those of the file.
        box: In pixels of the file; it may lie partly or wholly outside.
    """
    height, width = picture.pixels.shape[:2]
    margin = _MARGIN * max(box.width, box.height)
    left = min(max(math.floor((box.x - margin) * picture.scale), 0), width - 1)
    top = min(max(math.floor((box.y - margin) * picture.scale), 0), height - 1)
    right = min(max(math.ceil((box.x + box.width + margin) * picture.scale), left + 1), width)
    bottom = min(max(math.ceil((box.y + box.height + margin) * picture.scale), top + 1), height)
    return left, top, right, bottom


def crop_uri(picture: Picture, corners: tuple[int, int, int, int], longest: int) -> str:
    """A part of the picture as a data URI, its longer side at most ``longest`` pixels."""
    left, top, right, bottom = corners
    from PIL import Image

    return image_uri(Image.fromarray(picture.pixels[top:bottom, left:right]), longest)


def _image(picture: Picture) -> Image:
    from PIL import Image

    return Image.fromarray(picture.pixels)


def image_uri(image: Image, longest: int) -> str:
    """A drawn picture as a data URI, its longer side at most ``longest`` pixels."""
    if max(image.size) > longest:
        image = image.copy()
        image.thumbnail((longest, longest), reducing_gap=3.0)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
