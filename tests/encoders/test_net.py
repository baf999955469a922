from collections.abc import Callable

import pytest
import torch

from emollm.emotions import label_set
from emollm.encoders import FaceNet, FaceNetConfig
from emollm.errors import ConfigError

Build = Callable[..., FaceNet]


def pixels(net: FaceNet) -> torch.Tensor:
    return torch.rand(2, 3, net.size, net.size, generator=torch.Generator().manual_seed(3))


def test_heads_that_were_not_asked_for_say_none(tiny: Build) -> None:
    net = tiny(embedding=0).eval()
    outputs = net(pixels(net))
    assert (outputs.units, outputs.embedding, outputs.affect) == (None, None, None)
    assert not [name for name, _ in net.named_parameters() if name.startswith(("units", "embedding", "affect"))]


def test_heads_that_were_asked_for_have_their_shapes_and_ranges(tiny: Build) -> None:
    net = tiny(units=("AU4", "AU12", "AU25"), embedding=5, affect=True).eval()
    outputs = net(pixels(net))
    assert outputs.expression.shape == (2, 3)
    assert outputs.units is not None
    assert outputs.units.shape == (2, 3)
    assert outputs.embedding is not None
    torch.testing.assert_close(outputs.embedding.norm(dim=-1), torch.ones(2))
    assert outputs.embedding.shape == (2, 5)
    assert outputs.affect is not None
    assert outputs.affect.shape == (2, 2)
    assert outputs.affect.abs().max() <= 1


@pytest.mark.parametrize("name", ["resemotenet", "ferplus"])
def test_the_classes_keep_the_order_of_their_label_set(name: str) -> None:
    labels = label_set(name).labels[:7]
    net = FaceNetConfig(backbone={"size": 16, "stem": 4, "widths": [4], "depths": [0]}, labels=labels).build()
    assert net.config.labels == labels
    assert net.expression.out_features == len(labels)


def test_resemotenets_published_order_is_that_of_its_label_set() -> None:
    assert label_set("resemotenet").labels == ("happy", "surprise", "sad", "anger", "disgust", "fear", "neutral")


@pytest.mark.parametrize(("field", "names"), [("labels", ("joy", "fear", "joy")), ("units", ("AU1", "AU1"))])
def test_a_name_that_stands_twice_is_refused(field: str, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="stands twice"):
        FaceNetConfig.model_validate({"labels": ("a", "b"), field: names})


def test_an_unknown_encoder_gets_the_close_and_the_known_names() -> None:
    with pytest.raises(ConfigError, match=r"unknown encoder 'facemt' .did you mean 'face_mt'.*gimefive, resemotenet"):
        FaceNetConfig(encoder="facemt", labels=("a", "b")).build()


def test_a_setting_of_another_encoder_is_one_clear_line() -> None:
    config = FaceNetConfig(encoder="gimefive", backbone={"embed_dim": 8}, labels=("a", "b"))
    with pytest.raises(ConfigError, match="encoder gimefive: embed_dim: Extra inputs are not permitted") as caught:
        config.build()
    assert "\n" not in str(caught.value)


def test_widths_without_their_depths_are_one_clear_line() -> None:
    config = FaceNetConfig(backbone={"widths": [8, 8], "depths": [1]}, labels=("a", "b"))
    with pytest.raises(ConfigError, match="encoder face_mt: 2 widths but 1 depths; give one depth a stage"):
        config.build()
