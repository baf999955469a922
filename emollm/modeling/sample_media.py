"""The media of a Sample as the processor takes them: decoded pictures with their boxes, voices at 16 kHz."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.media.audio import open_sound
from emollm.media.images import looks_like_image, read_image
from emollm.media.video import frame_at
from emollm.modeling.processing import RATE, SECONDS
from emollm.samples import MediaItem


class Look(NamedTuple):
    """A picture."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    boxes: tuple[tuple[float, ...], ...]
    """Faces to be cut out, in its pixels: x, y, width, height, roll in degrees."""


def look(item: MediaItem, root: Path) -> Look:
    """The picture of an item: a photo, or the frame of a video at its ``start``.

    Args:
        item: Of type ``image``.
        root: What relative paths are relative to.

    Raises:
        MediaError: It cannot be read.
    """
    path = root / item.path
    picture: Any = read_image(path) if item.start is None or looks_like_image(path) else frame_at(path, item.start)
    box, scale = item.box, picture.scale
    if box is None:
        return Look(picture.pixels, ())
    return Look(
        picture.pixels,
        ((box.x * scale, box.y * scale, box.width * scale, box.height * scale, item.roll),),
    )


def listen(item: MediaItem, root: Path) -> NDArray[np.float32]:
    """(samples,) of the sound of an item at 16 kHz, from its ``start`` to its ``end``; at most the :data:`SECONDS` that a tower hears.

    What lies before is decoded and not kept, what lies behind is not decoded.

    Raises:
        MediaError: It cannot be read.
        DataError: Nothing lies between start and end.
    """
    first = last = given = 0
    kept: list[NDArray[np.float32]] = []
    for block in open_sound(root / item.path).blocks():
        if not kept:
            first = max(0, round((item.start - block.start) * RATE)) if item.start is not None else 0
            last = first + SECONDS * RATE
            last = last if item.end is None else min(last, max(0, round((item.end - block.start) * RATE)))
        kept.append(block.samples[max(0, first - given) : max(0, last - given)])
        given += len(block.samples)
        if given >= last:
            break
    cut = np.concatenate(kept)
    if not len(cut):
        raise DataError(f"{item.path}: no sound between {item.start} and {item.end} s; mend start and end")
    return cut
