"""Finding all faces of a picture: two BlazeFace models, tiles for large pictures, one box a face."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from emollm import assets
from emollm.config import Settings
from emollm.perception.backends import FaceFinder
from emollm.perception.blazeface import BlazeFace, Detection, iou
from emollm.perception.geometry import Pixels
from emollm.perception.litert import Net
from emollm.types import Source


class FaceSettings(Settings):
    """How faces are found."""

    finder: str = "blazeface"
    """Backend that finds them."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Least score of a detection, 0 to 1."""
    presence: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Least probability, by the mesh net, that a detection is a face."""
    max_faces: Annotated[int, Field(ge=1)] = 20
    """At most so many people, the most prominent ones; the rest is declared missing."""
    tiles: bool = True
    """Whether large pictures are also searched in overlapping tiles, for faces under a twentieth of the picture."""


# From this score on the short-range box is taken even if the full-range one scores higher: mesh nets were made for it.
_TRUSTED = 0.75
_TILED_FROM = 1280
"""Longest side in pixels from which on tiles are searched: below it a face in a tile has too few pixels to measure."""
_TILE = 0.5
_STEP = 0.25


class BlazeFaceFinder:
    """Detections of all faces of a picture.

    Args:
        short: The short-range BlazeFace net.
        full: The full-range BlazeFace net.
        settings: Thresholds.
    """

    source = Source(backend="blazeface-short+full", version="1", licence="Apache-2.0")

    def __init__(self, short: Net, full: Net, settings: FaceSettings) -> None:
        self._short = BlazeFace(short, threshold=settings.threshold)
        self._full = BlazeFace(full, threshold=settings.threshold)
        self._tiles = settings.tiles

    def near(self, pixels: Pixels) -> tuple[list[Detection], list[Detection]]:
        """Large faces, found fast: those whose boxes are trusted, each once, and the others."""
        found = self._short(pixels)
        sure = distinct([item for item in found if item.score >= _TRUSTED])
        return sure, [item for item in found if item.score < _TRUSTED]

    def far(self, pixels: Pixels) -> list[Detection]:
        """Faces down to a twentieth of the picture, and in a large picture of each tile."""
        found = sorted(self._full(pixels), key=_falling)
        if self._tiles and max(pixels.shape[:2]) >= _TILED_FROM:
            tiled = (item for x, y, tile in _tiles(pixels) for item in self._full(tile, x, y))
            found += sorted(tiled, key=_falling)
        return found


def open_finder(settings: FaceSettings) -> BlazeFaceFinder:
    """The finder, from the assets ``face-detector-short`` and ``face-detector-full``."""
    short, full = (Net(assets.path(name), name=name) for name in ("face-detector-short", "face-detector-full"))
    return BlazeFaceFinder(short, full, settings)


def find_faces(finder: FaceFinder, pixels: Pixels, *, far: bool = True) -> list[Detection]:
    """One detection a face, in pixels of the picture (H, W, 3), most certain first.

    Args:
        finder: What finds them.
        pixels: The picture.
        far: Whether small faces are searched for as well.
    """
    sure, candidates = finder.near(pixels)
    return sorted([*sure, *others(sure, candidates, finder.far(pixels) if far else ())], key=_falling)


def others(sure: Sequence[Detection], candidates: Sequence[Detection], far: Sequence[Detection]) -> list[Detection]:
    """The faces that are not among the sure ones, each once: candidates before what the far search found."""
    return distinct([*sorted(candidates, key=_falling), *far], known=sure)


def distinct(found: Sequence[Detection], known: Sequence[Detection] = ()) -> list[Detection]:
    """The first detection of each face that is not known yet: later ones of the same face are dropped."""
    kept: list[Detection] = []
    for item in found:
        if not any(same_face(item.box, other.box) for other in (*known, *kept)):
            kept.append(item)
    return kept


def same_face(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes (4,) are the same face's: they overlap by 0.3, or one has the other's centre in its inner half."""
    if iou(a, b[None])[0] > 0.3:
        return True
    for one, two in ((a, b), (b, a)):
        centre, half = (one[:2] + one[2:]) / 2, (one[2:] - one[:2]) / 4
        if np.all(np.abs((two[:2] + two[2:]) / 2 - centre) < half):
            return True
    return False


def _falling(item: Detection) -> float:
    return -item.score


def _tiles(pixels: Pixels) -> Iterator[tuple[float, float, Pixels]]:
    """Overlapping square tiles, each half the longer side: left, top, pixels."""
    height, width = pixels.shape[:2]
    side = round(max(height, width) * _TILE)
    step = round(max(height, width) * _STEP)
    for y in _starts(height, side, step):
        for x in _starts(width, side, step):
            yield float(x), float(y), pixels[y : y + side, x : x + side]


def _starts(length: int, side: int, step: int) -> list[int]:
    if length <= side:
        return [0]
    count = -(-(length - side) // step)
    return [round(k * (length - side) / count) for k in range(count + 1)]
