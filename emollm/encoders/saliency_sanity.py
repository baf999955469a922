"""Whether a heat map depends on what the net has learnt (Adebayo et al. 2018): randomise its weights, and see the map change."""

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from emollm.encoders.net import FaceNet


class Step(NamedTuple):
    """A net of which some weights are as before training."""

    name: str
    """What was randomised last: ``head``, a layer, or ``rest``: what lies in none of the encoder's layers."""
    net: FaceNet
    """Of its own, in evaluation mode; all that came before in the cascade is randomised as well."""


def cascade(net: FaceNet, seed: int = 0) -> Iterator[Step]:
    """Copies of a net whose weights are drawn anew, from the head down to the first layer, each step on top of the one before.

    What is drawn is what a new net of the same architecture starts with, statistics of batch norms included.

    Args:
        net: The trained net; it stays as it is.
        seed: Of the draws.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = net.config.architecture().build().state_dict()  # never pretrained weights
    now = copy.deepcopy(net)
    done: set[str] = set()
    own = now.state_dict(keep_vars=True)
    for name, keys in (*_stages(net), ("rest", list(own))):
        new = [key for key in keys if key not in done]
        if not new:
            continue
        done.update(new)
        with torch.no_grad():
            for key in new:
                own[key].copy_(fresh[key])
        yield Step(name, copy.deepcopy(now).eval())


def _stages(net: FaceNet) -> Iterator[tuple[str, list[str]]]:
    """Names of the tensors of the head and of each layer, deepest first."""
    keys = list(net.state_dict())
    yield "head", [key for key in keys if not key.startswith("encoder.")]
    paths = {id(module): path for path, module in net.named_modules()}
    for name, module in reversed(list(net.body.layers.items())):
        yield name, [key for key in keys if key.startswith(f"{paths[id(module)]}.")]


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two maps, ties at their mean rank; NaN where one of them is constant."""
    one, other = _ranks(first.ravel()), _ranks(second.ravel())
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / size) if size > 0 else float("nan")


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last: NDArray[np.float64] = np.cumsum(count) - (count - 1) / 2
    return last[place]
