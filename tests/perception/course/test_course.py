"""The course of one person: baseline, moment cues, series, gaps."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.perception.backends import Span
from emollm.perception.course import Course, CourseSettings, Samples, course_of, series_step
from emollm.types import Extent, MediaInfo, Observation, Scale, Source

STILL = {"AU04": lambda t: 0 * t, "AU12": lambda t: 0 * t}
SPAN = {"AU04": Span(0.1, 0.9), "AU12": Span(0.1, 0.9)}


# ---- the moment -----------------------------------------------------------------------------------------------------


def test_the_values_of_the_moment_are_medians_of_a_tenth_of_a_second_around_the_apex(make: Any) -> None:
    course = make.course(make.samples({"AU12": make.rise(2, 3, 0.8, ramp=0.5), "AU04": lambda t: 0 * t + 0.2}))
    smile, brows = make.moment(course, "p1.AU12"), make.moment(course, "p1.AU04")
    apex = course.peaks[0].time
    assert apex == pytest.approx(2.5, abs=0.05)
    assert (smile.start, smile.end) == pytest.approx((apex - 0.08, apex + 0.08), abs=0.021)
    assert smile.value == pytest.approx(0.75, abs=0.06)
    assert (brows.value, brows.scale, brows.confidence, brows.track) == (0.2, Scale.INTENSITY, 0.9, "p1")


def test_one_frame_is_read_as_a_photo(make: Any) -> None:
    course = make.course(
        make.samples({"AU12": lambda t: 0 * t + 0.6}, seconds=0, angles={"yaw": lambda t: 0 * t + 20.0})
    )
    assert {cue.id: cue.value for cue in course.cues} == {"p1.AU12": 0.6, "p1.yaw": 20.0}
    assert {(cue.extent, cue.start, cue.end) for cue in course.cues} == {(Extent.MOMENT, 0.0, 0.0)}
    assert [peak.reason for peak in course.peaks] == ["a single frame"]
    assert course.missing == ()


def test_nobody_who_was_never_seen_has_a_course(make: Any) -> None:
    nobody = make.samples(STILL, seconds=1, unseen=(-1, 2))
    with pytest.raises(ValueError, match="never seen"):
        course_of(nobody, None, CourseSettings(), step=0.1)


def test_without_a_track_ids_have_no_prefix(make: Any) -> None:
    course = make.course(make.samples({"AU12": make.rise(2, 3)}, track=None))
    assert {"AU12", "AU12.1"} <= {cue.id for cue in course.cues}
    assert {cue.track for cue in course.cues} == {None}


def test_a_unit_with_sides_has_the_value_of_the_larger_one(make: Any) -> None:
    sides = {"AU12": (make.rise(2, 4, 0.9), make.rise(2, 4, 0.5))}
    course = make.course(make.samples({}, sides=sides, spans=SPAN))
    for cue in (make.moment(course, "p1.AU12"), *make.events(course, "AU12")):
        assert (cue.value, cue.left, cue.right) == (1.0, 1.0, 0.5)
        assert cue.raw == 0.9


def test_units_that_the_backend_under_reports_are_not_reliable(make: Any) -> None:
    course = make.course(make.samples({**STILL, "AU05": make.rise(2, 3)}, unreliable=frozenset({"AU05"})))
    assert {cue.id for cue in course.cues if not cue.reliable} == {"p1.AU05", "p1.AU05.1"}


@pytest.mark.parametrize(("yaw", "roll", "both"), [(0, 0, True), (14, -14, True), (16, 0, False), (0, -22, False)])
def test_sides_of_a_face_turned_or_tilted_far_are_not_told(make: Any, yaw: float, roll: float, both: bool) -> None:
    sides = {"AU12": (make.rise(2, 4, 0.4), make.rise(2, 4, 0.7))}
    angles = {"yaw": lambda t: 0 * t + yaw, "roll": lambda t: 0 * t + roll}
    course = make.course(make.samples({}, sides=sides, spans=SPAN, angles=angles))
    for cue in (make.moment(course, "p1.AU12"), *make.events(course, "AU12")):
        assert cue.value == pytest.approx(0.75)
        assert (cue.left is not None, cue.right is not None) == (both, both)


def test_what_lies_outside_of_the_picture_is_said_in_order(make: Any) -> None:
    units = {code: lambda t: t * np.nan for code in ("AU12", "AU04")}
    course = make.course(make.samples(units, spans=SPAN, angles={"yaw": lambda t: 0 * t}))
    reason = "this part of the face lies outside of the picture"
    assert [(gap.stream, gap.reason) for gap in course.missing[:2]] == [("AU04", reason), ("AU12", reason)]
    small = make.course(make.samples(units, spans=SPAN, angles={"yaw": lambda t: t * np.nan}))
    assert {gap.reason for gap in small.missing[:2]} == {"the face is too small to be measured"}


def test_what_was_not_measured_at_the_apex_is_missing_not_zero(make: Any) -> None:
    hidden = make.samples(
        {"AU12": make.rise(2, 3), "AU04": lambda t: np.where(t > 1.5, np.nan, 0.7), "AU09": lambda t: t * np.nan},
        angles={"gaze_yaw": lambda t: t * np.nan, "gaze_pitch": lambda t: t * np.nan, "yaw": lambda t: 0 * t},
    )
    course = make.course(hidden)
    gaps = {gap.stream: gap.reason for gap in course.missing}
    assert gaps["AU04"] == "not measured at 2.5 s"
    assert gaps["AU09"] == "made-up gives no number for it in this clip"
    assert gaps["gaze"] == "not measured at 2.5 s"
    assert {"p1.AU04", "p1.AU09", "p1.gaze_yaw"}.isdisjoint(cue.id for cue in course.cues)
    assert make.events(course, "AU04")[0].end == pytest.approx(1.5, abs=0.05)


# ---- the calm face --------------------------------------------------------------------------------------------------


def test_intensity_counts_from_the_persons_own_calm_face(make: Any) -> None:
    """Raw 0.25 at rest, 0.7 at the apex, span 0.1 to 0.9: (0.7 - 0.25) / (0.9 - 0.25)."""
    course = make.course(make.samples({"AU12": lambda t: 0.25 + make.rise(2, 3, 0.45)(t)}, spans=SPAN))
    smile = make.moment(course, "p1.AU12")
    assert (smile.value, smile.raw) == (pytest.approx(0.692, abs=0.002), 0.7)


def test_somebody_who_smiles_all_the_time_is_not_neutral(make: Any) -> None:
    """The calm level taken off is at most 0.1 + 0.8 / 4 = 0.3: (0.7 - 0.3) / (0.9 - 0.3)."""
    course = make.course(make.samples({"AU12": lambda t: 0 * t + 0.7}, spans=SPAN))
    assert make.moment(course, "p1.AU12").value == pytest.approx(0.667, abs=0.001)


def test_a_calm_face_below_the_span_changes_nothing(make: Any) -> None:
    course = make.course(make.samples({"AU12": make.rise(2, 3, 0.5)}, spans=SPAN))
    assert make.moment(course, "p1.AU12").value == pytest.approx(0.5)


def test_less_than_two_seconds_of_a_face_are_not_corrected(make: Any) -> None:
    short = make.samples({"AU12": lambda t: 0 * t + 0.3}, spans=SPAN, seconds=1.5)
    assert make.moment(make.course(short), "p1.AU12").value == pytest.approx(0.25)
    scattered = make.samples({"AU12": lambda t: 0 * t + 0.3}, spans=SPAN, seconds=9, unseen=(0.5, 8.5))
    assert make.moment(make.course(scattered), "p1.AU12").value == pytest.approx(0.25)


@pytest.mark.parametrize("scale", [Scale.INTENSITY, Scale.PROBABILITY])
def test_what_other_tools_give_is_reported_as_it_is(make: Any, scale: Scale) -> None:
    course = make.course(make.samples({"AU12": lambda t: 0 * t + 0.4}, scale=scale))
    smile = make.moment(course, "p1.AU12")
    assert (smile.value, smile.raw, smile.scale) == (0.4, None, scale)


# ---- series ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "step"), [(0.0, 0.1), (5.0, 0.1), (60.0, 0.1), (61.0, 0.11), (600.0, 1.0), (7200.0, 12.0)]
)
def test_a_series_has_some_600_points_whatever_the_length(duration: float, step: float) -> None:
    assert series_step(duration) == step
    assert duration / series_step(duration) <= 600.0001


def test_series_hold_the_largest_intensity_and_the_median_angle_of_each_step(make: Any) -> None:
    course = make.course(
        make.samples({**STILL, "AU12": make.rise(2, 3, 0.8)}, angles={"yaw": lambda t: np.where(t < 1, 10.04, -20.0)})
    )
    series = {item.name: item for item in course.series}
    assert set(series) == {"AU12", "yaw"}, "what is absent all the time is left out"
    assert (series["AU12"].at(0.5), series["AU12"].at(2.5), len(series["AU12"].values)) == (0.0, 0.8, 61)
    assert (series["yaw"].at(0.55), series["yaw"].at(5.0), series["yaw"].scale) == (10.0, -20.0, Scale.DEGREES)


def test_series_are_empty_where_the_face_was_not_seen(make: Any) -> None:
    course = make.course(make.samples({"AU12": make.rise(0, 9)}, unseen=(1.99, 4.0)))
    (smile,) = course.series
    assert [smile.at(time) for time in (1.85, 2.5, 3.85, 4.5)] == [1.0, None, None, 1.0]


def test_a_series_begins_where_the_person_is_first_seen(make: Any) -> None:
    course = make.course(make.samples({"AU12": make.rise(0, 9)}, unseen=(-1, 3.05)))
    (smile,) = course.series
    assert (smile.start, smile.at(2.9), smile.at(3.15)) == (3.0, None, 1.0)


# ---- any signal -----------------------------------------------------------------------------------------------------

SOURCE = Source(backend="made-up", version="1", licence="none")


@st.composite
def anybody(draw: st.DrawFn) -> Samples:
    """Noise of any coarseness, frames lost, numbers lost."""
    seed = draw(st.integers(0, 10_000))
    count, fps = draw(st.integers(1, 200)), draw(st.sampled_from([3.0, 12.5, 24.0, 60.0]))
    random = np.random.default_rng(seed)
    times = np.arange(count) / fps
    times = times[random.random(count) < draw(st.sampled_from([0.3, 0.9, 1.0]))]
    times = times if len(times) else np.array([1.0])

    def noise(scale: float) -> np.ndarray:
        walk = np.cumsum(random.normal(0, draw(st.sampled_from([0.02, 0.2])), len(times)))
        walk[random.random(len(times)) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
        return (np.abs(walk % 2 - 1) * scale).astype(np.float32)

    units = {code: noise(1.0) for code in ("AU04", "AU12", "AU25", "AU43")}
    return Samples(
        track=None,
        times=times,
        raw=units,
        scale=draw(st.sampled_from([Scale.INTENSITY, Scale.PROBABILITY])),
        spans=draw(st.sampled_from([None, dict.fromkeys(units, Span(0.1, 0.8))])),
        sides={},
        angles={"yaw": noise(60.0) - 30, "gaze_pitch": noise(60.0) - 30},
        mouth=noise(0.1),
        confidence=np.full(len(times), 0.9, np.float32),
        source=SOURCE,
        bearing=SOURCE,
    )


def _overlap(course: Course) -> bool:
    events = [cue for cue in course.cues if cue.extent is Extent.EVENT]
    by_name = {name: [cue for cue in events if cue.name == name] for name in {cue.name for cue in events}}
    return any(
        later.start < earlier.end - 1e-3
        for name, cues in by_name.items()
        if name.startswith("AU")
        for earlier, later in itertools.pairwise(cues)
    )


@given(anybody(), st.sampled_from([None, [], [(0.2, 1.1)]]))
def test_whatever_is_measured_the_course_is_in_order(
    samples: Samples, speech: list[tuple[float, float]] | None
) -> None:
    course = course_of(samples, speech, CourseSettings(), step=0.1)
    first, last = float(samples.times[0]), float(samples.times[-1])
    for cue in course.cues:
        assert first - 1e-3 <= cue.start <= cue.end <= last + 1e-3
        assert (cue.peak is not None) == (cue.extent is Extent.EVENT)
    for peak in course.peaks:
        assert first - 1e-3 <= peak.start <= peak.time <= peak.end <= last + 1e-3
        assert bool(peak.units) == (peak.reason is None)
    times = sorted(peak.time for peak in course.peaks)
    assert all(later - earlier >= 0.399 for earlier, later in itertools.pairwise(times))
    assert not _overlap(course)
    for series in course.series:
        assert len(series.values) <= (last - first) / 0.1 + 2
    record = Observation(
        id="a", media=MediaInfo(kind="video"), cues=course.cues, series=course.series, missing=course.missing
    )
    assert Observation.from_json(record.to_json()) == record
