"""The people of a video over time: followed, measured, and each person's course made of it."""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emollm.errors import MediaError
from emollm.media.video import Frame, Video, frame_at
from emollm.perception.backends import FINDERS, FaceFinder
from emollm.perception.bearing import MeshBearing, open_bearing
from emollm.perception.course import Course, course_of, series_step, who_speaks
from emollm.perception.course.expressions import (
    Expressions,
    moment_expressions,
    series_expressions,
    whole_expressions,
)
from emollm.perception.course.peaks import AROUND
from emollm.perception.expression import STREAM, ExpressionNet, Looks, opening
from emollm.perception.faces import FaceSettings, find_faces
from emollm.perception.geometry import rgb
from emollm.perception.looks import Onlooker, Onlookers, face_of
from emollm.perception.mesh import Eyes
from emollm.perception.people import Gallery, Person, Watched, mesh_points, region_at, samples_of, watch
from emollm.perception.photo import INTENSITY_SCALE, choose_meter, never_measured
from emollm.perception.settings import PerceptionSettings
from emollm.perception.tracking import Tracker
from emollm.perception.watching import WATCHERS, Watcher
from emollm.types import Cue, Embedding, Face, Missing, Track

if TYPE_CHECKING:
    from emollm.perception.voice import Heard

Spans = Sequence[tuple[float, float]]

Progress = Callable[[float, float | None], None]
"""Told the seconds of the clip that are done, and its length where the file says it."""

_SPEAKER = 0.5
"""Share of the speech that one person's mouth has to move with, and nobody else's, to be taken for the speaker."""
_LONG = 5000
"""Frames from which on memory that is free again is returned to the system."""
_PATIENCE = 0.3
"""Seconds between two words of progress while only the voice is still listened to."""


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


class Seen(NamedTuple):
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


def see(
    video: Video,
    settings: PerceptionSettings,
    heard: "Future[Heard | MediaError | None]",
    progress: Progress | None,
    onlooker: Onlooker | None = None,
) -> Seen:
    """Follows and measures everybody; waits for what is heard before it looks back.

    Args:
        video: Opened; it is read once, and again only for apex frames of long clips.
        settings: Backends and thresholds.
        heard: What is heard in the meantime.
        progress: Told now and then how far it is.
        onlooker: Shown the faces that it wants.
    """
    opened = opening(settings.expression)
    with _kit(settings) as kit:
        tracker = Tracker(
            kit.watcher,
            lambda picture, *, far: find_faces(kit.finder, rgb(picture), far=far),
            settings.faces.presence,
            settings.faces.max_faces,
            settings.video,
        )
        looks = Looks(opened.result, settings.expression.rate, settings.smallest)
        wanted = [looks] if settings.expression.net is not None else []
        onlookers = Onlookers([*wanted, *([onlooker] if onlooker is not None else [])])
        gallery = Gallery(kit.watcher, kit.bearing, settings.smallest, onlookers)
        frames = _told(video, progress)
        watched = watch(frames, tracker, gallery, settings.video.shortest, settings.faces.max_faces)
        onlookers.name({person.number: f"p{rank}" for rank, person in enumerate(watched.people, start=1)})
        voice = _waited(heard, progress, watched.end, video.info.duration)
        if watched.frames > _LONG:
            _give_back()
        speech = None if voice is None or isinstance(voice, MediaError) else voice.speech
        return _reviewed(video, settings, kit, watched, speech, looks, opened.result())


def _reviewed(
    video: Video,
    settings: PerceptionSettings,
    kit: _Kit,
    watched: Watched,
    speech: Spans | None,
    looks: Looks,
    net: ExpressionNet | Missing | None,
) -> Seen:
    """Everybody's course, once all frames are measured and it is known when there was speech."""
    ids = [f"p{rank}" for rank in range(1, len(watched.people) + 1)]
    people = list(zip(ids, watched.people, strict=True))
    samples = [samples_of(person, id, kit.watcher, kit.bearing) for id, person in people]
    step = series_step(max(watched.end, video.info.duration or 0.0))
    shares = who_speaks(samples, speech) if speech else None
    courses = tuple(
        course_of(one, speech, settings.course, step=step, speaks=(shares or {}).get(one.track)) for one in samples
    )
    courses = tuple(
        _with_expressions(course, looks.of(person.number, id, one.times, one.angles.get("yaw")), step)
        for (id, person), one, course in zip(people, samples, courses, strict=True)
    )
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
    if isinstance(net, ExpressionNet):
        versions[net.source.backend] = net.source.version
    elif net is not None:
        unmeasured = (*unmeasured, net)
    return Seen(watched, tuple(tracks), courses, _speaker(shares), unmeasured, versions, embeddings, gaps)


def _with_expressions(course: Course, seen: Expressions | Missing | None, step: float) -> Course:
    """A course with what the face net read; the moments stay those of the units."""
    if seen is None:
        return course
    if isinstance(seen, Missing):
        return course._replace(missing=(*course.missing, seen))
    found = list(moment_expressions(seen, course.peaks[0].time, max(AROUND, seen.every), np.mean))
    cues = [item for item in found if isinstance(item, Cue)]
    gaps = [item for item in found if isinstance(item, Missing)]
    if gaps and not cues:
        gaps = [gaps[0].model_copy(update={"stream": STREAM})]  # one net: all are missing or none
    return course._replace(
        cues=(*course.cues, *cues, *whole_expressions(seen)),
        series=(*course.series, *series_expressions(seen, step)),
        missing=(*course.missing, *gaps),
    )


def _give_back() -> None:
    """Returns to the system what decoding and looking have left free, before the series are worked on; only glibc can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


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
    box = np.array(person.boxes[4 * row : 4 * row + 4])
    return face_of(person.times[row], box, person.confidence[row], points)


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


def _round(value: float, digits: int = 3) -> float:
    return round(float(value), digits) + 0.0
