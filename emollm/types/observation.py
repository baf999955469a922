"""All that was measured in one clip: who is in it, what the file says, and the cues."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emollm.types.cue import Cue, CueKind, Embedding, Missing, Series, Word
from emollm.types.record import Record, Seconds, Unit


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
    versions: dict[str, str] = Field(default={})
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

    @property
    def people(self) -> tuple[Track, ...]:
        """The tracks by falling prominence; equal ones in their order."""
        return tuple(sorted(self.tracks, key=lambda track: -track.prominence))

    def of(self, track: str | None, kind: CueKind | None = None) -> tuple[Cue, ...]:
        """Cues that speak of one track: its own and those of the whole clip; of one kind if given."""
        return tuple(cue for cue in self.cues if cue.track in (track, None) and kind in (cue.kind, None))

    def missing_for(self, track: str | None) -> tuple[Missing, ...]:
        """What is missing for one track: its own gaps and those of the whole clip."""
        return tuple(gap for gap in self.missing if gap.track in (track, None))
