"""The question to a general model, with the words of an item as a quotation."""

import json

from emollm.eval.generators.base import Query
from emollm.generate import neutral
from emollm.prompts import prompt
from emollm.types import Message

SAID = "eval/said"


def question(query: Query) -> str:
    """What is asked; the words of the item stand before it, on one line in quotation marks, without control tokens."""
    if not query.clip.transcript:
        return query.asked
    words = json.dumps(" ".join(neutral(query.clip.transcript).split()), ensure_ascii=False)
    return prompt(SAID).render(words=words, asked=query.asked)


def without_cue_text(turn: Message) -> Message:
    """A turn with its media and the question, without the text of measured cues that stands before it."""
    *before, asked = turn.content
    return turn.model_copy(update={"content": (*(part for part in before if part.type != "text"), asked)})
