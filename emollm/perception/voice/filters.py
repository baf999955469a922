"""Whisper's mel filters, as a product that is the same on any number of threads.

A matrix product of numpy is summed in an order that depends on how many threads its library may use at that moment, and
other parts of a process set that. The difference is in the last bit, but the recogniser rounds to eight: a word's
probability then moves by hundredths, now and then a word. A filter has a few bins, so they are simply added in order.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class Filters:
    """Filters (m, n) that can stand on the left of ``@``.

    Args:
        weights: (m, n) weight of each of n bins in each of m bands, most of them zero.
    """

    def __init__(self, weights: Array) -> None:
        self._bands = [[(int(index), row[index]) for index in np.flatnonzero(row)] for row in weights]

    def __matmul__(self, power: Array) -> Array:
        """Bands (m, t) of spectra (n, t)."""
        out = np.zeros((len(self._bands), power.shape[1]), np.float32)
        for band, bins in zip(out, self._bands, strict=True):
            for index, weight in bins:
                band += weight * power[index]
        return out


def steady(model: Any) -> Any:
    """A ``faster_whisper.WhisperModel`` whose result depends on the sound only."""
    extractor = model.feature_extractor
    extractor.mel_filters = Filters(np.asarray(extractor.mel_filters, np.float32))
    return model
