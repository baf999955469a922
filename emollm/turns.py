"""The first turn of a conversation about a clip: its media, the measured cues as text, the question; the same in training and in use."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from emollm.cue_text import cue_text
from emollm.samples import MediaItem
from emollm.types import Clip, CueKind, MediaPart, Message, Missing, Observation, TextPart, Track

MOST_FRAMES = 4
"""Peak frames of a video that are shown."""
HEARD = 30.0
"""Seconds of a sound that a model hears at a time."""


def first_turn(media: Sequence[MediaItem], cues: str | None, asked: str) -> Message:
    """The user's first turn: places for the media, the cue text, the question.

    Args:
        media: What is shown, in order.
        cues: As of :func:`cue_text`; None to leave the evidence to the media.
        asked: The question.
    """
    places = [MediaPart(type=item.type) for item in media]
    before = [TextPart(text=f"{cues}\n\n")] if cues else []
    return Message(role="user", content=(*places, *before, TextPart(text=asked)))


def questions_of(messages: Sequence[Message]) -> list[str]:
    """For each picture, in order, what is asked in the turn that holds it: the gate reads it."""
    asked = []
    for message in messages:
        text = "".join(part.text for part in message.content if part.type == "text")
        pictures = sum(part.type == "image" for part in message.content)
        # Cue text may stand before the question, which is the last paragraph.
        asked += [text.strip().rpartition("\n\n")[2]] * pictures
    return asked


def turn_about(
    clip: Clip, observation: Observation, track: str | None, asked: str
) -> tuple[Message, tuple[MediaItem, ...]]:
    """The first turn about one person of a measured clip, and its media.

    Args:
        clip: What was measured.
        observation: What was measured of it.
        track: The person; None for cues without a place.
        asked: The question.
    """
    media = media_of(clip, observation, track)
    return first_turn(media, cue_text(observation, track), asked), media


def media_of(clip: Clip, observation: Observation, track: str | None) -> tuple[MediaItem, ...]:
    """The media that are shown of one person.

    A photo with the box of the face; of a video the frames at up to four of the person's moments, in the order of time, and its
    sound where it has any; a sound recording. Of a sound that is longer than :data:`HEARD` the stretch with the most speech, around
    the person's main moment if there is speech. Nothing of a table and of words alone.
    """
    person = next((one for one in observation.tracks if one.id == track), None)
    found = []
    if clip.image is not None:
        found.append(_photo(clip.image, person))
    if clip.video is not None:
        found += _frames(clip.video, person)
    if clip.audio is not None:
        found.append(_sound(clip.audio, observation, person))
    elif clip.video is not None and observation.media.sample_rate is not None:
        found.append(_sound(clip.video, observation, person))
    return tuple(found)


def without(observation: Observation, kinds: Collection[CueKind], reason: str = "left out") -> Observation:
    """What was measured without some kinds of cues, which are declared missing.

    Args:
        observation: What was measured.
        kinds: What is hidden.
        reason: Why they are missing.
    """
    cues = tuple(cue for cue in observation.cues if cue.kind not in kinds)
    if len(cues) == len(observation.cues):
        return observation
    gone = sorted({cue.kind.value for cue in observation.cues if cue.kind in kinds})
    gaps = tuple(Missing(stream=kind, reason=reason) for kind in gone)
    return observation.model_copy(update={"cues": cues, "missing": (*observation.missing, *gaps)})


def _photo(path: Path, person: Track | None) -> MediaItem:
    if person is None:
        return MediaItem(type="image", path=path)
    return MediaItem(type="image", path=path, box=person.faces[0].box, roll=person.faces[0].roll)


def _frames(path: Path, person: Track | None) -> list[MediaItem]:
    """The person's face at the main moments; without a person the video itself."""
    if person is None or not person.peaks:
        return [MediaItem(type="video", path=path)]
    faces = sorted(person.faces[:MOST_FRAMES], key=lambda face: face.time)
    return [
        MediaItem(type="image", path=path, box=face.box, roll=face.roll, start=face.time, end=face.time)
        for face in faces
    ]


def _sound(path: Path, observation: Observation, person: Track | None) -> MediaItem:
    """A sound, or what is heard of a long one."""
    cues = observation.cues
    speech = sorted((cue.start, cue.end) for cue in cues if cue.kind is CueKind.PROSODY and cue.name == "speech")
    length = max((observation.media.duration or 0.0, *(end for _, end in speech)))
    if length <= HEARD or not speech:
        return MediaItem(type="audio", path=path)
    start = round(_begin(speech, length, person.peaks[0].time if person and person.peaks else None), 2)
    return MediaItem(type="audio", path=path, start=start, end=round(start + HEARD, 2))


def _begin(speech: Sequence[tuple[float, float]], length: float, peak: float | None) -> float:
    """Where the stretch of a long sound begins that holds the most speech: of those around the peak, or of all where these hold none.

    Of equal ones that whose middle is nearest to the peak, or the first that begins with speech.
    """
    edges = np.maximum.accumulate([time for span in speech for time in span])
    spoken = np.cumsum([share for start, end in speech for share in (0.0, end - start)])  # up to each edge
    starts = np.asarray([*edges[::2], *(edges[1::2] - HEARD), *([peak - HEARD / 2] if peak is not None else [])])
    starts = starts.clip(0.0, length - HEARD)
    held = np.interp(starts + HEARD, edges, spoken) - np.interp(starts, edges, spoken)
    far = np.abs(starts + HEARD / 2 - peak) if peak is not None else np.zeros(len(starts))
    around = (held > 0) & (far <= HEARD / 2) & (peak is not None)
    return float(starts[np.lexsort((far, -held.round(2), ~around))[0]])
