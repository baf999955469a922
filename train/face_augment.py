"""Variation of training faces: stored crops, which show more than the net sees, are cut anew, relit, blurred and covered.

Everything is drawn from one generator, so that a run can be repeated and resumed exactly. Validation never comes here.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from emollm.config import Settings

STORED_SIZE = 96
"""Side in pixels of the crops that training keeps."""
STORED_MARGIN = 0.35
"""How far they reach beyond the mesh, in sides of the face: room for turning, scaling and shifting."""

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]


class Augmentation(Settings):
    """How much training faces vary; each amount is the largest, drawn evenly on both sides."""

    grey: bool = True
    """Whether only one channel is worked on: for grey pictures and for nets that do not look at colour."""
    mirror: Share = 0.5
    """Share that is mirrored."""
    scale: Amount = 0.18
    """Logarithm of the size."""
    stretch: Amount = 0.08
    """Logarithm of width and of height, each by itself."""
    shift: Amount = 0.08
    """Of the centre, in sides of the crop."""
    turn: Amount = 15.0
    """Degrees."""
    shear: Amount = 0.1
    """By how many pixels a row lies further right than the one above it."""
    contrast: Amount = 0.4
    """Logarithm of the contrast."""
    brightness: Amount = 0.2
    """Of a full range of 1."""
    gamma: Amount = 0.35
    """Logarithm of the exponent."""
    colour: Amount = 0.15
    """Logarithm of each channel's strength, by itself; without effect on grey."""
    blur: Share = 0.15
    """Share that is blurred (3 × 3 mean)."""
    noise: Share = 0.25
    """Share to which noise (deviation .04) is added."""
    erase: Share = 0.25
    """Share of which a rectangle is covered (Zhong et al. 2020)."""
    mixup: Amount = 0.2
    """α of the Beta distribution by which two faces and their votes are mixed (Zhang et al. 2018); 0 for none."""


def vary(crops: Tensor, size: int, margin: float, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Varied faces (B, 3, size, size) in [0, 1] of stored crops (B, S, S, 3) uint8.

    Args:
        crops: Cut with :data:`STORED_MARGIN`.
        size: Side of the net's pictures.
        margin: Of the net's crops.
        settings: How much.
        generator: All that is drawn comes from here.
    """
    pixels = (crops[..., :1] if settings.grey else crops).permute(0, 3, 1, 2).float() / 255  # (B, 1 or 3, S, S)
    faces = functional.grid_sample(
        pixels,
        _grid(len(crops), size, margin, settings, generator),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    faces = _relit(faces, settings, generator)
    faces = _spoilt(faces, settings, generator)
    faces = _erased(faces, settings, generator)
    return faces.expand(-1, 3, -1, -1)


def mix(count: int, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Share in [½, 1] of the first of two mixed faces, shape (), and the (B,) numbers of the second ones."""
    partner = torch.randperm(count, generator=generator)
    share = _beta(alpha, generator)
    return torch.maximum(share, 1 - share), partner


def mixed(values: Tensor, share: Tensor, partner: Tensor) -> Tensor:
    """(B, …) of values (B, …): ``share`` of each row and the rest of its partner's; NaN, for not known, where either has it."""
    return share * values + (1 - share) * values[partner]


def _beta(alpha: float, generator: torch.Generator) -> Tensor:
    """One draw from Beta(α, α), α ≤ 1, by Jöhnk's method, which needs nothing but even draws."""
    while True:
        one, two = torch.rand(2, generator=generator, dtype=torch.float64).pow(1 / alpha)
        if 0 < one + two <= 1:
            return (one / (one + two)).float()


def _even(count: int, most: float, generator: torch.Generator) -> Tensor:
    """(B,) drawn evenly from [−most, most]."""
    return (torch.rand(count, generator=generator) * 2 - 1) * most


def _grid(count: int, size: int, margin: float, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """(B, size, size, 2) places in the stored crops, whose corners are ±1."""
    usual = (1 + 2 * margin) / (1 + 2 * STORED_MARGIN)
    scale = usual * _even(count, settings.scale, generator).exp()
    wide = scale * _even(count, settings.stretch, generator).exp()
    high = scale * _even(count, settings.stretch, generator).exp()
    wide = torch.where(torch.rand(count, generator=generator) < settings.mirror, -wide, wide)
    angle = torch.deg2rad(_even(count, settings.turn, generator))
    shear = _even(count, settings.shear, generator)
    across = 2 * usual * _even(count, settings.shift, generator)
    down = 2 * usual * _even(count, settings.shift, generator)
    cos, sin = angle.cos(), angle.sin()
    rows = (
        torch.stack([cos * wide, (shear * cos - sin) * high, across], -1),
        torch.stack([sin * wide, (shear * sin + cos) * high, down], -1),
    )
    return functional.affine_grid(torch.stack(rows, 1), [count, 1, size, size], align_corners=False)


def _relit(faces: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    count, channels = faces.shape[:2]

    def drawn(most: float) -> Tensor:
        return _even(count, most, generator)[:, None, None, None]

    if channels > 1:
        faces = faces * _even(count * channels, settings.colour, generator).exp().view(count, channels, 1, 1)
    mean = faces.mean((1, 2, 3), keepdim=True)
    faces = (faces - mean) * drawn(settings.contrast).exp() + mean + drawn(settings.brightness)
    return faces.clamp(0, 1) ** drawn(settings.gamma).exp()


def _spoilt(faces: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    blurred = torch.rand(len(faces), generator=generator) < settings.blur
    if blurred.any():
        padded = functional.pad(faces[blurred], (1, 1, 1, 1), mode="replicate")
        faces[blurred] = functional.avg_pool2d(padded, 3, 1)
    noisy = torch.rand(len(faces), generator=generator) < settings.noise
    if noisy.any():
        some = faces[noisy]
        faces[noisy] = (some + torch.randn(some.shape, generator=generator) * 0.04).clamp(0, 1)
    return faces


def _erased(faces: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    size = faces.shape[-1]
    for k in torch.nonzero(torch.rand(len(faces), generator=generator) < settings.erase)[:, 0].tolist():
        high, wide = (torch.rand(2, generator=generator) * size * 0.3 + size * 0.12).long().tolist()
        top = int(torch.randint(size - high + 1, (), generator=generator))
        left = int(torch.randint(size - wide + 1, (), generator=generator))
        faces[k, :, top : top + high, left : left + wide] = torch.rand((), generator=generator)
    return faces
