"""Streams: an encoder and its connector each, and where their tokens stand among those of the text."""

from typing import cast

import torch
from torch import Tensor, nn

from emollm.errors import ConfigError, DataError
from emollm.modeling import towers
from emollm.modeling.configuration import FRAMES, StreamSettings
from emollm.modeling.connectors import Connector


class Stream(nn.Module):
    """An encoder and its connector.

    Args:
        settings: Of both.
        to: D of the language model.
    """

    def __init__(self, settings: StreamSettings, to: int) -> None:
        super().__init__()
        self.tower = towers.build(settings.tower, settings.settings)
        self.connector = Connector(settings.connector, self.tower.width, self.tower.summary_width, to)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Tokens (R, T, D) of R pictures or voices.

        Args:
            inputs: As the tower takes them.
            lengths: (R,) log-mel frames of the voices themselves, for a tower of voices; none for pictures.
        """
        like = self._like()
        own = () if lengths is None else (lengths.to(like.device),)
        return self.connector(self.tower(inputs.to(like.device, like.dtype), *own))

    def blank(self, whole: bool) -> Tensor:
        """Zero, with a gradient (of zero) to all that is trained here.

        Args:
            whole: Whether the tower runs as well, on a blank item; else the connector alone.
        """
        like, tower = self._like(), self.tower
        device, dtype = like.device, like.dtype
        if whole:
            speech = isinstance(tower, towers.WhisperTower)
            shape = (1, tower.size, FRAMES) if speech else (1, 3, tower.size, tower.size)
            return 0 * self(torch.zeros(shape, device=device)).sum()
        summary = torch.zeros(1, tower.summary_width, device=device, dtype=dtype) if tower.summary_width else None
        seen = towers.Seen(torch.zeros(1, 1, tower.width, device=device, dtype=dtype), summary)
        return 0 * self.connector(seen).sum()

    def _like(self) -> Tensor:
        """A weight whose device and kind of number the others share.

        Taken from the iterator: to read a weight by its name makes ZeRO-3 gather it, out of turn.
        """
        return next(self.connector.parameters())

    def train(self, mode: bool = True) -> "Stream":
        """Training mode; a tower that is frozen stays as it is in use (its dropout and running statistics too)."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.tower.parameters()):
            self.tower.eval()
        return self


class Streams(nn.ModuleDict):
    """Name -> :class:`Stream`."""

    def __getitem__(self, key: str) -> Stream:
        """The stream of that name."""
        return cast(Stream, super().__getitem__(key))


def filled(vectors: Tensor, ids: Tensor | None, token: int, tokens: Tensor, shown: str) -> Tensor:
    """Word vectors (B, N, D) with tokens (M, D) in the place of their placeholders.

    Args:
        vectors: (B, N, D).
        ids: (B, N) tokens.
        token: The placeholder's id.
        tokens: (M, D), in the order of the placeholders.
        shown: The placeholder as it is written.

    Raises:
        ConfigError: There are no token ids.
        DataError: There are more or fewer placeholders than M.
    """
    if ids is None:
        raise ConfigError(
            f"media need the tokens they stand among; give input_ids, not only inputs_embeds, for {shown}"
        )
    places = ids == token
    wanted = int(places.sum())
    if len(tokens) and not wanted:
        raise DataError(
            f"{len(tokens)} vectors of media but no {shown} placeholder among these tokens; give media once, with the turn that holds "
            "them: the cache keeps them for later turns"
        )
    if wanted != len(tokens):
        raise DataError(
            f"{wanted} {shown} placeholders but {len(tokens)} vectors of media; let the processor place them, and do not "
            "cut its tokens"
        )
    return vectors.masked_scatter(places.unsqueeze(-1), tokens.to(vectors.device, vectors.dtype))
