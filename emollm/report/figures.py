"""Geometry of what is drawn over a photo: outlines, regions, gaze arrows and the axes of the head.

All positions are in pixels of the original file, like those of an Observation; whoever draws scales them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from emollm.report.regions import IRIS_CENTRES, MESH_POINTS, NOSE_TIP, OUTLINES, REGIONS, Region
from emollm.types import Face, Side

Point = tuple[float, float]


class Line(NamedTuple):
    """A named line from one point to another."""

    name: str
    start: Point
    end: Point


class Shape(NamedTuple):
    """A region of one face."""

    name: str
    """Name of the region, with the side if it has one: ``brow-left``."""
    points: tuple[Point, ...]
    closed: bool


def region_name(name: str, side: Side | None) -> str:
    """Name of one part of a region: ``brow-left``, ``chin``."""
    return name if side is None else f"{name}-{side.value}"


def shapes(face: Face, names: Sequence[str] = tuple(REGIONS)) -> tuple[Shape, ...]:
    """The named regions of a face; those whose mesh points it does not have are left out."""
    return tuple(
        Shape(region_name(name, region.side), tuple(face.landmarks[point] for point in region.points), region.closed)
        for name in names
        for region in REGIONS[name]
        if _has(face, region)
    )


def outlines(face: Face) -> tuple[Shape, ...]:
    """The lines that are always drawn: face oval, brows, eyes, irises, nose and lips."""
    return shapes(face, OUTLINES)


def _has(face: Face, region: Region) -> bool:
    # Fewer points than the mesh has means another set of landmarks, whose numbers mean other places.
    return len(face.landmarks) >= MESH_POINTS - 10 and max(region.points) < len(face.landmarks)


def gaze_arrows(face: Face, yaw: float | None, pitch: float | None) -> tuple[Line, ...]:
    """An arrow from each iris (or from the middle of the eye) in the direction of gaze.

    Args:
        face: Its mesh says where the eyes are; without a mesh there are no arrows.
        yaw: Degrees, positive to the person's own left, which is to the right in the image.
        pitch: Degrees, positive up.
    """
    if yaw is None or pitch is None or len(face.landmarks) < MESH_POINTS - 10:
        return ()
    length = 0.9 * face.box.width
    dx = math.sin(math.radians(yaw)) * math.cos(math.radians(pitch)) * length
    dy = -math.sin(math.radians(pitch)) * length
    lines = []
    for side, iris in IRIS_CENTRES.items():
        x, y = face.landmarks[iris] if len(face.landmarks) >= MESH_POINTS else _middle(face, side)
        lines.append(Line(f"gaze-{side.value}", (x, y), (x + dx, y + dy)))
    return tuple(lines)


def head_axes(face: Face, yaw: float | None, pitch: float | None, roll: float | None) -> tuple[Line, ...]:
    """Three lines from the tip of the nose: where the face points, its up, and its own left.

    Args:
        face: Without a mesh the axes start in the middle of its box.
        yaw: Degrees, positive turned to the person's own left.
        pitch: Degrees, positive up.
        roll: Degrees, positive tilted to the person's own left, which is clockwise in the image.
    """
    if yaw is None or pitch is None or roll is None:
        return ()
    if len(face.landmarks) >= MESH_POINTS - 10:
        x, y = face.landmarks[NOSE_TIP]
    else:
        x, y = face.box.x + face.box.width / 2, face.box.y + face.box.height / 2
    length = 0.42 * face.box.width
    return tuple(
        Line(f"axis-{name}", (x, y), (x + dx * length, y + dy * length))
        for name, (dx, dy) in zip(("left", "up", "forward"), _axes(yaw, pitch, roll), strict=True)
    )


def _axes(yaw: float, pitch: float, roll: float) -> tuple[Point, Point, Point]:
    """Image directions of the head's own left, up and forward axes; y down, orthographic."""
    cos_y, sin_y = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    cos_p, sin_p = math.cos(math.radians(pitch)), math.sin(math.radians(pitch))
    cos_r, sin_r = math.cos(math.radians(roll)), math.sin(math.radians(roll))

    def turned(x: float, y: float, z: float) -> Point:
        y, z = y * cos_p - z * sin_p, y * sin_p + z * cos_p
        return x * cos_y + z * sin_y, y

    return turned(cos_r, sin_r, 0.0), turned(sin_r, -cos_r, 0.0), turned(0.0, 0.0, 1.0)


def _middle(face: Face, side: Side) -> Point:
    (eye,) = (region for region in REGIONS["eye"] if region.side is side)
    xs, ys = zip(*(face.landmarks[point] for point in eye.points), strict=True)
    return sum(xs) / len(xs), sum(ys) / len(ys)


def arrow_path(line: Line) -> str:
    """SVG path data of a line with an arrow head at its end."""
    (x0, y0), (x1, y1) = line.start, line.end
    path = f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"
    for x, y in arrow_head(line):
        path += f"M{x:.1f} {y:.1f}L{x1:.1f} {y1:.1f}"
    return path


def arrow_head(line: Line) -> tuple[Point, ...]:
    """Outer ends of the two strokes of the head of an arrow; none for a line without length."""
    dx, dy = line.start[0] - line.end[0], line.start[1] - line.end[1]
    length = math.hypot(dx, dy)
    if length < 1e-6:
        return ()
    size, angle = 0.24 * length, math.atan2(dy, dx)
    return tuple(
        (line.end[0] + size * math.cos(angle + turn), line.end[1] + size * math.sin(angle + turn))
        for turn in (-0.45, 0.45)
    )


def smooth_path(points: Sequence[Point], closed: bool) -> str:
    """SVG path data of a smooth curve through the points (Catmull–Rom spline as cubic Béziers)."""
    count = len(points)
    if count < 3:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for i in range(count if closed else count - 1):
        before, start, end, after = (
            points[j % count] if closed else points[min(max(j, 0), count - 1)] for j in (i - 1, i, i + 1, i + 2)
        )
        numbers = (
            start[0] + (end[0] - before[0]) / 6,
            start[1] + (end[1] - before[1]) / 6,
            end[0] - (after[0] - start[0]) / 6,
            end[1] - (after[1] - start[1]) / 6,
            *end,
        )
        path.append("C" + " ".join(f"{number:.1f}" for number in numbers))
    return "".join(path) + ("Z" if closed else "")


def smooth_points(points: Sequence[Point], closed: bool, steps: int = 4) -> list[Point]:
    """The curve of :func:`smooth_path` as points, for drawing tools without curves."""
    count = len(points)
    if count < 3:
        return list(points)
    curve = []
    for i in range(count if closed else count - 1):
        a, b, c, d = (
            points[j % count] if closed else points[min(max(j, 0), count - 1)] for j in (i - 1, i, i + 1, i + 2)
        )
        for step in range(steps):
            t = step / steps
            curve.append((_catmull(a[0], b[0], c[0], d[0], t), _catmull(a[1], b[1], c[1], d[1], t)))
    return [*curve, points[0] if closed else points[-1]]


def _catmull(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
