"""Writes an answer beside its evidence as one self-contained HTML page.

The page loads nothing: styles, script, pictures and the records themselves are inside, and its content security policy
forbids any request and any script but its own. Whatever comes from files, transcripts or models is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from emollm.files import replacing
from emollm.report.axis import exact, length
from emollm.report.captions import phrases
from emollm.report.media import Player, player
from emollm.report.pictures import picture_uri
from emollm.report.settings import ReportSettings
from emollm.report.stills import FaceView, PersonPictures, Photo, of_clip, of_photo
from emollm.report.timeline import TimelineView, duration_of, table, timeline
from emollm.report.views import Page, PersonView
from emollm.types import Answer, MediaInfo, Observation

if TYPE_CHECKING:
    from jinja2 import Environment

    from emollm.media.images import Picture
    from emollm.report.heatmap_view import HeatView
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


class IndexRow(NamedTuple):
    """One report in the overview of a folder."""

    answer: Answer
    report: Path
    thumbnail: str | None
    """A data URI."""
    kind: str = ""
    duration: str = ""


def write_report(
    path: Path,
    observation: Observation,
    answer: Answer,
    picture: Picture | None = None,
    *,
    frames: Mapping[float, Picture] | None = None,
    media: Path | None = None,
    settings: ReportSettings | None = None,
    heat: Mapping[str, HeatView] | None = None,
) -> None:
    """Writes the page of one clip.

    Args:
        path: The ``.html`` file; it is replaced as a whole or not at all.
        observation: What was measured.
        answer: What is said about it.
        picture: The photo; of a clip the frame at the main peak of the person the answer is for, if not in ``frames``.
        frames: Frames of a clip by the times of the peaks (:func:`emollm.report.media.apex_frames`). Without pictures
            the page has texts, bars and curves only.
        media: The video or sound file, to be played in the page.
        settings: How large an embedded clip may be.
        heat: Where a face net looked, by track.

    Raises:
        MediaError: ``media`` cannot be opened.
        EmollmError: The file cannot be written.
    """
    page = render(observation, answer, picture, frames=frames, media=media, settings=settings, heat=heat)
    with replacing(path, "w") as file:
        file.write(page)


def render(
    observation: Observation,
    answer: Answer,
    picture: Picture | None = None,
    *,
    frames: Mapping[float, Picture] | None = None,
    media: Path | Player | None = None,
    settings: ReportSettings | None = None,
    heat: Mapping[str, HeatView] | None = None,
) -> str:
    """The page of one clip as HTML text; see :func:`write_report`. ``media`` may be prepared already, as a page that is drawn often needs."""
    page = Page(observation, answer)
    people = page.people()
    timelines = _timelines(page, people)
    clip = bool(timelines) or media is not None
    pictures = _pictures(page, people, picture, frames or {})
    photo = next((each.photo for each in pictures.values() if each.photo is not None), None)
    faces = {key: each.face for key, each in pictures.items() if each.face is not None}
    embedded = player(media, settings) if isinstance(media, Path) else media
    plays = embedded is not None and embedded.uri is not None
    rows, total = table(observation, page.claimed, page.keys)
    script = _scripts("page.js", *(("timeline.js",) if clip else ()))
    return (
        environment()
        .get_template("page.html")
        .render(
            answer=answer,
            name=_file_name(answer.id),
            people=people,
            several=len(people) > 1,
            faceless=_is_faceless(observation),
            shared=page.shared_cues(),
            clip=clip,
            player=embedded,
            plays=plays,
            width=observation.media.width,
            height=observation.media.height,
            timelines=timelines,
            pictures=pictures,
            photo=photo,
            faces=faces,
            heat=heat or {},
            transcript=phrases(observation, page.keys),
            events=rows,
            events_total=total,
            axes_on=clip or len(people) == 1,
            layout=_clip_layout(photo, plays) if clip else _layout(photo, faces),
            words=WORDS,
            provenance=_provenance(observation, answer),
            data=_data(observation, answer),
            script=_markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        )
    )


def _timelines(page: Page, people: Sequence[PersonView]) -> dict[str, TimelineView]:
    found = {person.key: timeline(page.observation, person.track, page.claimed, page.keys) for person in people}
    return {key: view for key, view in found.items() if view is not None}


def _pictures(
    page: Page, people: Sequence[PersonView], picture: Picture | None, frames: Mapping[float, Picture]
) -> dict[str, PersonPictures]:
    """The pictures of each person, by ``PersonView.key``; all keys are there."""
    pictures = dict.fromkeys((person.key for person in people), PersonPictures(None, None, None))
    if any(track.peaks for track in page.observation.tracks):
        main = page.track(people[0].track)
        if picture is not None and main is not None and main.peaks:
            frames = {main.peaks[0].time: picture, **frames}
        return pictures | of_clip(page, people, frames, duration_of(page.observation))
    return pictures | (of_photo(page, people, picture) if picture is not None else {})


def _is_faceless(observation: Observation) -> bool:
    """Whether there is nothing to speak of since no face was found; a clip may still have a voice."""
    if observation.tracks or observation.media.kind == "audio":
        return False
    measured = observation.media.kind == "video" and observation.cues
    return not measured and any(gap.stream == "face" for gap in observation.missing)


def _scripts(*names: str) -> str:
    return "".join(files("emollm.report").joinpath(name).read_text(encoding="utf-8") for name in names)


def _clip_layout(photo: Photo | None, plays: bool) -> str:
    tall = photo is not None and photo.width <= photo.height
    return " ".join(filter(None, ("clip", "plays" if plays else "", "tall" if tall else "")))


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


def index_row(answer: Answer, report: Path, picture: Picture | None = None, media: MediaInfo | None = None) -> IndexRow:
    """A row of :func:`write_index`; keeps a thumbnail of the picture, not the picture.

    Args:
        answer: What is said about the clip.
        report: Its page.
        picture: The photo; of a clip the frame at its main peak.
        media: What the file says of itself, for its kind and duration.
    """
    return IndexRow(
        answer,
        report,
        picture_uri(picture, 320) if picture is not None else None,
        media.kind if media is not None else "",
        length(media.duration) if media is not None and media.duration is not None else "",
    )


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
            "kind": row.kind,
            "duration": row.duration,
            "word": _strength_word(row.answer),
        }
        for row in rows
    ]
    page = environment().get_template("index.html").render(cards=cards)
    with replacing(path, "w") as file:
        file.write(page)


def _strength_word(answer: Answer) -> str:
    from emollm.facs import strength

    if answer.intensity is None or answer.label == "neutral":
        return ""
    return WORDS[strength(answer.intensity).name.lower()]


def _provenance(observation: Observation, answer: Answer) -> list[tuple[str, str]]:
    origin, media = answer.provenance, observation.media
    size = f"{media.width} × {media.height} pixels" if media.width and media.height else ""
    lasts = exact(media.duration) if media.duration is not None else ""
    sources = {str(cue.source): cue.source.licence for cue in observation.cues}
    measured = sources or dict.fromkeys(origin.cues, "")
    versions = {**observation.versions, **origin.versions}
    rows = [
        ("File", answer.id),
        ("Media", ", ".join(filter(None, (media.kind, size, lasts, media.note)))),
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
def environment() -> Environment:
    """Renders the templates of this folder; everything that is filled in is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def load(name: str) -> str:
        return files("emollm.report").joinpath(name).read_text(encoding="utf-8")

    return Environment(
        loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
