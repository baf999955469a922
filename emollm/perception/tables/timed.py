"""Cues, series and moments of rows with times: the same course over time as of a video."""

import numpy as np

from emollm.perception.course import Course, CourseSettings, Samples, course_of
from emollm.perception.course.expressions import Expressions, moment_expressions, series_expressions
from emollm.perception.course.peaks import AROUND
from emollm.perception.tables.person import Person
from emollm.types import Cue, Missing, Scale


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
    seen = _expressions(person, track)
    said = tuple(moment_expressions(seen, course.peaks[0].time, AROUND, _median))
    return Course(
        (*(cue for part in parts for cue in part.cues), *(item for item in said if isinstance(item, Cue))),
        (
            *(item for part in parts for item in part.series),
            *series_expressions(seen, step),
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


def _expressions(person: Person, track: str | None) -> Expressions:
    """What the tool says of expressions."""
    assert person.times is not None
    sure = np.full(len(person.times), np.nan) if person.confidence is None else person.confidence
    return Expressions(
        track, person.times, {column.name: column.values for column in person.expressions}, sure, person.source
    )


def _median(values: np.ndarray) -> float:
    return float(np.median(values))
