"""Faithfulness of answers, by hand and on small measured faces."""

import math

import pytest

from emollm.errors import DataError
from emollm.evidence import Faithfulness
from emollm.metrics.bootstrap import value
from emollm.metrics.faithfulness import against_others, checked, faithfulness
from emollm.metrics.report import Measure, measured
from emollm.types import Cue, CueKind, MediaInfo, Observation, Scale, Source

SOURCE = Source(backend="test", version="1", licence="Apache-2.0")
SMILE = {"AU12": 0.9, "AU06": 0.8, "AU04": 0.0, "AU15": 0.0}
FROWN = {"AU12": 0.0, "AU06": 0.0, "AU04": 0.8, "AU15": 0.9}
CHEERFUL = "The corners of the mouth are raised and the cheeks are raised."
GLOOMY = "The brows are lowered. The corners of the mouth are pulled down."


def face(id: str, units: dict[str, float]) -> Observation:
    cues = [
        Cue(id=name, kind=CueKind.ACTION_UNIT, name=name, scale=Scale.INTENSITY, value=level, source=SOURCE)
        for name, level in units.items()
    ]
    return Observation(id=id, media=MediaInfo(kind="table"), cues=tuple(cues))


def numbers(found: dict[str, Measure], n: int) -> dict[str, float]:
    return {name: value(one.statistic, n) for name, one in found.items()}


def test_shares_are_of_all_claims_and_support_of_the_decided() -> None:
    found = numbers(faithfulness([Faithfulness(3, 1, 0), Faithfulness(2, 0, 2), Faithfulness(0, 0, 2)]), 3)
    assert (found["supported"], found["contradicted"], found["unverifiable"]) == (0.5, 0.1, 0.4)
    assert (found["support"], found["coverage"]) == (pytest.approx(5 / 6), pytest.approx(0.6))
    assert (found["clean"], found["silent"], found["claims"]) == tuple(map(pytest.approx, (1 / 3, 1 / 3, 10 / 3)))


def test_an_answer_without_claims_wins_nothing() -> None:
    found = numbers(faithfulness([Faithfulness(0, 0, 0), Faithfulness(1, 0, 0)]), 2)
    assert (found["clean"], found["silent"]) == (0.0, 1.0)
    assert math.isnan(numbers(faithfulness([Faithfulness(0, 0, 0)]), 1)["support"])
    with pytest.raises(DataError, match="no answers"):
        faithfulness([])


def test_measurements_of_another_clip_take_the_support_away() -> None:
    texts = [CHEERFUL, GLOOMY]
    faces = [face("one", SMILE), face("two", FROWN)]
    own, other = checked(texts, faces), against_others(texts, faces)
    assert [(one.supported, one.contradicted) for one in own] == [(2, 0), (2, 0)]
    assert [(one.supported, one.contradicted) for one in other] == [(0, 2), (0, 2)]
    found = faithfulness(own, other)
    assert (numbers(found, 2)["support_lost"], found["support"].floor, found["clean"].floor) == (1.0, 0.0, 0.0)


def test_intervals_draw_answers_and_a_control_needs_as_many() -> None:
    counts = [Faithfulness(2, 0, 1), Faithfulness(1, 1, 0)] * 20
    found = measured(faithfulness(counts), 40, resamples=200)["support"]
    assert found.value == 0.75
    assert found.ci is not None
    assert found.ci[0] < 0.75 < found.ci[1]
    with pytest.raises(DataError, match="40 answers but 1 in the control"):
        faithfulness(counts, counts[:1])
    with pytest.raises(DataError, match="1 answers but 2"):
        checked(["text"], [face("one", SMILE)] * 2)
