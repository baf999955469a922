"""How well an action-unit head follows its teacher on faces that it was not trained on."""

from typing import NamedTuple

import numpy as np

from emollm.facs import BLENDSHAPES, UNITS, units_from_blendshapes
from emollm.perception.gaze import gaze_of
from emollm.perception.litert import Array
from emollm.perception.mesh_head import Head
from emollm.perception.shape import align
from emollm.train.au_faces import Pairs

_STILL = 0.02
"""A shape whose 99th percentile is below this never moves."""
_DEAD = 0.005
"""Standard deviation of the teacher under which a unit is no unit: it never moves."""


class Row(NamedTuple):
    """One unit, or one angle of the gaze."""

    name: str
    valid: float
    """Pearson correlation with the teacher on FER+ valid."""
    test: float
    """The same on variations of the photos held out."""
    spread: float
    """Standard deviation of the teacher on FER+ valid."""
    error: float | None
    """Mean absolute error on FER+ valid; None where the two have different units."""


def measure(head: Head, valid: Pairs, test: Pairs, *, features: bool = True) -> list[Row]:
    """One row for each action unit that the teacher moves at all, and one for each angle of the gaze.

    Args:
        head: The head as it is shipped.
        valid: FER+ valid.
        test: Photos held out.
        features: False: the head was trained without feature maps, and gets none.
    """
    ours, theirs = units_of(_predict(head, valid, features)), units_of(valid.targets)
    ours_test, theirs_test = units_of(_predict(head, test, features)), units_of(test.targets)
    rows = [
        Row(
            code,
            _pearson(ours[code], theirs[code]),
            _pearson(ours_test[code], theirs_test[code]),
            float(theirs[code].std()),
            float(np.abs(ours[code] - theirs[code]).mean()),
        )
        for code in UNITS
        if code in theirs and theirs[code].std() >= _DEAD
    ]
    angles, angles_test = _gaze(head, valid), _gaze(head, test)
    looks, looks_test = _eye_look(theirs), _eye_look(theirs_test)
    for k, name in enumerate(("gaze_yaw", "gaze_pitch")):
        row = _pearson(angles[:, k], looks[:, k]), _pearson(angles_test[:, k], looks_test[:, k])
        rows.append(Row(name, *row, float(looks[:, k].std()), None))
    return rows


def markdown(rows: list[Row]) -> str:
    """The rows as a table, with their means."""
    lines = [
        "| unit | name | r, FER+ valid | r, photos held out | teacher's sd | mean abs. error |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = UNITS[row.name].name if row.name in UNITS else "against the teacher's eyeLook shapes"
        error = "" if row.error is None else f"{row.error:.3f}"
        lines.append(f"| {row.name} | {name} | {row.valid:.3f} | {row.test:.3f} | {row.spread:.3f} | {error} |")
    units = [row for row in rows if row.error is not None]
    means = (float(np.mean([getattr(row, name) for row in units])) for name in ("valid", "test"))
    lines.append("| mean of units | | " + " | ".join(f"{mean:.3f}" for mean in means) + " | | |")
    return "\n".join(lines)


def notes(valid: Pairs) -> str:
    """How many tiles of FER+ valid were measured, and which shapes of the teacher never move on them."""
    faces, first = np.unique(valid.source, return_index=True)
    top = np.percentile(valid.targets[first], 99, axis=0)
    dead = ", ".join(f"{name} {value:.3f}" for name, value in zip(BLENDSHAPES, top, strict=True) if value < _STILL)
    return (
        f"FER+ valid: {len(faces)} of {len(faces) + valid.missed} tiles measured\n"
        f"99th percentile of the teacher's shapes that never move: {dead}"
    )


def _predict(head: Head, pairs: Pairs, features: bool) -> Array:
    maps = pairs.features.astype(np.float32) * float(features)
    return np.array([head(points, seen) for points, seen in zip(pairs.points, maps, strict=True)])


def units_of(shapes: Array) -> dict[str, Array]:
    """Values (n,) of each unit for blendshapes (n, 52)."""
    units = [units_from_blendshapes(dict(zip(BLENDSHAPES, row, strict=True))) for row in shapes.tolist()]
    return {code: np.array([row[code].value for row in units], np.float32) for code in units[0]}


def _gaze(head: Head, pairs: Pairs) -> Array:
    """Degrees (n, 2) of yaw and pitch, as measured on the light mesh."""
    return np.array(
        [gaze_of(points, align(points[: len(head.mean)], head.mean).rotation) for points in pairs.points], np.float32
    )


def _eye_look(units: dict[str, Array]) -> Array:
    """What the teacher's eyeLook shapes say of left against right and up against down: (n, 2)."""
    return np.stack([units["AU61"] - units["AU62"], units["AU63"] - units["AU64"]], axis=1)


def _pearson(a: Array, b: Array) -> float:
    """Correlation; 0 where one is constant."""
    if a.std() < 1e-6 or b.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
