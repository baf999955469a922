"""A pinned language model as judge of descriptions (EMER): ratings from 1 to 10, with failures as a bucket of their own.

``Judge(JudgeSettings(model="http://host:port/v1#model"), cache).clues(pairs)`` asks; :mod:`emollm.eval.judging.agreement` compares its ratings with
others; :class:`JudgedOverlap` gives them to a report. No rating is ever guessed: :mod:`emollm.eval.judging.replies` says what counts as one.
"""

from emollm.eval.judging.agreement import Agreement, agreement
from emollm.eval.judging.judge import Judge, JudgedOverlap, JudgeSettings
from emollm.eval.judging.ratings import FAILED, Judged, Outcome, Pin, Rating

__all__ = [
    "FAILED",
    "Agreement",
    "Judge",
    "JudgeSettings",
    "Judged",
    "JudgedOverlap",
    "Outcome",
    "Pin",
    "Rating",
    "agreement",
]
