"""Blinks, winks and closed eyes."""

from typing import Any

import numpy as np
import pytest

from emollm.perception.backends import Span
from emollm.types import CueKind, Extent, Scale

SPAN = {"AU43": Span(0.4, 0.8)}


def blinks(make: Any, times: list[float], height: float = 0.7, rest: float = 0.05) -> Any:
    """Lids that close for a fifth of a second."""
    return lambda t: rest + sum(make.rise(time - 0.1, time + 0.1, height, ramp=0.09)(t) for time in times)


@pytest.mark.parametrize("fps", [15.0, 24.0, 30.0, 60.0])
def test_a_quick_closure_of_both_eyes_is_a_blink(make: Any, fps: float) -> None:
    lids = blinks(make, [1.0, 2.7, 4.3])
    course = make.course(make.samples({}, sides={"AU43": (lids, lids)}, spans=SPAN, fps=fps))
    found = make.events(course, "AU45")
    assert [cue.peak for cue in found] == pytest.approx([1.0, 2.7, 4.3], abs=0.07)
    assert all(cue.end - cue.start < 0.4 and cue.value >= 0.3 for cue in found)
    assert make.events(course, "AU43") == []


def test_a_blink_that_no_frame_shows_shut_still_counts(make: Any) -> None:
    """On the scale of a still face, 0.25 is an open eye."""
    lids = blinks(make, [2.0], height=0.2)
    (blink,) = make.events(make.course(make.samples({"AU43": lids}, spans=SPAN)), "AU45")
    assert blink.value == pytest.approx(0.5, abs=0.03)
    assert blink.raw == pytest.approx(0.25, abs=0.02)


def test_eyes_that_close_unequally_blink_and_do_not_wink(make: Any) -> None:
    lids = {"AU43": (blinks(make, [2.0], height=0.8), blinks(make, [2.0], height=0.32))}
    course = make.course(make.samples({}, sides=lids, spans=SPAN))
    (blink,) = make.events(course, "AU45")
    assert (blink.left, blink.right) == (1.0, pytest.approx(0.8, abs=0.03))
    assert make.events(course, "AU46") == []


def test_jitter_of_the_lids_is_no_blink(make: Any) -> None:
    jitter = np.random.default_rng(7).normal(0, 0.02, 1000)
    course = make.course(make.samples({"AU43": lambda t: 0.3 + jitter[: len(t)]}, spans=SPAN, seconds=20))
    assert make.events(course, "AU45") == []


def test_eyes_closed_for_more_than_half_a_second_are_no_blink(make: Any) -> None:
    lids = {"AU43": (make.rise(2, 3.5, 0.9), make.rise(2, 3.5, 0.8))}
    course = make.course(make.samples({}, sides=lids, spans=SPAN))
    (closed,) = make.events(course, "AU43")
    assert (closed.start, closed.end) == pytest.approx((2.12, 3.38), abs=0.05)
    assert (closed.value, closed.left, closed.right) == (1.0, 1.0, 1.0)
    assert make.events(course, "AU45") == []


def test_lids_that_quiver_in_closed_eyes_do_not_blink(make: Any) -> None:
    lids = {"AU43": lambda t: make.rise(1, 5, 0.6)(t) + make.rise(2.9, 3.1, 0.25, ramp=0.09)(t)}
    course = make.course(make.samples(lids, spans=SPAN))
    assert len(make.events(course, "AU43")) == 1
    assert make.events(course, "AU45") == []


def test_what_begins_or_ends_out_of_sight_is_no_blink(make: Any) -> None:
    course = make.course(make.samples({"AU43": blinks(make, [0.0, 3.0, 6.0])}, spans=SPAN))
    assert [cue.peak for cue in make.events(course, "AU45")] == pytest.approx([3.0], abs=0.05)


@pytest.mark.parametrize(("yaw", "count"), [(0.0, 1), (40.0, 0)])
def test_one_eye_alone_winks_in_a_face_seen_from_the_front(make: Any, yaw: float, count: int) -> None:
    lids = {"AU43": (make.rise(2, 2.6, 0.6), lambda t: 0 * t + 0.05)}
    course = make.course(make.samples({}, sides=lids, spans=SPAN, angles={"yaw": lambda t: 0 * t + yaw}))
    found = make.events(course, "AU46")
    assert len(found) == count
    assert all((cue.left, cue.right) == (1.0, 0.0) for cue in found)
    assert make.events(course, "AU45") == []


def test_probable_blinks_of_another_tool_keep_their_value(make: Any) -> None:
    lids = blinks(make, [2.0, 4.0], height=0.8, rest=0.1)
    weak = blinks(make, [3.0], height=0.3, rest=0.0)
    samples = make.samples({"AU43": lambda t: lids(t) + weak(t)}, scale=Scale.PROBABILITY)
    found = make.events(make.course(samples), "AU45")
    assert [cue.value for cue in found] == pytest.approx([0.9, 0.9], abs=0.01)
    assert [cue.peak for cue in found] == pytest.approx([2.0, 4.0], abs=0.05)


def test_blinks_may_be_measured_as_blinks(make: Any) -> None:
    """OpenFace gives AU45, not AU43."""
    course = make.course(make.samples({"AU45": blinks(make, [2.0, 4.0], height=0.4)}))
    assert [cue.id for cue in make.events(course, "AU45")] == ["p1.AU45.1", "p1.AU45.2"]


def test_the_blink_rate_is_blinks_a_second_of_the_face(make: Any) -> None:
    course = make.course(make.samples({"AU43": blinks(make, [1.0, 3.0, 5.0, 9.0])}, seconds=12, unseen=(6.0, 8.0)))
    (rate,) = [cue for cue in course.cues if cue.name == "blink_rate"]
    assert (rate.id, rate.kind, rate.scale, rate.extent) == ("p1.blink_rate", CueKind.MOTION, Scale.RATE, Extent.WHOLE)
    assert rate.value == pytest.approx(4 / 10.04, abs=0.001)
    assert (rate.start, rate.end) == (0.0, 12.0)


@pytest.mark.parametrize(
    ("units", "seconds", "fps", "reason"),
    [
        (["AU43"], 4.94, 50.0, "the eyes are seen for 4.96 s, it needs 5 s"),
        (["AU43"], 9.0, 10.0, "measured at 10.0 frames a second, it needs 12: some blinks fall between two"),
        (["AU12"], 9.0, 25.0, "eye closure is not measured by made-up"),
    ],
)
def test_a_blink_rate_that_cannot_be_told_is_missing(
    make: Any, units: list[str], seconds: float, fps: float, reason: str
) -> None:
    samples = make.samples({code: lambda t: 0 * t for code in units}, seconds=seconds, fps=fps)
    course = make.course(samples)
    assert {gap.stream: gap.reason for gap in course.missing}["blink_rate"] == reason
    assert "p1.blink_rate" not in {cue.id for cue in course.cues}


def test_five_seconds_of_frames_are_five_seconds(make: Any) -> None:
    """120 frames at 24 a second: the last one lasts too."""
    course = make.course(make.samples({"AU43": lambda t: 0 * t}, seconds=119 / 24, fps=24.0))
    assert "blink_rate" not in {gap.stream for gap in course.missing}


def test_eyes_that_are_only_hidden_are_not_said_to_be_unmeasured(make: Any) -> None:
    course = make.course(make.samples({"AU43": lambda t: t * np.nan, "AU12": lambda t: 0 * t}, spans=SPANS))
    assert {gap.stream: gap.reason for gap in course.missing}["blink_rate"] == "the eyes are never seen"


@pytest.mark.parametrize("fps", [12.0, 24.0, 30.0, 60.0])
def test_blinks_are_as_many_at_any_frame_rate(make: Any, fps: float) -> None:
    """Weak ones, unequal on the two sides, one into eyes that stay narrower: as blinks in a real clip are read."""

    def lids(height: float) -> Any:
        quick = [make.rise(at - 0.12, at + 0.12, height, ramp=0.05) for at in (1.0, 2.5, 4.0, 5.5)]
        return lambda t: 0.05 + sum(rise(t) for rise in quick) + make.rise(2.5, 3.5, 0.09, ramp=0.02)(t)

    samples = make.samples({}, sides={"AU43": (lids(0.28), lids(0.21))}, spans=SPAN, seconds=7, fps=fps)
    course = make.course(samples)
    assert [cue.peak for cue in make.events(course, "AU45")] == pytest.approx([1.0, 2.5, 4.0, 5.5], abs=0.13)
    (rate,) = [cue for cue in course.cues if cue.name == "blink_rate"]
    assert rate.value == pytest.approx(4 / 7, abs=0.01)


# ---- eyes that look down, eyes that are shut ------------------------------------------------------------------------

SPANS = {code: Span(0.4, 0.8) for code in ("AU43", "AU64", "AU61", "AU12", "AU01", "AU04")}


def downcast(make: Any) -> Any:
    """Eyes that look down, half open, up to 3 s, and then are shut until 6 s."""
    eyes = {"AU43": (lambda t: np.where(t < 3, 0.62, 0.75) * (t < 6), lambda t: np.where(t < 3, 0.48, 0.65) * (t < 6))}
    gaze = {"gaze_yaw": lambda t: 0 * t + 5.0, "gaze_pitch": lambda t: 0 * t - 12.0}
    units = {"AU64": lambda t: np.where(t < 6, 0.75, 0.2), "AU61": lambda t: 0 * t + 0.1}
    return units, eyes, gaze


def test_eyes_that_look_down_are_not_closed(make: Any) -> None:
    units, eyes, gaze = downcast(make)
    units["AU12"] = make.rise(1, 2, 0.7)
    course = make.course(make.samples(units, sides=eyes, angles=gaze, spans=SPANS, seconds=12), [])
    (closed,) = make.events(course, "AU43")
    assert (closed.start, closed.end) == pytest.approx((3.0, 6.0), abs=0.1)
    assert closed.value > 0.6
    lids = make.moment(course, "p1.AU43")
    assert 1 < lids.start < 2
    assert (lids.value, lids.raw) == (pytest.approx(0.0, abs=0.05), pytest.approx(0.62))
    assert make.moment(course, "p1.gaze_pitch").value == -12.0


def test_shut_eyes_show_no_gaze(make: Any) -> None:
    units, eyes, gaze = downcast(make)
    units["AU12"] = make.rise(4, 5, 0.7)
    course = make.course(make.samples(units, sides=eyes, angles=gaze, spans=SPANS, seconds=12), [])
    assert make.moment(course, "p1.AU43").value > 0.6
    gaps = {gap.stream: gap.reason for gap in course.missing}
    assert {gaps[name] for name in ("AU61", "AU64", "gaze")} == {"eyes closed at 4.5 s"}
    for series in course.series:
        if series.name in ("AU64", "gaze_yaw", "gaze_pitch"):
            assert series.at(4.5) is None
            assert series.at(2.0) is not None


@pytest.mark.parametrize(("closure", "reliable"), [(0.3, True), (0.5, True), (0.6, False)])
def test_absent_brows_are_no_evidence_while_the_lids_are_lowered(make: Any, closure: float, reliable: bool) -> None:
    units = {"AU01": make.rise(4, 5, 0.7), "AU04": lambda t: 0 * t, "AU12": make.rise(4, 5, 0.7)}
    lids = {"AU43": (lambda t: 0 * t + closure, lambda t: 0 * t + closure)}
    course = make.course(make.samples(units, sides=lids, spans=SPANS), [])
    assert {cue.reliable for cue in course.cues if cue.name in ("AU01", "AU04")} == {reliable}
    assert make.moment(course, "p1.AU12").reliable


def test_nobody_blinks_in_a_still_face_and_that_is_a_rate(make: Any) -> None:
    course = make.course(make.samples({"AU43": lambda t: 0 * t + 0.1}))
    (rate,) = [cue for cue in course.cues if cue.name == "blink_rate"]
    assert rate.value == 0.0
