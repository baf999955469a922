"""What a video or a sound recording shows: its people over time, the voice, the words, the scene."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emollm import __version__
from emollm.errors import MediaError
from emollm.media.audio import open_sound
from emollm.media.video import Frame, Video, frame_at, open_video
from emollm.perception.backends import FINDERS, FaceFinder
from emollm.perception.bearing import MeshBearing, open_bearing
from emollm.perception.course import Course, course_of, series_step, who_speaks
from emollm.perception.faces import FaceSettings, find_faces
from emollm.perception.geometry import rgb
from emollm.perception.mesh import Eyes, region_of_points
from emollm.perception.people import Gallery, Person, Watched, mesh_points, region_at, samples_of, watch
from emollm.perception.photo import INTENSITY_SCALE, choose_meter, never_measured
from emollm.perception.settings import PerceptionSettings
from emollm.perception.tracking import Tracker
from emollm.perception.watching import WATCHERS, Watcher
from emollm.types import (
    Box,
    Clip,
    Cue,
    CueKind,
    Embedding,
    Face,
    MediaInfo,
    Missing,
    Observation,
    Series,
    Track,
)

if TYPE_CHECKING:
    from emollm.media.audio import Block, Sound
    from emollm.perception.voice import Heard

Spans = Sequence[tuple[float, float]]

Progress = Callable[[float, float | None], None]
"""Told the seconds of the clip that are done, and its length where the file says it; what it raises ends the work."""

_PATIENCE = 0.3
"""Seconds between two words of progress while only the voice is still listened to."""
_SPEAKER = 0.5
"""Share of the speech that one person's mouth has to move with, and nobody else's, to be taken for the speaker."""


class Recording(NamedTuple):
    """The opened media of a clip."""

    video: Video | None
    sound: "Sound | None"
    no_sound: str | None
    """Why there is no sound."""


def observe_recording(clip: Clip, settings: PerceptionSettings, progress: Progress | None = None) -> Observation:
    """All that can be measured in a clip's video and sound.

    Args:
        clip: With ``video`` or ``audio``; a video's own sound is heard unless the clip has another.
        settings: Backends and thresholds.
        progress: Told now and then how far it is.

    Raises:
        MediaError: The video or the audio cannot be read.
        AssetError: A model that is needed cannot be had.
    """
    with ExitStack() as stack:
        media = _open(clip, settings, stack)
        stop = threading.Event()
        pool = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="voice"))
        stack.callback(stop.set)  # runs before the pool is waited for
        heard = pool.submit(_listen, media.sound, settings, stop, None if media.video else progress)
        seen = _see(media.video, settings, heard, progress) if media.video is not None else None
        voice = heard.result()
        return _assemble(clip, settings, media, seen, voice)


def _open(clip: Clip, settings: PerceptionSettings, stack: ExitStack) -> Recording:
    """The clip's media, opened and checked before any model is."""
    video = stack.enter_context(open_video(clip.video)) if clip.video is not None else None
    source = clip.audio or (clip.video if video is not None and video.has_sound else None)
    if source is None:
        return Recording(video, None, "the video has no audio stream")
    if not settings.voice.enabled:
        return Recording(video, None, "not listened to (perception.voice.enabled is false)")
    try:
        return Recording(video, open_sound(source), None)
    except MediaError:
        if source == clip.audio:
            raise
        return Recording(video, None, "the audio stream of the video cannot be read")


class _Stopped(Exception):
    """The other half has failed or was interrupted."""


class _Blocks:
    """A sound that can be stopped and tells how far it is."""

    def __init__(self, sound: "Sound", stop: threading.Event, progress: Progress | None) -> None:
        self._sound, self._stop, self._progress = sound, stop, progress
        self.info = sound.info
        self.start, self.end = 0.0, 0.0

    def blocks(self) -> "Iterator[Block]":
        for block in self._sound.blocks():
            if self._stop.is_set():
                raise _Stopped
            yield block
            self.end = block.start + len(block.samples) / 16_000
            if self._progress is not None:
                self._progress(self.end, self.info.duration)


def _listen(
    sound: "Sound | None", settings: PerceptionSettings, stop: threading.Event, progress: Progress | None
) -> "Heard | MediaError | None":
    """What is heard; the error of a sound that cannot be decoded, so that a video is not lost with it."""
    if sound is None:
        return None
    from emollm.perception.voice import listen

    try:
        return listen(_Blocks(sound, stop, progress), settings.voice)
    except _Stopped:
        return None
    except MediaError as error:
        return error


# ---- faces ----------------------------------------------------------------------------------------------------------


class _Kit(NamedTuple):
    """The opened backends of one video at a time."""

    watcher: Watcher
    finder: FaceFinder
    bearing: MeshBearing


_kits: dict[tuple[str, FaceSettings], list[_Kit]] = {}
"""Kits that are free, by backend and face settings; a list's ``append`` and ``pop`` are safe between threads."""


@contextmanager
def _kit(settings: PerceptionSettings) -> Iterator[_Kit]:
    """Opened backends; they are kept for the next video."""
    name = choose_meter(settings.video.action_units)
    free = _kits.setdefault((name, settings.faces), [])
    try:
        kit = free.pop()
    except IndexError:
        kit = _Kit(WATCHERS[name](), FINDERS[settings.faces.finder](settings.faces), open_bearing())
    try:
        yield kit
    finally:
        free.append(kit)


class _Seen(NamedTuple):
    """What the pictures show."""

    watched: Watched
    tracks: tuple[Track, ...]
    courses: tuple[Course, ...]
    speaker: str | None
    unmeasured: tuple[Missing, ...]
    """Units that the backend does not measure."""
    versions: dict[str, str]
    embeddings: tuple[Embedding, ...]
    missing: tuple[Missing, ...]


def _see(
    video: Video, settings: PerceptionSettings, heard: "Future[Heard | MediaError | None]", progress: Progress | None
) -> _Seen:
    with _kit(settings) as kit:
        tracker = Tracker(
            kit.watcher,
            lambda picture, *, far: find_faces(kit.finder, rgb(picture), far=far),
            settings.faces.presence,
            settings.faces.max_faces,
            settings.video,
        )
        gallery = Gallery(kit.watcher, kit.bearing, settings.smallest)
        frames = _told(video, progress)
        watched = watch(frames, tracker, gallery, settings.video.shortest, settings.faces.max_faces)
        voice = _waited(heard, progress, watched.end, video.info.duration)
        speech = None if voice is None or isinstance(voice, MediaError) else voice.speech
        return _reviewed(video, settings, kit, watched, speech)


def _reviewed(video: Video, settings: PerceptionSettings, kit: _Kit, watched: Watched, speech: Spans | None) -> _Seen:
    """Everybody's course, once all frames are measured and it is known when there was speech."""
    ids = [f"p{rank}" for rank in range(1, len(watched.people) + 1)]
    people = list(zip(ids, watched.people, strict=True))
    samples = [samples_of(person, id, kit.watcher, kit.bearing) for id, person in people]
    step = series_step(max(watched.end, video.info.duration or 0.0))
    courses = tuple(course_of(one, speech, settings.course, step=step) for one in samples)
    shares = who_speaks(samples, speech) if speech else None
    tracks = []
    for (id, person), course, prominence in zip(people, courses, watched.shares, strict=True):
        tracks.append(
            Track(
                id=id,
                faces=tuple(_face(person, row, video, kit.watcher) for row in _rows(person, course)),
                prominence=_round(prominence),
                peaks=course.peaks,
                start=_round(person.times[0]),
                end=_round(person.times[-1]),
                frames=len(person),
                speaking=None if shares is None or id not in shares else _round(shares[id]),
            )
        )
    embeddings, gaps = _scene(video, settings, watched, courses)
    meter = kit.watcher.meter
    versions = {
        "faces": str(kit.finder.source),
        meter.source.backend: meter.source.version,
        "intensity": INTENSITY_SCALE,
    }
    unmeasured = tuple(never_measured(meter))
    return _Seen(watched, tuple(tracks), courses, _speaker(shares), unmeasured, versions, embeddings, gaps)


def _waited(
    heard: "Future[Heard | MediaError | None]", progress: Progress | None, end: float, duration: float | None
) -> "Heard | MediaError | None":
    """What is heard, when that is known; ``progress`` is told all the while, so that it can end the work."""
    while not heard.done():
        wait([heard], timeout=_PATIENCE)
        if progress is not None:
            progress(end, duration)
    return heard.result()


def _told(video: Video, progress: Progress | None) -> Iterator[Frame]:
    for count, frame in enumerate(video.frames()):
        if progress is not None and count % 8 == 0:
            progress(frame.time, video.info.duration)
        yield frame


def _speaker(shares: "dict[str | None, float] | None") -> str | None:
    """The one person who speaks, if it is clear."""
    if not shares:
        return None
    speaking = [track for track, share in shares.items() if share >= _SPEAKER]
    return speaking[0] if len(speaking) == 1 else None


def _rows(person: Person, course: Course) -> list[int]:
    """The rows of a person's peaks; without peaks the clearest one."""
    times = np.array(person.times)
    rows = [int(np.abs(times - peak.time).argmin()) for peak in course.peaks]
    return rows or [int(np.array(person.confidence).argmax())]


def _face(person: Person, row: int, video: Video, watcher: Watcher) -> Face:
    """The record of one look, in pixels of the file; its mesh is looked at again where it was not kept."""
    points = mesh_points(person, row)
    if points is None:
        frame = frame_at(video.path, person.times[row])
        mesh = watcher.detail(frame.picture, watcher.look(frame.picture, region_at(person, row)), Eyes())
        points = mesh.points[:, :2] / frame.scale
    left, top, right, bottom = person.boxes[4 * row : 4 * row + 4]
    return Face.model_construct(
        time=_round(person.times[row]),
        box=Box(x=_round(left, 1), y=_round(top, 1), width=_round(right - left, 1), height=_round(bottom - top, 1)),
        confidence=_round(person.confidence[row]),
        landmarks=tuple(map(tuple, np.round(points.astype(np.float64), 1).tolist())),
        roll=_round(float(np.degrees(region_of_points(points).angle)), 2),
    )


def _scene(
    video: Video, settings: PerceptionSettings, watched: Watched, courses: Sequence[Course]
) -> tuple[tuple[Embedding, ...], tuple[Missing, ...]]:
    """Embeddings of some moments, evenly spread, and of the main apex."""
    from emollm.perception.scene import embeddings, missing, moments, open_scene

    scene = open_scene(settings.scene)
    if scene is None:
        return (), (missing(settings.scene),)
    apexes = [course.peaks[0].time for course in courses[:1] if course.peaks]
    frames = (frame_at(video.path, time) for time in moments(watched.end, apexes, settings.scene))
    return embeddings(scene, ((frame.time, frame.pixels) for frame in frames)), ()


# ---- the observation ------------------------------------------------------------------------------------------------


def _assemble(
    clip: Clip,
    settings: PerceptionSettings,
    media: Recording,
    seen: _Seen | None,
    voice: "Heard | MediaError | None",
) -> Observation:
    if isinstance(voice, MediaError) and seen is None:
        raise voice
    cues: list[Cue] = []
    series: list[Series] = []
    missing: list[Missing] = []
    versions = {"emollm": __version__}
    if seen is not None:
        assert media.video is not None
        versions |= seen.versions
        for course in seen.courses:
            cues += course.cues
            series += course.series
            missing += course.missing
        missing += _unseen(seen, media.video, settings)
    heard = voice if voice is not None and not isinstance(voice, MediaError) else None
    if heard is not None:
        speaker = seen.speaker if seen is not None else None
        cues += [_said_by(cue, speaker) for cue in heard.cues]
        series += heard.series
        missing += heard.missing
        versions |= heard.versions
    else:
        reason = str(voice) if voice is not None else media.no_sound or "no sound"
        missing.append(Missing(stream="audio", reason=reason))
    if media.sound is not None and media.sound.ended_early:
        missing.append(Missing(stream="audio", reason=media.sound.ended_early))
    return Observation(
        id=clip.id,
        media=_info(media, seen, heard),
        tracks=seen.tracks if seen is not None else (),
        cues=tuple(cues),
        words=heard.words if heard is not None else (),
        series=tuple(series),
        embeddings=seen.embeddings if seen is not None else (),
        missing=tuple(missing),
        versions=versions,
    )


def _unseen(seen: _Seen, video: Video, settings: PerceptionSettings) -> Iterator[Missing]:
    """What the pictures do not show."""
    watched = seen.watched
    if not watched.people:
        short = (
            f", but {watched.dropped} in sight for less than {settings.video.shortest:g} s" if watched.dropped else ""
        )
        yield Missing(stream="face", reason=f"no face found in {watched.frames} frames{short}")
    else:
        yield from seen.unmeasured
        if watched.dropped:
            yield Missing(stream="face", reason=f"{watched.dropped} more people, in sight too shortly or too many")
        if watched.seen < watched.frames:
            share = 1 - watched.seen / watched.frames
            yield Missing(stream="face", reason=f"nobody's face is seen in {share:.0%} of the frames")
    if video.ended_early:
        yield Missing(stream="video", reason=video.ended_early)
    yield from seen.missing


def _said_by(cue: Cue, speaker: str | None) -> Cue:
    """A cue of the voice or the words, given to the person who speaks."""
    if speaker is None or cue.kind not in (CueKind.PROSODY, CueKind.WORDS):
        return cue
    return cue.model_copy(update={"track": speaker})


def _info(media: Recording, seen: _Seen | None, heard: "Heard | None") -> MediaInfo:
    """What the files say, with the length that was really there."""
    sound = media.sound.info if media.sound is not None else None
    if media.video is None or seen is None:
        assert sound is not None
        return sound.model_copy(update={"duration": _round(heard.duration)} if heard and heard.duration else {})
    info = media.video.info
    rate = info.rate or 0.0
    pictures = seen.watched.end + (1 / rate if rate else 0.0)
    length = max(pictures, heard.duration if heard is not None else 0.0)
    update: dict[str, object] = {"frames": seen.watched.frames, "duration": _round(length)}
    if sound is not None:
        update |= {"sample_rate": sound.sample_rate, "channels": sound.channels}
    return info.model_copy(update=update)


def _round(value: float, digits: int = 3) -> float:
    return round(float(value), digits) + 0.0
