"""What a video or a sound recording shows: its people over time, the voice, the words, the scene."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emollm import __version__
from emollm.errors import MediaError
from emollm.media.audio import RATE, open_sound
from emollm.media.video import Video, open_video
from emollm.perception.following import Progress, Seen, see
from emollm.perception.looks import Onlooker
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, Cue, CueKind, MediaInfo, Missing, Observation, Series

if TYPE_CHECKING:
    from emollm.media.audio import Block, Sound
    from emollm.perception.voice import Heard

_APART = 0.5
"""Seconds by which sound and pictures may differ in length without a word about it."""


class Recording(NamedTuple):
    """The opened media of a clip."""

    video: Video | None
    sound: "_Hearable | None"
    sound_info: MediaInfo | None = None
    """What the file says of its sound, heard or not."""
    no_sound: str | None = None
    """Why there is no sound, or why it is not heard."""


def observe_recording(
    clip: Clip, settings: PerceptionSettings, progress: Progress | None = None, onlooker: Onlooker | None = None
) -> Observation:
    """All that can be measured in a clip's video and sound.

    Args:
        clip: With ``video`` or ``audio``; a video's own sound is heard unless the clip has another.
        settings: Backends and thresholds.
        progress: Told now and then how far it is.
        onlooker: Shown the faces of the video that it wants.

    Raises:
        MediaError: The video or the audio cannot be read.
        AssetError: A model that is needed cannot be had.
    """
    with ExitStack() as stack:
        media = _open(clip, settings, stack)
        pool = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="voice"))
        if media.sound is not None:
            stack.callback(media.sound.stop.set)  # runs before the pool is waited for
            media.sound.progress = None if media.video else progress
        heard = pool.submit(_listen, media.sound, settings)
        seen = see(media.video, settings, heard, progress, onlooker) if media.video is not None else None
        voice = heard.result()
        return _assemble(clip, settings, media, seen, voice)


def _open(clip: Clip, settings: PerceptionSettings, stack: ExitStack) -> Recording:
    """The clip's media, opened and checked before any model is."""
    video = stack.enter_context(open_video(clip.video)) if clip.video is not None else None
    source = clip.audio or (clip.video if video is not None and video.has_sound else None)
    if source is None:
        return Recording(video, None, no_sound="the video has no audio stream")
    try:
        sound = open_sound(source)
    except MediaError as error:
        if source == clip.audio:
            raise
        return Recording(video, None, no_sound=f"its sound cannot be read: {_reason(error, source)}")
    if not settings.voice.enabled:
        return Recording(video, None, sound.info, "not listened to (perception.voice.enabled is false)")
    return Recording(video, _Hearable(sound), sound.info)


def _reason(error: MediaError, path: Path) -> str:
    """An error's text without the file that the reader knows already."""
    return str(error).removeprefix(f"{path}: ")


class _Stopped(Exception):
    """The other half has failed or was interrupted."""


class _Hearable:
    """A sound that can be stopped, tells how far it is, and remembers from when to when it was."""

    def __init__(self, sound: "Sound") -> None:
        self._sound = sound
        self.stop = threading.Event()
        self.progress: Progress | None = None
        self.first: float | None = None
        """Seconds of the first sample; None before anything was heard."""
        self.last = 0.0
        """Seconds at which the last sample ended."""

    @property
    def ended_early(self) -> str | None:
        """Why it ends before the file says it does."""
        return self._sound.ended_early

    def blocks(self) -> "Iterator[Block]":
        """Its blocks, unless it is stopped."""
        for block in self._sound.blocks():
            if self.stop.is_set():
                raise _Stopped
            self.first = block.start if self.first is None else self.first
            self.last = block.start + len(block.samples) / RATE
            yield block
            if self.progress is not None:
                self.progress(self.last, self._sound.info.duration)


def _listen(sound: _Hearable | None, settings: PerceptionSettings) -> "Heard | MediaError | None":
    """What is heard; the error of a sound that cannot be decoded, so that a video is not lost with it."""
    if sound is None:
        return None
    from emollm.perception.voice import listen

    try:
        return listen(sound, settings.voice)
    except _Stopped:
        return None
    except MediaError as error:
        return error


# ---- the observation ------------------------------------------------------------------------------------------------


def _assemble(
    clip: Clip,
    settings: PerceptionSettings,
    media: Recording,
    seen: Seen | None,
    voice: "Heard | MediaError | None",
) -> Observation:
    if isinstance(voice, MediaError) and seen is None:
        raise voice
    cues: list[Cue] = []
    series: list[Series] = []
    missing: list[Missing] = []
    versions = {"emollm": __version__}
    info = _info(media, seen)
    if seen is not None:
        assert media.video is not None
        versions |= seen.versions
        for course in seen.courses:
            cues += course.cues
            series += course.series
            missing += course.missing
        missing += _unseen(seen, media.video, settings, info.duration or 0.0)
    heard = voice if voice is not None and not isinstance(voice, MediaError) else None
    if heard is not None:
        speaker = seen.speaker if seen is not None else None
        cues += [_said_by(cue, speaker) for cue in heard.cues]
        series += heard.series
        missing += heard.missing
        versions |= heard.versions
    missing += _unheard(clip, media, voice, info.duration or 0.0)
    return Observation(
        id=clip.id,
        media=info,
        tracks=seen.tracks if seen is not None else (),
        cues=tuple(cues),
        words=heard.words if heard is not None else (),
        series=tuple(series),
        embeddings=seen.embeddings if seen is not None else (),
        missing=tuple(missing),
        versions=versions,
    )


def _unheard(clip: Clip, media: Recording, voice: "Heard | MediaError | None", length: float) -> Iterator[Missing]:
    """What there is no sound of."""
    sound = media.sound
    if sound is None or isinstance(voice, MediaError):
        source = clip.audio or clip.video
        why = _reason(voice, source) if isinstance(voice, MediaError) and source is not None else media.no_sound
        yield Missing(stream="audio", reason=why or "no sound")
        return
    if sound.ended_early:
        yield Missing(stream="audio", reason=sound.ended_early)
    elif media.video is not None and length - sound.last > _APART:
        yield Missing(stream="audio", reason=f"the sound ends at {sound.last:.1f} s of {length:.1f} s")
    if sound.first is not None and sound.first > _APART:
        yield Missing(stream="audio", reason=f"the sound begins at {sound.first:.1f} s")


def _unseen(seen: Seen, video: Video, settings: PerceptionSettings, length: float) -> Iterator[Missing]:
    """What the pictures do not show."""
    watched = seen.watched
    many = "1 frame" if watched.frames == 1 else f"{watched.frames} frames"
    if not watched.people:
        short = (
            f", but {watched.dropped} in sight for less than {settings.video.shortest:g} s" if watched.dropped else ""
        )
        yield Missing(stream="face", reason=f"no face found in {many}{short}")
    else:
        yield from seen.unmeasured
        if watched.dropped:
            yield Missing(stream="face", reason=f"{watched.dropped} more people, in sight too shortly or too many")
        if watched.seen < watched.frames:
            share = 1 - watched.seen / watched.frames
            yield Missing(stream="face", reason=f"nobody's face is seen in {share:.0%} of the frames")
    if video.ended_early:
        yield Missing(stream="video", reason=video.ended_early)
    elif video.last is not None and length - video.last > _APART:
        yield Missing(stream="video", reason=f"the pictures end at {video.last:.1f} s of {length:.1f} s")
    if video.first is not None and video.first > _APART:
        yield Missing(stream="video", reason=f"the pictures begin at {video.first:.1f} s")
    for start, end in video.gaps:
        yield Missing(stream="video", reason=f"no pictures from {start:.1f} to {end:.1f} s")
    if video.damaged:
        all_of_them = watched.frames + video.damaged
        reason = f"{video.damaged} of {all_of_them} frames are damaged and left out; those after them may be smeared"
        yield Missing(stream="video", reason=reason)
    yield from seen.missing


def _said_by(cue: Cue, speaker: str | None) -> Cue:
    """A cue of the voice or the words, given to the person who speaks."""
    if speaker is None or cue.kind not in (CueKind.PROSODY, CueKind.WORDS):
        return cue
    return cue.model_copy(update={"track": speaker})


def _info(media: Recording, seen: Seen | None) -> MediaInfo:
    """What the files say, with the length that was really there."""
    sound = media.sound_info
    heard = media.sound.last if media.sound is not None else 0.0
    if media.video is None or seen is None:
        assert sound is not None
        return sound.model_copy(update={"duration": _round(heard)} if heard else {})
    info = media.video.info
    length = max(media.video.last or 0.0, heard)
    update: dict[str, object] = {"frames": seen.watched.frames, "duration": _round(length)}
    if sound is not None:
        update |= {"sample_rate": sound.sample_rate, "channels": sound.channels}
    return info.model_copy(update=update)


def _round(value: float, digits: int = 3) -> float:
    return round(float(value), digits) + 0.0
