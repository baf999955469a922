"""Records from numbers: the cues of one person."""

from typing import Any

import numpy as np

from emollm.facs import PRESENT
from emollm.perception.course.samples import Array, Samples
from emollm.types import Cue, CueKind, Extent, Scale

ANGLES = {
    "yaw": CueKind.HEAD_POSE,
    "pitch": CueKind.HEAD_POSE,
    "roll": CueKind.HEAD_POSE,
    "gaze_yaw": CueKind.GAZE,
    "gaze_pitch": CueKind.GAZE,
}
"""What each angle is."""
BROWS = frozenset({"AU01", "AU02", "AU04"})
"""Units that are under-reported while the lids are lowered: brows that are plainly drawn then read as if at rest."""
FRONTAL = 15.0
"""Degrees of yaw and of roll up to which the two sides of a face can be compared."""


def rounded(value: float, digits: int = 3) -> float:
    """Rounds to what the measurement is worth; −0.0 becomes 0.0."""
    return round(float(value), digits) + 0.0


class Recorder:
    """Makes the cues of one person.

    Args:
        samples: Whose ids, sources and confidence they get.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._prefix = f"{samples.track}." if samples.track is not None else ""

    def unit(
        self,
        code: str,
        value: float,
        frames: Array,
        *,
        sides: tuple[float, float] | None,
        raw: float | None,
        **when: Any,
    ) -> Cue:
        """A unit of the face.

        Args:
            code: FACS code.
            value: On the samples' scale.
            frames: Frames whose confidence the cue has.
            sides: The same of left and right; left out where the face is turned or tilted too far to compare them.
            raw: What the backend gave, if the value is not that itself.
            when: Extent, times and the number of the event.
        """
        left, right = (None, None) if sides is None else (rounded(sides[0]), rounded(sides[1]))
        if left is not None and right is not None:
            value = max(left, right)
            if not self._is_frontal(frames):
                left = right = None
        return self._cue(
            CueKind.ACTION_UNIT,
            code,
            frames,
            scale=self._samples.scale,
            value=rounded(value),
            left=left,
            right=right,
            raw=None if raw is None else rounded(raw),
            reliable=code not in self._samples.unreliable and not (code in BROWS and self._are_lids_lowered(frames)),
            source=self._samples.source,
            **when,
        )

    def angle(self, name: str, degrees: float, frames: Array, **when: Any) -> Cue:
        """A turn of the head or the eyes."""
        kind, source = ANGLES[name], self._samples.bearing
        return self._cue(kind, name, frames, scale=Scale.DEGREES, value=rounded(degrees, 1), source=source, **when)

    def whole(self, name: str, scale: Scale, value: float, start: float, end: float) -> Cue:
        """A summary of all there is of the person."""
        return Cue(
            id=f"{self._prefix}{name}",
            kind=CueKind.MOTION,
            name=name,
            scale=scale,
            value=rounded(value),
            track=self._samples.track,
            extent=Extent.WHOLE,
            start=rounded(start),
            end=rounded(end),
            source=self._samples.source,
        )

    def _is_frontal(self, frames: Array) -> bool:
        """Whether the sides can be compared; so it is where the angles are not known."""
        turns = [self._samples.angles[name][frames] for name in ("yaw", "roll") if name in self._samples.angles]
        known = [turn[np.isfinite(turn)] for turn in turns]
        return all(abs(float(np.median(turn))) <= FRONTAL for turn in known if len(turn))

    def _are_lids_lowered(self, frames: Array) -> bool:
        """Whether an eye is closed or half closed, as the own backends read it."""
        spans, raw = self._samples.spans, self._samples.raw.get("AU43")
        if spans is None or raw is None or "AU43" not in spans:
            return False
        known = raw[frames][np.isfinite(raw[frames])]
        return bool(len(known)) and spans["AU43"].intensity(float(np.median(known))) >= PRESENT

    def _cue(self, kind: CueKind, name: str, frames: Array, *, number: int | None = None, **fields: Any) -> Cue:
        sure = self._samples.confidence[frames]
        sure = sure[np.isfinite(sure)]
        return Cue(
            id=f"{self._prefix}{name}" + ("" if number is None else f".{number}"),
            kind=kind,
            name=name,
            track=self._samples.track,
            confidence=rounded(np.clip(np.median(sure), 0, 1)) if len(sure) else None,
            **fields,
        )
