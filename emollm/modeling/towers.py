"""Towers: encoders as the model sees them, each with the features that its connector reads.

A tower takes pictures (R, 3, S, S) RGB in [0, 1] of its own ``size``, or log-mel frames (A, 80, 3000), does what else its weights
were trained with itself, and gives (R, N, W) features; some give a second, pooled view (R, P) that connectors turn into a token of
its own: of our face nets what their heads say (expression, action units), of a Whisper encoder with a tone head what that says.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional
from transformers import CONFIG_MAPPING, AutoModel
from transformers.models.whisper.configuration_whisper import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emollm.config import Settings
from emollm.encoders.base import normalised
from emollm.encoders.net import FaceNetConfig
from emollm.errors import ConfigError
from emollm.modeling.tone import ToneSettings, own_frames, own_means
from emollm.registry import Registry

CLIP_MEAN, CLIP_SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of red, green and blue that CLIP was trained with (Radford et al. 2021)."""


class Seen(NamedTuple):
    """What a tower makes of R pictures or voices."""

    features: Tensor
    """(R, N, W)."""
    summary: Tensor | None = None
    """(R, P), or None."""


class Tower(nn.Module):
    """An encoder: pictures or voices to :class:`Seen`."""

    size: int
    """Side of its pictures in pixels; of speech: log-mel bands."""
    margin: float
    """How far its crop of a face reaches beyond the face's box on each side, in sides of the face."""
    width: int
    """W of the features."""
    summary_width: int
    """P of the summary; 0 where it gives none."""


class TowerSettings(Protocol):
    """Architecture of a tower (:class:`emollm.config.Settings`)."""

    def build(self) -> Tower:
        """The tower with fresh weights."""
        ...

    @classmethod
    def model_validate(cls, obj: object) -> "TowerSettings":
        """The settings of a mapping."""
        ...


TOWERS: Registry[type[TowerSettings]] = Registry(
    "tower",
    {
        "face_net": "emollm.modeling.towers:FaceNetTowerSettings",
        "open_clip": "emollm.modeling.towers:OpenClipTowerSettings",
        "vision": "emollm.modeling.towers:VisionTowerSettings",
        "whisper": "emollm.modeling.towers:WhisperTowerSettings",
    },
)
"""Name -> settings class of a tower."""


def build(name: str, settings: Mapping[str, Any]) -> Tower:
    """The tower of that name with fresh weights.

    Raises:
        ConfigError: Unknown tower, or settings that are not its own.
    """
    try:
        # Some encoders compute constants while they are built, which has to give numbers even where transformers loads onto "meta".
        with torch.device("cpu"):
            return TOWERS[name].model_validate(dict(settings)).build()
    except ValueError as error:
        raise ConfigError(f"tower {name}: {' '.join(str(error).split())}") from error


# ---- our face nets --------------------------------------------------------------------------------------------------


class FaceNetTowerSettings(Settings):
    """A multitask face net: any encoder of :data:`emollm.encoders.base.ENCODERS` with its heads."""

    net: FaceNetConfig

    def build(self) -> "FaceNetTower":
        """The tower with fresh weights."""
        return FaceNetTower(self.net)


class FaceNetTower(Tower):
    """A face net whose last map gives the features, and whose heads give the summary.

    Args:
        config: Of the net.
    """

    def __init__(self, config: FaceNetConfig) -> None:
        super().__init__()
        self.net = config.architecture().build()
        self.size, self.margin = self.net.size, config.margin
        self.width = self.net.body.token_width
        self.summary_width = self.net.body.width + len(config.labels) + len(config.units)

    def forward(self, inputs: Tensor) -> Seen:
        """Features (R, N, D') of faces (R, 3, S, S), and pooled features, expression and unit logits side by side."""
        outputs = self.net(inputs)
        told = [outputs.pooled, outputs.expression] + ([] if outputs.units is None else [outputs.units])
        return Seen(outputs.tokens, torch.cat(told, dim=-1))


# ---- towers of others -----------------------------------------------------------------------------------------------


class OpenClipTowerSettings(Settings):
    """The picture tower of an open_clip model of the ViT family."""

    model: str
    """Name in ``open_clip.list_models()``, such as ``ViT-B-32``."""
    vision: dict[str, Any] = Field(default_factory=dict)
    """What differs from that model's ``vision_cfg``."""

    def build(self) -> "OpenClipTower":
        """The tower with fresh weights."""
        return OpenClipTower(self)


class OpenClipTower(Tower):
    """All patch features of a CLIP picture tower, and its embedding as the summary.

    Args:
        settings: Name of the architecture and what differs from it.

    Raises:
        ConfigError: There is no such architecture, or it has no transformer for pictures.
    """

    margin = 0.0

    def __init__(self, settings: OpenClipTowerSettings) -> None:
        super().__init__()
        import open_clip
        from open_clip.model import _build_vision_tower  # the public create_model builds the text tower as well

        config = open_clip.get_model_config(settings.model)
        if config is None:
            raise ConfigError(f"unknown open_clip model {settings.model!r}; open_clip.list_models() names them")
        vision = {**config["vision_cfg"], **settings.vision, "output_tokens": True}
        if "timm_model_name" in vision or not isinstance(vision.get("layers", 12), int):  # timm's, or a ResNet
            raise ConfigError(
                f"open_clip model {settings.model!r} has no transformer for pictures; use one of the ViTs"
            )
        self.visual = _build_vision_tower(config["embed_dim"], vision, config.get("quick_gelu", False))
        for module in list(self.visual.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.MultiheadAttention):
                    setattr(module, name, SelfAttention(child))
        self.size, self.width = int(vision["image_size"]), int(vision["width"])
        self.summary_width = int(config["embed_dim"])

    def forward(self, inputs: Tensor) -> Seen:
        """Features (R, N, W) of pictures (R, 3, S, S) and embeddings (R, E)."""
        pooled, tokens = self.visual(normalised(inputs, CLIP_MEAN, CLIP_SPREAD))
        return Seen(tokens, pooled)


class SelfAttention(nn.Module):
    """``nn.MultiheadAttention`` of a sequence with itself, by the same names, calling its last layer as a module.

    PyTorch's own reads that layer's weight past the layer, which servers (vLLM) and adapters (PEFT) replace by layers of their own.

    Args:
        like: The module whose architecture and weights this takes.
    """

    def __init__(self, like: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = like.num_heads
        self.in_proj_weight, self.in_proj_bias = like.in_proj_weight, like.in_proj_bias
        self.out_proj = nn.Linear(like.embed_dim, like.embed_dim)
        self.out_proj.load_state_dict(like.out_proj.state_dict())

    def forward(
        self, query: Tensor, *args: Tensor, attn_mask: Tensor | None = None, **kwargs: Any
    ) -> tuple[Tensor, None]:
        """(R, N, W) of (R, N, W), and None for the weights."""
        parts = functional.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        asked, keys, values = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in parts)
        seen = functional.scaled_dot_product_attention(asked, keys, values, attn_mask=attn_mask)
        return self.out_proj(seen.transpose(1, 2).flatten(2)), None


class VisionTowerSettings(Settings):
    """A vision model of transformers that gives ``last_hidden_state`` (R, N, W): SigLIP, DINOv2, CLIP, ViT and others."""

    config: dict[str, Any]
    """Its configuration as a mapping, ``model_type`` included."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Mean of red, green and blue that its weights were trained with."""
    spread: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Their standard deviation."""
    skip: Annotated[int, Field(ge=0)] = 0
    """Features at the start that belong to no patch (a class token, registers)."""

    def build(self) -> "VisionTower":
        """The tower with fresh weights."""
        return VisionTower(self)


class VisionTower(Tower):
    """Features of a vision model of transformers.

    Args:
        settings: Its configuration and what its pictures are normalised with.
    """

    margin = 0.0
    summary_width = 0

    def __init__(self, settings: VisionTowerSettings) -> None:
        super().__init__()
        kind = str(settings.config.get("model_type"))
        if kind not in CONFIG_MAPPING:
            raise ConfigError(f"transformers has no model type {kind!r}; give the vision model's own configuration")
        values = {key: value for key, value in settings.config.items() if key != "model_type"}
        config = CONFIG_MAPPING[kind](**values)
        if not isinstance(getattr(config, "image_size", None), int) or not hasattr(config, "hidden_size"):
            raise ConfigError(f"model type {kind!r} has no one image_size or no hidden_size; use a vision transformer")
        self.model = AutoModel.from_config(config)
        self.mean, self.spread, self.skip = settings.mean, settings.spread, settings.skip
        self.size, self.width = int(config.image_size), int(config.hidden_size)

    def forward(self, inputs: Tensor) -> Seen:
        """Features (R, N, W) of pictures (R, 3, S, S)."""
        hidden = self.model(pixel_values=normalised(inputs, self.mean, self.spread)).last_hidden_state
        return Seen(hidden[:, self.skip :])


class WhisperTowerSettings(Settings):
    """The encoder of a Whisper model (Radford et al. 2023); defaults are tiny.en's."""

    d_model: Annotated[int, Field(ge=1)] = 384
    """Width."""
    encoder_layers: Annotated[int, Field(ge=1)] = 4
    """Layers."""
    encoder_attention_heads: Annotated[int, Field(ge=1)] = 6
    """Attention heads."""
    encoder_ffn_dim: Annotated[int, Field(ge=1)] = 1536
    """Width inside of a layer."""
    num_mel_bins: Literal[80, 128] = 80
    """Log-mel bands."""
    taps: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Layers, from 1, whose features stand side by side; the last one, normalised, if none is named. Tone of voice is told more clearly by
    the layers before the last, which is trained for words (docs/emollm-135m.md)."""
    tone: ToneSettings | None = None
    """What a head tells of the voice as a whole: the summary; None for no summary."""

    @model_validator(mode="after")
    def _layers_are_there(self) -> "WhisperTowerSettings":
        for name, layers in (("taps", self.taps), ("tone", self.tone.layers if self.tone else ())):
            if max(layers, default=0) > self.encoder_layers:
                raise ValueError(f"{name}: layer {max(layers)} of {self.encoder_layers}; name layers that there are")
        return self

    def build(self) -> "WhisperTower":
        """The tower with fresh weights."""
        return WhisperTower(self)


class WhisperTower(Tower):
    """Features of 20 ms of a voice each; with a tone head its probabilities are the summary.

    Args:
        settings: Architecture.
    """

    margin = 0.0

    def __init__(self, settings: WhisperTowerSettings) -> None:
        super().__init__()
        self.model = WhisperEncoder(WhisperConfig(**settings.model_dump(exclude={"taps", "tone"})))
        self.taps, self.layers = settings.taps, settings.tone.layers if settings.tone else ()
        self.summary_width = len(settings.tone.labels) if settings.tone else 0
        self.tone = nn.Linear(len(self.layers) * settings.d_model, self.summary_width) if settings.tone else None
        self.size, self.width = settings.num_mel_bins, settings.d_model * max(1, len(settings.taps))

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Seen:
        """Features (A, 1500, W) of log-mel frames (A, bands, 3000), and probabilities (A, P) of the tones.

        Args:
            inputs: Log-mel frames, the silence behind each voice included.
            lengths: (A,) frames of the voice itself, all of them if not given; the tone is told from these alone.
        """
        if not self.taps and self.tone is None:
            return Seen(self.model(inputs).last_hidden_state)
        layers = self.model(inputs, output_hidden_states=True).hidden_states
        features = torch.cat([layers[tap] for tap in self.taps or (-1,)], dim=-1)
        if self.tone is None:
            return Seen(features)
        if lengths is None:
            lengths = torch.full((len(inputs),), inputs.shape[-1], device=inputs.device)
        own = own_frames(lengths, features.shape[1])
        means = torch.cat([own_means(layers[layer].float(), own) for layer in self.layers], dim=-1)
        # Parts of a score cancel each other out, of which half precision would make another score.
        with torch.autocast(inputs.device.type, enabled=False):
            told = self.tone(means.to(inputs.dtype)).float().softmax(-1)
        return Seen(features, told.to(inputs.dtype))
