"""What all turns of a clip add up to: the speaker's own voice in it."""

from array import array
from typing import NamedTuple

import numpy as np

from emollm.perception.voice.activity import Array
from emollm.perception.voice.prosody import STEP, Frames, hertz, roughness, tilt

CLIPPED = 0.001
"""Share of samples at full scale from which on loudness is not to be relied on."""


class Usual(NamedTuple):
    """The speaker's voice over the clip."""

    f0_median: float
    """Hertz."""
    f0_range: float
    """Semitones from the 5th to the 95th percentile."""
    f0_sd: float
    """Semitones."""
    energy: float
    """Median level of the voiced frames, in dBFS."""
    energy_range: float
    """Decibels from the 5th to the 95th percentile of the voiced frames."""
    speech_rate: float
    """Syllables for each second of speech, pauses left out."""
    tilt: float
    """Decibels an octave."""
    jitter: float
    """Mean relative departure of a frame's pitch from the middle of its neighbours'."""
    clipped: bool
    """Whether the sound is cut at full scale."""


class Summary:
    """Adds up turns. Eight bytes a voiced frame are kept, four more for its time."""

    def __init__(self) -> None:
        self._times, self._semitones, self._levels = array("f"), array("f"), array("f")
        self._bands = np.zeros(12)
        self._rough = [0.0, 0.0]
        self._syllables = self._spoken = 0
        self._clipped = [0.0, 0.0]

    def add(self, frames: Frames, samples: int) -> None:
        """Takes the frames of a turn of so many samples."""
        voiced = frames.voiced
        self._times.extend(frames.times[voiced].tolist())
        self._semitones.extend(frames.semitones[voiced].tolist())
        self._levels.extend(frames.level[voiced].tolist())
        self._bands += frames.bands
        apart, count = roughness(frames.semitones)
        self._rough = [self._rough[0] + apart, self._rough[1] + count]
        self._syllables += int(frames.nuclei.sum())
        self._spoken += int(frames.speech.sum())
        self._clipped = [self._clipped[0] + frames.clipped * samples, self._clipped[1] + samples]

    @property
    def pitch(self) -> tuple[Array, Array]:
        """Times in seconds of the clip and semitones over 100 Hz of all voiced frames (n,)."""
        return np.asarray(self._times, np.float32), np.asarray(self._semitones, np.float32)

    @property
    def voiced(self) -> float:
        """Seconds of voiced sound."""
        return len(self._semitones) * STEP

    @property
    def clipped(self) -> float:
        """Share of the samples of all turns that are at full scale."""
        return self._clipped[0] / self._clipped[1] if self._clipped[1] else 0.0

    def usual(self, least: float) -> Usual | None:
        """The speaker's voice; None with less voiced sound than so many seconds."""
        if self.voiced < least or not self._spoken:
            return None
        semitones, levels = np.asarray(self._semitones), np.asarray(self._levels)
        low, high = np.percentile(semitones, [5, 95])
        soft, loud = np.percentile(levels, [5, 95])
        return Usual(
            f0_median=hertz(float(np.median(semitones))),
            f0_range=float(high - low),
            f0_sd=float(semitones.std()),
            energy=float(np.median(levels)),
            energy_range=float(loud - soft),
            speech_rate=self._syllables / (self._spoken * STEP),
            tilt=tilt(self._bands),
            jitter=self._rough[0] / self._rough[1] if self._rough[1] else 0.0,
            clipped=self.clipped >= CLIPPED,
        )
