"""emollm-clip-s: faces compared with texts, by a vision and a text tower and what is learnt between them (CLIP-CAER, Zhao et al. 2025).

    pixels ── vision tower ── (B, V) ─┐
                                      ├─ projection ── (B, D) ─┐
    context ─ vision tower ── (B, V) ─┘                        ├─ cosine × exp(logit scale) ── (B, C)
    sentences + context prompts ── text tower ── (C, D) ───────┘

Both towers are frozen unless training says otherwise. What is learnt is in :class:`Heads`: the projection, the context prompts and the
logit scale. With two crops (face, and the picture around it) the features of both are concatenated before the projection; a face whose
context is missing takes a projection of its own, so that nothing missing becomes a zero. :meth:`ContextClassifier.classify` also
compares faces with texts that were never learnt.
"""

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from emollm.config import Settings
from emollm.encoders.predict import Crops, as_pixels
from emollm.errors import ConfigError, DataError
from emollm.modeling.clip_s_towers import Towers, VisionTower
from emollm.modeling.context_prompts import ContextPrompts

MAX_SCALE = 100.0
"""Largest factor of the cosines (Radford et al. 2021)."""
_BATCH = 256


class Tower(Settings):
    """A tower as weights name it."""

    name: str
    version: str


class ClipConfig(Settings):
    """What a classifier is: its classes and their texts, its towers, and how they are joined."""

    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    """C classes, in order."""
    sentences: tuple[str, ...]
    """One a class, as they were when the weights were made."""
    label_set: str
    """Whose words the classes are."""
    descriptions: str
    """``id@version`` of the texts."""
    prompts: str = "description"
    """What the sentences are: ``word`` or ``description``."""
    aspects: tuple[str, ...] = ()
    """What of a description the sentences say."""
    contexts: Annotated[int, Field(ge=0)] = 8
    """M, learnt vectors before each sentence; 0 leaves the sentences as they are."""
    shared: bool = False
    """Whether all classes have the same learnt vectors."""
    two_crops: bool = False
    """Whether there is a projection of face and context together."""
    hidden: Annotated[int, Field(ge=0)] = 0
    """Width of a hidden layer of the projection; 0 for a linear one."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """By which logits are divided before the softmax (Guo et al. 2017), fitted on validation data."""
    vision: Tower
    text: Tower


class Heads(nn.Module):
    """What is learnt between the towers.

    Args:
        config: The classifier.
        towers: Both towers.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, config: ClipConfig, towers: Towers) -> None:
        super().__init__()
        seen, wanted = towers.vision.width, towers.text.features
        self.alone = _projection(seen, config.hidden, wanted)
        self.both = _projection(2 * seen, config.hidden, wanted) if config.two_crops else None
        self.prompts = ContextPrompts(towers.text, config.sentences, config.contexts, shared=config.shared)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # as CLIP begins
        self.register_buffer("centre", torch.zeros(seen))
        self.register_buffer("spread", torch.ones(seen))

    def standardise(self, features: Tensor) -> None:
        """Takes mean and spread of features (n, V) of the training data, by which all features are standardised from now on."""
        self.centre.copy_(features.mean(0))
        self.spread.copy_(features.std(0).clamp(min=1e-3))

    def forward(self, face: Tensor, context: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """(B, D) of length 1 of features of the vision tower.

        Args:
            face: (B, V).
            context: (B, V) of the pictures around the faces; None where there are none.
            present: (B,) bool, which rows of ``context`` count; None for all. A row that does not count is not looked at.
        """
        face = (face - self.centre) / self.spread
        if self.both is None or context is None:
            return functional.normalize(self.alone(face), dim=-1)
        context = (context - self.centre) / self.spread
        if present is None:
            return functional.normalize(self.both(torch.cat([face, context], -1)), dim=-1)
        projected = face.new_empty(len(face), self.prompts.tower.features)  # (B, D)
        projected[present] = self.both(torch.cat([face[present], context[present]], -1))
        projected[~present] = self.alone(face[~present])
        return functional.normalize(projected, dim=-1)

    def scale(self) -> Tensor:
        """() factor of the cosines, at most :data:`MAX_SCALE`."""
        return self.logit_scale.exp().clamp(max=MAX_SCALE)


class Answers(NamedTuple):
    """What a classifier says of n pictures and k texts."""

    logits: NDArray[np.float32]
    """(n, k) cosine times scale."""
    probabilities: NDArray[np.float32]
    """(n, k) among these texts, calibrated."""


class ContextClassifier(nn.Module):
    """Towers and what is learnt between them.

    Args:
        config: What it is.
        towers: The towers it names.

    Raises:
        ConfigError: Not one sentence a class.
        DataError: A sentence is empty.
    """

    def __init__(self, config: ClipConfig, towers: Towers) -> None:
        super().__init__()
        if len(config.sentences) != len(config.labels):
            raise ConfigError(
                f"{len(config.labels)} classes but {len(config.sentences)} sentences; give one a class, in their order"
            )
        self.config = config
        self.vision = cast(nn.Module, towers.vision)
        self.text = cast(nn.Module, towers.text)
        self.requires_grad_(False)
        self.heads = Heads(config, towers)

    @property
    def eye(self) -> VisionTower:
        """The vision tower, by what all of them have."""
        return cast(VisionTower, self.vision)

    def forward(self, face: Tensor, context: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Logits (B, C) of pictures.

        Args:
            face: (B, 3, S, S) in [0, 1].
            context: (B, 3, S, S), the pictures around the faces; None where there are none.
            present: (B,) bool, which rows of ``context`` count; None for all.
        """
        around = None
        if context is not None and self.heads.both is not None:
            around = self.eye(context)  # (B, V)
        return self.logits(self.heads(self.eye(face), around, present), self.heads.prompts())

    def logits(self, images: Tensor, texts: Tensor) -> Tensor:
        """(B, C) of images (B, D) and texts (C, D), both of length 1."""
        return self.heads.scale() * images @ texts.T

    def classify(
        self,
        crops: Crops,
        texts: Sequence[str] | None = None,
        *,
        context: Crops | None = None,
        present: NDArray[np.bool_] | None = None,
    ) -> Answers:
        """Compares pictures with texts, also with ones that were never learnt (zero-shot).

        Args:
            crops: (n, S, S, 3) faces, cut as the vision tower's net wants them.
            texts: Any words or sentences; None for the learnt classes, in the order of ``config.labels``.
            context: (n, S, S, 3) the pictures around the faces, if the classifier looks at two crops.
            present: (n,) which rows of ``context`` count; None for all.

        Raises:
            ConfigError: No texts.
            DataError: A text is empty, or crops are of another size than the tower's.
        """
        return self.compare(self.embed(crops, context=context, present=present), texts)

    @torch.inference_mode()
    def embed(self, crops: Crops, *, context: Crops | None = None, present: NDArray[np.bool_] | None = None) -> Tensor:
        """(n, D) of length 1 of pictures; arguments and errors as those of :meth:`classify`."""
        self._refuse_size(crops)
        if context is not None:
            self._refuse_size(context)
        device = self.heads.logit_scale.device
        parts = []
        for start in range(0, len(crops), _BATCH):
            rows = slice(start, start + _BATCH)
            around = None
            if context is not None and self.heads.both is not None:
                around = self.eye(as_pixels(context[rows]).to(device))
            counted = None if present is None else torch.from_numpy(present[rows]).to(device)
            parts.append(self.heads(self.eye(as_pixels(crops[rows]).to(device)), around, counted))
        return torch.cat(parts) if parts else torch.empty(0, self.heads.prompts.tower.features, device=device)

    @torch.inference_mode()
    def compare(self, images: Tensor, texts: Sequence[str] | None = None) -> Answers:
        """Compares pictures that are embedded already; texts and errors as those of :meth:`classify`.

        Args:
            images: (n, D) of :meth:`embed`.
            texts: Any words or sentences; None for the learnt classes.
        """
        if texts is not None and not len(texts):
            raise ConfigError("no texts to compare pictures with; give at least one, or None for the learnt classes")
        known = self.heads.prompts() if texts is None else self.heads.prompts.of(texts)  # (k, D)
        return self.answers(images, known)

    @torch.inference_mode()
    def answers(self, images: Tensor, texts: Tensor) -> Answers:
        """What pictures (n, D) and texts (k, D) say, both of length 1."""
        logits = self.logits(images, texts)
        chances = (logits / self.config.temperature).softmax(-1)
        return Answers(logits.float().cpu().numpy(), chances.float().cpu().numpy())

    def _refuse_size(self, crops: Crops) -> None:
        size = self.eye.size
        if crops.shape[1:] != (size, size, 3):
            raise DataError(f"expected crops (n, {size}, {size}, 3), got {crops.shape}; cut them for {self.eye.name}")


def _projection(seen: int, hidden: int, wanted: int) -> nn.Sequential:
    if not hidden:
        return nn.Sequential(nn.Linear(seen, wanted))
    return nn.Sequential(nn.Linear(seen, hidden), nn.GELU(), nn.Linear(hidden, wanted))
