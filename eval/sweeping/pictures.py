"""Worse pictures: blurred, compressed, made smaller, darker, grainy, or with parts of each face covered; of videos frame by frame.

A changed photo is PNG, whatever it was, so that nothing else is lost. A video is encoded anew (H.264, nearly without loss) and keeps its
sound by reference. A table that another tool made of the pictures is left out, because it was measured on the better ones.
"""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from emollm.eval.items import Item
from emollm.eval.sweeping.base import (
    Facts,
    Levels,
    Part,
    Shown,
    Tally,
    Variant,
    content_of,
    draw,
    once,
    replaced,
    sound_of,
)
from emollm.eval.sweeping.boxes import Covering
from emollm.eval.sweeping.media import Look, Pixels, looked_at, png

Degrade = Callable[[Pixels, float, np.random.Generator], Pixels]
_COVER = "covered"


def blur(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Gaussian, with a standard deviation in percent of the shorter side."""
    sigma = level / 100 * min(pixels.shape[:2])
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def jpeg(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Compressed and read again, at a quality of 1 to 95."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=round(level))
    with Image.open(buffer) as image:
        return np.array(image.convert("RGB"))


def shrunk(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Made smaller by averaging, and as large as before by bicubic interpolation."""
    height, width = pixels.shape[:2]
    small = cv2.resize(
        pixels, (max(round(width / level), 1), max(round(height / level), 1)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def dark(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """With so many halvings of the light (IEC 61966-2-1: sRGB to linear light and back)."""
    grey = np.arange(256) / 255
    linear = np.where(grey <= 0.04045, grey / 12.92, ((grey + 0.055) / 1.055) ** 2.4) / 2**level
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(back * 255).astype(np.uint8)[pixels]


def grain(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """With Gaussian noise on each pixel and colour, of so many grey levels."""
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(level)
    return np.round(np.clip(pixels + noise, 0, 255)).astype(np.uint8)


DEGRADATIONS: dict[str, Degrade] = {"blur": blur, "jpeg": jpeg, "shrunk": shrunk, "dark": dark, "grain": grain}
"""By the name of their levels in the settings."""


def worse(shown: Shown) -> Iterator[Variant]:
    """Each degradation at each level, and each part covered; nothing where no item has a picture."""
    if not any(item.clip.image or item.clip.video for item in shown.items):
        return
    for kind, degrade in DEGRADATIONS.items():
        levels: Levels = getattr(shown.settings, kind)
        for level in levels.levels:
            tally = Tally()
            change = partial(_worse, shown, f"{kind} {level:g}", partial(_degraded, shown, kind, degrade, level), tally)
            yield Variant(f"{kind} {level:g}", kind, level, levels.unit, change, partial(_told, tally))
    for part in shown.settings.hidden:
        tally = Tally()
        change = partial(_worse, shown, f"{_COVER} {part}", partial(_covered, part), tally)
        yield Variant(f"{part} {_COVER}", f"{part} {_COVER}", None, "", change, partial(_told, tally))


Looking = Callable[[Item], tuple[Look, Callable[[], Facts]]]
"""What is done to the pictures of one item, and what was found while it was."""


def _degraded(shown: Shown, kind: str, degrade: Degrade, level: float, item: Item) -> tuple[Look, Callable[[], Facts]]:
    rng = draw(shown.seed, kind, item.id)
    return lambda pixels, _: degrade(pixels, level, rng), dict


def _covered(part: Part, item: Item) -> tuple[Look, Callable[[], Facts]]:
    covering = Covering(part)
    return covering, covering.facts


def _worse(shown: Shown, name: str, looking: Looking, tally: Tally, item: Item) -> Item:
    """The item with other pictures; one without pictures is as it was."""
    clip = item.clip
    path = clip.image or clip.video
    if path is None:
        return item

    def make() -> tuple[bytes, Facts]:
        look, facts = looking(item)
        data = looked_at(path, look) if clip.video is not None else _photo(path, look)
        return data, facts()

    names = (name, content_of(path), str(shown.seed), item.id)
    changed, facts = once(shown.folder, names, ".mkv" if clip.video is not None else ".png", make)
    tally.add(facts)
    if clip.video is not None:
        return replaced(item, video=changed, audio=sound_of(clip), table=None)
    return replaced(item, image=changed, table=None)


def _photo(path: Path, look: Look) -> bytes:
    from emollm.media.images import read_image

    return png(look(read_image(path).pixels, 0.0))


def _told(tally: Tally) -> Facts:
    return {"items changed": tally.changed, **dict(sorted(tally.sums.items()))}
