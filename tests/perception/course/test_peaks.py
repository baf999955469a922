"""The moments at which a face is most expressive."""

from typing import Any

import numpy as np
import pytest

from emollm.perception.course import CourseSettings, course_of
from emollm.types import Scale


def talk(start: float, end: float, height: float = 0.8) -> Any:
    """Lips that open and close four times a second."""
    return lambda t: np.where((t >= start) & (t <= end), height / 2 * (1 - np.cos(2 * np.pi * 4 * t)), 0)


def test_the_moment_is_where_most_units_stand_above_their_medians(make: Any) -> None:
    units = {
        "AU12": lambda t: make.rise(1, 2, 0.5)(t) + make.rise(4, 5, 0.5)(t),
        "AU06": make.rise(4, 5, 0.6),
        "AU04": lambda t: 0 * t + 0.3,
    }
    main, other = make.course(make.samples(units), []).peaks
    assert (main.time, other.time) == pytest.approx((4.5, 1.5), abs=0.15)
    assert (main.units, other.units) == (("AU06", "AU12"), ("AU12",))
    assert main.score == pytest.approx(1.1, abs=0.01)
    assert (main.start, main.end) == pytest.approx((4.05, 4.95), abs=0.1)
    assert not main.speaking
    assert main.reason is None


def test_an_expression_held_for_most_of_a_clip_is_its_moment(make: Any) -> None:
    """Its median is its own height; a lesser movement before it must not win."""
    units = {"AU12": make.rise(2, 9, 0.9), "AU04": make.rise(0.5, 1.2, 0.25)}
    peak = make.course(make.samples(units, seconds=7), []).peaks[0]
    assert peak.units == ("AU12",)
    assert peak.time > 2
    assert (peak.start, peak.end) == pytest.approx((2.05, 7.0), abs=0.1)


def test_a_vowel_is_no_expression_while_speech_is_heard(make: Any) -> None:
    units = {"AU26": make.rise(1, 1.4, 0.9), "AU25": make.rise(1, 1.4, 0.9), "AU04": make.rise(4, 5, 0.4)}
    samples = make.samples(units)
    assert make.course(samples, []).peaks[0].time == pytest.approx(1.2, abs=0.1)
    heard = make.course(samples, [(0.5, 2.0)])
    assert heard.peaks[0].units == ("AU04",)
    assert heard.peaks[0].time == pytest.approx(4.5, abs=0.35)
    assert not heard.peaks[0].speaking
    assert make.course(samples, [(0.0, 6.0)]).peaks[0].speaking


def test_where_no_sound_is_known_a_mouth_that_moves_as_in_speech_counts_little(make: Any) -> None:
    units = {"AU25": talk(0, 3), "AU26": talk(0, 3), "AU04": make.rise(4, 5, 0.4)}
    samples = make.samples(units)
    guessed = make.course(samples, None)
    assert guessed.peaks[0].units == ("AU04",)
    assert "no sound is known" in {gap.stream: gap.reason for gap in guessed.missing}["speech"]
    silent = make.course(samples, [])
    assert silent.peaks[0].units[0] in ("AU25", "AU26")
    assert "speech" not in {gap.stream for gap in silent.missing}


def test_a_mouth_that_opens_once_is_not_speech(make: Any) -> None:
    opened = make.rise(2, 9, ramp=0.05)
    course = make.course(make.samples({"AU25": opened, "AU26": opened}), None)
    assert set(course.peaks[0].units) == {"AU25", "AU26"}
    assert "speech" not in {gap.stream for gap in course.missing}


def test_only_speech_is_no_movement(make: Any) -> None:
    samples = make.samples({"AU25": talk(1, 5), "AU26": talk(1, 5)})
    (peak,) = make.course(samples, [(1.0, 5.0)]).peaks
    assert peak.reason == "only the mouth moves, as in speech: the middle of the clip"
    assert peak.speaking


@pytest.mark.parametrize("fps", [15.0, 25.0, 50.0])
def test_a_blink_never_makes_a_moment(make: Any, fps: float) -> None:
    """The lids take the brows and the cheeks with them for a moment."""
    blink = make.rise(3.0, 3.3, 0.9, ramp=0.1)
    units = {"AU43": blink, "AU07": blink, "AU04": blink, "AU12": make.rise(1, 2, 0.4)}
    (peak,) = make.course(make.samples(units, fps=fps), []).peaks
    assert peak.units == ("AU12",)


def test_a_blink_at_the_height_of_a_smile_neither_hides_nor_raises_it(make: Any) -> None:
    blink = make.rise(2.85, 3.15, 0.9, ramp=0.1)
    (peak,) = make.course(make.samples({"AU43": blink, "AU04": blink, "AU12": make.rise(2, 4, 0.6)}), []).peaks
    assert peak.units == ("AU12",)
    assert peak.score == pytest.approx(0.6, abs=0.05)
    assert not 2.85 < peak.time < 3.15


def test_the_values_of_a_moment_leave_a_blink_out(make: Any) -> None:
    units = {"AU43": make.rise(1.55, 1.75, 0.9, ramp=0.1), "AU12": make.rise(1, 2, 0.6)}
    course = make.course(make.samples(units), [])
    assert make.moment(course, "p1.AU43").value == 0.0


def test_closed_eyes_and_gaze_are_no_expression(make: Any) -> None:
    units = {"AU43": make.rise(1, 3), "AU61": make.rise(1, 3), "AU12": make.rise(4, 5, 0.3)}
    (peak,) = make.course(make.samples(units), []).peaks
    assert peak.units == ("AU12",)


def test_moments_are_as_many_as_are_asked_for_the_main_one_first(make: Any) -> None:
    starts = np.arange(0.5, 9.5, 1.0)
    units = {"AU12": lambda t: sum(make.rise(at, at + 0.6, 0.4 + at / 20)(t) for at in starts)}
    samples = make.samples(units, seconds=10)
    assert len(make.course(samples, []).peaks) == 6
    peaks = make.course(samples, [], CourseSettings(max_peaks=2)).peaks
    assert [round(peak.time - 0.3, 1) for peak in peaks] == [8.5, 7.5]


def test_two_moments_have_a_dip_between_them(make: Any) -> None:
    hump = make.samples({"AU12": lambda t: make.rise(1, 5, 0.8)(t) - make.rise(2.5, 3.5, 0.1)(t)})
    assert len(make.course(hump, []).peaks) == 1
    dip = make.samples({"AU12": lambda t: make.rise(1, 5, 0.8)(t) - make.rise(2.5, 3.5, 0.25)(t)})
    first, second = sorted(make.course(dip, []).peaks, key=lambda peak: peak.time)
    assert first.time < 2.7 < 3.3 < second.time


@pytest.mark.parametrize("valley", [0.2, 0.35])
def test_two_heights_of_one_movement_have_its_onset(make: Any, valley: float) -> None:
    """Whether the valley is over or under a third of the greater one's rise must not matter: the face is not at rest in it."""
    units = {"AU12": lambda t: make.rise(1, 5, 0.8)(t) - make.rise(2.5, 3.5, 0.8 - valley)(t) + make.rise(4, 5, 0.1)(t)}
    main, other = make.course(make.samples(units, seconds=12), []).peaks
    assert main.time > 3.3 > 2.7 > other.time
    assert (main.start, main.end) == (other.start, other.end) == pytest.approx((1.05, 4.95), abs=0.1)


def test_a_lesser_moment_on_the_slope_of_a_greater_one_ends_before_it(make: Any) -> None:
    units = {"AU12": make.rise(3, 5, 0.9), "AU04": lambda t: make.rise(1, 3, 0.4)(t) - make.rise(2, 2.9, 0.32)(t)}
    main, lesser = make.course(make.samples(units), []).peaks
    assert main.start == pytest.approx(3.0, abs=0.15)
    assert lesser.start == pytest.approx(1.05, abs=0.15)
    assert lesser.end < 3.0


def test_the_mouth_of_somebody_who_does_not_speak_counts_in_full(make: Any) -> None:
    units = {"AU12": make.rise(1, 2, 0.95), "AU04": make.rise(4, 5, 0.75)}
    samples = make.samples(units)
    speech = [(0.5, 2.5)]
    times = {
        speaks: course_of(samples, speech, CourseSettings(), step=0.1, speaks=speaks).peaks[0].time
        for speaks in (None, 0.9, 0.1)
    }
    assert times == {
        None: pytest.approx(4.5, abs=0.4),
        0.9: pytest.approx(4.5, abs=0.4),
        0.1: pytest.approx(1.5, abs=0.4),
    }


def test_one_wild_frame_is_no_moment(make: Any) -> None:
    wild = make.samples({"AU12": lambda t: np.where(np.abs(t - 3) < 0.01, 1.0, 0.0), "AU04": make.rise(1, 2, 0.3)})
    assert [peak.units for peak in make.course(wild, []).peaks] == [("AU04",)]


def test_a_face_that_does_not_move_is_shown_where_it_is_clearest(make: Any) -> None:
    units = {"AU12": lambda t: 0 * t + 0.05}
    clear = make.samples(units, confidence=lambda t: np.where((t > 4) & (t < 5), 0.95, 0.8))
    (peak,) = make.course(clear, []).peaks
    assert peak.reason == "no movement: the clearest face"
    assert peak.time == pytest.approx(4.04)
    (peak,) = make.course(make.samples(units), []).peaks
    assert (peak.reason, peak.time) == ("no movement: the middle of the clip", 3.0)
    assert peak.units == ()


def test_probabilities_move_from_a_quarter_on(make: Any) -> None:
    little = make.samples({"AU12": make.rise(2, 3, 0.2)}, scale=Scale.PROBABILITY)
    assert make.course(little, []).peaks[0].reason is not None
    much = make.samples({"AU12": make.rise(2, 3, 0.6)}, scale=Scale.PROBABILITY)
    assert make.course(much, []).peaks[0].units == ("AU12",)


@pytest.mark.parametrize("fps", [10.0, 25.0, 50.0, 60.0])
def test_the_moment_does_not_depend_on_the_frame_rate(make: Any, fps: float) -> None:
    units = {"AU12": make.rise(2, 3.2, 0.7, ramp=0.4), "AU04": make.rise(4.5, 5.2, 0.4)}
    main, other = make.course(make.samples(units, fps=fps), []).peaks
    assert (main.time, other.time) == pytest.approx((2.6, 4.85), abs=0.16)
    assert (main.start, main.end) == pytest.approx((2.15, 3.05), abs=0.15)
