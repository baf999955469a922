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
    assert blink.value == pytest.approx(0.4, abs=0.03)
    assert blink.raw == pytest.approx(0.25, abs=0.02)


def test_eyes_that_close_unequally_blink_and_do_not_wink(make: Any) -> None:
    lids = {"AU43": (blinks(make, [2.0], height=0.8), blinks(make, [2.0], height=0.4))}
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
    assert rate.value == pytest.approx(0.4)
    assert (rate.start, rate.end) == (0.0, 12.0)


@pytest.mark.parametrize(
    ("units", "seconds", "fps", "reason"),
    [
        (["AU43"], 4.0, 25.0, "the eyes are seen for 4.0 s, it needs 5 s"),
        (["AU43"], 9.0, 10.0, "measured at 10.0 frames a second, it needs 15"),
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


def test_nobody_blinks_in_a_still_face_and_that_is_a_rate(make: Any) -> None:
    course = make.course(make.samples({"AU43": lambda t: 0 * t + 0.1}))
    (rate,) = [cue for cue in course.cues if cue.name == "blink_rate"]
    assert rate.value == 0.0
