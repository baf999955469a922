"""The parts of an optimisation step: groups of parameters, schedule, sharpness-aware step, moving average."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from emollm.train.face_recipe import Optimisation

_LEAST = 0.01
"""Share of the highest learning rate at which the schedule ends."""


def optimizer_of(net: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """The optimiser; weight decay is for matrices and convolutions only."""
    matrices = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in net.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.decay}, {"params": others, "weight_decay": 0.0}]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, settings.rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, settings.rate)


def rate_at(step: int, steps: int, settings: Optimisation) -> float:
    """Learning rate of a step: a straight rise, then half a cosine (Loshchilov & Hutter 2017).

    Args:
        step: From 0.
        steps: Of an epoch.
        settings: Highest rate, rise, epochs.
    """
    rise = settings.warmup * steps
    if step < rise:
        return settings.rate * (step + 1) / rise
    done = (step - rise) / max(settings.epochs * steps - rise, 1)
    return settings.rate * (_LEAST + (1 - _LEAST) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def sharpness_aware(net: nn.Module, loss: Callable[[], Tensor], radius: float) -> None:
    """Replaces the gradients by those at the worst near point (SAM, Foret et al. 2021): climb by ρ g / ‖g‖, look, go back.

    Args:
        net: Whose gradients of the first look are there.
        loss: Computes the loss of the same batch anew and its gradients; statistics of norms are not updated by it.
        radius: ρ.
    """
    parameters: list[Tensor] = [parameter for parameter in net.parameters() if parameter.grad is not None]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    steps = [gradient * (radius / (norm + 1e-12)) for gradient in gradients]
    with torch.no_grad():
        torch._foreach_add_(parameters, steps)
    net.zero_grad()
    momenta = _still(net)
    loss()
    for norm_layer, momentum in momenta:
        norm_layer.momentum = momentum
    with torch.no_grad():
        torch._foreach_sub_(parameters, steps)


def _still(net: nn.Module) -> list[tuple[nn.modules.batchnorm._BatchNorm, float | None]]:
    """Keeps running means as they are: the weights of the second look are not those that will be used."""
    layers = [layer for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    momenta = [(layer, layer.momentum) for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    return momenta


@torch.no_grad()
def average(mean: Iterable[Tensor], now: Iterable[Tensor], decay: float) -> None:
    """Moves a moving average towards the tensors of now; whole numbers (counts of batches) are copied.

    Args:
        mean: Values of a state dict.
        now: Those of the net, in the same order.
        decay: Share of the old average that stays.
    """
    for old, new in zip(mean, now, strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new.to(old.dtype), 1 - decay)
        else:
            old.copy_(new)
