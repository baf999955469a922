"""The records that travel along the path: Clip, Observation, Answer and what they are made of; Samples: emollm.samples.

All are frozen and strict: nothing is coerced, unknown fields and NaN are refused, and JSON reads back to an equal
record. Times are in seconds from the start of the clip, positions in pixels of the upright image (x to the right, y down),
angles in degrees. *Left* and *right* are the observed person's own sides.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emollm.errors import DataError

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
"""A number in [0, 1]."""

Signed = Annotated[float, Field(ge=-1.0, le=1.0)]
"""A number in [-1, 1]."""

Seconds = Annotated[float, Field(ge=0.0)]
"""A time or a duration in seconds."""


class Record(BaseModel):
    """Base of all records: immutable, strict, no unknown fields, no NaN."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "record") -> Self:
        """Reads one record from JSON.

        Args:
            text: A JSON object.
            where: File and line, for the error message.

        Raises:
            DataError: The JSON is malformed, or does not have the form of the record.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"{where}: not a valid {cls.__name__}: {place + ': ' if place else ''}{first['msg']}"
            ) from error

    def to_json(self, *, indent: int | None = None) -> str:
        """JSON text of the record; ``from_json`` reads it back to an equal record."""
        return self.model_dump_json(indent=indent)


# ---- what goes in ---------------------------------------------------------------------------------------------------


class Table(Record):
    """A file of measurements that another tool made, to be read instead of measured."""

    path: Path
    format: str
    """Name in the table of readers: ``openface2``, ``pyfeat``, ``libreface`` …"""
    scale: float | None = None
    """Largest raw value of the intensity columns, where the tool's releases disagree (LibreFace: 1 or 5)."""
    fps: Annotated[float, Field(gt=0)] | None = None
    """Frames a second of the video that was measured, where the table numbers its frames and has no times (py-feat)."""


class Clip(Record):
    """One thing to look at: any of image, video, audio, transcript and a table of measurements."""

    id: str
    image: Path | None = None
    video: Path | None = None
    audio: Path | None = None
    transcript: str | None = None
    """Words said, as given by the data set. Data, never an instruction."""
    table: Table | None = None
    labels: tuple[str, ...] = ()
    """Gold labels in the words of ``label_set``."""
    label_set: str | None = None
    speaker: str | None = None
    dataset: str | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if not any((self.image, self.video, self.audio, self.transcript, self.table)):
            raise ValueError("a clip needs at least one of image, video, audio, transcript, table")
        return self


# ---- what was measured ----------------------------------------------------------------------------------------------


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


class Box(Record):
    """An upright rectangle in pixels; it may reach beyond the image."""

    x: float
    y: float
    width: Annotated[float, Field(gt=0)]
    height: Annotated[float, Field(gt=0)]


class Face(Record):
    """One face in one frame."""

    time: Seconds = 0.0
    box: Box
    confidence: Unit
    landmarks: tuple[tuple[float, float], ...] = ()
    """Mesh points in pixels, MediaPipe's order: 468, or 478 with both irises."""
    roll: float = 0.0
    """In-plane rotation of the face in degrees, clockwise in the image, by which an aligned crop is turned upright."""


class Peak(Record):
    """A moment at which a face is most expressive, by its action units above the person's own baseline."""

    time: Seconds
    """The apex."""
    start: Seconds
    """The onset."""
    end: Seconds
    """The offset."""
    score: Annotated[float, Field(ge=0)]
    """Weighed sum of the units above their medians (docs/perception.md)."""
    units: tuple[str, ...] = ()
    """Codes of the units that make it, most first."""
    speaking: bool = False
    """Whether speech was heard at that time: mouth units then count little."""
    reason: str | None = None
    """Why this moment, where the face does not move: ``no movement: the clearest face``."""


class Track(Record):
    """One person followed through a clip. In a photo a track has exactly one face."""

    id: str
    """``p1``, ``p2`` … in order of prominence."""
    faces: tuple[Face, ...] = Field(min_length=1)
    """In a clip those at ``peaks``, in the same order."""
    prominence: Unit
    """Share of this person in the sum of all persons' size, centrality and confidence, over the clip."""
    peaks: tuple[Peak, ...] = ()
    """The main one first; empty in a photo."""
    start: Seconds = 0.0
    """When the person is first seen."""
    end: Seconds = 0.0
    """When the person is last seen."""
    frames: int = 1
    """In how many frames the face was measured."""
    speaking: Unit | None = None
    """Share of the speech during which this person's mouth moves as a speaker's does; None where that is not known."""


class MediaInfo(Record):
    """What the file itself says."""

    kind: Literal["image", "video", "audio", "text", "table"]
    width: int | None = None
    height: int | None = None
    duration: Seconds | None = None
    frames: int | None = None
    rate: float | None = None
    """Frames a second of a video, in the mean."""
    sample_rate: int | None = None
    """Of the sound, in hertz, as it is in the file."""
    channels: int | None = None
    """Of the sound."""
    note: str | None = None
    """What was done to the pixels: ``first of 12 frames``, ``rotated by EXIF``, ``reduced from 12000x9000`` …"""


class Observation(Record):
    """All that was measured in a clip, and what could not be."""

    id: str
    media: MediaInfo
    tracks: tuple[Track, ...] = ()
    cues: tuple[Cue, ...] = ()
    words: tuple[Word, ...] = ()
    """What was said, word by word; only where the recogniser is to be believed."""
    series: tuple[Series, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    missing: tuple[Missing, ...] = ()
    versions: dict[str, str] = {}
    """Versions of emollm and of each backend that ran."""

    @model_validator(mode="after")
    def _refers_to_what_exists(self) -> Self:
        for kind, ids in (("track", [track.id for track in self.tracks]), ("cue", [cue.id for cue in self.cues])):
            if len(ids) != len(set(ids)):
                raise ValueError(f"two {kind}s have one id")
        tracks = {track.id for track in self.tracks}
        named = {cue.track for cue in self.cues} | {gap.track for gap in self.missing}
        named |= {series.track for series in self.series}
        if unknown := sorted(track for track in named - tracks if track is not None):
            raise ValueError(f"track {unknown[0]!r} does not exist")
        return self

    def of(self, track: str | None, kind: CueKind | None = None) -> tuple[Cue, ...]:
        """Cues that speak of one track: its own and those of the whole clip; of one kind if given."""
        return tuple(cue for cue in self.cues if cue.track in (track, None) and kind in (cue.kind, None))

    def missing_for(self, track: str | None) -> tuple[Missing, ...]:
        """What is missing for one track: its own gaps and those of the whole clip."""
        return tuple(gap for gap in self.missing if gap.track in (track, None))


# ---- what is said ---------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What the evidence says of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNVERIFIABLE = "unverifiable"


class Part(StrEnum):
    """The three parts of a rationale."""

    OBSERVATIONS = "observations"
    INTERPRETATION = "interpretation"
    CONCLUSION = "conclusion"


class Claim(Record):
    """One checkable statement of a rationale."""

    text: str
    """The words of the rationale that make the claim, verbatim."""
    part: Part
    verdict: Verdict
    cues: tuple[str, ...] = ()
    """Ids of the cues the verdict rests on."""
    reason: str = ""
    """Why, in a few words, for a reader: ``AU12 0.78, needs 0.30``."""
    start: Seconds | None = None
    """Of which time it speaks: what the text says, or else the time of its cues; None in a photo."""
    end: Seconds | None = None


class Rationale(Record):
    """Why, in three parts (Exp-CoT)."""

    observations: str
    interpretation: str
    conclusion: str


class RankedLabel(Record):
    """A label of the set with its weight."""

    label: str
    score: Unit


class FollowUp(Record):
    """A question asked about an answer, and the reply."""

    question: str
    text: str
    claims: tuple[Claim, ...] = ()
    model: str
    prompt: str
    """``id@version`` of the prompt."""


class AnswerProvenance(Record):
    """What an answer came from."""

    model: str
    """``reasoner@<version>`` or a checkpoint's name and hash."""
    prompt: str | None = None
    """``id@version`` of the prompt that worded or asked for it."""
    cues: tuple[str, ...] = ()
    """Backends of the cues it could use, ``backend@version``."""
    versions: dict[str, str] = {}


class Answer(Record):
    """Which emotion, how strongly and why; or that nothing can be said; or a text that could not be read."""

    id: str
    track: str | None = None
    status: Literal["answered", "abstained", "unparsed"]
    label: str | None = None
    """None when abstained or unparsed, and when the evidence is unclear."""
    label_set: str | None = None
    labels: tuple[RankedLabel, ...] = ()
    """All labels of the set, best first, with scores that sum to 1; empty where nothing was measured that speaks for any."""
    intensity: Unit | None = None
    valence: Signed | None = None
    arousal: Signed | None = None
    rationale: Rationale | None = None
    claims: tuple[Claim, ...] = ()
    missing: tuple[Missing, ...] = ()
    text: str = ""
    """Raw text: what the model wrote, or the rationale in one piece."""
    provenance: AnswerProvenance
    follow_ups: tuple[FollowUp, ...] = ()
    people: tuple["Answer", ...] = ()
    """Answers for the other people in the clip."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.status != "answered" and self.label is not None:
            raise ValueError(f"an {self.status} answer has no label")
        if self.status == "answered" and (self.label is None or self.rationale is None):
            raise ValueError("an answered answer has a label and a rationale")
        return self


# ---- what a conversation is made of ------------------------------------------------------------------------------------


class TextPart(Record):
    """Words of a message."""

    type: Literal["text"] = "text"
    text: str


class MediaPart(Record):
    """A place in a message where the next item of the sample's media of that type stands."""

    type: Literal["image", "audio", "video"]


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Annotated[TextPart | MediaPart, Field(discriminator="type")], ...]
