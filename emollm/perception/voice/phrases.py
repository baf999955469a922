"""Phrases of a turn, and how they depart from the speaker's own voice in the clip."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from emollm.perception.voice.prosody import STEP, Floats, Frames

LONGEST = 3.0
"""Seconds: a longer phrase is cut where it is softest."""
SHORTEST = 0.6
"""Seconds that each part has at least when a phrase is cut."""
_BREAK = 0.12
"""Seconds of a dip in loudness that ends a phrase."""
_DIP = 25.0
"""Decibels under the loud frames of the phrase at which such a dip lies."""
_VOICED = 10
"""Voiced frames without which a phrase has no pitch and no loudness (0.16 s)."""
_RATED = 1.0
"""Seconds without which it has no rate."""
_SMOOTH = 5
"""Frames over which the most extreme moment is sought (0.08 s)."""


class Extreme(NamedTuple):
    """A value of a phrase, and when it is most extreme either way."""

    value: float
    highest: float
    """Seconds of the clip."""
    lowest: float


class Phrase(NamedTuple):
    """A stretch of 0.6 to 3 s of speech, or less between pauses."""

    start: float
    end: float
    pitch: Extreme | None
    """Median in semitones over 100 Hz."""
    loudness: Extreme | None
    """Median of the voiced frames in dBFS."""
    syllables: int | None
    """None in a phrase too short for a rate."""

    @property
    def rate(self) -> float | None:
        """Syllables a second."""
        return None if self.syllables is None else self.syllables / (self.end - self.start)


def phrases(frames: Frames) -> Iterator[Phrase]:
    """The phrases of a turn, in order."""
    for first, last in _runs(frames.speech):
        for begin, end in _divided(frames.level, first, last):
            yield _phrase(frames, begin, end)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First index and the one after the last of each stretch that is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _divided(level: Floats, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Cuts frames at their breaks, and further while they are longer than 3 s."""
    least = round(SHORTEST / STEP)
    if last - first < 2 * least:
        yield first, last
        return
    inner = _smooth(level[first:last])[least : last - first - least + 1]
    quiet = inner < np.percentile(level[first:last], 90) - _DIP
    breaks = [(b - a, (a + b) // 2) for a, b in _runs(quiet) if (b - a) * STEP >= _BREAK]
    if breaks:
        cut = first + least + max(breaks)[1]
    elif (last - first) * STEP > LONGEST:
        cut = first + least + int(np.argmin(inner))
    else:
        yield first, last
        return
    yield from _divided(level, first, cut)
    yield from _divided(level, cut, last)


def _phrase(frames: Frames, first: int, last: int) -> Phrase:
    part = slice(first, last)
    times, voiced, length = frames.times[part], frames.voiced[part], (last - first) * STEP
    syllables = int(frames.nuclei[part].sum())
    enough = int(voiced.sum()) >= _VOICED
    spoken = length >= _RATED and syllables > 0
    return Phrase(
        start=float(times[0]),
        end=float(times[0]) + length,
        pitch=_extreme(times[voiced], frames.semitones[part][voiced]) if enough else None,
        loudness=_extreme(times[voiced], frames.level[part][voiced]) if enough else None,
        syllables=syllables if spoken else None,
    )


def _extreme(times: Floats, values: Floats) -> Extreme:
    smooth = _smooth(values)
    return Extreme(float(np.median(values)), float(times[smooth.argmax()]), float(times[smooth.argmin()]))


def _smooth(values: Floats) -> Floats:
    """Medians over five frames, the ends repeated."""
    padded = np.pad(values, _SMOOTH // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, _SMOOTH), axis=1)
