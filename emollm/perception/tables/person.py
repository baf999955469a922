"""One person of a table: the columns of their rows, before they become records."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from emollm.types import Box, Face, Missing, Scale, Source


class Column(NamedTuple):
    """One quantity."""

    name: str
    scale: Scale
    values: np.ndarray
    """(T,) numbers, NaN where there is none."""
    reliable: bool = True


@dataclass
class Person:
    """One person's rows, in time order."""

    source: Source
    times: np.ndarray | None
    """(T,) seconds, rising; None if the table has no times."""
    confidence: np.ndarray | None = None
    """(T,) 0 to 1."""
    boxes: np.ndarray | None = None
    """(T, 4) x, y, width, height in pixels; None if the table has no positions."""
    units: list[Column] = field(default_factory=list)
    """Action units by their codes."""
    expressions: list[Column] = field(default_factory=list)
    """Probabilities of expressions by their canonical names."""
    angles: dict[str, np.ndarray] = field(default_factory=dict)
    """``yaw``, ``pitch``, ``roll``, ``gaze_yaw``, ``gaze_pitch`` -> (T,) degrees."""
    expression: str | None = None
    """The commonest word for the expression, where the tool gives one word a row."""
    missing: list[Missing] = field(default_factory=list)

    def add_unit(self, code: str, scale: Scale, values: np.ndarray, reliable: bool = True) -> None:
        """Adds a unit; a column of NaN adds a gap instead."""
        if self._has_numbers(code, values):
            self.units.append(Column(code, scale, values, reliable))

    def add_expression(self, name: str, values: np.ndarray) -> None:
        """Adds the probability of an expression; a column of NaN adds a gap instead."""
        if self._has_numbers(name, values):
            self.expressions.append(Column(name, Scale.PROBABILITY, values))

    def add_angle(self, name: str, degrees: np.ndarray) -> None:
        """Adds an angle; a column of NaN adds a gap instead."""
        if self._has_numbers(name, degrees):
            self.angles[name] = degrees

    def _has_numbers(self, name: str, values: np.ndarray) -> bool:
        if np.isnan(values).all():
            reason = f"{self.source.backend} gives no number for it in this clip"
            self.missing.append(Missing(stream=name, reason=reason))
            return False
        return True

    def time(self, row: int) -> float:
        """Seconds of a row; 0 where the table has no times."""
        return 0.0 if self.times is None else float(self.times[row])

    def sure(self, row: int) -> float | None:
        """Confidence of a row, in [0, 1], where the table has one."""
        if self.confidence is None or np.isnan(self.confidence[row]):
            return None
        return float(np.clip(self.confidence[row], 0.0, 1.0))

    def trust(self, rows: np.ndarray) -> float:
        """Mean confidence of some rows; 1 where the table has none."""
        known = np.ones(1) if self.confidence is None else self.confidence[rows]
        known = known[~np.isnan(known)]
        return float(np.clip(known.mean(), 0.01, 1.0)) if len(known) else 1.0

    def weight(self) -> float:
        """Size x confidence x presence: what prominence is a share of. Centrality is unknown: tables lack the frame size."""
        assert self.boxes is not None
        rows = self.placed()
        area = float((self.boxes[rows, 2] * self.boxes[rows, 3]).mean())
        return area * self.trust(rows) * len(self.boxes)

    def placed(self) -> np.ndarray:
        """(N,) indices of the rows with a box: no NaN, a width and a height."""
        if self.boxes is None:
            return np.zeros(0, dtype=int)
        return np.flatnonzero(~np.isnan(self.boxes).any(axis=1) & (np.nan_to_num(self.boxes[:, 2:]) > 0).all(axis=1))

    def faces(self, rows: np.ndarray) -> tuple[Face, ...]:
        """The faces of rows that have a box."""
        assert self.boxes is not None
        return tuple(
            Face(
                time=self.time(row),
                box=Box(**dict(zip(("x", "y", "width", "height"), map(float, self.boxes[row]), strict=True))),
                confidence=1.0 if (sure := self.sure(row)) is None else sure,
            )
            for row in rows
        )
