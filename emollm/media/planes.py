"""A video frame as the decoder left it: brightness and colour apart.

Faces are small parts of a frame. Cutting them out of the planes and turning only the cut into RGB spares the conversion
of all the rest, which costs more than decoding a large frame does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

# RGB from limited-range Y'CbCr: columns of 1.164 (Y - 16), Cb - 128, Cr - 128 (ITU-R BT.601-7 and BT.709-6).
_KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}


@dataclass(frozen=True)
class Planes:
    """An upright 4:2:0 frame of 8 bits.

    Its planes belong to the decoder's own frame and live as long as this object.
    """

    y: Plane
    """(H, W)."""
    u: Plane
    """(ceil(H / 2), ceil(W / 2)) Cb."""
    v: Plane
    """The same of Cr."""
    matrix: str
    """``601`` or ``709``."""
    full: bool
    """Whether levels run from 0 to 255, not from 16 to 235."""
    rgb: Callable[[], NDArray[np.uint8]]
    """Makes the RGB picture (H, W, 3) of all of it; holds what the planes' memory belongs to."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 3), as of the RGB picture."""
        return (*self.y.shape, 3)

    def warped(self, matrix: NDArray[np.float64], size: int, border: int) -> NDArray[np.uint8]:
        """An upright square cut of the frame as RGB: (size, size, 3).

        Args:
            matrix: (2, 3) affine map from pixels of the cut to pixels of the frame.
            size: Side of the cut, even.
            border: OpenCV's border mode for what lies outside of the frame.
        """
        half = size // 2
        # A colour sample stands for two by two pixels: at the left ones, between the upper and the lower (MPEG-2, H.264).
        between = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.0, 1.0]])
        coarse = matrix @ between / 2 - [[0.0, 0.0, 0.0], [0.0, 0.0, 0.25]]
        black = 0 if self.full else 16
        planes = [
            _warp(plane, which, side, border, empty)
            for plane, which, side, empty in (
                (self.y, matrix, size, black),
                (self.u, coarse, half, 128),
                (self.v, coarse, half, 128),
            )
        ]
        if self.matrix == "601" and not self.full:
            stacked = np.concatenate([plane.ravel() for plane in planes]).reshape(size * 3 // 2, size)
            return cv2.cvtColor(stacked, cv2.COLOR_YUV2RGB_I420)  # type: ignore[return-value]
        colours = [cv2.resize(plane, (size, size), interpolation=cv2.INTER_NEAREST) for plane in planes[1:]]
        return cv2.transform(cv2.merge([planes[0], *colours]), self._to_rgb)  # type: ignore[return-value]

    @cached_property
    def _to_rgb(self) -> NDArray[np.float32]:
        """(3, 4) affine map from Y'CbCr to RGB."""
        kr, kb = _KR_KB[self.matrix]
        kg = 1 - kr - kb
        luma, chroma, black = (1.0, 1.0, 0.0) if self.full else (255 / 219, 255 / 224, 16.0)
        red, blue = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
        linear = np.array([[luma, 0, red], [luma, -blue * kb / kg, -red * kr / kg], [luma, blue, 0]])
        offset = -linear @ [black, 128, 128]
        return np.concatenate([linear, offset[:, None]], 1).astype(np.float32)


def _warp(plane: Plane, matrix: NDArray[np.float64], size: int, border: int, empty: int) -> Plane:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(plane, matrix, (size, size), flags=flags, borderMode=border, borderValue=(empty,))  # type: ignore[return-value]
