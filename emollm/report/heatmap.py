"""Draws where a face net looked: maps over a photo or over the moments of a clip, each with a legend, as a PNG or JPEG.

Maps are drawn in Viridis, whose equal steps look equal, and the less a place counts, the more of the picture shows through. Below the
picture stand what the net was shown of each person (the aligned crop) and the same with its map, since faces can be small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emollm.files import replacing
from emollm.perception.geometry import Pixels, Region, to_image
from emollm.report.axis import clock
from emollm.report.heatmap_faces import FaceHeat, Unmapped
from emollm.report.overlay import font, format_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from emollm.media.images import Picture

DISCLAIMER = "Where the net looked for this class; not a measurement and no evidence for a claim."
"""What a map is and what it is not; stands beside every one."""

SIDE = 1280
"""Longest side of the photo on its sheet, in pixels; a larger one is reduced."""
CELL = 640
"""Longest side of a frame of a clip."""
TILE = 192
"""Largest side of a drawn crop."""

_PAPER, _INK, _QUIET, _LINE = (17, 21, 27), (231, 234, 239), (154, 163, 175), (255, 255, 255)
_GAP = 16
_LETTERS, _STEP = 15, 21
_SMALLEST_TILE, _MOST_IN_A_ROW = 112, 3
_ONE_ROW, _MOST_COLUMNS = 3, 4
_FINE = 256
"""Side to which a map is enlarged before it is laid over a picture."""
_LEAST, _MOST = 0.12, 0.72
"""How much of the colour shows where the map is 0 and where it is 1."""


class Mapped(NamedTuple):
    """A photo or one moment of a clip, with its maps."""

    picture: Picture
    people: Sequence[FaceHeat | Unmapped]
    time: float | None = None
    """Seconds; None of a photo."""


class Legend(NamedTuple):
    """What all maps of a sheet have in common."""

    net: str
    """``name@version``."""
    layer: str


def write_heatmap(path: Path, image: Image) -> None:
    """Writes a drawn sheet.

    Args:
        path: ``.png``, ``.jpg`` or ``.jpeg``; it is replaced as a whole or not at all.
        image: Of :func:`draw_heatmaps`.

    Raises:
        ConfigError: The suffix is no known format.
        EmollmError: The file cannot be written.
    """
    kind = format_of(path)
    with replacing(path) as file:
        image.save(file, kind, **({"quality": 92} if kind == "JPEG" else {}))


def draw_heatmaps(moments: Sequence[Mapped], legend: Legend, unseen: Sequence[Unmapped] = ()) -> Image:
    """The sheet of a photo (one moment without a time) or of a clip, RGB.

    Args:
        moments: In the order of the sheet; at least one.
        legend: Net and layer; stands on the sheet, with the scale, where there is a map.
        unseen: People of whom there is no picture at all.
    """
    cells = [_cell(moment, SIDE if moment.time is None else CELL) for moment in moments]
    columns = len(cells) if len(cells) <= _ONE_ROW else min(math.ceil(math.sqrt(len(cells))), _MOST_COLUMNS)
    rows = [beside(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    people = [item for moment in moments for item in moment.people]
    heats = [item for item in people if isinstance(item, FaceHeat)]
    asked = {heat.track: heat for heat in reversed(heats) if heat.activations}
    main = list(asked.values())[::-1]  # each person once, at the first moment
    parts = [*rows, *(draw_activations(heat) for heat in main)]
    width = max(part.width for part in parts)
    if unseen:
        parts.append(_lines([_why(item) for item in unseen], width, _QUIET))
    elif not people:
        parts.append(_lines(["No face was found: there is nothing to map."], width, _QUIET))
    if heats:
        parts.append(_legend(legend, width))
    return _framed(stacked(parts, gap=_GAP))


def _why(item: Unmapped) -> str:
    return f"{item.track}: no map: {item.reason}"


# ---- maps and colours -----------------------------------------------------------------------------------------------


def on_picture(cells: NDArray[np.float32], region: Region, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A map laid over the region of a picture that it belongs to: (H, W) in [0, 1], 0 outside of the region.

    Args:
        cells: (h, w) in [0, 1].
        region: In pixels of the picture.
        shape: Of the picture, (H, W, …).
    """
    return _warped(_enlarged(cells, _FINE), region, shape)


def tinted(pixels: Pixels, heat: NDArray[np.float32], where: NDArray[np.float32] | None = None) -> Pixels:
    """A picture (H, W, 3) with a map (H, W) in [0, 1] over it.

    Args:
        pixels: uint8 RGB.
        heat: The map.
        where: (H, W) in [0, 1]: where there is a map at all; everywhere if not given.
    """
    opacity = _LEAST + (_MOST - _LEAST) * heat
    opacity = (opacity if where is None else opacity * where)[..., None]
    mixed = pixels * (1 - opacity) + colours(heat) * opacity
    return np.rint(mixed).clip(0, 255).astype(np.uint8)


def colours(heat: NDArray[np.float32]) -> Pixels:
    """Viridis of values in [0, 1]: (…, 3) uint8 RGB of (H, W)."""
    levels = np.rint(heat * 255).clip(0, 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]  # type: ignore[return-value]


def tile(heat: FaceHeat, side: int = TILE) -> tuple[Image, Image]:
    """What the net was shown of a face, and the same with its map, each ``side`` × ``side``."""
    from PIL import Image

    crop = cv2.resize(heat.crop, (side, side), interpolation=cv2.INTER_CUBIC)
    return Image.fromarray(crop), Image.fromarray(tinted(crop, _enlarged(heat.cells, side)))  # type: ignore[arg-type]


def words(heat: FaceHeat, *, named: bool = True) -> list[str]:
    """What is said of one map: the class and its probability; what is likelier; that nothing speaks for it.

    Args:
        heat: The map.
        named: Whether the track stands before it.
    """
    lines = [f"{heat.track}  " * named + f"{heat.label} {heat.probability:.2f}"]
    if heat.top[0] != heat.label:
        lines.append(f"likeliest: {heat.top[0]} {heat.top[1]:.2f}")
    if heat.blank:
        lines.append(f"nothing in {heat.layer} speaks for it: an empty map")
    return lines


def _enlarged(cells: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A map at the size of a picture, smooth; cubic curves that overshoot are cut."""
    return cv2.resize(cells, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _warped(values: NDArray[np.float32], region: Region, shape: tuple[int, ...]) -> NDArray[np.float32]:
    turn = to_image(region, len(values))
    # Corners of the region are corners of the map; OpenCV counts from the middle of the first pixel.
    turn[:, 2] += turn[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(values, turn, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]


# ---- sheets ---------------------------------------------------------------------------------------------------------


def _cell(moment: Mapped, longest: int) -> Image:
    """The picture with all maps on it, its time, and the tiles of each person below."""
    from PIL import Image

    heats = [heat for heat in moment.people if isinstance(heat, FaceHeat)]
    picture, scale = _reduced(moment.picture.pixels, longest)
    outlined = Image.fromarray(_with_maps(picture, heats, scale))
    _outline(outlined, heats, scale)
    width = max(outlined.width, 2 * TILE)
    groups = _tiles(heats, width)
    said = [_why(item) for item in moment.people if isinstance(item, Unmapped)]
    above = [_lines([clock(moment.time)], width)] if moment.time is not None else []
    notes = [_lines(said, width, _QUIET)] if said else []
    return stacked([*above, outlined, *_flowed(groups, width), *notes], gap=10)


def _tiles(heats: Sequence[FaceHeat], width: int) -> list[Image]:
    """What the net was shown of each person and where it looked, in words too; as large as a few rows allow."""
    columns = min(max(len(heats), 1), _MOST_IN_A_ROW)
    side = max(min((width - (columns - 1) * _GAP) // columns // 2 - 3, TILE), _SMALLEST_TILE)
    pairs = [(heat, beside(tile(heat, side), gap=6)) for heat in heats]
    return [stacked([pair, _lines(words(heat), pair.width)], gap=4) for heat, pair in pairs]


def _reduced(pixels: Pixels, longest: int) -> tuple[Pixels, float]:
    """The picture, reduced where it is too large, and by what."""
    scale = longest / max(pixels.shape[:2])
    if scale >= 1:
        return pixels, 1.0
    size = (max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), scale  # type: ignore[return-value]


def _with_maps(pixels: Pixels, heats: Iterable[FaceHeat], scale: float) -> Pixels:
    for heat in heats:
        region = _scaled(heat.region, scale)
        where = _warped(np.ones((_FINE, _FINE), np.float32), region, pixels.shape)
        pixels = tinted(pixels, on_picture(heat.cells, region, pixels.shape), where)
    return pixels


def _outline(image: Image, heats: Iterable[FaceHeat], scale: float) -> None:
    """Draws the edge of each crop and whose it is."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image, "RGBA")
    for heat in heats:
        region = _scaled(heat.region, scale)
        corners = np.array([(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]) @ to_image(region, 1).T
        points = [(float(x), float(y)) for x, y in corners]
        draw.line([*points, points[0]], fill=(*_LINE, 190), width=1)
        size = min(max(region.side / 9, 11.0), 24.0)
        x, y = min(points)[0], min(y for _, y in points)
        draw.text(
            (x + 3, max(y - 1.3 * size, 0)), heat.track, fill=_LINE, font=font(size), stroke_width=2, stroke_fill=_PAPER
        )


def _scaled(region: Region, scale: float) -> Region:
    return Region(region.x * scale, region.y * scale, region.side * scale, region.angle)


def draw_activations(heat: FaceHeat, strongest: int = 6, side: int = 96) -> Image:
    """What each layer gives for one face: the mean over all channels, and the channels with the largest mean.

    Each picture has its own scale, from its least to its largest value: they show where, and not how strongly.

    Args:
        heat: With activations.
        strongest: How many channels a layer.
        side: Of each picture in pixels.
    """
    from PIL import Image

    rows = [
        _lines(
            [f"{heat.track}: what the layers give (mean of all channels, then the strongest; each on its own scale)"], 0
        )
    ]
    for name, maps in heat.activations.items():
        order = np.argsort(-np.abs(maps).mean((1, 2)), kind="stable")[:strongest]
        shown = [("mean", np.abs(maps).mean(0)), *((f"#{channel}", maps[channel]) for channel in order)]
        pictures = [
            stacked([Image.fromarray(colours(_blocks(_stretched(values), side))), _lines([text], side, _QUIET)], gap=2)
            for text, values in shown
        ]
        depth, height, width = maps.shape
        rows.append(beside([_lines([name, f"{depth} x {height} x {width}"], 120), *pictures], gap=8))
    return stacked(rows, gap=8)


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values from 0 for the least to 1 for the largest; zeros where all are equal."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _blocks(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Enlarged without smoothing: each cell of the layer is seen as such."""
    return cv2.resize(values, (side, side), interpolation=cv2.INTER_NEAREST if len(values) <= side else cv2.INTER_AREA)  # type: ignore[return-value]


def _legend(legend: Legend, width: int) -> Image:
    from PIL import Image

    bar = Image.fromarray(colours(np.linspace(0, 1, 160, dtype=np.float32)[None].repeat(12, 0)))
    scale = beside([_lines(["0"], 0), bar, _lines(["1: where it looked most; every map has its own scale"], 0)], gap=8)
    said = [
        f"Grad-CAM of {legend.net}, layer {legend.layer}. The numbers are calibrated probabilities of the class.",
        DISCLAIMER,
    ]
    return stacked([scale, _lines(said, width, _QUIET)], gap=6)


# ---- putting together -----------------------------------------------------------------------------------------------


def beside(images: Sequence[Image], gap: int = _GAP) -> Image:
    """Pictures in one row, at the top."""
    from PIL import Image

    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet = Image.new("RGB", (width, max(image.height for image in images)), _PAPER)
    x = 0
    for image in images:
        sheet.paste(image, (x, 0))
        x += image.width + gap
    return sheet


def stacked(images: Sequence[Image], gap: int) -> Image:
    """Pictures in one column, at the left."""
    from PIL import Image

    height = sum(image.height for image in images) + gap * (len(images) - 1)
    sheet = Image.new("RGB", (max(image.width for image in images), height), _PAPER)
    y = 0
    for image in images:
        sheet.paste(image, (0, y))
        y += image.height + gap
    return sheet


def _flowed(images: Sequence[Image], width: int) -> list[Image]:
    """Pictures in as many rows as a width needs."""
    rows: list[list[Image]] = []
    for image in images:
        if not rows or sum(other.width + _GAP for other in rows[-1]) + image.width > width:
            rows.append([])
        rows[-1].append(image)
    return [beside(row) for row in rows]


def _framed(image: Image) -> Image:
    from PIL import Image

    sheet = Image.new("RGB", (image.width + 2 * _GAP, image.height + 2 * _GAP), _PAPER)
    sheet.paste(image, (_GAP, _GAP))
    return sheet


def _lines(lines: Sequence[str], width: int, tint: tuple[int, int, int] = _INK) -> Image:
    """Text, wrapped at a width in pixels; as wide as need be where that is 0."""
    from PIL import Image, ImageDraw

    letters = font(_LETTERS)
    wrapped = [part for line in lines for part in _wrapped(line, width, letters.getlength)] if width else list(lines)
    size = width or math.ceil(max(letters.getlength(line) for line in wrapped)) + 1
    image = Image.new("RGB", (size, _STEP * len(wrapped)), _PAPER)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(wrapped):
        draw.text((0, i * _STEP + 1), line, fill=tint, font=letters)
    return image


def _wrapped(line: str, width: int, measure: Callable[[str], float]) -> list[str]:
    found: list[str] = []
    for word in line.split(" "):
        longer = f"{found[-1]} {word}" if found else word
        if found and measure(longer) <= width:
            found[-1] = longer
        else:
            found.append(word)
    return found
