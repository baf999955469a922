"""From a photo or a clip to an answer with its evidence."""

import json
import threading
from pathlib import Path

import pytest

from emollm import assets
from emollm.errors import ConfigError, DataError
from emollm.explain import ExplainSettings, explain
from emollm.facs import UNITS
from emollm.perception.settings import PerceptionSettings
from emollm.types import Answer, Clip, Verdict

SETTINGS = ExplainSettings(by="cues", perception=PerceptionSettings(action_units="mesh-head"))


@pytest.fixture(scope="module")
def answer(astronaut: Path) -> Answer:
    return explain(Clip(id="astronaut", image=astronaut), SETTINGS).answer


def test_a_smile_is_happiness(answer: Answer) -> None:
    assert answer.status == "answered"
    assert answer.label == "happiness"
    assert answer.intensity is not None
    assert answer.intensity > 0.5
    assert answer.labels[0].label == "happiness"
    assert sum(item.score for item in answer.labels) == pytest.approx(1, abs=1e-6)


def test_each_claim_about_the_photo_rests_on_a_cue_and_none_is_contradicted(answer: Answer) -> None:
    assert len(answer.claims) >= 3
    assert {claim.verdict for claim in answer.claims} == {Verdict.SUPPORTED}
    assert any(cue.endswith("AU12") for claim in answer.claims for cue in claim.cues)


def test_the_units_shown_to_people_are_unpadded_and_named(answer: Answer) -> None:
    assert answer.rationale is not None
    assert "(AU12 " in answer.rationale.observations
    assert UNITS["AU12"].name == "lip corner puller"


def test_what_was_not_measured_is_declared_in_the_answer(answer: Answer) -> None:
    assert {"AU06", "AU09"} <= {gap.stream for gap in answer.missing}
    assert answer.valence is None
    assert answer.arousal is None


def test_everybody_gets_an_answer_and_the_most_prominent_one_comes_first(group: Path) -> None:
    answer = explain(Clip(id="group", image=group), SETTINGS).answer
    assert answer.track == "p1"
    assert [other.track for other in answer.people] == ["p2", "p3", "p4", "p5"]
    assert all(other.people == () for other in answer.people)


def test_another_person_can_be_chosen(group: Path) -> None:
    answer = explain(Clip(id="group", image=group), SETTINGS, track="p3").answer
    assert answer.track == "p3"
    assert {other.track for other in answer.people} == {"p1", "p2", "p4", "p5"}
    with pytest.raises(DataError, match="p9"):
        explain(Clip(id="group", image=group), SETTINGS, track="p9")


def test_the_answer_is_in_the_words_of_the_label_set_asked_for(astronaut: Path) -> None:
    settings = SETTINGS.model_copy(update={"labels": "fer2013"})
    answer = explain(Clip(id="a", image=astronaut), settings).answer
    assert answer.label == "happy"
    assert {item.label for item in answer.labels} == {"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"}
    with pytest.raises(ConfigError, match="unknown label set"):
        explain(Clip(id="a", image=astronaut), SETTINGS.model_copy(update={"labels": "fer2012"}))


def test_an_answer_reads_back_from_its_json(answer: Answer) -> None:
    assert Answer.from_json(answer.to_json()) == answer
    keys = set(json.loads(answer.to_json()))
    contract = "id track status label label_set labels intensity valence arousal rationale claims missing text provenance people"
    assert set(contract.split()) <= keys


@pytest.fixture(scope="module")
def smile() -> Clip:
    """A video of 2.4 s, without speech."""
    return Clip(id="smile", video=assets.path("clip-single-face"))


def test_a_video_is_explained_at_its_most_expressive_moment(smile: Clip) -> None:
    told: list[tuple[float, float | None]] = []
    observation, answer = explain(smile, SETTINGS, progress=lambda done, total: told.append((done, total)))
    assert (answer.label, answer.track) == ("happiness", "p1")
    apex = observation.tracks[0].peaks[0].time
    assert f"{apex:.1f} s" in answer.text
    assert Verdict.CONTRADICTED not in {claim.verdict for claim in answer.claims}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == pytest.approx(2.4, abs=0.4)
    assert all(total == pytest.approx(2.4, abs=0.1) for _, total in told)


class Enough(Exception):
    """What ends the work."""


@pytest.mark.parametrize("stream", ["video", "audio"])
def test_what_progress_raises_ends_the_work_and_leaves_no_thread(smile: Clip, stream: str) -> None:
    def stop(done: float, total: float | None) -> None:
        raise Enough

    before = set(threading.enumerate())
    with pytest.raises(Enough):
        explain(Clip(id="smile", **{stream: smile.video}), SETTINGS, progress=stop)
    assert set(threading.enumerate()) <= before
