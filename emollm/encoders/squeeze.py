"""Squeeze-and-excitation, which several backbones share."""

from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Weighs channels by a gate that sees their means (Hu et al. 2018).

    Args:
        width: Channels.
        reduction: By how much the gate's inner layer is narrower.
        bias: Whether the gate's layers have one.
    """

    def __init__(self, width: int, reduction: int, *, bias: bool = True) -> None:
        super().__init__()
        inner = max(width // reduction, 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, inner, 1, bias=bias),
            nn.ReLU(),
            nn.Conv2d(inner, width, 1, bias=bias),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, D, H, W) to the same shape."""
        weighed: Tensor = maps * self.gate(maps)
        return weighed
