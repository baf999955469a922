"""The deterministic reasoner: sanity of its labels, and the proof that it asserts nothing that was not measured."""

import re
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emollm import facs
from emollm.emotions import label_set
from emollm.evidence import Faithfulness, check
from emollm.lexicon import sentences
from emollm.reasoner import reason
from emollm.types import (
    Answer,
    Box,
    Cue,
    CueKind,
    Face,
    MediaInfo,
    Missing,
    Observation,
    Part,
    Scale,
    Source,
    Track,
    Verdict,
)

BASIC = label_set("basic8")
SETS = ("basic8", "canonical9", "raer", "c-expr-db", "mafw", "merr", "goemotions")
SOURCE = Source(backend="mesh-head", version="1", licence="Apache-2.0")
MEASURED = tuple(
    f"AU{n:02d}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 25, 26, 27, 28, 29, 30, 34, 43)
)
POSE = {"yaw": 70, "pitch": 50, "roll": 60, "gaze_yaw": 40, "gaze_pitch": 30}
EMOTIONS = ("neutral", "Happy", "sadness", "anger", "fear", "surprise", "disgust", "contempt")


def unit(
    code: str,
    value: float,
    *,
    sides: tuple[float, float] | None = None,
    scale: Scale = Scale.INTENSITY,
    track: str = "p1",
) -> Cue:
    left, right = sides or (None, None)
    return Cue(
        id=f"{track}.{code}.{scale}",
        kind=CueKind.ACTION_UNIT,
        name=code,
        scale=scale,
        value=max(sides) if sides else value,
        left=left,
        right=right,
        track=track,
        reliable=code not in facs.UNRELIABLE,
        source=SOURCE,
    )


def angle(name: str, degrees: float, track: str = "p1") -> Cue:
    kind = CueKind.GAZE if name.startswith("gaze") else CueKind.HEAD_POSE
    return Cue(
        id=f"{track}.{name}", kind=kind, name=name, scale=Scale.DEGREES, value=degrees, track=track, source=SOURCE
    )


def expression(name: str, value: float, track: str = "p1") -> Cue:
    return Cue(
        id=f"{track}.{name}",
        kind=CueKind.EXPRESSION,
        name=name,
        scale=Scale.PROBABILITY,
        value=value,
        track=track,
        source=Source(backend="face-net", version="1", licence="Apache-2.0"),
    )


def person(id: str = "p1", size: float = 120.0, confidence: float = 0.95, prominence: float = 1.0) -> Track:
    face = Face(box=Box(x=0.0, y=0.0, width=size, height=size), confidence=confidence)
    return Track(id=id, faces=(face,), prominence=prominence)


def seen(*cues: Cue, tracks: tuple[Track, ...] | None = None, missing: tuple[Missing, ...] = ()) -> Observation:
    people = (person(),) if tracks is None else tracks
    return Observation(id="photo.jpg", media=MediaInfo(kind="image"), tracks=people, cues=cues, missing=missing)


def face(**values: float) -> Observation:
    """A face on which all units were measured, at rest but for the given ones."""
    return seen(*(unit(code, values.get(code, 0.02)) for code in MEASURED))


def value(random: Random) -> float:
    """An intensity, often at rest, often near a threshold."""
    pick = random.random()
    if pick < 0.35:
        return random.uniform(0, 0.1)
    if pick < 0.5:
        return min(1.0, max(0.0, random.choice((0.1, 0.3, 0.5, 0.6, 0.7)) + random.choice((0.0, -1e-9, 0.004, -0.004))))
    return random.random()


def random_observation(seed: int) -> Observation:
    """Any subset of units at any value on either scale, sides or none, angles, expressions, several people, gaps."""
    random = Random(seed)
    cues: list[Cue] = []
    tracks = [f"p{index + 1}" for index in range(random.choice((1, 1, 1, 2, 3)))]
    for track in tracks:
        share, likely = random.choice((0.0, 0.2, 0.6, 1.0)), random.choice((0.0, 0.0, 0.3, 1.0))
        for code, entry in facs.UNITS.items():
            if random.random() > share:
                continue
            sides = (value(random), value(random)) if entry.two_sided and random.random() < 0.6 else None
            if random.random() < likely:
                cues.append(unit(code, value(random), scale=Scale.PROBABILITY, track=track))
                if random.random() < 0.7:
                    continue
            cues.append(unit(code, value(random), sides=sides, track=track))
        for name, limit in POSE.items():
            if random.random() < 0.6:
                cues.append(angle(name, random.uniform(-limit, limit), track))
        if random.random() < 0.2:
            cues += [expression(name, random.random(), track) for name in EMOTIONS if random.random() < 0.8]
    random.shuffle(cues)
    people = tuple(person(id, random.choice((20.0, 39.6, 200.0)), random.random(), random.random()) for id in tracks)
    return seen(*cues, tracks=people, missing=(Missing(stream="AU11", reason="not measured by this backend"),))


def everyone(answer: Answer) -> tuple[Answer, ...]:
    return (answer, *answer.people)


def prove(seed: int) -> None:
    """No contradicted claim, evidence in each observed sentence, only measured codes, scores that sum to 1."""
    observation = random_observation(seed)
    labels = label_set(SETS[seed % len(SETS)])
    answer = reason(observation, labels)
    for one in everyone(answer):
        assert one.rationale is not None
        assert one.claims == check(one.rationale, observation, one.track)
        assert not [claim for claim in one.claims if claim.verdict is Verdict.CONTRADICTED]
        assert sum(entry.score for entry in one.labels) == pytest.approx(1)
        assert sorted(entry.label for entry in one.labels) == sorted(labels.labels)
        told = one.rationale.observations
        own = {cue.name for cue in observation.of(one.track)}
        assert set(re.findall(r"AU\d\d", told)) <= own
        if "Nothing that was measured" in told:
            continue
        backed = [
            claim.text
            for claim in one.claims
            if claim.part is Part.OBSERVATIONS and claim.verdict is Verdict.SUPPORTED and claim.cues
        ]
        for start, end in sentences(told):
            assert any(text in told[start:end] for text in backed), told[start:end]


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_nothing_is_asserted_that_was_not_measured(seed: int) -> None:
    prove(seed)


@pytest.mark.slow
@settings(max_examples=20000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_nothing_is_asserted_that_was_not_measured_on_many_more(seed: int) -> None:
    prove(seed)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_the_cues_changes_nothing(seed: int) -> None:
    observation = random_observation(seed)
    cues = list(observation.cues)
    Random(seed + 1).shuffle(cues)
    assert reason(observation.model_copy(update={"cues": tuple(cues)}), BASIC) == reason(observation, BASIC)


def test_claims_lose_support_against_another_face() -> None:
    own, other = [], []
    for seed in range(300):
        observation, stranger = random_observation(seed), random_observation(seed + 10_000)
        answer = reason(observation, BASIC)
        assert answer.rationale is not None
        own += answer.claims
        other += check(answer.rationale, stranger, "p1")
    assert Faithfulness.of(own).support == 1
    assert (Faithfulness.of(other).support or 0) < 0.35


@pytest.mark.parametrize(
    ("units", "label"),
    [
        ({"AU06": 0.6, "AU12": 0.8, "AU25": 0.5}, "happiness"),
        ({"AU01": 0.5, "AU04": 0.4, "AU15": 0.5}, "sadness"),
        ({"AU01": 0.5, "AU02": 0.5, "AU05": 0.5, "AU26": 0.5}, "surprise"),
        ({"AU04": 0.5, "AU07": 0.5, "AU24": 0.5}, "anger"),
        ({"AU09": 0.5, "AU10": 0.5, "AU17": 0.5}, "disgust"),
        ({"AU01": 0.5, "AU04": 0.5, "AU20": 0.5, "AU25": 0.5}, "fear"),
        ({}, "neutral"),
    ],
)
def test_textbook_faces_get_their_label(units: dict[str, float], label: str) -> None:
    answer = reason(face(**units), BASIC)
    assert (answer.status, answer.label) == ("answered", label)
    assert answer.labels[0].label == label
    if units:
        assert reason(seen(*(unit(code, strength) for code, strength in units.items())), BASIC).label == label
