"""Towers: what they see is what the encoder they hold sees."""

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from emollm.encoders import FaceNetConfig
from emollm.encoders.base import ENCODERS
from emollm.errors import ConfigError, ModelError
from emollm.modeling import towers
from emollm.modeling.tower_weights import TowerSource, tower_of
from emollm.modeling.towers import CLIP_MEAN, CLIP_SPREAD
from tests.encoders.conftest import TINY

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
HALF = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
OPEN_CLIP: dict[str, Any] = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}


def tower(source: TowerSource) -> nn.Module:
    """The tower of a source, with its weights."""
    assert source.weights is not None
    made = towers.build(source.kind, source.settings)
    made.load_state_dict(source.weights)
    return made.eval()


def pixels(size: int = 32, count: int = 2) -> torch.Tensor:
    """Noise in [0, 1]."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def normal(inputs: torch.Tensor, mean: Any, spread: Any) -> torch.Tensor:
    """As the encoder was trained."""
    return (inputs - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(spread).view(3, 1, 1)


# ---- open_clip ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["ViT-B-32", "ViT-B-32-quickgelu", "ViT-B-16-SigLIP"])
def test_an_open_clip_tower_sees_what_open_clip_sees(model: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = open_clip.get_model_config(model)
    assert config is not None
    if "timm_model_name" in config["vision_cfg"]:
        with pytest.raises(ConfigError, match=r"has no transformer for pictures; use one of the ViTs"):
            towers.build("open_clip", {"model": model})
        return
    vision = {**config["vision_cfg"], **OPEN_CLIP}
    text = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
    whole = open_clip.CLIP(
        embed_dim=config["embed_dim"], vision_cfg=vision, text_cfg=text, quick_gelu=config.get("quick_gelu", False)
    )
    whole.visual.output_tokens = True
    save_file(whole.state_dict(), tmp_path / "clip.safetensors")
    source = tower_of(f"open_clip:{model}", tmp_path / "clip.safetensors")
    source.settings["vision"] = OPEN_CLIP
    ours = tower(source)
    with torch.no_grad():
        pooled, tokens = whole.eval().visual(normal(pixels(), CLIP_MEAN, CLIP_SPREAD))
        seen = ours(pixels())
    assert seen.features.shape == (2, 16, ours.width)
    assert seen.summary.shape == (2, ours.summary_width)
    torch.testing.assert_close(seen.features, tokens, rtol=0, atol=1e-5)
    torch.testing.assert_close(seen.summary, pooled, rtol=0, atol=1e-5)


def test_checkpoints_without_a_picture_tower_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="holds no picture tower; give the weights of an open_clip model"):
        tower_of("open_clip:ViT-B-32", tmp_path / "other.safetensors")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "other.safetensors").read_bytes()[:20])
    with pytest.raises(ModelError, match=r"half\.safetensors: cannot be read as safetensors"):
        tower_of("open_clip:ViT-B-32", tmp_path / "half.safetensors")
    with pytest.raises(ConfigError, match="only open_clip towers take a checkpoint"):
        tower_of("face-mt", tmp_path / "other.safetensors")


# ---- transformers ---------------------------------------------------------------------------------------------------


def test_a_siglip_of_transformers_is_a_tower(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SiglipVisionModel(SiglipVisionConfig(**SMALL)).eval()
    model.save_pretrained(tmp_path)
    SiglipImageProcessor(**HALF).save_pretrained(tmp_path)
    ours = tower(tower_of(str(tmp_path)))
    with torch.no_grad():
        features = ours(pixels()).features
        wanted = model(pixel_values=normal(pixels(), *HALF.values())).last_hidden_state
    assert features.shape == (2, 16, 32)
    torch.testing.assert_close(features, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pair", [False, True])
def test_a_clip_of_transformers_is_a_tower_without_its_class_token(pair: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model: Any = CLIPVisionModel(CLIPVisionConfig(**SMALL)).eval()
    if pair:
        text = {
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": 64,
        }
        model = CLIPModel(CLIPConfig(vision_config=SMALL, text_config=text)).eval()
    model.save_pretrained(tmp_path)
    CLIPImageProcessor(**HALF).save_pretrained(tmp_path)
    ours = tower(tower_of(str(tmp_path)))
    with torch.no_grad():
        features = ours(pixels()).features
        seer = model.vision_model if pair else model
        wanted = seer(pixel_values=normal(pixels(), *HALF.values())).last_hidden_state
    assert features.shape == (2, 16, 32)
    torch.testing.assert_close(features, wanted[:, 1:], rtol=0, atol=1e-5)


def test_folders_that_are_no_tower_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing"):
        tower_of(str(tmp_path / "nothing"))
    SiglipVisionModel(SiglipVisionConfig(**SMALL)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="has no image processor that says how pictures are normalised"):
        tower_of(str(tmp_path))
    kept = load_file(tmp_path / "model.safetensors")
    kept.pop("post_layernorm.weight")
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=r"1 weights are missing, post_layernorm\.weight first; get or save the model again"
    ):
        tower_of(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match="not a tower that can be loaded") as caught:
        tower_of(str(tmp_path))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("eye", {}, "unknown tower 'eye'"),
        ("vision", {"config": {"model_type": "nothing"}}, "transformers has no model type 'nothing'"),
        ("vision", {"config": {"model_type": "convnext"}}, "no hidden_size; use a vision transformer"),
        ("open_clip", {"model": "ViT-B-33"}, "unknown open_clip model 'ViT-B-33'"),
        ("whisper", {"num_mel_bins": 81}, "^tower whisper: .*num_mel_bins"),
        ("face_net", {"net": {"backbone": {"name": "nothing"}}}, "."),
    ],
)
def test_settings_of_no_tower_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        towers.build(name, settings)
    assert len(str(caught.value).splitlines()) == 1


# ---- Whisper --------------------------------------------------------------------------------------------------------

WHISPER = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 48}


def test_layers_of_a_whisper_stand_side_by_side_as_named() -> None:
    torch.manual_seed(0)
    made: Any = towers.build("whisper", {**WHISPER, "taps": (3, 1)}).eval()
    sound = torch.randn(1, 80, 3000)
    with torch.no_grad():
        hidden = made.model(sound, output_hidden_states=True).hidden_states
        last = made.model(sound).last_hidden_state
        features = made(sound).features
    assert made.width == features.shape[-1] == 64
    assert features[..., :32].equal(hidden[3])
    assert features[..., :32].equal(last)
    assert features[..., 32:].equal(hidden[1])
    assert not features[..., 32:].equal(last)


def test_layers_that_there_are_not_are_refused() -> None:
    with pytest.raises(ConfigError, match="taps: layer 4 of 3"):
        towers.build("whisper", {**WHISPER, "taps": (1, 4)})
    with pytest.raises(ConfigError, match="tower face-mt: only Whisper models"):
        tower_of("face-mt", taps=(1,))


# ---- our face nets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_every_encoder_of_faces_is_a_tower(encoder: str) -> None:
    torch.manual_seed(0)
    net = FaceNetConfig(
        encoder=encoder, backbone=TINY[encoder], labels=("calm", "glad", "sad"), units=("AU12", "AU04"), embedding=0
    )
    made: Any = towers.build("face_net", {"net": net.model_dump()}).eval()
    with torch.no_grad():
        seen = made(pixels(made.size))
        outputs = made.net(pixels(made.size))
    assert seen.features.shape == (2, seen.features.shape[1], made.width)
    assert seen.summary.shape == (2, made.summary_width)
    torch.testing.assert_close(seen.summary[:, -5:-2], outputs.expression)
    torch.testing.assert_close(seen.summary[:, -2:], outputs.units)


def test_the_shipped_net_is_a_tower_with_its_weights() -> None:
    from emollm.encoders import load

    ours = tower(tower_of("face-mt"))
    net = load("face-mt").net.eval()
    inputs = pixels(net.size)
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs).features, net(inputs).tokens, rtol=0, atol=0)
