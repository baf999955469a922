"""Losses of the multitask net: one a head, each with a mask of the faces that have that label."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from emollm.encoders.net import Outputs


class Targets(NamedTuple):
    """What is known of B faces; where nothing is known of a face, its row of the mask is 0."""

    expression: Tensor
    """(B, C) shares of the votes, rows sum to 1; a row of zeros has no label and does not count."""
    units: Tensor
    """(B, U) intensities in [0, 1]; NaN where not measured."""
    affect: Tensor | None = None
    """(B, 2) valence and arousal in [-1, 1]; NaN where not labelled."""


class Weights(NamedTuple):
    """How much each head counts."""

    expression: float = 1.0
    units: float = 4.0
    embedding: float = 0.1
    affect: float = 1.0


def expression_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of vote shares: the mean over labelled faces of −Σ w_c y_c log p_c.

    Args:
        logits: (B, C).
        target: (B, C) shares; rows of zeros do not count.
        weights: (C,) of the classes.
    """
    labelled = target.sum(-1) > 0  # (B,)
    shares = target if weights is None else target * weights
    each = -(shares * functional.log_softmax(logits.float(), -1)).sum(-1)  # (B,)
    return each.sum() / labelled.sum().clamp(min=1)


def units_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of intensities, the mean over what was measured.

    Args:
        logits: (B, U).
        target: (B, U) in [0, 1]; NaN where not measured.
    """
    known = ~target.isnan()
    each = functional.binary_cross_entropy_with_logits(logits.float(), target.nan_to_num(0.0), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def embedding_loss(embedding: Tensor, target: Tensor, temperature: float = 0.1) -> Tensor:
    """Makes faces near that people see alike: a supervised contrastive loss (Khosla et al. 2020) with shares instead of classes.

    Each face's cosines to the others of the batch, as a softmax, are drawn to the products of their vote shares, normalised: to how
    probably two annotators, one for each face, name the same emotion.

    Args:
        embedding: (B, E) of length 1.
        target: (B, C) shares; rows of zeros take no part.
        temperature: Of the cosines.
    """
    count = len(embedding)
    self_ = torch.eye(count, dtype=torch.bool, device=embedding.device)
    wanted = (target @ target.T).masked_fill(self_, 0.0)  # (B, B)
    mass = wanted.sum(-1, keepdim=True)
    cosines = (embedding @ embedding.T / temperature).masked_fill(self_, float("-inf"))
    surprise = -functional.log_softmax(cosines, -1).masked_fill(self_, 0.0)
    each = (wanted / mass.clamp(min=1e-6) * surprise).sum(-1)  # (B,)
    return each.sum() / (mass[:, 0] > 0).sum().clamp(min=1)


def affect_loss(affect: Tensor, target: Tensor) -> Tensor:
    """1 − the mean concordance of valence and of arousal (CCC, Lin 1989), over the labelled faces; 0 if none has a label.

    Args:
        affect: (B, 2) in [-1, 1].
        target: (B, 2); NaN where not labelled.
    """
    losses = []
    for given, wanted in zip(affect.float().T, target.T, strict=True):
        known = ~wanted.isnan()
        if known.sum() < 2:
            continue
        x, y = given[known], wanted[known]
        covariance = ((x - x.mean()) * (y - y.mean())).mean()
        spread = x.var(correction=0) + y.var(correction=0) + (x.mean() - y.mean()).square()
        losses.append(1 - 2 * covariance / spread.clamp(min=1e-8))
    return torch.stack(losses).mean() if losses else affect.sum() * 0.0


def multitask_loss(
    outputs: Outputs, targets: Targets, weights: Weights, classes: Tensor | None = None
) -> dict[str, Tensor]:
    """The weighed loss of each head the net has, by name, and their sum as ``total``.

    Args:
        outputs: Of the net.
        targets: What is known.
        weights: Of the heads.
        classes: (C,) weights of the classes.
    """
    losses = {"expression": weights.expression * expression_loss(outputs.expression, targets.expression, classes)}
    if outputs.units is not None:
        losses["units"] = weights.units * units_loss(outputs.units, targets.units)
    if outputs.embedding is not None and weights.embedding:
        losses["embedding"] = weights.embedding * embedding_loss(outputs.embedding, targets.expression)
    if outputs.affect is not None and targets.affect is not None:
        losses["affect"] = weights.affect * affect_loss(outputs.affect, targets.affect)
    return {**losses, "total": torch.stack(list(losses.values())).sum()}
