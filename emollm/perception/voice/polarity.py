"""Is what was said positive or negative? By the words of VADER's lexicon (Hutto & Gilbert 2014), English only."""

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


def source() -> Source:
    """What polarity comes from."""
    return Source(backend="vaderSentiment", version=version("vaderSentiment"), licence="MIT")
