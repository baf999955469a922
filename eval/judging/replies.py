"""From a judge's reply to a rating or to words, or to why there is none; a number is never picked out of prose."""

import re
import unicodedata
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from emollm.config import read_yaml
from emollm.eval.judging.ratings import HIGHEST, LOWEST, Outcome
from emollm.word_lists import split_list

_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
"""What a model thinks aloud before it replies."""
_MOST_WORDS, _LONGEST_WORD = 30, 40


class _Forms(NamedTuple):
    whole: re.Pattern[str]
    """A reply that is a rating."""
    named: re.Pattern[str]
    """A line that says of itself to be one."""
    refusals: tuple[str, ...]


def rating_in(reply: str) -> float | Outcome:
    """The rating that a reply is, or why it is none.

    A rating is the whole reply (``7``, ``7/10``, ``**Rating: 7**``, ``评分：7``) or the one line of it that names itself (``Rating: 7``). Two
    such lines with different numbers are none.
    """
    text = _plain(reply)
    if not text:
        return Outcome.EMPTY
    forms = _forms()
    if (match := forms.whole.fullmatch(text)) is None:
        lines = [match for line in text.splitlines() if (match := forms.named.fullmatch(line.strip())) is not None]
        if len({float(one["number"]) for one in lines}) != 1:
            return _no_rating(text)
        match = lines[0]
    number = float(match["number"])
    return number if LOWEST <= number <= HIGHEST else Outcome.OUT_OF_SCALE


def words_in(reply: str) -> tuple[str, ...] | Outcome:
    """The words of a reply that is a list in square brackets, in lower case and each once; or why it is none."""
    text = _plain(reply).strip().rstrip(".。")
    if not text:
        return Outcome.EMPTY
    if not (text.startswith("[") and text.endswith("]") and len(text.splitlines()) == 1):
        return _no_rating(text)
    words = tuple(dict.fromkeys(word.lower() for word in split_list(text)))
    if len(words) > _MOST_WORDS or any(len(word) > _LONGEST_WORD for word in words):
        return Outcome.PROSE
    return words


def _plain(reply: str) -> str:
    """The reply without thoughts and emphasis, wide digits and signs as narrow ones."""
    text = unicodedata.normalize("NFKC", _THOUGHT.sub("", reply))
    return text.replace("*", "").replace("`", "").strip()


def _no_rating(text: str) -> Outcome:
    said = text.lower()
    return Outcome.REFUSAL if any(phrase in said for phrase in _forms().refusals) else Outcome.PROSE


@cache
def _forms() -> _Forms:
    values = read_yaml(Path(str(files("emollm.eval.judging").joinpath("replies.yaml"))))
    names = "|".join(re.escape(name) for name in sorted(values["names"], key=len, reverse=True))
    behind = "|".join(re.escape(sign) for sign in values["behind"])
    number = rf"(?P<number>[+-]?\d{{1,6}}(?:\.\d{{1,6}})?)\s*(?:{behind})?\s*[.。]?"
    flags = re.IGNORECASE
    return _Forms(
        re.compile(rf"(?:(?:{names})\s*:?\s*)?{number}", flags),
        re.compile(rf"(?:{names})\s*:?\s*{number}", flags),
        tuple(values["refusals"]),
    )
