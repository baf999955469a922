"""What a reply must not say of a person: diagnoses, protected attributes, what somebody feels or intends, whether somebody lies.

The list is ``unsafe.yaml``. Words in quotation marks are left alone: those are what was said, or a caption. A sentence that says that such a
thing cannot be known is allowed ("nothing here tells whether the person is lying"). Gendered pronouns and nouns infer a gender from a face
or a voice: outside of quotations a reply says "the person" and "they"; "his or her" infers none.

No pattern of a fault reaches over punctuation other than apostrophes and hyphens. So a text is first looked at in the pieces between other
punctuation, of which the same few come again and again: only where a piece has a fault the sentences are read.
"""

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from emollm.clues import text_of
from emollm.data_engines.recipe import FilterSettings
from emollm.evidence.lexicon import sentences
from emollm.samples import Sample
from emollm.types import Observation

_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|«[^»\n]*»|(?<![\w])‘[^’\n]*’(?!\w)')


_QUOTES = re.compile('["“«‘]')
_DIGIT = re.compile(r"\d")
_PERSON = "{person} "
_CLAUSE = re.compile(r"[;:]|, (?:and|but|so|yet|while|which|though|although) | but ")
"""What begins a clause, which the limits of the one before it do not reach."""
_MOST_TOLD = 120
"""Characters of a sentence in a reason."""


_MOST_PIECES, _LONGEST = 1 << 16, 200
"""How many pieces are remembered, and of how many characters at most."""
_APART = str.maketrans(
    {**dict.fromkeys("123456789", "0"), **dict.fromkeys('\t\n\r!"#$%&()*+,./:;<=>?@[\\]^`{|}~', "\n")}
)
"""Digits are all alike, and punctuation ends a piece."""


class _List(NamedTuple):
    kinds: tuple[tuple[str, re.Pattern[str]], ...]
    any: re.Pattern[str]
    limits: re.Pattern[str]
    limits_after: re.Pattern[str]
    inclusive: re.Pattern[str]


class Unsafe:
    """Rejects Samples whose assistant says of a person what no measurement gives a right to."""

    name = "unsafe"

    def check(self, sample: Sample, observation: Observation) -> str | None:
        """The first fault: ``gender: 'she' in "…"``, ``diagnosis: …``, ``feeling: …``, ``deception: …``."""
        for message in sample.messages:
            fault = unsafe(text_of(message)) if message.role == "assistant" else None
            if fault is not None:
                return fault
        return None


def unsafe(text: str) -> str | None:
    """The first statement in a text that must not be made of a person, as ``kind: 'words' in "sentence"``; None without one."""
    plain = _QUOTED.sub(lambda quote: "_" * len(quote.group()), text) if _QUOTES.search(text) else text
    lower = plain.lower()
    if len(lower) == len(plain) and not any(map(_PIECES.__getitem__, lower.translate(_APART).split("\n"))):
        return None
    for start, end in sentences(plain):
        found = _fault(_DIGIT.sub("0", plain[start:end]))
        if found is not None:
            kind, first, last = found
            told = " ".join(text[start:end].split())
            told = told if len(told) <= _MOST_TOLD else told[: _MOST_TOLD - 1] + "…"
            return f'{kind}: {text[start + first : start + last]!r} in "{told}"'
    return None


class _Pieces(dict[str, bool]):
    """Whether a piece between punctuation has a fault, if limits and pairs that name both genders are left out of account."""

    def __missing__(self, piece: str) -> bool:
        found = _list().any.search(piece) is not None
        if len(self) >= _MOST_PIECES:
            self.clear()
        if len(piece) <= _LONGEST:
            self[piece] = found
        return found


_PIECES = _Pieces()


@lru_cache(maxsize=1 << 12)
def _fault(sentence: str) -> tuple[str, int, int] | None:
    """Kind and place of the first fault in a sentence whose digits are all alike: so few sentences are looked at twice."""
    words = _list()
    lower = sentence.lower()
    if len(lower) != len(sentence):  # letters that become two
        lower = sentence
    lower = words.inclusive.sub(lambda pair: "_" * len(pair.group()), lower)
    if words.any.search(lower) is None:
        return None
    for kind, pattern in words.kinds:
        for hit in pattern.finditer(lower):
            if kind == "gender" or not _is_limited(lower, hit, words):
                return kind, hit.start(), hit.end()
    return None


def _is_limited(sentence: str, hit: re.Match[str], words: _List) -> bool:
    """Whether the clause says of the hit that it cannot be known."""
    start = max((gap.end() for gap in _CLAUSE.finditer(sentence, 0, hit.start())), default=0)
    following = _CLAUSE.search(sentence, hit.end())
    end = following.start() if following is not None else len(sentence)
    before = words.limits.search(sentence, start, hit.start())
    return before is not None or words.limits_after.search(sentence, hit.end(), end) is not None


@cache
def _list() -> _List:
    import yaml

    values = yaml.safe_load(files("emollm.data_engines.filters").joinpath("unsafe.yaml").read_text(encoding="utf-8"))
    names = {"{person}": values["person"], "{be}": values["be"]}

    def joined(patterns: list[str]) -> str:
        text = "|".join(patterns)
        for name, words in names.items():
            text = text.replace(name, words)
        return rf"(?<![\w-])(?:{text})(?![\w-])"

    kinds = {kind: joined(patterns) for kind, patterns in values["kinds"].items()}
    return _List(
        tuple((kind, re.compile(pattern)) for kind, pattern in kinds.items()),
        re.compile(joined(_together([pattern for patterns in values["kinds"].values() for pattern in patterns]))),
        *(re.compile(joined(values[name])) for name in ("limits", "limits_after", "inclusive")),
    )


def _together(patterns: list[str]) -> list[str]:
    """Patterns of which those that begin alike are one: they are looked for three times as fast."""
    person = [pattern.removeprefix(_PERSON) for pattern in patterns if pattern.startswith(_PERSON)]
    others = [pattern for pattern in patterns if not pattern.startswith(_PERSON)]
    return [*others, f"{_PERSON}(?:{'|'.join(person)})"] if person else others


def build(settings: FilterSettings) -> Unsafe | None:
    """The filter; None if ``unsafe`` is off."""
    return Unsafe() if settings.unsafe else None
