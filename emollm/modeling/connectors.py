"""Connectors: features of a tower to tokens of the language model."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from emollm.errors import ConfigError
from emollm.modeling.configuration import ConnectorSettings
from emollm.modeling.towers import Seen


class Connector(nn.Module):
    """Features (R, N, W) to tokens (R, T, D): the summary's, if the tower gives one, then those of the features.

    A learnt vector of the stream is added to each token, so that the language model can tell a face from a whole frame.

    Args:
        settings: Kind and number of tokens.
        width: W of the features.
        summary: P of the summary, 0 for none.
        to: D of the language model.
    """

    def __init__(self, settings: ConnectorSettings, width: int, summary: int, to: int) -> None:
        super().__init__()
        self.tokens = settings.tokens
        self.before = nn.LayerNorm(width)
        if settings.kind == "resampler":
            self.body: nn.Module = Resampler(settings, width, to)
        else:
            self.body = Pooled(settings.tokens, _mapping(settings.kind, width, to))
        self.summary_before = nn.LayerNorm(summary) if summary else None
        self.summary = _mapping("linear" if settings.kind == "linear" else "mlp", summary, to) if summary else None
        self.stream = nn.Parameter(torch.zeros(to))

    @property
    def rows(self) -> int:
        """T, tokens of one row."""
        return self.tokens + (self.summary is not None)

    def forward(self, seen: Seen) -> Tensor:
        """Tokens (R, T, D)."""
        tokens = self.body(self.before(seen.features))
        if self.summary is not None and self.summary_before is not None and seen.summary is not None:
            tokens = torch.cat([self.summary(self.summary_before(seen.summary))[:, None], tokens], dim=1)
        return tokens + self.stream


class Pooled(nn.Module):
    """Neighbouring features averaged down to T, then mapped one by one.

    Args:
        tokens: T. Where N and T are both squares the features are averaged as the map that they are, else along their order.
        mapping: W to D.
    """

    def __init__(self, tokens: int, mapping: nn.Module) -> None:
        super().__init__()
        self.tokens, self.mapping = tokens, mapping

    def forward(self, features: Tensor) -> Tensor:
        """(R, T, D) of (R, N, W)."""
        flat = features.transpose(1, 2)  # (R, W, N)
        side, to = math.isqrt(flat.shape[-1]), math.isqrt(self.tokens)
        if side * side == flat.shape[-1] and to * to == self.tokens:
            pooled = functional.adaptive_avg_pool2d(flat.unflatten(-1, (side, side)), to).flatten(2)
        else:
            pooled = functional.adaptive_avg_pool1d(flat, self.tokens)
        return self.mapping(pooled.transpose(1, 2).contiguous())


class Resampler(nn.Module):
    """T learnt queries that look at all features through layers of cross-attention and feed-forward nets.

    Args:
        settings: Queries, layers, heads.
        width: W.
        to: D.

    Raises:
        ConfigError: D cannot be divided among the heads.
    """

    def __init__(self, settings: ConnectorSettings, width: int, to: int) -> None:
        super().__init__()
        if to % settings.heads:
            raise ConfigError(f"a resampler of width {to} cannot have {settings.heads} heads; choose a divisor")
        self.queries = nn.Parameter(torch.randn(settings.tokens, to) * 0.02)
        self.layers = nn.ModuleList(ResamplerLayer(width, to, settings.heads) for _ in range(settings.layers))
        self.after = nn.LayerNorm(to)

    def forward(self, features: Tensor) -> Tensor:
        """(R, T, D) of (R, N, W)."""
        hidden = self.queries.expand(features.shape[0], -1, -1)
        for layer in self.layers:
            hidden = layer(hidden, features)
        return self.after(hidden)


class ResamplerLayer(nn.Module):
    """Queries look at the features, then think.

    Args:
        width: W.
        to: D.
        heads: Attention heads.
    """

    def __init__(self, width: int, to: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(to), nn.LayerNorm(to)
        self.ask, self.keys, self.values = nn.Linear(to, to), nn.Linear(width, to), nn.Linear(width, to)
        self.out = nn.Linear(to, to)
        self.wide, self.narrow = nn.Linear(to, 4 * to), nn.Linear(4 * to, to)

    def forward(self, hidden: Tensor, features: Tensor) -> Tensor:
        """(R, T, D) of queries (R, T, D) and features (R, N, W)."""
        asked = self._split(self.ask(self.before(hidden)))
        looked = functional.scaled_dot_product_attention(
            asked, self._split(self.keys(features)), self._split(self.values(features))
        )
        hidden = hidden + self.out(looked.transpose(1, 2).flatten(2))
        return hidden + self.narrow(functional.gelu(self.wide(self.between(hidden))))

    def _split(self, values: Tensor) -> Tensor:
        """(R, heads, N, D / heads)."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _mapping(kind: str, width: int, to: int) -> nn.Module:
    """W to D, with one layer or two."""
    if kind == "linear":
        return nn.Linear(width, to)
    return nn.Sequential(nn.Linear(width, to), nn.GELU(), nn.Linear(to, to))
