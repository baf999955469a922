"""Aligned crops of faces."""

import cv2
import numpy as np
import pytest

from emollm.media.images import Picture
from emollm.perception.crops import aligned_crop
from emollm.perception.photo import open_photo_perception
from emollm.perception.settings import PerceptionSettings
from emollm.types import Box, Face, MediaInfo, Observation

INFO = MediaInfo(kind="image", width=512, height=512)


def test_a_crop_is_centred_on_the_face_and_keeps_its_colours() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[60:100, 140:180] = (200, 100, 50)
    face = Face(box=Box(x=140, y=60, width=40, height=40), confidence=1.0)
    patch = aligned_crop(Picture(pixels, INFO, 1.0), face, size=60)
    assert patch.shape == (60, 60, 3)
    np.testing.assert_array_equal(patch[30, 30], [200, 100, 50])
    inside = (patch == (200, 100, 50)).all(2)
    assert inside.mean() == pytest.approx((1 / 1.5) ** 2, abs=0.03)


def test_a_turned_head_is_upright_in_its_crop(astronaut_picture: Picture) -> None:
    """The crop of the turned picture is that of the upright one, up to what resampling and measuring cost."""
    perceive = open_photo_perception(PerceptionSettings(action_units="mesh-head"))
    matrix = cv2.getRotationMatrix2D((225, 125), -25, 1.0)
    turned = cv2.warpAffine(astronaut_picture.pixels, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    crops = []
    for pixels in (astronaut_picture.pixels, turned):
        picture = Picture(pixels, INFO, 1.0)
        crops.append(aligned_crop(picture, perceive(picture, "x").tracks[0].faces[0], size=96).astype(float))
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.9


def test_a_crop_of_a_reduced_picture_shows_the_same(
    astronaut_picture: Picture, astronaut_observation: Observation
) -> None:
    face = astronaut_observation.tracks[0].faces[0]
    small = cv2.resize(astronaut_picture.pixels, (256, 256), interpolation=cv2.INTER_AREA)
    one, two = (aligned_crop(picture, face, size=48) for picture in (astronaut_picture, Picture(small, INFO, 0.5)))
    assert np.abs(one.astype(float) - two).mean() < 6
