"""Perception: the backends that measure, and observe(), the only way anything is measured."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emollm.errors import MediaError
from emollm.types import Clip, Cue, CueKind, MediaInfo, Observation, Scale, Source

if TYPE_CHECKING:
    from emollm.perception.following import Progress
    from emollm.perception.looks import Onlooker
    from emollm.perception.settings import PerceptionSettings


def observe(
    clip: Clip,
    settings: "PerceptionSettings | None" = None,
    progress: "Progress | None" = None,
    onlooker: "Onlooker | None" = None,
) -> Observation:
    """All that can be measured in a clip, and what cannot, with the reason.

    A clip's table stands for its pictures where both are given; a transcript becomes a cue of the whole clip, and the words
    are then not recognised anew. Unreadable media are refused before any model is opened.

    Args:
        clip: What to look at and to listen to.
        settings: Backends and thresholds; the defaults if not given.
        progress: Told now and then how many seconds of a video or recording are done, and of how many if that is known.
        onlooker: Shown the faces of a video that it wants, while their frames are at hand.

    Raises:
        MediaError: The picture, video or audio cannot be read, or a photo was given together with a video.
        DataError: The table cannot be read.
        AssetError: A model that is needed cannot be had.
    """
    from emollm.perception.settings import PerceptionSettings

    settings = settings or PerceptionSettings()
    if clip.image is not None and clip.video is not None:
        raise MediaError(f"{clip.id}: a photo and a video in one clip; make them two clips")
    parts = []
    if clip.table is not None:
        from emollm.perception.tables import read_table

        parts.append(read_table(clip.table, clip.id, settings.course))
    elif clip.image is not None:
        parts.append(_photo(clip.image, clip.id, settings))
    if clip.transcript is not None:
        settings = settings.model_copy(update={"voice": settings.voice.model_copy(update={"words": "none"})})
    if clip.audio is not None or (clip.video is not None and clip.table is None):
        from emollm.perception.recording import observe_recording

        parts.append(observe_recording(clip, settings, progress, onlooker))
    if clip.transcript is not None:
        media = MediaInfo(kind="text")
        parts.append(Observation(id=clip.id, media=media, cues=_words(clip.transcript)))
    return joined(parts)


def joined(parts: Sequence[Observation]) -> Observation:
    """One observation of a clip's parts: the measurements of all; a photo with sound lasts as long as its sound.

    Args:
        parts: At least one; no two with a track or a cue of one id.
    """
    first, *rest = parts
    if not rest:
        return first
    media = first.media
    if media.duration is None:
        media = media.model_copy(update={"duration": next((p.media.duration for p in rest if p.media.duration), None)})
    return Observation(
        id=first.id,
        media=media,
        tracks=tuple(item for part in parts for item in part.tracks),
        cues=tuple(item for part in parts for item in part.cues),
        words=tuple(item for part in parts for item in part.words),
        series=tuple(item for part in parts for item in part.series),
        embeddings=tuple(item for part in parts for item in part.embeddings),
        missing=tuple(item for part in parts for item in part.missing),
        versions={name: version for part in parts for name, version in part.versions.items()},
    )


def observe_all(
    clips: Iterable[Clip], settings: "PerceptionSettings | None" = None
) -> Iterator[tuple[Clip, Callable[[], Observation]]]:
    """Many clips side by side, as many at a time as ``settings.threads``; in order.

    Args:
        clips: What to look at; drawn as work gets room.
        settings: Backends and thresholds; the defaults if not given.

    Returns:
        Each clip with a function that gives its Observation, or raises what :func:`observe` raises.
    """
    from emollm.ahead import ahead
    from emollm.perception.settings import PerceptionSettings

    chosen = settings or PerceptionSettings()
    return ahead(lambda clip: observe(clip, chosen), clips, chosen.threads)


def _photo(path: Path, id: str, settings: "PerceptionSettings") -> Observation:
    """What a photo shows."""
    from emollm.media.images import read_image
    from emollm.perception.photo import open_photo_perception
    from emollm.perception.scene import embeddings, missing, open_scene

    picture = read_image(path)
    seen = open_photo_perception(settings)(picture, id)
    scene = open_scene(settings.scene)
    if scene is None:
        return seen.model_copy(update={"missing": (*seen.missing, missing(settings.scene))})
    return seen.model_copy(update={"embeddings": embeddings(scene, [(0.0, picture.pixels)])})


def _words(transcript: str) -> tuple[Cue, ...]:
    """Words that came with the clip, as a cue of the whole clip, and how positive they are where that can be told."""
    from importlib.util import find_spec

    given = Source(backend="transcript", version="given", licence="as the clip")
    said = Cue(id="words", kind=CueKind.WORDS, name="transcript", scale=Scale.TEXT, text=transcript, source=given)
    if find_spec("vaderSentiment") is None:
        return (said,)
    from emollm.perception.voice.polarity import is_english, polarity, source

    value = polarity(transcript) if is_english(transcript) else None
    if value is None:
        return (said,)
    tone = Cue(
        id="words.polarity",
        kind=CueKind.WORDS,
        name="polarity",
        scale=Scale.RATIO,
        value=round(value, 4),
        source=source(),
    )
    return said, tone
