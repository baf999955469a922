from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emollm.errors import ConfigError
from emollm.media.images import Picture
from emollm.report.overlay import draw_overlay, write_overlay
from emollm.types import Answer, AnswerProvenance, Box, Cue, CueKind, Face, MediaInfo, Observation, Scale, Source, Track


def picture(width: int, height: int, scale: float = 1.0) -> Picture:
    info = MediaInfo(kind="image", width=round(width / scale), height=round(height / scale))
    return Picture(np.full((height, width, 3), 90, np.uint8), info, scale)


def records(*boxes: tuple[float, float, float, float], mesh: bool = True) -> tuple[Observation, Answer]:
    tracks = []
    for i, (x, y, width, height) in enumerate(boxes, start=1):
        points = tuple((x + width * (k % 22) / 22, y + height * (k // 22) / 22) for k in range(478)) if mesh else ()
        face = Face(box=Box(x=x, y=y, width=width, height=height), confidence=0.9, landmarks=points)
        tracks.append(Track(id=f"p{i}", faces=(face,), prominence=1 / len(boxes)))
    source = Source(backend="mesh-head", version="1", licence="Apache-2.0")
    cues = tuple(
        Cue(
            id=f"{track.id}.{name}",
            kind=CueKind.ACTION_UNIT if name.startswith("AU") else CueKind.HEAD_POSE,
            name=name,
            scale=Scale.INTENSITY if name.startswith("AU") else Scale.DEGREES,
            value=value,
            track=track.id,
            source=source,
        )
        for track in tracks
        for name, value in (("AU12", 0.8), ("AU06", 0.4), ("yaw", 10.0), ("pitch", 0.0), ("roll", 0.0))
    )
    seen = Observation(id="a", media=MediaInfo(kind="image"), tracks=tuple(tracks), cues=cues)
    return seen, Answer(
        id="a", track="p1" if tracks else None, status="abstained", provenance=AnswerProvenance(model="reasoner@1")
    )


def changed(image: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(image).astype(int) - 90).max(axis=2) > 20


@pytest.mark.parametrize(("name", "format"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG")])
def test_the_suffix_chooses_the_format(tmp_path: Path, name: str, format: str) -> None:
    write_overlay(tmp_path / name, *records((40, 30, 60, 70)), picture(200, 160))
    with Image.open(tmp_path / name) as image:
        assert image.format == format
        assert image.size == (200, 160)


def test_another_suffix_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"a\.gif: expected a file name that ends in \.png, \.jpg, \.jpeg, got '\.gif'"
    ):
        write_overlay(tmp_path / "a.gif", *records((40, 30, 60, 70)), picture(200, 160))
    assert list(tmp_path.iterdir()) == []


def test_the_box_is_drawn_where_the_reduced_picture_has_the_face() -> None:
    seen, said = records((400, 300, 600, 700), mesh=False)
    mask = changed(draw_overlay(seen, said, picture(200, 160, scale=0.1)))
    assert mask[30:100, 38:43].any()
    assert mask[30:100, 98:103].any()
    assert not mask[:, :30].any()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 5), (1, 400), (5000, 3)])
def test_tiny_and_narrow_pictures_keep_their_size(width: int, height: int) -> None:
    image = draw_overlay(*records((0, 0, width, height), (-5, -5, 900, 2)), picture(width, height))
    assert image.size == (width, height)


def test_a_large_picture_has_visible_lines_and_letters() -> None:
    image = draw_overlay(*records((1000, 700, 800, 900)), picture(4000, 3000))
    mask = changed(image)
    assert mask[700:1600, 990:1010].sum() > 900 * 5
    assert mask[1620:1700].any()


def test_without_faces_the_photo_stays_as_it_is() -> None:
    assert not changed(draw_overlay(*records(), picture(60, 40))).any()


def test_text_does_not_cover_another_face_where_there_is_room() -> None:
    seen, said = records((100, 100, 100, 100), (100, 215, 100, 100), mesh=False)
    mask = changed(draw_overlay(seen, said, picture(600, 600)))
    # The axes of the head alone; a text box would fill most of it.
    assert mask[225:305, 110:190].mean() < 0.1


def test_faces_wholly_outside_do_no_harm() -> None:
    image = draw_overlay(*records((-500, -500, 20, 20), (9000, 9000, 50, 50)), picture(300, 200))
    assert image.size == (300, 200)
