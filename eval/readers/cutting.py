"""Pictures written out of tables and larger pictures, so that all that follows meets files."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emollm.files import replacing

Pixels = NDArray[np.uint8]


def picture_at(folder: Path, id: str) -> Path:
    """Where the picture of an item lies: named as the item as far as a file name can be, and by a digest of its id."""
    safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in id)[-60:].removesuffix(".png")
    return folder / f"{safe}-{sha256(id.encode(errors='surrogateescape')).hexdigest()[:8]}.png"


def written(path: Path, pixels: Callable[[], Pixels]) -> Path:
    """The path, after the picture was written there unless it is there already.

    Args:
        path: A PNG; it appears whole or not at all.
        pixels: Gives (H, W) grey or (H, W, 3) RGB.
    """
    from PIL import Image

    if not path.exists():
        with replacing(path) as file:
            Image.fromarray(pixels()).save(file, format="PNG")
    return path
