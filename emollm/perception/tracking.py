"""People followed through the frames of a video: who is where, without measuring anything but meshes.

Faces are found on key frames and followed by the mesh in between: the points of one frame tell where to look in the next.
A person who is lost (turned away, covered, out of the picture) keeps the identity for whoever appears near that place soon,
or looks alike later; after a cut only likeness counts.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol

import cv2
import numpy as np
from pydantic import Field

from emollm.config import Settings
from emollm.media.planes import Planes
from emollm.perception.blazeface import Detection
from emollm.perception.faces import same_face
from emollm.perception.geometry import Image, Region, crop, to_image
from emollm.perception.litert import Array
from emollm.perception.mesh import (
    FACE_MARGIN,
    FACE_POINTS,
    Mesh,
    expected_region,
    nearly_same,
    region_of_detection,
    region_of_points,
)
from emollm.perception.watching import Watcher


class Find(Protocol):
    """Detections of the faces of a frame."""

    def __call__(self, picture: Image, *, far: bool) -> list[Detection]:
        """All of them, or only those that are not far away."""
        ...


class TrackingSettings(Settings):
    """How people are followed through a video."""

    action_units: str = "mesh-head"
    """Backend of action units: ``mesh-head`` (our distilled head), ``face-landmarker`` (the exact bundle, about half as
    fast), or ``auto``: the bundle where it is at hand. docs/perception.md has the comparison."""
    key_frames: Annotated[float, Field(gt=0)] = 1.0
    """Seconds between searches for further faces while everybody known is in sight."""
    search: Annotated[float, Field(gt=0)] = 0.2
    """Seconds between searches while nobody, or not everybody, is in sight."""
    still: Annotated[float, Field(ge=0)] = 3.0
    """Mean change of grey levels (0 to 255) below which a face is taken to be as it was, for one frame; 0: never."""
    memory: Annotated[float, Field(ge=0)] = 3.0
    """Seconds for which the place of a lost person is remembered."""
    shortest: Annotated[float, Field(ge=0)] = 0.3
    """Seconds in sight from which on somebody counts, in a clip of at least twice that length."""


# Thresholds of likeness, by faces of 65 people and of one woman over 20 seconds: two persons are alike by .41 in the median and
# by .84 in one pair of a hundred, one person after one to three seconds by .95 and hardly ever below .88.
_ALIKE = 0.85
"""Likeness from which on somebody who appears anywhere is taken for a lost person."""
_UNLIKE = 0.5
"""Likeness below which somebody at the place of a lost person is another one."""
_CUT = 40.0
"""Mean change of grey levels (0 to 255) from one frame to the next that makes a cut."""
_LIKENESS_SIDE, _LIKENESS_REACH = 16, 1.6
"""Pixels a side of what is compared, and its width in widths of the face: hair and collar tell people apart too."""
_FAR_EVERY = 3
"""Key frames from one search for small faces to the next, while nobody is missed."""
_VIEW = 32
_GRID = 24
"""Points a side at which frames are compared."""


class Sighting(NamedTuple):
    """One person in one frame."""

    person: int
    """Number of the person in order of appearance."""
    look: Mesh


@dataclass
class _Person:
    number: int
    look: Mesh
    seen: float
    likeness: Array
    view: Array
    """(32, 32) what the look saw, coarsely, in grey."""
    held: bool = False
    """Whether the look is that of the frame before."""
    placed: bool = True
    """Whether the place counts: not after a cut."""

    @property
    def box(self) -> Array:
        return box_of(self.look)


class Tracker:
    """Follows everybody in the frames it is given, in order.

    Args:
        watcher: Looks at faces.
        find: Detections of the faces of a frame; small ones are asked for on every third key frame, and while somebody is lost.
        presence: Least probability of a look that it shows a face.
        most: At most so many people at a time.
        settings: Times.
    """

    def __init__(
        self,
        watcher: Watcher,
        find: Find,
        presence: float,
        most: int,
        settings: TrackingSettings,
    ) -> None:
        self._watcher, self._find = watcher, find
        self._presence, self._most, self._settings = presence, most, settings
        self._active: list[_Person] = []
        self._lost: list[_Person] = []
        self._count = 0
        self._next_search = -1.0
        self._searches = 0
        self._quiet_since = 0.0
        self._grid: Array | None = None
        self.cuts = 0
        """Cuts so far."""

    def __call__(self, time: float, pixels: Image) -> list[Sighting]:
        """Everybody seen in the next frame, RGB or planes, at a time in seconds."""
        if self._is_cut(pixels):
            self.cuts += 1
            for person in self._active:
                person.placed = False
                self._lose(person)
            self._active = []
            self._next_search = time
        self._follow(time, pixels)
        if time >= self._next_search:
            self._search(time, pixels)
            self._next_search = time + self._pause(time)
        return [Sighting(person.number, person.look) for person in self._active]

    def _follow(self, time: float, pixels: Image) -> None:
        """Looks at everybody where they were a frame ago."""
        still: list[_Person] = []
        for person in self._active:
            if self._holds(person, pixels):
                person.seen = time
                still.append(person)
                continue
            look = self._watcher.look(pixels, region_of_points(person.look.points))
            doubled = any(same_face(box_of(look), other.box) for other in still)
            if look.presence < self._presence or doubled:
                self._lose(person)
                self._next_search = min(self._next_search, time)
            else:
                person.look, person.seen, person.view = look, time, view_of(pixels, look.region)
                still.append(person)
        self._active = still

    def _lose(self, person: _Person) -> None:
        """Remembers somebody without the picture of the last look: in hours of cuts there may be thousands."""
        person.look = person.look._replace(seen=None, features=None)
        self._lost.append(person)

    def _holds(self, person: _Person, pixels: Image) -> bool:
        """Whether a face is as it was in the frame before: it is then not looked at, at most once in a row."""
        if person.held or not self._settings.still:
            person.held = False
            return False
        change = float(np.abs(view_of(pixels, person.look.region) - person.view).mean())
        person.held = change < self._settings.still
        return person.held

    def _search(self, time: float, pixels: Image) -> None:
        """Finds those who are not followed, known ones or new ones."""
        self._searches += 1
        far = self._searches % _FAR_EVERY == 1 or not self._active or bool(self._missed(time))
        for detection in self._find(pixels, far=far):
            if len(self._active) >= self._most:
                break
            if any(same_face(detection.box, person.box) for person in self._active):
                continue
            look = self._first_look(pixels, detection)
            box = box_of(look)
            if look.presence < self._presence or any(same_face(box, person.box) for person in self._active):
                continue
            seen = likeness_of(pixels, look)
            person = self._known(time, box, seen)
            if person is None:
                self._count += 1
                person = _Person(self._count, look, time, seen, view_of(pixels, look.region))
            person.look, person.seen, person.likeness, person.placed = look, time, seen, True
            person.view, person.held = view_of(pixels, look.region), False
            self._active.append(person)
        for person in self._active:
            if person.seen == time:
                person.likeness = likeness_of(pixels, person.look)

    def _first_look(self, pixels: Image, detection: Detection) -> Mesh:
        region = expected_region(region_of_detection(detection.box, detection.points))
        look = self._watcher.look(pixels, region)
        better = region_of_points(look.points)
        return look if nearly_same(region, better) else self._watcher.look(pixels, better)

    def _known(self, time: float, box: Array, seen: Array) -> _Person | None:
        """The lost person that a face is taken for; no longer lost then."""
        best, found = 0.0, None
        for person in self._lost:
            alike = float(seen @ person.likeness)
            gap = time - person.seen
            near = person.placed and gap <= self._settings.memory and _near(person.box, box, gap)
            score = alike + near
            if alike >= (_UNLIKE if near else _ALIKE) and score > best:
                best, found = score, person
        if found is not None:
            self._lost.remove(found)
        return found

    def _pause(self, time: float) -> float:
        """Seconds until the next search: short while somebody was lost lately, longer the longer nobody is there."""
        settings = self._settings
        if self._active:
            self._quiet_since = time
            return settings.search if self._missed(time) else settings.key_frames
        return settings.search if time - self._quiet_since < 5 * settings.key_frames else settings.key_frames / 2

    def _missed(self, time: float) -> list[_Person]:
        """Those who were lost lately."""
        return [one for one in self._lost if one.placed and time - one.seen <= self._settings.memory]

    def _is_cut(self, pixels: Image) -> bool:
        """Whether the frame shows something else than the one before."""
        height, width = pixels.shape[:2]
        plane = pixels.y if isinstance(pixels, Planes) else pixels[..., 1]
        grid = plane[:: max(height // _GRID, 1), :: max(width // _GRID, 1)].astype(np.float32)
        before, self._grid = self._grid, grid
        if before is None or before.shape != grid.shape:
            return before is not None
        return float(np.abs(grid - before).mean()) > _CUT


def box_of(look: Mesh) -> Array:
    """(4,) left, top, right, bottom of a mesh in pixels of its frame."""
    points = look.points[:FACE_POINTS, :2]
    return np.concatenate([points.min(0), points.max(0)])


def view_of(picture: Image, region: Region) -> Array:
    """(32, 32) a region coarsely, in grey levels, sampled without a filter: it is compared with itself only."""
    plane = picture.y if isinstance(picture, Planes) else picture[..., 1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    grey = cv2.warpAffine(plane, to_image(region, _VIEW), (_VIEW, _VIEW), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return grey.astype(np.float32)


def likeness_of(pixels: Image, look: Mesh) -> Array:
    """What a head looks like, coarsely: upright, small, in colours: a unit vector (768,)."""
    region, side = region_of_points(look.points), _LIKENESS_SIDE
    head = Region(region.x, region.y, region.side / FACE_MARGIN * _LIKENESS_REACH, region.angle)
    patch = cv2.resize(crop(pixels, head, 4 * side), (side, side), interpolation=cv2.INTER_AREA)
    colours = patch.astype(np.float32).ravel() - 128
    return colours / max(float(np.linalg.norm(colours)), 1e-6)


def _near(before: Array, now: Array, gap: float) -> bool:
    """Whether a box may be another one ``gap`` seconds later: within 0.8 sides and one more a second, of similar size."""
    sizes = [float((box[2:] - box[:2]).max()) for box in (before, now)]
    away = float(np.linalg.norm((before[:2] + before[2:]) / 2 - (now[:2] + now[2:]) / 2))
    return away < (0.8 + gap) * max(sizes) and max(sizes) < 2 * min(sizes)
