"""What is read of a free reply: the label, and the strength beside it."""

import pytest

from emollm.denials import declines
from emollm.emotions import label_set
from emollm.prompts import prompt
from emollm.replies import DECLINED, ECHO, NEVER_ENDS, NONE, SEVERAL, label_in, read_reply, strength_in

STRENGTHS = {
    "So, the expression is closest to surprise, vivid (0.77).": 0.77,
    "In sum, this is happiness, with marked strength (78 %); sadness follows.": 0.78,
    "The verdict is fear; strength 67 %.": 0.67,
    "This is best described as happiness, at 0.89.": 0.89,
    "Happiness (strong, 0.6) is the best fit.": 0.6,
    "An expression of anger (0.4), clearest at 1.20 s.": 0.4,
    "At 0.5 s it is fear, at a strength of 12.5 %.": 0.125,
    "Joy, judged by the net's probability of 1.00.": None,
    "Joy at a probability of 0.9, with a minimum of 0.20.": None,
    "Joy at 0.5 s, at least 0.20; the lip corners are up (0.96).": None,
}
LABELS = {
    "Not anger but sadness.": "sadness",
    "It is neither anger nor fear, but disgust.": "disgust",
    "This is not a happy face; it is sad.": "sadness",
    "The muscles alone do not show fear, which the whole face does.": "fear",
    "No doubt, anger rather than fear.": "anger",
    "It isn't fear. No, anger.": "anger",
    "This is not happiness.": None,
    "I would not say that she is happy; she is sad.": "sadness",
    "There is no sign of fear. Surprise it is.": "surprise",
    "Not angry or sad, just happy.": "happiness",
    "The brows do not rise and this is sadness.": "sadness",
    "Not only sad, enraged.": "sadness",
    "There is no doubt about anger.": "anger",
}
DENIALS = {
    "He shows no anger, sadness or fear, just a neutral face.": "neutral",
    "Neither anger, fear nor joy: neutral.": "neutral",
    "She isn't angry, sad or afraid; happy.": "happiness",
    "Without any sign of anger, fear, or disgust, he is sad.": "sadness",
    "There is no anger, fear and disgust here, but sadness.": "sadness",
    "She is anything but happy; she is angry.": "anger",
    "He lacks joy: sad.": "sadness",
    "Far from happy, he is afraid.": "fear",
    "It is not happiness, and anger shows.": "anger",
    "Not anger, sadness.": "sadness",
    "Joy is missing. Anger is visible.": "anger",
    "Disgust can be ruled out; fear.": "fear",
    "The face does not show anger. Surprise.": "surprise",
}
"""What is denied, alone or in a list, and what is left."""
READ = {
    "The options are anger, joy and neutral. My answer: neutral": "neutral",
    "The options are anger, joy and neutral. I pick neutral.": "neutral",
    "Out of anger and joy, I choose joy.": "happiness",
    "Which of these emotions is expressed here: anger, fear, joy? Fear.": "fear",
    "<think>It could be joy or anger</think> sadness": "sadness",
    "It could be joy or anger.</think>\n\nsadness": "sadness",
    "<thinking>joy?</thinking><answer>joy</answer> No: <answer>anger</answer>": "anger",
    "<think>joy</think><answer>anger": "anger",
    "Joy or anger?\n**Final answer:** anger\nThe rest speaks for joy.": "anger",
    '{"label": "joy", "reason": "she is not sad or angry, though others are afraid"}': "happiness",
    "She looks happy, even joyful.": "happiness",
    "This is happiness, with marked strength (78 %); sadness follows.": "happiness",
    "So, the expression is closest to surprise, vivid (0.77).": "surprise",
    "She is angry rather than sad.": "anger",
    "More sad than angry.": "sadness",
    "She is sad, more than angry.": "sadness",
    "I cannot say for sure, but it looks like anger.": "anger",
    "As an AI, I'd say joy.": "happiness",
}
UNREAD = {
    "joy. No wait, anger.": SEVERAL,
    "anger and joy": SEVERAL,
    "Answer: joy or anger": SEVERAL,
    "neutral, happiness, sadness, anger, fear, surprise, disgust, contempt": ECHO,
    "<think>It is joy": NEVER_ENDS,
    "sadness <think>or": NEVER_ENDS,
    "anger detection is not possible": DECLINED,
    "I'm sorry, but as an AI I cannot determine fear or any other emotion of people.": DECLINED,
    "I cannot tell whether she is angry or sad.": DECLINED,
    "It is not possible to say. He may be anything.": DECLINED,
    "This is not happiness.": NONE,
    "What a day": NONE,
}
OWN = "**Key Observations:**\nThe brows are lowered as in anger.\n\n**Overall Emotional Interpretation:**\nFear is near.\n\n**Conclusion:**\n"


@pytest.mark.parametrize("reply", DENIALS)
def test_a_denial_goes_for_a_whole_list_and_ends_with_it(reply: str) -> None:
    labels = label_set("basic8")
    assert label_in(reply, labels) == DENIALS[reply]
    assert read_reply(reply, labels).labels == (DENIALS[reply],)


@pytest.mark.parametrize("reply", [*READ, *LABELS])
def test_the_one_label_that_a_reply_states_is_read(reply: str) -> None:
    label = (READ | LABELS)[reply]
    assert read_reply(reply, label_set("basic8")).labels == ((label,) if label else ())


@pytest.mark.parametrize("reply", UNREAD)
def test_a_reply_that_states_no_one_label_is_unread_with_the_reason(reply: str) -> None:
    assert read_reply(reply, label_set("basic8")) == ((), UNREAD[reply])


@pytest.mark.parametrize(
    "id", ["instructions/recognition", "eval/several_labels", "eval/sentiment", "eval/ambivalence"]
)
def test_a_question_repeated_is_no_answer_in_any_wording(id: str) -> None:
    labels = label_set({"eval/sentiment": "meld-sentiment", "eval/ambivalence": "bah"}.get(id, "ekman7"))
    for asked in prompt(id).render(labels=", ".join(labels.labels)).splitlines():
        assert read_reply(asked, labels).labels == (), asked
        first = labels.labels[0]
        assert read_reply(f"{asked} {first}", labels).labels in ((first,), ()), asked


def test_our_own_conclusions_are_read_as_the_label_that_they_name_first() -> None:
    labels = label_set("basic8")
    for text in (
        "So, this reads as happiness, strong (0.8), weight 0.6, with sadness at 0.3.",
        "The answer is happiness; weight 0.6; fear has 0.2. This describes an expression, not a feeling.",
        "The muscles alone do not show happiness, though the face as a whole does; taken alone the units speak for fear.",
    ):
        assert read_reply(OWN + text, labels).labels == ("happiness",)
    for text in (
        "Undecided: happiness (0.41) and fear (0.39) are nearly equal.",
        "Happiness, at 0.1, is too weak; no label.",
        "To choose between happiness (0.41) and fear (0.39) would be a guess.",
    ):
        assert read_reply(OWN + text, labels) == ((), DECLINED)


def test_every_label_is_read_where_several_are_asked_for_but_no_options() -> None:
    labels = label_set("basic8")
    assert read_reply("Anger and joy, mostly anger; no fear, disgust or contempt.", labels, True).labels == (
        "anger",
        "happiness",
    )
    assert read_reply("<think>fear?</think> The choices are joy, fear. Joy, anger", labels, True).labels == (
        "happiness",
        "anger",
    )
    assert read_reply("Which of these: joy, fear, anger?", labels, True) == ((), ECHO)
    assert read_reply("I cannot tell joy from anger.", labels, True) == ((), DECLINED)


@pytest.mark.parametrize(
    ("reply", "does"),
    [
        ("I cannot tell.", True),
        ("abstain", True),
        ("I'm sorry, but as an AI I can't identify emotions of people.", True),
        ("It is impossible to say", True),
        ("No idea", True),
        ("Unable to determine.", True),
        ("Sorry, I can't assist with that.", True),
        ("I do not have access to the audio; it is hard to say.", True),
        ("I can't identify who this is, the person looks sad.", False),
        ("I cannot tell, but she smiles.", False),
        ("She cannot tell him how angry she is.", False),
        ("It is impossible to miss her joy.", False),
        ("", False),
    ],
)
def test_declining_is_told_from_answering(reply: str, does: bool) -> None:
    assert declines(reply) is does


@pytest.mark.parametrize("reply", STRENGTHS)
def test_a_strength_is_a_number_that_is_said_to_be_one(reply: str) -> None:
    assert strength_in(reply) == STRENGTHS[reply]


@pytest.mark.parametrize("reply", LABELS)
def test_a_label_that_is_denied_is_not_the_answer(reply: str) -> None:
    assert label_in(reply, label_set("basic8")) == LABELS[reply]
