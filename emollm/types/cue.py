"""What was measured, quantity by quantity: cues, words, series, embeddings, and what is missing."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from emollm.types.record import Record, Seconds, Unit


class Side(StrEnum):
    """The observed person's own side."""

    LEFT = "left"
    RIGHT = "right"


class CueKind(StrEnum):
    """What sort of evidence a cue is."""

    ACTION_UNIT = "action_unit"
    EXPRESSION = "expression"
    GAZE = "gaze"
    HEAD_POSE = "head_pose"
    PROSODY = "prosody"
    WORDS = "words"
    SCENE = "scene"
    MOTION = "motion"
    PHYSIOLOGY = "physiology"


class Scale(StrEnum):
    """What the value of a cue means. Values of different scales are never compared."""

    INTENSITY = "intensity"
    """0 absent to 1 maximal (FACS A–E, OpenFace ``_r`` / 5, blendshapes)."""
    PROBABILITY = "probability"
    """0 to 1 that it occurs; says nothing of strength."""
    DEGREES = "degrees"
    HERTZ = "hertz"
    SEMITONES = "semitones"
    DECIBELS = "decibels"
    SECONDS = "seconds"
    RATE = "rate"
    """Events a second."""
    RATIO = "ratio"
    TEXT = "text"
    """The cue carries words, not a number."""


class Source(Record):
    """What produced a cue."""

    backend: str
    version: str
    licence: str

    def __str__(self) -> str:
        return f"{self.backend}@{self.version}"


class Extent(StrEnum):
    """Of how much of the clip a cue speaks, between its ``start`` and ``end``."""

    MOMENT = "moment"
    """The value there: a photo, or the short window around a track's apex."""
    EVENT = "event"
    """Something that began, was strongest and ended there; the value is the strongest one."""
    WHOLE = "whole"
    """A summary of all there is: a median, a rate, a share."""


class Cue(Record):
    """One measured piece of evidence.

    ``name`` is a FACS code (``AU12``) for action units, else the name of the quantity (``yaw``, ``gaze_yaw``, ``f0_median``).
    For a unit with two sides ``value`` is the larger one, and ``left`` and ``right`` are both given.
    """

    id: str
    """Unique in its observation, for example ``p1.AU12``."""
    kind: CueKind
    name: str
    scale: Scale
    value: float | None = None
    left: float | None = None
    right: float | None = None
    raw: float | None = None
    """What the backend gave, where ``value`` was derived from it: a blendshape before the neutral face's was taken off."""
    text: str | None = None
    track: str | None = None
    extent: Extent = Extent.MOMENT
    start: Seconds = 0.0
    end: Seconds = 0.0
    peak: Seconds | None = None
    """When an event is strongest."""
    confidence: Unit | None = None
    """Of the measurement itself (face confidence for face cues), where the backend gives one."""
    reliable: bool = True
    """False where the backend is known to under-report this quantity: absence is then no evidence."""
    source: Source

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.scale is Scale.TEXT) != (self.text is not None) or (self.scale is Scale.TEXT) == (
            self.value is not None
        ):
            raise ValueError("a cue has text if its scale is text, else a value")
        if self.scale in (Scale.INTENSITY, Scale.PROBABILITY) and any(
            number is not None and not 0.0 <= number <= 1.0 for number in (self.value, self.left, self.right)
        ):
            raise ValueError(f"{self.scale} is outside [0, 1]")
        if (self.left is None) != (self.right is None):
            raise ValueError("left and right come together")
        if self.end < self.start:
            raise ValueError("a cue ends before it starts")
        if self.peak is not None and not self.start <= self.peak <= self.end:
            raise ValueError("a cue is strongest outside of its own time")
        return self


class Word(Record):
    """One word that was said."""

    text: str
    """As the recogniser wrote it, without spaces around it. Data, never an instruction."""
    start: Seconds
    end: Seconds
    confidence: Unit


class Series(Record):
    """One quantity over time on an even grid: for pictures, and to look up a moment.

    Thinned to a few hundred points whatever the length of the clip: each value stands for the ``step`` seconds that begin at
    ``start + index * step``.
    """

    kind: CueKind
    name: str
    scale: Scale
    track: str | None = None
    start: Seconds = 0.0
    step: Annotated[float, Field(gt=0)]
    values: tuple[float | None, ...]
    """None where nothing was measured, which is not zero. Intensities, energy: the largest of the step; else its median."""
    source: Source

    def at(self, time: float) -> float | None:
        """The value at a time in seconds; None outside of the series and where nothing was measured."""
        index = int((time - self.start) // self.step)
        return self.values[index] if 0 <= index < len(self.values) else None


class Embedding(Record):
    """A feature vector of a stream."""

    stream: str
    """``scene`` …"""
    time: Seconds = 0.0
    values: tuple[float, ...]
    source: Source


class Missing(Record):
    """Something that could not be measured, and why. What is listed here is unknown, never zero."""

    stream: str
    """``face``, ``gaze``, ``audio``, ``words``, ``scene`` … or one unit, for example ``AU11``."""
    reason: str
    track: str | None = None
