"""The people of a video, measured in every frame: tracked looks in one thread, eyes and action units in another.

What is kept of a frame and a person is some 200 bytes, whatever the picture's size, so that hours fit in memory: pixels and
meshes are dropped at once, but for the meshes of short clips, which spare a second decoding of the apex frames.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from emollm.facs import BLENDSHAPES, UNITS, unit_series
from emollm.facs import Region as FaceRegion
from emollm.perception import visibility
from emollm.perception.backends import FaceMeter
from emollm.perception.bearing import MeshBearing
from emollm.perception.course import Samples
from emollm.perception.geometry import Image, Region, one_thread_of_opencv
from emollm.perception.litert import Array
from emollm.perception.looks import Onlooker, face_of
from emollm.perception.mesh import FACE_POINTS, Eyes, Mesh
from emollm.perception.tracking import Sighting, Tracker, box_of
from emollm.perception.watching import Watcher
from emollm.types import Scale

V = TypeVar("V", covariant=True)

_BATCH = 64
"""Looks whose action units are computed together."""
_CHUNK = 4096
"""Rows that are kept in one piece."""
_GROUP = 8
"""Frames handed to the other thread at a time: waking it for each costs a tenth of a look."""
_AHEAD = 2
"""Groups that may wait for their details: bounds memory when looks are faster."""
_MESHES = 2500
"""Meshes that are kept at most: 2 kB each."""
_TENTH = 10.0
"""Points are kept in tenths of a pixel."""
_INNER_LIPS, _FOREHEAD_CHIN = (13, 14), (10, 152)


class Timed(Protocol):
    """A frame with its time."""

    @property
    def time(self) -> float:
        """Seconds from the start of the clip."""
        ...

    @property
    def picture(self) -> Image:
        """Upright: (H, W, 3) uint8 RGB, or the planes of it."""
        ...

    @property
    def scale(self) -> float:
        """Size of ``picture`` divided by the size of the file's pictures."""
        ...


@dataclass
class Person:
    """Everything kept of one person: N rows, one a frame in which the face was seen."""

    number: int
    times: array = field(default_factory=lambda: array("d"))
    confidence: array = field(default_factory=lambda: array("f"))
    boxes: array = field(default_factory=lambda: array("f"))
    """Left, top, right, bottom in pixels of the file, flat."""
    regions: array = field(default_factory=lambda: array("f"))
    """Where the face was looked at: x, y, side, angle in pixels of the frame, flat."""
    weight: float = 0.0
    """Sum over frames of area, nearness to the centre and confidence."""
    blocks: list["_Block"] = field(default_factory=list)
    """Of ``_CHUNK`` rows each, the last one filled in part."""
    stored: int = 0
    """Rows in the blocks."""
    meshes: list[NDArray[np.int16]] = field(default_factory=list)
    """(478, 2) each, in tenths of a pixel of the file; empty when there were too many."""

    def __len__(self) -> int:
        return len(self.times)


class _Block(NamedTuple):
    """Measurements of some consecutive rows."""

    units: NDArray[np.float16]
    """(n, U): raw values of the units, of a two-sided one those of its sides, in the order of :func:`_columns`."""
    angles: NDArray[np.float16]
    """(n, 5): yaw, pitch, roll, gaze_yaw, gaze_pitch in degrees."""
    mouth: NDArray[np.float16]
    """(n,)."""
    hidden: NDArray[np.bool_]
    """(n, 3): which of ``REGIONS`` cannot be measured."""


REGIONS = (FaceRegion.UPPER, FaceRegion.EYES, FaceRegion.LOWER)
ANGLES = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch")


class Watched(NamedTuple):
    """What was seen in a video."""

    people: list[Person]
    """By falling prominence."""
    shares: list[float]
    """Prominence of each; sums to 1."""
    frames: int
    """Frames of the video."""
    seen: int
    """Frames with a face."""
    end: float
    """Time of the last frame."""
    cuts: int
    dropped: int
    """People in sight too shortly to count."""


class Gallery:
    """Keeps what is seen of everybody, frame by frame.

    Args:
        watcher: Completes looks and computes blendshapes.
        bearing: Computes pose and gaze.
        smallest: Faces narrower than so many pixels are followed but not measured.
        onlooker: Shown the faces that it wants, where somebody does.
    """

    def __init__(
        self, watcher: Watcher, bearing: MeshBearing, smallest: float, onlooker: Onlooker | None = None
    ) -> None:
        self._watcher, self._bearing, self._smallest, self._onlooker = watcher, bearing, smallest, onlooker
        self.people: dict[int, Person] = {}
        self._eyes: dict[int, Eyes] = {}
        self._before: dict[int, tuple[Mesh, Mesh]] = {}
        """The look at each person in the frame before, and what it was completed to."""
        self._waiting: dict[int, list[tuple[Mesh, int, int]]] = {}
        self._meshes = 0

    def add_all(self, group: "Sequence[tuple[Timed, list[Sighting]]]") -> None:
        """Measures the people of some frames; frames come in order."""
        for frame, seen in group:
            self.add(frame.time, frame.picture, frame.scale, seen)

    def add(self, time: float, picture: Image, scale: float, seen: list[Sighting]) -> None:
        """Measures the people of one frame."""
        before, self._before = self._before, {}
        for sighting in seen:
            person = self.people.setdefault(sighting.person, Person(sighting.person))
            look, mesh = before.get(sighting.person, (None, None))
            if mesh is None or look is not sighting.look:  # else the face is as it was in the frame before
                eyes = self._eyes.setdefault(sighting.person, Eyes())
                mesh = self._watcher.detail(picture, sighting.look, eyes)
            self._before[sighting.person] = (sighting.look, mesh)
            box = box_of(mesh) / scale
            person.times.append(time)
            person.confidence.append(mesh.presence)
            person.boxes.extend(box.tolist())
            person.regions.extend(mesh.region)
            person.weight += _weight(box * scale, picture) * mesh.presence
            self._keep_mesh(person, mesh, scale)
            if self._onlooker is not None and self._onlooker.wants(person.number, time):
                points = mesh.points[:, :2] / scale
                self._onlooker.show(person.number, picture, scale, face_of(time, box, mesh.presence, points))
            waiting = self._waiting.setdefault(person.number, [])
            height, width = picture.shape[:2]
            waiting.append((mesh, width, height))
            if len(waiting) == _BATCH:
                self._compute(person)

    def finish(self) -> None:
        """Computes what still waits."""
        for number, waiting in self._waiting.items():
            if waiting:
                self._compute(self.people[number])

    def _compute(self, person: Person) -> None:
        waiting = self._waiting[person.number]
        self._waiting[person.number] = []
        meshes = [mesh for mesh, _, _ in waiting]
        points = np.stack([mesh.points for mesh in meshes])
        shapes = self._watcher.blendshapes(meshes)
        lips, face = (
            np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=1) for pair in (_INNER_LIPS, _FOREHEAD_CHIN)
        )
        beyond = np.stack([visibility.outside(mesh.points, width, height) for mesh, width, height in waiting])
        hidden = visibility.hidden(beyond)
        small = np.ptp(points[:, :FACE_POINTS, 0], axis=1) < self._smallest
        parts = np.stack([hidden[region] | small for region in REGIONS], 1)
        angles = self._bearing.many(points)
        no_gaze = visibility.shut(shapes) | (np.abs(angles[:, 3:]).max(1) > visibility.FARTHEST_GAZE)
        angles[no_gaze | parts[:, REGIONS.index(FaceRegion.EYES)], 3:] = np.nan
        angles[small] = np.nan
        half = np.float16
        mouth = (lips / np.maximum(face, 1e-3)).astype(half)
        block = _Block(_units(shapes, self._watcher.meter).astype(half), angles.astype(half), mouth, parts)
        _store(person, block)

    def _keep_mesh(self, person: Person, mesh: Mesh, scale: float) -> None:
        if self._meshes > _MESHES:
            return
        self._meshes += 1
        person.meshes.append(np.round(mesh.points[:, :2] * (_TENTH / scale)).clip(-32768, 32767).astype(np.int16))
        if self._meshes > _MESHES:  # a long clip: the apex frames will be decoded and looked at again
            for other in self.people.values():
                other.meshes = []


def watch(frames: Iterable[Timed], tracker: Tracker, gallery: Gallery, shortest: float, most: int) -> Watched:
    """Follows and measures everybody in a video.

    Args:
        frames: In order of time.
        tracker: Says who is where.
        gallery: Keeps what is measured; it is used by one other thread.
        shortest: Seconds in sight from which on somebody counts, in a clip at least twice as long.
        most: At most so many people, the most prominent ones.
    """
    from threadpoolctl import threadpool_limits

    count = seen = 0
    end = 0.0
    group: list[tuple[Timed, list[Sighting]]] = []
    # The head's matrices are small too: OpenBLAS' waiting threads cost a third of the processor time (docs/experiments.md 6).
    with threadpool_limits(1, "blas"), one_thread_of_opencv(), _beside() as submit:
        for frame in frames:
            count, end = count + 1, frame.time
            found = tracker(frame.time, frame.picture)
            if found:
                seen += 1
                group.append((frame, found))
            if len(group) == _GROUP:
                submit(gallery.add_all, group)
                group = []
        submit(gallery.add_all, group)
    gallery.finish()
    everyone = sorted(gallery.people.values(), key=lambda person: (-person.weight, person.number))
    lasting = [one for one in everyone if end < 2 * shortest or _in_sight(one) >= shortest]
    kept = lasting[:most]
    total = sum(person.weight for person in kept) or 1.0
    shares = [person.weight / total for person in kept]
    return Watched(kept, shares, count, seen, end, tracker.cuts, len(everyone) - len(kept))


class _Submit(Protocol):
    def __call__(self, work: Callable[..., None], /, *args: object) -> None: ...


@contextmanager
def _beside() -> "Iterator[_Submit]":
    """Runs work in one other thread, in order; it is waited for at the end, and its first error is raised."""
    room = BoundedSemaphore(_AHEAD)
    failed: list[BaseException] = []

    def done(future: "Future[None]") -> None:
        room.release()
        if not future.cancelled() and (error := future.exception()) is not None:
            failed.append(error)

    with ThreadPoolExecutor(1, thread_name_prefix="details") as pool:

        def submit(work: Callable[..., None], /, *args: object) -> None:
            if failed:
                raise failed[0]
            room.acquire()
            pool.submit(work, *args).add_done_callback(done)

        try:
            yield submit
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if failed:
        raise failed[0]


def _store(person: Person, block: _Block) -> None:
    """Adds the rows of a block to the person's, in pieces of :data:`_CHUNK` rows that are made whole.

    Small arrays that stay, between large ones that go, would leave an hour's memory full of holes.
    """
    start, many = person.stored % _CHUNK, len(block.mouth)
    if start == 0:
        person.blocks.append(_Block._make(np.empty((_CHUNK, *part.shape[1:]), part.dtype) for part in block))
    room = min(_CHUNK - start, many)
    for kept, part in zip(person.blocks[-1], block, strict=True):
        kept[start : start + room] = part[:room]
    person.stored += room
    if room < many:
        _store(person, _Block._make(part[room:] for part in block))


def _columns(meter: FaceMeter) -> list[tuple[str, bool]]:
    """Every unit that a meter measures precisely enough, and whether it is two-sided: it then has a column a side."""
    units = unit_series({name: np.zeros(1) for name in BLENDSHAPES if name in meter.shapes})
    return [(code, unit.left is not None) for code, unit in units.items() if code not in meter.imprecise]


def _units(shapes: Array, meter: FaceMeter) -> Array:
    """(n, U) raw values of blendshapes (n, 52): of each unit's sides, or of the unit."""
    units = unit_series({name: shapes[:, k] for k, name in enumerate(BLENDSHAPES) if name in meter.shapes})
    columns: list[Array] = []
    for code, two_sided in _columns(meter):
        unit = units[code]
        columns += [unit.left, unit.right] if two_sided else [unit.value]  # type: ignore[list-item]
    return np.stack(columns, 1)


class _Wide(Mapping[str, V]):
    """Series kept in half precision and given in single: at any time only those that are worked on are wide."""

    def __init__(self, kept: Mapping[str, tuple[Array, ...]], given: Callable[[tuple[Array, ...]], V]) -> None:
        self._kept, self._given = kept, given

    def __getitem__(self, name: str) -> V:
        return self._given(tuple(series.astype(np.float32) for series in self._kept[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def _largest(sides: tuple[Array, ...]) -> Array:
    """The value of a unit: of its larger side."""
    return np.maximum(*sides) if len(sides) == 2 else sides[0]


def _both(sides: tuple[Array, ...]) -> tuple[Array, Array]:
    return sides[0], sides[1]


def _first(series: tuple[Array, ...]) -> Array:
    return series[0]


def samples_of(person: Person, track: str, watcher: Watcher, bearing: MeshBearing) -> Samples:
    """A person's measurements as series for the analysis of their course. The person's own blocks are used up."""
    meter = watcher.meter
    blocks, person.blocks = person.blocks, []
    blocks[-1] = _Block._make(part[: person.stored - _CHUNK * (len(blocks) - 1)] for part in blocks[-1])
    beyond = np.concatenate([block.hidden for block in blocks])
    parts = {region: beyond[:, k] for k, region in enumerate(REGIONS)}
    nowhere = np.zeros(len(beyond), bool)
    mouth = np.concatenate([block.mouth for block in blocks], dtype=np.float32)
    mouth[parts[FaceRegion.LOWER]] = np.nan
    angles = np.concatenate([block.angles for block in blocks]).T.copy()
    rows = iter(np.concatenate([block.units.T for block in blocks], axis=1))
    del blocks
    units: dict[str, tuple[Array, ...]] = {}
    for code, two_sided in _columns(meter):
        units[code] = tuple(next(rows) for _ in range(1 + two_sided))
        for series in units[code]:
            series[parts.get(UNITS[code].region, nowhere)] = np.nan
    return Samples(
        track=track,
        times=np.array(person.times),
        raw=_Wide(units, _largest),
        scale=Scale.INTENSITY,
        spans=meter.spans,
        sides=_Wide({code: sides for code, sides in units.items() if len(sides) == 2}, _both),
        angles=_Wide({name: (angles[k],) for k, name in enumerate(ANGLES)}, _first),
        mouth=mouth,
        confidence=np.array(person.confidence),
        source=meter.source,
        bearing=bearing.source,
        unreliable=meter.unreliable,
    )


def mesh_points(person: Person, row: int) -> Array | None:
    """(478, 2) points of one row in pixels of the file, if they were kept."""
    return person.meshes[row].astype(np.float32) / _TENTH if person.meshes else None


def region_at(person: Person, row: int) -> Region:
    """Where the face was looked at."""
    return Region(*person.regions[4 * row : 4 * row + 4])


def _in_sight(person: Person) -> float:
    """Seconds in which a person was seen, at the pace of the frames."""
    if len(person) < 2:
        return 0.0
    gaps = np.diff(np.array(person.times))
    return float(np.median(gaps) * len(person))


def _weight(box: Array, picture: Image) -> float:
    """Area of a face as a share of the frame, more so the nearer it is to the centre."""
    height, width = picture.shape[:2]
    centre = np.array([width, height]) / 2
    away = float(np.linalg.norm(((box[:2] + box[2:]) / 2 - centre) / centre)) / 2**0.5
    return float(np.prod(box[2:] - box[:2]) / (width * height)) * (1 - 0.5 * min(away, 1.0))
