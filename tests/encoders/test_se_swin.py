from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emollm.encoders import FaceNet, FaceNetConfig
from emollm.encoders.se_swin import SESwinConfig
from emollm.errors import ConfigError, ModelError

SMALL: dict[str, Any] = {"size": 48, "patch": 2, "embed_dim": 32, "heads": (1, 2, 4, 8), "window": 6}
"""What the module's docstring recommends for small faces."""


def test_the_defaults_are_swin_t_and_the_weighing() -> None:
    with torch.device("meta"):
        net = SESwinConfig().build()
    weighing = 2 * 768 * 48 + 768 + 48
    assert sum(parameter.numel() for parameter in net.parameters()) == 27_519_354 + weighing  # timm's Swin-T and ours


def test_the_small_version_has_about_three_million_parameters_and_nine_tokens() -> None:
    net = SESwinConfig(**SMALL).build().eval()
    assert sum(parameter.numel() for parameter in net.parameters()) == pytest.approx(3.08e6, rel=0.01)
    tokens, pooled = net(torch.zeros(1, 3, 48, 48))
    assert tokens.shape == (1, 9, 256)
    torch.testing.assert_close(tokens.mean(1), pooled)


def test_channels_are_weighed_by_what_the_whole_picture_holds(tiny: Callable[..., FaceNet]) -> None:
    net = tiny("se_swin").eval()
    weigh: Any = net.body.layers["weighed"]
    torch.nn.init.zeros_(weigh.gate[-2].weight)
    torch.nn.init.constant_(weigh.gate[-2].bias, -100.0)  # sigmoid: 0
    tokens, pooled = net.body(torch.rand(2, 3, 16, 16))
    assert tokens.abs().max() == 0
    assert pooled.abs().max() == 0


def test_training_can_start_from_a_file_of_another_size_of_picture(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"patch": 2, "embed_dim": 8, "depths": (2, 2), "heads": (1, 2)}
    published = SESwinConfig(size=32, window=4, **shape).build()
    ramp = torch.linspace(0, 1, 7).repeat_interleave(7)  # a bias that grows with the vertical offset, -3 … 3
    published.net.layers[0].blocks[0].attn.relative_position_bias_table.data = ramp[:, None]
    save_file(published.net.state_dict(), tmp_path / "swin.safetensors")

    net = SESwinConfig(size=24, window=3, weights=tmp_path / "swin.safetensors", **shape).build()

    assert torch.equal(net.net.layers[1].blocks[0].mlp.fc1.weight, published.net.layers[1].blocks[0].mlp.fc1.weight)
    table = net.net.layers[0].blocks[0].attn.relative_position_bias_table.view(5, 5)
    torch.testing.assert_close(table, table[:, :1].expand(5, 5))
    assert table[:, 0].diff().min() > 0
    assert table[2, 0].item() == pytest.approx(0.5)


def test_weights_of_another_width_are_one_clear_line(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"size": 16, "patch": 2, "depths": (2, 2), "heads": (1, 2), "window": 4}
    save_file(SESwinConfig(embed_dim=8, **shape).build().net.state_dict(), tmp_path / "swin.safetensors")
    with pytest.raises(ModelError, match="weights of another net: patch_embed") as caught:
        SESwinConfig(embed_dim=16, weights=tmp_path / "swin.safetensors", **shape).build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("backbone", "told"),
    [
        ({"size": 50}, "size 50 is no multiple of patch 4"),
        ({"heads": [3, 6, 12]}, "4 depths but 3 numbers of heads"),
        ({"embed_dim": 32}, "stage 1: 32 channels are no multiple of 3 heads"),
    ],
)
def test_settings_that_do_not_go_together_are_one_clear_line(backbone: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        FaceNetConfig(encoder="se_swin", backbone=backbone, labels=("a", "b")).build()
