"""The summary of a cohort by hand: labels, movements, gaps, the common course."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from emollm.emotions import label_set
from emollm.reasoner import ReasonerSettings, reason
from emollm.report.cohort_counts import Sized, cohort, figure
from emollm.report.cohort_numbers import Cohort
from emollm.report.cohort_people import THERE, UNKNOWN, Person, people_of
from emollm.report.cohort_reading import Entry
from emollm.types import Answer, AnswerProvenance, Missing, Observation, RankedLabel, Rationale
from tests.report.cohorts import Values, clip, said, voice

SMILE: Mapping[str, Values] = {"AU12": [0.8] * 8, "AU25": [0.5] * 8}
STILL: Mapping[str, Values] = {"AU12": [0.1] * 8}


def people(*observations: Observation) -> list[Person]:
    return [one for it in observations for one in people_of(Entry(it.id, it, None), None, ReasonerSettings())]


def counted(*observations: Observation) -> Cohort:
    all_ = people(*observations)
    return cohort(all_, [one.name for one in all_], named=True)


def test_a_share_of_independent_people_has_wilsons_interval_and_its_number() -> None:
    found = figure([Sized(value, f"clip {at}") for at, value in enumerate((1, 1, 1, 0))], share=True)
    assert found is not None
    assert (found.value, found.n) == (0.75, 4)
    assert (found.low, found.high) == pytest.approx((0.3006, 0.9544), abs=1e-3)


def test_people_of_one_clip_are_no_independent_draws() -> None:
    apart = figure([Sized(float(at < 6), f"{at}") for at in range(12)])
    together = figure([Sized(float(at < 6), f"{at // 6}") for at in range(12)])
    assert apart is not None
    assert together is not None
    assert (together.low, together.high) == (0, 1)
    assert apart.low is not None
    assert apart.low > 0.1
    alone = figure([Sized(0.5, "one"), Sized(1.0, "one")])
    assert alone is not None
    assert (alone.value, alone.low, alone.n) == (0.75, None, 2)


def test_all_or_none_of_few_people_is_not_sure() -> None:
    found = figure([Sized(0.0, f"{at}") for at in range(5)], share=True)
    assert found is not None
    assert found.high is not None
    assert found.high > 0.3


def test_labels_are_those_of_the_answers_and_else_of_the_reasoner() -> None:
    observation = clip("a.mp4", SMILE)
    given = Answer(
        id="a.mp4", track="p1", status="answered", label="anger", label_set="basic8", intensity=0.4,
        labels=(RankedLabel(label="anger", score=1.0),), rationale=Rationale(observations="", interpretation="", conclusion=""),
        provenance=AnswerProvenance(model="some model"),
    )  # fmt: skip
    (told,) = people_of(Entry("a.mp4", observation, given), None, ReasonerSettings())
    assert (told.label, told.answered_by, told.reasoned) == ("anger", "some model", False)
    (read,) = people(observation)
    assert (read.label, read.reasoned) == ("happiness", True)
    (alone,) = people_of(Entry("a.mp4", None, given), None, ReasonerSettings())
    assert (alone.label, alone.course) == ("anger", None)
    assert "no Observation" in alone.missing[0].reason


def test_a_record_names_no_file_to_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "set.yaml"
    secret.write_text("id: [")
    given = Answer(id="a.mp4", track="p1", status="abstained", label_set=str(secret), provenance=AnswerProvenance(model="m"))  # fmt: skip
    (told,) = people_of(Entry("a.mp4", clip("a.mp4", SMILE), given), None, ReasonerSettings())
    assert told.read_in == "basic8"


def test_a_movement_that_was_not_measured_counts_neither_way() -> None:
    gap = Missing(stream="AU04", reason="eyes closed at 1.0 s", track="p1")
    found = counted(clip("a.mp4", SMILE), clip("b.mp4", STILL), clip("c.mp4", STILL, missing=[gap]))
    rows = {row.unit: row for row in found.units}
    assert (rows["AU12"].shown.value, rows["AU12"].shown.n) == (pytest.approx(1 / 3, abs=1e-4), 3)
    assert (rows["AU04"].shown.value, rows["AU04"].shown.n) == (0, 2)
    assert [(row.stream, row.reason, row.people) for row in found.gaps] == [("single action units", "eyes closed at … s", 1)]  # fmt: skip


def test_time_without_a_face_is_unknown_and_pictures_far_apart_are_no_gap() -> None:
    values = [0.8, None, 0.8, None, None, None, None, None, 0.8, 0.1]
    (one,) = people(clip("a.mp4", {"AU12": values}, peak=0.0, step=0.1))
    assert one.course is not None
    assert list(one.course.units["AU12"]) == [THERE, THERE, THERE, *[UNKNOWN] * 5, THERE, 1]
    assert one.course.activity == (1, 1, 1, None, None, None, None, None, 1, 0)
    (row,) = (row for row in counted(clip("a.mp4", {"AU12": values}, peak=0.0, step=0.1)).units if row.unit == "AU12")
    assert row.time is not None
    assert row.time.value == pytest.approx(4 / 5)


def test_the_mouth_counts_little_while_somebody_speaks() -> None:
    quiet, talking = people(clip("a.mp4", SMILE), clip("b.mp4", SMILE, more=voice("p1", speech_rate=4.0)))
    assert quiet.course is not None
    assert talking.course is not None
    assert quiet.course.activity[2] == 2
    assert talking.course.activity[2] == pytest.approx(0.6)  # AU12 half, AU25 a tenth
    assert talking.course.activity[6] == 2


def test_the_common_axis_ends_where_fewer_than_two_people_are_left() -> None:
    short, long = {"AU12": [0.8] * 8}, {"AU12": [0.1] * 40}
    found = counted(clip("a.mp4", short), clip("b.mp4", long))
    assert found.duration == 20
    assert found.bins[-1].end == 4
    assert {row.people for row in found.bins} == {2}
    assert found.bins[0].units["AU12"].value == 0.5
    assert found.bins[0].activity is not None
    assert found.bins[0].activity.value == 0.5


def test_voices_are_told_without_their_pitch_and_only_where_they_are_known_to_be_somebodys() -> None:
    own = clip("a.mp4", SMILE, more=[*voice("p1", speech_rate=4.0, f0_median=210.0), *said("good", 0.5, 0.5, 2.5)])
    crowd = clip("b.mp4", SMILE, STILL, more=[*voice(None, speech_rate=9.0), *said("bad", -0.5, 0.5, 2.5, None)])
    found = {row.name: row.figure for row in counted(own, crowd).quantities}
    assert found["speech rate"].value == 4.0
    assert found["speech rate"].n == 1
    assert found["polarity of the words"].value == 0.5
    assert not any("pitch" in name and name != "pitch range" for name in found)


def test_the_label_read_off_the_measurements_is_the_reasoners(astronaut_observation: Observation) -> None:
    seen = (
        clip("a.mp4", SMILE),
        clip("b.mp4", STILL),
        clip("c.mp4", {"AU04": [0.7] * 8, "AU15": [0.6] * 8}),
        clip("d.mp4"),
    )
    for observation in (astronaut_observation, *seen):
        full = reason(observation, label_set("basic8"))
        (read,) = people(observation)
        assert (read.status, read.label, read.intensity) == (full.status, full.label, full.intensity)
