"""Families of wordings that free texts use: degree, denial, nominal movements, and who of two people is meant."""

import pytest

from emollm.eval.checker_facts import observation
from emollm.evidence import check_text
from emollm.types import Part, Verdict

_TWO = ({"person": "p1", "position": "left"}, {"person": "p2", "position": "right"})


def _verdicts(text: str, *facts: dict[str, object]) -> set[Verdict]:
    seen = observation("made.mp4", facts)
    track = seen.tracks[0].id if seen.tracks else None
    return {claim.verdict for claim in check_text(text, Part.OBSERVATIONS, seen, track)}


@pytest.mark.parametrize(
    ("unit", "slight", "strong"),
    [
        ("AU12", "There is the merest suggestion of a smile.", "He is beaming."),
        ("AU12", "The smile is hardly perceptible.", "Her smile is at full strength."),
        ("AU04", "The brows are drawn together ever so slightly.", "Massive lowering of the brows."),
        ("AU26", "The jaw has dropped by a mere fraction.", "The jaw is lowered to an extreme degree."),
        ("AU05", "Just a trace of upper lid raising.", "The upper lids are raised as far as they go."),
        (
            "AU24",
            "The lips are squeezed together without much force.",
            "The lips are clamped together with all her might.",
        ),
    ],
)
def test_degree_is_read_however_it_is_worded(unit: str, slight: str, strong: str) -> None:
    for text, fits, off in ((slight, 0.2, 0.75), (strong, 0.75, 0.2)):
        assert _verdicts(text, {"unit": unit, "value": fits}) == {Verdict.SUPPORTED}
        assert Verdict.CONTRADICTED in _verdicts(text, {"unit": unit, "value": off})


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("AU04", "Tension shows between the eyebrows."),
        ("AU15", "Depression of the lip corners is seen."),
        ("AU06", "An obvious raising of the cheeks."),
        ("AU11", "The nasolabial fold deepens."),
        ("AU23", "The lips are tightened."),
        ("AU24", "The lips are squeezed together."),
    ],
)
def test_a_movement_is_read_as_noun_and_as_verb(unit: str, text: str) -> None:
    assert _verdicts(text, {"unit": unit, "value": 0.5}) == {Verdict.SUPPORTED}
    assert _verdicts(text, {"unit": unit, "value": 0.02}) == {Verdict.CONTRADICTED}


@pytest.mark.parametrize(
    "text",
    [
        "There is no raising of the cheeks whatsoever.",
        "The cheeks are not raised in the least.",
        "The cheek raiser is inactive.",
        "The cheek raiser and the brow lowerer are both inactive.",
        "The smile is there, but without any raised cheeks.",
    ],
)
def test_a_denial_is_read_however_it_is_worded(text: str) -> None:
    rest = ({"unit": "AU12", "value": 0.6}, {"unit": "AU04", "value": 0.02})
    assert Verdict.CONTRADICTED not in _verdicts(text, {"unit": "AU06", "value": 0.02}, *rest)
    assert Verdict.CONTRADICTED in _verdicts(text, {"unit": "AU06", "value": 0.5}, *rest)


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("On the left someone smiles.", "On the right someone smiles."),
        ("Left: a woman with a smile.", "Left: a woman with lowered brows."),
        ("It is the left one who smiles.", "It is the right one who smiles."),
        ("Both speak; the smile is seen only in the person on the left.", "Both speak; the smile is seen only in the person on the right."),
        ("A smile appears on the left-hand face.", "A smile appears on the right-hand face."),
    ],
)  # fmt: skip
def test_one_of_two_people_is_named_by_a_place(text: str, swapped: str) -> None:
    values = (("p1", "AU12", 0.6), ("p2", "AU12", 0.03), ("p1", "AU04", 0.02), ("p2", "AU04", 0.5))
    facts = [*_TWO, *({"person": person, "unit": unit, "value": value} for person, unit, value in values)]
    assert Verdict.SUPPORTED in _verdicts(text, *facts)
    assert Verdict.CONTRADICTED not in _verdicts(text, *facts)
    assert Verdict.CONTRADICTED in _verdicts(swapped, *facts)


@pytest.mark.parametrize(
    "text",
    [
        "She smiles, which strongly suggests joy, and gives way to nobody.",
        "There is no doubt that she smiles.",
        "She cannot help smiling.",
        "She smiles and appears more at ease, though the lips suggest that she is holding back.",
        "She smiles; her lips are close to the microphone and her mouth leaves the question open.",
    ],
)
def test_words_of_degree_rest_and_denial_in_other_uses_contradict_nothing(text: str) -> None:
    facts = [{"unit": unit, "value": value} for unit, value in (("AU12", 0.45), ("AU20", 0.02), ("AU25", 0.4), ("AU26", 0.02))]  # fmt: skip
    assert Verdict.CONTRADICTED not in _verdicts(text, *facts)
    assert Verdict.SUPPORTED in _verdicts(text, *facts)
