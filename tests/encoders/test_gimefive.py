import pytest
import torch

from emollm.emotions import label_set
from emollm.encoders import FaceNetConfig
from emollm.errors import ConfigError


def test_the_published_net_has_its_published_number_of_parameters() -> None:
    with torch.device("meta"):
        net = FaceNetConfig(encoder="gimefive", labels=label_set("gimefive").labels, embedding=0).build()
    assert net.parameters_of() == 10_478_086  # 10.48 million in the paper


def test_the_last_layer_has_four_by_four_positions_of_a_face_of_64_pixels() -> None:
    net = FaceNetConfig(
        encoder="gimefive", backbone={"widths": [2, 2, 2, 2, 2], "hidden": [4]}, labels=("a", "b")
    ).build()
    shapes: list[torch.Size] = []
    net.body.layers["conv5"].register_forward_hook(lambda _, __, output: shapes.append(output.shape))
    net.eval()(torch.zeros(1, 3, 64, 64))
    assert shapes == [(1, 2, 4, 4)]


def test_a_picture_too_small_for_the_poolings_is_one_clear_line() -> None:
    config = FaceNetConfig(encoder="gimefive", backbone={"size": 16}, labels=("a", "b"))
    with pytest.raises(ConfigError, match="encoder gimefive: 5 convolutions need a size of 32 pixels or more"):
        config.build()
