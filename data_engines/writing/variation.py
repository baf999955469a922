"""Other wordings of the reasoner's sentences on an expression network, a head and a gaze, for Samples."""

import re
from collections.abc import Callable
from random import Random

from emollm.data_engines.phrases import Phrases

PROMPT = "engines/photo"

_HEAD = re.compile(
    r"The head is \w+(?P<strength> slightly| far)? (?:to the person's )?(?P<way>left|right|up|down) "
    r"\((?P<name>yaw|pitch|roll) (?P<angle>[-−]?\d+)°\)\."
)
_GAZE = re.compile(r"The (?:gaze|eyes) (?:is|are) \w+ (?:to the person's )?(?P<way>left|right|up|down)\.")


class Variation:
    """Rewords sentences of a photo; what it does not know, or what does not hold in other words, stays as it is.

    Args:
        random: Chooses wordings.
        holds: Whether all that the checker reads in a sentence is supported, and that is something.
    """

    def __init__(self, random: Random, holds: Callable[[str], bool]) -> None:
        self._phrases = Phrases(PROMPT, random)
        self._holds = holds

    def pose(self, text: str) -> str:
        """A sentence on the head or the gaze in other words."""
        if (found := _HEAD.fullmatch(text)) is not None:
            values = {name: value or "" for name, value in found.groupdict().items()}
            return self._tried(text, values["name"], **values)
        if (found := _GAZE.fullmatch(text)) is not None:
            way = found["way"]
            return self._tried(text, "gaze_side" if way in ("left", "right") else "gaze_height", way=way)
        return text

    def network(self, text: str, emotion: str, value: str, second: str, second_score: str) -> str:
        """A sentence on the probabilities of an expression network in other words."""
        return self._tried(text, "network", emotion=emotion, value=value, second=second, second_score=second_score)

    def _tried(self, text: str, block: str, **values: str) -> str:
        for _ in range(_TRIES):
            said = self._phrases.say(block, **values)
            if self._holds(said):
                return said
        return text


_TRIES = 3
"""Wordings that are tried before the reasoner's own is taken."""
