"""How long face nets take for a face, on the CPU, side by side."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from emollm.encoders.predict import predict
from emollm.encoders.weights import Trained

BATCH = 64
THREADS = 2
_ROUNDS = 20
_SHORTEST = 0.01
"""Seconds that are timed at once at least; a quick net answers several times in them."""
_LONGEST = 15.0
"""Seconds for each net, on a busy machine or of a slow net; three rounds are always run."""


class Speed(NamedTuple):
    """Milliseconds a face, medians over rounds, crops given; mirror images are counted where the net averages over them."""

    single: float
    """One face at a time."""
    batched: float
    """In batches of 64."""
    threads: int
    rounds: int


def speeds(nets: Sequence[Trained], *, threads: int = THREADS, rounds: int = _ROUNDS) -> list[Speed]:
    """Times of nets, in rounds that each net has its turn in, so that what else the machine does meets all of them alike.

    Args:
        nets: On the CPU.
        threads: Of torch.
        rounds: Of which the median counts.
    """
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (BATCH, net.net.size, net.net.size, 3), np.uint8) for net in nets]
    begin = time.perf_counter()
    with _threads(threads):
        times: list[list[tuple[float, float]]] = [[] for _ in nets]
        for number in range(rounds + 1):
            if number > 3 and time.perf_counter() - begin > _LONGEST * len(nets):
                break
            for net, faces, taken in zip(nets, crops, times, strict=True):
                one, many = _ms(net, faces[:1]), _ms(net, faces) / BATCH
                if number:  # the first round only warms up
                    taken.append((one, many))
    return [
        Speed(median(one for one, _ in taken), median(many for _, many in taken), threads, len(taken))
        for taken in times
    ]


def _ms(net: Trained, faces: np.ndarray) -> float:
    """Milliseconds of one call."""
    begin, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - begin < _SHORTEST:
        predict(net, faces)
        calls += 1
    return 1000 * (time.perf_counter() - begin) / calls


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
