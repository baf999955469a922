"""Claims in free English, ours and a language model's, and their verdicts."""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emollm import facs
from emollm.evidence import Faithfulness, check, check_text
from emollm.facs import UNITS
from emollm.prompts import prompt
from emollm.types import (
    Box,
    Claim,
    Cue,
    CueKind,
    Face,
    MediaInfo,
    Observation,
    Part,
    Rationale,
    Scale,
    Source,
    Track,
    Verdict,
)

SUPPORTED, CONTRADICTED, UNVERIFIABLE = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNVERIFIABLE
SOURCE = Source(backend="mesh-head", version="1", licence="Apache-2.0")

UNDER_REPORTED = frozenset({"AU05", "AU09", "AU34"})
"""Units that the backend of these tests marks as unreliable."""


def unit(code: str, value: float | tuple[float, float], scale: Scale = Scale.INTENSITY, track: str = "p1") -> Cue:
    left, right = value if isinstance(value, tuple) else (None, None)
    return Cue(
        id=f"{track}.{code}",
        kind=CueKind.ACTION_UNIT,
        name=code,
        scale=scale,
        value=max(value) if isinstance(value, tuple) else value,
        left=left,
        right=right,
        track=track,
        reliable=code not in UNDER_REPORTED,
        source=SOURCE,
    )


def angle(name: str, degrees: float) -> Cue:
    kind = CueKind.GAZE if name.startswith("gaze") else CueKind.HEAD_POSE
    return Cue(id=f"p1.{name}", kind=kind, name=name, scale=Scale.DEGREES, value=degrees, track="p1", source=SOURCE)


def seen(*cues: Cue) -> Observation:
    face = Face(box=Box(x=0.0, y=0.0, width=100.0, height=100.0), confidence=0.9)
    tracks = tuple(Track(id=id, faces=(face,), prominence=0.5) for id in ("p1", "p2"))
    return Observation(id="photo.jpg", media=MediaInfo(kind="image"), tracks=tracks, cues=cues)


def verdicts(text: str, observation: Observation) -> list[Verdict]:
    return [claim.verdict for claim in check_text(text, Part.OBSERVATIONS, observation, "p1")]


UNITS_OF_A_SMILE: dict[str, float | tuple[float, float]] = {
    "AU01": 0.05, "AU02": (0.04, 0.04), "AU04": (0.02, 0.02), "AU05": (0.03, 0.03), "AU06": (0.55, 0.5),
    "AU07": (0.2, 0.2), "AU09": (0.01, 0.01), "AU10": (0.35, 0.35), "AU12": (0.78, 0.45), "AU14": (0.12, 0.05),
    "AU15": (0.01, 0.01), "AU16": (0.1, 0.1), "AU17": 0.04, "AU18": 0.03, "AU20": (0.08, 0.08), "AU22": 0.02,
    "AU24": (0.02, 0.02), "AU25": 0.5, "AU26": 0.25, "AU27": 0.0, "AU28": 0.03, "AU34": 0.0, "AU43": (0.05, 0.05),
}  # fmt: skip
ANGLES_OF_A_SMILE = {"yaw": 23.0, "pitch": -3.0, "roll": 1.0, "gaze_yaw": -12.0, "gaze_pitch": 2.0}
SMILE = seen(
    *(unit(code, value) for code, value in UNITS_OF_A_SMILE.items()),
    *(angle(name, degrees) for name, degrees in ANGLES_OF_A_SMILE.items()),
)
"""A smile, stronger on the left, with raised cheeks and parted lips; head to the person's left, eyes to the right."""

TRUE = (
    "The person smiles broadly.",
    "A wide smile spreads across the face.",
    "The person is smiling with raised cheeks.",
    "The corners of the mouth are pulled upwards.",
    "The corners of his mouth turn up and back, and his cheeks are lifted.",
    "The lips are parted, showing the upper teeth.",
    "There is no frown.",
    "The eyebrows are not raised.",
    "The brows are neither raised nor furrowed.",
    "The brows remain relaxed.",
    "Without any sign of a frown, the person grins.",
    "AU12 is strongly active (0.78).",
    "AU6 and AU12 are both present.",
    "AU12 (0.78) and AU06 (0.55) are the strongest units.",
    "The smile is stronger on the left than on the right.",
    "The left mouth corner is raised.",
    "The smile is asymmetric.",
    "The head is turned to the left.",
    "The head is turned slightly to the left.",
    "The gaze shifts to the right.",
    "She looks to her right.",
    "The face is turned away from the camera.",
    "The upper lip is raised.",
    "The lip corner depressor is absent.",
    "The smile (AU12: 0.78) dominates.",
    "The lips are not pressed together.",
    "Cheeks raised, lips parted, and a clear smile.",
    "The eyes are open.",
    "The lower lids are slightly tense.",
    "The mouth corners are not lowered.",
    "The smile shows 78% intensity in AU12 (78%).",
    "It seems that the person might be smiling.",
    "AU11 was not measured.",
    "The head is tilted neither to the left nor to the right.",
    "The smile is not slight.",
    "The smile lacks nothing; the cheeks are up.",
    "Her smile reaches the eyes, which are narrowed.",
    "The mouth is open.",
    "He raises the corners of his mouth.",
    "The lips are apart and the upper teeth visible.",
    "The person's cheeks push up and create crow's feet.",
    "Neither the brow lowerer nor the lip corner depressor is active.",
    "No furrowing of the brows can be seen.",
    "The absence of lowered brows fits.",
    "There isn't any frowning.",
    "the gaze is directed slightly to the right (gaze yaw -12°).",
    "The head faces left (yaw 23°).",
    "The smile is revealed.",
    "The head and the face are turned to the left.",
)

FALSE = (
    "The person is not smiling.",
    "There is no smile.",
    "The eyebrows are raised.",
    "Raised eyebrows suggest surprise.",
    "The brows are furrowed and the lips are pressed tightly together.",
    "The mouth corners are pulled down.",
    "The corners of the mouth turn downward.",
    "A slight smile is visible.",
    "A faint, barely visible smile.",
    "AU12 is at 0.45.",
    "AU12 0.20 shows a weak smile.",
    "AU99 is active.",
    "AU04 is present.",
    "The smile appears only on the right side.",
    "The smile is stronger on the right side.",
    "The smile is symmetrical.",
    "The head is turned to the right.",
    "The person looks to the left.",
    "The person looks straight at the camera.",
    "The cheeks are not raised.",
    "The eyes are closed.",
    "The lips are firmly pressed together.",
    "The mouth is closed.",
    "AU6 was not measured.",
    "The lips are strongly puckered.",
    "The brows are lowered (AU12 0.78).",
    "The inner brows are raised sharply, and tears are visible.",
    "Her furrowed brow shows worry.",
    "The head is turned 60 degrees to the left.",
    "The eyes are narrowed, while the mouth shows no smile.",
    "The person presses the lips together.",
    "He raises his eyebrows.",
    "The brows are drawn together, forming a vertical crease.",
    "Both eyebrows are lifted high.",
    "The eyebrows appear slightly raised.",
    "the gaze is directed to the right (gaze yaw 30°).",
    "The lips are tightened.",
    "The smile is not revealed.",
    "The smile is not visible.",
)

OPEN = (
    "The eyes are wide open.",
    "The eyes are not widened.",
    "The nose is not wrinkled.",
    "The jaw is lowered.",
    "Tears run down the cheeks.",
    "The voice trembles.",
    "The nostrils are flared.",
    "The tongue is out.",
    "AU23 is active.",
    "AU31 is active.",
    "The lids are tightened.",
    "Happiness has a probability of 0.62.",
)

NO_CLAIM = (
    "The expression is happiness.",
    "Happiness is usually shown by raised brows in some cultures.",
    "A prototype of sadness has AU04 and AU15.",
    "If the brows were lowered, anger would fit better.",
    "The person seems content.",
    "Anger would need lowered brows and pressed lips.",
)


@pytest.mark.parametrize("text", TRUE)
def test_a_true_statement_is_supported(text: str) -> None:
    assert set(verdicts(text, SMILE)) == {SUPPORTED}


@pytest.mark.parametrize("text", FALSE)
def test_a_false_statement_is_contradicted(text: str) -> None:
    assert CONTRADICTED in verdicts(text, SMILE)


@pytest.mark.parametrize("text", OPEN)
def test_what_was_not_measured_or_lies_between_is_unverifiable(text: str) -> None:
    assert set(verdicts(text, SMILE)) == {UNVERIFIABLE}


@pytest.mark.parametrize("text", NO_CLAIM)
def test_words_about_emotions_and_expressions_in_general_are_no_claims(text: str) -> None:
    assert verdicts(text, SMILE) == []


@pytest.mark.parametrize(
    "text",
    [
        "The tongue is wrinkled.",
        "The cheeks are red.",
        "The teeth are white.",
        "Her skin looks smooth.",
        "The man has a beard.",
        "The person is wearing earrings.",
    ],
)
def test_a_statement_on_the_face_in_unknown_words_is_one_unverifiable_claim(text: str) -> None:
    claims = check_text(text, Part.OBSERVATIONS, SMILE, "p1")
    assert [(claim.text, claim.verdict, claim.cues) for claim in claims] == [(text[:-1], UNVERIFIABLE, ())]


def test_an_unknown_statement_beside_a_known_one_is_counted_too() -> None:
    claims = check_text("His chin is round and the mouth corners are pulled up.", Part.OBSERVATIONS, SMILE, "p1")
    assert [(claim.text, claim.verdict) for claim in claims] == [
        ("His chin is round", UNVERIFIABLE),
        ("mouth corners are pulled up", SUPPORTED),
    ]


@pytest.mark.parametrize("text", ["The eyes look happy.", "The sky is blue.", "**Brows and eyes:**"])
def test_words_that_state_nothing_of_a_movement_or_a_feature_are_no_claims(text: str) -> None:
    assert verdicts(text, SMILE) == []


def test_inner_and_outer_brows_are_two_claims_on_their_own_words() -> None:
    text = "The inner and outer brows are slightly raised (AU01 0.20, AU02 0.20)."
    claims = check_text(text, Part.OBSERVATIONS, seen(unit("AU01", 0.2), unit("AU02", 0.2)), "p1")
    assert [(claim.text.split()[0], claim.cues) for claim in claims] == [
        ("inner", ("p1.AU01",)),
        ("outer", ("p1.AU02",)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'The unit "cheek raiser" was detected (AU06 0.55).',
        "The nose wrinkler (not measured) and the dimpler (AU14 0.12) count little.",
        "The mouth corners (of a smile, AU12 0.78) are up.",
    ],
)
def test_no_claim_holds_half_a_pair_of_brackets_or_quotes(text: str) -> None:
    claims = check_text(text, Part.OBSERVATIONS, SMILE, "p1")
    assert claims
    for claim in claims:
        assert claim.text in text
        assert claim.text.count("(") == claim.text.count(")")
        assert claim.text.count('"') % 2 == 0


# ---- strengths, scales, sides, numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "value", "verdict"),
    [
        ("The brows are slightly lowered.", 0.07, CONTRADICTED),
        ("The brows are slightly lowered.", 0.08, SUPPORTED),
        ("The brows are slightly lowered.", 0.4, SUPPORTED),
        ("The brows are slightly lowered.", 0.41, UNVERIFIABLE),
        ("The brows are slightly lowered.", 0.59, UNVERIFIABLE),
        ("The brows are slightly lowered.", 0.6, CONTRADICTED),
        ("The brows are lowered.", 0.09, CONTRADICTED),
        ("The brows are lowered.", 0.2, UNVERIFIABLE),
        ("The brows are lowered.", 0.3, SUPPORTED),
        ("The brows are strongly lowered.", 0.49, CONTRADICTED),
        ("The brows are strongly lowered.", 0.5, SUPPORTED),
        ("The brows are moderately lowered.", 0.09, CONTRADICTED),
        ("The brows are moderately lowered.", 0.19, UNVERIFIABLE),
        ("The brows are moderately lowered.", 0.2, SUPPORTED),
        ("The brows are moderately lowered.", 0.7, SUPPORTED),
        ("The brows are moderately lowered.", 0.71, UNVERIFIABLE),
        ("The brows are not lowered.", 0.09, SUPPORTED),
        ("The brows are not lowered.", 0.2, UNVERIFIABLE),
        ("The brows are not lowered.", 0.3, CONTRADICTED),
        ("The brows are not clearly lowered.", 0.29, SUPPORTED),
        ("The brows are not clearly lowered.", 0.3, CONTRADICTED),
        ("The brows are not strongly lowered.", 0.5, SUPPORTED),
        ("The brows are not strongly lowered.", 0.6, CONTRADICTED),
    ],
)
def test_intensities_are_held_against_the_stated_strength(words: str, value: float, verdict: Verdict) -> None:
    assert verdicts(words, seen(unit("AU04", value))) == [verdict]


@pytest.mark.parametrize(
    ("words", "value", "verdict"),
    [
        ("There is a smile.", 0.5, SUPPORTED),
        ("There is a smile.", 0.4, UNVERIFIABLE),
        ("There is a smile.", 0.09, CONTRADICTED),
        ("There is a broad smile.", 0.9, UNVERIFIABLE),
        ("There is no smile.", 0.9, CONTRADICTED),
        ("There is no smile.", 0.05, SUPPORTED),
        ("There is no smile.", 0.3, UNVERIFIABLE),
    ],
)
def test_a_probability_says_whether_but_not_how_strongly(words: str, value: float, verdict: Verdict) -> None:
    assert verdicts(words, seen(unit("AU12", value, Scale.PROBABILITY))) == [verdict]


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("The left brow is raised.", SUPPORTED),
        ("The right brow is raised.", CONTRADICTED),
        ("The brows are raised only on the left side.", SUPPORTED),
        ("The brows are raised, more strongly on the left side than on the right.", SUPPORTED),
        ("The brows are raised, more strongly on the right side than on the left.", CONTRADICTED),
        ("The brows are raised asymmetrically.", SUPPORTED),
        ("The brows are raised evenly on both sides.", CONTRADICTED),
        ("The brow on the viewer's right is raised.", SUPPORTED),
    ],
)
def test_a_side_is_the_persons_own(words: str, verdict: Verdict) -> None:
    assert verdict in verdicts(words, seen(unit("AU01", 0.0), unit("AU02", (0.7, 0.05))))


def test_a_side_that_was_not_measured_is_unverifiable() -> None:
    assert verdicts("The left mouth corner is raised.", seen(unit("AU12", 0.8))) == [UNVERIFIABLE]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("AU12 0.78", SUPPORTED),
        ("AU12: .79", SUPPORTED),
        ("AU12 = 0.76", CONTRADICTED),
        ("Action unit 12 has an intensity of 0.78.", SUPPORTED),
        ("The lip corner puller (AU 12, 78 %) is active.", SUPPORTED),
        ("The smile (AU12 0.78; left 0.78, right 0.45) is wide.", SUPPORTED),
        ("The smile (AU12 0.78; left 0.45, right 0.78) is wide.", CONTRADICTED),
        ("AU12E", SUPPORTED),
        ("AU12A", CONTRADICTED),
        ("AU11 0.40", UNVERIFIABLE),
        ("AU03 0.40", CONTRADICTED),
        ("AU31 is there.", UNVERIFIABLE),
    ],
)
def test_codes_and_numbers_must_be_those_measured(text: str, verdict: Verdict) -> None:
    assert verdicts(text, SMILE) == [verdict]


def test_a_number_does_not_save_words_that_describe_another_unit() -> None:
    (claim,) = check_text("The brows are lowered (AU12 0.78).", Part.OBSERVATIONS, SMILE, "p1")
    assert claim.verdict is CONTRADICTED
    assert claim.reason == "the words describe AU04, the code is AU12"


def test_several_codes_in_one_parenthesis_are_held_each_against_its_cue() -> None:
    claims = check_text("A smile with raised cheeks (AU06 0.55, AU12 0.78, AU25 0.10).", Part.OBSERVATIONS, SMILE, "p1")
    assert {claim.cues: claim.verdict for claim in claims} == {
        ("p1.AU12",): SUPPORTED,
        ("p1.AU06",): SUPPORTED,
        ("p1.AU25",): CONTRADICTED,
    }


def test_low_values_of_under_reported_units_are_no_evidence_of_absence() -> None:
    assert verdicts("The nose is not wrinkled.", seen(unit("AU09", 0.0))) == [UNVERIFIABLE]
    assert verdicts("The nose is wrinkled.", seen(unit("AU09", 0.0))) == [UNVERIFIABLE]
    assert verdicts("The nose is wrinkled.", seen(unit("AU09", 0.5))) == [SUPPORTED]


def test_any_unit_that_the_words_may_mean_supports_them() -> None:
    text = "The brows are raised."
    assert verdicts(text, seen(unit("AU01", 0.0), unit("AU02", 0.5))) == [SUPPORTED]
    assert verdicts(text, seen(unit("AU01", 0.0), unit("AU02", 0.0))) == [CONTRADICTED]
    assert verdicts(text, seen(unit("AU01", 0.0))) == [UNVERIFIABLE]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The right corner of the mouth is pulled up.", CONTRADICTED),
        ("The corner of the mouth on the right is pulled up.", CONTRADICTED),
        ("The left corner of the mouth is pulled up.", SUPPORTED),
    ],
)
def test_the_side_of_a_mouth_corner_is_read(text: str, verdict: Verdict) -> None:
    assert verdicts(text, seen(unit("AU12", (0.8, 0.05)))) == [verdict]


@pytest.mark.parametrize(
    ("text", "primary", "other"),
    [
        ("The mouth corners are raised.", "AU12", "AU13"),
        ("The eyes are narrowed.", "AU07", "AU06"),
    ],
)
def test_a_rarer_reading_that_was_not_measured_does_not_keep_a_claim_open(text: str, primary: str, other: str) -> None:
    denied = text.replace("are", "are not")
    assert verdicts(text, seen(unit(primary, 0.02))) == [CONTRADICTED]
    assert verdicts(denied, seen(unit(primary, 0.02))) == [SUPPORTED]
    assert verdicts(text, seen(unit(primary, 0.02), unit(other, 0.2))) == [UNVERIFIABLE]
    assert verdicts(text, seen(unit(primary, 0.02), unit(other, 0.5))) == [SUPPORTED]
    assert verdicts(text, seen(unit(other, 0.02))) == [UNVERIFIABLE]


@pytest.mark.parametrize("text", ["The person is revealing teeth.", "The teeth are visible.", "He bares his teeth."])
def test_teeth_show_only_between_parted_lips(text: str) -> None:
    assert verdicts(text, seen(unit("AU12", 0.8), unit("AU25", 0.02))) == [CONTRADICTED]
    assert verdicts(text, seen(unit("AU10", 0.8), unit("AU25", 0.02))) == [CONTRADICTED]
    assert verdicts(text, seen(unit("AU25", 0.6))) == [SUPPORTED]
    with_code = text.replace(".", " (AU10 0.80).")
    assert verdicts(with_code, seen(unit("AU10", 0.8), unit("AU25", 0.6))) == [SUPPORTED]
    assert verdicts(with_code, seen(unit("AU10", 0.8), unit("AU25", 0.02))) == [CONTRADICTED]


def test_a_face_that_looks_some_way_is_not_moved_by_what_its_parts_do() -> None:
    (claim,) = check_text(
        "the face looks happy, and the mouth corners are strongly pulled up", Part.OBSERVATIONS, SMILE, "p1"
    )
    assert (claim.verdict, claim.cues) == (SUPPORTED, ("p1.AU12",))


def test_a_jaw_pushed_forward_is_thrust_not_moved_sideways() -> None:
    text = "The jaw is pushed forward."
    assert verdicts(text, seen(unit("AU29", 0.6), unit("AU30", 0.0))) == [SUPPORTED]
    assert verdicts(text, seen(unit("AU29", 0.0), unit("AU30", 0.6))) == [CONTRADICTED]


def test_gaze_without_angles_is_held_against_the_gaze_units() -> None:
    eyes = seen(unit("AU61", 0.5), unit("AU62", 0.0))
    assert verdicts("The person looks to the left.", eyes) == [SUPPORTED]
    assert verdicts("The person looks to the right.", eyes) == [CONTRADICTED]


def test_an_intensity_counts_before_a_probability_of_the_same_unit() -> None:
    both = seen(unit("AU12", 0.0), unit("AU12", 0.9, Scale.PROBABILITY).model_copy(update={"id": "p1.AU12c"}))
    assert verdicts("There is a smile.", both) == [CONTRADICTED]


def test_only_cues_of_the_same_person_count() -> None:
    two = seen(unit("AU12", 0.8, track="p2"))
    assert verdicts("There is a smile.", two) == [UNVERIFIABLE]
    assert check_text("There is a smile.", Part.OBSERVATIONS, two, "p2")[0].cues == ("p2.AU12",)


def test_probabilities_of_an_expression_network_are_looked_up() -> None:
    cue = Cue(
        id="p1.happy", kind=CueKind.EXPRESSION, name="happy", scale=Scale.PROBABILITY, value=0.62, track="p1", source=SOURCE
    )  # fmt: skip
    assert verdicts("The network gives happiness a probability of 0.62.", seen(cue)) == [SUPPORTED]
    assert verdicts("The network gives joy a probability of 82%.", seen(cue)) == [CONTRADICTED]
    assert verdicts("The probability of anger is 0.62.", seen(cue)) == [UNVERIFIABLE]


# ---- the tables -----------------------------------------------------------------------------------------------------

FACIAL = [entry for entry in UNITS.values() if entry.number < 51]
BANDS = {"slight": 0.2, "moderate": 0.45, "strong": 0.9}


@pytest.mark.parametrize("entry", FACIAL, ids=lambda entry: entry.code)
@pytest.mark.parametrize("band", BANDS)
def test_every_phrase_of_the_units_is_read_as_its_unit(entry: facs.ActionUnit, band: str) -> None:
    phrase = f"The {entry.wording(BANDS[band])} ({entry.code})."
    high = verdicts(phrase, seen(unit(entry.code, BANDS[band])))
    assert SUPPORTED in high or band == "moderate"
    assert CONTRADICTED not in high
    if entry.code not in UNDER_REPORTED:
        assert CONTRADICTED in verdicts(phrase, seen(unit(entry.code, 0.0)))


WORDINGS = [
    (block.split(".")[0].split("+"), block.split(".")[1], line)
    for block, text in prompt("reasoner/units").blocks.items()
    for line in text.strip().split("\n")
]


ALSO = {"AU13": ("AU12",), "AU23": ("AU24",)}
"""Units that the same words describe."""


def marked(codes: list[str], line: str, value: float) -> str:
    return f"{line} ({', '.join(f'{code} {value:.2f}' for code in codes)})."


@pytest.mark.parametrize(("codes", "band", "line"), WORDINGS)
def test_every_wording_of_the_reasoner_is_supported_by_its_units_and_by_no_others(
    codes: list[str], band: str, line: str
) -> None:
    value = BANDS[band]
    measured = seen(*(unit(code, value) for code in codes))
    claims = check_text(marked(codes, line, value), Part.OBSERVATIONS, measured, "p1")
    assert {id for claim in claims if claim.verdict is SUPPORTED for id in claim.cues} == {
        f"p1.{code}" for code in codes
    }
    assert not [claim for claim in claims if claim.verdict is CONTRADICTED]
    for other in ("AU01", "AU04", "AU12", "AU15", "AU24", "AU25", "AU43"):
        if other not in (*codes, *ALSO.get(codes[0], ())):
            swapped = marked([other], line, value)
            assert CONTRADICTED in verdicts(swapped, seen(*measured.cues, unit(other, value))), swapped


OPPOSITES = {
    "raised": "lowered", "lowered": "raised", "up": "down", "down": "up", "lift": "drop", "parted": "pressed together",
    "wide": "closed", "apart": "closed", "dropped": "raised", "drops": "lifts", "dip": "lift",
}  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "band", "line"),
    [row for row in WORDINGS if len(row[0]) == 1 and set(row[2].split()) & set(OPPOSITES)],
)
def test_the_opposite_movement_loses_its_support(codes: list[str], band: str, line: str) -> None:
    value = BANDS[band]
    words = [OPPOSITES.get(word, word) for word in line.split()]
    face = seen(*(unit(code, value if code in codes else 0.0) for code in UNITS))
    assert CONTRADICTED not in verdicts(marked(codes, line, value), face)
    found = verdicts(marked(codes, " ".join(words), value), face)
    assert CONTRADICTED in found or SUPPORTED not in found


def test_a_negation_flips_the_verdict() -> None:
    for yes, no in (
        ("There is a smile.", "There is no smile."),
        ("The cheeks are raised.", "The cheeks are not raised."),
        ("The lips are parted.", "The lips aren't parted."),
        ("AU12 is present.", "AU12 is absent."),
        ("The head is turned to the left.", "The head is not turned to the left."),
    ):
        assert (verdicts(yes, SMILE), verdicts(no, SMILE)) == ([SUPPORTED], [CONTRADICTED])


# ---- whole texts ----------------------------------------------------------------------------------------------------

MODEL_TEXT = """**Key Observations:**
- **Cheek Raiser (AU6: 0.55)**: The cheeks are lifted, which creates slight crow's feet around the eyes.
- **Lip corner puller (AU12 = 0.78):** The corners of the lips are pulled upward and outward, indicating a smile.
- The mouth is slightly open (AU25), with the jaw only slightly dropped (AU26 0.25).

**Interpretation:** The combination of AU6 and AU12 is typical of joy. Her eyes look off to the right, and her head is
rotated to the left. The lack of brow lowering (AU4) rules out anger. The person wears a blue shirt.

**Conclusion:** The person is happy; the broad smile and raised cheeks leave no doubt about it."""


def test_a_text_of_a_language_model_is_read_whole() -> None:
    counts = Faithfulness.of(check_text(MODEL_TEXT, Part.OBSERVATIONS, SMILE, "p1"))
    assert counts == Faithfulness(supported=13, contradicted=0, unverifiable=3)
    assert counts.clean
    assert counts.coverage == 13 / 16


def test_the_same_text_about_a_still_face_is_full_of_contradictions() -> None:
    still = seen(*(cue.model_copy(update={"value": 0.01, "left": None, "right": None}) for cue in SMILE.cues))
    counts = Faithfulness.of(check_text(MODEL_TEXT, Part.OBSERVATIONS, still, "p1"))
    assert counts.contradicted >= 12


def test_each_claim_is_a_verbatim_piece_of_its_part() -> None:
    rationale = Rationale(observations=MODEL_TEXT, interpretation="The brows are raised.", conclusion="A smile, then.")
    claims = check(rationale, SMILE, "p1")
    assert {claim.part for claim in claims} == set(Part)
    for claim in claims:
        assert claim.text in getattr(rationale, claim.part.value)
        assert claim.text.strip()


def test_scores_are_undefined_where_nothing_was_decided() -> None:
    none = Faithfulness.of(())
    assert (none.support, none.contradiction_rate, none.coverage, none.clean) == (None, None, None, None)
    open_only = Faithfulness(0, 0, 3)
    assert (open_only.support, open_only.contradiction_rate, open_only.coverage, open_only.clean) == (None, 0, 0, None)


def test_scores_follow_their_definitions() -> None:
    counts = Faithfulness(3, 1, 4)
    assert (counts.support, counts.contradiction_rate, counts.coverage, counts.clean) == (0.75, 0.125, 0.5, False)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("AU12 0.78;,()%°-–:leftbrowsmileandnot\n'’é😀")), max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    for claim in check_text(text, Part.OBSERVATIONS, SMILE, "p1"):
        assert isinstance(claim, Claim)
        assert claim.text in text


def test_shuffled_words_of_true_sentences_are_read_as_what_stands_there() -> None:
    random = Random(0)
    words = re.findall(r"\S+", " ".join(TRUE + FALSE))
    for _ in range(200):
        text = " ".join(random.sample(words, 40))
        claims = check_text(text, Part.OBSERVATIONS, SMILE, "p1")
        known = {cue.id for cue in SMILE.cues}
        assert all(claim.text in text and set(claim.cues) <= known for claim in claims)
