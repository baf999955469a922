"""BlazeFace: where the faces are, and six key points of each (Bazarevsky et al. 2019).

Two models find faces of different size: the short-range one those of at least about a seventh of the picture, the
full-range one those down to about a twentieth. Still smaller ones are found in overlapping tiles of a large picture.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.perception.geometry import Pixels, letterbox
from emollm.perception.litert import Array, Net

# Anchor grids as (cells a side, anchors a cell): the SSD options in MediaPipe's short- and full-range detector graphs.
_GRIDS = {896: ((16, 2), (8, 6)), 2304: ((48, 1),)}
_CLIP = 100.0


class Detection(NamedTuple):
    """A face in image pixels."""

    score: float
    box: NDArray[np.float32]
    """(4,): left, top, right, bottom."""
    points: NDArray[np.float32]
    """(6, 2): eye on the image's left, eye on its right, nose tip, mouth, ear on the left, ear on the right."""

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


class BlazeFace:
    """One BlazeFace model.

    Args:
        net: Short range (128 × 128 input, 896 anchors) or full range (192 × 192, 2304 anchors).
        threshold: Least score of a detection, in (0, 1).
        overlap: Detections that overlap more (intersection over union) are averaged into one.
    """

    def __init__(self, net: Net, *, threshold: float = 0.5, overlap: float = 0.3) -> None:
        self._net = net
        self._size = net.input_shape[1]
        count = net.output_shapes[0][1]
        self._anchors = np.concatenate([_grid(cells, each) for cells, each in _GRIDS[count]])
        self._logit = float(np.log(threshold / (1 - threshold)))
        self._overlap = overlap

    def __call__(self, pixels: Pixels, x: float = 0.0, y: float = 0.0) -> list[Detection]:
        """Faces of a picture, most certain first, in the picture's pixels shifted by (x, y)."""
        square, region = letterbox(pixels, self._size)
        regressors, logits = self._net.see(square, 1 / 127.5, -1.0)
        keep = np.flatnonzero(logits[0, :, 0] > self._logit)
        if not len(keep):
            return []
        score = 1 / (1 + np.exp(-np.clip(logits[0, keep, 0], -_CLIP, _CLIP)))
        raw = regressors[0, keep].reshape(-1, 8, 2)  # centre, size, six points
        centre = raw[:, 0] + self._anchors[keep] * self._size
        points = raw[:, 2:] + self._anchors[keep, None] * self._size
        corners = np.stack([centre - raw[:, 1] / 2, centre + raw[:, 1] / 2], 1)
        shapes = np.concatenate([corners, points], 1)  # (n, 8, 2)
        corner = np.array([region.x - region.side / 2 + x, region.y - region.side / 2 + y], np.float32)
        shapes = shapes * (region.side / self._size) + corner
        return [
            Detection(score, shape[:2].reshape(4), shape[2:])
            for score, shape in merge(score, shapes.astype(np.float32), self._overlap)
        ]


def merge(scores: Array, shapes: Array, overlap: float) -> list[tuple[float, Array]]:
    """Weighted non-maximum suppression: each group of overlapping shapes becomes their score-weighted mean.

    Args:
        scores: (n,).
        shapes: (n, k, 2); the first two points of each are the corners of its box.
        overlap: Least intersection over union with the best shape to join its group.

    Returns:
        (best score, mean shape (k, 2)) of each group, best first.
    """
    order = np.argsort(-scores, kind="stable")
    out = []
    while len(order):
        best = order[0]
        same = iou(shapes[best, :2].reshape(4), shapes[order, :2].reshape(-1, 4)) > overlap
        same[0] = True
        group = order[same]
        weights = scores[group][:, None, None]
        out.append((float(scores[best]), (shapes[group] * weights).sum(0) / weights.sum()))
        order = order[~same]
    return out


def iou(box: Array, boxes: Array) -> Array:
    """Intersection over union of one box (4,) with many (n, 4): (n,)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inner = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return inner / np.maximum(np.prod(box[2:] - box[:2]) + area - inner, 1e-9)


def _grid(cells: int, each: int) -> Array:
    """Centres of the cells of a square grid in [0, 1], each repeated: (cells² · each, 2) as x, y."""
    line = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.repeat(np.stack([x.ravel(), y.ravel()], 1), each, axis=0)
