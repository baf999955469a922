"""What every encoder of the table promises."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from emollm.encoders import ENCODERS, FaceNet, load, save
from emollm.encoders.base import grey
from emollm.encoders.losses import Targets, Weights, multitask_loss
from emollm.encoders.weights import TrainedConfig
from emollm.errors import ConfigError

ROWS = tuple(ENCODERS)
GREY = ("face_mt", "resemotenet", "gimefive")
"""Encoders that say they do not look at colour."""

Build = Callable[..., FaceNet]


def faces(net: FaceNet, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, net.size, net.size, generator=generator)


def test_every_encoder_of_the_table_has_tiny_settings(tiny_encoders: tuple[str, ...]) -> None:
    assert sorted(tiny_encoders) == sorted(ENCODERS)


@pytest.mark.parametrize("name", ROWS)
def test_features_have_the_stated_shapes(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    maps: list[Tensor] = []
    list(net.body.layers.values())[-1].register_forward_hook(lambda _, __, output: maps.append(output))

    tokens, pooled = net.body(faces(net))

    assert pooled.shape == (3, net.body.width)
    assert tokens.ndim == 3
    assert tokens.shape[::2] == (3, net.body.token_width)
    assert maps[0].ndim == 4


@pytest.mark.parametrize("name", ROWS)
def test_layers_are_maps_from_shallow_to_deep(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    sides: list[tuple[int, int]] = []
    for layer in net.body.layers.values():
        layer.register_forward_hook(lambda _, __, output: sides.append((output.shape[0], output.shape[-1])))

    net(faces(net))

    assert len(sides) == len(net.body.layers)
    assert sides == sorted(sides, reverse=True)
    assert all(count == 3 for count, _ in sides)


@pytest.mark.parametrize("name", ROWS)
def test_the_last_layer_has_a_gradient_of_the_classes(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    maps: list[Tensor] = []

    def keep(_: object, __: object, output: Tensor) -> None:
        output.retain_grad()
        maps.append(output)

    list(net.body.layers.values())[-1].register_forward_hook(keep)

    net(faces(net)).expression[:, 0].sum().backward()

    assert maps[0].grad is not None
    assert maps[0].grad.abs().sum() > 0


@pytest.mark.parametrize("name", ROWS)
def test_black_and_white_pictures_give_finite_and_different_features(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    black, white = torch.zeros_like(faces(net, 1)), torch.ones_like(faces(net, 1))

    dark, bright = net.body(black), net.body(white)

    assert dark.pooled.isfinite().all()
    assert bright.pooled.isfinite().all()
    assert not torch.allclose(dark.pooled, bright.pooled, atol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_gradients_reach_every_parameter(name: str, tiny: Build) -> None:
    net = tiny(name, units=("AU12", "AU4"), affect=True).train()
    generator = torch.Generator().manual_seed(2)
    shares = torch.rand(16, 3, generator=generator)
    targets = Targets(
        shares / shares.sum(1, keepdim=True),
        torch.rand(16, 2, generator=generator),
        torch.rand(16, 2, generator=generator),
    )

    multitask_loss(net(faces(net, 16)), targets, Weights())["total"].backward()

    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        if parameter.ndim > 1:  # a bias before batch norm has none in theory
            assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", ROWS)
def test_two_looks_in_evaluation_mode_are_equal(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    assert torch.equal(net(faces(net)).expression, net(faces(net)).expression)


@pytest.mark.parametrize("name", ROWS)
def test_training_mode_leaves_something_to_chance(name: str, tiny: Build) -> None:
    net = tiny(name).train()
    assert not torch.equal(net(faces(net)).expression, net(faces(net)).expression)


@pytest.mark.parametrize("name", ROWS)
def test_a_faces_answer_does_not_depend_on_its_neighbours(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    together = net(faces(net))
    for number, face in enumerate(faces(net)):
        alone = net(face[None])
        torch.testing.assert_close(alone.expression[0], together.expression[number], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone.tokens[0], together.tokens[number], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ROWS)
def test_saved_weights_answer_as_the_net_did(name: str, tiny: Build, tmp_path: Path) -> None:
    net = tiny(name).train()
    net(faces(net, 8))  # batch norm learns its statistics
    save(tmp_path, net.eval(), TrainedConfig(net=net.config), {})

    again = load(tmp_path).net

    assert again.config.labels == net.config.labels
    assert torch.equal(again(faces(net)).expression, net(faces(net)).expression)
    assert not any(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize("name", ROWS)
def test_half_precision_keeps_matrices_within_its_rounding_and_the_rest_whole(
    name: str, tiny: Build, tmp_path: Path
) -> None:
    net = tiny(name).eval()
    save(tmp_path, net, TrainedConfig(net=net.config), {}, half=True)

    again = load(tmp_path).net.state_dict()

    for key, value in net.state_dict().items():
        assert torch.equal(again[key], value.half().float() if value.ndim > 1 else value), key


@pytest.mark.parametrize("name", GREY)
def test_a_grey_encoder_does_not_see_colour(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    pixels = faces(net)
    colourless = grey(pixels).expand(-1, 3, -1, -1)
    torch.testing.assert_close(net(colourless).expression, net(pixels).expression, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in ROWS if name not in GREY])
def test_the_other_encoders_see_colour(name: str, tiny: Build) -> None:
    net = tiny(name).eval()
    pixels = faces(net)
    assert not torch.allclose(net(pixels).pooled, net(pixels.flip(1)).pooled, atol=1e-4)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("shape", [(2, 3, 40, 40), (2, 1, 16, 16), (3, 16, 16)])
def test_pictures_of_another_shape_are_refused_with_both_shapes(name: str, shape: tuple[int, ...], tiny: Build) -> None:
    net = tiny(name).eval()
    with pytest.raises(ConfigError) as caught:
        net(torch.zeros(shape))
    message = str(caught.value)
    assert f"expected pictures (B, 3, {net.size}, {net.size}), got {shape}" in message
    assert "\n" not in message
