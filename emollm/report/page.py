"""Writes an answer beside its evidence as one self-contained HTML page.

The page loads nothing: styles, script, pictures and the records themselves are inside, and its content security policy
forbids any request and any script but its own. Whatever comes from files, transcripts or models is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from emollm.files import replacing
from emollm.report import figures
from emollm.report.pictures import around, crop_uri, picture_uri
from emollm.report.views import Page, PersonView
from emollm.types import Answer, Face, Observation

if TYPE_CHECKING:
    from jinja2 import Environment

    from emollm.media.images import Picture

PHOTO_SIDE = 1400
"""Longest side of the embedded picture in pixels."""

_CLOSEUP_SIDE = 420
_THUMB_SIDE = 96
_LARGE_FACE = 0.3
"""Share of the picture's width from which a face is large enough to be shown without a close-up."""

WORDS: Mapping[str, str] = {
    "": "",
    "absent": "barely visible",
    "slight": "slight",
    "moderate": "moderate",
    "strong": "strong",
}
"""How a page says the strengths of ``facs.Strength``."""


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


class IndexRow(NamedTuple):
    """One report in the overview of a folder."""

    answer: Answer
    report: Path
    thumbnail: str | None
    """A data URI."""


def write_report(path: Path, observation: Observation, answer: Answer, picture: Picture | None = None) -> None:
    """Writes the page of one clip.

    Args:
        path: The ``.html`` file; it is replaced as a whole or not at all.
        observation: What was measured.
        answer: What is said about it.
        picture: The photo, or the frame to show; without it the page has text and bars only.

    Raises:
        EmollmError: The file cannot be written.
    """
    page = render(observation, answer, picture)
    with replacing(path, "w") as file:
        file.write(page)


def render(observation: Observation, answer: Answer, picture: Picture | None = None) -> str:
    """The page of one clip as HTML text; see :func:`write_report`."""
    page = Page(observation, answer)
    people = page.people()
    photo, faces = _photo(page, people, picture) if picture is not None else (None, {})
    script = files("emollm.report").joinpath("page.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("page.html")
        .render(
            answer=answer,
            name=_file_name(answer.id),
            people=people,
            several=len(people) > 1,
            faceless=not observation.tracks and any(gap.stream == "face" for gap in observation.missing),
            shared=page.shared_cues(),
            photo=photo,
            faces=faces,
            axes_on=len(people) == 1,
            layout=_layout(photo, faces),
            words=WORDS,
            provenance=_provenance(observation, answer),
            data=_data(observation, answer),
            script=_markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        )
    )


def _layout(photo: Photo | None, faces: Mapping[str, FaceView]) -> str:
    """Classes of the page: where the picture stands, whether there are several people, whether the face is large."""
    tall = photo is not None and photo.width <= 1.25 * photo.height
    large = len(faces) == 1 and next(iter(faces.values())).width > 100 * _LARGE_FACE
    names = (
        "beside" if tall and len(faces) == 1 else "above",
        "several" if len(faces) > 1 else "",
        "large-face" if large else "",
    )
    return " ".join(filter(None, names))


def index_row(answer: Answer, report: Path, picture: Picture | None = None) -> IndexRow:
    """A row of :func:`write_index`; keeps a thumbnail of the picture, not the picture."""
    return IndexRow(answer, report, picture_uri(picture, 320) if picture is not None else None)


def write_index(path: Path, rows: Iterable[IndexRow]) -> None:
    """Writes an overview of many reports: thumbnail, label and link of each.

    Args:
        path: The ``.html`` file; links are relative to its folder.
        rows: In the order of the page.

    Raises:
        EmollmError: The file cannot be written.
    """
    import os
    from urllib.parse import quote

    cards = [
        {
            "href": quote(os.fsencode(Path(os.path.relpath(row.report, path.parent)).as_posix())),
            "name": _file_name(row.answer.id),
            "answer": row.answer,
            "thumbnail": row.thumbnail,
            "word": _strength_word(row.answer),
        }
        for row in rows
    ]
    page = _environment().get_template("index.html").render(cards=cards)
    with replacing(path, "w") as file:
        file.write(page)


def _strength_word(answer: Answer) -> str:
    from emollm.facs import strength

    if answer.intensity is None or answer.label == "neutral":
        return ""
    return WORDS[strength(answer.intensity).name.lower()]


def _photo(page: Page, people: Iterable[PersonView], picture: Picture) -> tuple[Photo, dict[str, FaceView]]:
    height, width = (side / picture.scale for side in picture.pixels.shape[:2])
    photo = Photo(picture_uri(picture, PHOTO_SIDE), round(width, 1), round(height, 1))
    people = tuple(people)
    faces = {}
    for person in people:
        track = page.track(person.track)
        if track is not None:
            faces[person.key] = _face(person, track.faces[0], picture, photo, thumb=len(people) > 1)
    return photo, faces


def _face(person: PersonView, face: Face, picture: Picture, photo: Photo, *, thumb: bool) -> FaceView:
    box = face.box
    left, right = (min(max(x / photo.width, 0.0), 1.0) for x in (box.x, box.x + box.width))
    top, bottom = (min(max(y / photo.height, 0.0), 1.0) for y in (box.y, box.y + box.height))
    corners = around(picture, box)
    pose = {name: cue.value for name, cue in person.pose.items()}
    x0, y0, x1, y1 = (round(corner / picture.scale, 1) for corner in corners)
    wide, high = round(x1 - x0, 1), round(y1 - y0, 1)
    return FaceView(
        track=person.track or "",
        word=person.label or "",
        left=round(left * 100, 2),
        top=round(top * 100, 2),
        width=round((right - left) * 100, 2),
        height=round((bottom - top) * 100, 2),
        outlines=tuple(figures.smooth_path(shape.points, shape.closed) for shape in figures.outlines(face)),
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
        closeup=Closeup(crop_uri(picture, corners, _CLOSEUP_SIDE), f"{x0} {y0} {wide} {high}", x0, y0, wide, high),
        thumb=crop_uri(picture, corners, _THUMB_SIDE) if thumb else None,
    )


def _provenance(observation: Observation, answer: Answer) -> list[tuple[str, str]]:
    origin, media = answer.provenance, observation.media
    size = f"{media.width} × {media.height} pixels" if media.width and media.height else ""
    length = f"{media.duration:.1f} s" if media.duration is not None else ""
    sources = {str(cue.source): cue.source.licence for cue in observation.cues}
    measured = sources or dict.fromkeys(origin.cues, "")
    versions = {**observation.versions, **origin.versions}
    rows = [
        ("File", answer.id),
        ("Media", ", ".join(filter(None, (media.kind, size, length, media.note)))),
        ("Answer by", origin.model),
        ("Prompt", origin.prompt or ""),
        ("Label set", answer.label_set or ""),
        ("Measured by", ", ".join(f"{name} ({licence})" if licence else name for name, licence in measured.items())),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return [(name, value) for name, value in rows if value]


def _file_name(id: str) -> str:
    return id.replace("\\", "/").rstrip("/").rpartition("/")[2] or id


def _data(observation: Observation, answer: Answer) -> Any:
    """Both records as JSON that cannot end its script element or be read as markup."""
    text = json.dumps(
        {"answer": answer.model_dump(mode="json"), "observation": observation.model_dump(mode="json")},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _markup(text)


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def load(name: str) -> str:
        return files("emollm.report").joinpath(name).read_text(encoding="utf-8")

    return Environment(
        loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
