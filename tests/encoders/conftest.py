"""Nets small enough to train in a blink, one a row of the table of encoders."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from emollm.encoders import FaceNet, FaceNetConfig

TINY: dict[str, dict[str, Any]] = {
    "face_mt": {"size": 16, "stem": 4, "widths": [8, 16], "depths": [1, 1]},
    "resemotenet": {"size": 32, "widths": [4, 8, 8], "residual": [8, 16, 24], "hidden": [16, 12], "squeeze": 4},
    "gimefive": {"size": 16, "widths": [4, 8, 16], "hidden": [16, 12]},
    "se_swin": {"size": 16, "patch": 2, "embed_dim": 8, "depths": [2, 2], "heads": [1, 2], "window": 4},
    "timm": {"name": "test_efficientnet", "size": 32},
}
"""Settings of each encoder for tests; a new row of the table is a line here."""

LABELS = ("neutral", "happiness", "surprise")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny() -> Callable[..., FaceNet]:
    """Builds a tiny net of an encoder by name, the same one each time."""

    def build(encoder: str = "face_mt", **settings: Any) -> FaceNet:
        torch.manual_seed(0)
        backbone = TINY[encoder] | settings.pop("backbone", {})
        return FaceNetConfig.model_validate(
            {"encoder": encoder, "backbone": backbone, "labels": LABELS, "embedding": 4} | settings
        ).build()

    return build


@pytest.fixture
def tiny_encoders() -> tuple[str, ...]:
    """Names of the encoders that have tiny settings."""
    return tuple(TINY)
