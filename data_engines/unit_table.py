"""Rows of action units in blocks: what a table of faces gives, one face at one moment a row.

A table of a million rows is never a million Observations: columns are kept as one array, and a full record is built only for the rows
that need one (:meth:`UnitTable.observation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from emollm import __version__
from emollm.errors import DataError, unknown_name
from emollm.facs import UNITS
from emollm.perception.tables.observation import FACS_CODES
from emollm.types import Cue, CueKind, MediaInfo, Missing, Observation, Scale, Source


@dataclass(frozen=True)
class UnitTable:
    """Action units of N faces, one a row.

    Raises:
        DataError: The parts do not fit together, a code is no unit of FACS, or a value is outside [0, 1].
    """

    names: tuple[str, ...]
    """Codes of the U columns, each once: ``AU12``."""
    scales: tuple[Scale, ...]
    """Of each column: ``intensity`` or ``probability``."""
    values: np.ndarray
    """(N, U) float32 in [0, 1]; NaN where nothing was measured, which is not zero."""
    ids: tuple[str, ...]
    """Of the N rows, unique in a build."""
    source: Source
    """The tool that measured."""
    golds: tuple[str | None, ...] | None = None
    """Label that people gave each row, in the words of ``label_set``; None for a row without."""
    label_set: str | None = None
    """Set of the gold labels."""
    by: Literal["annotators", "acting", "rule", "unknown"] = "unknown"
    """Who gave them."""
    times: tuple[float | None, ...] | None = None
    """Seconds in the row's own recording, where the table knows them."""
    splits: tuple[str | None, ...] | None = None
    speakers: tuple[str | None, ...] | None = None
    groups: tuple[str | None, ...] | None = None
    licence: str = "unknown"
    """Terms of the table."""
    dataset: str | None = None
    unreliable: frozenset[str] = field(default_factory=frozenset)
    """Codes of units that the tool under-reports: absence is then no evidence."""

    def __post_init__(self) -> None:
        rows, columns = self.values.shape
        if columns != len(self.names) or columns != len(self.scales) or rows != len(self.ids):
            raise DataError(
                f"unit table: expected {len(self.ids)} x {len(self.names)} values and as many scales as names, "
                f"got {rows} x {columns} and {len(self.scales)} scales"
            )
        if unknown := sorted(set(self.names) - set(UNITS)):
            raise DataError(f"unit table: {unknown_name('action unit', unknown[0], tuple(UNITS))}")
        if len(set(self.names)) < columns:
            raise DataError("unit table: a unit has two columns; give each unit once")
        for name, one in self._by_row():
            if one is not None and len(one) != rows:
                raise DataError(f"unit table: {rows} rows but {len(one)} {name}")
        bad = (self.values < 0) | (self.values > 1)
        if bad.any():
            row, column = (int(index) for index in np.argwhere(bad)[0])
            raise DataError(
                f"{self.ids[row]}: {self.names[column]} is {self.values[row, column]:g}, outside [0, 1]; "
                "divide an intensity by the largest that its scale has"
            )

    def _by_row(self) -> tuple[tuple[str, Sequence[object] | None], ...]:
        return (
            ("gold labels", self.golds),
            ("times", self.times),
            ("splits", self.splits),
            ("speakers", self.speakers),
            ("groups", self.groups),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def unmeasured(self) -> tuple[Missing, ...]:
        """Units of the face that no column gives."""
        return tuple(
            Missing(stream=code, reason=f"not measured by {self.source.backend}")
            for code in FACS_CODES
            if code not in self.names
        )

    def gold(self, index: int) -> str | None:
        """The gold label of a row, if it has one."""
        return self.golds[index] if self.golds is not None else None

    def observation(self, index: int) -> Observation:
        """The full record of one row: a face at one moment, without a place.

        A row without any number has no face; a unit without a number is listed as missing.
        """
        time = (self.times[index] if self.times is not None else None) or 0.0
        cues, gaps = [], []
        for name, scale, value in zip(self.names, self.scales, self.values[index].tolist(), strict=True):
            if value != value:  # NaN
                gaps.append(Missing(stream=name, reason="the row has no number for it"))
                continue
            cues.append(
                Cue(
                    id=name,
                    kind=CueKind.ACTION_UNIT,
                    name=name,
                    scale=scale,
                    value=value,
                    start=time,
                    end=time,
                    reliable=name not in self.unreliable,
                    source=self.source,
                )
            )
        if not cues:
            gaps = [Missing(stream="face", reason="the row has no number for any unit")]
        return Observation(
            id=self.ids[index],
            media=MediaInfo(kind="table"),
            cues=tuple(cues),
            missing=(*gaps, *self.unmeasured),
            versions={"emollm": __version__, self.source.backend: self.source.version},
        )
