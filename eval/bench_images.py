"""The pictures of the bench: 200 variations of photos and clips that everyone can fetch, by a seeded recipe.

Sources are the assets ``photo-astronaut`` and ``photo-multi-face`` and every 12th frame of ``clip-single-face`` and
``clip-pexels``, in turn. Each picture is a crop of 80 to 100 % of its source, mirrored or not, scaled so that its longer
side is 480 to 1280 pixels, and written as JPEG of quality 75 to 95. All of it is drawn from ``random.Random(SEED)``.
"""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, NamedTuple

from emollm import assets
from emollm.errors import MediaError
from emollm.files import replacing

if TYPE_CHECKING:
    from PIL import Image

SEED = 20
COUNT = 200
SOURCES = ("photo-astronaut", "clip-single-face", "photo-multi-face", "clip-pexels")
_EVERY = 12
"""Of a clip's frames every so many: neighbours look alike."""
_RECIPE = "recipe.json"


class Variation(NamedTuple):
    """How one picture is made; fractions are of the source's sides."""

    source: str
    frame: float
    """Which of the source's frames, 0 the first, 1 the last; a photo has one."""
    mirrored: bool
    share: float
    """Side of the crop."""
    left: float
    """Where the crop stands in what is left free, 0 to 1."""
    top: float
    longer: int
    """Longer side of the picture in pixels."""
    quality: int

    @property
    def kind(self) -> str:
        """Last word of the source's name, for file names."""
        return self.source.partition("-")[2]


def plan(count: int = COUNT, seed: int = SEED) -> list[Variation]:
    """The variations of the recipe, the same for everyone."""
    draw = random.Random(seed)
    return [
        Variation(
            source=SOURCES[k % len(SOURCES)],
            frame=draw.random(),
            mirrored=draw.random() < 0.5,
            share=draw.uniform(0.8, 1.0),
            left=draw.random(),
            top=draw.random(),
            longer=draw.randint(480, 1280),
            quality=draw.randint(75, 95),
        )
        for k in range(count)
    ]


def make(folder: Path, variations: list[Variation]) -> list[Path]:
    """Writes the pictures, unless the folder already holds those of this very recipe.

    Args:
        folder: Where they go; replaced as a whole.
        variations: From :func:`plan`.

    Raises:
        AssetError: A source cannot be had.
        MediaError: A source cannot be decoded.
    """
    recipe = json.dumps([item._asdict() for item in variations])
    paths = [folder / f"{k:03}-{item.kind}.jpg" for k, item in enumerate(variations)]
    done = folder / _RECIPE
    if done.is_file() and done.read_text(encoding="utf-8") == recipe and all(path.is_file() for path in paths):
        return paths
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        frames = {source: _frames(source) for source in dict.fromkeys(item.source for item in variations)}
        for path, item in zip(paths, variations, strict=True):
            of = frames[item.source]
            vary(of[round(item.frame * (len(of) - 1))], item).save(fresh / path.name, quality=item.quality)
        with replacing(fresh / _RECIPE, "w") as file:
            file.write(recipe)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.chmod(0o755)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return paths


def vary(source: "Image.Image", item: Variation) -> "Image.Image":
    """One picture of the recipe."""
    from PIL import Image, ImageOps

    width, height = (round(side * item.share) for side in source.size)
    left, top = round(item.left * (source.width - width)), round(item.top * (source.height - height))
    cut = source.crop((left, top, left + width, top + height))
    scale = item.longer / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled = cut.resize(size, Image.Resampling.LANCZOS)
    return ImageOps.mirror(scaled) if item.mirrored else scaled


def _frames(source: str) -> list["Image.Image"]:
    from PIL import Image

    from emollm.media.images import read_image

    path = assets.path(source)
    if source.startswith("photo-"):
        return [Image.fromarray(read_image(path).pixels)]
    frames = list(_every(path, _EVERY))
    if not frames:
        raise MediaError(f"{path}: no frame can be decoded; run: emollm assets verify {source}")
    return frames


def _every(path: Path, step: int) -> Iterator["Image.Image"]:
    """Every ``step``-th frame of a video."""
    import cv2
    from PIL import Image

    video = cv2.VideoCapture(str(path))
    try:
        index = 0
        while True:
            good, pixels = video.read()
            if not good:
                return
            if index % step == 0:
                yield Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            index += 1
    finally:
        video.release()
