"""What the plain nets of small grey faces, GiMeFive and ResEmoteNet, share: how they see, their convolutions, their linear layers."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from emollm.encoders.base import IMAGENET_MEAN, IMAGENET_SPREAD, check_pictures, grey, normalised


class Convolution(nn.Sequential):
    """A 3 × 3 convolution with batch norm and ReLU; with a bias, which batch norm makes idle, as the authors' codes have it.

    Args:
        before: Channels in.
        after: Channels out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())


class Linears(nn.Sequential):
    """Linear layers, each with ReLU and dropout.

    Args:
        widths: Of what goes in and of each layer.
        dropout: Share of values left out in training after each layer.
    """

    def __init__(self, widths: Sequence[int], dropout: float) -> None:
        steps = (nn.Sequential(nn.Linear(*step), nn.ReLU(), nn.Dropout(dropout)) for step in pairwise(widths))
        super().__init__(*steps)


def in_grey(pixels: Tensor, size: int) -> Tensor:
    """Pictures (B, 3, size, size) in [0, 1] as three equal channels of grey, by ImageNet's mean and spread, of the same shape.

    Raises:
        ConfigError: They have another shape.
    """
    check_pictures(pixels, size)
    return normalised(grey(pixels).expand(-1, 3, -1, -1), IMAGENET_MEAN, IMAGENET_SPREAD)
