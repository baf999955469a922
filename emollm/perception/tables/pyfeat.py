"""py-feat Fex csv (Cheong et al. 2023), versions 1 and 2.

Units and expressions are 0 to 1 and become probabilities: the ``svm`` models give 0 or 1, ``xgb`` something like a
probability, none a strength. AU07 was trained with a hinge loss and looks binary, so it is marked as not reliable. Rows of NaN
are frames without a face. Several rows of one frame are several faces: they are told apart by ``Identity`` where every row has
one and none stands twice in a frame, otherwise each row joins the person whose last box is nearest, within one and a half
box widths.

Head pose. Version 2 writes radians; on 20 of its sample clips Pitch falls as the nose rises (r = -.86), Yaw falls as the nose
moves to the person's left (r = -.81) and Roll falls as the head tilts to the person's left (r = -.97, equal size), so all three
change sign here. Version 1 wrote degrees in some releases and radians in others, so its pose is declared missing. So is gaze:
no sign convention is documented, and on the same clips the columns agree neither with the irises nor with the blendshapes.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emollm.emotions import LabelSet, label_set
from emollm.errors import DataError
from emollm.perception.course import CourseSettings
from emollm.perception.tables.observation import observation
from emollm.perception.tables.person import Person
from emollm.perception.tables.rows import Reader, Rows, missing_column, read_rows
from emollm.types import Missing, Observation, Scale, Source, Table

UNRELIABLE = frozenset({"AU07"})

_UNIT = re.compile(r"AU\d\d")
_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
_POSE = ("Yaw", "Pitch", "Roll")
_REACH = 1.5
"""Box widths that a face may move from one row of its person to the next."""


def recognises(columns: Sequence[str]) -> bool:
    """Whether these are py-feat's columns."""
    return any(_UNIT.fullmatch(name) for name in columns) and bool({"FaceScore", "input", "frame"} & set(columns))


def read(table: Table, clip_id: str, settings: CourseSettings) -> Observation:
    """The Observation in a py-feat csv.

    Raises:
        DataError: Not such a table, a faulty cell, or rows of several inputs of which none is the clip.
    """
    words = _expressions(())
    rows = read_rows(
        table.path,
        lambda name: (
            _UNIT.fullmatch(name) is not None
            or name in (*_BOX, *_POSE, "FaceScore", "frame")
            or any(_code(labels, name) for labels in words)
        ),
        lambda name: name in ("input", "Identity"),
    )
    units = sorted(name for name in rows.numbers if _UNIT.fullmatch(name))
    if not units:
        raise missing_column(table.path, "py-feat", "AU12", rows.columns)
    sets = _expressions(rows.columns)
    source = Source(
        backend="pyfeat",
        version={"pyfeat-v1": "1", "pyfeat-v2": "2"}[sets[0].id] if len(sets) == 1 else "unknown",
        licence="MIT; models under terms of their own",
    )
    mine = _of_clip(rows, clip_id)
    faces = mine & ~np.isnan(np.stack([rows.numbers[name] for name in units])).all(axis=0)
    people = [_person(rows, chosen, units, sets, source, table.fps) for chosen in _persons(rows, faces)]
    numbers = rows.numbers["frame"][mine] if "frame" in rows.numbers else np.arange(int(mine.sum()), dtype=float)
    dropped = int((mine & ~faces).sum())
    return observation(
        clip_id,
        people,
        path=table.path,
        source=source,
        measured=units,
        frames=len(np.unique(numbers)),
        duration=None if table.fps is None else float(np.nanmax(numbers)) / table.fps,
        settings=settings,
        rate=table.fps,
        note=f"{dropped} of {int(mine.sum())} rows without a face" if dropped else None,
        missing=() if people else (Missing(stream="face", reason="no face found in any row"),),
    )


def _expressions(columns: Sequence[str]) -> list[LabelSet]:
    """The label sets whose columns are all there; both if nothing is asked."""
    both = [label_set("pyfeat-v1"), label_set("pyfeat-v2")]
    return [labels for labels in both if not columns or all(entry.code in columns for entry in labels.entries)]


def _code(labels: LabelSet, column: str) -> bool:
    return any(entry.code == column for entry in labels.entries)


def _of_clip(rows: Rows, clip_id: str) -> np.ndarray:
    """(R,) the rows of the clip, where a table holds several inputs."""
    inputs = rows.words.get("input", ())
    names = {Path(name).name for name in inputs}
    if len(names) <= 1:
        return np.ones(len(rows), dtype=bool)
    wanted = Path(clip_id)
    mine = np.array([Path(name).name == wanted.name for name in inputs])
    if not mine.any():
        mine = np.array([Path(name).stem == wanted.stem for name in inputs])
    if not mine.any():
        raise DataError(
            f"{rows.path}: holds {len(names)} inputs and none is {wanted.name!r}; give the clip the name of its input, "
            f"for example {sorted(names)[0]!r}"
        )
    return mine


def _persons(rows: Rows, faces: np.ndarray) -> list[np.ndarray]:
    """For each person the indices of their rows, in time order."""
    indices = np.flatnonzero(faces)
    if not len(indices):
        return []
    frames = rows.filled("frame") if "frame" in rows.numbers else np.arange(len(rows), dtype=float)
    indices = indices[np.argsort(frames[indices], kind="stable")]
    identities = [rows.words["Identity"][index] for index in indices] if "Identity" in rows.words else []
    if identities and all(identities) and len(set(zip(identities, frames[indices], strict=True))) == len(indices):
        return [indices[[name == identity for name in identities]] for identity in dict.fromkeys(identities)]
    if len(np.unique(frames[indices])) == len(indices):
        return [indices]
    if any(name not in rows.numbers for name in _BOX):
        raise DataError(f"{rows.path}:1: several faces in one frame but no FaceRect columns to tell them apart")
    return [np.array(group) for group in _by_nearest_box(rows, indices)]


def _by_nearest_box(rows: Rows, indices: np.ndarray) -> list[list[int]]:
    x, y, width, height = (rows.numbers[name] for name in _BOX)
    frames = rows.numbers["frame"]
    centre = np.stack([x + width / 2, y + height / 2], axis=1)  # (R, 2)
    people: list[list[int]] = []
    for frame in np.unique(frames[indices]):
        here = indices[frames[indices] == frame]
        pairs = sorted(
            (float(np.hypot(*(centre[row] - centre[person[-1]]))), row, number)
            for row in here
            for number, person in enumerate(people)
        )
        free, placed = set(range(len(people))), set()
        for distance, row, number in pairs:
            if number in free and row not in placed and distance <= _REACH * width[people[number][-1]]:
                people[number].append(int(row))
                free.remove(number)
                placed.add(row)
        people += [[int(row)] for row in here if row not in placed]
    return people


def _person(
    rows: Rows, chosen: np.ndarray, units: list[str], sets: list[LabelSet], source: Source, fps: float | None
) -> Person:
    placed = all(name in rows.numbers for name in _BOX)
    boxes = np.stack([rows.numbers[name][chosen] for name in _BOX], axis=1) if placed else None
    confidence = rows.check_range("FaceScore", 0.0, 1.0)[chosen] if "FaceScore" in rows.numbers else None
    person = Person(source, rows.frame_times("frame", chosen, fps), confidence, boxes)
    for name in units:
        values = rows.check_range(name, 0.0, 1.0)[chosen]
        person.add_unit(name, Scale.PROBABILITY, values, reliable=name not in UNRELIABLE)
    for labels in sets[:1]:
        for entry in labels.entries:
            person.add_expression(str(entry.canonical), rows.check_range(str(entry.code), 0.0, 1.0)[chosen])
    _add_pose(person, rows, chosen)
    reason = "py-feat documents no sign for its gaze columns" if "gaze_yaw" in rows.columns else "the table has no gaze"
    person.missing.append(Missing(stream="gaze", reason=reason))
    return person


def _add_pose(person: Person, rows: Rows, chosen: np.ndarray) -> None:
    if any(name not in rows.numbers for name in _POSE):
        reason = "the table has no pose columns"
    elif person.source.version != "2":
        reason = "before version 2, py-feat wrote degrees in some releases and radians in others"
    else:
        for name in _POSE:
            person.add_angle(name.lower(), -np.degrees(rows.numbers[name][chosen]))
        return
    person.missing.append(Missing(stream="head_pose", reason=reason))


READER = Reader("py-feat", recognises, read)
