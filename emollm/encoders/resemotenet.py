"""ResEmoteNet (Roy et al. 2024, "ResEmoteNet: Bridging Accuracy and Loss Reduction in Facial Emotion Recognition").

As its authors' code has it: a grey face of 64 × 64 pixels in three equal channels, three convolutions, squeeze-and-excitation,
three residual blocks, and a stack of linear layers. With the seven classes of the paper it has 80,238,599 parameters. The last of
the authors' dropouts stands in front of the classes and is part of the encoder here: give the net's own ``dropout: 0`` to have theirs.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from emollm.config import Settings
from emollm.encoders.base import Features, tokens_of
from emollm.encoders.plain import Convolution, Linears, in_grey
from emollm.encoders.squeeze import SqueezeExcitation

_SMALLEST_MAP = 4
"""Side in positions below which a map says hardly where anything is. The last map of a face of 64 pixels is one position."""


class ResEmoteNetConfig(Settings):
    """Architecture of ResEmoteNet; the defaults are the published one."""

    size: Annotated[int, Field(ge=16, le=512)] = 64
    """Side of the picture in pixels."""
    widths: Annotated[tuple[int, ...], Field(min_length=1)] = (64, 128, 256)
    """Channels of the convolutions; each halves the resolution."""
    residual: Annotated[tuple[int, ...], Field(min_length=1)] = (512, 1024, 2048)
    """Channels of the residual blocks; each halves the resolution."""
    hidden: Annotated[tuple[int, ...], Field(min_length=1)] = (1024, 512, 256)
    """Widths of the linear layers; the last is that of the pooled features."""
    squeeze: Annotated[int, Field(ge=1)] = 16
    """Reduction of the channel weights."""
    map_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the maps' values left out in training, after each convolution but the last."""
    linear_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of values left out in training after each linear layer."""

    def build(self) -> "ResEmoteNet":
        """The net with fresh weights."""
        return ResEmoteNet(self)


class ResEmoteNet(nn.Module):
    """The published net without its last linear layer; see :class:`ResEmoteNetConfig`."""

    def __init__(self, config: ResEmoteNetConfig) -> None:
        super().__init__()
        self.size, self.width, self.token_width = config.size, config.hidden[-1], config.residual[-1]
        self.convolutions = nn.ModuleList(Convolution(*step) for step in pairwise((3, *config.widths)))
        self.dropout = nn.Dropout(config.map_dropout)
        self.weigh = SqueezeExcitation(config.widths[-1], config.squeeze, bias=False)
        self.blocks = nn.ModuleList(Residual(*step) for step in pairwise((config.widths[-1], *config.residual)))
        self.linear = Linears((config.residual[-1], *config.hidden), config.linear_dropout)

    @property
    def layers(self) -> Mapping[str, nn.Module]:
        """Convolutions before their pooling and residual blocks, by name, as far as their maps have a few positions."""
        named: dict[str, nn.Module] = {}
        side = self.size
        for number, convolution in enumerate(self.convolutions, start=1):
            named[f"conv{number}"] = convolution
            side //= 2
        for number, block in enumerate(self.blocks, start=1):
            side = (side + 1) // 2
            if side >= _SMALLEST_MAP:
                named[f"block{number}"] = block
        return named

    def forward(self, pixels: Tensor) -> Features:
        """Features of faces (B, 3, size, size) in [0, 1]; colour is not looked at."""
        maps = in_grey(pixels, self.size)  # (B, 3, H, W)
        for number, convolution in enumerate(self.convolutions, start=1):
            maps = functional.max_pool2d(convolution(maps), 2)
            maps = maps if number == len(self.convolutions) else self.dropout(maps)
        maps = self.weigh(maps)  # (B, 256, H / 8, W / 8)
        for block in self.blocks:
            maps = block(maps)  # the last: (B, D', H / 64, W / 64)
        return Features(tokens_of(maps), self.linear(maps.mean((2, 3))))


class Residual(nn.Module):
    """Two 3 × 3 convolutions, the first of stride 2, beside a 1 × 1 one of stride 2 (He et al. 2016).

    Args:
        before: Channels in.
        after: Channels out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=2, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=2), nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, ⌈H / 2⌉, ⌈W / 2⌉)."""
        return torch.relu(self.change(maps) + self.shortcut(maps))
