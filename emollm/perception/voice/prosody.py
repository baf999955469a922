"""Pitch, loudness, rate and voice quality of one turn of speech, in frames of 16 ms.

Pitch comes from swift-f0 (MIT); the rest is computed here from the short-time spectrum of 32 ms windows.

*Syllables* are counted as de Jong & Wempe (2009) do: peaks of intensity, 2 dB above the dips beside them, in voiced
sound; here of the intensity between 300 and 3000 Hz, where vowels are loud and neither hum nor hiss counts.
"""

from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emollm.perception.voice.activity import RATE, Array, Turn

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

HOP = 256
"""Samples from frame to frame."""
STEP = HOP / RATE
"""Seconds from frame to frame."""
FLOOR = -120.0
"""Level of digital silence, in dBFS."""
LOWEST, HIGHEST = 60.0, 800.0
"""Pitch that is looked for, in hertz: above the hum of the mains, below the whistles of a voice."""
REFERENCE = 100.0
"""Hertz of 0 semitones."""
_VOICED = 0.5
"""Confidence at which swift-f0 calls a frame voiced."""
_AUDIBLE = 0.3
"""Peak to which soft turns are raised for the tracker."""
_BELOW = 30.0
"""Decibels under the turn's loud frames at which a voice is room or hum."""
_JUMP = 6.0
"""Semitones from one frame to the next that no voice makes: pitch is cut there."""
_SHORTEST = 3
"""Frames of the shortest run of pitch that is believed."""
_SUSPECT = 12
"""Frames of the longest run of pitch that may be an error of an octave."""
_FAR = 9.0
"""Semitones from the turn's median at which a short run is one."""
_DIP = 2.0
"""Decibels between the peaks of two syllables (de Jong & Wempe 2009)."""
_SYLLABLES = 25.0
"""Decibels under the turn's loudest frames at which a peak is no syllable (de Jong & Wempe 2009)."""
_VOWELS = (300.0, 3000.0)
_WINDOW = 512
_BANDS = 200.0 * 2.0 ** (np.arange(13) / 3)
"""Third octaves from 200 to 3200 Hz, which a telephone also carries: their edges."""


class Frames(NamedTuple):
    """What was measured in a turn, each (n,) a frame."""

    times: Floats
    """Middles of the frames, in seconds of the clip."""
    semitones: Floats
    """Pitch over 100 Hz; NaN where unvoiced."""
    level: Floats
    """Root mean square in dBFS: 0 is a square wave at full scale."""
    speech: Bools
    """Between pauses."""
    nuclei: Bools
    """The middle of a syllable."""
    bands: Floats
    """(12,) power of the voiced frames in third octaves from 200 to 3200 Hz, summed."""
    clipped: float
    """Share of samples at full scale."""

    @property
    def voiced(self) -> Bools:
        """Where there is pitch."""
        return ~np.isnan(self.semitones)


@cache
def open_tracker() -> Any:
    """swift-f0, opened once a process; may be used from several threads.

    Raises:
        ImportError: swift-f0 is not installed.
    """
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


def measure(turn: Turn, tracker: Any) -> Frames:
    """Frames of a turn.

    Args:
        turn: Sound and where it is speech.
        tracker: What :func:`open_tracker` gives.
    """
    peak = float(np.abs(turn.samples).max(initial=0.0))
    gain = max(1.0, _AUDIBLE / peak) if peak > 0 else 1.0  # swift-f0 calls anything below -60 dBFS silence
    found = tracker.detect(turn.samples * np.float32(gain), RATE, fmin=LOWEST, fmax=HIGHEST)
    count = len(found.pitch_hz)
    times: Floats = turn.start + np.arange(count, dtype=np.float64) * STEP
    windows = _windows(turn.samples, count)  # (count, 512)
    level = decibels(np.mean(np.square(windows, dtype=np.float64), axis=1))
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1)) ** 2  # (count, 257)
    speech = np.zeros(count, bool)
    for start, end in turn.spans:
        speech |= (times >= start) & (times < end)
    sure = speech & (found.confidence >= _VOICED)
    if speech.any():
        sure &= level >= np.percentile(level[speech], 95) - _BELOW
    pitch = _believed(np.where(sure, 12 * np.log2(found.pitch_hz / REFERENCE), np.nan))
    return Frames(
        times=times,
        semitones=pitch,
        level=level,
        speech=speech,
        nuclei=_nuclei(power, ~np.isnan(pitch)),
        bands=_in_bands(power[~np.isnan(pitch)]),
        clipped=float(np.mean(np.abs(turn.samples) >= 0.999)),
    )


def decibels(power: npt.ArrayLike) -> Floats:
    """Mean squares as dBFS, not below the floor."""
    return 10 * np.log10(np.maximum(np.asarray(power, np.float64), 10 ** (FLOOR / 10)))


def hertz(height: float) -> float:
    """Semitones over 100 Hz as hertz."""
    return float(REFERENCE * 2 ** (height / 12))


def semitones(pitch: float) -> float:
    """Hertz as semitones over 100 Hz."""
    return float(12 * np.log2(pitch / REFERENCE))


def tilt(bands: Floats) -> float:
    """Slope of the long-term spectrum in decibels an octave, by least squares over third octaves from 200 to 3200 Hz.

    Args:
        bands: (12,) power of voiced frames; the power of a band, not its density.
    """
    return float(np.polyfit(np.arange(len(bands)) / 3, decibels(bands), 1)[0])


def roughness(course: Floats) -> tuple[float, int]:
    """How unsteady pitch is from frame to frame, beside its course.

    A frame's pitch is compared with the middle of its two neighbours'. This is no clinical jitter, which is taken from the
    single periods of a held vowel.

    Args:
        course: (n,) semitones of successive frames, NaN where unvoiced.

    Returns:
        Sum of the relative differences, and how many there are.
    """
    pitch = 2 ** (course / 12)
    apart = np.abs(pitch[1:-1] - (pitch[:-2] + pitch[2:]) / 2) / pitch[1:-1]
    apart = apart[~np.isnan(apart)]
    return float(apart.sum()), len(apart)


def _windows(samples: Array, count: int) -> Array:
    """Windows (count, 512) of the samples around each frame's time."""
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW))
    return np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP][:count]


def _in_bands(power: Floats) -> Floats:
    """Power (12,) of spectra (n, 257) summed in third octaves."""
    edges = np.searchsorted(np.fft.rfftfreq(_WINDOW, 1 / RATE), _BANDS)
    summed = power.sum(axis=0)
    return np.array([summed[low:high].sum() for low, high in pairwise(edges)])


def _believed(course: Floats) -> Floats:
    """Pitch without blips and without short runs that are an octave off."""
    kept = course.copy()
    runs = _runs(course)
    for first, last in runs:
        if last - first < _SHORTEST:
            kept[first:last] = np.nan
    if np.isnan(kept).all():
        return kept
    median = np.nanmedian(kept)
    for first, last in runs:
        if last - first <= _SUSPECT and abs(float(np.median(course[first:last])) - median) > _FAR:
            kept[first:last] = np.nan
    return kept


def _runs(course: Floats) -> list[tuple[int, int]]:
    """First frame and the one after the last of each stretch of pitch without gap and jump."""
    out: list[tuple[int, int]] = []
    for index in np.flatnonzero(~np.isnan(course)).tolist():
        if out and out[-1][1] == index and abs(course[index] - course[index - 1]) <= _JUMP:
            out[-1] = (out[-1][0], index + 1)
        else:
            out.append((index, index + 1))
    return out


def _nuclei(power: Floats, voiced: Bools) -> Bools:
    """Frames at which a syllable is loudest, from spectra (n, 257)."""
    out = np.zeros(len(power), bool)
    if not voiced.any():
        return out
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    level = decibels(power[:, (frequencies >= _VOWELS[0]) & (frequencies <= _VOWELS[1])].sum(axis=1))
    least = np.percentile(level[voiced], 99) - _SYLLABLES
    lowest, peak = level[0], None
    for index, value in enumerate([*level.tolist(), -np.inf]):
        if peak is None:
            lowest = min(lowest, value)
            if value >= lowest + _DIP:
                peak = index
        elif value > level[peak]:
            peak = index
        elif value <= level[peak] - _DIP:
            out[peak] = level[peak] >= least and voiced[max(0, peak - 1) : peak + 2].any()
            lowest, peak = value, None
    return out
