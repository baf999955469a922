"""Decoded sound of any sample format to one channel.

The channels are averaged. Where they cancel each other (one wire of a microphone connected the wrong way round, or an
effect of "widening"), the mean is silence or a residue, and one channel alone is taken: the first that is not much softer
than the others. That is so while the mean's energy, as it was over the last second, is less than :data:`CANCELLED` of
what it were if the channels had nothing to do with each other; it ends when it is more than :data:`RESTORED` of that.
Stereo with sound on one side only, or with different sounds, stands at 1; equal channels at their number.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

CANCELLED = 0.1
RESTORED = 0.3

_MEMORY = 1.0
"""Seconds in which what was heard counts for e times less."""

_SILENT = 1e-10
"""Mean energy below which there is nothing to cancel: -100 dBFS."""

_MOST_PLANES = 8


class Downmix:
    """Channels to one, one piece after another."""

    def __init__(self) -> None:
        self.cancelled = 0.0
        """Seconds for which one channel was taken."""
        self._energy: np.ndarray | None = None
        self._mean = 0.0
        self._alone = False

    def mono(self, values: np.ndarray, rate: int) -> np.ndarray:
        """(n,) float32 from consecutive samples (channels, n) in -1 to 1, ``rate`` a second."""
        mean = values.mean(axis=0, dtype=np.float32)
        channels, count = values.shape
        if channels == 1 or not count:
            return mean
        if self._energy is None or len(self._energy) != channels:
            self._energy, self._mean = np.zeros(channels), 0.0
        kept = np.exp(-count / (rate * _MEMORY))
        self._energy = kept * self._energy + (1 - kept) * np.mean(np.square(values, dtype=np.float64), axis=1)
        self._mean = kept * self._mean + (1 - kept) * float(np.mean(np.square(mean, dtype=np.float64)))
        unrelated = float(self._energy.mean()) / channels
        if unrelated > _SILENT:
            self._alone = self._mean < (RESTORED if self._alone else CANCELLED) * unrelated
        if not self._alone:
            return mean
        self.cancelled += count / rate
        loud = self._energy >= self._energy.max() / 2
        return values[int(np.argmax(loud))].astype(np.float32)


def floats(frame: "AudioFrame") -> np.ndarray:
    """(channels, n) float32: whole numbers scaled to -1 to 1, floats as they are."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels >= _MOST_PLANES:
        frame = _packed(frame)
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if values.dtype.kind == "i":
        return (values / float(2 ** (8 * values.itemsize - 1))).astype(np.float32)
    return values.astype(np.float32)


def _packed(frame: "AudioFrame") -> "AudioFrame":
    """The same samples, interleaved. PyAV reads behind the planes of a planar frame of eight channels or more."""
    from av import AudioResampler

    resampler = AudioResampler(format=frame.format.packed.name, layout=frame.layout, rate=frame.sample_rate)
    return resampler.resample(frame)[0]
