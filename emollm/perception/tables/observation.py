"""From a table's people to an Observation.

With times, a clip of many rows is followed like a video: what each person shows at the main moment, what rises and falls
when, series and moments (:mod:`emollm.perception.course`). One row, or rows without times, give one cue a quantity
(:mod:`emollm.perception.tables.still`), and Observation.missing says that the times are unknown.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from emollm import __version__
from emollm.errors import DataError
from emollm.perception.course import Course, CourseSettings, series_step
from emollm.perception.tables.person import Person
from emollm.perception.tables.still import still_cues
from emollm.perception.tables.timed import timed_course
from emollm.types import Cue, CueKind, Extent, MediaInfo, Missing, Observation, Peak, Scale, Series, Source, Track

FACS_CODES = tuple(
    f"AU{number:02d}"
    for number in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 43)
)
"""Units of the face that a tool either measures or is said to miss."""

FACES_PER_TRACK = 200
"""Faces kept of a track without times, evenly spread: enough to follow it, bounded for hour-long tables."""


def observation(
    clip_id: str,
    people: Sequence[Person],
    *,
    path: Path,
    source: Source,
    measured: Iterable[str],
    frames: int,
    duration: float | None,
    settings: CourseSettings,
    rate: float | None = None,
    note: str | None = None,
    missing: Sequence[Missing] = (),
) -> Observation:
    """Puts people together: tracks in order of prominence, their cues, and the units that the tool does not measure.

    Somebody without a position gets no track (a track has a box): the cues speak of the clip as a whole, which only works
    for one person.

    Args:
        clip_id: Id of the Observation.
        people: Everybody of whom something was measured.
        path: The table, for messages.
        source: The tool.
        measured: Codes of the units that it measures.
        frames: Frames of the clip, with or without a face.
        duration: Seconds of the clip, where the table has times.
        settings: How the course over time is read.
        rate: Frames a second, where the table was given them.
        note: What was left out.
        missing: What else is known to be missing.

    Raises:
        DataError: Several people, and no positions to tell which is which.
    """
    for person in people:
        if not len(person.placed()):
            person.boxes = None
    if len(people) > 1 and any(person.boxes is None for person in people):
        raise DataError(f"{path}:1: {len(people)} faces but no positions to tell them apart; export the landmarks too")
    timed = any(person.times is not None and len(person.times) > 1 for person in people)
    step = series_step(duration or 0.0)
    gaps = [
        Missing(stream=code, reason=f"not measured by {source.backend}") for code in FACS_CODES if code not in measured
    ]
    cues: list[Cue] = []
    series: list[Series] = []
    tracks: list[Track] = []
    ordered = sorted(people, key=lambda person: -person.weight() if person.boxes is not None else 0.0)
    total = sum(person.weight() for person in ordered if person.boxes is not None)
    for number, person in enumerate(ordered, start=1):
        id = f"p{number}" if person.boxes is not None else None
        course = (
            timed_course(person, id, settings, step) if timed else Course(tuple(still_cues(person, id)), (), (), ())
        )
        cues += [*course.cues, *_word(person, id, timed)]
        series += course.series
        gaps += [*(gap.model_copy(update={"track": id}) for gap in person.missing), *course.missing]
        if id is not None:
            tracks.append(_track(person, id, min(person.weight() / total, 1.0), course.peaks))
        else:
            gaps.append(Missing(stream="face position", reason="the table says nothing of where the face is"))
    if frames > 1 and people and people[0].times is None:
        reason = "the table has frame numbers but no frame rate; give --table-fps"
        gaps.append(Missing(stream="time", reason=reason))
    return Observation(
        id=clip_id,
        media=MediaInfo(kind="table", frames=frames, duration=duration, rate=rate, note=note),
        tracks=tuple(tracks),
        cues=tuple(cues),
        series=tuple(series),
        missing=(*missing, *gaps),
        versions={"emollm": __version__, source.backend: source.version},
    )


def _track(person: Person, id: str, prominence: float, peaks: Sequence[Peak]) -> Track:
    """With moments: the face of each, from the nearest row that has a box; else faces evenly spread."""
    rows = person.placed()
    if peaks and person.times is not None:
        rows = np.array([rows[np.abs(person.times[rows] - peak.time).argmin()] for peak in peaks])
    else:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), FACES_PER_TRACK)).astype(int))]
    return Track(
        id=id,
        faces=person.faces(rows),
        prominence=prominence,
        peaks=tuple(peaks),
        start=person.time(0),
        end=person.time(-1),
        frames=len(person.boxes) if person.boxes is not None else 1,
    )


def _word(person: Person, track: str | None, timed: bool) -> list[Cue]:
    """The commonest word for the expression, of the clip as a whole."""
    if person.expression is None:
        return []
    return [
        Cue(
            id="expression" if track is None else f"{track}.expression",
            kind=CueKind.EXPRESSION,
            name="expression",
            scale=Scale.TEXT,
            text=person.expression,
            track=track,
            extent=Extent.WHOLE if timed else Extent.MOMENT,
            start=person.time(0),
            end=person.time(-1),
            source=person.source,
        )
    ]
