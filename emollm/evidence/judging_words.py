"""Claims about words: quotations against what was recognised, their polarity, and whether they were recognised.

A quotation is compared as words in lower case without punctuation. It is there where a stretch of the transcript is at least
0.8 alike (ratio of Ratcliff & Obershelp 1988 as in :mod:`difflib`, over letters).
"""

import math
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from emollm.evidence.assertions import Heard, Polarity
from emollm.evidence.judging import C, Finding, S, U, all_of, reason
from emollm.evidence.judging_time import ENDS, Window, narrowed, placed, widened
from emollm.evidence.lookup import Evidence
from emollm.evidence.times import Moment, When
from emollm.types import Cue, CueKind, Extent, Missing, Scale, Verdict

ALIKE, ALIKE_WORD = 0.8, 0.9
"""Likeness from which a quotation counts as found, and a quotation of one word ("never" is not "ever")."""
SAME, SHORT = 0.6, 8
"""Likeness of two words from which one may be the other misheard, and words up to which a quotation is compared by word."""
_FILLERS = frozenset(
    [
        "the",
        "and",
        "you",
        "for",
        "with",
        "that",
        "this",
        "was",
        "are",
        "but",
        "its",
        "her",
        "his",
        "our",
        "your",
        "they",
        "she",
        "him",
    ]
)
CERTAIN = 0.5
"""Mean confidence of the recognised words from which a quotation that is not among them is false."""
NEUTRAL, CLEAR = 0.05, 0.3
"""Polarity from which words are positive or negative (Hutto & Gilbert 2014 give .05), and from which clearly so."""
_MOST = 40
"""Places of a transcript that are compared letter by letter."""
_SHORT = frozenset(
    [
        "don",
        "can",
        "won",
        "isn",
        "aren",
        "wasn",
        "weren",
        "doesn",
        "didn",
        "hasn",
        "haven",
        "hadn",
        "wouldn",
        "couldn",
        "shouldn",
        "ain",
    ]
)
_DENIES = frozenset({"no", "not", "never", "nobody", "nothing", "none", "neither", "cannot"})
_TOKEN = re.compile(r"[^\W_]+")


class _Spoken(NamedTuple):
    """One word of a transcript."""

    text: str
    start: float | None
    end: float | None
    cue: str
    """The segment that it stands in."""


class _Match(NamedTuple):
    ratio: float
    words: tuple[_Spoken, ...]

    @property
    def span(self) -> Window | None:
        """From when to when it was said."""
        first, last = self.words[0].start, self.words[-1].end
        return (first, last) if first is not None and last is not None else None


def tokens(text: str) -> list[str]:
    """The words of a text in one form: lower case, no punctuation, no apostrophes."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("’", "")
    return _TOKEN.findall(plain)


def judge_quote(item: Heard, evidence: Evidence) -> Finding:
    """Whether words were said, and when they are said to have been."""
    pieces = [words for part in re.split(r"…|\.\.\.", item.quote) if (words := tuple(tokens(part)))]
    positive = item.polarity is Polarity.PRESENT
    spoken = _transcript(evidence)
    if not spoken or not pieces:
        if (silent := evidence.silence) is not None and pieces:
            return Finding(C if positive else S, (), silent.reason)
        gap = evidence.gap("words", "voice", "audio")
        return Finding(U, (), gap.reason if gap is not None else reason("no_words"))
    findings = [_judge_piece(piece, item, spoken, evidence) for piece in pieces]
    return all_of(findings) if positive else all_of([_reversed(one) for one in findings])


def spoken_at(quote: str, evidence: Evidence) -> list[Window]:
    """From when to when some words were said, the likeliest place first; nothing where that is not known."""
    words = tuple(tokens(quote))
    found = _matches(words, _transcript(evidence)) if words else []
    return [span for match in found if (span := match.span) is not None]


def _reversed(finding: Finding) -> Finding:
    return finding._replace(verdict={S: C, C: S}.get(finding.verdict, U))


def _judge_piece(words: tuple[str, ...], item: Heard, spoken: Sequence[_Spoken], evidence: Evidence) -> Finding:
    found = _matches(words, spoken)
    if not found:
        if not is_certain(evidence):
            return Finding(U, (), reason("unsure_words"))
        gap = unheard(item, evidence)
        return Finding(U, (), gap.reason) if gap is not None else Finding(C, (), reason("not_said"))
    best = found[0]
    if (
        len(words) <= SHORT
        and _changed(words, [word.text for word in best.words], [word.text for word in spoken])
        and is_certain(evidence)
    ):
        return Finding(C, (), reason("not_said"))
    cues = tuple(dict.fromkeys(word.cue for word in best.words))
    said = Finding(S, cues, reason("said", words=" ".join(word.text for word in best.words), ratio=best.ratio))
    if not item.windows:
        return said
    findings = []
    for moment in item.windows:
        window, decided = placed(moment, evidence)
        findings.append(decided if window is None and decided else _judge_when(found, window, moment, said, evidence))
    return all_of(findings)


def unheard(item: Heard, evidence: Evidence) -> Missing | None:
    """Why words may have been said that were not recognised, at the times of a claim."""
    windows = [window for moment in item.windows if (window := placed(moment, evidence)[0]) is not None]
    if not windows:
        return evidence.unheard()
    return next((gap for window in windows if (gap := evidence.unheard(*window)) is not None), None)


def _judge_when(
    found: Sequence[_Match], window: Window | None, moment: Moment, said: Finding, evidence: Evidence
) -> Finding:
    """Whether one of the places where the words stand lies in a window."""
    spans = [(match, span) for match in found if (span := match.span) is not None]
    if window is None or not spans:
        return Finding(U, said.cues, reason("untimed_words"))
    first, last = widened(window)
    if moment.when is When.SPAN:
        first, last = window[0] - ENDS, window[1] + ENDS
    for match, (start, end) in spans:
        fits = start >= first and end <= last if moment.when is When.SPAN else start <= last and end >= first
        segment = evidence.cue(match.words[0].cue)
        whole = segment is not None and moment.when is When.SPAN
        if whole and segment is not None:
            fits = fits or (abs(segment.start - window[0]) <= ENDS and abs(segment.end - window[1]) <= ENDS)
        if fits:
            return Finding(S, tuple(dict.fromkeys(word.cue for word in match.words)), said.reason)
    if (gap := evidence.unheard(*window)) is not None:
        return Finding(U, said.cues, gap.reason)
    start, end = spans[0][1]
    return Finding(C, said.cues, reason("said_then", start=start, end=end))


# ---- finding words --------------------------------------------------------------------------------------------------


def _transcript(evidence: Evidence) -> list[_Spoken]:
    """All words that were recognised, or given with the clip, in order."""
    cues = [cue for cue in (*evidence.cues, *evidence.others) if cue.kind is CueKind.WORDS and cue.text]
    segments = sorted((cue for cue in cues if cue.extent is Extent.EVENT), key=lambda cue: cue.start)
    if evidence.words:
        return [
            _Spoken(token, word.start, word.end, _segment(word.start, word.end, segments))
            for word in evidence.words
            for token in tokens(word.text)
        ]
    if segments:
        return [_Spoken(token, cue.start, cue.end, cue.id) for cue in segments for token in tokens(cue.text or "")]
    return [_Spoken(token, None, None, cue.id) for cue in cues for token in tokens(cue.text or "")]


def said_by(evidence: Evidence) -> dict[str, str]:
    """What was said by cue, in order: by this person, where it is known who said what."""
    spoken, own = _transcript(evidence), {cue.id for cue in evidence.cues}
    words = (
        [word for word in spoken if word.cue in own]
        if any(word.cue not in own for word in spoken if word.cue)
        else spoken
    )
    texts = {cue.id: cue.text or "" for cue in (*evidence.cues, *evidence.others)}
    out: dict[str, str] = {}
    for word in words:
        if word.cue in texts:
            out[word.cue] = texts[word.cue]
        else:
            out[word.cue] = f"{out.get(word.cue, '')} {word.text}".strip()
    return out


def _segment(start: float, end: float, segments: Sequence[Cue]) -> str:
    middle = (start + end) / 2
    return next((cue.id for cue in segments if cue.start - 0.05 <= middle <= cue.end + 0.05), "")


def _matches(words: tuple[str, ...], spoken: Sequence[_Spoken]) -> list[_Match]:
    """The places of a transcript that are like some words, best first."""
    heard = tuple(word.text for word in spoken)
    return [_Match(ratio, tuple(spoken[first:last])) for ratio, first, last in _places(words, heard)]


@lru_cache(maxsize=64)
def _places(words: tuple[str, ...], heard: tuple[str, ...]) -> tuple[tuple[float, int, int], ...]:
    """(likeness, first, last) of the stretches that are at least 0.8 alike, best first, without overlaps."""
    count, wanted = len(words), " ".join(words)
    least, denials = ALIKE if count > 1 else ALIKE_WORD, _denials(words)
    scored = []
    for first in _starts(words, heard):
        best = (0.0, first, first)
        if heard[first : first + count] == words:
            scored.append((1.0, first, first + count))
            continue
        for length in {count, max(1, count - 1), count + 1}:
            last = min(len(heard), first + length)
            before = heard[first - 1] if first else ""
            if _denials(heard[first:last]) != denials or (before not in ("no", words[0]) and _denials([before])):
                continue  # one word makes them the opposite
            piece = " ".join(heard[first:last])
            matcher = SequenceMatcher(None, piece, wanted, autojunk=False)
            if matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least:
                ratio = matcher.ratio()
                best = max(best, (ratio, first, last), key=lambda one: (one[0], -abs(one[2] - one[1] - count)))
        if best[0] >= least:
            scored.append(best)
    out: list[tuple[float, int, int]] = []
    for ratio, first, last in sorted(scored, key=lambda one: (-one[0], one[1])):
        if all(last <= begin or first >= end for _, begin, end in out):
            out.append((ratio, first, last))
    return tuple(out)


def _denials(words: Sequence[str]) -> int:
    return sum(word in _DENIES or (len(word) > 3 and word.endswith("t") and word[:-1] in _SHORT) for word in words)


def _starts(words: tuple[str, ...], heard: tuple[str, ...]) -> list[int]:
    """Where to compare: wherever the words stand as they are, and at the likeliest other places.

    Those are places with a word like the first one for a short quotation, for a longer one those that share most words,
    first of all words in their places: where a sentence is said again and again, any shift shares all of them.
    """
    count = len(words)
    exact = [index for index, word in enumerate(heard) if word == words[0] and heard[index : index + count] == words]
    if count <= 2:
        first = words[0]
        near = {word for word in {*heard} if word == first or SequenceMatcher(None, word, first).quick_ratio() >= 0.6}
        return sorted({*exact, *[index for index, word in enumerate(heard) if word in near][: 4 * _MOST]})
    wanted = Counter(words)
    window: Counter[str] = Counter()
    shared, scores = 0, []
    for index, word in enumerate(heard):
        window[word] += 1
        shared += window[word] <= wanted[word]
        if index >= count:
            gone = heard[index - count]
            shared -= window[gone] <= wanted[gone]
            window[gone] -= 1
        scores.append((shared, max(0, index - count + 1)))
    known = {*exact}
    enough = [
        (-shared - sum(map(operator.eq, words, heard[start : start + count])), start)
        for shared, start in scores
        if shared >= 0.4 * count and start not in known
    ]
    return sorted({*exact, *(start for _, start in sorted(enough)[:_MOST])})


def _changed(words: Sequence[str], said: Sequence[str], all_: Sequence[str]) -> bool:
    """Whether a word that carries meaning stands for another one: "I love my job" is not "I lost my job"."""
    wanted = [word for word in words if word not in said]
    left = [word for word in said if word not in words]
    return any(
        len(word) > 2
        and word not in _FILLERS
        and not any(SequenceMatcher(None, word, other, autojunk=False).ratio() >= SAME for other in left or all_)
        and not any("".join(said[at : at + 2]) == word for at in range(len(said) - 1))
        and not any(word + other == one for one in left for other in wanted)
        for word in wanted
    )


def is_certain(evidence: Evidence) -> bool:
    known = [word.confidence for word in evidence.words]
    known = known or [cue.confidence for cue in evidence.cues if cue.name == "said" and cue.confidence is not None]
    return not known or sum(known) / len(known) >= CERTAIN


# ---- polarity, recognition ------------------------------------------------------------------------------------------


def judge_polarity(item: Heard, evidence: Evidence, numbers: Sequence[Finding]) -> Finding:
    """Whether words are positive, negative or neutral: any segment that is so supports it, at the times that are said."""
    cues = [cue for cue in (*evidence.cues, *evidence.others) if cue.name == "polarity" and cue.kind is CueKind.WORDS]
    positive = item.polarity is Polarity.PRESENT
    for moment in item.windows:
        window, decided = placed(moment, evidence)
        if window is None:
            return decided or Finding(U)
        first, last = widened(window) if positive else narrowed(window)
        cues = [cue for cue in cues if cue.start <= last and cue.end >= first]
    if not cues:
        gap = unheard(item, evidence) or evidence.gap("voice", "audio")
        return Finding(U, (), gap.reason if gap is not None else reason("no_words"))
    meant = [cue for cue in cues if any(cue.id in one.cues and one.verdict is S for one in numbers)]
    verdicts = [(_polar(cue.value or 0.0, item), cue) for cue in meant or cues if cue.scale is Scale.RATIO]
    if not positive:
        verdicts = [({S: C, C: S}.get(verdict, U), cue) for verdict, cue in verdicts]
    order = (S, U, C) if positive else (C, U, S)
    verdict, cue = min(verdicts, key=lambda one: order.index(one[0]))
    return all_of([Finding(verdict, (cue.id,), reason("polarity", value=cue.value)), *numbers])


def _polar(value: float, item: Heard) -> Verdict:
    """One segment: a side from .05, and "strongly" from .3; neutral below .05, and not from .3 on."""
    if not item.sign:
        return S if abs(value) < NEUTRAL else C if abs(value) >= CLEAR else U
    side = value * item.sign
    if side >= (NEUTRAL if item.relative else CLEAR):
        return S
    return C if side <= -NEUTRAL or not item.relative else U


def judge_understood(item: Heard, evidence: Evidence) -> Finding:
    """Whether the words were recognised: all of them, or none; where only a part was, a time must say which."""
    findings = []
    for moment in item.windows or (None,):
        window, decided = placed(moment, evidence) if moment is not None else (None, None)
        findings.append(decided or _understood(window, evidence))
    return all_of(findings if item.polarity is Polarity.PRESENT else [_reversed(one) for one in findings])


def _understood(window: Window | None, evidence: Evidence) -> Finding:
    first, last = window or (0.0, math.inf)
    cues = [cue for cue in (*evidence.cues, *evidence.others) if cue.kind is CueKind.WORDS and cue.text]
    cues = [cue for cue in cues if window is None or (cue.start <= last and cue.end >= first)]
    there = bool(cues) or any(word.start <= last and word.end >= first for word in evidence.words)
    gap = evidence.unheard(first, last)
    if gap is not None:
        return Finding(U if there else C, tuple(cue.id for cue in cues[:1]), gap.reason)
    if there:
        return Finding(S, tuple(cue.id for cue in cues[:1]), reason("words_there"))
    return Finding(U, (), reason("no_words"))
