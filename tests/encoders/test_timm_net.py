import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emollm.encoders import FaceNetConfig, load, save
from emollm.encoders.base import grey
from emollm.encoders.timm_net import TimmConfig
from emollm.encoders.weights import TrainedConfig
from emollm.errors import AssetError, ConfigError, MissingDependency, ModelError

TINY: dict[str, Any] = {"name": "test_efficientnet", "size": 32}


def face_net(**backbone: Any) -> FaceNetConfig:
    return FaceNetConfig(encoder="timm", backbone=TINY | backbone, labels=("a", "b"), embedding=0)


@pytest.mark.parametrize(
    ("name", "tokens", "pooled"),
    [
        ("mobilevit_xs", (1, 4, 384), 384),
        ("efficientnet_b0", (1, 4, 1280), 1280),
        ("tf_efficientnet_b2", (1, 4, 1408), 1408),
        ("mobilenetv4_conv_small", (1, 4, 960), 1280),
        ("test_vit", (1, 16, 64), 64),
        ("test_convnext", (1, 4, 64), 64),
    ],
)
def test_nets_of_many_families_give_tokens_and_a_pooled_vector(name: str, tokens: tuple[int, ...], pooled: int) -> None:
    net = TimmConfig(name=name, size=64).build().eval()
    with torch.inference_mode():
        given = net(torch.rand(1, 3, 64, 64))
    assert given.tokens.shape == tokens
    assert given.pooled.shape == (1, pooled)
    assert (net.token_width, net.width) == (tokens[-1], pooled)


def test_a_first_stride_of_one_doubles_the_side_of_every_map() -> None:
    usual, fine = TimmConfig(**TINY).build().eval(), TimmConfig(**TINY, first_stride_one=True).build().eval()
    pixels = torch.rand(1, 3, 32, 32)
    assert fine(pixels).tokens.shape[1] == 4 * usual(pixels).tokens.shape[1]
    assert {name: tensor.shape for name, tensor in fine.state_dict().items()} == {
        name: tensor.shape for name, tensor in usual.state_dict().items()
    }


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_a_net_of_patches_has_no_stride_to_take_away(name: str) -> None:
    with pytest.raises(ConfigError, match=f"first_stride_one: {name} does not begin with overlapping strides"):
        face_net(name=name, first_stride_one=True).build()


def test_pictures_are_normalised_as_the_nets_own_weights_had_them() -> None:
    plain, imagenet = TimmConfig(name="mobilevit_xs", size=64).build(), TimmConfig(**TINY).build()
    assert (plain.mean.tolist(), plain.spread.tolist()) == ([0, 0, 0], [1, 1, 1])
    assert imagenet.mean.tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_the_normalisation_travels_with_the_weights(tmp_path: Path) -> None:
    net = face_net().build()
    net.encoder.mean.fill_(0.25)  # as if a later timm said otherwise
    save(tmp_path, net, TrainedConfig(net=net.config), {})
    assert load(tmp_path).net.encoder.mean.tolist() == [0.25, 0.25, 0.25]


def test_building_keeps_statistics_of_batch_norm_and_training_mode() -> None:
    net = TimmConfig(**TINY).build()
    assert net.training
    assert all(module.training for module in net.modules())
    assert all(tensor.abs().max() == 0 for name, tensor in net.state_dict().items() if name.endswith("running_mean"))


def test_a_grey_net_does_not_see_colour() -> None:
    net = TimmConfig(**TINY, in_chans=1).build().eval()
    pixels = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(net(pixels).pooled, net(grey(pixels).expand(-1, 3, -1, -1)).pooled)


def test_an_unknown_name_gets_close_ones_in_one_line() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown timm net 'efficientnet_b9' .did you mean 'efficientnet_b"
    ) as caught:
        face_net(name="efficientnet_b9").build()
    assert "\n" not in str(caught.value)


def test_a_name_that_would_run_anothers_repository_is_unknown() -> None:
    with pytest.raises(ConfigError, match="unknown timm net 'hf-hub:somebody/net'"):
        face_net(name="hf-hub:somebody/net").build()


def test_an_unknown_tag_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match=r"efficientnet_b0.nonsense: .*Invalid pretrained tag"):
        face_net(name="efficientnet_b0.nonsense").build()


def test_a_size_that_the_net_cannot_take_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="encoder timm: test_vit cannot take pictures of 20 × 20 pixels") as caught:
        face_net(name="test_vit", size=20).build()
    assert "\n" not in str(caught.value)


def test_an_option_that_the_net_does_not_know_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="vgg11: cannot be built with these settings") as caught:
        face_net(name="vgg11", drop_path=0.1).build()
    assert "\n" not in str(caught.value)


# ---- weights to start from ------------------------------------------------------------------------------------------


def published(folder: Path, name: str = "test_efficientnet", size: int = 32) -> tuple[Path, Any]:
    """A file as timm publishes them, with the classes that we do not want."""
    net = TimmConfig(name=name, size=size).build()
    file = folder / "published.safetensors"
    head = {"classifier.weight": torch.zeros(1000, 256), "classifier.bias": torch.zeros(1000)}
    save_file(dict(net.net.state_dict()) | head, file)
    return file, net.eval()


def test_training_starts_from_a_file(tmp_path: Path) -> None:
    file, wanted = published(tmp_path)
    net = TimmConfig(**TINY, weights=file).build().eval()
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(net(pixels).pooled, wanted(pixels).pooled)


def test_colour_weights_answer_a_grey_net_as_they_do_grey_pictures(tmp_path: Path) -> None:
    file, wanted = published(tmp_path)
    net = TimmConfig(**TINY, weights=file, in_chans=1).build().eval()
    for each in (net, wanted):
        each.mean.fill_(0.5)
        each.spread.fill_(0.25)
    pixels = torch.rand(2, 3, 32, 32)
    colourless = grey(pixels).expand(-1, 3, -1, -1)
    torch.testing.assert_close(net(pixels).pooled, wanted(colourless).pooled, rtol=1e-3, atol=1e-5)


def test_positions_of_a_transformer_are_fitted_to_another_size(tmp_path: Path) -> None:
    file, wanted = published(tmp_path, "test_vit", 64)
    net = TimmConfig(name="test_vit", size=32, weights=file).build()
    assert torch.equal(net.net.blocks[0].mlp.fc1.weight, wanted.net.blocks[0].mlp.fc1.weight)


def test_weights_of_another_net_are_one_clear_line(tmp_path: Path) -> None:
    file, _ = published(tmp_path)
    with pytest.raises(ModelError, match=r"published.safetensors: weights of another net: .* and \d+ more") as caught:
        face_net(name="mobilenetv4_conv_small", weights=file).build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04pickle"])
def test_what_is_not_safetensors_is_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "weights.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"weights.safetensors: cannot be read as safetensors") as caught:
        face_net(weights=str(file)).build()
    assert "\n" not in str(caught.value)


def test_two_starts_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="weights and pretrained exclude each other"):
        face_net(weights=str(tmp_path / "x"), pretrained=True).build()


def test_a_forbidden_network_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    with pytest.raises(AssetError, match=r"test_efficientnet.*: EMOLLM_OFFLINE forbids the network") as caught:
        face_net(pretrained=True).build()
    assert "\n" not in str(caught.value)


def test_trained_weights_are_loaded_without_what_their_training_started_from(tmp_path: Path) -> None:
    file, _ = published(tmp_path)
    net = face_net(weights=str(file)).build()
    save(tmp_path / "trained", net, TrainedConfig(net=net.config), {})
    file.unlink()
    assert load(tmp_path / "trained").net.config.backbone == TINY
    assert str(tmp_path) not in (tmp_path / "trained" / "config.json").read_text()


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependency, match=r"'timm'; pip install 'emollm\[train\]'"):
        TimmConfig(**TINY).build()
