"""The label that a free reply gives, where it stands, and the strength beside it; the words that each label of a set goes by.

:func:`named_in` takes the first label that is not denied, as suits replies of our own models, which have learnt to name it first.
:func:`read_reply` reads replies of any model for an evaluation, and would rather read nothing than the wrong thing.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from emollm.denials import affirmed, denied
from emollm.emotions import DEFAULT, LabelSet, label_set
from emollm.evidence.lexicon import marks
from emollm.rationale_text import parts
from emollm.types import Part

_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_LONGEST = 3
"""Words of the longest label."""
_STRENGTH = re.compile(
    r"(?:\b(?P<at>at|strength|intensity)(?: (?:of|is|at|an? (?:strength|intensity) of))?:? ?\(?|(?P<how>[\w-]+)(?: there)?,? ?\(|\((?P<word>[\w-]+), )"
    r"(?:(?P<percent>\d{1,3}(?:\.\d+)?) ?%|(?P<share>[01]\.\d+))(?!\d)(?! ?(?:s|seconds?)\b)"
)
"""A number behind "at" or a word for strength, or in brackets behind a word that has to be one of strength or of an emotion."""
_CLAUSE = re.compile(r"[;:,]|[.!?](?!\d)")
_OTHER = re.compile(r"\b(?:probability|minimum|least|net|network|weight|share|score|runner-up)\b", re.IGNORECASE)
"""What a number beside it tells instead of a strength."""
_THOUGHT = re.compile(
    r"<(?P<ends>/?)(?:think(?:ing)?|thoughts?|reasoning|analysis|reflection|scratchpad)>", re.IGNORECASE
)
"""Where thinking aloud begins or ends."""
_ANSWER = re.compile(r"<answer>(?P<said>(?:(?!</?answer>).)*)", re.IGNORECASE | re.DOTALL)
_MARKER = re.compile(
    r"\b(?:(?<!possible )(?<!other )(?<!one )(?:answer|label)[\"'*_` ]*[:：=]|(?:the|my|final|best|correct) (?:final |best |correct )?(?:answer|label) is\b)[\s\"'*_`:]*",
    re.IGNORECASE,
)
"""What an answer follows on the same line."""
_OPEN = re.compile(
    r"^\W*(?:undecided|unclear|not decided|no label|no decision)\b|[;,] (?:so |hence )?(?:unclear|(?:the label is )?undecided|no label(?: is given)?)(?=[.;]|$)"
    r"|\b(?:weigh nearly the same|almost even|come out alike|is (?:thin|weak|scant|too small)|not backed enough|weakly backed|too little backs|remains a hint"
    r"|convinces too little|beyond this evidence|lacks support|too weak|(?:too little|not enough) (?:backs|supports|favours)|does not (?:stand out|lead)|is not (?:enough|given))\b",
    re.IGNORECASE,
)
"""What the conclusion of a rationale says that gives no label, though it names the nearest; see ``prompts/writer/conclusions.yaml``."""
_JOINED = re.compile(
    r"[\s,;/|\"'“”‘’*_()\[\]•-]*(?:\d{1,2}[.)]\s*)?(?:\b(?:and|or|nor)\b|&)?[\s\"'“”‘’*_()\[\]]*", re.IGNORECASE
)
"""What stands between the words of a list."""
_SENTENCE = re.compile(r"[.!?]+(?=\s|$)|\n\s*\n")
_OFFERS = re.compile(
    r"\b(?:options?|choices|candidates|which (?:of|one|label|emotion)|(?:one|out|some|any|more) of|from the list|label set|between|"
    r"(?:possible|given|available|allowed) (?:labels|emotions))\b|(?:^|\n)\W*(?:choose|pick|select|name|classify|judge|give|tell|answer with)\b",
    re.IGNORECASE,
)
"""What stands before a list that is offered rather than answered."""
_BESIDE = re.compile(
    r"(?:(?:more|other|stronger|rather|better)(?: [\w-]+)? than|ahead of|followed by|\bover|against|before|compared (?:to|with)|unlike|versus|\bvs\.?|"
    r"runner-up(?: is)?:?|second comes|next is|comes?,? behind it,?|behind it comes|(?:hint|trace|touch|tinge|bit|shade)s? of)(?: (?:an?|the|some))? $",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(
    r"(?: \([^()]*\))?,? (?:(?:only )?follows?|comes? (?:second|next|behind)|is (?:second|next|the runner-up))\b",
    re.IGNORECASE,
)
"""What stands before and behind a label that another one is compared with."""
_BEFORE = 40
"""Characters in which the former stands."""

NEVER_ENDS = "thinking that never ends"
SEVERAL = "several labels"
ECHO = "an echo of the options"
DECLINED = "declined"
NONE = "a text that names no label of the set"


class Named(NamedTuple):
    """A label in a reply."""

    label: str
    """In the words of the set."""
    start: int
    """Where it begins in the reply."""
    written: str
    """As it stands there."""


def unreached(labels: LabelSet) -> tuple[str, ...]:
    """The labels of a set that no word of basic8, which our models learn, becomes; see :meth:`emollm.emotions.LabelSet.map_to`."""
    reached = set(label_set(DEFAULT).map_to(labels).values())
    return tuple(label for label in labels.labels if label not in reached)


def forms(labels: LabelSet) -> dict[str, tuple[str, ...]]:
    """For each label the words that are read as it: its own, its synonyms, and those of the label of basic8 that becomes it."""
    found = {entry.label: [entry.label, *entry.synonyms] for entry in labels.entries}
    taken = {word.casefold() for words in found.values() for word in words}
    learnt = label_set(DEFAULT)
    for label, own in learnt.map_to(labels).items():
        if own is not None:
            words = (label, *learnt.entry(label).synonyms)
            found[own] += [word for word in words if word.casefold() not in taken]
    return {label: tuple(words) for label, words in found.items()}


def label_in(reply: str, labels: LabelSet) -> str | None:
    """The first label that is named, and not denied, in the conclusion of a reply, or in all of it where it has no parts; None where none is.

    Args:
        reply: What a model wrote.
        labels: The set whose :func:`forms` count.
    """
    found = named_in(reply, labels)
    return found.label if found is not None else None


def named_in(reply: str, labels: LabelSet) -> Named | None:
    """The same with its place."""
    start, text = _conclusion(reply)
    found = next(
        (one for one in _mentions(text, labels) if not denied(text, one.start, one.start + len(one.written))), None
    )
    return found._replace(start=start + found.start) if found is not None else None


def strength_in(reply: str) -> float | None:
    """The first strength from 0 to 1, or in per cent, that the conclusion of a reply gives; None where it gives none."""
    text = _conclusion(reply)[1]
    for match in _STRENGTH.finditer(text):
        value = float(match["share"]) if match["share"] else float(match["percent"]) / 100
        begin = max((end.end() for end in _CLAUSE.finditer(text, 0, match.start())), default=0)
        clause = text[begin : _end(text, match.end())]
        if value <= 1 and not _OTHER.search(clause) and (match["at"] or _of_strength(match["how"] or match["word"])):
            return value
    return None


# ---- replies of any model -------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """What a reply is read as."""

    labels: tuple[str, ...]
    """In the words of the set, in the order in which they stand."""
    why: str = ""
    """Why there is none."""


def read_reply(reply: str, labels: LabelSet, several: bool = False) -> Reading:
    """The label that a reply states, or why it states none; nothing is guessed.

    What is thought aloud does not count (:func:`answer_in`), nor what is denied, what is said to be unknown, or the options repeated. Of a
    reply in our three parts the first label of the conclusion counts; of others what follows the last "answer:" or "label:" on its line,
    or else all of it, where different labels are none unless one of them is only compared with ("more than angry", "sadness follows").

    Args:
        reply: What a model wrote.
        labels: The set whose :func:`forms` count.
        several: Whether all labels that are stated are asked for.
    """
    said = answer_in(reply)
    if said is None:
        return Reading((), NEVER_ENDS)
    whole, ours = _concluding(said)
    if ours and _OPEN.search(whole):
        return Reading((), DECLINED)
    text = affirmed(whole)
    begin, end = (0, len(text)) if ours else _marked(text)
    every = [one for one in _mentions(text, labels) if begin <= one.start < end]
    offered = _offered(text, every, len(labels.labels), several)
    if {one.label for one in offered} == set(
        labels.labels
    ):  # the question repeated, which may speak of the labels before it lists them
        every = [one for one in every if one.start > max(other.start for other in offered)]
    kept = [one for one in every if one not in offered and not denied(text, one.start, one.start + len(one.written))]
    if not several:
        kept = kept[:1] if ours else [one for one in kept if not _compared(text, one)] or kept
    found = tuple(dict.fromkeys(one.label for one in kept))
    if len(found) == 1 or (found and several):
        return Reading(found)
    if text != whole:
        return Reading((), DECLINED)
    return Reading((), SEVERAL if found else ECHO if offered else NONE)


def answer_in(reply: str) -> str | None:
    """A reply without what was thought aloud between tags; of several ``<answer>`` the last one. None where the thinking never ends."""
    said: list[str] = []
    begin, thinks = 0, False
    for tag in _THOUGHT.finditer(reply):
        if not thinks:  # an end without a beginning, which then stands in the prompt
            said = [] if tag["ends"] else [*said, reply[begin : tag.start()]]
        begin, thinks = tag.end(), not tag["ends"]
    if thinks:
        return None
    text = "".join([*said, reply[begin:]])
    answers = list(_ANSWER.finditer(text))
    return (answers[-1]["said"] if answers else text).strip()


def _concluding(text: str) -> tuple[str, bool]:
    """The last conclusion of a text, or all of it; and whether it is one of our rationales, which have other parts before it."""
    found = parts(text)
    conclusions = [one.text for one in found if one.part is Part.CONCLUSION]
    return (conclusions[-1], len(conclusions) == 1 < len(found)) if conclusions else (text, False)


def _marked(text: str) -> tuple[int, int]:
    """Where the rest of the line stands that follows the last marker of an answer, or what is in quotes there; all of a text without one."""
    markers = list(_MARKER.finditer(text))
    if not markers:
        return 0, len(text)
    begin = markers[-1].end()
    closing = '"' if text[begin - 1] == '"' else "\n"
    end = text.find(closing, begin)
    return begin, end if end >= 0 else len(text)


def _offered(text: str, every: Sequence[Named], size: int, several: bool) -> set[Named]:
    """The labels that are offered: in a list behind "the options are", two or more in a question, or all of a set of three or more."""
    found: set[Named] = set()
    for begin, end, own in _by_sentence(text, every):
        if text[end : end + 1] == "?" and len({one.label for one in own}) > 1:
            found |= set(own)
        for run in _runs(text, own):
            if (len(run) == size > 2 and not several) or (len(run) > 1 and _OFFERS.search(text, begin, run[0].start)):
                found |= set(run)
    return found


def _runs(text: str, every: Sequence[Named]) -> list[list[Named]]:
    """Labels that stand in lists, each list with different ones."""
    runs: list[list[Named]] = []
    for one in every:
        last = runs[-1] if runs else []
        gap = text[last[-1].start + len(last[-1].written) : one.start] if last else ""
        if last and one.label not in {other.label for other in last} and _JOINED.fullmatch(gap):
            last.append(one)
        else:
            runs.append([one])
    return runs


def _compared(text: str, one: Named) -> bool:
    """Whether a label is one that another is compared with."""
    before = text[max(0, one.start - _BEFORE) : one.start]
    return bool(_BESIDE.search(before) or _FOLLOWS.match(text, one.start + len(one.written)))


# ---- words and places -----------------------------------------------------------------------------------------------


def _mentions(text: str, labels: LabelSet) -> Iterator[Named]:
    """All labels of a text, denied or not, the longest word at each place."""
    label_of = {_spaced(word).casefold(): label for label, own in forms(labels).items() for word in own}
    words = list(_WORD.finditer(text))
    first = 0
    while first < len(words):
        step = 1
        for length in range(min(_LONGEST, len(words) - first), 0, -1):
            own = words[first : first + length]
            label = label_of.get(" ".join(word.group() for word in own).casefold())
            if label:
                yield Named(label, own[0].start(), text[own[0].start() : own[-1].end()])
                step = length
                break
        first += step


def _spaced(word: str) -> str:
    """A word of a set as the words that a text is taken apart into ("a/h")."""
    return word if word.isalpha() or re.search(r"[\d_]", word) else " ".join(_WORD.findall(word))


def _by_sentence(text: str, every: Sequence[Named]) -> Iterator[tuple[int, int, list[Named]]]:
    """Where each sentence begins and ends that has two labels or more, and these; a list on several lines is in one."""
    start, at = 0, 0
    for stop in [*((match.start(), match.end()) for match in _SENTENCE.finditer(text)), (len(text), len(text))]:
        first = at
        while at < len(every) and every[at].start < stop[0]:
            at += 1
        if at - first > 1:
            yield start, stop[0], list(every[first:at])
        start = stop[1]


def _end(text: str, start: int) -> int:
    """Where the clause ends in which something stands."""
    found = _CLAUSE.search(text, start)
    return found.start() if found else len(text)


@cache
def _of_strength(word: str) -> bool:
    """Whether a word says how strong, or names an emotion."""
    emotions = {form.casefold() for own in forms(label_set(DEFAULT)).values() for form in own}
    return word.casefold() in emotions or any(mark.kind == "strengths" for mark in marks(word, 0, len(word)))


def _conclusion(reply: str) -> tuple[int, str]:
    """Where the conclusion starts, and its text; all of a reply without parts."""
    found = [one for one in parts(reply) if one.part is Part.CONCLUSION]
    return (found[0].start, found[0].text) if len(found) == 1 else (0, reply)
