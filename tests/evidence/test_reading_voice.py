"""What a text asserts of a voice, of speech and of words, before anything is looked up."""

import pytest

from emollm.evidence.assertions import Heard, Polarity, Topic
from emollm.evidence.reading_quotes import quotations
from emollm.evidence.reading_time import course
from emollm.evidence.reading_voice import LOUDNESS, PITCH, RATE, heard


def only(text: str) -> Heard:
    (item,) = heard(text, 0, len(text))
    return item


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ("The voice is higher than usual", {(PITCH, 1)}),
        ("The voice is lower", {(PITCH, -1)}),
        ("a high-pitched voice", {(PITCH, 1)}),
        ("The pitch rises", {(PITCH, 1)}),
        ("The intonation falls", {(PITCH, -1)}),
        ("The voice is raised", {(PITCH, 1), (LOUDNESS, 1)}),
        ("The voice drops", {(PITCH, -1), (LOUDNESS, -1)}),
        ("The voice is louder than usual", {(LOUDNESS, 1)}),
        ("The volume drops", {(LOUDNESS, -1)}),
        ("She speaks more softly", {(LOUDNESS, -1)}),
        ("quiet speech", {(LOUDNESS, -1)}),
        ("The voice is faster than usual", {(RATE, 1)}),
        ("He speaks slowly", {(RATE, -1)}),
        ("The pace is slower", {(RATE, -1)}),
        ("The speech rate rises", {(RATE, 1)}),
    ],
)
def test_levels_are_read(text: str, directions: set[tuple[str, int]]) -> None:
    item = only(text)
    assert (item.topic, set(item.directions), item.polarity) == (Topic.LEVEL, directions, Polarity.PRESENT)


@pytest.mark.parametrize(
    "text", ["The voice is not higher than usual", "without a raised voice", "The voice isn't louder"]
)
def test_a_negation_turns_a_level(text: str) -> None:
    assert only(text).polarity is Polarity.ABSENT


def test_high_in_itself_is_not_higher_than_usual() -> None:
    assert not only("The voice is high").relative
    assert only("The voice is higher").relative
    assert only("The voice is loud compared").relative is False


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("The voice is monotone", Topic.MANNER),
        ("a flat, lively voice", Topic.MANNER),
        ("The voice pauses", Topic.PAUSE),
        ("He hesitates", Topic.PAUSE),
        ("A long silence follows", Topic.SILENCE),
        ("No speech is heard", Topic.SPEECH),
        ("The person is silent", Topic.SPEECH),
        ("Nobody speaks", Topic.SPEECH),
        ("She speaks", Topic.SPEECH),
        ("There is no sound", Topic.SOUND),
        ("The voice trembles", Topic.OTHER),
        ("a sad voice", Topic.OTHER),
        ("He whispers", Topic.LEVEL),
        ("The timbre is hoarse", Topic.OTHER),
        ("She talks about her dog", Topic.OTHER),
        ("The words are negative", Topic.POLARITY),
        ("The words were not understood", Topic.UNDERSTOOD),
        ("The median pitch is 210 Hz", Topic.VALUE),
        ("The eyes blink 0.3 times a second", Topic.VALUE),
    ],
)
def test_topics_are_told_apart(text: str, topic: Topic) -> None:
    assert topic in {item.topic for item in heard(text, 0, len(text))}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("The median pitch is 210 Hz", "voice.f0_median", 210),
        ("The pitch moves over 9.3 semitones", "voice.f0_range", 9.3),
        ("The standard deviation of the pitch is 3.4 semitones", "voice.f0_sd", 3.4),
        ("The voice is higher than usual (+3.1 semitones)", PITCH, 3.1),
        ("The voice is louder than usual (+5.2 dB)", LOUDNESS, 5.2),
        ("The voice is slower than usual (0.8 times the usual rate)", RATE, 0.8),
        ("The speech rate is 4.1 syllables a second", "voice.speech_rate", 4.1),
        ("The words are negative (polarity -0.52)", "polarity", -0.52),
        ("The blink rate is 18 per minute", "blink_rate", 0.3),
    ],
)
def test_numbers_carry_their_quantity(text: str, name: str, value: float) -> None:
    ((number,),) = [item.numbers for item in heard(text, 0, len(text))]
    assert (number.name, number.value) == (name, pytest.approx(value))


@pytest.mark.parametrize(
    "text",
    [
        "The head is tipped down (pitch -15°)",
        "The head pitch is -15 degrees",
        "AU12 speaks against sadness",
        "Talking alone can open a mouth",
        "The brows are raised and the lips are tight",
        "The skin tone is even",
        "This describes the expression",
        "A still picture cannot tell",
    ],
)
def test_what_is_not_said_of_a_voice_is_left_alone(text: str) -> None:
    assert heard(text, 0, len(text)) == []


def test_what_a_voice_would_be_in_general_is_no_claim() -> None:
    assert heard("Fear is usually heard in a higher voice", 0, 39) == []


@pytest.mark.parametrize(
    ("text", "quote", "denied"),
    [
        ('The words are "I never left".', "I never left", False),
        ('She says, "come here"', "come here", False),
        ("He says 'don't go', softly.", "don't go", False),
        ("The person said “come here”.", "come here", False),
        ('The word "never" is said.', "never", False),
        ('"Stop it," she said.', "Stop it,", False),
        ('She does not say "never".', "never", True),
        ('The word "never" is not said.', "never", True),
    ],
)
def test_quotations_are_found(text: str, quote: str, denied: bool) -> None:
    (item,) = quotations(text)
    assert (item.quote, item.polarity is Polarity.ABSENT) == (quote, denied)


@pytest.mark.parametrize(
    "text", ['The unit "cheek raiser" is there.', 'A "smile" of sorts.', "The person's lips' corners."]
)
def test_other_quotation_marks_are_no_quotations(text: str) -> None:
    assert quotations(text) == []


def test_nothing_is_read_in_a_quotation() -> None:
    (item,) = course('The words are "my head is down at 3 s. I smiled. The voice is loud".')
    assert isinstance(item, Heard)
    assert item.topic is Topic.QUOTE


def test_a_sentence_behind_a_quotation_is_read_by_itself() -> None:
    first, second = course('The words are "Go away." At 3 s the brows are lowered.')
    assert not first.moments
    assert [one.first for one in second.moments] == [3]


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ("in an unusually high voice", {(PITCH, 1)}),
        ("Her speech rate is twice the normal one", {(RATE, 1)}),
        ("It would be wrong to infer sadness from the raised volume", {(LOUDNESS, 1)}),
    ],
)
def test_levels_against_the_usual_are_read_in_any_clause(text: str, directions: set[tuple[str, int]]) -> None:
    assert set(only(text).directions) == directions


def test_a_verb_of_saying_tells_how_loud_a_quotation_is() -> None:
    level, quote = course("She whispers “we made it”.")
    assert isinstance(level, Heard)
    assert isinstance(quote, Heard)
    assert (level.directions, level.extreme, quote.topic) == (((LOUDNESS, -1),), True, Topic.QUOTE)


def test_pauses_that_are_absent_are_denied() -> None:
    assert only("pauses are absent").polarity is Polarity.ABSENT
    assert heard("she breaks off the conversation", 0, 31) == []
