"""Pairs of towers for context prompts: a face net of ours, or both towers of an open_clip model.

A vision tower takes pictures (B, 3, S, S) in [0, 1], RGB, of its own ``size`` and gives features (B, V); what else its weights were trained
with it does itself. Text towers are described in :mod:`emollm.encoders.text`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from emollm.encoders.text import TextTower, Words
from emollm.encoders.weights import Trained
from emollm.errors import DataError, ModelError

Tokenizer = Callable[..., Tensor]
"""Sentences and ``context_length`` to tokens (n, L), as open_clip's."""


class VisionTower(Protocol):
    """An encoder of pictures, an ``nn.Module``."""

    name: str
    version: str
    """Changes with the weights."""
    size: int
    """S, in pixels."""
    width: int
    """V."""

    def __call__(self, pixels: Tensor) -> Tensor:
        """(B, V) of pictures (B, 3, S, S) in [0, 1]."""
        ...


class Towers(NamedTuple):
    """A pair."""

    vision: VisionTower
    text: TextTower


class FaceTower(nn.Module):
    """The pooled features of a face net, the mean of those of a face and of its mirror image where the net averages them.

    Args:
        trained: The net; its heads are not looked at.
    """

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.name, self.version = trained.name, trained.version
        self.size, self.width = trained.net.size, trained.net.body.width
        self.margin = trained.config.net.margin
        self.mirrored = trained.config.mirrored
        self.encoder = trained.net.encoder

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, V) of faces (B, 3, S, S) in [0, 1]."""
        pooled: Tensor = self.encoder(pixels).pooled  # (B, V)
        if self.mirrored:
            pooled = (pooled + self.encoder(pixels.flip(-1)).pooled) / 2
        return pooled


class OpenClipVision(nn.Module):
    """The image tower of an open_clip model.

    Args:
        model: ``open_clip.CLIP`` or ``CustomTextCLIP``.
        name: Architecture or checkpoint.
        version: Of the weights.
        mean: Of the three channels, which is subtracted first.
        spread: By which they are divided then.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, model: Any, name: str, version: str, mean: Sequence[float], spread: Sequence[float]) -> None:
        super().__init__()
        self.name, self.version = name, version
        self.visual = model.visual
        side = model.visual.image_size
        self.size = int(side[0] if isinstance(side, tuple | list) else side)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(spread)[:, None, None], persistent=False)
        with torch.no_grad():
            blank = next(model.visual.parameters()).new_zeros(1, 3, self.size, self.size)
            self.width = int(_only(model.visual(blank)).shape[-1])

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, V) of pictures (B, 3, S, S) in [0, 1], as ``encode_image`` gives them."""
        return _only(self.visual((pixels - self.mean) / self.spread))


class OpenClipText(nn.Module):
    """The text tower of an open_clip model, from embedded tokens.

    All sentences are as long as the tower's context, for some towers read the padding.

    Args:
        model: ``open_clip.CLIP``, or ``CustomTextCLIP`` whose text tower is open_clip's own.
        tokenizer: Of the model.
        name: Architecture or checkpoint.
        version: Of the weights.

    Raises:
        ModelError: The text tower is another library's, or appends a class token.
    """

    attn_mask: Tensor | None

    def __init__(self, model: Any, tokenizer: Tokenizer, name: str, version: str) -> None:
        super().__init__()
        from open_clip.transformer import TextTransformer, text_global_pool

        own = getattr(model, "text", None)
        if own is not None and not isinstance(own, TextTransformer):
            raise ModelError(f"{name}: its text tower is a {type(own).__name__}; expected one of open_clip's own")
        if getattr(own, "cls_emb", None) is not None:
            raise ModelError(f"{name}: its text tower appends a class token (CoCa), which is not supported")
        text = model if own is None else own
        self.name, self.version = name, version
        self.transformer, self.ln_final = text.transformer, text.ln_final
        self.token_embedding = text.token_embedding
        self.positional_embedding = text.positional_embedding
        self.text_projection = text.text_projection
        self.register_buffer("attn_mask", text.attn_mask, persistent=False)
        self._pool, self._pooling = text_global_pool, model.text_pool_type if own is None else own.pool_type
        self._end = model.text_eos_id if own is None else own.eos_id
        self._tokenizer = tokenizer
        self.longest = int(text.context_length)
        self.width = int(text.token_embedding.embedding_dim)
        self.features = self.width
        if text.text_projection is not None:
            projection = text.text_projection
            self.features = int(projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1])
        self.lead = 0 if getattr(tokenizer, "sot_token_id", None) is None else 1
        self.requires_grad_(False)

    @property
    def spread(self) -> float:
        """Standard deviation of the embedded tokens of the vocabulary."""
        return float(self.token_embedding.weight.std())

    def words(self, sentences: Sequence[str], room: int = 0) -> Words:
        """Embedded tokens of sentences, cut so that ``room`` further ones fit.

        Raises:
            DataError: A sentence is empty, or there is no room for words.
        """
        for number, sentence in enumerate(sentences, start=1):
            if not sentence.strip():
                raise DataError(f"sentence {number} of {len(sentences)} is empty; write one")
        if self.longest - room < self.lead + 2:
            raise DataError(f"{self.name} reads {self.longest} tokens: {room} learnt ones leave no room for words")
        ids = self._tokenizer(list(sentences), context_length=self.longest - room)
        ids = ids.to(self.token_embedding.weight.device)  # (n, L)
        return Words(self.token_embedding(ids), ids, torch.ones_like(ids, dtype=torch.bool))

    def encode(self, words: Words) -> Tensor:
        """(n, D) of length 1, as ``encode_text`` gives them."""
        length = words.vectors.shape[1]
        states = words.vectors + self.positional_embedding[:length]  # (n, L, W)
        mask = None if self.attn_mask is None else self.attn_mask[:length, :length]
        states = self.ln_final(self.transformer(states, attn_mask=mask))
        pooled = self._pool(states, words.ids, self._pooling, eos_token_id=self._end)  # (n, W)
        if isinstance(self.text_projection, nn.Linear):
            pooled = self.text_projection(pooled)
        elif self.text_projection is not None:
            pooled = pooled @ self.text_projection
        return functional.normalize(pooled, dim=-1)  # (n, D)


def open_clip_towers(model: Any, tokenizer: Tokenizer, name: str, version: str) -> Towers:
    """Both towers of an open_clip model, frozen, with the model's own mean and spread of the channels.

    Args:
        model: As ``open_clip.create_model`` gives it.
        tokenizer: As ``open_clip.get_tokenizer`` gives it.
        name: Architecture or checkpoint.
        version: Of the weights.

    Raises:
        ModelError: The text tower is not open_clip's own.
    """
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    mean = getattr(model.visual, "image_mean", None) or OPENAI_DATASET_MEAN
    spread = getattr(model.visual, "image_std", None) or OPENAI_DATASET_STD
    model.eval().requires_grad_(False)
    return Towers(OpenClipVision(model, name, version, mean, spread), OpenClipText(model, tokenizer, name, version))


def _only(features: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The pooled features of a tower that may give its tokens too."""
    return features[0] if isinstance(features, tuple) else features
