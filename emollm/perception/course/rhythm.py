"""Whether a mouth opens and closes as in speech: quickly, again and again."""

from typing import NamedTuple

import numpy as np

from emollm.perception.course.timeline import Array, Timeline

_QUICK, _SLOW = 0.12, 0.7
"""Seconds of the two running means whose difference is the motion of syllables (about 2 to 6 a second)."""


class Rhythm(NamedTuple):
    """How a quantity of the mouth moves."""

    strength: Array
    """(T,) root mean square of its quick motion around each frame."""
    turns: Array
    """(T,) how often a second that motion turns around."""


def rhythm(frames: Timeline, values: Array, window: float, least: float) -> Rhythm:
    """The rhythm of a quantity (T,) without NaN.

    Args:
        frames: (T,) times.
        values: Opening of the mouth, in whatever unit.
        window: Seconds around each frame that are looked at.
        least: Motion that is noise, in that unit.
    """
    quick = frames.mean(values, _QUICK) - frames.mean(values, _SLOW)
    strength = np.sqrt(np.maximum(frames.mean(quick**2, window), 0))
    at = np.flatnonzero(np.abs(quick) >= least)
    turned = np.zeros(len(values), np.float32)
    turned[at[1:]] = np.sign(quick[at[1:]]) != np.sign(quick[at[:-1]])
    seen = max(frames.step, 1e-6)
    return Rhythm(strength, frames.mean(turned, window) / seen)
