"""Words that a text tells without quoting them, held against what was recognised."""

import pytest

from emollm.eval.checker_facts import observation
from emollm.evidence import check_text
from emollm.evidence.judging_reports import stem
from emollm.evidence.reading_reports import reports
from emollm.types import Part, Verdict

TRAIN, SISTER, PARTY = (
    "I missed the train this morning.",
    "My sister got married on Saturday.",
    "Nobody came to my party.",
)
SPIDER, FINE, HOME = "Is that a spider?", "I'm fine, thanks.", "I don't want to go home yet."
DOOR, FORGET = "Shut the door, it's freezing.", "It doesn't matter, forget I said anything."


def verdicts(said: str, text: str) -> set[Verdict]:
    facts = [{"words": said, "start": 0.0, "end": 3.0}, {"unit": "AU12", "value": 0.5}]
    return {claim.verdict for claim in check_text(text, Part.OBSERVATIONS, observation("x", facts), "p1")}


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (TRAIN, "She says that she missed the train."),
        (TRAIN, "He complains about missing the train."),
        (TRAIN, "She missed the train, she tells us."),
        (TRAIN, "He mentions the train."),
        (SISTER, "He says his sister married on Saturday."),
        (PARTY, "She complains that nobody came to her party."),
        (SPIDER, "She asks if that is a spider."),
        (FINE, "He thanks them."),
        (HOME, "She says that she doesn't want to go home yet."),
        ("Get out.", "The speaker says only two words."),
        (DOOR, "She asks someone to close the door because of the cold."),
        (DOOR, "The request to close the door is made softly."),
        (FORGET, "She tells the other person to forget that she said anything."),
        ("My mother passed away on Tuesday.", "He tells us that his mum died."),
        ("It wasn't me.", "He denies having done it."),
    ],
)
def test_what_was_said_may_be_told_in_other_words(said: str, text: str) -> None:
    assert Verdict.CONTRADICTED not in verdicts(said, text)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (TRAIN, "She says that she missed the bus this morning."),
        (TRAIN, "She says that she never missed the train."),
        (TRAIN, "She missed the meeting this morning, she tells us."),
        (TRAIN, "He mentions the dentist."),
        (TRAIN, "He says nothing."),
        (SISTER, "He reports that his sister got divorced on Saturday."),
        (PARTY, "She complains that everybody came to her party."),
        (SPIDER, "She asks if that is the postman."),
        (FINE, "He offers his condolences."),
        (HOME, 'He says "I want to go home".'),
        ("Get out.", "Five words are spoken."),
        (DOOR, "She orders the boys to peel potatoes."),
        (DOOR, "He accuses someone of having stolen his bike."),
        (DOOR, "With a wavering voice, she asks how much the ticket costs."),
        (FORGET, "The speaker wishes them a speedy recovery."),
        (FORGET, "According to the transcript, she has lost an earring."),
        (TRAIN, "He refuses to miss the train."),
    ],
)
def test_what_stands_in_the_place_of_what_was_said_is_contradicted(said: str, text: str) -> None:
    assert Verdict.CONTRADICTED in verdicts(said, text)


@pytest.mark.parametrize(
    ("said", "text"),
    [(FINE, "She says that she is okay."), (TRAIN, "He speaks of his journey."), (DOOR, "He asks for help.")],
)
def test_a_paraphrase_in_words_of_its_own_is_open(said: str, text: str) -> None:
    assert verdicts(said, text) == {Verdict.UNVERIFIABLE}


@pytest.mark.parametrize(
    "text",
    ["The probability says whether it moves.", "It is said of the lips.", "The text tells how far the brows go."],
)
def test_nobody_says_what_no_person_says(text: str) -> None:
    assert reports(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "The question is whether he is angry or merely tense.",
        "It is hard to say whether he is tired.",
        "As if asking for reassurance, he looks up.",
        "I would describe him as a nervous person.",
        "He thinks that it is a bad idea.",
    ],
)
def test_what_a_writer_makes_of_it_is_no_claim_of_words(text: str) -> None:
    assert Verdict.CONTRADICTED not in verdicts(TRAIN, text)


def test_what_is_told_ends_before_what_a_face_does() -> None:
    (item,) = reports("She says that she missed the train with a broad smile.")
    assert item.quote == "she missed the train"


def test_forms_of_a_word_have_one_stem() -> None:
    for forms in (
        ("leave", "leaves", "left", "leaving"),
        ("marry", "married", "marries"),
        ("stop", "stopped", "stops"),
    ):
        assert len({stem(form) for form in forms}) == 1, forms
