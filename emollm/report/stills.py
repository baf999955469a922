"""The pictures of a page: a photo, or the frames of a clip at the moments that matter, with what is drawn over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from emollm.report import figures
from emollm.report.pictures import around, crop_uri, picture_uri
from emollm.report.timeline import Marker, markers
from emollm.report.views import Page, PersonView
from emollm.types import Face, Track

if TYPE_CHECKING:
    from emollm.media.images import Picture

PHOTO_SIDE = 1400
"""Longest side of the embedded picture in pixels."""

_OTHERS_SIDE = 800
_CLOSEUP_SIDE = 420
_MOMENT_SIDE = 240
_THUMB_SIDE = 96


class Photo(NamedTuple):
    """The picture of a page, with its size in pixels of the original file."""

    uri: str
    width: float
    height: float


class Closeup(NamedTuple):
    """A face cut out of the picture, in pixels of the original file."""

    uri: str
    view: str
    x: float
    y: float
    width: float
    height: float


class FaceView(NamedTuple):
    """What is drawn of one face; the box in percent of the picture, paths in pixels of the original file."""

    track: str
    word: str
    left: float
    top: float
    width: float
    height: float
    outlines: tuple[str, ...]
    regions: tuple[tuple[str, str, bool], ...]
    axes: tuple[tuple[str, str], ...]
    gaze: tuple[str, ...]
    closeup: Closeup
    thumb: str | None

    @property
    def label(self) -> str:
        return f"{self.track}: {self.word}" if self.word else self.track


class MomentView(NamedTuple):
    """A peak of a face, with its close-up where its frame is at hand."""

    marker: Marker
    units: tuple[str, ...]
    note: str
    outlines: tuple[str, ...]
    closeup: Closeup | None


class PersonPictures(NamedTuple):
    """The pictures of one person."""

    photo: Photo | None
    """The main one; None where it is somebody else's, or where its frame is not at hand."""
    face: FaceView | None
    main: Marker | None
    """Of which moment the main picture is; None in a photo."""
    moments: tuple[MomentView, ...] = ()


def of_photo(page: Page, people: Sequence[PersonView], picture: Picture) -> dict[str, PersonPictures]:
    """A photo with everybody's face, by ``PersonView.key``; the photo itself stands with the first person."""
    photo = _photo(picture, PHOTO_SIDE)
    pictures = {}
    for place, person in enumerate(people):
        track = page.track(person.track)
        face = _face(person, track.faces[0], picture, photo, thumb=len(people) > 1) if track is not None else None
        pictures[person.key] = PersonPictures(photo if place == 0 else None, face, None)
    return pictures


def of_clip(
    page: Page, people: Sequence[PersonView], frames: Mapping[float, Picture], duration: float
) -> dict[str, PersonPictures]:
    """The frames at the peaks of everybody's face, by ``PersonView.key``.

    Args:
        page: The records.
        people: In the order of the page; the first one's picture is the largest.
        frames: By the time of the peak; a peak without its frame is listed without a picture.
        duration: Of the clip, in seconds.
    """
    pictures = {}
    for place, person in enumerate(people):
        track = page.track(person.track)
        if track is None:
            continue
        row = markers(track, duration)
        moments = tuple(_moment(track, marker, frames) for marker in row)
        main = next((marker for marker in row if marker.main), None)
        picture = frames.get(main.at) if main is not None else None
        photo = _photo(picture, _OTHERS_SIDE if place else PHOTO_SIDE) if picture is not None else None
        face = None
        if photo is not None and picture is not None:
            face = _face(person, track.faces[0], picture, photo, thumb=len(people) > 1)
        pictures[person.key] = PersonPictures(photo, face, main, moments)
    return pictures


def _photo(picture: Picture, longest: int) -> Photo:
    height, width = (side / picture.scale for side in picture.pixels.shape[:2])
    return Photo(picture_uri(picture, longest), round(width, 1), round(height, 1))


def _closeup(picture: Picture, face: Face, longest: int) -> Closeup:
    corners = around(picture, face.box)
    x0, y0, x1, y1 = (round(corner / picture.scale, 1) for corner in corners)
    wide, high = round(x1 - x0, 1), round(y1 - y0, 1)
    return Closeup(crop_uri(picture, corners, longest), f"{x0} {y0} {wide} {high}", x0, y0, wide, high)


def _moment(track: Track, marker: Marker, frames: Mapping[float, Picture]) -> MomentView:
    place = next(i for i, peak in enumerate(track.peaks) if peak.time == marker.at)
    peak, picture = track.peaks[place], frames.get(marker.at)
    face = track.faces[place] if place < len(track.faces) else None
    seen = picture is not None and face is not None
    return MomentView(
        marker,
        peak.units,
        peak.reason or ("while speaking" if peak.speaking else ""),
        _outlines(face) if seen and face is not None else (),
        _closeup(picture, face, _MOMENT_SIDE) if picture is not None and face is not None else None,
    )


def _outlines(face: Face) -> tuple[str, ...]:
    return tuple(figures.smooth_path(shape.points, shape.closed) for shape in figures.outlines(face))


def _face(person: PersonView, face: Face, picture: Picture, photo: Photo, *, thumb: bool) -> FaceView:
    box = face.box
    left, right = (min(max(x / photo.width, 0.0), 1.0) for x in (box.x, box.x + box.width))
    top, bottom = (min(max(y / photo.height, 0.0), 1.0) for y in (box.y, box.y + box.height))
    pose = {name: cue.value for name, cue in person.pose.items()}
    return FaceView(
        track=person.track or "",
        word=person.label or "",
        left=round(left * 100, 2),
        top=round(top * 100, 2),
        width=round((right - left) * 100, 2),
        height=round((bottom - top) * 100, 2),
        outlines=_outlines(face),
        regions=tuple(
            (shape.name, figures.smooth_path(shape.points, shape.closed), shape.closed)
            for shape in figures.shapes(face)
        ),
        axes=tuple(
            (line.name.removeprefix("axis-"), figures.arrow_path(line))
            for line in figures.head_axes(face, pose.get("yaw"), pose.get("pitch"), pose.get("roll"))
        ),
        gaze=tuple(
            figures.arrow_path(line) for line in figures.gaze_arrows(face, pose.get("gaze_yaw"), pose.get("gaze_pitch"))
        ),
        closeup=_closeup(picture, face, _CLOSEUP_SIDE),
        thumb=crop_uri(picture, around(picture, box), _THUMB_SIDE) if thumb else None,
    )
