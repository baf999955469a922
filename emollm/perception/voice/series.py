"""Pitch, loudness and speech over the whole clip, on one even grid for all three.

What is kept while the sound goes by is 8 bytes for each 32 ms, a megabyte an hour: so the medians are exact.
"""

from array import array
from itertools import pairwise
from math import ceil

import numpy as np

from emollm.perception.voice.activity import STEP, Array
from emollm.perception.voice.prosody import Floats, decibels, hertz
from emollm.types import CueKind, Scale, Series, Source

FINEST = 0.05
"""Seconds of a step in a short clip."""
POINTS = 600
"""Steps of a long clip."""


class Course:
    """Collects what the series show.

    Args:
        origin: When the sound begins, in seconds of the clip.
    """

    def __init__(self, origin: float) -> None:
        self.origin = origin
        self._levels, self._speech = array("f"), array("f")

    def hear(self, chunks: Array, probabilities: Array) -> None:
        """Takes the next chunks (n, 512) and their speech probabilities (n,)."""
        self._levels.extend(decibels(np.mean(np.square(chunks, dtype=np.float64), axis=1)).tolist())
        self._speech.extend(probabilities.tolist())

    @property
    def levels(self) -> Array:
        """Levels (n,) of all chunks in dBFS."""
        return np.asarray(self._levels, np.float32)

    def series(
        self, duration: float, pitch: tuple[Array, Array], net: Source, tracker: Source, ours: Source
    ) -> tuple[Series, ...]:
        """Speech, energy and F0 on the grid.

        Args:
            duration: Of the sound, in seconds.
            pitch: Times in seconds of the clip and semitones over 100 Hz of all voiced frames (n,), in order.
            net: What judged speech.
            tracker: What tracked pitch.
            ours: What computed levels.
        """
        step = max(FINEST, duration / POINTS)
        count = ceil(duration / step - 1e-9)
        middles = (np.arange(len(self._levels)) + 0.5) * STEP
        cells = np.minimum(middles // step, count - 1).astype(int)
        voiced = np.clip((pitch[0] - self.origin) // step, 0, count - 1).astype(int)
        speech = _medians(cells, np.asarray(self._speech, np.float32), count)
        course = _medians(voiced, pitch[1], count)
        loudest = np.full(count, np.nan)
        np.fmax.at(loudest, cells, self.levels)
        rows = (
            ("speech", Scale.PROBABILITY, [_rounded(value, 3) for value in speech.tolist()], net),
            ("energy", Scale.DECIBELS, [_rounded(value, 1) for value in loudest.tolist()], ours),
            ("f0", Scale.HERTZ, [_rounded(hertz(value), 1) for value in course.tolist()], tracker),
        )
        return tuple(
            Series(
                kind=CueKind.PROSODY,
                name=name,
                scale=scale,
                start=self.origin,
                step=step,
                values=tuple(values),
                source=source,
            )
            for name, scale, values, source in rows
        )


def _rounded(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(value, digits)


def _medians(cells: np.ndarray, values: Array, count: int) -> Floats:
    """Median of the values in each cell; NaN where there is none. The cells ascend."""
    out = np.full(count, np.nan)
    edges = np.searchsorted(cells, np.arange(count + 1)).tolist()
    for index, (first, last) in enumerate(pairwise(edges)):
        if last > first:
            out[index] = np.median(values[first:last])
    return out
