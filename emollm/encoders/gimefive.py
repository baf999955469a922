"""GiMeFive (Wang and Kawka 2024, "GiMeFive: Towards Interpretable Facial Emotion Classification"), the best of its variants.

A grey face of 64 × 64 pixels in three equal channels, five convolutions, no squeeze-and-excitation and no shortcuts. With the six
classes of the paper it has 10,478,086 parameters (published: 10.48 million). Where the dropouts of 0.2 and 0.5 stand is our reading,
after each convolution and each linear layer; a version of the authors' code has only the one after the first linear layer. The last
one stands in front of the classes: give the net's own ``dropout: 0``, or they see two.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from emollm.config import Settings
from emollm.encoders.base import Features, tokens_of
from emollm.encoders.plain import Convolution, Linears, in_grey


class GiMeFiveConfig(Settings):
    """Architecture of GiMeFive; the defaults are the published one."""

    size: Annotated[int, Field(ge=16, le=512)] = 64
    """Side of the picture in pixels; at least 2 to the power of the number of convolutions."""
    widths: Annotated[tuple[int, ...], Field(min_length=1)] = (64, 128, 256, 512, 1024)
    """Channels of the convolutions; each halves the resolution."""
    hidden: Annotated[tuple[int, ...], Field(min_length=1)] = (2048, 1024)
    """Widths of the linear layers; the last is that of the pooled features."""
    map_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the maps' values left out in training, after each convolution."""
    linear_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of values left out in training after each linear layer."""

    def build(self) -> "GiMeFive":
        """The net with fresh weights."""
        return GiMeFive(self)


class GiMeFive(nn.Module):
    """The published net without its last linear layer; see :class:`GiMeFiveConfig`."""

    def __init__(self, config: GiMeFiveConfig) -> None:
        super().__init__()
        if config.size < 2 ** len(config.widths):
            raise ValueError(
                f"{len(config.widths)} convolutions need a size of {2 ** len(config.widths)} pixels or more"
            )
        self.size, self.width, self.token_width = config.size, config.hidden[-1], config.widths[-1]
        self.convolutions = nn.ModuleList(Convolution(*step) for step in pairwise((3, *config.widths)))
        self.dropout = nn.Dropout(config.map_dropout)
        self.linear = Linears((config.widths[-1], *config.hidden), config.linear_dropout)

    @property
    def layers(self) -> Mapping[str, nn.Module]:
        """Convolutions before their pooling; the authors look at the last one, 4 × 4 positions of a face of 64 pixels."""
        return {f"conv{number}": convolution for number, convolution in enumerate(self.convolutions, start=1)}

    def forward(self, pixels: Tensor) -> Features:
        """Features of faces (B, 3, size, size) in [0, 1]; colour is not looked at."""
        maps = in_grey(pixels, self.size)  # (B, 3, H, W)
        for convolution in self.convolutions:
            maps = self.dropout(functional.max_pool2d(convolution(maps), 2))  # the last: (B, D', H / 32, W / 32)
        return Features(tokens_of(maps), self.linear(maps.mean((2, 3))))
