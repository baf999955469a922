"""What is told of a class: measured shares by hand, groups too small left out, nobody named."""

from collections.abc import Mapping, Sequence

import pytest

from emollm.errors import ConfigError
from emollm.reasoner import ReasonerSettings
from emollm.report.cohort_engagement import Asked, engagement
from emollm.report.cohort_numbers import Engagement
from emollm.report.cohort_people import people_of
from emollm.report.cohort_reading import Entry
from emollm.report.cohort_watched import Watched, watch
from emollm.types import Observation
from tests.report.cohorts import Values, clip, voice


def watched(observations: Sequence[Observation], every: float = 10.0) -> list[Watched]:
    found = (watch(it, list(people_of(Entry(it.id, it, None), None, ReasonerSettings())), every) for it in observations)
    return [one for one in found if one is not None]


def told(observations: Sequence[Observation], **asked: object) -> Engagement:
    """Of clips of different people, if nothing else is asked."""
    settings = Asked(**{"every": 10.0, "different": True, **asked})  # type: ignore[arg-type]
    return engagement(watched(observations, settings.every), settings)


def pupils(count: int, courses: Mapping[str, Values], room: str = "7b", first: int = 1) -> list[Observation]:
    return [clip(f"lessons/{room}/{at}.mp4", courses) for at in range(first, first + count)]


AHEAD: Mapping[str, Values] = {"yaw": [5.0] * 40, "pitch": [-5.0] * 40, "AU12": [0.8] * 20 + [0.0] * 20}
TURNED: Mapping[str, Values] = {"yaw": [50.0] * 40, "pitch": [0.0] * 40}


def test_shares_of_a_class_by_hand() -> None:
    (row,) = told([*pupils(6, AHEAD), *pupils(2, TURNED, first=7)]).classes
    assert (row.name, row.people, row.clips) == ("class 1", 8, 8)
    first, second = row.stretches
    assert (first.start, first.end, first.people) == (0, 10, 8)
    assert first.signals["ahead"].value == 0.75
    assert first.signals["smile"].value == 0.75
    assert second.signals["smile"].value == 0
    assert row.whole.signals["smile"].value == pytest.approx(0.375)
    assert row.whole.signals["in_view"].value == 1
    assert "gaze" not in row.whole.signals  # it was measured in nobody


def test_groups_below_the_least_number_are_not_told_and_not_named() -> None:
    found = told([*pupils(5, AHEAD, "7b"), *pupils(4, AHEAD, "anna")])
    assert [row.people for row in found.classes] == [5]
    assert found.hidden == 1
    assert "anna" not in found.to_json()
    assert told(pupils(5, AHEAD), least=6).classes == ()


def test_a_stretch_with_too_few_people_is_left_out_of_the_totals_too() -> None:
    short = {name: values[:20] for name, values in AHEAD.items()}
    (row,) = told([*pupils(4, AHEAD), *pupils(3, short, first=5)]).classes
    assert [one.people for one in row.stretches] == [7, None]
    assert row.stretches[1].signals == {}
    assert row.hidden == 1
    assert row.whole.signals["smile"].value == 1  # of the first 10 s alone: nothing of the others can be worked out


def test_clips_of_one_pupil_are_no_class_unless_they_are_said_to_be_of_different_people() -> None:
    recordings = pupils(5, AHEAD, "anna")
    found = told(recordings, different=False)
    assert (found.classes, found.hidden) == ((), 1)
    assert "anna" not in found.to_json()
    assert [row.people for row in told(recordings, different=True).classes] == [5]


def test_a_room_that_is_filmed_in_two_lessons_counts_once() -> None:
    lessons = [clip(f"7b/{at}.mp4", *[AHEAD] * 3) for at in range(2)]
    assert told(lessons, different=False).classes == ()
    (row,) = told(lessons, different=False, least=3).classes
    assert (row.people, row.clips) == (3, 2)
    assert [one.people for one in row.stretches] == [3, 3]
    assert {figure.n for figure in row.whole.signals.values()} == {3}


def test_a_recording_of_one_pupil_does_not_enter_the_numbers_of_a_room() -> None:
    clips = [clip("7b/room.mp4", *[TURNED] * 5), *pupils(9, AHEAD)]
    anna = [one.model_copy(update={"id": one.id.replace("lessons/", "")}) for one in clips]
    (row,) = told(anna, different=False).classes
    assert (row.people, row.clips) == (5, 1)
    assert row.whole.signals["ahead"].value == 0


def test_classes_of_one_name_in_different_schools_stay_apart() -> None:
    observations = [*pupils(3, AHEAD, "s1/7b"), *pupils(3, AHEAD, "s2/7b")]
    found = told(observations)
    assert (found.classes, found.hidden) == ((), 2)
    named = told([*observations, *pupils(3, AHEAD, "s2/8a")], names=True)
    assert [row.name for row in named.classes] == ["s1/7b", "s2/7b", "8a"]
    assert [row.people for row in named.classes] == [3, 3, 3]


def test_classes_are_numbered_unless_names_are_asked_for() -> None:
    observations = [*pupils(5, AHEAD, "7b"), *pupils(2, AHEAD, "8a"), *pupils(6, AHEAD, "9c")]
    found = told(observations)
    assert [(row.name, row.people) for row in found.classes] == [("class 1", 5), ("class 2", 6)]
    assert [row.name for row in told(observations, names=True).classes] == ["7b", "8a", "9c"]


@pytest.mark.parametrize("names", [False, True])
def test_of_one_learner_there_are_no_numbers(names: bool) -> None:
    found = told(pupils(5, AHEAD), condition="single", names=names)
    assert (found.classes, found.hidden) == ((), 0)


def test_a_face_that_was_lost_and_found_again_is_no_second_person() -> None:
    early: Values = [0.8] * 18 + [None] * 22
    late: Values = [None] * 22 + [0.8] * 18
    room = clip("lessons/7b/room.mp4", *[{"AU12": early}, {"AU12": late}] * 3)
    assert told([room]).classes == ()
    (row,) = told([room], least=3).classes
    assert row.people == 3
    assert row.whole.signals["in_view"].value == pytest.approx(0.9)


def test_a_face_that_is_lost_and_found_within_one_step_is_no_second_person_either() -> None:
    room = clip("7b/room.mp4", *[{"AU12": [0.8] * 20}] * 4)
    cut = [track.model_copy(update={"start": 5.2} if at % 2 else {"end": 5.2}) for at, track in enumerate(room.tracks)]
    (one,) = watched([room.model_copy(update={"tracks": tuple(cut)})])
    assert one.most == 2


def test_more_stretches_than_can_be_read_are_refused() -> None:
    with pytest.raises(ConfigError, match="give 2 seconds or more"):
        told([clip("7b/a.mp4", {"AU12": [0.8] * 1500})], every=1.0)


def test_blinks_are_no_shut_eyes_and_talking_is_no_yawn() -> None:
    blink = {"AU43": [0.0] * 4 + [0.9] + [0.0] * 195}
    shut = {"AU43": [0.9] * 100 + [0.0] * 100}
    assert _value(blink, "eyes_shut", step=0.1) == 0
    assert _value(shut, "eyes_shut", step=0.1) == pytest.approx(0.5)
    assert _value({"AU26": [0.8] * 3 + [0.0] * 37}, "jaw") == 0
    assert _value({"AU26": [0.8] * 6 + [0.0] * 34}, "jaw") == 1
    spoken = [clip(f"7b/{at}.mp4", {"AU26": [0.0] + [0.8] * 4 + [0.0] * 35}, more=voice("p1", speech_rate=4.0)) for at in range(5)]  # fmt: skip
    assert told(spoken, every=60.0).classes[0].whole.signals["jaw"].value == 0


def _value(course: Mapping[str, Values], signal: str, step: float = 0.5) -> float:
    clips = [clip(f"7b/{at}.mp4", course, peak=0.0, step=step) for at in range(5)]
    return told(clips, every=60.0).classes[0].whole.signals[signal].value


def test_the_teachers_orientation_selects_what_is_shown() -> None:
    shown = {
        orientation: [one.name for one in told(pupils(5, AHEAD), orientation=orientation).signals]
        for orientation in ("learning", "subject", "doubtful")
    }
    assert {"smile", "brow"} <= {*shown["learning"]}
    assert shown["subject"] == ["in_view", "ahead", "gaze", "eyes_shut"]
    assert shown["doubtful"] == ["in_view"]


def test_where_a_class_is_unlike_its_usual() -> None:
    away: Mapping[str, Values] = {"yaw": [0.0] * 60 + [60.0] * 20 + [0.0] * 20, "pitch": [0.0] * 100}
    (row,) = told(pupils(8, away)).classes
    (look,) = row.looks
    assert (look.start, look.end, look.signal, look.value, look.usual) == (30, 40, "ahead", 0, 1)


def test_single_people_are_told_of_only_where_names_are_asked_for() -> None:
    assert told(pupils(5, AHEAD)).classes[0].named == ()
    (row,) = told(pupils(2, AHEAD), names=True).classes
    assert [one.name for one in row.named] == ["1.mp4", "2.mp4"]
    assert row.whole.people is None
    assert row.named[0].signals["smile"] == 0.5
