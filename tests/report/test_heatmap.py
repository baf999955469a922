"""Heat maps where they belong on a picture, and what is said beside them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from emollm import encoders
from emollm.cli.heatmaps import heat_sheet
from emollm.encoders.predict import predict
from emollm.errors import ConfigError, ModelError
from emollm.media.images import Picture
from emollm.perception.crops import aligned_crop, crop_region
from emollm.perception.geometry import Region
from emollm.report.heatmap import (
    DISCLAIMER,
    Legend,
    Mapped,
    colours,
    draw_activations,
    draw_heatmaps,
    on_picture,
    tinted,
    words,
    write_heatmap,
)
from emollm.report.heatmap_faces import FaceHeat, Heatmaps, HeatmapSettings, Unmapped
from emollm.report.heatmap_view import view
from emollm.report.page import render
from emollm.types import Answer, AnswerProvenance, Box, Clip, CueKind, Face, MediaInfo, Observation, Track


@pytest.fixture(scope="module")
def maps() -> Heatmaps:
    """The shipped net."""
    return Heatmaps(HeatmapSettings())


@pytest.fixture(scope="module")
def heat(maps: Heatmaps, astronaut_observation: Observation, astronaut_picture: Picture) -> FaceHeat:
    """Where it looks in the astronaut's face."""
    (found,) = maps(astronaut_observation, astronaut_picture)
    assert isinstance(found, FaceHeat)
    return found


# ---- geometry -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 3), (3, 2)])
def test_a_cell_lies_where_its_part_of_the_region_is(angle: float, row: int, column: int) -> None:
    cells = np.zeros((4, 4), np.float32)
    cells[row, column] = 1
    region = Region(210.0, 190.0, 160.0, angle)
    laid = on_picture(cells, region, (400, 420, 3))
    assert laid.shape == (400, 420)
    assert 0 <= laid.min() <= laid.max() <= 1
    y, x = np.unravel_index(int(cv2.GaussianBlur(laid, (0, 0), 4).argmax()), laid.shape)
    right, down = ((column + 0.5) / 4 - 0.5) * 160, ((row + 0.5) / 4 - 0.5) * 160
    middle = (
        210 + right * np.cos(angle) - down * np.sin(angle),
        190 + right * np.sin(angle) + down * np.cos(angle),
    )
    # A cell is 40 pixels wide; at the edge of the map it is flat to the edge, so that its middle is not its peak.
    assert np.hypot(x - middle[0], y - middle[1]) < 21


def test_a_map_laid_on_a_photo_is_cut_out_again_by_the_aligner() -> None:
    cells = np.random.default_rng(0).random((6, 6), np.float32)
    face = Face(box=Box(x=120, y=90, width=140, height=150), confidence=0.9, roll=17.0)
    region = crop_region(1.0, face, 0.1)
    laid = on_picture(cells, region, (360, 400))
    picture = Picture(np.repeat((laid * 255).astype(np.uint8)[..., None], 3, 2), MediaInfo(kind="image"), 1.0)
    again = aligned_crop(picture, face, 96, 0.1)[..., 0] / 255
    wanted = cv2.resize(cells, (96, 96), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    assert np.abs(again - wanted)[4:-4, 4:-4].max() < 0.06


def test_nothing_is_tinted_outside_of_the_region_and_the_picture_shows_through() -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    where = np.zeros((40, 60), np.float32)
    where[10:20, 10:20] = 1
    high = tinted(pixels, np.ones((40, 60), np.float32), where)
    assert (high[where == 0] == 200).all()
    assert np.abs(high[15, 15].astype(int) - (253, 231, 37)).max() < 60  # the bright end of Viridis
    low = tinted(pixels, np.zeros((40, 60), np.float32), where)
    assert np.abs(low[15, 15].astype(int) - 200).max() < 30


def test_colours_get_lighter_step_by_step() -> None:
    luma = colours(np.linspace(0, 1, 64, dtype=np.float32)[None])[0] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luma) > -1).all()
    assert luma[-1] - luma[0] > 150


# ---- people ---------------------------------------------------------------------------------------------------------


def test_class_and_probability_are_those_of_the_net(
    heat: FaceHeat, astronaut_observation: Observation, astronaut_picture: Picture
) -> None:
    trained = encoders.load("face-mt")
    margin = trained.config.net.margin
    crop = aligned_crop(astronaut_picture, astronaut_observation.tracks[0].faces[0], trained.net.size, margin)
    chances = predict(trained, crop[None]).expression[0]
    assert np.array_equal(heat.crop, crop)
    assert heat.label == heat.top[0] == trained.net.config.labels[int(chances.argmax())]
    assert heat.probability == pytest.approx(float(chances.max()), abs=1e-6)
    assert words(heat) == [f"p1  {heat.label} {heat.probability:.2f}"]


def test_another_class_is_named_beside_the_likeliest(
    astronaut_observation: Observation, astronaut_picture: Picture
) -> None:
    (found,) = Heatmaps(HeatmapSettings(label="sadness"))(astronaut_observation, astronaut_picture)
    assert isinstance(found, FaceHeat)
    assert found.label == "sadness"
    assert found.probability < found.top[1]
    assert words(found)[1] == f"likeliest: {found.top[0]} {found.top[1]:.2f}"


def test_an_empty_map_is_said_to_be_empty(heat: FaceHeat) -> None:
    empty = heat._replace(cells=np.zeros_like(heat.cells), blank=True)
    assert words(empty)[-1] == f"nothing in {heat.layer} speaks for it: an empty map"
    assert "an empty map" in view(empty, "net@1").text


def test_a_small_and_an_unmeasured_face_get_a_reason_and_no_map(
    maps: Heatmaps, astronaut_observation: Observation, astronaut_picture: Picture
) -> None:
    (small,) = Heatmaps(HeatmapSettings(smallest=400))(astronaut_observation, astronaut_picture)
    assert isinstance(small, Unmapped)
    assert "pixels wide, less than the 400 needed" in small.reason
    kept = tuple(cue for cue in astronaut_observation.cues if cue.kind is not CueKind.ACTION_UNIT)
    (unmeasured,) = maps(astronaut_observation.model_copy(update={"cues": kept}), astronaut_picture)
    assert unmeasured == Unmapped("p1", "face not measured: no action units")


def test_everybody_in_a_photo_has_a_map_or_a_reason_in_the_order_of_the_tracks(
    maps: Heatmaps, group_observation: Observation, group: Path
) -> None:
    from emollm.media.images import read_image

    found = maps(group_observation, read_image(group))
    assert [item.track for item in found] == [track.id for track in group_observation.tracks]
    assert all(isinstance(item, FaceHeat) for item in found)


def test_unknown_names_are_one_line() -> None:
    with pytest.raises(ConfigError, match=r"unknown class of face-mt@\w+ 'hapiness' \(did you mean 'happiness'\?\)"):
        Heatmaps(HeatmapSettings(label="hapiness"))
    with pytest.raises(ConfigError, match="unknown layer of face_mt 'stage9'"):
        Heatmaps(HeatmapSettings(layer="stage9"))
    with pytest.raises(ModelError, match="unknown face net 'face-mtt'"):
        Heatmaps(HeatmapSettings(net="face-mtt"))


# ---- sheets and pages -----------------------------------------------------------------------------------------------


def test_the_sheet_shows_the_photo_unchanged_but_for_the_face(heat: FaceHeat, astronaut_picture: Picture) -> None:
    sheet = np.asarray(draw_heatmaps([Mapped(astronaut_picture, [heat])], Legend("net@1", "stage3"))).astype(int)
    shown, photo = sheet[16 : 16 + 512, 16 : 16 + 512], astronaut_picture.pixels.astype(int)
    x, y, half = round(heat.region.x), round(heat.region.y), round(heat.region.side / 2)
    changed = np.abs(shown - photo).max(2) > 0
    assert changed[y - half // 2 : y + half // 2, x - half // 2 : x + half // 2].mean() > 0.9
    assert not changed[y + half + 40 :].any()
    assert len(sheet) > 512 + 192


@pytest.mark.parametrize(("width", "height"), [(1, 1), (40, 2000), (5000, 30)])
def test_a_photo_of_any_shape_without_a_face_is_drawn_and_says_so(width: int, height: int) -> None:
    picture = Picture(np.full((height, width, 3), 90, np.uint8), MediaInfo(kind="image"), 1.0)
    sheet = draw_heatmaps([Mapped(picture, [])], Legend("net@1", "stage3"))
    assert max(sheet.size) <= 1280 + 400


def test_the_scale_of_colours_stands_only_where_there_is_a_map(heat: FaceHeat, astronaut_picture: Picture) -> None:
    dark = Picture(np.full((300, 600, 3), 30, np.uint8), MediaInfo(kind="image"), 1.0)
    small = Unmapped("p1", "face is only 9 pixels wide")

    def colour(people: list[FaceHeat | Unmapped], unseen: list[Unmapped]) -> int:
        """How far red and blue are from each other where they are furthest: large in Viridis, small in paper and letters."""
        sheet = np.asarray(draw_heatmaps([Mapped(dark, people)], Legend("net@1", "stage3"), unseen)).astype(int)
        return int(np.abs(sheet[..., 0] - sheet[..., 2]).max())

    assert colour([heat], []) > 150
    assert max(colour([], []), colour([small], []), colour([], [small])) < 40


def test_a_face_that_no_frame_shows_is_not_said_to_be_no_face() -> None:
    picture = Picture(np.full((300, 600, 3), 30, np.uint8), MediaInfo(kind="image"), 1.0)
    nobody, hidden = (
        draw_heatmaps([Mapped(picture, [])], Legend("net@1", "stage3"), unseen)
        for unseen in ([], [Unmapped("p1", "x")])
    )
    assert nobody.size == hidden.size  # one line of text each
    assert np.asarray(nobody).tobytes() != np.asarray(hidden).tobytes()


@pytest.mark.parametrize(("name", "format"), [("a.png", "PNG"), ("a.JPG", "JPEG")])
def test_the_suffix_chooses_the_format(tmp_path: Path, name: str, format: str) -> None:
    write_heatmap(tmp_path / name, Image.new("RGB", (30, 20)))
    with Image.open(tmp_path / name) as image:
        assert image.format == format
    with pytest.raises(ConfigError, match=r"a\.gif: expected a file name"):
        write_heatmap(tmp_path / "a.gif", Image.new("RGB", (30, 20)))


def test_activations_have_a_row_a_layer_and_make_the_sheet_longer(
    heat: FaceHeat, astronaut_observation: Observation, astronaut_picture: Picture
) -> None:
    (found,) = Heatmaps(HeatmapSettings(activations=True))(astronaut_observation, astronaut_picture)
    assert isinstance(found, FaceHeat)
    assert list(found.activations) == list(encoders.load("face-mt").net.body.layers)
    drawn = draw_activations(found)
    assert drawn.height > len(found.activations) * 96
    plain, more = (
        draw_heatmaps([Mapped(astronaut_picture, [each])], Legend("net@1", "stage3")) for each in (heat, found)
    )
    assert more.width >= drawn.width
    assert more.height > plain.height + len(found.activations) * 96


def test_a_clip_is_a_sheet_of_its_moments(clip: Any, maps: Heatmaps) -> None:
    sheet = heat_sheet(maps, Clip(id="c", video=clip.media), clip.observation, None, clip.frames)
    assert sheet is not None
    assert sheet.image.width > 3 * 640
    assert list(sheet.views) == ["p1"]
    # The page shows the main peak, which is not the first in time.
    main = clip.observation.tracks[0].peaks[0].time
    alone = heat_sheet(maps, Clip(id="c", video=clip.media), clip.observation, None, {main: clip.frames[main]})
    assert alone is not None
    assert alone.views == sheet.views


def test_people_of_whom_no_frame_could_be_read_are_named(two: Any, maps: Heatmaps) -> None:
    times = [peak.time for peak in two.observation.tracks[0].peaks]
    sheet = heat_sheet(
        maps, Clip(id="c", video=two.media), two.observation, None, {time: two.frames[time] for time in times}
    )
    assert sheet is not None
    assert sheet.views["p1"].map
    assert sheet.views["p2"].map is None
    assert "there is no frame in which the face was measured" in sheet.views["p2"].text


def test_the_page_has_map_and_crop_and_says_what_it_is_not(
    heat: FaceHeat, maps: Heatmaps, astronaut_observation: Observation, astronaut_picture: Picture
) -> None:
    answer = Answer(id="a", track="p1", status="abstained", provenance=AnswerProvenance(model="reasoner@1"))
    plain = render(astronaut_observation, answer, astronaut_picture)
    page = render(astronaut_observation, answer, astronaut_picture, heat={"p1": view(heat, maps.name)})
    assert DISCLAIMER in page
    assert maps.name in page
    assert DISCLAIMER not in plain
    assert page.count("data:image/webp") == plain.count("data:image/webp") + 2
    without = render(astronaut_observation, answer, astronaut_picture, heat={"p1": view(Unmapped("p1", "<b>"), "n@1")})
    assert "No map: &lt;b&gt;." in without
    assert DISCLAIMER not in without


def test_a_face_partly_outside_is_drawn(heat: FaceHeat) -> None:
    picture = Picture(np.full((60, 80, 3), 90, np.uint8), MediaInfo(kind="image"), 1.0)
    outside = heat._replace(region=Region(-500.0, 900.0, 50.0, 0.3))
    edge = heat._replace(track="p2", region=Region(0.0, 0.0, 50.0, 0.3))
    drawn = draw_heatmaps([Mapped(picture, [outside, edge])], Legend("net@1", "stage3"))
    assert drawn.width >= 80


def test_a_track_without_cues_of_its_own_is_not_measured_by_somebody_else_s(
    maps: Heatmaps, astronaut_observation: Observation, astronaut_picture: Picture
) -> None:
    first = astronaut_observation.tracks[0]
    two = (first, Track(id="p2", faces=first.faces, prominence=0.1))
    found = maps(astronaut_observation.model_copy(update={"tracks": two}), astronaut_picture)
    assert isinstance(found[0], FaceHeat)
    assert found[1] == Unmapped("p2", "face not measured: no action units")
