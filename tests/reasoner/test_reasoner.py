"""The deterministic reasoner: sanity of its labels, and the proof that it asserts nothing that was not measured."""

import re
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emollm import facs
from emollm.emotions import label_set
from emollm.errors import ConfigError, DataError
from emollm.evidence import Evidence, Faithfulness, check, check_text
from emollm.evidence.lexicon import lexicon, sentences
from emollm.prompts import prompt
from emollm.reasoner import ReasonerSettings, reason
from emollm.reasoner.weighing import expressive, weigh
from emollm.types import (
    Answer,
    Box,
    Claim,
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
UNDER_REPORTED = frozenset({"AU05", "AU09", "AU34"})
"""Units that the backend of these tests marks as unreliable."""
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
        reliable=code not in UNDER_REPORTED,
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
        assert not [claim for claim in one.claims if claim.verdict is Verdict.CONTRADICTED]
        assert not [claim for claim in one.claims if claim.reason == lexicon()["reasons"]["unread"]]
        assert sum(entry.score for entry in one.labels) == pytest.approx(1 if one.labels else 0)
        assert sorted(entry.label for entry in one.labels) in ([], sorted(labels.labels))
        assert one.labels or one.status == "abstained"
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
        for code in re.findall(r"AU\d\d", told):
            assert any(code in text for text in backed), code
        for start, end in sentences(told):
            assert any(text in told[start:end] for text in backed), told[start:end]


@example(904039)
@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_nothing_is_asserted_that_was_not_measured(seed: int) -> None:
    prove(seed)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_nothing_is_asserted_that_was_not_measured_on_many_more(seed: int) -> None:
    prove(seed)


def test_the_claims_are_those_of_the_finished_text() -> None:
    for seed in range(50):
        observation = random_observation(seed)
        for one in everyone(reason(observation, BASIC)):
            assert one.rationale is not None
            assert one.claims == check(one.rationale, observation, one.track)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_the_order_of_the_cues_changes_nothing(seed: int) -> None:
    observation = random_observation(seed)
    cues = list(observation.cues)
    Random(seed + 1).shuffle(cues)
    assert reason(observation.model_copy(update={"cues": tuple(cues)}), BASIC) == reason(observation, BASIC)


def test_claims_lose_support_against_another_face() -> None:
    own: list[Claim] = []
    other: list[Claim] = []
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


def test_a_smile_on_one_side_with_a_tuck_is_a_candidate_for_contempt() -> None:
    still = [cue for cue in face().cues if cue.name not in ("AU12", "AU14")]
    answer = reason(seen(*still, unit("AU12", 0, sides=(0.5, 0.05)), unit("AU14", 0, sides=(0.4, 0.02))), BASIC)
    assert answer.label == "contempt"
    assert answer.rationale is not None
    assert "left side" in answer.rationale.observations
    assert "EMFACS" in answer.rationale.interpretation


def test_a_smile_on_both_sides_is_no_sign_of_contempt() -> None:
    answer = reason(seen(unit("AU12", 0, sides=(0.5, 0.45)), unit("AU14", 0, sides=(0.4, 0.4))), BASIC)
    assert {entry.label: entry.score for entry in answer.labels}["contempt"] == 0


@pytest.mark.parametrize(
    ("smile", "tuck"),
    [
        ((0.5, 0.5), (0.4, 0.02)),
        ((0.5, 0.05), (0.4, 0.4)),
        ((0.5, 0.05), (0.02, 0.4)),
        ((0.5, 0.05), None),
    ],
)
def test_contempt_asks_for_both_units_on_one_side(smile: tuple[float, float], tuck: tuple[float, float] | None) -> None:
    tucked = unit("AU14", 0.4) if tuck is None else unit("AU14", 0, sides=tuck)
    answer = reason(seen(unit("AU12", 0, sides=smile), tucked), BASIC)
    assert {entry.label: entry.score for entry in answer.labels}["contempt"] == 0


def test_one_side_of_a_smile_is_not_enough_for_contempt_where_the_tuck_was_not_measured() -> None:
    still = [cue for cue in face().cues if cue.name not in ("AU12", "AU14")]
    answer = reason(seen(*still, unit("AU12", 0, sides=(0.9, 0.0))), BASIC)
    assert answer.label != "contempt"


def test_a_lone_lowered_brow_is_unclear_and_names_the_two_nearest() -> None:
    answer = reason(face(AU04=0.5), BASIC)
    assert (answer.status, answer.label, answer.intensity) == ("abstained", None, None)
    assert answer.rationale is not None
    assert answer.rationale.conclusion.startswith("Unclear")
    for entry in answer.labels[:2]:
        assert entry.label in answer.rationale.conclusion


def test_two_expressions_of_equal_weight_are_too_close_to_call() -> None:
    answer = reason(face(AU04=0.9, AU07=0.9, AU24=0.9, AU09=0.9, AU10=0.9, AU17=0.9), BASIC)
    assert answer.label is None
    assert answer.rationale is not None
    assert "too close to call" in answer.rationale.conclusion


def test_an_open_mouth_alone_is_no_expression() -> None:
    answer = reason(face(AU25=0.8, AU26=0.8), BASIC)
    assert [entry.label for entry in answer.labels if entry.score > 0] == ["neutral"]
    assert answer.rationale is not None
    assert "Talking alone" in answer.rationale.interpretation


def test_a_stretched_mouth_is_an_open_one() -> None:
    """What talking does in general is said of no face, and a mouth that is stretched open is open."""
    wide = seen(unit("AU25", 0.05), unit("AU26", 0.09), unit("AU27", 0.45))
    assert [claim.verdict for claim in check_text("The mouth is open.", Part.OBSERVATIONS, wide, "p1")] == [
        Verdict.SUPPORTED
    ]
    for text in (
        prompt("reasoner/rationale").blocks["mouth_only"],
        prompt("reasoner/rationale").blocks["mouth_only_then"],
    ):
        assert check_text(text, Part.INTERPRETATION, face(), "p1") == ()
    prove(904039)


def test_the_reasons_of_a_photo_name_quantities_in_words() -> None:
    (claim,) = check_text(
        "The gaze is directed down (gaze pitch -13°).", Part.OBSERVATIONS, seen(angle("gaze_pitch", -13.0)), "p1"
    )
    assert "_" not in claim.reason
    assert "gaze pitch -13 degrees, the text says -13" in claim.reason


def test_parted_lips_count_only_as_far_as_another_unit_of_the_core_is_there() -> None:
    def happiness(**values: float) -> float:
        settings = ReasonerSettings()
        labels = weigh(Evidence(face(**values).cues), BASIC, 1.0, settings).matches
        return labels["happiness"].support

    assert happiness(AU25=0.8, AU04=0.3) == 0
    assert happiness(AU25=0.8, AU12=0.2) < happiness(AU25=0.8, AU12=0.3) < happiness(AU25=0.8, AU12=0.5)
    assert happiness(AU25=0.8, AU12=0.5) == happiness(AU25=0.5, AU12=0.5)
    answer = reason(face(AU25=0.8, AU26=0.5, AU04=0.35), BASIC)
    assert answer.rationale is not None
    assert "happiness" not in answer.rationale.interpretation


def test_movement_that_no_prior_lists_is_told_but_has_no_label() -> None:
    answer = reason(face(AU18=0.8), BASIC)
    assert answer.label is None
    assert answer.rationale is not None
    assert "AU18 0.80" in answer.rationale.observations
    assert "not part of any prior" in answer.rationale.interpretation


def test_closed_eyes_gaze_and_head_pose_change_no_score() -> None:
    plain = reason(face(AU06=0.6, AU12=0.8, AU25=0.5), BASIC)
    cues = face(AU06=0.6, AU12=0.8, AU25=0.5, AU43=0.9).cues
    posed = reason(seen(*cues, angle("yaw", -30), angle("gaze_pitch", -20)), BASIC)
    assert posed.labels == plain.labels
    assert posed.rationale is not None
    assert "(yaw -30°)" in posed.rationale.observations


def test_the_gaze_is_told_only_of_open_eyes() -> None:
    for closure, told in ((0.05, True), (0.9, False)):
        answer = reason(seen(*face(AU43=closure).cues, angle("gaze_pitch", -20)), BASIC)
        by_units = reason(seen(*face(AU43=closure).cues, unit("AU64", 0.9)), BASIC)
        assert answer.rationale is not None
        assert by_units.rationale is not None
        assert ("The gaze is directed down." in answer.rationale.observations) is told
        assert ("The eyes are turned far down (AU64 0.90)." in by_units.rationale.observations) is told


def test_units_of_a_probability_are_told_in_one_sentence() -> None:
    cues = [
        unit(code, value, scale=Scale.PROBABILITY) for code, value in (("AU06", 0.99), ("AU12", 0.9), ("AU25", 0.7))
    ]
    answer = reason(seen(*cues), BASIC)
    assert answer.rationale is not None
    assert len([one for one in answer.rationale.observations.split(". ") if "AU" in one]) == 1
    backed = {id for claim in answer.claims if claim.part is Part.OBSERVATIONS for id in claim.cues}
    assert backed == {cue.id for cue in cues}
    assert {claim.verdict for claim in answer.claims} == {Verdict.SUPPORTED}


def test_thin_evidence_does_not_look_certain() -> None:
    """What the support lacks goes to all labels evenly."""
    answer = reason(face(AU12=0.32), BASIC)
    best = answer.labels[0]
    assert (answer.status, best.label) == ("abstained", "happiness")
    support = weigh(Evidence(face(AU12=0.32).cues), BASIC, 1.0, ReasonerSettings()).matches["happiness"].support
    assert best.score == pytest.approx(support + (1 - support) / len(BASIC.labels), abs=0.01)
    assert sum(entry.score for entry in answer.labels) == pytest.approx(1)


def test_a_runner_up_without_weight_is_not_named() -> None:
    answer = reason(face(AU06=0.6, AU12=0.8, AU25=0.5), BASIC)
    assert answer.rationale is not None
    assert "no other label has weight" in answer.rationale.conclusion
    assert "(0.00)" not in answer.rationale.conclusion


def test_thin_evidence_gives_support_and_names_no_label_without_any() -> None:
    answer = reason(face(AU18=0.9, AU17=0.13), BASIC)
    assert answer.rationale is not None
    assert "the best support is 0." in answer.rationale.conclusion
    assert not [label for label in BASIC.labels if label in answer.rationale.conclusion]
    assert "core" not in answer.rationale.interpretation


def test_units_that_two_labels_share_are_told_once() -> None:
    answer = reason(face(AU01=0.4), BASIC)
    assert answer.rationale is not None
    text = answer.rationale.interpretation
    assert "AU01 0.40 belongs to the cores of surprise and fear in Du et al. 2014." in text
    assert text.count("AU01") == 1


def test_without_a_face_nothing_is_said() -> None:
    answer = reason(seen(tracks=(), missing=(Missing(stream="face", reason="no face found"),)), BASIC)
    assert (answer.status, answer.label, answer.track, answer.claims) == ("abstained", None, None, ())
    assert answer.missing[0].stream == "face"
    assert answer.rationale is not None
    assert "not visible" in answer.rationale.conclusion
    assert answer.rationale.observations == ""


@pytest.mark.parametrize(
    "observation",
    [seen(tracks=()), seen(), seen(angle("yaw", 3.0)), face(AU18=0.8)],
    ids=("face", "cues", "units", "prior"),
)
def test_no_label_is_ranked_where_nothing_speaks_for_any(observation: Observation) -> None:
    answer = reason(observation, BASIC)
    assert (answer.status, answer.label, answer.labels) == ("abstained", None, ())
    assert "neutral" not in answer.text


def test_the_strongest_movement_is_accounted_for() -> None:
    answer = reason(face(AU06=0.7, AU12=0.9, AU25=0.6, AU10=1.0), BASIC)
    assert answer.label == "happiness"
    assert answer.rationale is not None
    assert "AU10 1.00, the strongest movement here, was not weighed for happiness" in answer.rationale.interpretation
    assert "it fits anger and disgust" in answer.rationale.interpretation
    strange = reason(face(AU06=0.7, AU12=0.9, AU25=0.6, AU18=1.0), BASIC)
    assert strange.rationale is not None
    assert "no prior in use lists it" in strange.rationale.interpretation


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_the_strongest_movement_is_accounted_for_on_any_face(seed: int) -> None:
    random = Random(seed)
    observation = face(**{code: value(random) for code in MEASURED})
    answer = reason(observation, BASIC)
    cues = [cue for cue in observation.cues if expressive(cue.name) and (cue.value or 0) >= 0.3]
    if not cues or not answer.labels:
        return
    assert answer.rationale is not None
    top = max(cues, key=lambda cue: cue.value or 0)
    assert top.name in answer.rationale.interpretation or "Talking alone" in answer.rationale.interpretation


def test_movements_against_each_other_are_remarked_on() -> None:
    def interpreted(**units: float) -> str:
        rationale = reason(face(**units), BASIC).rationale
        assert rationale is not None
        return rationale.interpretation

    smile = {"AU06": 0.7, "AU12": 0.9}
    assert "AU24 0.50 and AU25 0.60 pull against each other" in interpreted(**smile, AU25=0.6, AU24=0.5)
    assert "at least one of them is uncertain" in interpreted(**smile, AU25=0.6, AU24=0.5)
    assert "AU12 0.90 and AU15 0.50 pull against each other" in interpreted(**smile, AU15=0.5)
    assert "pull against" not in interpreted(**smile, AU25=0.6, AU24=0.2)
    assert "pull against" not in interpreted(AU01=0.5, AU04=0.5, AU20=0.5, AU25=0.5)


def test_movements_near_the_noise_are_told_only_where_nothing_stronger_is() -> None:
    text = reason(face(AU06=0.6, AU12=0.8, AU25=0.5, AU04=0.12, AU05=0.14), BASIC).text
    assert "AU04" not in text
    assert "AU05 0.14" not in text
    assert "AU04 0.12" in reason(face(AU04=0.12), BASIC).text
    settings = ReasonerSettings(min_told=0.1)
    assert "AU04 0.12" in reason(face(AU06=0.6, AU12=0.8, AU25=0.5, AU04=0.12), BASIC, settings).text


def test_a_face_without_units_is_unclear_not_neutral() -> None:
    answer = reason(seen(angle("yaw", 3.0)), BASIC)
    assert answer.label is None
    assert answer.rationale is not None
    assert "No action units were measured" in answer.rationale.interpretation


def test_few_units_at_rest_are_not_yet_neutral() -> None:
    assert reason(seen(unit("AU12", 0.0)), BASIC).label is None


def test_unreliable_and_missing_units_do_not_count_as_absent() -> None:
    surprise = {"AU01": 0.5, "AU02": 0.5, "AU25": 0.5, "AU26": 0.5, "AU17": 0.5}
    low = unit("AU05", 0.0)
    assert not low.reliable
    without = [unit(code, strength) for code, strength in surprise.items()]

    def score(*cues: Cue) -> float:
        return {entry.label: entry.score for entry in reason(seen(*cues), BASIC).labels}["surprise"]

    assert score(*without, low) == score(*without)
    assert score(*without, low.model_copy(update={"reliable": True})) < score(*without)


def test_a_contradicting_unit_lowers_the_support_and_is_named() -> None:
    def support(observation: Observation) -> float:
        return weigh(Evidence(observation.of("p1")), BASIC, 1.0, ReasonerSettings()).matches["sadness"].support

    sad = {"AU01": 0.5, "AU04": 0.5, "AU15": 0.5}
    assert support(face(**sad, AU12=0.5)) == pytest.approx(support(face(**sad)) - ReasonerSettings().contradiction)
    answer = reason(face(**sad, AU12=0.5), BASIC)
    assert answer.rationale is not None
    assert "AU12 0.50 speaks against sadness" in answer.rationale.interpretation


def test_the_most_prominent_person_is_the_answer_and_the_others_follow() -> None:
    small, large = person("p1", prominence=0.3), person("p2", prominence=0.7)
    smile = [unit(code, 0.8, track="p2") for code in ("AU06", "AU12", "AU25")]
    frown = [unit(code, 0.8, track="p1") for code in ("AU04", "AU07", "AU24")]
    both = seen(*smile, *frown, tracks=(small, large))
    answer = reason(both, BASIC)
    assert (answer.track, answer.label) == ("p2", "happiness")
    assert [(one.track, one.label) for one in answer.people] == [("p1", "anger")]
    chosen = reason(both, BASIC, track="p1")
    assert (chosen.track, chosen.label, chosen.people[0].track) == ("p1", "anger", "p2")


def test_an_unknown_person_is_refused() -> None:
    with pytest.raises(DataError, match="unknown track 'p3'"):
        reason(face(), BASIC, track="p3")


def test_an_unknown_prior_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown prior"):
        reason(face(), BASIC, ReasonerSettings(priors=("ekman",)))


@pytest.mark.parametrize(
    ("track", "cues", "words"),
    [
        (person(size=25.0), (), "25 pixels"),
        (person(confidence=0.4), (), "confidence of only 0.40"),
        (person(), (angle("yaw", 60.0),), "head turn of 60°"),
    ],
)
def test_a_poor_view_is_said_and_lowers_the_certainty(track: Track, cues: tuple[Cue, ...], words: str) -> None:
    smile = [unit(code, 0.8) for code in ("AU06", "AU12", "AU25")]
    good = reason(seen(*smile), BASIC)
    poor = reason(seen(*smile, *cues, tracks=(track,)), BASIC)
    assert poor.rationale is not None
    assert words in poor.rationale.interpretation
    assert poor.labels[0].score < good.labels[0].score


def test_labels_without_a_prior_have_no_score_and_are_named() -> None:
    answer = reason(face(AU06=0.6, AU12=0.8, AU25=0.5), label_set("raer"))
    scores = {entry.label: entry.score for entry in answer.labels}
    assert answer.label == "enjoyment"
    assert scores["confusion"] == scores["fatigue"] == scores["distraction"] == 0
    assert answer.rationale is not None
    assert "confusion, fatigue and distraction" in answer.rationale.interpretation
    assert "borrows the prior of happiness" in answer.rationale.interpretation


def test_a_milder_word_does_not_share_the_prior_of_a_label_of_the_same_set() -> None:
    scores = {
        entry.label: entry.score
        for entry in reason(face(AU01=0.5, AU04=0.5, AU20=0.5, AU25=0.5), label_set("mafw")).labels
    }
    assert scores["fear"] > 0
    assert scores["anxiety"] == 0


def test_compound_labels_use_the_compound_prior() -> None:
    answer = reason(face(AU01=0.6, AU02=0.6, AU12=0.6, AU25=0.6), label_set("c-expr-db"))
    assert answer.labels[0].label == "happily surprised"


def test_probabilities_of_an_expression_network_are_blended_and_worded_as_such() -> None:
    smile = [unit(code, 0.8) for code in ("AU06", "AU12", "AU25")]
    answer = reason(seen(*smile, expression("happy", 0.3), expression("surprise", 0.7)), BASIC)
    assert answer.rationale is not None
    assert "gives surprise a probability of 0.70" in answer.rationale.observations
    scores = {entry.label: entry.score for entry in answer.labels}
    units_only = {entry.label: entry.score for entry in reason(seen(*smile), BASIC).labels}
    known = units_only["happiness"] + units_only["surprise"]  # of other labels the network says nothing
    assert scores["surprise"] == pytest.approx(0.5 * units_only["surprise"] + 0.5 * 0.7 * known)
    assert scores["fear"] == pytest.approx(units_only["fear"])


def network(**values: float) -> tuple[Cue, ...]:
    """What our own face net gives the eight expressions; what is not given has an equal part of the rest."""
    words = [word.lower().replace("happy", "happiness") for word in EMOTIONS]
    rest = (1 - sum(values.values())) / (len(words) - len(values))
    source = Source(backend="face-mt", version="1", licence="Apache-2.0")
    return tuple(
        expression(word, round(values.get(word, rest), 3)).model_copy(update={"source": source}) for word in words
    )


@pytest.mark.parametrize(("weight", "share"), [(None, "0.85"), (0.3, "0.30")])
def test_our_own_network_counts_as_measured_unless_a_weight_is_set(weight: float | None, share: str) -> None:
    smile = [unit(code, 0.8) for code in ("AU06", "AU12", "AU25")]
    answer = reason(seen(*smile, *network(happiness=0.9)), BASIC, ReasonerSettings(expression_weight=weight))
    assert answer.rationale is not None
    assert f"count for {share} of the weight" in answer.rationale.interpretation


def test_where_units_and_network_disagree_the_answer_says_so() -> None:
    smile = [unit(code, 0.8) for code in ("AU06", "AU12", "AU25")]
    answer = reason(seen(*smile, *network(sadness=0.9)), BASIC)
    assert answer.rationale is not None
    assert "disagree" in answer.rationale.interpretation
    assert [claim.verdict for claim in answer.claims if "0.90" in claim.text] == [Verdict.SUPPORTED] * 2
    agreed = reason(seen(*smile, *network(happiness=0.9)), BASIC)
    assert agreed.rationale is not None
    assert "disagree" not in agreed.rationale.interpretation


def test_a_network_gives_no_strength_to_what_no_unit_shows() -> None:
    still = [unit(code, 0.02) for code in MEASURED]
    answer = reason(seen(*still, *network(anger=0.95)), BASIC)
    assert (answer.label, answer.intensity) == ("anger", None)
    assert answer.rationale is not None
    assert "of unknown strength" in answer.rationale.conclusion


def test_neutral_by_the_network_alone_has_no_strength() -> None:
    answer = reason(seen(unit("AU12", 0.5), unit("AU04", 0.4), *network(neutral=0.97)), BASIC)
    assert (answer.label, answer.intensity) == ("neutral", None)


def test_a_label_that_the_network_does_not_know_keeps_what_the_units_give_it() -> None:
    movements = [unit(code, 0.6) for code in ("AU01", "AU02", "AU12", "AU25")]
    labels = label_set("c-expr-db")
    with_net = reason(seen(*movements, *network(happiness=0.9)), labels)
    alone = reason(seen(*movements), labels)
    assert {one.label: one.score for one in with_net.labels} == {one.label: one.score for one in alone.labels}


def test_an_answer_names_the_network_it_used() -> None:
    assert "face-mt@1" in reason(seen(*network(anger=0.95)), BASIC).provenance.cues


def test_expression_probabilities_alone_give_a_label_without_strength() -> None:
    answer = reason(seen(expression("happiness", 0.9), expression("neutral", 0.1)), BASIC)
    assert (answer.label, answer.intensity) == ("happiness", None)


def test_a_unit_given_as_probability_is_named_without_strength() -> None:
    cues = [unit(code, 0.9, scale=Scale.PROBABILITY) for code in ("AU06", "AU12", "AU25")]
    answer = reason(seen(*cues), BASIC)
    assert (answer.label, answer.intensity) == ("happiness", None)
    assert answer.rationale is not None
    assert "AU12 probability 0.90" in answer.rationale.observations
    assert "of unknown strength" in answer.rationale.conclusion
    assert not {"broad", "slightly", "strongly", "far"} & set(answer.rationale.observations.split())


def test_intensity_follows_the_supporting_units() -> None:
    answer = reason(face(AU06=0.6, AU12=0.8, AU25=0.5), BASIC)
    assert answer.intensity == pytest.approx((0.8 + 0.5 + 0.5 * 0.6) / 2.5)
    assert (answer.valence, answer.arousal) == (None, None)


def test_a_smile_without_raised_cheeks_is_said_with_care() -> None:
    answer = reason(face(AU12=0.8, AU25=0.5), BASIC)
    assert answer.rationale is not None
    assert "AU06 was not clearly present" in answer.rationale.interpretation
    assert "an expression is not a feeling" in answer.rationale.interpretation


def test_the_text_is_stable_and_the_seed_varies_it() -> None:
    smile = face(AU06=0.6, AU12=0.8, AU25=0.5)
    assert reason(smile, BASIC) == reason(smile, BASIC)
    texts = {reason(smile, BASIC, ReasonerSettings(seed=seed)).text for seed in range(12)}
    assert len(texts) > 3


def test_provenance_names_the_prompt_and_the_backends() -> None:
    answer = reason(face(), BASIC)
    assert answer.provenance.model.startswith("reasoner@")
    assert answer.provenance.prompt == f"reasoner/rationale@{prompt('reasoner/rationale').version}"
    assert answer.provenance.cues == ("mesh-head@1",)
    assert Answer.from_json(answer.to_json()) == answer


def test_no_wording_speaks_of_gender_or_of_who_a_person_is() -> None:
    words = {"he", "she", "his", "her", "him", "man", "woman", "boy", "girl", "male", "female", "young", "old", "race"}
    for id in ("reasoner/rationale", "reasoner/units", "reasoner/clip"):
        for text in prompt(id).blocks.values():
            assert not words & set(re.findall(r"[a-z]+", text.lower()))


def test_units_of_a_table_without_positions_are_reasoned_over_all_the_same() -> None:
    """LibreFace and OpenFace's ``-aus`` say nothing of where the face is: cues without a track, and no "face" missing."""
    smile = face(AU06=0.6, AU12=0.8, AU25=0.5)
    loose = tuple(cue.model_copy(update={"track": None, "id": cue.name}) for cue in smile.cues)
    answer = reason(smile.model_copy(update={"tracks": (), "cues": loose, "missing": ()}), BASIC)
    assert answer.track is None
    assert answer.label == "happiness"
    assert all(claim.verdict is Verdict.SUPPORTED for claim in answer.claims)
