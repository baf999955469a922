"""Other wordings of the reasoner's sentences on an expression network, a head and a gaze, for Samples."""

import re
from collections.abc import Callable, Sequence
from random import Random

from emollm.data_engines.phrases import Phrases

PROMPT = "engines/photo"

_HEAD = re.compile(
    r"The head is \w+(?P<strength> slightly| far)? (?:to the person's )?(?P<way>left|right|up|down) "
    r"\((?P<name>yaw|pitch|roll) (?P<angle>[-−]?\d+)°\)\."
)
_GAZE = re.compile(r"The (?:gaze|eyes) (?:is|are) \w+ (?:to the person's )?(?P<way>left|right|up|down)\.")
_JOINED = 0.45
"""Share of the pairs of sentences on head and gaze that are made one."""
_TRIES = 4
"""Wordings that are tried before the reasoner's own is taken."""


class Variation:
    """Rewords sentences of a photo; what it does not know, or what does not hold in other words, stays as it is.

    Args:
        random: Chooses wordings.
        claims: How many claims the checker reads in a sentence, all of them supported; fewer than none where one is not.
    """

    def __init__(self, random: Random, claims: Callable[[str], int]) -> None:
        self._phrases = Phrases(PROMPT, random)
        self._random = random
        self._claims = claims

    def poses(self, texts: Sequence[str]) -> list[str]:
        """Sentences on the head and the gaze in other words, some of them made one; others as they are."""
        out: list[str] = []
        open_ = False
        for text in texts:
            said = self._pose(text)
            known = said is not None
            if known and open_ and self._random.random() < _JOINED:
                both = self._phrases.say("both", first=out[-1].removesuffix("."), second=_lowered(said or ""))
                if self._claims(both) == self._claims(out[-1]) + self._claims(said or ""):
                    out[-1], open_ = both, False
                    continue
            out.append(said or text)
            open_ = known
        return out

    def network(self, text: str, emotion: str, value: str, second: str, second_score: str) -> str:
        """A sentence on the probabilities of an expression network in other words."""
        values = {"emotion": emotion, "value": value, "second": second, "second_score": second_score}
        if self._random.random() < 0.5:
            values |= {"value": _percent(value), "second_score": _percent(second_score)}
        return self._tried(text, "network", **values)

    def rests(self, text: str, label: str, value: str) -> str:
        """A sentence that a label rests on the network in other words."""
        said = self._phrases.say("rests", label=label, value=value)
        return said if self._claims(said) >= 0 else text

    def _pose(self, text: str) -> str | None:
        if (found := _HEAD.fullmatch(text)) is not None:
            values = {name: value or "" for name, value in found.groupdict().items()}
            return self._tried(text, values.pop("name"), degrees=values["angle"].lstrip("-−"), **values)
        if (found := _GAZE.fullmatch(text)) is not None:
            way = found["way"]
            return self._tried(text, "gaze_side" if way in ("left", "right") else "gaze_height", way=way)
        return None

    def _tried(self, text: str, block: str, **values: str) -> str:
        """A wording that is read as a statement, all of it supported; else the text as it is."""
        for _ in range(_TRIES):
            said = self._phrases.say(block, **values)
            if self._claims(said) > 0:
                return said
        return text


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _percent(value: str) -> str:
    """A probability with two decimals in percent."""
    return f"{round(float(value) * 100)} %" if value else ""
