"""What an encoder is, and the table of them.

Every encoder takes pictures (B, 3, H, W) in [0, 1], RGB, of its own ``size``, and does what else its weights were trained with
(grey, mean and spread) itself, so that all rows of the table are called alike.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from emollm.errors import ConfigError
from emollm.registry import Registry


class Features(NamedTuple):
    """What an encoder makes of pictures."""

    tokens: Tensor
    """(B, N, D'), row by row of the last map; D' is D unless layers stand between that map and ``pooled``."""
    pooled: Tensor
    """(B, D)."""


class Encoder(Protocol):
    """A backbone, an ``nn.Module``."""

    size: int
    """Side of the pictures in pixels."""
    width: int
    """D, of ``pooled``: what the heads stand on."""
    token_width: int
    """D', of a token."""
    layers: Mapping[str, nn.Module]
    """Modules whose outputs are maps (B, channels, H', W'), by name, shallow first; Grad-CAM looks at the last one."""

    def __call__(self, pixels: Tensor) -> Features:
        """Features of pictures (B, 3, size, size) in [0, 1]."""
        ...


class EncoderConfig(Protocol):
    """Settings of a backbone (:class:`emollm.config.Settings`); an architecture is its settings."""

    size: int

    def build(self) -> nn.Module:
        """An :class:`Encoder` with fresh weights."""
        ...

    @classmethod
    def model_validate(cls, obj: object) -> Self:
        """The settings of a mapping."""
        ...

    def model_dump(self) -> dict[str, object]:
        """The settings as a mapping."""
        ...


ENCODERS: Registry[type[EncoderConfig]] = Registry(
    "encoder",
    {
        "face_mt": "emollm.encoders.face_mt:FaceMtConfig",
        "resemotenet": "emollm.encoders.resemotenet:ResEmoteNetConfig",
        "gimefive": "emollm.encoders.gimefive:GiMeFiveConfig",
        "se_swin": "emollm.encoders.se_swin:SESwinConfig",
        "timm": "emollm.encoders.timm_net:TimmConfig",
    },
)
"""Name -> settings class of a backbone."""

STARTS = ("weights", "pretrained")
"""Settings of a backbone that say where its training starts from: no part of the architecture, and not asked for again."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), as Pillow and OpenCV have them."""

IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue in ImageNet, which most published nets were trained with."""


def check_pictures(pixels: Tensor, size: int) -> None:
    """Refuses what are not pictures (B, 3, size, size).

    Raises:
        ConfigError: They have another shape.
    """
    if tuple(pixels.shape[1:]) != (3, size, size):
        raise ConfigError(
            f"expected pictures (B, 3, {size}, {size}), got {tuple(pixels.shape)}; cut crops of {size} × {size} pixels "
            "or set the encoder's size"
        )


def grey(pixels: Tensor) -> Tensor:
    """(B, 1, H, W) grey of pictures (B, 3, H, W)."""
    return (pixels * pixels.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def normalised(pixels: Tensor, mean: Sequence[float] | Tensor, spread: Sequence[float] | Tensor) -> Tensor:
    """Pictures (B, C, H, W) less the mean of each channel (C,), divided by its spread (C,)."""
    middle, unit = (torch.as_tensor(each, dtype=pixels.dtype, device=pixels.device) for each in (mean, spread))
    return (pixels - middle[:, None, None]) / unit[:, None, None]


def tokens_of(maps: Tensor) -> Tensor:
    """(B, N, D), row by row, of a map (B, D, H, W)."""
    return maps.flatten(2).transpose(1, 2)
