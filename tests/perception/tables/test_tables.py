"""Tables of other tools: what becomes a cue, what is missing, and what is refused. All numbers are invented."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from emollm.errors import ConfigError, DataError
from emollm.perception.course import CourseSettings
from emollm.perception.tables import READERS, read_table, sniff
from emollm.types import Cue, Extent, Observation, Scale, Table

Write = Callable[[str], Path]

OPENFACE = """frame, timestamp, confidence, success, AU04_r, AU12_r, AU04_c, AU12_c, AU28_c
1, 0.000, 0.98, 1, 1.25, 0.00, 0, 1, 1
"""
PYFEAT = """FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,AU04,AU07,AU12,anger,disgust,fear,happiness,sadness,surprise,neutral,input,frame
10,20,100,120,0.99,0.71,1.0,0.08,0.55,0.1,0.1,0.02,0.1,0.03,0.1,clip.mp4,0
"""
LIBREFACE = """frame_idx,facial_expression,pitch,yaw,roll,au_4,au_7,au_4_intensity,au_12_intensity
0,Anger,-3.1,4.0,0.7,1,0,1.84,0.112
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(text: str) -> Path:
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return to


def read(
    path: Path, format: str, scale: float | None = None, clip_id: str = "clip.mp4", fps: float | None = None
) -> Observation:
    return read_table(Table(path=path, format=format, scale=scale, fps=fps), clip_id)


def cue(observation: Observation, id: str) -> Cue:
    return next(cue for cue in observation.cues if cue.id == id)


def gaps(observation: Observation) -> dict[str, str]:
    return {gap.stream: gap.reason for gap in observation.missing}


def series(values: list[float], extra: str = "", cells: str = "") -> str:
    head = f"frame, timestamp, confidence, success, AU12_r{extra}\n"
    return head + "".join(f"{i}, {i / 10}, 0.95, 1, {value}{cells}\n" for i, value in enumerate(values))


# ---- the table of readers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("format", "text"), [("openface2", OPENFACE), ("pyfeat", PYFEAT), ("libreface", LIBREFACE)])
def test_a_header_tells_the_format(write: Write, format: str, text: str) -> None:
    assert sniff(write(text)) == format


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "just words"])
def test_a_table_of_nobody_has_no_format(write: Write, text: str) -> None:
    assert sniff(write(text)) is None


@pytest.mark.parametrize("format", list(READERS))
def test_an_observation_reads_back_equal_and_says_what_the_tool_misses(write: Write, format: str) -> None:
    text = {"openface2": OPENFACE, "pyfeat": PYFEAT, "libreface": LIBREFACE}[format]
    observation = read(write(text), format, scale=5.0)
    assert Observation.from_json(observation.to_json()) == observation
    assert "AU16" in gaps(observation)
    measured = {cue.name for cue in observation.cues}
    assert measured.isdisjoint(gaps(observation))
    assert all(cue.source.backend == format for cue in observation.cues)


def test_an_unknown_format_is_answered_with_the_closest(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"unknown table reader 'openface'.*did you mean 'openface2'"):
        read(write(OPENFACE), "openface")


@pytest.mark.parametrize(
    ("format", "text", "tool"),
    [("pyfeat", OPENFACE, "openface2"), ("openface2", PYFEAT, "pyfeat"), ("pyfeat", LIBREFACE, "libreface")],
)
def test_a_table_of_another_tool_is_refused_with_its_name(write: Write, format: str, text: str, tool: str) -> None:
    with pytest.raises(DataError, match=f"use format '{tool}'"):
        read(write(text), format)


# ---- OpenFace 2 -----------------------------------------------------------------------------------------------------


def test_openface_r_is_intensity_of_five_and_c_counts_only_without_r(write: Write) -> None:
    observation = read(write(OPENFACE), "openface2")
    assert (cue(observation, "AU04").scale, cue(observation, "AU04").value) == (Scale.INTENSITY, 0.25)
    assert cue(observation, "AU12").value == 0.0
    assert (cue(observation, "AU28").scale, cue(observation, "AU28").value) == (Scale.PROBABILITY, 1.0)
    assert {cue.id for cue in observation.cues} == {"AU04", "AU12", "AU28"}


def test_without_coordinates_there_is_no_track_and_the_cues_speak_of_the_clip(write: Write) -> None:
    observation = read(write(OPENFACE), "openface2")
    assert observation.tracks == ()
    assert {cue.track for cue in observation.cues} == {None}
    assert "face position" in gaps(observation)


@pytest.mark.parametrize("row", ["1, 0.0, 0.98, 0, 1.0", "1, 0.0, 0.79, 1, 1.0", "1, 0.0, nan, 1, 1.0"])
def test_uncertain_openface_rows_are_a_missing_face_not_zeros(write: Write, row: str) -> None:
    observation = read(write(f"frame, timestamp, confidence, success, AU12_r\n{row}\n"), "openface2")
    assert observation.cues == ()
    assert "no row with success 1" in gaps(observation)["face"]


def test_rows_that_do_not_count_are_noted(write: Write) -> None:
    text = series([1.0, 1.0, 1.0]) + "3, 0.3, 0.10, 0, 5.0\n"
    observation = read(write(text), "openface2")
    assert observation.media.note == "1 of 4 rows without a certain face"
    assert cue(observation, "AU12").value == pytest.approx(0.2)


POSE = ", pose_Rx, pose_Ry, pose_Rz, gaze_angle_x, gaze_angle_y"


@pytest.mark.parametrize(
    ("cells", "yaw", "pitch", "roll"),
    [("0.2, 0, 0, 0, 0", 0, -11.459, 0), ("0, 0.2, 0, 0, 0", -11.459, 0, 0), ("0, 0, 0.2, 0, 0", 0, 0, 11.459)],
)
def test_openface_pose_is_turned_to_our_signs(write: Write, cells: str, yaw: float, pitch: float, roll: float) -> None:
    observation = read(write(series([1.0], POSE, ", " + cells)), "openface2")
    found = [cue(observation, name).value for name in ("yaw", "pitch", "roll")]
    assert found == pytest.approx([yaw, pitch, roll], abs=1e-3)


def test_openface_gaze_is_turned_to_our_signs(write: Write) -> None:
    observation = read(write(series([1.0], POSE, ", 0, 0, 0, 0.2, 0.1")), "openface2")
    assert cue(observation, "gaze_yaw").value == pytest.approx(math.degrees(0.2))
    assert cue(observation, "gaze_pitch").value == pytest.approx(-math.degrees(0.1))


def test_eyes_on_the_camera_in_a_turned_head_are_turned_back(write: Write) -> None:
    """Head 0.2 rad to the person's right, gaze into the camera: the eyes are 0.2 rad to the left."""
    observation = read(write(series([1.0], POSE, ", 0, 0.2, 0, 0, 0")), "openface2")
    assert cue(observation, "yaw").value == pytest.approx(-math.degrees(0.2))
    assert cue(observation, "gaze_yaw").value == pytest.approx(math.degrees(0.2))


def test_gaze_vectors_stand_in_for_gaze_angles(write: Write) -> None:
    head = ", pose_Rx, pose_Ry, pose_Rz, gaze_0_x, gaze_0_y, gaze_0_z, gaze_1_x, gaze_1_y, gaze_1_z"
    observation = read(write(series([1.0], head, ", 0, 0, 0, 0.3, 0.1, -1, 0.1, 0.1, -1")), "openface2")
    assert cue(observation, "gaze_yaw").value == pytest.approx(math.degrees(math.atan(0.2)))
    assert cue(observation, "gaze_pitch").value == pytest.approx(-math.degrees(math.atan(0.1)))


def landmarks(x: float, y: float, size: float) -> tuple[str, str]:
    names = [f"{axis}_{point}" for axis in "xy" for point in range(68)]
    values = [x + size * (point % 2) for point in range(68)] + [y + size * (point % 2) for point in range(68)]
    return ", ".join(names), ", ".join(map(str, values))


def test_several_openface_faces_are_tracks_in_order_of_prominence(write: Write) -> None:
    names, small = landmarks(0, 0, 10)
    _, large = landmarks(50, 50, 100)
    text = f"frame, face_id, timestamp, confidence, success, AU12_r, {names}\n"
    text += f"1, 0, 0.0, 0.9, 1, 1.0, {small}\n1, 1, 0.0, 0.9, 1, 4.0, {large}\n1, 2, 0.0, 0.3, 0, 4.0, {large}\n"
    observation = read(write(text), "openface2")
    assert [track.id for track in observation.tracks] == ["p1", "p2"]
    assert [track.prominence for track in observation.tracks] == pytest.approx([100 / 101, 1 / 101])
    assert observation.tracks[0].faces[0].box.width == 100
    assert (cue(observation, "p1.AU12").value, cue(observation, "p2.AU12").value) == (0.8, 0.2)
    assert "face_id 2" in gaps(observation)["face"]


def test_several_faces_without_positions_are_refused(write: Write) -> None:
    text = "frame, face_id, confidence, success, AU12_r\n1, 0, 0.9, 1, 1.0\n1, 1, 0.9, 1, 4.0\n"
    with pytest.raises(DataError, match="2 faces but no positions"):
        read(write(text), "openface2")


# ---- rows with times ------------------------------------------------------------------------------------------------


def test_a_series_gives_the_value_at_its_apex_and_the_time_in_which_it_rises_and_falls(write: Write) -> None:
    values = [0.0] * 10 + [1.0, 2.0, 4.0, 4.0, 4.0, 2.0, 1.0] + [0.0] * 10
    observation = read(write(series(values)), "openface2")
    apex, event = cue(observation, "AU12"), cue(observation, "AU12.1")
    assert (apex.value, apex.start, apex.end) == pytest.approx((0.8, 1.2, 1.4))
    assert (event.value, event.start, event.peak, event.end) == pytest.approx((0.8, 0.975, 1.3, 1.625))
    assert (apex.extent, event.extent) == (Extent.MOMENT, Extent.EVENT)


@pytest.mark.parametrize("row", [0, 1, 10, 19])
def test_one_wild_row_is_no_peak_wherever_it_stands(write: Write, row: int) -> None:
    values = [0.5] * 20
    values[row] = 5.0
    observation = read(write(series(values)), "openface2")
    assert cue(observation, "AU12").value == pytest.approx(0.1)
    assert {cue.id for cue in observation.cues} == {"AU12"}


def test_a_unit_that_never_moves_is_absent_without_an_event(write: Write) -> None:
    observation = read(write(series([0.0] * 7)), "openface2")
    assert [(cue.id, cue.value) for cue in observation.cues] == [("AU12", 0.0)]
    assert observation.series == ()


def test_a_table_with_times_has_moments_and_series_of_each_person(write: Write) -> None:
    names, box = landmarks(0, 0, 10)
    text = f"frame, timestamp, confidence, success, AU12_r, {names}\n"
    heights = [0.0] * 10 + [2.0] * 5 + [0.0] * 10 + [4.0] * 5 + [0.0] * 10
    text += "".join(f"{i}, {i / 10}, 0.9, 1, {height}, {box}\n" for i, height in enumerate(heights))
    observation = read(write(text), "openface2")
    (person,) = observation.tracks
    assert [peak.time for peak in person.peaks] == pytest.approx([2.7, 1.2])
    assert [face.time for face in person.faces] == pytest.approx([2.7, 1.2])
    assert (person.start, person.end, person.frames) == (0.0, 3.9, 40)
    (smile,) = observation.series
    assert (smile.name, smile.track, smile.at(1.25), smile.at(2.75)) == ("AU12", "p1", 0.4, 0.8)
    assert [(cue.id, cue.value) for cue in observation.cues] == [
        ("p1.AU12", 0.8),
        ("p1.AU12.1", 0.4),
        ("p1.AU12.2", 0.8),
    ]


def test_units_of_another_scale_are_read_at_the_moment_of_the_intensities(write: Write) -> None:
    heights = [0.0] * 10 + [4.0] * 5 + [0.0] * 10
    rolled = [0] * 12 + [1] * 8 + [0] * 5
    head = "frame, timestamp, confidence, success, AU12_r, AU28_c\n"
    rows = (
        f"{i}, {i / 10}, 0.9, 1, {height}, {lips}\n"
        for i, (height, lips) in enumerate(zip(heights, rolled, strict=True))
    )
    observation = read(write(head + "".join(rows)), "openface2")
    assert (cue(observation, "AU28").start, cue(observation, "AU12").start) == (1.1, 1.1)
    assert cue(observation, "AU28.1").scale is Scale.PROBABILITY
    assert cue(observation, "AU28.1").end == pytest.approx(1.95, abs=0.05)
    assert [gap.stream for gap in observation.missing].count("blink_rate") == 1


def test_rows_of_one_time_are_read_without_a_fault(write: Write) -> None:
    text = series([1.0, 1.0, 1.0]).replace("0.1,", "0.0,").replace("0.2,", "0.0,")
    observation = read(write(text), "openface2")
    assert (cue(observation, "AU12").value, cue(observation, "AU12").end) == (pytest.approx(0.2), 0.0)


def test_settings_bound_what_is_kept(write: Write) -> None:
    heights = ([0.0] * 6 + [4.0] * 6) * 4 + [0.0] * 6
    path = write(series(heights))
    table = Table(path=path, format="openface2")
    few = read_table(table, "clip", CourseSettings(max_events=2))
    assert {cue.id for cue in few.cues} == {"AU12", "AU12.1", "AU12.2"}
    assert "2 of AU12" in gaps(few)["events"]
    assert "AU12.4" in {cue.id for cue in read_table(table, "clip").cues}


def test_rows_without_a_number_are_skipped_and_a_column_without_any_is_missing(write: Write) -> None:
    observation = read(write(series([1.0, math.nan, 1.0], ", AU04_r", ", ")), "openface2")
    assert cue(observation, "AU12").value == pytest.approx(0.2)
    assert "gives no number" in gaps(observation)["AU04"]


# ---- py-feat --------------------------------------------------------------------------------------------------------


def test_pyfeat_units_are_probabilities_and_its_binary_unit_is_not_reliable(write: Write) -> None:
    observation = read(write(PYFEAT), "pyfeat")
    assert (cue(observation, "p1.AU04").scale, cue(observation, "p1.AU04").value) == (Scale.PROBABILITY, 0.71)
    assert not cue(observation, "p1.AU07").reliable
    assert cue(observation, "p1.AU12").reliable
    assert cue(observation, "p1.AU04").confidence == 0.99
    assert cue(observation, "p1.AU04").source.version == "1"


@pytest.mark.parametrize(
    "words", ["anger,disgust,fear,happiness,sadness,surprise,neutral", "Anger,Disgust,Fear,Happy,Sad,Surprise,Neutral"]
)
def test_expressions_of_both_versions_get_canonical_names(write: Write, words: str) -> None:
    text = PYFEAT.replace("anger,disgust,fear,happiness,sadness,surprise,neutral", words)
    observation = read(write(text), "pyfeat")
    assert cue(observation, "p1.expression.anger").value == 0.55
    assert cue(observation, "p1.expression.happiness").value == 0.02
    assert cue(observation, "p1.expression.anger").source.version == ("1" if words[0] == "a" else "2")


def test_pyfeat_pose_is_radians_with_other_signs_in_version_2_and_unknown_before(write: Write) -> None:
    new = "FaceScore,AU12,Pitch,Roll,Yaw,Neutral,Happy,Sad,Surprise,Fear,Disgust,Anger\n0.9,0.5,0.1,0.2,0.3,1,0,0,0,0,0,0\n"
    observation = read(write(new), "pyfeat")
    found = [cue(observation, name).value for name in ("pitch", "roll", "yaw")]
    assert found == pytest.approx([-math.degrees(angle) for angle in (0.1, 0.2, 0.3)])
    old = "FaceScore,AU12,Pitch,Roll,Yaw\n0.9,0.5,0.1,0.2,0.3\n"
    assert "degrees in some releases" in gaps(read(write(old), "pyfeat"))["head_pose"]


def test_frames_without_a_face_are_dropped_and_a_table_of_them_has_no_face(write: Write) -> None:
    head, row, _ = PYFEAT.split("\n")
    empty = ",".join([""] * 15 + ["clip.mp4", "1"])
    some = read(write(f"{head}\n{row}\n{empty}\n"), "pyfeat")
    assert some.media.note == "1 of 2 rows without a face"
    assert cue(some, "p1.AU04").value == 0.71
    none = read(write(f"{head}\n{empty}\n"), "pyfeat")
    assert (none.tracks, none.cues) == ((), ())
    assert "no face" in gaps(none)["face"]


def faces(rows: list[tuple[int, float, float, str]], identity: bool = False) -> str:
    head = "FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,AU12,frame" + (",Identity" if identity else "")
    return (
        head
        + "\n"
        + "".join(f"{x},0,50,50,0.9,{au},{frame}{',' + name if identity else ''}\n" for frame, x, au, name in rows)
    )


def test_faces_are_followed_by_the_nearest_box(write: Write) -> None:
    rows = [(0, 0.0, 0.1, ""), (0, 300.0, 0.9, ""), (1, 310.0, 0.9, ""), (1, 10.0, 0.1, ""), (2, 900.0, 0.5, "")]
    observation = read(write(faces(rows)), "pyfeat")
    assert sorted((len(track.faces), cue(observation, f"{track.id}.AU12").value) for track in observation.tracks) == [
        (1, 0.5),
        (2, 0.1),
        (2, 0.9),
    ]


def test_identity_of_the_tool_comes_before_the_position(write: Write) -> None:
    rows = [(0, 0.0, 0.1, "A"), (0, 300.0, 0.9, "B"), (1, 300.0, 0.1, "A"), (1, 0.0, 0.9, "B")]
    observation = read(write(faces(rows, identity=True)), "pyfeat")
    assert sorted(cue(observation, f"{track.id}.AU12").value or 0 for track in observation.tracks) == [0.1, 0.9]


def test_frame_numbers_are_no_times(write: Write) -> None:
    observation = read(write(faces([(0, 0.0, 0.1, ""), (25, 0.0, 0.9, "")])), "pyfeat")
    assert gaps(observation)["time"] == "the table has frame numbers but no frame rate; give --table-fps"
    assert {(cue.start, cue.end) for cue in observation.cues} == {(0.0, 0.0)}
    assert (observation.tracks[0].peaks, observation.series, observation.media.duration) == ((), (), None)
    assert "time" not in gaps(read(write(faces([(0, 0.0, 0.1, "")])), "pyfeat"))


def test_frame_numbers_and_a_frame_rate_are_times(write: Write) -> None:
    rows = [(frame, 0.0, 0.9 if 20 <= frame <= 30 else 0.1, "") for frame in range(50)]
    observation = read(write(faces(rows)), "pyfeat", fps=10.0)
    assert "time" not in gaps(observation)
    assert (observation.media.duration, observation.media.rate) == (4.9, 10.0)
    event = cue(observation, "p1.AU12.1")
    assert (event.start, event.end, event.value) == pytest.approx((1.92, 3.08, 0.9), abs=0.01)
    assert observation.tracks[0].peaks[0].time == pytest.approx(2.5)


def test_expressions_are_read_at_the_moment_and_over_time(write: Write) -> None:
    head, row, _ = PYFEAT.split("\n")
    lines = [row.replace(",0.08,0.55", ",0.95,0.15") if 10 <= i < 20 else row for i in range(30)]
    text = "\n".join([head, *(line.removesuffix(",0") + f",{i}" for i, line in enumerate(lines))]) + "\n"
    observation = read(write(text), "pyfeat", fps=10.0)
    assert cue(observation, "p1.AU12").value == 0.95
    anger = cue(observation, "p1.expression.anger")
    assert (anger.value, anger.extent, anger.start) == (0.15, Extent.MOMENT, cue(observation, "p1.AU12").start)
    (course,) = [item for item in observation.series if item.name == "anger"]
    assert (course.at(0.55), course.at(1.55)) == (0.55, 0.15)


def test_faces_out_of_sight_leave_a_hole_in_the_course(write: Write) -> None:
    rows = [(frame, 0.0, 0.9, "") for frame in range(40) if not 15 <= frame < 25]
    observation = read(write(faces(rows)), "pyfeat", fps=10.0)
    assert (cue(observation, "p1.AU12.1").end, cue(observation, "p1.AU12.2").start) == (1.4, 2.5)
    assert observation.series[0].at(2.05) is None


@pytest.mark.parametrize("frame", ["-1", ""])
def test_a_frame_that_is_no_number_from_0_is_refused(write: Write, frame: str) -> None:
    text = f"FaceScore,AU12,frame\n0.9,0.1,{frame}\n"
    with pytest.raises(DataError, match=r"table.csv:2: frame is (negative|empty)"):
        read(write(text), "pyfeat", fps=25.0)


def test_a_table_of_several_inputs_gives_the_rows_of_the_clip(write: Write) -> None:
    text = "FaceScore,AU12,input,frame\n0.9,0.1,a/one.jpg,0\n0.9,0.8,a/two.jpg,1\n"
    assert cue(read(write(text), "pyfeat", clip_id="b/two.jpg"), "AU12").value == 0.8
    assert cue(read(write(text), "pyfeat", clip_id="one"), "AU12").value == 0.1
    with pytest.raises(DataError, match=r"holds 2 inputs and none is 'three.jpg'"):
        read(write(text), "pyfeat", clip_id="three.jpg")


# ---- LibreFace ------------------------------------------------------------------------------------------------------


def test_libreface_codes_are_padded_and_both_models_keep_their_scale(write: Write) -> None:
    observation = read(write(LIBREFACE), "libreface", scale=5.0)
    assert (cue(observation, "AU04").scale, cue(observation, "AU04").value) == (Scale.INTENSITY, pytest.approx(0.368))
    assert (cue(observation, "AU07").scale, cue(observation, "AU07").value) == (Scale.PROBABILITY, 0.0)
    assert cue(observation, "expression").text == "anger"


@pytest.mark.parametrize("scale", [None, 2.0])
def test_libreface_intensities_need_a_stated_scale(write: Write, scale: float | None) -> None:
    with pytest.raises(DataError, match="0 to 5 in some releases and 0 to 1 in others"):
        read(write(LIBREFACE), "libreface", scale=scale)


def test_libreface_detections_alone_need_no_scale(write: Write) -> None:
    assert cue(read(write("frame_idx,au_4\n0,1\n"), "libreface"), "AU04").value == 1.0


def test_a_doubtful_scale_is_declared_and_an_impossible_one_refused(write: Write) -> None:
    low = "frame_idx,au_4_intensity\n0,0.9\n"
    assert "scale doubtful" in gaps(read(write(low), "libreface", scale=5.0))["intensity scale"]
    assert "intensity scale" not in gaps(read(write(low), "libreface", scale=1.0))
    with pytest.raises(
        DataError, match=r"table.csv:2: au_4_intensity is 1.84, expected 0 to 1; is the table's scale 5"
    ):
        read(write(LIBREFACE), "libreface", scale=1.0)


def test_libreface_times_are_milliseconds(write: Write) -> None:
    text = "frame_idx,frame_time_in_ms,au_4\n0,0.0,1\n1,40.0,1\n"
    observation = read(write(text), "libreface")
    assert (cue(observation, "AU04").end, observation.media.duration) == (0.04, 0.04)


def test_libreface_frames_have_times_by_a_frame_rate(write: Write) -> None:
    text = "frame_idx,facial_expression,au_4\n" + "".join(f"{i},Anger,1\n" for i in range(30))
    observation = read(write(text), "libreface", fps=10.0)
    assert (observation.media.duration, observation.media.rate) == (2.9, 10.0)
    word = cue(observation, "expression")
    assert (word.text, word.extent, word.end) == ("anger", Extent.WHOLE, 2.9)
    assert "give --table-fps" in gaps(read(write(text), "libreface"))["time"]


def test_angles_that_mean_nothing_certain_are_missing(write: Write) -> None:
    observation = read(write(LIBREFACE), "libreface", scale=5.0)
    assert {"head_pose", "gaze"} <= set(gaps(observation))


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"table.csv:1: empty file"),
        ("\n\n", r"table.csv:1: empty file"),
        (OPENFACE.split("\n")[0] + "\n", r"table.csv:1: a header but no rows"),
        (OPENFACE + "2, 0.03", r"table.csv:3: 2 cells but the header has 9; is the file cut off"),
        (OPENFACE.replace("1.25", "much"), r"table.csv:2: AU04_r: expected a number, got 'much'"),
        (OPENFACE.replace("1.25", "inf"), r"table.csv:2: AU04_r: expected a finite number"),
        (OPENFACE.replace("1.25", "7.5"), r"table.csv:2: AU04_r is 7.5, expected 0 to 5"),
        (OPENFACE.replace("1.25", "-1"), r"table.csv:2: AU04_r is -1, expected 0 to 5"),
        (OPENFACE.replace("0.98", "98"), r"table.csv:2: confidence is 98"),
        (OPENFACE.replace(" AU12_r", " AU04_r"), r"column 'AU04_r' stands twice"),
        (OPENFACE.replace(" confidence", " certainty"), r"no column 'confidence', which OpenFace 2 writes"),
        ("frame, confidence, pose_Rx\n1, 0.9, 0\n", r"no column 'AU12_r'.*run it with -aus"),
        (OPENFACE.replace("frame,", '"fr\name"'), r"is the file cut off"),
        (OPENFACE.replace(",", ";"), r"separated by ';'; expected commas"),
        (series([1.0, 1.0]).replace("1, 0.1,", "1, -0.1,"), r"table.csv:3: timestamp is negative"),
        (series([1.0, 1.0]).replace("0, 0.0,", "0, 0.5,"), r"table.csv:3: timestamp goes backwards"),
        (series([1.0, 1.0]).replace("1, 0.1,", "1, ,"), r"table.csv:3: timestamp is empty"),
    ],
)
def test_a_faulty_table_is_refused_in_one_line(write: Write, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(write(text), "openface2")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\x00", b"frame, caf\xe9\n1, 2\n", b'frame, "AU12_r\n' + b"x" * 200_000]
)
def test_what_is_no_csv_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "renamed.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"renamed.csv") as caught:
        read(path, "openface2")
    assert "\n" not in str(caught.value)
    assert sniff(path) is None


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(DataError, match="cannot be read"):
            read(path, "openface2")
        with pytest.raises(DataError, match="cannot be read"):
            sniff(path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbf" + OPENFACE.replace("\n", "\r\n").encode())
    assert cue(read(path, "openface2"), "AU04").value == 0.25
