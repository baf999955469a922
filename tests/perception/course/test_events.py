"""Events: what rises and falls when, and how heads and eyes turn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emollm.perception.backends import Span
from emollm.perception.course import CourseSettings
from emollm.types import CueKind, Extent, Scale

# ---- units ----------------------------------------------------------------------------------------------------------


def test_a_rise_has_its_onset_its_offset_and_its_strongest_time(make: Any) -> None:
    """0.15 is crossed after 0.15 / 0.8 of the ramp."""
    course = make.course(make.samples({"AU12": make.rise(2, 4, 0.8, ramp=1.0)}))
    (smile,) = make.events(course, "AU12")
    assert (smile.id, smile.kind, smile.extent) == ("p1.AU12.1", CueKind.ACTION_UNIT, Extent.EVENT)
    assert (smile.start, smile.peak, smile.end) == pytest.approx((2.1875, 3.0, 3.8125), abs=0.02)
    assert smile.value == pytest.approx(0.8, abs=0.04)


def test_events_are_numbered_in_time_order(make: Any) -> None:
    units = {"AU12": lambda t: make.rise(1, 2, 0.5)(t) + make.rise(3, 4, 0.9)(t) + make.rise(5, 6, 0.7)(t)}
    found = make.events(make.course(make.samples(units)), "AU12")
    assert [(cue.id, cue.value) for cue in found] == [("p1.AU12.1", 0.5), ("p1.AU12.2", 0.9), ("p1.AU12.3", 0.7)]


@pytest.mark.parametrize(("height", "count"), [(0.29, 0), (0.31, 1)])
def test_an_event_reaches_present(make: Any, height: float, count: int) -> None:
    course = make.course(make.samples({"AU12": make.rise(2, 4, height)}))
    assert len(make.events(course, "AU12")) == count


@pytest.mark.parametrize(("height", "count"), [(0.4, 0), (0.6, 1)])
def test_a_probability_counts_from_one_half(make: Any, height: float, count: int) -> None:
    course = make.course(make.samples({"AU12": make.rise(2, 4, height)}, scale=Scale.PROBABILITY))
    assert len(make.events(course, "AU12")) == count


def test_intensity_is_what_is_compared_not_the_raw_value(make: Any) -> None:
    units, spans = {"AU12": make.rise(2, 4, 0.31)}, {"AU12": Span(0.4, 0.9)}
    assert make.events(make.course(make.samples(units, spans=spans)), "AU12") == []


def test_a_calm_face_moves_from_its_own_calm_not_from_that_of_others(make: Any) -> None:
    units, spans = {"AU01": make.rise(2, 4, 0.45)}, {"AU01": Span(0.55, 0.95)}
    (event,) = make.events(make.course(make.samples(units, spans=spans)), "AU01")
    assert event.value == pytest.approx((0.45 - 0.1) / (0.95 - 0.1), abs=0.02)


def test_gaze_and_lids_count_from_everybodys_span(make: Any) -> None:
    units, spans = {"AU43": make.rise(2, 4, 0.3)}, {"AU43": Span(0.37, 0.74)}
    assert make.events(make.course(make.samples(units, spans=spans)), "AU43") == []


def test_wavering_above_half_of_present_is_one_event(make: Any) -> None:
    waver = make.samples({"AU12": lambda t: make.rise(1, 5, 0.5)(t) * (0.7 + 0.3 * np.cos(2 * np.pi * t))})
    assert len(make.events(make.course(waver), "AU12")) == 1


@pytest.mark.parametrize(("gap", "count"), [(0.1, 1), (0.4, 2)])
def test_a_short_dip_does_not_end_an_event(make: Any, gap: float, count: int) -> None:
    dip = make.samples({"AU12": lambda t: np.where((t > 3) & (t < 3 + gap), 0.0, make.rise(2, 4, 0.8)(t))}, fps=50)
    assert len(make.events(make.course(dip), "AU12")) == count


@pytest.mark.parametrize("fps", [10.0, 25.0, 60.0])
def test_a_wild_frame_is_no_event(make: Any, fps: float) -> None:
    wild = make.samples({"AU12": lambda t: np.where(np.abs(t - 3) < 0.4 / fps, 1.0, 0.0)}, fps=fps)
    assert make.events(make.course(wild), "AU12") == []


def test_what_is_there_all_the_time_lasts_as_long_as_the_face_is_seen(make: Any) -> None:
    (smile,) = make.events(make.course(make.samples({"AU12": lambda t: 0 * t + 0.6})), "AU12")
    assert (smile.start, smile.end) == (0.0, 6.0)


def test_nothing_is_said_of_the_time_in_which_a_face_was_not_seen(make: Any) -> None:
    away = make.samples({"AU12": make.rise(1, 5)}, unseen=(2.0, 3.0))
    first, second = make.events(make.course(away), "AU12")
    assert (first.end, second.start) == (2.0, 3.0)
    glance = make.samples({"AU12": make.rise(1, 5)}, unseen=(2.0, 2.4))
    assert len(make.events(make.course(glance), "AU12")) == 1


def test_frames_too_far_apart_tell_of_no_event(make: Any) -> None:
    course = make.course(make.samples({"AU12": make.rise(2, 8)}, seconds=20, fps=1.0))
    assert make.events(course, "AU12") == []
    assert "1.0 s apart" in {gap.stream: gap.reason for gap in course.missing}["events"]


def test_only_the_strongest_are_kept_and_the_others_are_counted(make: Any) -> None:
    heights = [0.5, 0.9, 0.4, 0.8]
    units = {"AU12": lambda t: sum(make.rise(i + 1, i + 1.6, height)(t) for i, height in enumerate(heights))}
    course = make.course(make.samples(units), settings=CourseSettings(max_events=2))
    assert [cue.value for cue in make.events(course, "AU12")] == [0.9, 0.8]
    reason = {gap.stream: gap.reason for gap in course.missing}["events"]
    assert reason == "weaker ones than the course.max_events=2 strongest are left out: 2 of AU12"


@given(
    starts=st.lists(st.floats(0.5, 1.5), min_size=1, max_size=4),
    lengths=st.lists(st.floats(0.6, 1.5), min_size=4, max_size=4),
    heights=st.lists(st.floats(0.4, 1.0), min_size=4, max_size=4),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_events_do_not_depend_on_the_frame_rate(
    make: Any, starts: list[float], lengths: list[float], heights: list[float]
) -> None:
    onsets = np.cumsum([start + length for start, length in zip(starts, [0.0, *lengths], strict=False)])
    signal = {
        "AU12": lambda t: sum(
            make.rise(onset, onset + length, height)(t)
            for onset, length, height in zip(onsets, lengths, heights, strict=False)
        )
    }
    slow, fast = (
        make.events(make.course(make.samples(signal, seconds=13, fps=fps), []), "AU12") for fps in (25.0, 50.0)
    )
    assert len(slow) == len(fast) == len(onsets)
    for one, other in zip(slow, fast, strict=True):
        assert (one.start, one.peak, one.end) == pytest.approx((other.start, other.peak, other.end), abs=0.1)
        assert one.value == pytest.approx(other.value, abs=0.1)


# ---- turns ----------------------------------------------------------------------------------------------------------


def test_turns_to_both_sides_have_their_sign(make: Any) -> None:
    yaw = {"yaw": lambda t: make.rise(1, 2, 24.0)(t) - make.rise(4, 5, 18.0)(t)}
    left, right = make.events(make.course(make.samples({}, angles=yaw)), "yaw")
    assert (left.id, left.value, right.id, right.value) == ("p1.yaw.1", 24.0, "p1.yaw.2", -18.0)
    assert (left.kind, left.scale) == (CueKind.HEAD_POSE, Scale.DEGREES)
    assert (left.start, left.end) == pytest.approx((1.07, 1.93), abs=0.05)


@pytest.mark.parametrize(
    ("name", "degrees", "length", "count"),
    [("yaw", 11, 1, 0), ("yaw", 13, 1, 1), ("yaw", 30, 0.25, 0), ("gaze_pitch", -19, 1, 0), ("gaze_pitch", -21, 1, 1)],
)
def test_a_turn_is_far_and_long_enough(make: Any, name: str, degrees: float, length: float, count: int) -> None:
    angles = {name: make.rise(2, 2 + length, degrees, ramp=0.05)}
    if degrees < 0:
        angles = {name: lambda t: -make.rise(2, 2 + length, -degrees, ramp=0.05)(t)}
    assert len(make.events(make.course(make.samples({}, angles=angles)), name)) == count


def test_a_glance_is_told_by_what_lasts_not_by_its_extreme(make: Any) -> None:
    gaze = {"gaze_yaw": lambda t: make.rise(2, 4, 22.0, ramp=0.05)(t) + make.rise(2.2, 2.6, 14.0, ramp=0.05)(t)}
    (glance,) = make.events(make.course(make.samples({}, angles=gaze)), "gaze_yaw")
    assert glance.value == pytest.approx(22.0, abs=0.5)
    assert 2.2 < glance.peak < 2.6


@pytest.mark.parametrize(("raw", "count"), [(0.4, 1), (0.1, 0)])
def test_a_glance_needs_the_unit_of_its_direction(make: Any, raw: float, count: int) -> None:
    gaze = {"gaze_yaw": make.rise(2, 3, 30.0)}
    samples = make.samples({"AU61": make.rise(2, 3, raw)}, angles=gaze, spans={"AU61": Span(0.5, 0.9)})
    assert len(make.events(make.course(samples), "gaze_yaw")) == count


def test_a_head_held_aside_all_the_time_does_not_turn(make: Any) -> None:
    course = make.course(make.samples({}, angles={"yaw": lambda t: 0 * t + 30.0}))
    assert make.events(course, "yaw") == []
    assert make.moment(course, "p1.yaw").value == 30.0


def test_lids_that_close_do_not_turn_the_gaze(make: Any) -> None:
    lids = make.rise(2, 2.4, 0.9, ramp=0.1)
    blink = make.samples({"AU43": lids}, angles={"gaze_pitch": lambda t: -40 * lids(t)}, fps=50)
    assert make.events(make.course(blink), "gaze_pitch") == []
