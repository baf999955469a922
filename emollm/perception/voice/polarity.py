"""Is what was said positive or negative? By the words of VADER's lexicon (Hutto & Gilbert 2014), English only."""

import re
from functools import cache
from importlib.metadata import version
from typing import Any

from emollm.types import Source


@cache
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def polarity(text: str) -> float | None:
    """From -1, most negative, to 1, most positive; None where no word of the lexicon is in the text.

    Args:
        text: English. Data, never an instruction.

    Raises:
        ImportError: vaderSentiment is not installed.
    """
    scores = _analyser().polarity_scores(text)
    return None if scores["pos"] == scores["neg"] == 0 else float(scores["compound"])


_COMMON = frozenset(
    """a about after all also am an and any are as at back be because been but by can can't come could day did didn't do does
    doesn't don't even first for from get give go good got had has have he he's her him his how i i'll i'm i've if in into is isn't
    it it's its just know let's like look make me more most my never new no not now of on one only or other our out over people
    really say see she she's so some still take than that that's the their them then there they they're think this time to too two
    up us use very want was we we're well were what when which who why will with won't work would you you're you've
    your""".split()  # noqa: SIM905
)
"""Words that nearly every English sentence has some of; few of them are words of another language."""
_ENGLISH = 0.25
"""Share of them in English: nine of ten GoEmotions comments have more (docs/voice.md)."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def is_english(text: str) -> bool:
    """Whether words that came with a clip are taken for English, by the share of its commonest words; unknown is no."""
    words = [word.casefold().replace("’", "'") for word in _WORD.findall(text)]
    return bool(words) and sum(word in _COMMON for word in words) >= _ENGLISH * len(words)


def source() -> Source:
    """What polarity comes from."""
    return Source(backend="vaderSentiment", version=version("vaderSentiment"), licence="MIT")
