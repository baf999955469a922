"""What a photo shows: its people, and for each their action units, head pose and gaze."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from emollm import __version__, assets
from emollm.errors import AssetError
from emollm.facs import BLENDSHAPES, PRESENT, UNITS, Region, units_from_blendshapes
from emollm.media.images import Picture
from emollm.perception import visibility
from emollm.perception.backends import BEARINGS, FINDERS, METERS, FaceMeter, Reading
from emollm.perception.blazeface import Detection
from emollm.perception.course.cues import BROWS, FRONTAL
from emollm.perception.course.expressions import Expressions, moment_expressions
from emollm.perception.course.eyes import GAZE_UNITS
from emollm.perception.crops import aligned_crop
from emollm.perception.expression import FARTHEST_YAW, STREAM, TURNED, ExpressionNet, opening, unseen
from emollm.perception.faces import others, same_face
from emollm.perception.gaze import Gaze
from emollm.perception.geometry import Pixels, one_thread_of_opencv
from emollm.perception.litert import Array
from emollm.perception.mesh import region_of_points
from emollm.perception.settings import PerceptionSettings
from emollm.types import Box, Cue, CueKind, Face, Missing, Observation, Scale, Track

INTENSITY_SCALE = "ferplus-train@2"
"""What intensities were calibrated on, and how (docs/perception.md); a change of the spans is a new version."""


class Person(NamedTuple):
    """One measured face, before it becomes records."""

    score: float
    reading: Reading

    @property
    def box(self) -> Array:
        """(4,) left, top, right, bottom of the mesh in pixels of the working picture."""
        points = self.reading.mesh.points[:468, :2]
        return np.concatenate([points.min(0), points.max(0)])


class PhotoPerception:
    """Measures photos with one choice of backends; the models are opened on first use.

    Args:
        settings: Which backends, and thresholds.
    """

    def __init__(self, settings: PerceptionSettings) -> None:
        self._settings = settings
        self._finder = FINDERS[settings.faces.finder](settings.faces)
        self._bearing = BEARINGS[settings.bearing]()
        # Each worker has nets of its own: an interpreter serves one thread at a time.
        meters = [METERS[choose_meter(settings.action_units)]() for _ in range(settings.threads)]
        self._meter: FaceMeter = meters[0]
        self._free: SimpleQueue[FaceMeter] = SimpleQueue()
        for meter in meters:
            self._free.put(meter)
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="perception")
        self._unmeasured = tuple(never_measured(self._meter))
        self._expression = opening(settings.expression)

    def __call__(self, picture: Picture, id: str) -> Observation:
        """All that can be measured in a decoded picture."""
        with one_thread_of_opencv():
            everyone = self.people(picture.pixels)
        shares = _prominence(everyone, picture.pixels)
        order = np.argsort(-shares, kind="stable")[: self._settings.faces.max_faces]
        tracks: list[Track] = []
        cues: list[Cue] = []
        missing: list[Missing] = []
        for rank, index in enumerate(order, start=1):
            tracks.append(_track(f"p{rank}", everyone[index], float(shares[index]), picture.scale))
        shown = [everyone[index] for index in order]
        net = self._expression.result()
        read = self._expressions(net, shown, tracks, picture) if isinstance(net, ExpressionNet) else {}
        for person, track in zip(shown, tracks, strict=True):
            for item in (*self._measure(person, track.id, picture), *read.get(track.id, ())):
                if isinstance(item, Cue):
                    cues.append(item)
                else:
                    missing.append(item)
        if not tracks:
            missing.append(Missing(stream="face", reason="no face found"))
        elif len(everyone) > len(order):
            reason = f"{len(everyone) - len(order)} more faces than faces.max_faces={len(order)}"
            missing.append(Missing(stream="face", reason=reason))
        if tracks:
            missing += self._unmeasured
            missing += [net] if isinstance(net, Missing) else []
        meter = self._meter.source
        versions = {
            "emollm": __version__,
            "faces": str(self._finder.source),
            meter.backend: meter.version,
            "intensity": INTENSITY_SCALE,
        }
        if isinstance(net, ExpressionNet):
            versions[net.source.backend] = net.source.version
        return Observation(
            id=id, media=picture.info, tracks=tuple(tracks), cues=tuple(cues), missing=tuple(missing), versions=versions
        )

    def people(self, pixels: Pixels) -> list[Person]:
        """Every face that the mesh net confirms, each once.

        Large faces are measured while small ones are still searched for.
        """
        sure, candidates = self._finder.near(pixels)
        search = self._pool.submit(self._finder.far, pixels)
        reading = [self._pool.submit(self._read, pixels, item) for item in sure]
        for item in others(sure, candidates, search.result()):
            reading.append(self._pool.submit(self._read, pixels, item))
        found: list[Person] = []
        for person in sorted((future.result() for future in reading), key=lambda person: -person.score):
            confirmed = person.reading.mesh.presence >= self._settings.faces.presence
            if confirmed and not any(same_face(person.box, other.box) for other in found):
                found.append(person)
        return found

    def _read(self, pixels: Pixels, detection: Detection) -> Person:
        meter = self._free.get()
        try:
            reading = meter(pixels, detection)
        finally:
            self._free.put(meter)
        return Person(min(detection.score, reading.mesh.presence), reading)

    def _measure(self, person: Person, track: str, picture: Picture) -> Iterator[Cue | Missing]:
        across = float(person.box[2] - person.box[0])
        if across < self._settings.smallest:
            wanted = f"{across:.0f} pixels wide, less than the {self._settings.smallest:g} needed"
            yield Missing(stream="action_unit", reason=f"face is only {wanted}", track=track)
            return
        mesh = person.reading.mesh
        height, width = picture.pixels.shape[:2]
        beyond = visibility.outside(mesh.points, width, height)
        if beyond.mean() > visibility.PARTIAL:
            reason = f"{beyond.mean():.0%} of the face lies outside of the picture"
            yield Missing(stream="face", reason=reason, track=track)
        hidden = {name for name, away in visibility.hidden(beyond).items() if away}
        bearing = self._bearing(mesh)
        frontal = max(abs(bearing.pose.yaw), abs(bearing.pose.roll)) <= FRONTAL
        yield from self._units(person, track, hidden, frontal)
        for name, value in bearing.pose._asdict().items():
            yield self._degrees(CueKind.HEAD_POSE, name, value, track, person.score)
        yield from self._gaze(person, track, bearing.gaze, hidden)

    def _expressions(
        self, net: ExpressionNet, people: list[Person], tracks: list[Track], picture: Picture
    ) -> dict[str, list[Cue | Missing]]:
        """What the net reads in all faces at once, or why not, by track."""
        height, width = picture.pixels.shape[:2]
        out: dict[str, list[Cue | Missing]] = {}
        crops: list[Pixels] = []
        read: list[tuple[Track, Person]] = []
        for person, track in zip(people, tracks, strict=True):
            mesh = person.reading.mesh
            turned = abs(self._bearing(mesh).pose.yaw) > FARTHEST_YAW
            why = unseen(mesh.points, width, height, self._settings.smallest) or (TURNED if turned else None)
            if why is not None:
                out[track.id] = [Missing(stream=STREAM, reason=why, track=track.id)]
                continue
            crops.append(aligned_crop(picture, track.faces[0], net.size, net.margin))
            read.append((track, person))
        for (track, person), values in zip(read, net(crops) if crops else (), strict=True):
            seen = Expressions(
                track=track.id,
                times=np.zeros(1),
                values={name: values[k : k + 1] for k, name in enumerate(net.names)},
                confidence=np.array([person.score]),
                source=net.source,
            )
            out[track.id] = list(moment_expressions(seen, 0.0, 0.0, np.mean))
        return out

    def _units(self, person: Person, track: str, hidden: set[Region], frontal: bool) -> Iterator[Cue | Missing]:
        """Units by the recipe of FACS on what was measured; then each on its own scale of intensity."""
        shut = bool(visibility.shut(person.reading.blendshapes))
        shapes = zip(BLENDSHAPES, person.reading.blendshapes.tolist(), strict=True)
        units = units_from_blendshapes({name: value for name, value in shapes if name in self._meter.shapes})
        confidence = _round(person.score)
        lids = units.get("AU43")
        lowered = lids is not None and self._meter.spans["AU43"].intensity(lids.value) >= PRESENT
        for code, unit in units.items():
            if code in self._meter.imprecise:
                continue
            if UNITS[code].region in hidden:
                yield Missing(stream=code, reason="this part of the face lies outside of the picture", track=track)
                continue
            if shut and code in GAZE_UNITS:
                yield Missing(stream=code, reason="eyes closed", track=track)
                continue
            span = self._meter.spans[code]
            left, right = (unit.left, unit.right) if frontal else (None, None)
            yield Cue(
                id=f"{track}.{code}",
                kind=CueKind.ACTION_UNIT,
                name=code,
                scale=Scale.INTENSITY,
                value=_round(span.intensity(unit.value)),
                left=None if left is None else _round(span.intensity(left)),
                right=None if right is None else _round(span.intensity(right)),
                raw=_round(unit.value),
                track=track,
                confidence=confidence,
                reliable=code not in self._meter.unreliable and not (lowered and code in BROWS),
                source=self._meter.source,
            )

    def _gaze(self, person: Person, track: str, gaze: Gaze, hidden: set[Region]) -> Iterator[Cue | Missing]:
        if Region.EYES in hidden:
            yield Missing(stream="gaze", reason="the eyes lie outside of the picture", track=track)
        elif visibility.shut(person.reading.blendshapes):
            yield Missing(stream="gaze", reason="eyes closed", track=track)
        elif max(abs(gaze.yaw), abs(gaze.pitch)) > visibility.FARTHEST_GAZE:
            reason = f"eyes not seen clearly: {gaze.yaw:.0f}° and {gaze.pitch:.0f}° is farther than eyes turn"
            yield Missing(stream="gaze", reason=reason, track=track)
        else:
            for name, value in (("gaze_yaw", gaze.yaw), ("gaze_pitch", gaze.pitch)):
                yield self._degrees(CueKind.GAZE, name, value, track, person.score)

    def _degrees(self, kind: CueKind, name: str, value: float, track: str, confidence: float) -> Cue:
        return Cue(
            id=f"{track}.{name}",
            kind=kind,
            name=name,
            scale=Scale.DEGREES,
            value=_round(value, 1),
            track=track,
            confidence=_round(confidence),
            source=self._bearing.source,
        )


_OTHERWISE = frozenset({"AU45", "AU46"})
"""Blink and wink are events in time: a photo cannot show them, and shows closed eyes as AU43."""


def never_measured(meter: FaceMeter) -> Iterator[Missing]:
    """Units with no response in a backend, once for the whole clip."""
    measured = units_from_blendshapes(dict.fromkeys(meter.shapes, 0.0))
    for code, unit in UNITS.items():
        if code in meter.imprecise:
            yield Missing(stream=code, reason=meter.imprecise[code])
        elif code not in measured and unit.region is not Region.HEAD and code not in _OTHERWISE:
            yield Missing(stream=code, reason=f"not measured by {meter.source.backend}")


def choose_meter(name: str) -> str:
    """The backend that ``auto`` stands for here and now; any other name stands for itself."""
    if name != "auto":
        return name
    if assets.available("face-landmarker"):
        return "face-landmarker"
    return "face-landmarker" if _obtained("face-landmarker") else "mesh-head"


@cache
def _obtained(name: str) -> bool:
    """Whether an asset could be fetched; tried once a process."""
    try:
        assets.path(name)
    except AssetError:
        return False
    return True


def open_photo_perception(settings: PerceptionSettings) -> PhotoPerception:
    """The perception of these settings, opened once a process; it may be used from several threads."""
    with _opening:
        return _open(settings)


_opening = threading.Lock()


@cache
def _open(settings: PerceptionSettings) -> PhotoPerception:
    return PhotoPerception(settings)


def _track(id: str, person: Person, prominence: float, scale: float) -> Track:
    """The record of a person, in pixels of the file."""
    left, top, right, bottom = (float(edge) / scale for edge in person.box)
    points = np.round(person.reading.mesh.points[:, :2].astype(np.float64) / scale, 1) + 0.0
    box = Box(x=_round(left, 1), y=_round(top, 1), width=_round(right - left, 1), height=_round(bottom - top, 1))
    roll = float(np.degrees(region_of_points(person.reading.mesh.points).angle))
    # Our own numbers, a thousand of them: checking each would take longer than measuring some.
    face = Face.model_construct(
        time=0.0,
        box=box,
        confidence=_round(person.score),
        landmarks=tuple(map(tuple, points.tolist())),
        roll=_round(roll, 2),
    )
    return Track(id=id, faces=(face,), prominence=_round(prominence))


def _prominence(people: list[Person], pixels: Pixels) -> Array:
    """Shares (n,) that sum to 1: area of the face × nearness to the picture's centre × confidence."""
    if not people:
        return np.zeros(0, np.float32)
    boxes = np.array([person.box for person in people])
    centre = np.array(pixels.shape[1::-1]) / 2
    away = np.linalg.norm(((boxes[:, :2] + boxes[:, 2:]) / 2 - centre) / centre, axis=1) / np.sqrt(2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    weight = area * (1 - 0.5 * np.clip(away, 0, 1)) * [person.score for person in people]
    return weight / weight.sum()


def _round(value: float, digits: int = 3) -> float:
    """Rounds to what the measurement is worth; −0.0 becomes 0.0."""
    return round(float(value), digits) + 0.0
