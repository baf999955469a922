"""What a text tower is: sentences to vectors, in two steps, so that learnt vectors can stand among the words.

Letters in comments on shapes: n sentences, L tokens, W width of an embedded token, D width of a sentence, M learnt vectors.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Words(NamedTuple):
    """Sentences as embedded tokens; their positions are added when they are encoded."""

    vectors: Tensor
    """(n, L, W)."""
    ids: Tensor
    """(n, L) tokens; −1 where a learnt vector stands."""
    mask: Tensor
    """(n, L) bool; False for padding."""


class TextTower(Protocol):
    """A frozen encoder of sentences, an ``nn.Module``."""

    name: str
    version: str
    """Changes with the weights."""
    lead: int
    """Tokens that stand before the first word of every sentence; learnt vectors are put behind them."""

    @property
    def width(self) -> int:
        """W."""
        ...

    @property
    def features(self) -> int:
        """D."""
        ...

    @property
    def spread(self) -> float:
        """Standard deviation of the vocabulary's embeddings: how large learnt vectors start."""
        ...

    def words(self, sentences: Sequence[str], room: int = 0) -> Words:
        """Embedded tokens of sentences, cut so that ``room`` further ones fit.

        Raises:
            DataError: A sentence is empty.
        """
        ...

    def encode(self, words: Words) -> Tensor:
        """(n, D) of length 1."""
        ...


def put_before(words: Words, learnt: Tensor, lead: int) -> Words:
    """Sentences with learnt vectors before their first word.

    Args:
        words: n sentences.
        learnt: (n, M, W).
        lead: Tokens that stay in front.
    """
    if not learnt.shape[1]:
        return words
    ids = torch.full(learnt.shape[:2], -1, dtype=words.ids.dtype, device=words.ids.device)  # (n, M)
    parts = (
        (words.vectors, learnt.to(words.vectors.dtype)),
        (words.ids, ids),
        (words.mask, torch.ones_like(ids, dtype=torch.bool)),
    )
    return Words(*(torch.cat([old[:, :lead], new, old[:, lead:]], 1) for old, new in parts))  # (n, L + M, …)
