"""The light face net of emollm: a residual net with squeeze-and-excitation for small grey faces.

Built for crops of 48 × 48 pixels, where the usual stem of large nets throws most of the picture away: the first map keeps the full
resolution, and three strided convolutions follow. Residual blocks as in He et al. 2016 (two 3 × 3 convolutions), channel weights as in
Hu et al. 2018, whole blocks dropped at random in training as in Huang et al. 2016.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from emollm.config import Settings
from emollm.encoders.base import Features, check_pictures, grey, tokens_of
from emollm.encoders.squeeze import SqueezeExcitation


class FaceMtConfig(Settings):
    """Architecture of the light net."""

    size: Annotated[int, Field(ge=16, le=512)] = 48
    """Side of the picture in pixels."""
    stem: Annotated[int, Field(ge=1)] = 32
    """Channels at full resolution."""
    widths: Annotated[tuple[int, ...], Field(min_length=1)] = (64, 128, 256)
    """Channels of the stages; each halves the resolution."""
    depths: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 1, 1)
    """Residual blocks of each stage."""
    squeeze: Annotated[int, Field(ge=1)] = 8
    """Reduction of the channel weights."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Probability with which the last block is left out in training; it grows from zero over the blocks."""

    def build(self) -> "FaceMt":
        """The net with fresh weights."""
        return FaceMt(self)


class FaceMt(nn.Module):
    """The light net; see :class:`FaceMtConfig`."""

    def __init__(self, config: FaceMtConfig) -> None:
        super().__init__()
        if len(config.depths) != len(config.widths):
            raise ValueError(f"{len(config.widths)} widths but {len(config.depths)} depths; give one depth a stage")
        self.size, self.width = config.size, config.widths[-1]
        self.token_width = self.width
        self.stem = convolution(1, config.stem)
        stages, before, blocks = OrderedDict[str, nn.Module](), config.stem, 0
        total = max(sum(config.depths), 1)
        for number, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True), start=1):
            parts: list[nn.Module] = [convolution(before, width, stride=2)]
            for _ in range(depth):
                blocks += 1
                parts.append(Block(width, config.squeeze, config.drop_path * blocks / total))
            stages[f"stage{number}"] = nn.Sequential(*parts)
            before = width
        self.stages = nn.Sequential(stages)

    @property
    def layers(self) -> Mapping[str, nn.Module]:
        """Stem and stages by name."""
        return {"stem": self.stem, **dict(self.stages.named_children())}

    def forward(self, pixels: Tensor) -> Features:
        """Features of faces (B, 3, size, size) in [0, 1]; colour is not looked at."""
        check_pictures(pixels, self.size)
        maps = self.stem(grey(pixels) * 2 - 1)  # (B, stem, H, W)
        maps = self.stages(maps)  # (B, D, H / 8, W / 8)
        return Features(tokens_of(maps), maps.mean((2, 3)))


class Block(nn.Module):
    """Two convolutions whose channels are weighed by what the whole picture holds, added to their input.

    Args:
        width: Channels.
        squeeze: Reduction of the channel weights.
        drop: Probability with which it is left out in training.
    """

    def __init__(self, width: int, squeeze: int, drop: float) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.weigh = SqueezeExcitation(width, squeeze)
        self.drop = drop

    def forward(self, maps: Tensor) -> Tensor:
        """(B, D, H, W) to the same shape."""
        change = self.weigh(self.second(self.first(maps)))
        if self.training and self.drop:
            kept = torch.rand(len(maps), 1, 1, 1, device=maps.device) >= self.drop
            change = change * (kept / (1 - self.drop)).to(change.dtype)
        return torch.relu(maps + change)


def convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """A 3 × 3 convolution with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
