"""Draws an answer over its photo: boxes, outlines, labels and the strongest units, as a PNG or JPEG."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emollm.errors import ConfigError
from emollm.facs import strength
from emollm.files import replacing
from emollm.report import figures
from emollm.report.page import WORDS
from emollm.report.quantities import without_hidden_gaze
from emollm.report.views import VISIBLE
from emollm.types import Answer, CueKind, Face, Observation, Scale, Track

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from emollm.media.images import Picture

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""Format by the suffix of the file."""

TOP_UNITS = 3
"""How many units are named under a face."""

_MAIN = (255, 183, 43)
_OTHER = (255, 255, 255)
_AXES = {"axis-forward": (90, 176, 255), "axis-up": (99, 214, 141), "axis-left": (255, 127, 110)}
_GAZE = (255, 224, 77)
_SMOOTH_UP_TO = 4_000_000
"""Pixels up to which lines are drawn at twice the size and reduced, which smooths their edges."""


class _Rectangle(NamedTuple):
    """A part of the picture in its pixels."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: _Rectangle) -> float:
        """Area that both cover."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(width, 0.0) * max(height, 0.0)


class _Pen(NamedTuple):
    """Where and how things are drawn on one canvas."""

    draw: ImageDraw
    scale: float
    """Canvas pixels per pixel of the original file."""
    width: int
    """Of a line, in canvas pixels."""


def write_overlay(path: Path, observation: Observation, answer: Answer, picture: Picture) -> None:
    """Writes the photo with everybody's box, outlines, label and strongest units drawn over it.

    Args:
        path: ``.png``, ``.jpg`` or ``.jpeg``; it is replaced as a whole or not at all.
        observation: What was measured, in pixels of the original file.
        answer: What is said about it.
        picture: The photo, (H, W, 3) uint8; the result has its size.

    Raises:
        ConfigError: The suffix is no known format.
        EmollmError: The file cannot be written.
    """
    kind = format_of(path)
    image = draw_overlay(observation, answer, picture)
    with replacing(path) as file:
        image.save(file, kind, **({"quality": 92} if kind == "JPEG" else {}))


def format_of(path: Path) -> str:
    """Pillow's name of the format that a file's suffix asks for.

    Raises:
        ConfigError: The suffix is no known format.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(f"{path}: expected a file name that ends in {', '.join(FORMATS)}, got {path.suffix!r}")
    return kind


def draw_overlay(observation: Observation, answer: Answer, picture: Picture, nameless: Collection[str] = ()) -> Image:
    """The photo with its overlay, RGB, the size of the picture; see :func:`write_overlay`.

    Args:
        observation: What was measured.
        answer: What is said about it.
        picture: The photo.
        nameless: Tracks whose label is left out, since the picture is not of the moment it was given for.
    """
    from PIL import Image

    image = Image.fromarray(picture.pixels).convert("RGB")
    # The main person is drawn last, over the others.
    tracks = sorted(observation.tracks, key=lambda track: (track.id == answer.track, track.prominence))
    if not tracks:
        return image
    _paste_lines(image, observation, answer, tracks, picture.scale)
    words = {item.track: _words(item) for item in (answer, *answer.people) if item.track not in nameless}
    faces = {
        track.id: _Rectangle(*(side * picture.scale for side in (box.x, box.y, box.width, box.height)))
        for track in tracks
        for box in (track.faces[0].box,)
    }
    texts: list[_Rectangle] = []
    for track in reversed(tracks):
        lines = [" ".join(filter(None, (track.id, words.get(track.id)))), *_top_units(observation, track.id)]
        others = [face for id, face in faces.items() if id != track.id] + texts
        covered = _write(image, lines, faces[track.id], others, main=track.id == answer.track)
        texts += [covered] if covered else []
    return image


def _paste_lines(image: Image, observation: Observation, answer: Answer, tracks: Iterable[Track], scale: float) -> None:
    from PIL import Image, ImageDraw

    factor = 2 if image.width * image.height <= _SMOOTH_UP_TO else 1
    layer = Image.new("RGBA", (image.width * factor, image.height * factor))
    pen = _Pen(ImageDraw.Draw(layer), scale * factor, max(1, round(min(image.size) / 450)) * factor)
    for track in tracks:
        main = track.id == answer.track
        pose = {
            cue.name: cue.value for cue in observation.of(track.id) if cue.kind in (CueKind.HEAD_POSE, CueKind.GAZE)
        }
        _draw_face(pen, track.faces[0], pose, _MAIN if main else _OTHER)
    layer = layer.resize(image.size, Image.Resampling.BOX) if factor > 1 else layer
    image.paste(layer, (0, 0), layer)


def _draw_face(pen: _Pen, face: Face, pose: dict[str, float | None], colour: tuple[int, int, int]) -> None:
    x, y = face.box.x * pen.scale, face.box.y * pen.scale
    right, bottom = x + face.box.width * pen.scale, y + face.box.height * pen.scale
    radius = 0.06 * min(right - x, bottom - y)
    pen.draw.rounded_rectangle(
        (x, y, right, bottom), radius, outline=(*colour, 255), width=max(1, round(pen.width * 1.5))
    )
    thin = max(1, round(min(pen.width, face.box.width * pen.scale / 120)))
    for shape in figures.outlines(face):
        _line(pen, figures.smooth_points(shape.points, shape.closed), (255, 255, 255, 200), thin)
    arrows = [
        *((line, _GAZE) for line in figures.gaze_arrows(face, pose.get("gaze_yaw"), pose.get("gaze_pitch"))),
        *(
            (line, _AXES[line.name])
            for line in figures.head_axes(face, pose.get("yaw"), pose.get("pitch"), pose.get("roll"))
        ),
    ]
    for line, tint in arrows:
        _line(pen, [line.start, line.end], (*tint, 255), thin * 2)
        for end in figures.arrow_head(line):
            _line(pen, [end, line.end], (*tint, 255), thin * 2)


def _line(pen: _Pen, points: list[figures.Point], colour: tuple[int, int, int, int], width: int) -> None:
    pen.draw.line([(x * pen.scale, y * pen.scale) for x, y in points], fill=colour, width=width, joint="curve")


def _write(
    image: Image, lines: list[str], face: _Rectangle, others: list[_Rectangle], *, main: bool
) -> _Rectangle | None:
    """Writes lines in a box beside a face, where it covers the least of the others; one line only if all cover something.

    Returns:
        What the text covers; None if the picture is too small for any letter.
    """
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image, "RGBA")
    shorter = min(image.size)
    size = max(min(face.width / 9, shorter / 26), shorter / 60, 9.0)
    if size * 1.4 > shorter:
        return None
    letters, step, pad = font(size), size * 1.3, size * 0.35

    def place(lines: list[str]) -> tuple[float, _Rectangle]:
        width = max(draw.textlength(line, letters) for line in lines) + 2 * pad
        height = len(lines) * step + pad
        right, below, gap = face.x + face.width + pad, face.y + face.height + pad, height + pad
        corners = [(face.x, below), (face.x, face.y - gap), (right, face.y), (face.x - width - pad, face.y)]
        corners.append((face.x, below - gap))
        boxes = [
            _Rectangle(
                min(max(x, 0.0), max(image.width - width, 0.0)),
                min(max(y, 0.0), max(image.height - height, 0.0)),
                width,
                height,
            )
            for x, y in corners
        ]
        costs = [sum(box.overlap(other) for other in (face, *others)) for box in boxes]
        best = costs.index(min(costs))
        return costs[best], boxes[best]

    cost, box = place(lines)
    if cost > 0:
        lines = lines[:1]
        _, box = place(lines)
    draw.rounded_rectangle((box.x, box.y, box.x + box.width, box.y + box.height), size * 0.3, fill=(15, 20, 28, 215))
    for i, line in enumerate(lines):
        tint = (*_MAIN, 255) if main and not i else (255, 255, 255, 255)
        draw.text((box.x + pad, box.y + pad / 2 + i * step), line, fill=tint, font=letters)
    return box


def font(size: float) -> FreeTypeFont | ImageFont:
    """The letters that Pillow brings along, at a height in pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _words(answer: Answer) -> str:
    if answer.label is None:
        return "unclear" if answer.status == "abstained" else ""
    if answer.intensity is None or answer.label == "neutral":
        return answer.label
    return f"{answer.label}, {WORDS[strength(answer.intensity).name.lower()]}"


def _top_units(observation: Observation, track: str) -> list[str]:
    seen = [
        (cue.value, cue.name)
        for cue in without_hidden_gaze(observation.of(track, CueKind.ACTION_UNIT))
        if cue.scale is Scale.INTENSITY and cue.value is not None and cue.value >= VISIBLE
    ]
    return [f"{name} {value:.2f}" for value, name in sorted(seen, reverse=True)[:TOP_UNITS]]
