"""LibreFace csv (Chang et al. 2024).

``au_k`` (0 or 1) becomes a probability, ``au_k_intensity`` an intensity. Where a unit has both, the intensity is taken and the
detection is left out: they are separate models. The releases disagree on the intensities: documented as 0 to 5, reported by
users as 0 to 1 (issue 18), so the table must say which (``Table.scale``). ``facial_expression`` is one word a frame; the
commonest one is kept.

Head pose is declared missing: the tool multiplies angles that are already degrees by 360. So is gaze (no documented sign), and
the landmarks are not in pixels, so there is no track and the cues speak of the clip as a whole.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.perception.course import CourseSettings
from emollm.perception.tables.observation import observation
from emollm.perception.tables.person import Person
from emollm.perception.tables.rows import Reader, Rows, missing_column, read_rows
from emollm.types import Missing, Observation, Scale, Source, Table

SOURCE = Source(backend="libreface", version="unknown", licence="LibreFace: research use")
SCALES = (1.0, 5.0)

_DETECTED = re.compile(r"au_(\d+)")
_INTENSITY = re.compile(r"au_(\d+)_intensity")
_TIME = "frame_time_in_ms"


def recognises(columns: Sequence[str]) -> bool:
    """Whether these are LibreFace's columns."""
    return any(_DETECTED.fullmatch(name) or _INTENSITY.fullmatch(name) for name in columns)


def read(table: Table, clip_id: str, settings: CourseSettings) -> Observation:
    """The Observation in a LibreFace csv.

    Raises:
        DataError: Not such a table, a faulty cell, or intensities without a stated scale.
    """
    rows = read_rows(
        table.path,
        lambda name: recognises([name]) or name in ("frame_idx", _TIME),
        lambda name: name == "facial_expression",
    )
    intensity = {_unit(name): name for name in rows.numbers if _INTENSITY.fullmatch(name)}
    detected = {_unit(name): name for name in rows.numbers if _DETECTED.fullmatch(name)}
    if not intensity and not detected:
        raise missing_column(table.path, "LibreFace", "au_12", rows.columns)
    if intensity and table.scale not in SCALES:
        raise DataError(
            f"{table.path}: LibreFace's intensities are 0 to 5 in some releases and 0 to 1 in others; expected the table's "
            f"scale to be 5 or 1, got {table.scale}; look at the largest au_*_intensity and state it"
        )
    faces = ~np.isnan(np.stack([rows.numbers[name] for name in (*intensity.values(), *detected.values())])).all(axis=0)
    gaps = [] if faces.any() else [Missing(stream="face", reason="no face found in any row")]
    every, own = np.arange(len(rows)), _TIME in rows.numbers
    times = rows.times(_TIME, every, 1e-3) if own else rows.frame_times("frame_idx", every, table.fps)
    people: list[Person] = []
    if faces.any():
        person = Person(SOURCE, None if times is None else times[faces])
        _add_units(person, rows, faces, intensity, detected, table.scale or 1.0)
        _add_expression(person, rows, faces)
        person.missing.append(Missing(stream="head_pose", reason="LibreFace's angles are not degrees"))
        person.missing.append(Missing(stream="gaze", reason="LibreFace documents no sign for its gaze columns"))
        people.append(person)
    dropped = int((~faces).sum())
    return observation(
        clip_id,
        people,
        path=table.path,
        source=SOURCE,
        measured={*intensity, *detected},
        frames=len(rows),
        duration=None if times is None else float(times[-1]),
        settings=settings,
        rate=None if own else table.fps,
        note=f"{dropped} of {len(rows)} rows without a face" if dropped else None,
        missing=gaps,
    )


def _unit(column: str) -> str:
    return f"AU{int(column.split('_')[1]):02d}"


def _add_units(
    person: Person, rows: Rows, faces: np.ndarray, intensity: dict[str, str], detected: dict[str, str], scale: float
) -> None:
    largest = 0.0
    for unit in sorted({*intensity, *detected}):
        if unit in intensity:
            hint = "is the table's scale 5?" if scale == 1.0 else ""
            values = rows.check_range(intensity[unit], 0.0, scale, hint)[faces]
            largest = max(largest, float(np.nan_to_num(values).max(initial=0.0)))
            person.add_unit(unit, Scale.INTENSITY, values / scale)
        else:
            values = rows.check_range(detected[unit], 0.0, 1.0)[faces]
            person.add_unit(unit, Scale.PROBABILITY, values)
    if intensity and scale == 5.0 and largest <= 1.0:
        person.missing.append(
            Missing(
                stream="intensity scale",
                reason=f"scale doubtful: 5 is stated but no intensity exceeds 1 (largest {largest:.2f})",
            )
        )


def _add_expression(person: Person, rows: Rows, faces: np.ndarray) -> None:
    if "facial_expression" not in rows.words:
        return
    words = Counter(word for word, face in zip(rows.words["facial_expression"], faces, strict=True) if face and word)
    if not words:
        return
    word = words.most_common(1)[0][0]
    label = label_set("libreface").find(word)
    if label is None:
        raise DataError(f"{rows.path}: facial_expression {word!r} is none of LibreFace's words")
    person.expression = label


READER = Reader("LibreFace", recognises, read)
