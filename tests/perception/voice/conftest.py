"""Real speech, and sounds made of numbers."""

import wave
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest

from emollm import assets
from emollm.perception.voice.activity import RATE, Array


class Block(NamedTuple):
    """A piece of sound."""

    start: float
    samples: Array


class Samples:
    """A sound that is already in memory, given in blocks."""

    def __init__(self, samples: Array, size: int = 20 * RATE, start: float = 0.0) -> None:
        self.samples, self.size, self.start = samples, size, start

    def blocks(self) -> Iterator[Block]:
        for first in range(0, len(self.samples), self.size):
            yield Block(self.start + first / RATE, self.samples[first : first + self.size])


@pytest.fixture(scope="session")
def sound() -> Callable[..., Samples]:
    """Makes a sound of samples: ``sound(samples, size=…, start=…)``."""
    return Samples


@pytest.fixture(scope="session")
def speech() -> Array:
    """Eleven seconds of Kennedy's inaugural address at 16 kHz: "ask not what your country can do for you …"."""
    with wave.open(str(assets.path("speech-jfk"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return (samples / 32768).astype(np.float32)


@pytest.fixture(scope="session")
def voiced() -> Callable[..., Array]:
    """Makes a sound like a held vowel: harmonics that fall by 6 dB an octave, of a pitch that may change.

    ``voiced(pitch, seconds, level)``: hertz (a number or one for each sample), seconds, level in dBFS.
    """

    def make(pitch: float | np.ndarray, seconds: float, level: float = -20.0) -> Array:
        course = np.broadcast_to(np.asarray(pitch, np.float64), (round(seconds * RATE),))
        phase = 2 * np.pi * np.cumsum(course) / RATE
        tone = sum(np.sin(k * phase) / k * (k * course < RATE / 2) for k in range(1, 25))
        return np.asarray(tone / np.sqrt(np.mean(tone**2)) * 10 ** (level / 20), np.float32)

    return make
