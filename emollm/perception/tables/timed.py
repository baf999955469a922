"""Cues, series and moments of rows with times: the same course over time as of a video."""

from collections.abc import Iterator

import numpy as np

from emollm.perception.course import Course, CourseSettings, Samples, course_of
from emollm.perception.course.cues import rounded
from emollm.perception.course.peaks import AROUND
from emollm.perception.course.series import Grid
from emollm.perception.tables.person import Person
from emollm.types import Cue, CueKind, Extent, Missing, Peak, Scale


def timed_course(person: Person, track: str | None, settings: CourseSettings, step: float) -> Course:
    """The course of a person whose rows have times.

    Units of two scales (an intensity of some, a probability of others) are followed apart; the moments are those of the
    intensities.

    Args:
        person: At least one row.
        track: Id of the person; None if the table has no positions.
        settings: How much is kept.
        step: Seconds between the points of the series.
    """
    assert person.times is not None
    scales = sorted({column.scale for column in person.units}, key=lambda scale: scale is not Scale.INTENSITY)
    main, *rest = scales or [Scale.INTENSITY]
    course = course_of(_samples(person, track, main, person.angles), None, settings, step=step)
    parts = [course]
    for scale in rest:
        parts.append(course_of(_samples(person, track, scale, {}), None, settings, step=step, peaks=course.peaks))
    grid = Grid(person.times, step)
    said = tuple(_expressions(person, track, course.peaks[0]))
    return Course(
        (*(cue for part in parts for cue in part.cues), *(item for item in said if isinstance(item, Cue))),
        (
            *(item for part in parts for item in part.series),
            *(
                grid.series(CueKind.EXPRESSION, column.name, column.scale, column.values, track, person.source)
                for column in person.expressions
            ),
        ),
        course.peaks,
        (*(gap for part in parts for gap in part.missing), *(item for item in said if isinstance(item, Missing))),
    )


def _samples(person: Person, track: str | None, scale: Scale, angles: dict[str, np.ndarray]) -> Samples:
    assert person.times is not None
    count = len(person.times)
    columns = [column for column in person.units if column.scale is scale]
    confidence = np.full(count, np.nan) if person.confidence is None else person.confidence
    return Samples(
        track=track,
        times=person.times,
        raw={column.name: column.values.astype(np.float32) for column in columns},
        scale=scale,
        spans=None,
        sides={},
        angles={name: degrees.astype(np.float32) for name, degrees in angles.items()},
        mouth=None,
        confidence=confidence.astype(np.float32),
        source=person.source,
        bearing=person.source,
        unreliable=frozenset(column.name for column in columns if not column.reliable),
    )


def _expressions(person: Person, track: str | None, peak: Peak) -> Iterator[Cue | Missing]:
    """What the tool says of the expression at the main moment."""
    assert person.times is not None
    near = np.flatnonzero(np.abs(person.times - peak.time) <= AROUND + 1e-3)
    prefix = f"{track}." if track is not None else ""
    for column in person.expressions:
        values = column.values[near]
        if np.isnan(values).all():
            yield Missing(stream=column.name, reason=f"not measured at {peak.time:.1f} s", track=track)
            continue
        yield Cue(
            id=f"{prefix}expression.{column.name}",
            kind=CueKind.EXPRESSION,
            name=column.name,
            scale=column.scale,
            value=rounded(float(np.nanmedian(values))),
            track=track,
            extent=Extent.MOMENT,
            start=rounded(person.times[near[0]]),
            end=rounded(person.times[near[-1]]),
            confidence=person.sure(int(near[np.abs(person.times[near] - peak.time).argmin()])),
            source=person.source,
        )
