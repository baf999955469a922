"""Claims that something was said, in words that are not quoted, against what was recognised.

A paraphrase is no quotation: other words may say the same. It is true where every word of meaning in it was said, by its stem. It is
false only where something stands in the place of what was said: an opposite ("nobody listened" for "everybody"), a denial too much or
too few, another word between the same neighbours ("since Christmas" for "since Tuesday"), another question word, another act
(condolences for congratulations), or a thing that is mentioned by name and never was. All else is open.
"""

import re
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

from emollm.evidence.assertions import Heard, Polarity
from emollm.evidence.judging import C, Finding, S, U, reason
from emollm.evidence.judging_words import is_certain, said_by, tokens, unheard
from emollm.evidence.lexicon import expanded, lexicon
from emollm.evidence.lookup import Evidence

_DENIALS = frozenset({"not", "never", "no", "nobody", "nothing", "none", "neither", "cannot", "nor"})
_ASKING = frozenset({"who", "what", "where", "when", "why", "how", "which"})
_ENDINGS = (
    ("ies", "y"),
    ("ied", "y"),
    ("ing", ""),
    ("edly", ""),
    ("ed", ""),
    ("ly", ""),
    ("es", ""),
    ("s", ""),
    ("e", ""),
)
_NT = re.compile(r"n['’]t\b|\b(?:cannot|hardly|barely|scarcely|without|out\sof|un(?:able|willing)\sto|refus\w+\sto|fail\w*\sto)\b", re.IGNORECASE)  # fmt: skip
_CLITIC = re.compile(r"['’](?:s|m|re|ve|ll|d)\b", re.IGNORECASE)
_IS = re.compile(r"\b(he|she|it|that|there|this|what|who|where|i|you|they|we)['’](?:s|m|re)\b", re.IGNORECASE)
_HOW = re.compile(
    r"(?!family|reply|early|lovely|lonely|friendly|ugly|silly|holy|july|italy|belly|bully|jelly|daily|weekly)[a-z]{3,}ly"
)
"""Words that say how, which a paraphrase may add or leave out."""
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: number for number, word in enumerate(_COUNTS, 1)}
_FELT = frozenset({"noun", "heading", "mention", "name", "call", "suggest"})
"""Classes of statements in which a mood is how words sound, not what they are."""
_PIECE = 3
"""Words of a piece of what is told that may stand for others."""
_SHARE = 0.6
"""Share of the words of a short paraphrase that must be the same, where one of them is another."""


class _Told(NamedTuple):
    """A text as the stems that are compared; people, forms of "be" and denials by one sign each."""

    words: tuple[str, ...]
    content: frozenset[str]
    """Those that mean something by themselves."""
    denied: bool


def judge_report(item: Heard, evidence: Evidence) -> Finding | None:
    """Whether something like that was said, as far as that can be told; None where it may be a thought that nobody spoke."""
    spoken = said_by(evidence)
    if not spoken:
        gap = evidence.gap("words", "voice", "audio")
        return Finding(U, (), gap.reason if gap is not None else reason("no_words"))
    text = " ".join(spoken.values())
    cues = tuple(id for id in spoken if id)
    if item.manner == "thought" and not _thinks(item.quote, text):
        return None
    if item.manner == "count":
        found = _is_count(item.quote, len(tokens(text)))
    elif item.manner in lexicon()["reports"]["acts"]:
        found = _act(item.manner, text)
    else:
        found = _compared(_read(item.quote), _read(text), item, text)
    if found is not None and found and item.polarity is not Polarity.PRESENT:
        return Finding(U, cues, reason("paraphrase"))
    if found is None or (not found and (not is_certain(evidence) or unheard(item, evidence) is not None)):
        return Finding(U, cues, reason("paraphrase"))
    holds = found if item.polarity is Polarity.PRESENT else not found
    return Finding(S, cues, reason("told")) if holds else Finding(C, cues, reason("not_told"))


def _compared(told: _Told, said: _Told, item: Heard, text: str) -> bool | None:
    """Whether what is told was said; None where that is open."""
    addressed = _lists()["addressed"]
    told = told._replace(content=told.content - addressed)
    missing = told.content - said.content
    shared = told.content & said.content
    if any(
        pair & missing and (pair - missing) & ({*said.words} | said.content) - told.content
        for pair in _pairs("opposite")
    ):
        return False
    missing -= _denying()
    same = [word for word in told.words if word in said.words and word != "N"]
    if told.denied != said.denied and not missing and len(same) >= 2 and _beside(told, said):
        return False
    if item.manner == "deny":
        return False if shared and not said.denied and not missing & said.content else None
    asked, other = _ASKING & {*tokens(item.quote)[:1]}, _ASKING & {*tokens(text)}
    if not missing:
        return True if shared and told.denied == said.denied and asked <= other else None
    named = item.manner in ("name", "mention") and not tokens(item.quote)[0].endswith("ing")  # a noun: "her wedding"
    if not named and _replaced(told, said, missing):
        return False
    if asked and not shared and other and not asked & other:
        return False
    return False if not shared and item.manner != "loose" and _is_apart(told, said, missing, item.manner) else None


def _is_apart(told: _Told, said: _Told, missing: frozenset[str], manner: str) -> bool:
    """Whether nothing that is told is among what was said, nor a word for it or of its subject."""
    spoken = frozenset(word for word in said.words if len(word) > 1) | said.content
    own = missing - _lists()["abstract"]
    if manner in _FELT:
        own -= _moods()
    if not own or not said.content:
        return False
    return not any(_is_near(one, other) for one in own for other in spoken)


def _beside(told: _Told, said: _Told) -> bool:
    """Whether a denial that only one of them has is one of the same words, not of others that were said as well."""
    if told.denied:
        return True
    for index in (index for index, word in enumerate(said.words) if word == "N"):
        for word in said.words[index + 1 : index + 3]:
            if word in told.words and word not in ("P", "B", "D"):
                return True
            if word in said.content:
                break
    return False


def _replaced(told: _Told, said: _Told, missing: frozenset[str]) -> bool:
    """Whether a word of meaning stands in the place of another one, between the same neighbours."""
    left = said.content - told.content
    codes = SequenceMatcher(None, told.words, said.words, autojunk=False).get_opcodes()
    for index, (kind, first, last, begin, end) in enumerate(codes):
        if kind != "replace" or last - first > _PIECE:
            continue
        before = codes[index - 1][2] - codes[index - 1][1] if index and codes[index - 1][0] == "equal" else 0
        after = codes[index + 1][2] - codes[index + 1][1] if index + 1 < len(codes) and codes[index + 1][0] == "equal" else 0  # fmt: skip
        reach = last - first + 1
        words = [word for word in said.words[begin:end] if word not in ("P", "B", "D")]
        piece = words[:reach] if before else words[-reach:]
        mine = missing & {*told.words[first:last]}
        theirs = left & {*piece}
        if not mine or not theirs or any(_is_near(one, other) for one in mine for other in left):
            continue
        around = told.words[first - before : first] + told.words[last : last + after]
        known = any(word in told.content for word in around)
        if len(around) >= 3 or (known and len(around) >= 2):
            return True
        if (before or after) and 1 - len(mine) / len(told.words) >= _SHARE and len(mine) == 1 and len(left) == 1:
            return True
    return False


def _thinks(told: str, text: str) -> bool:
    """Whether what somebody is said to think was said as a thought: "I think …", "maybe …"."""
    thoughts = {stem(word) for word in ("think", "believe", "hope", "wish", "guess", "suppose", "fear", "afraid")}
    return bool(thoughts & {stem(word) for word in tokens(text)})


def _is_count(said: str, count: int) -> bool | None:
    """Whether so many words were said; open where it is nearly so many."""
    number = _NUMBERS.get(said.lower()) or (int(said) if said.isdigit() else 1)
    return True if number == count else None if abs(number - count) <= 0.2 * count else False


def _act(name: str, text: str) -> bool | None:
    """Whether words do something: those that do it were said, or only those that do something else."""
    plain = f" {' '.join(tokens(text))} "
    acts = lexicon()["reports"]["acts"]
    done = {one for one, act in acts.items() if any(f" {word} " in plain for word in act["words"])}
    return name in done or (None if name in ("condolence",) and not done else False)


# ---- words ----------------------------------------------------------------------------------------------------------


@cache
def _lists() -> dict[str, frozenset[str]]:
    data = lexicon()["reports"]
    return {name: frozenset(str(word) for word in data[name]) for name in ("empty", "people", "beings", "dropped")} | {
        name: frozenset(stem(str(word)) for word in data[name]) for name in ("addressed", "abstract")
    }


@cache
def _moods() -> frozenset[str]:
    """Stems of words for emotions and moods."""
    data = lexicon()
    listed = [*data["voice"]["other"]["mood"], *data["voice"]["other"]["timbre"], *(word for words in data["voice"]["sentiment"].values() for word in words)]  # fmt: skip
    phrases = [*listed, *(phrase for group in data["emotions"].values() for phrase in group)]
    return frozenset(stem(words[0]) for phrase in phrases for words in expanded(phrase) if len(words) == 1)


@cache
def _forms() -> dict[str, str]:
    """The plain form of each irregular one."""
    return {str(form): str(plain) for plain, forms in lexicon()["reports"]["forms"].items() for form in forms}


@cache
def _denying() -> frozenset[str]:
    return frozenset(stem(word) for word in _DENIALS)


@cache
def _pairs(name: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(stem(str(word)) for word in group) for group in lexicon()["reports"][name])


def _is_alike(one: str, other: str) -> bool:
    """Whether two stems may be said for each other."""
    if any({one, other} <= group for group in _pairs("alike")):
        return True
    return min(len(one), len(other)) > 3 and SequenceMatcher(None, one, other, autojunk=False).ratio() >= 0.75


@cache
def _is_near(one: str, other: str) -> bool:
    """Whether two stems are said for each other, or of one subject."""
    begin = min(len(one), len(other)) >= 4 and one[:4] == other[:4]
    like = begin or SequenceMatcher(None, one, other, autojunk=False).ratio() >= 0.8
    return like or any({one, other} <= group for group in (*_pairs("alike"), *_pairs("related")))


@cache
def stem(word: str) -> str:
    """The stem of a word, by a list of irregular forms and the common endings."""
    word = _forms().get(word, word)
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def _read(text: str) -> _Told:
    lists = _lists()
    plain = _CLITIC.sub("", _IS.sub(r"\1 is", _NT.sub(" not", text)))
    words, content = [], set()
    for word in tokens(plain):
        if word in _DENIALS:
            words.append("N")
            if word in ("nobody", "nothing", "never"):
                content.add(stem(word))
        elif word in ("this", "that", "these", "those"):
            words.append("D")
        elif word in lists["dropped"]:
            continue
        elif word in lists["people"]:
            words.append("P")
        elif word in lists["beings"]:
            words.append("B")
        else:
            words.append(stem(word))
            if word not in lists["empty"] and not _HOW.fullmatch(word):
                content.add(stem(word))
    if words[:1] == ["B"] and words[1:2] in (["P"], ["D"]):  # "is that a spider?"
        words[:2] = words[1], words[0]
    return _Told(tuple(words), frozenset(content), "N" in words)
