"""From columns to cues: what all table readers share.

A clip of many rows becomes one cue per person and quantity:

* Units and expressions: the peak. The series is smoothed by a median over five rows, so that a single wild frame is no
  peak; the value is its maximum, ``start`` and ``end`` bound the stretch around it that stays above half of it. Rows
  without a face inside the stretch are bridged. A table of one row gives that row.
* Angles: the median over all rows with a face.

Without a time column the times are 0 and Observation.missing says so: a frame number is no time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emollm import __version__
from emollm.errors import DataError
from emollm.types import Box, Cue, CueKind, Face, MediaInfo, Missing, Observation, Scale, Source, Track

FACS_CODES = tuple(
    f"AU{number:02d}"
    for number in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 43)
)
"""Units of the face that a tool either measures or is said to miss."""

SMOOTHING = 5
"""Rows of the median filter."""

FACES_PER_TRACK = 200
"""Faces kept of a track, evenly spread: enough to follow it, bounded for hour-long tables."""


class Peak(NamedTuple):
    """The strongest moment of a series."""

    value: float
    first: int
    """Row where the stretch above half of the value begins."""
    last: int
    row: int
    """Row of the peak."""


def peak(values: np.ndarray) -> Peak | None:
    """The strongest moment of a series; None if nothing was measured.

    Args:
        values: (T,) numbers, NaN where there is none.
    """
    rows = np.flatnonzero(~np.isnan(values))
    if not len(rows):
        return None
    smooth = _median_smoothed(values[rows])
    top = int(smooth.argmax())
    low = np.flatnonzero(smooth < smooth[top] / 2)
    first = low[low < top].max(initial=-1) + 1
    last = low[low > top].min(initial=len(smooth)) - 1
    return Peak(float(smooth[top]), int(rows[first]), int(rows[last]), int(rows[top]))


def _median_smoothed(values: np.ndarray) -> np.ndarray:
    """(T,) running median; the window shrinks at both ends so that it stays centred."""
    out = values.astype(np.float64)
    half = SMOOTHING // 2
    if len(values) > 2 * half:
        windows = np.lib.stride_tricks.sliding_window_view(values, SMOOTHING)  # (T - 4, 5)
        out[half:-half] = np.median(windows, axis=1)
    for row in {*range(1, min(half, len(values))), *range(max(len(values) - half, 0), len(values) - 1)}:
        reach = min(row, len(values) - 1 - row)
        out[row] = np.median(values[row - reach : row + reach + 1])
    if len(values) > 2:  # a window of one row is no smoothing: the ends take their neighbour if that is lower
        out[0], out[-1] = min(out[0], out[1]), min(out[-1], out[-2])
    return out


@dataclass
class Person:
    """One person's rows, and the cues made of them."""

    source: Source
    times: np.ndarray | None
    """(T,) seconds, rising; None if the table has no times."""
    confidence: np.ndarray | None = None
    """(T,) 0 to 1."""
    boxes: np.ndarray | None = None
    """(T, 4) x, y, width, height in pixels; None if the table has no positions."""
    cues: list[Cue] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def add_peak(
        self, kind: CueKind, name: str, scale: Scale, values: np.ndarray, id: str | None = None, reliable: bool = True
    ) -> None:
        """Adds the peak of a series (T,); a series of NaN adds a gap instead."""
        found = peak(values)
        if found is None:
            self.missing.append(
                Missing(stream=name, reason=f"{self.source.backend} gives no number for it in this clip")
            )
            return
        start, end = self._time(found.first), self._time(found.last)
        self.cues.append(
            Cue(
                id=id or name,
                kind=kind,
                name=name,
                scale=scale,
                value=found.value,
                start=start,
                end=end,
                confidence=self._confidence(found.row),
                reliable=reliable,
                source=self.source,
            )
        )

    def add_angle(self, kind: CueKind, name: str, degrees: np.ndarray) -> None:
        """Adds the median of an angle (T,) in degrees."""
        rows = np.flatnonzero(~np.isnan(degrees))
        if not len(rows):
            self.missing.append(
                Missing(stream=name, reason=f"{self.source.backend} gives no number for it in this clip")
            )
            return
        start, end = self._time(rows[0]), self._time(rows[-1])
        self.cues.append(
            Cue(
                id=name,
                kind=kind,
                name=name,
                scale=Scale.DEGREES,
                value=float(np.median(degrees[rows])),
                start=start,
                end=end,
                confidence=None if self.confidence is None else self._trust(rows),
                source=self.source,
            )
        )

    def add_text(self, kind: CueKind, name: str, text: str) -> None:
        """Adds a word that holds for the whole clip."""
        end = 0.0 if self.times is None else float(self.times[-1])
        self.cues.append(Cue(id=name, kind=kind, name=name, scale=Scale.TEXT, text=text, end=end, source=self.source))

    def _time(self, row: int) -> float:
        return 0.0 if self.times is None else float(self.times[row])

    def _confidence(self, row: int) -> float | None:
        if self.confidence is None or np.isnan(self.confidence[row]):
            return None
        return float(np.clip(self.confidence[row], 0.0, 1.0))

    def weight(self) -> float:
        """Size x confidence x presence: what prominence is a share of. Centrality is unknown: tables lack the frame size."""
        assert self.boxes is not None
        rows = placed_rows(self.boxes)
        area = float((self.boxes[rows, 2] * self.boxes[rows, 3]).mean())
        return area * self._trust(rows) * len(self.boxes)

    def _trust(self, rows: np.ndarray) -> float:
        """Mean confidence; 1 where the table has none."""
        known = np.ones(1) if self.confidence is None else self.confidence[rows]
        known = known[~np.isnan(known)]
        return float(np.clip(known.mean(), 0.01, 1.0)) if len(known) else 1.0

    def faces(self) -> tuple[Face, ...]:
        """At most FACES_PER_TRACK faces, evenly spread."""
        assert self.boxes is not None
        rows = placed_rows(self.boxes)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), FACES_PER_TRACK)).astype(int))]
        return tuple(
            Face(
                time=self._time(row),
                box=Box(**dict(zip(("x", "y", "width", "height"), map(float, self.boxes[row]), strict=True))),
                confidence=1.0 if (sure := self._confidence(row)) is None else sure,
            )
            for row in rows
        )


def placed_rows(boxes: np.ndarray) -> np.ndarray:
    """(N,) indices of the rows of (T, 4) boxes that are boxes: no NaN, a width and a height."""
    return np.flatnonzero(~np.isnan(boxes).any(axis=1) & (np.nan_to_num(boxes[:, 2:]) > 0).all(axis=1))


def observation(
    clip_id: str,
    people: Sequence[Person],
    *,
    path: Path,
    source: Source,
    measured: Iterable[str],
    frames: int,
    duration: float | None,
    note: str | None = None,
    missing: Sequence[Missing] = (),
) -> Observation:
    """Puts people together: tracks in order of prominence, cue ids, and the units that the tool does not measure.

    Somebody without a position gets no track (a track has a box): the cues speak of the clip as a whole, which only works
    for one person.

    Raises:
        DataError: Several people, and no positions to tell which is which.
    """
    for person in people:
        if person.boxes is not None and not len(placed_rows(person.boxes)):
            person.boxes = None
    if len(people) > 1 and any(person.boxes is None for person in people):
        raise DataError(f"{path}:1: {len(people)} faces but no positions to tell them apart; export the landmarks too")
    gaps = [
        Missing(stream=code, reason=f"not measured by {source.backend}") for code in FACS_CODES if code not in measured
    ]
    cues: list[Cue] = []
    tracks: list[Track] = []
    placed = sorted((person for person in people if person.boxes is not None), key=Person.weight, reverse=True)
    total = sum(person.weight() for person in placed)
    for number, person in enumerate(placed, start=1):
        track = f"p{number}"
        tracks.append(Track(id=track, faces=person.faces(), prominence=min(person.weight() / total, 1.0)))
        cues += [cue.model_copy(update={"id": f"{track}.{cue.id}", "track": track}) for cue in person.cues]
        gaps += [gap.model_copy(update={"track": track}) for gap in person.missing]
    for person in people:
        if person.boxes is None:
            cues += person.cues
            gaps += person.missing
            gaps.append(Missing(stream="face position", reason="the table says nothing of where the face is"))
    if frames > 1 and people and people[0].times is None:
        gaps.append(Missing(stream="time", reason="the table has frame numbers but no frame rate"))
    return Observation(
        id=clip_id,
        media=MediaInfo(kind="table", frames=frames, duration=duration, note=note),
        tracks=tuple(tracks),
        cues=tuple(cues),
        missing=(*missing, *gaps),
        versions={"emollm": __version__, source.backend: source.version},
    )
