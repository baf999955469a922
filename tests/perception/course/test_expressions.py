"""Probabilities of expressions over time become cues of a moment, of the whole, and series."""

import numpy as np
import pytest

from emollm.perception.course.expressions import (
    Expressions,
    moment_expressions,
    series_expressions,
    whole_expressions,
)
from emollm.types import Cue, Extent, Missing, Source

SEEN = Expressions(
    track="p1",
    times=np.array([0.0, 0.2, 0.4, 2.0]),
    values={"fear": np.array([0.1, 0.2, 0.6, np.nan]), "anger": np.array([0.9, 0.8, 0.4, np.nan])},
    confidence=np.array([0.5, 0.6, 0.7, np.nan]),
    source=Source(backend="net", version="1", licence="MIT"),
    every=0.2,
)


def test_a_moment_is_the_mean_of_the_looks_around_it() -> None:
    fear, anger = moment_expressions(SEEN, 0.3, 0.1, np.mean)
    assert isinstance(fear, Cue)
    assert isinstance(anger, Cue)
    assert (fear.id, fear.value, fear.start, fear.end, fear.confidence) == ("p1.expression.fear", 0.4, 0.2, 0.4, 0.6)
    assert fear.extent is Extent.MOMENT
    assert (fear.value or 0.0) + (anger.value or 0.0) == pytest.approx(1)


@pytest.mark.parametrize("time", [1.2, 2.0])
def test_a_moment_without_a_look_is_missing(time: float) -> None:
    gaps = list(moment_expressions(SEEN, time, 0.2, np.mean))
    assert all(isinstance(gap, Missing) for gap in gaps)
    assert {gap.reason for gap in gaps if isinstance(gap, Missing)} == {f"not measured at {time} s"}


def test_the_whole_is_the_mean_of_all_looks() -> None:
    fear, anger = whole_expressions(SEEN)
    assert (fear.id, fear.value, fear.extent) == ("p1.expression.fear.whole", 0.3, Extent.WHOLE)
    assert (anger.start, anger.end, anger.confidence) == (0.0, 2.0, 0.6)


def test_series_have_steps_as_long_as_the_looks_are_apart() -> None:
    fear, _ = series_expressions(SEEN, 0.1)
    assert (fear.start, fear.step, fear.values[:4]) == (0.0, 0.2, (0.1, 0.2, 0.6, None))
    coarse, _ = series_expressions(SEEN, 1.0)
    assert coarse.values == (0.6, None, None)


def test_without_a_track_ids_have_no_person() -> None:
    nobody = Expressions(None, SEEN.times, SEEN.values, SEEN.confidence, SEEN.source)
    assert [cue.id for cue in whole_expressions(nobody)] == ["expression.fear.whole", "expression.anger.whole"]
