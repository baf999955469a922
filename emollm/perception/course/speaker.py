"""Whose mouth moves while speech is heard.

A speaker's lips open and close several times a second; smiles, chewing and jitter of the mesh do not, or do so in silence
too. So the quick motion of the mouth is what counts, by how far it exceeds the same person's motion in silence, and of
several people the one who moves most.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from emollm.perception.course.levels import Level
from emollm.perception.course.rhythm import rhythm
from emollm.perception.course.samples import Array, Samples
from emollm.perception.course.timeline import Timeline

_GRID = 0.1
"""Seconds between the points at which mouths are compared."""
_WINDOW = 1.0
"""Seconds of motion around each point."""
_NOISE = 0.005
"""Heights of the face within which a mouth counts as unmoved when turns are counted."""
_TALKS = 0.005
"""Least quick motion of a speaker's mouth, in heights of the face. With these constants 17 of 20 speakers come to at least
half of their speech, and two faces that weep, laugh and smile under a voice to 0.25 at most; they were chosen on the same
clips (docs/perception.md)."""
_TURNS = 1.5
"""How often a second that motion turns around at least."""
_OVER_SILENCE = 1.5
"""How many times the motion in silence it is at least, where silence is long enough to tell."""
_CLEARLY = 1.2
"""How many times the motion of anybody else at the same time it is at least."""
_LEAST = 0.5
"""Seconds of speech, and of silence, below which nothing is told from them."""
_SEEN = 0.2
"""Share of the speech during which a mouth must be seen."""
_MARGIN = 0.3
"""Seconds about speech that count as neither speech nor silence."""
_SLOWEST = 0.13
"""Seconds between two frames beyond which syllables cannot be told."""

_UNIT_WINDOW, _UNIT_TALKS, _UNIT_TURNS, _UNIT_NOISE, _UNIT_LONG = 2.0, 0.12, 1.2, 0.05, 0.8
"""The same for AU25 on its own scale: seconds looked at, least motion, turns a second, noise, and least length of talk."""


def who_speaks(
    people: Sequence[Samples], speech: Sequence[tuple[float, float]] | None
) -> dict[str | None, float] | None:
    """Share of the speech during which each person's mouth moves as a speaker's does.

    Args:
        people: Everybody in the clip.
        speech: Spans (start, end) in seconds in which speech was heard; None where that is not known.

    Returns:
        By track, in [0, 1]; somebody whose mouth is hardly seen while there is speech is left out. At any time at most one
        person speaks. None where it cannot be told of anybody.
    """
    spans = [(start, end) for start, end in speech or () if end > start]
    if sum(end - start for start, end in spans) < _LEAST:
        return None
    last = max(spans[-1][1], *(float(person.times[-1]) for person in people)) if people else 0.0
    grid = np.arange(0.0, last + _GRID, _GRID)
    spoken = Timeline(grid).during(spans)
    silent = ~Timeline(grid).during([(start - _MARGIN, end + _MARGIN) for start, end in spans])
    motions: dict[str | None, Array] = {}
    for person in people:
        motion = _motion(person, grid)
        if motion is not None and np.isfinite(motion[spoken]).mean() >= _SEEN:
            motions[person.track] = _above_silence(motion, silent)
    if not motions:
        return None
    table = np.nan_to_num(np.stack(list(motions.values()))[:, spoken])  # (P, S)
    order = np.sort(np.vstack([np.zeros((1, table.shape[1])), table]), axis=0)  # (P + 1, S)
    best = table.argmax(axis=0)
    speaks = order[-1] > _CLEARLY * order[-2]
    return {track: round(float((speaks & (best == row)).mean()), 3) for row, track in enumerate(motions)}


def _motion(person: Samples, grid: Array) -> Array | None:
    """(G,) quick motion of a mouth, 0 where it is no speaker's, NaN where the mouth is not seen; None if it never is."""
    if person.mouth is None:
        return None
    known = np.isfinite(person.mouth)
    if known.sum() < 2:
        return None
    frames = Timeline(person.times[known])
    if frames.step > _SLOWEST:
        return None
    found = rhythm(frames, person.mouth[known], _WINDOW, _NOISE)
    moves = np.where((found.strength >= _TALKS) & (found.turns >= _TURNS), found.strength, 0)
    near = np.clip(np.searchsorted(frames.times, grid), 1, len(frames.times) - 1)
    near = near - (grid - frames.times[near - 1] < frames.times[near] - grid)
    return np.where(np.abs(frames.times[near] - grid) <= _GRID + frames.step, moves[near], np.nan)


def _above_silence(motion: Array, silent: Array) -> Array:
    """The motion, 0 where it is not clearly more than the same mouth's in silence."""
    quiet = motion[silent & np.isfinite(motion)]
    if len(quiet) * _GRID < _LEAST:
        return motion
    return np.where(motion >= _OVER_SILENCE * np.median(quiet), motion, np.where(np.isnan(motion), np.nan, 0))


def talks(timeline: Timeline, levels: Mapping[str, Level]) -> Array:
    """(T,) frames in which the lips part and close as in speech: a stand-in for speech where no sound is known.

    Judged by AU25, else AU26. It finds talk in 17 of 20 short clips of speakers, in 18 % of a clip of weeping and laughing,
    in none of a smile; its constants were chosen on the same clips (docs/perception.md).
    """
    level = levels.get("AU25") or levels.get("AU26")
    if level is None or not 0 < level.frames.step <= _SLOWEST:
        return np.zeros(len(timeline.times), dtype=bool)
    frames = level.frames
    found = rhythm(frames, level.values, _UNIT_WINDOW, _UNIT_NOISE)
    runs = frames.runs((found.strength >= _UNIT_TALKS) & (found.turns >= _UNIT_TURNS))
    spans = zip(frames.times[runs.first].tolist(), frames.times[runs.last].tolist(), strict=True)
    around = _UNIT_WINDOW / 2  # the talk that a window sees may lie at its edge
    return timeline.during([(start - around, end + around) for start, end in spans if end - start >= _UNIT_LONG])
