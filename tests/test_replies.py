"""What is read of a free reply: the label, and the strength beside it."""

import pytest

from emollm.emotions import label_set
from emollm.replies import label_in, strength_in

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


@pytest.mark.parametrize("reply", STRENGTHS)
def test_a_strength_is_a_number_that_is_said_to_be_one(reply: str) -> None:
    assert strength_in(reply) == STRENGTHS[reply]


@pytest.mark.parametrize("reply", LABELS)
def test_a_label_that_is_denied_is_not_the_answer(reply: str) -> None:
    assert label_in(reply, label_set("basic8")) == LABELS[reply]
