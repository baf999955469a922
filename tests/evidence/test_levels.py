"""What a text says of the level of a voice, in the many ways there are, against the speaker's usual."""

import pytest

from emollm.eval.checker_facts import observation
from emollm.evidence import check_text
from emollm.types import Part, Verdict

UP, DOWN, USUAL = 1.6, -1.6, 0.1
SAID = [
    ("The pitch lies above what one would expect from her.", "pitch", UP),
    ("F0 clearly exceeds the speaker's baseline.", "pitch", UP),
    ("With a raised pitch he goes on.", "pitch", UP),
    ("She lowers her pitch.", "pitch", DOWN),
    ("F0 falls well short of baseline.", "pitch", DOWN),
    ("The pitch shows no departure from baseline.", "pitch", USUAL),
    ("Pitch unremarkable, lips tight.", "pitch", USUAL),
    ("He shouts it.", "loudness", UP),
    ("A burst of loudness is heard.", "loudness", UP),
    ("She speaks at twice her usual volume.", "loudness", UP),
    ("Her voice is barely above a whisper.", "loudness", DOWN),
    ("She speaks with less volume than usual.", "loudness", DOWN),
    ("Not as loud as usual.", "loudness", DOWN),
    ("She is neither louder nor quieter than usual.", "loudness", USUAL),
    ("He speaks at his usual volume.", "loudness", USUAL),
    ("He is talking at well over his usual speed.", "rate", UP),
    ("Quick for him.", "rate", UP),
    ("Her speech drags.", "rate", DOWN),
    ("The tempo keeps to its usual level.", "rate", USUAL),
]


def contradicted(text: str, quantity: str, value: float) -> bool:
    facts = [{"voice": name, "value": value if name == quantity else USUAL} for name in ("pitch", "loudness", "rate")]
    claims = check_text(text, Part.OBSERVATIONS, observation("x", facts), "p1")
    return any(claim.verdict is Verdict.CONTRADICTED for claim in claims)


@pytest.mark.parametrize(("text", "quantity", "value"), SAID)
def test_a_level_holds_where_it_was_measured_and_nowhere_else(text: str, quantity: str, value: float) -> None:
    wrong = {other: contradicted(text, quantity, other) for other in (UP, DOWN, USUAL)}
    assert wrong == {other: other != value for other in (UP, DOWN, USUAL)}


@pytest.mark.parametrize("text", ["The voice is loud.", "A high voice.", "He speaks quietly."])
def test_a_level_in_itself_is_open_where_the_voice_is_as_usual(text: str) -> None:
    assert not contradicted(text, "pitch", USUAL)


def test_one_that_is_louder_need_not_shout() -> None:
    assert not contradicted("The voice is louder than usual, but he does not shout.", "loudness", UP)
    assert contradicted("He shouts.", "loudness", USUAL)


@pytest.mark.parametrize(
    ("text", "count"), [("There is a single pause.", 1), ("Four pauses.", 4), ("She talks on without stopping.", 0)]
)
def test_pauses_are_counted(text: str, count: int) -> None:
    def wrong(pauses: int) -> bool:
        facts = [{"voice": "pauses", "value": pauses, "start": 0.0, "end": 6.0}, {"voice": "rate", "value": USUAL}]
        claims = check_text(text, Part.OBSERVATIONS, observation("x", facts), "p1")
        return any(claim.verdict is Verdict.CONTRADICTED for claim in claims)

    assert {pauses: wrong(pauses) for pauses in (0, 1, 4)} == {pauses: pauses != count for pauses in (0, 1, 4)}


@pytest.mark.parametrize("text", ["Her jitter is higher than usual.", "The timbre is rough, the accent heavy."])
def test_what_is_said_of_the_quality_of_a_voice_is_open(text: str) -> None:
    assert not contradicted(text, "pitch", DOWN)
