"""Decoded video frames to upright 8-bit RGB pixels with square pixels.

FFmpeg's own scaler converts, with one context kept for all frames: setting one up for each frame costs more than the
conversion. It follows the frame's colour matrix and range; a frame that does not name its matrix is taken as BT.709
from 720 lines on and as BT.601 below, as players do. Transparency is composited on white. High dynamic range is not
tone-mapped.
"""

import math
import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emollm.media.planes import Planes

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_SQUARE_ENOUGH = 0.01
"""Pixels less than 1 % from square count as square."""

_ODDEST_PIXEL = 10.0
"""A sample aspect ratio beyond 10:1 or 1:10 is an error of the file and is not followed."""

_ODD = 0.02
"""Share of a display matrix beside its main direction from which it turns by no multiple of 90 degrees: about 1 degree."""

_HDR = {16: "PQ", 18: "HLG"}  # SMPTE ST 2084 and ARIB STD-B67 in ITU-T H.273, table 3
_UNNAMED_MATRIX = 2  # AVCOL_SPC_UNSPECIFIED
_BT709 = 1  # SWS_CS_ITU709
_HD_LINES = 720
_MATRICES = {1: "709", 2: "601", 5: "601", 6: "601"}  # AVCOL_SPC: BT.709, unspecified, BT.470 BG, SMPTE 170M
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_PLANAR = ("yuv420p", "yuvj420p")


class Turn(NamedTuple):
    """One of the eight ways to turn and mirror a picture: first transpose, then flip."""

    transpose: bool = False
    flip_x: bool = False
    """Left and right are exchanged."""
    flip_y: bool = False


class _Plan(NamedTuple):
    width: int
    height: int
    """Of the converted frame, before it is turned."""
    turn: Turn
    alpha: bool
    matrix: int | None
    size: tuple[int, int]
    """Upright width and height of the file's frame, its pixels made square."""
    scale: float


class Upright:
    """Converts the frames of one stream.

    Args:
        max_side: Longest side of the pixels given.
        aspect: Width of a stored pixel divided by its height.
    """

    def __init__(self, max_side: int, aspect: float = 1.0) -> None:
        from av.video.reformatter import VideoReformatter

        self.sizes: dict[tuple[int, int], None] = {}
        """Upright sizes of the frames seen, in their order."""
        self._max_side = max_side
        sane = 1 / _ODDEST_PIXEL <= aspect <= _ODDEST_PIXEL and abs(aspect - 1) > _SQUARE_ENOUGH
        self.aspect = aspect if sane else 1.0
        self._scaler = VideoReformatter()
        self._scaling = threading.Lock()
        self._plans: dict[tuple[int, int, str, int], _Plan] = {}

    def pixels(self, frame: "VideoFrame") -> tuple[np.ndarray, float]:
        """(H, W, 3) uint8 RGB, upright and C-contiguous, and its size divided by the size in the file."""
        with self._scaling:
            return self._rgb(frame)

    def _rgb(self, frame: "VideoFrame") -> tuple[np.ndarray, float]:
        plan = self._plan(frame)
        converted = self._scaler.reformat(
            frame,
            width=plan.width,
            height=plan.height,
            format="rgba" if plan.alpha else "rgb24",
            src_colorspace=plan.matrix,
            threads=1,
        )
        channels = 4 if plan.alpha else 3
        plane = converted.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : plan.height, : plan.width * channels
        ]
        pixels = rows.reshape(plan.height, plan.width, channels)
        if plan.alpha:
            pixels = _on_white(pixels)
        return _turned(pixels, plan.turn), plan.scale

    def planes(self, frame: "VideoFrame") -> Planes | None:
        """The frame's own planes, where they need neither turning nor resizing; RGB is made of them when it is asked for."""
        plan = self._plan(frame)
        plain = plan.turn == Turn() and (plan.width, plan.height) == (frame.width, frame.height)
        matrix = _MATRICES.get(frame.colorspace if plan.matrix is None else plan.matrix)
        if not plain or matrix is None or frame.format.name not in _PLANAR:
            return None
        full = frame.format.name == "yuvj420p" or frame.color_range == _FULL_RANGE
        height, width = frame.height, frame.width
        y, u, v = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:rows, :columns]
            for plane, rows, columns in zip(
                frame.planes,
                (height, -(-height // 2), -(-height // 2)),
                (width, -(-width // 2), -(-width // 2)),
                strict=True,
            )
        )
        return Planes(y, u, v, matrix, full, lambda: self._converted(frame))

    def _converted(self, frame: "VideoFrame") -> np.ndarray:
        """RGB of a frame, whichever thread asks for it."""
        return self.pixels(frame)[0]

    def size(self, frame: "VideoFrame") -> tuple[int, int]:
        """Upright width and height of the frame in the file, its pixels made square."""
        return self._plan(frame).size

    def turn(self, frame: "VideoFrame") -> Turn:
        """How the frame is turned by its metadata."""
        return self._plan(frame).turn

    def notes(self, frame: "VideoFrame") -> tuple[str, ...]:
        """What is done to a frame, and what is not."""
        notes = []
        turn = self.turn(frame)
        if turn != Turn():
            mirrored = turn.transpose ^ turn.flip_x ^ turn.flip_y
            notes.append("mirrored by its metadata" if mirrored else "rotated by its metadata")
        if (angle := odd_angle(frame)) is not None:
            notes.append(
                f"its metadata turn it by {angle:.0f} degrees: only multiples of 90 are followed, the nearest taken"
            )
        width, height = self.size(frame)
        if self.aspect != 1:
            notes.append(f"pixels made square: {frame.width}x{frame.height} stored, {width}x{height} shown")
        if max(width, height) > self._max_side:
            notes.append(f"reduced from {width}x{height}")
        if frame.color_trc in _HDR:
            notes.append(f"high dynamic range ({_HDR[frame.color_trc]}), not tone-mapped")
        return tuple(notes)

    def _plan(self, frame: "VideoFrame") -> _Plan:
        key = (frame.width, frame.height, frame.format.name, frame.rotation)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._planned(frame)
            self.sizes[plan.size] = None
        return plan

    def _planned(self, frame: "VideoFrame") -> _Plan:
        width, height = float(frame.width), float(frame.height)
        if self.aspect > 1:  # no row or column is ever thrown away
            width = max(1, round(width * self.aspect))
        else:
            height = max(1, round(height / self.aspect))
        scale = min(1.0, self._max_side / max(width, height))
        turn = turn_of(frame)
        size = (round(height), round(width)) if turn.transpose else (round(width), round(height))
        layout = frame.format
        unnamed = not layout.is_rgb and len(layout.components) >= 3 and frame.colorspace == _UNNAMED_MATRIX
        return _Plan(
            max(1, round(width * scale)),
            max(1, round(height * scale)),
            turn,
            any(component.is_alpha for component in layout.components),
            _BT709 if unnamed and frame.height >= _HD_LINES else None,
            size,
            scale,
        )


def turn_of(frame: "VideoFrame") -> Turn:
    """The nearest of the eight turns to a frame's display matrix.

    The matrix (ISO/IEC 14496-12, 8.3.2) takes the stored point (x, y) to (ax + cy, bx + dy), y pointing down.
    """
    a, b, c, d = _matrix(frame)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0)


def odd_angle(frame: "VideoFrame") -> float | None:
    """Degrees by which the display matrix turns clockwise if that is no multiple of 90; else None."""
    a, b, c, d = _matrix(frame)
    larger, smaller = max(abs(a) + abs(d), abs(b) + abs(c)), min(abs(a) + abs(d), abs(b) + abs(c))
    return math.degrees(math.atan2(b, a)) if smaller > _ODD * larger else None


def _matrix(frame: "VideoFrame") -> tuple[int, int, int, int]:
    """a, b, c, d of the display matrix."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]  # a mapping of types too
    if data is None or len(bytes(data)) < 36:
        return 1, 0, 0, 1
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    return a, b, c, d


def _turned(pixels: np.ndarray, turn: Turn) -> np.ndarray:
    import cv2

    if turn.transpose:
        pixels = cv2.transpose(pixels)
    if turn.flip_x or turn.flip_y:
        pixels = cv2.flip(pixels, -1 if turn.flip_x and turn.flip_y else int(turn.flip_x))
    return np.ascontiguousarray(pixels)


def _on_white(pixels: np.ndarray) -> np.ndarray:
    alpha = pixels[..., 3:].astype(np.uint16)
    over = pixels[..., :3] * alpha + 255 * (255 - alpha)
    return ((over + 127) // 255).astype(np.uint8)
