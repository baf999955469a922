"""The multitask face net: an encoder with heads for expression, action units, embedding, and valence and arousal."""

from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, ValidationError, field_validator
from torch import Tensor, nn
from torch.nn import functional

from emollm.config import Settings
from emollm.encoders.base import ENCODERS, STARTS, Encoder
from emollm.errors import ConfigError


class FaceNetConfig(Settings):
    """Architecture of a multitask net, and how its crops are cut."""

    encoder: str = "face_mt"
    """Name in the table of encoders."""
    backbone: dict[str, Any] = Field(default_factory=dict)
    """Settings of the encoder; what is not given keeps its default."""
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    """Classes of the expression head, in order."""
    units: tuple[str, ...] = ()
    """FACS codes of the action-unit head, in order; empty for none."""
    embedding: Annotated[int, Field(ge=0)] = 128
    """Width of the embedding; 0 for none."""
    affect: bool = False
    """Whether there is a head for valence and arousal."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the pooled features that the heads do not see in training."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.1
    """How far a crop reaches beyond the mesh on each side, in sides of the face."""

    def build(self) -> "FaceNet":
        """The net with fresh weights.

        Raises:
            ConfigError: Unknown encoder, or settings that are not its own.
        """
        return FaceNet(self)

    def architecture(self) -> "FaceNetConfig":
        """The same net without what its training started from: whoever loads its weights needs no others."""
        return self.model_copy(
            update={"backbone": {key: self.backbone[key] for key in self.backbone if key not in STARTS}}
        )

    @field_validator("labels", "units")
    @classmethod
    def _are_distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice!r} stands twice")
        return names


class Outputs(NamedTuple):
    """What a net says of faces; a head that it does not have gives None."""

    tokens: Tensor
    """(B, N, D') of the encoder."""
    pooled: Tensor
    """(B, D) of the encoder."""
    expression: Tensor
    """(B, C) logits."""
    units: Tensor | None
    """(B, U) logits of intensities in [0, 1]."""
    embedding: Tensor | None
    """(B, E) of length 1."""
    affect: Tensor | None
    """(B, 2) valence and arousal in [-1, 1]."""


class FaceNet(nn.Module):
    """An encoder and its heads.

    Args:
        config: Architecture.
    """

    def __init__(self, config: FaceNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _encoder(config)
        width = self.body.width
        self.dropout = nn.Dropout(config.dropout)
        self.expression = nn.Linear(width, len(config.labels))
        self.units = nn.Linear(width, len(config.units)) if config.units else None
        self.embedding = nn.Linear(width, config.embedding) if config.embedding else None
        self.affect = nn.Linear(width, 2) if config.affect else None

    @property
    def body(self) -> Encoder:
        """The encoder, by what all encoders have."""
        return self.encoder  # type: ignore[return-value]

    @property
    def size(self) -> int:
        """Side of its pictures in pixels."""
        return self.body.size

    def forward(self, pixels: Tensor) -> Outputs:
        """All that the heads say of faces (B, 3, size, size) in [0, 1]."""
        tokens, pooled = self.body(pixels)  # (B, N, D'), (B, D)
        seen = self.dropout(pooled)
        return Outputs(
            tokens=tokens,
            pooled=pooled,
            expression=self.expression(seen),
            units=None if self.units is None else self.units(seen),
            embedding=None if self.embedding is None else functional.normalize(self.embedding(pooled).float(), dim=-1),
            affect=None if self.affect is None else torch.tanh(self.affect(seen)),
        )

    def parameters_of(self) -> int:
        """Number of parameters, heads included."""
        return sum(parameter.numel() for parameter in self.parameters())


def _encoder(config: FaceNetConfig) -> nn.Module:
    kind = ENCODERS[config.encoder]
    try:
        return kind.model_validate(config.backbone).build()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"encoder {config.encoder}: {place}: {first['msg']}") from error
    except ValueError as error:
        raise ConfigError(f"encoder {config.encoder}: {error}") from error
