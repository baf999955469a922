"""Statements that some words were said: quotations, found in the whole text, as what stands in them is read by nobody."""

import re

from emollm.evidence.assertions import Heard, Polarity, Topic
from emollm.evidence.lexicon import marks
from emollm.types import CueKind

_QUOTE = re.compile(r"\"([^\"\n]{1,1000})\"|“([^”\n]{1,1000})”|«([^»\n]{1,1000})»|(?<!\w)[‘']([^‘’'\n]{1,300}(?:['’]\w[^‘’'\n]{0,200}){0,8})['’](?!\w)")  # fmt: skip
_SAYS = re.compile(
    r"\b(?:say(?:s|ing)?|said|utter(?:s|ed|ing)?|words?(?:\s(?:is|are|was|were))?|phrase|sentence|transcript"
    r"(?:\s(?:is|reads|says))?|hear(?:s|d)?|spoken|spoke|repeats|reads?|ask(?:s|ed|ing)|exclaim(?:s|ed|ing)|shout(?:s|ed|ing)|whisper(?:s|ed|ing)|repl(?:ies|ied|ying)|answer(?:s|ed|ing)|mutter(?:s|ed|ing)|murmur(?:s|ed|ing)|mumbl(?:es|ed|ing)|yell(?:s|ed|ing)|call(?:s|ed|ing)\sout|add(?:s|ed|ing)|insist(?:s|ed|ing)|claim(?:s|ed|ing)|quote[sd]?|recogni[sz]ed(?:\sas)?"
    r"|tells\s\w{1,12}|heard\s(?:is|are))\b[\s:,–—-]{0,3}(?:is\s|are\s|that\s|were\s|like\s)?(?:(?!\.\s)\W){0,2}$",
    re.IGNORECASE,
)
"""What stands right before a quotation of speech."""
_UPON = re.compile(r"(?:^|[\s(,])(?:on|at|during|over|after|before|with|to|while)\s$", re.IGNORECASE)
"""What stands before single-quoted words that are said then: "on 'I'm sure'"."""
_NAMED = re.compile(
    r"\b(?:called|labell?ed|labels?|as|like|term|terms|so-called|named|units?|emotion|category|class|expression|look|means|prior|annotators?|tagged|rated)"
    r"\b[\s:,]{0,3}(?:is\s|an?\s|the\s|as\s|in\s)*(?:(?!\.\s)\W){0,2}$",
    re.IGNORECASE,
)
"""What stands right before quoted words that nobody said: "labelled “happy”"."""
_IS_SAID = re.compile(
    r"^\W{0,3}(?:(?:is|are|was|were)(?:\sn[o']t|n't|\snever)?\s(?:said|heard|spoken|among)"
    r"|(?:he|she|they|the\s\w{1,12})\s(?:say|said|ask|reply|replie)s?\b)",
    re.IGNORECASE,
)
"""What stands right behind one."""
_NOT = re.compile(r"\b(?:no|not|never|nobody|without|\w{2,8}n['’]t)\b(?:\W+\w+){0,4}\W*$", re.IGNORECASE)


def quotations(text: str) -> list[Heard]:
    """Statements that some words were said, anywhere in a text; other quoted words are none."""
    out = []
    for match in _QUOTE.finditer(text):
        before = text[max(0, match.start() - 60) : match.start()]
        says, said = _SAYS.search(before), _IS_SAID.search(text[match.end() : match.end() + 40])
        quote = next(one for one in match.groups() if one)
        if (
            says is None
            and said is None
            and (
                (match.group()[0] in "'‘" and (_UPON.search(before) is None or len(quote.split()) < 2))
                or _NAMED.search(before)
                or _is_term(quote)
            )
        ):
            continue
        start = match.start() - (len(before) - says.start() if says is not None and not _is_loud(says.group()) else 0)
        end = match.end() + (said.end() if said is not None and says is None else 0)
        item = Heard(CueKind.WORDS, start, end, topic=Topic.QUOTE, quote=quote)
        clause = re.split(
            r"[.;!?]" if says is not None or said is not None else r"[.;!?,]", text[max(0, start - 60) : start]
        )[-1]
        denied = _NOT.search(clause) or (said is not None and re.search(r"\bn[o']t|n't|never", said.group()))
        if denied:
            item.polarity = Polarity.ABSENT
        out.append(item)
    return out


def _is_loud(says: str) -> bool:
    """Whether a word of saying tells how loud it is, which is a statement of its own: "whispers", "yells"."""
    return any(mark.kind == "level" for mark in marks(says, 0, len(says), voice=True))


def _is_term(quote: str) -> bool:
    """Whether quoted words are a name of something: an emotion, a unit, a movement."""
    known = {mark.kind for mark in marks(quote, 0, len(quote))}
    return bool(known & {"name", "code"}) or (len(quote.split()) <= 2 and bool(known & {"emotions", "noun", "parts"}))
