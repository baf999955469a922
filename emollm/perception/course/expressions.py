"""A person's expressions over time, as a net or a tool gives them: the moment that matters, the whole, and series.

Probabilities are not strengths: nothing here rises or falls, and no moment is chosen by them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from emollm.perception.course.cues import rounded
from emollm.perception.course.samples import Array
from emollm.perception.course.series import Grid
from emollm.types import Cue, CueKind, Extent, Missing, Scale, Series, Source


@dataclass(frozen=True)
class Expressions:
    """Probabilities of expressions at n times."""

    track: str | None
    """None: a table that does not say where the face is; ids then have no ``p1.`` before them."""
    times: Array
    """(n,) seconds, rising; at least one."""
    values: Mapping[str, Array]
    """By expression (n,); NaN where it was not measured."""
    confidence: Array
    """(n,) of the face, in [0, 1]; NaN where there is none."""
    source: Source
    every: float = 0.0
    """Seconds between two of them as they were asked for; 0: in each frame."""


def moment_expressions(
    seen: Expressions, time: float, around: float, middle: Callable[[Array], float]
) -> Iterator[Cue | Missing]:
    """What is said of a moment.

    Args:
        seen: The person.
        time: The moment in seconds.
        around: Seconds to either side that count.
        middle: Makes one value of several; the mean keeps the sum of the probabilities.
    """
    near = np.flatnonzero(np.abs(seen.times - time) <= around + 1e-3)
    nearest = near[np.abs(seen.times[near] - time).argmin()] if len(near) else 0
    for name, values in seen.values.items():
        known = values[near][np.isfinite(values[near])]
        if len(known):
            yield _cue(seen, name, middle(known), Extent.MOMENT, seen.times[near], seen.confidence[nearest])
        else:
            yield Missing(stream=name, reason=f"not measured at {time:.1f} s", track=seen.track)


def whole_expressions(seen: Expressions) -> Iterator[Cue]:
    """The mean over all there is."""
    sure = seen.confidence[np.isfinite(seen.confidence)]
    confidence = float(np.median(sure)) if len(sure) else float("nan")
    for name, values in seen.values.items():
        if np.isfinite(values).any():
            yield _cue(seen, name, float(np.nanmean(values)), Extent.WHOLE, seen.times, confidence)


def series_expressions(seen: Expressions, step: float) -> Iterator[Series]:
    """Each probability over time, in steps no shorter than those in which they were asked for."""
    grid = Grid(seen.times, max(step, seen.every))
    for name, values in seen.values.items():
        yield grid.series(CueKind.EXPRESSION, name, Scale.PROBABILITY, values, seen.track, seen.source)


def _cue(seen: Expressions, name: str, value: float, extent: Extent, times: Array, confidence: float) -> Cue:
    prefix = f"{seen.track}." if seen.track is not None else ""
    return Cue(
        id=f"{prefix}expression.{name}" + (".whole" if extent is Extent.WHOLE else ""),
        kind=CueKind.EXPRESSION,
        name=name,
        scale=Scale.PROBABILITY,
        value=rounded(value),
        track=seen.track,
        extent=extent,
        start=rounded(times[0]),
        end=rounded(times[-1]),
        confidence=rounded(np.clip(confidence, 0, 1)) if np.isfinite(confidence) else None,
        source=seen.source,
    )
