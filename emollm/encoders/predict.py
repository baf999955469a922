"""Answers of a trained face net to aligned crops, the same for training's validation, evaluation and perception."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emollm.encoders.net import FaceNet
from emollm.encoders.weights import Trained, probabilities

_BATCH = 256

Crops = NDArray[np.uint8]
"""(n, S, S, 3) RGB, cut by :func:`emollm.perception.crops.aligned_crop` with the net's size and margin."""


class Predictions(NamedTuple):
    """Answers to n faces, float32."""

    logits: NDArray[np.float32]
    """(n, C) uncalibrated, with the configuration's offsets; of the mean probability where mirror images are averaged."""
    expression: NDArray[np.float32]
    """(n, C) calibrated probabilities."""
    units: NDArray[np.float32] | None
    """(n, U) intensities."""
    embedding: NDArray[np.float32] | None
    """(n, E) of length 1."""
    affect: NDArray[np.float32] | None
    """(n, 2) valence and arousal."""
    pooled: NDArray[np.float32]
    """(n, D) of the encoder."""


def predict(trained: Trained, crops: Crops, *, device: str = "cpu") -> Predictions:
    """What a net says of crops.

    Args:
        trained: The net; it has to be on ``device``.
        crops: (n, S, S, 3) uint8.
        device: Where the net is.
    """
    parts = list(_answers(trained.net, crops, trained.config.mirrored, device))
    logits, pooled = torch.cat([part[0] for part in parts]), torch.cat([part[4] for part in parts])
    if trained.config.offsets:
        logits = logits + torch.tensor(trained.config.offsets)
    units, near, affect = (_whole([part[k] for part in parts]) for k in (1, 2, 3))
    chances = probabilities(logits, trained.config.temperature)
    return Predictions(logits.numpy(), chances.numpy(), units, near, affect, pooled.numpy())


def _whole(parts: list[Tensor | None]) -> NDArray[np.float32] | None:
    """One array of the batches' answers; None where the net does not have that head."""
    given = [part for part in parts if part is not None]
    return torch.cat(given).numpy() if given else None


def as_pixels(crops: Crops) -> Tensor:
    """(n, 3, S, S) in [0, 1] of crops (n, S, S, 3) uint8."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255


def _answers(
    net: FaceNet, crops: Crops, mirrored: bool, device: str
) -> Iterator[tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor]]:
    if not len(crops):
        raise ValueError("no crops")
    with torch.inference_mode():
        for start in range(0, len(crops), _BATCH):
            pixels = as_pixels(crops[start : start + _BATCH]).to(device)
            looks = [net(pixels), net(pixels.flip(-1))] if mirrored else [net(pixels)]
            chances = torch.stack([look.expression.float().softmax(-1) for look in looks]).mean(0)
            units = None if looks[0].units is None else torch.stack([look.units.sigmoid() for look in looks]).mean(0)
            near = None
            if looks[0].embedding is not None:
                near = torch.nn.functional.normalize(torch.stack([look.embedding for look in looks]).mean(0), dim=-1)
            affect = None if looks[0].affect is None else torch.stack([look.affect for look in looks]).mean(0)
            yield (
                chances.clamp(min=1e-12).log().cpu(),
                None if units is None else units.float().cpu(),
                None if near is None else near.float().cpu(),
                None if affect is None else affect.float().cpu(),
                torch.stack([look.pooled for look in looks]).mean(0).float().cpu(),
            )
