"""SE-Swin (Vats and Chadha 2023, "Facial Expression Recognition using Squeeze and Excitation-powered Swin Transformers").

A Swin transformer (Liu et al. 2021) whose last features are weighed channel by channel by squeeze-and-excitation (Hu et al. 2018).
The paper does not say where exactly its weighing stands; here it is after the last stage and its norm. Its sharpness-aware
minimisation (Foret et al. 2021) is a setting of the training.

The defaults are Swin-T. For small faces and CPUs, 3.1 million parameters: ``size: 48``, ``patch: 2``, ``embed_dim: 32``,
``heads: [1, 2, 4, 8]``, ``window: 6``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from emollm.config import Settings
from emollm.encoders.base import IMAGENET_MEAN, IMAGENET_SPREAD, Features, check_pictures, normalised, tokens_of
from emollm.encoders.squeeze import SqueezeExcitation
from emollm.encoders.timm_net import import_timm, start_from

_SWIN = "swin_tiny_patch4_window7_224"


class SESwinConfig(Settings):
    """Architecture of SE-Swin; the defaults are Swin-T."""

    size: Annotated[int, Field(ge=16, le=1024)] = 224
    """Side of the picture in pixels, a multiple of the patch."""
    patch: Annotated[int, Field(ge=1)] = 4
    """Side of a patch, the first token, in pixels."""
    embed_dim: Annotated[int, Field(ge=1)] = 96
    """Width of the first stage; each further one has twice the width before it."""
    depths: Annotated[tuple[int, ...], Field(min_length=1)] = (2, 2, 6, 2)
    """Blocks of each stage; each stage but the first halves the resolution."""
    heads: Annotated[tuple[int, ...], Field(min_length=1)] = (3, 6, 12, 24)
    """Attention heads of each stage."""
    window: Annotated[int, Field(ge=1)] = 7
    """Side of a window of attention in tokens; a stage with a smaller map is one window."""
    squeeze: Annotated[int, Field(ge=1)] = 16
    """Reduction of the channel weights."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Probability with which the last block is left out in training; it grows from zero over the blocks."""
    weights: Path | None = None
    """A safetensors file of a Swin transformer in timm's names, of the same width and depths, that training starts from."""

    def build(self) -> "SESwin":
        """The net, with fresh weights or those it starts from.

        Raises:
            ModelError: ``weights`` cannot be read or are of another net.
            MissingDependency: timm is not installed.
        """
        return SESwin(self)


class SESwin(nn.Module):
    """The Swin transformer with weighed channels; see :class:`SESwinConfig`."""

    def __init__(self, config: SESwinConfig) -> None:
        super().__init__()
        _check(config)
        self.size, self.width = config.size, config.embed_dim * 2 ** (len(config.depths) - 1)
        self.token_width = self.width
        self.net = import_timm().create_model(
            _SWIN,
            num_classes=0,
            img_size=config.size,
            patch_size=config.patch,
            embed_dim=config.embed_dim,
            depths=config.depths,
            num_heads=config.heads,
            window_size=config.window,
            drop_path_rate=config.drop_path,
        )
        if config.weights:
            start_from(self.net, config.weights)
        self.maps = nn.ModuleList(ChannelsFirst() for _ in config.depths)
        self.weigh = SqueezeExcitation(self.width, config.squeeze)

    @property
    def layers(self) -> Mapping[str, nn.Module]:
        """Maps of the stages, and the weighed one, by name."""
        return {f"stage{number}": maps for number, maps in enumerate(self.maps, start=1)} | {"weighed": self.weigh}

    def forward(self, pixels: Tensor) -> Features:
        """Features of faces (B, 3, size, size) in [0, 1]."""
        check_pictures(pixels, self.size)
        seen = self.net.patch_embed(normalised(pixels, IMAGENET_MEAN, IMAGENET_SPREAD))  # (B, H', W', embed_dim)
        for stage, maps in zip(self.net.layers, self.maps, strict=True):
            seen = maps(stage(seen)).permute(0, 2, 3, 1)  # the last: (B, H'', W'', D)
        weighed = self.weigh(self.net.norm(seen).permute(0, 3, 1, 2))  # (B, D, H'', W'')
        return Features(tokens_of(weighed), weighed.mean((2, 3)))


class ChannelsFirst(nn.Module):
    """Gives the output of a Swin stage as a map, so that it can be looked at as one."""

    def forward(self, seen: Tensor) -> Tensor:
        """(B, H, W, D) to (B, D, H, W)."""
        return seen.permute(0, 3, 1, 2)


def _check(config: SESwinConfig) -> None:
    if len(config.heads) != len(config.depths):
        raise ValueError(f"{len(config.depths)} depths but {len(config.heads)} numbers of heads; give one a stage")
    if config.size % config.patch:
        raise ValueError(f"size {config.size} is no multiple of patch {config.patch}")
    for stage, heads in enumerate(config.heads):
        if heads < 1 or config.embed_dim * 2**stage % heads:
            raise ValueError(
                f"stage {stage + 1}: {config.embed_dim * 2**stage} channels are no multiple of {heads} heads"
            )
