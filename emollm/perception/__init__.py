"""Perception: the backends that measure, and observe(), the only way anything is measured."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from emollm.errors import MediaError
from emollm.types import Clip, Cue, CueKind, MediaInfo, Missing, Observation, Scale, Source

if TYPE_CHECKING:
    from emollm.perception.settings import PerceptionSettings


def observe(clip: Clip, settings: "PerceptionSettings | None" = None) -> Observation:
    """All that can be measured in a clip, and what cannot, with the reason.

    A clip's table stands for its picture where both are given; a transcript becomes a cue of the whole clip. Unreadable media are refused before any model is opened.

    Args:
        clip: What to look at.
        settings: Backends and thresholds; the defaults if not given.

    Raises:
        MediaError: The picture cannot be read, or the clip has nothing that can be measured yet.
        DataError: The table cannot be read.
        AssetError: A model that is needed cannot be had.
    """
    measured = _picture(clip, settings)
    if measured is None and clip.transcript is None:
        raise MediaError(f"{clip.id}: this version measures photos and tables; give a photo or a table of measurements")
    measured = measured or Observation(id=clip.id, media=MediaInfo(kind="text"))
    words = () if clip.transcript is None else (_words(clip.transcript),)
    missing = tuple(
        Missing(stream=stream, reason="recordings are not measured by this version")
        for stream in ("audio", "video")
        if getattr(clip, stream) is not None
    )
    return measured.model_copy(update={"cues": measured.cues + words, "missing": measured.missing + missing})


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


def _picture(clip: Clip, settings: "PerceptionSettings | None") -> Observation | None:
    """What the table or the photo of a clip shows; None if it has neither."""
    if clip.table is not None:
        from emollm.perception.tables import read_table

        return read_table(clip.table, clip.id)
    if clip.image is None:
        return None
    from emollm.media.images import read_image
    from emollm.perception.photo import open_photo_perception
    from emollm.perception.settings import PerceptionSettings

    picture = read_image(clip.image)
    return open_photo_perception(settings or PerceptionSettings())(picture, clip.id)


def _words(transcript: str) -> Cue:
    """Words that came with the clip, as a cue of the whole clip."""
    source = Source(backend="transcript", version="given", licence="as the clip")
    return Cue(id="words", kind=CueKind.WORDS, name="transcript", scale=Scale.TEXT, text=transcript, source=source)
