"""Pictures to rows: the whole frame, and each face whose box comes with the picture."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature

from emollm.errors import DataError
from emollm.perception.crops import face_crop
from emollm.types import Box, Face

FaceBox = Sequence[float]
"""x, y, width and height in pixels of the picture, and the roll of the face in degrees, clockwise; the roll may be left out."""
SLACK = 1e-3
"""How far floats may lie outside of [0, 1], where rounding may put them."""
Boxes = Sequence[Sequence[FaceBox]] | Mapping[str, Sequence[FaceBox]]
"""Boxes of the faces of each picture, in order; or by :func:`fingerprint`, where pictures may be processed apart from each other (vLLM)."""


def fingerprint(picture: Any) -> str:
    """16 hex digits that tell a picture (PIL image or (H, W, 3) array) from others."""
    pixels = rgb_pixels(picture)
    head = str(pixels.shape).encode()
    return hashlib.blake2b(head + np.ascontiguousarray(pixels).tobytes(), digest_size=8).hexdigest()


class EmoLLMImageProcessor(BaseImageProcessor):
    """Cuts and scales; normalisation belongs to the towers.

    Args:
        scene_size: Side of whole frames in pixels, 0 where the model does not look at them.
        face_size: Side of faces in pixels, 0 where the model does not look at them.
        face_margin: How far a crop reaches beyond the face's box on each side, in sides of the face.
        max_faces: Most faces of one picture; a warning says so where there are more.
    """

    model_input_names = ["pixel_values", "face_values", "face_counts", "question_ids"]  # noqa: RUF012  # so in BaseImageProcessor

    def __init__(
        self, scene_size: int = 0, face_size: int = 0, face_margin: float = 0.1, max_faces: int = 4, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.scene_size, self.face_size = scene_size, face_size
        self.face_margin, self.max_faces = face_margin, max_faces
        side = max(scene_size, 224)  # vLLM measures memory with pictures of this size
        self.size = {"height": side, "width": side}

    def preprocess(
        self, images: Any, boxes: Boxes | None = None, return_tensors: str | None = None, **kwargs: Any
    ) -> BatchFeature:
        """Rows of I pictures.

        Args:
            images: A picture, a list of them, or lists of lists (flattened in order).
            boxes: Boxes of the faces of each picture; None where none is known.
            return_tensors: Always PyTorch's.
            **kwargs: Not looked at.

        Returns:
            ``pixel_values`` (I, 3, S, S) in [0, 1], or (I, 0) without whole frames; with faces ``face_values`` (I, M, 3, s, s) in [0, 1],
            M the most faces of any picture, and ``face_counts`` (I,).

        Raises:
            DataError: Boxes that are not one list a picture, or a box that is none.
        """
        pictures = [rgb_pixels(each) for each in flattened(images)]
        data: dict[str, torch.Tensor] = {
            "pixel_values": torch.stack([self._whole(each) for each in pictures]) if pictures else torch.zeros(0, 0)
        }
        if self.face_size:
            owns = _boxes_of(pictures, boxes)
            if (most := max(map(len, owns), default=0)) > self.max_faces:
                warnings.warn(
                    f"{most} faces of one picture, of which the first max_faces={self.max_faces} are looked at",
                    stacklevel=2,
                )
            faces = [
                [face_of(box, pixels) for box in own][: self.max_faces]
                for pixels, own in zip(pictures, owns, strict=True)
            ]
            side = self.face_size
            values = torch.zeros(len(pictures), max(1, *map(len, faces)) if faces else 1, 3, side, side)
            for place, (pixels, own) in enumerate(zip(pictures, faces, strict=True)):
                for row, face in enumerate(own):
                    values[place, row] = _scaled(face_crop(pixels, 1.0, face, side, self.face_margin))
            data |= {"face_values": values, "face_counts": torch.tensor([len(own) for own in faces])}
        return BatchFeature(data)

    def _whole(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """(3, S, S) of a whole frame, squeezed into the square so that nothing is cut off; (0,) where it is not looked at."""
        if not self.scene_size:
            return torch.zeros(0)
        to = (self.scene_size, self.scene_size)
        shrinks = pixels.shape[0] > self.scene_size or pixels.shape[1] > self.scene_size
        resized = cv2.resize(pixels, to, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return _scaled(np.asarray(resized, np.uint8))


def rgb_pixels(picture: Any) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a PIL image, an array (H, W, 3) or (3, H, W), or such a tensor: whole numbers 0 to 255, or floats in [0, 1].

    Raises:
        DataError: It is no such thing.
    """
    if isinstance(picture, Image.Image):
        return np.asarray(picture.convert("RGB"))
    pixels = picture.numpy() if isinstance(picture, torch.Tensor) else np.asarray(picture)
    if pixels.ndim != 3 or 3 not in (pixels.shape[-1], pixels.shape[0]):
        raise DataError(f"expected a picture of shape (H, W, 3), got {tuple(pixels.shape)}; decode it to RGB")
    if pixels.shape[-1] != 3:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype == np.uint8:
        return pixels
    whole = np.issubdtype(pixels.dtype, np.integer)
    if not whole and not np.issubdtype(pixels.dtype, np.floating):
        raise DataError(f"expected a picture of numbers, got {pixels.dtype}; decode it to RGB")
    least, most = float(pixels.min(initial=0)), float(pixels.max(initial=0))  # NaN passes through both
    if not (least >= -SLACK and most <= (255 if whole else 1 + SLACK)):
        raise DataError(
            f"expected a picture of whole numbers 0 to 255 or of floats 0 to 1, got {pixels.dtype} from {least:g} to {most:g}; scale it"
        )
    return np.clip(pixels if whole else np.round(pixels * 255), 0, 255).astype(np.uint8)


def flattened(items: Any) -> list[Any]:
    """Items of nested lists, in order; one item that is no list is a list of itself."""
    if not isinstance(items, (list, tuple)):
        return [items]
    return [one for each in items for one in flattened(each)]


def _boxes_of(pictures: Sequence[NDArray[np.uint8]], boxes: Boxes | None) -> list[Sequence[FaceBox]]:
    """The boxes of each picture.

    Raises:
        DataError: They are not one list a picture.
    """
    if not boxes:
        return [()] * len(pictures)
    if isinstance(boxes, Mapping):
        return [boxes.get(fingerprint(pixels), ()) for pixels in pictures]
    if len(boxes) != len(pictures):
        raise DataError(
            f"{len(pictures)} pictures but boxes of {len(boxes)}; give a list of boxes for each picture, empty for none"
        )
    for own in boxes:
        if isinstance(own, str) or not isinstance(own, (Sequence, np.ndarray)):
            raise DataError(f"expected a list of boxes for each picture, got {own!r}; give an empty list for none")
    return list(boxes)


def face_of(box: FaceBox, pixels: NDArray[np.uint8]) -> Face:
    """The face of a box in a picture (H, W, 3).

    Raises:
        DataError: It is no box, or lies outside of the picture.
    """
    try:
        numbers = [float(number) for number in box]
    except (TypeError, ValueError):  # a number or a text instead of a box
        numbers = []
    if len(numbers) not in (4, 5) or not np.isfinite(numbers).all() or min(numbers[2:4]) <= 0:
        raise DataError(f"a box is x, y, width and height above 0, and a roll if known; got {box!r}")
    x, y, width, height, *roll = numbers
    if x >= pixels.shape[1] or y >= pixels.shape[0] or x + width <= 0 or y + height <= 0:
        raise DataError(
            f"the box {box!r} lies outside of its picture of {pixels.shape[1]} × {pixels.shape[0]} pixels; give pixels of it"
        )
    return Face(box=Box(x=x, y=y, width=width, height=height), confidence=1.0, roll=roll[0] if roll else 0.0)


def _scaled(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """(3, S, S) in [0, 1] of (S, S, 3) uint8."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255
