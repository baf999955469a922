"""Words that a text tells without quoting them: "she says that she missed the train", "he mentions Karl", "they apologise".

What is told stands behind a verb or noun of saying, or in front of one that is put in ("…, he says, …"). It is read as speech only, and
as nothing else: "he asks to be left alone" names no side. The words are data, ``lexicon_voice.yaml``.
"""

import re
from collections.abc import Iterator
from functools import cache

from emollm.evidence.assertions import Heard, Polarity, Topic
from emollm.evidence.lexicon import Mark, expanded, lexicon, marks, sentences
from emollm.types import CueKind

_HEARER = r"(?:us|me|him|her|it|them|someone|somebody|everyone|everybody|anyone|people|p\d|(?:the|an?|his|her|its|their)\s(?:[a-z]{2,12}\s)?[a-z]{2,12}(?:\son\sthe\s(?:left|right))?)"
_TO = rf"(?:\s(?:to\s)?{_HEARER})?(?:\s(?:[a-z]{{2,12}}ly|again|then|aloud|back))?"
_OF = r"(?:\s(?:from|of|by|on)\s(?:the\s)?[a-z]{2,9})?(?:,\s)?\s?"
"""Whose answer, remark … it is."""
_PERSON = r"(?:he|she|they|and|or|who|speaker|person|man|woman|girl|boy|left|right|(?<=the\s)one|(?<=this\s)one|(?<=other\s)one|(?<=first\s)one|(?<=second\s)one|other|then|listener|lady|p\d)"
_WH = r"(?:who|what|where|when|why|how|which)\b"
_SHORT = r"(?:['’]\w{1,2})?"
_END = re.compile(r"[.;:!?,()—–\n]|\s(?:while|whereas|although|though|and\s(?:then\s)?(?:he|she|they|his|her|their|the|frowns?|smiles?|looks?|there)|(?:is|are|was|were|gets?|got)\s(?:made|delivered|spoken|uttered|said|voiced|expressed|whispered|shouted|phrased)|(?:comes?|came)\s(?:out|across|in|with|from|at))\b", re.IGNORECASE)  # fmt: skip
_PUT_IN = re.compile(
    r"(?:[,;]\s|\band\s)(?P<so>so\s)?(?:he|she|they|the\s(?!(?:annotators?|raters?|observers?)\b)\w{2,12}|p\d)\s(?:says?|said|tells?(?:\sus)?|told\sus|explains?|claims?|adds?|admits?|recalls?|complains?|insists?|reports?)(?:\s(?P<as>so)\b|(?=\s?[,.;]|$))",
    re.IGNORECASE,
)
"""A verb of saying behind what is said: "He opened the letter, he tells us"."""
_GOES_ON = re.compile(r",\s(?:I|he|she|they|it|we|you|the)\s", re.IGNORECASE)
"""What stands behind one that the words go on after."""
_OTHER = re.compile(
    r"\b(?:this|that|it|which|nothing|something|everything|texts?|models?|probabilit\w+|cues?|faces?|expressions?|brows?|lips?|eyes?|measurements?|priors?"
    r"|tables?|units?|smiles?|clips?|recordings?|everybody|class|shown,|annotators?|raters?|measured\shere|what|backends?|readings?|rules?|pictures?|photos?|is|are|was|were|be|been|as|than|i|we|you|would|could|might"
    r"|may|can|should|must|cannot|postures?|gestures?|gaze|look|heads?|mouth|corners|movements?|stance|manner|body|signs?|combination|context|scene|gap|silence|voice|tone|pitch|intonation|i['’](?:d|ll|ve)|we['’](?:d|ll|ve)|fair|safe|hard|difficult|easy|possible|impossible|tempting|wrong|unclear|as\s(?:if|though)(?:\s(?:he|she|they|to))?|like\s(?:someone|somebody|an?\s\w{2,12})(?:\swho)?)\s(?:also\s|only\s|alone\s|still\s|not\s|to\s|\w{2,10}ly\s)?$",
    re.IGNORECASE,
)
"""What stands before a word of saying of which no person is the subject: "the probability says whether"."""
_WITH = re.compile(r"\b(?:voice|tone)\s$", re.IGNORECASE)
"""A voice that does something with words: "a sing-song voice telling him to wait"."""
_DOING = re.compile(
    r"\b(?:he|she|they|[a-z]{2,12}(?:man|er)|man|person|girl|boy|lady|left|right|p\d)\s(?:is|are|was|were)\s$",
    re.IGNORECASE,
)
"""Somebody who is saying it just then: "the woman is telling them"."""
_CUT = re.compile(r"[\s,](?:with|in|at|and|while|but|as|on|under|from|than|over)\s", re.IGNORECASE)
_KINDS = frozenset({"parts", "noun", "code", "name"})
"""Marks of a face, of which nobody speaks in a clip that shows it: what is told ends before them."""
_ANY = frozenset({"talk", "words", "down", "up", "fall", "rise", "spoke", "same", "speech", "sound", "weak"})
"""Words of a voice that may be said of anything."""
_BEFORE = re.compile(r"\b(?:the|an?|his|her|their|some)\s$", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:not|never|nobody|without|\w{2,8}n['’]t|no\sone)\b(?:[^\w,;:.]+\w+){0,2}[^\w,;:.]*$", re.IGNORECASE
)
_MANY = r"one|two|three|four|five|six|seven|eight|nine|ten|a\ssingle|\d{1,2}"
_COUNT = re.compile(
    rf"\b(?:says?|said|saying|utters?|uttered|speaks?|spoke)\s(?:(?:only|just|exactly|no\smore\sthan|all\sof)\s)?(?P<n>{_MANY})\swords?\b(?!\s(?:for|of|about))"
    rf"|\b(?:(?:only|just|exactly)\s)?(?P<m>{_MANY})\swords?\s(?:is|are|was|were)\s(?:said|spoken|uttered|heard)\b"
    rf"|^(?:(?:only|just)\s)?(?P<k>{_MANY})\swords?(?=\s?[,:—–])",
    re.IGNORECASE,
)
"""How many words somebody says."""
_ARTICLES = frozenset({"the", "a", "an", "his", "her", "their", "these"})
"""What is left of "the words are", which belongs to a quotation."""
_LEAST = 2
"""Letters of the shortest thing that is told."""


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Patterns by class, the first that matches counts; the group is where what is told begins."""
    data = lexicon()["reports"]
    joins, subjects, asks, says, tells = (_any(data[name]) for name in ("joins", "subjects", "ask", "that", "order"))
    that = rf"(?:that\s|(?=(?:{subjects}){_SHORT}\s))"
    return (
        ("heading", re.compile(rf"(?:^|(?<=[.;]\s))(?:{_any(data['heading'])})\s?(?=[^\s\"“'])", re.IGNORECASE)),
        (
            "noun",
            re.compile(
                rf"\b(?:{_any(data['noun'])})\s(?:that\s|(?={_WH}|(?:if|whether|to)\b)|(?<=about\s)|(?<=with\s)|(?<=on\s)|(?<=one\s)|(?<=body\s))",
                re.IGNORECASE,
            ),
        ),
        ("noun", re.compile(rf"\b(?:{_any(data['nouns'])}){_OF}that\s", re.IGNORECASE)),
        (
            "noun",
            re.compile(rf"\b(?:the|a|his|her|their)\s(?:{_any(data['nouns_to'])}){_OF}(?:to|not\sto)\s", re.IGNORECASE),
        ),
        (
            "order",
            re.compile(
                rf"\b(?:{tells})(?:\s(?:at|with|on|for))?\s(?:{_HEARER}|[a-z]{{3,12}})\s(?:not\sto|never\sto|to)\s",
                re.IGNORECASE,
            ),
        ),
        ("order", re.compile(rf"\b(?:{tells})\s(?:not\sto|never\sto|to)\s(?=[a-z]{{2,12}}\s)", re.IGNORECASE)),
        (
            "accuse",
            re.compile(
                rf"\b(?:{_any(data['accuse'])})(?:\s(?:to\s)?{_HEARER})?\s(?:of|for|on|about|over)\s", re.IGNORECASE
            ),
        ),
        (
            "call",
            re.compile(
                rf"\b(?:{_any(data['call'])})\s(?={_HEARER}\s\w)(?:(?:us|me|him|her|them|it)\s)?(?:as\s)?",
                re.IGNORECASE,
            ),
        ),
        (
            "suggest",
            re.compile(
                rf"\b{_PERSON}\s(?:[a-z]{{2,12}}ly\s)?(?:{_any(data['suggest'])}){_TO}\s(?:that\s|(?=\w{{2,12}}ing\b))",
                re.IGNORECASE,
            ),
        ),
        ("deny", re.compile(rf"\b(?:{_any(data['deny'])}){_TO}\s(?:{that}|to\s|(?=\w{{2,12}}ing\b))", re.IGNORECASE)),
        ("thought", re.compile(rf"\b(?:{_any(data['thought'])})\s{that}", re.IGNORECASE)),
        ("ask", re.compile(rf"\b(?:{asks}){_TO}\s(?:(?:if|whether|for|about|to)\s|(?={_WH}))", re.IGNORECASE)),
        ("name", re.compile(rf"\b(?:{_any(data['name'])})\s(?!(?:{joins})\b)(?=\w)", re.IGNORECASE)),
        ("that", re.compile(rf"\b(?:{says}){_TO}\s(?:that\s|(?=(?:{joins}|{subjects}){_SHORT}\s))", re.IGNORECASE)),
        ("mention", re.compile(rf"\b(?:{_any(data['mention'])})\s(?=\w)", re.IGNORECASE)),
    )


def _any(phrases: list[str]) -> str:
    forms = {" ".join(words) for phrase in phrases for words in expanded(phrase)}
    return "|".join(re.escape(form).replace(r"\ :", r"\s?:").replace(r"\ ", r"\s") for form in sorted(forms, key=lambda one: (-len(one), one)))  # fmt: skip


def reports(text: str) -> list[Heard]:
    """Statements that something was said, in words that are not quoted.

    Args:
        text: The text, its quotations blanked.
    """
    out: list[Heard] = []
    for start, end in sentences(text):
        for item in (*_counted(text, start, end), *_told(text, start, end), *_acts(text, start, end)):
            if all(item.end <= one.start or item.start >= one.end for one in out):
                out.append(item)
    return sorted(out, key=lambda item: item.start)


def _told(text: str, start: int, end: int) -> Iterator[Heard]:
    """What stands behind verbs and nouns of saying, or in front of one that is put in."""
    if (match := _PUT_IN.search(text, start, end)) is not None:
        first = _begin(text, start, match.start())
        quote = text[first : match.start()]
        rest = _clause(text, match.end() + 2, end) if _GOES_ON.match(text, match.end()) and not match["as"] else ""
        if not _is_of_face(text, first, match.start()) and len(quote.split()) >= _LEAST:
            yield _item(text, first, match.end() + (len(rest) + 2 if rest else 0), f"{quote} {rest}", "that")
            return
    for kind, pattern in _patterns():
        for match in pattern.finditer(text, start, end):
            before = text[max(start, match.start() - 40) : match.start()]
            if kind not in ("heading", "noun") and _OTHER.search(before) and not _is_doing(kind, before, match.group()):
                continue
            quote = _clause(text, match.end(), end, whole=kind == "heading")
            if quote and quote.strip(" ,").lower() not in _ARTICLES:
                how = re.search(r"\b(\w+)\s$", match.group())
                told = f"{how[1]} {quote}" if how and how[1].lower() in ("why", "how") else quote
                if kind == "deny" or re.search(
                    r"\b(?:not|never)\sto\s$|\bforb(?:id|ade)", match.group(), re.IGNORECASE
                ):
                    told = f"not {quote}"
                manner = "loose" if kind == "noun" and _is_loose(text, match) else kind
                first = _behind(match) if kind in ("accuse", "that", "order") else match.start()
                yield _item(text, first, match.end() + len(quote), told, manner)


def _is_doing(kind: str, before: str, verb: str) -> bool:
    """Whether somebody, or a voice, is saying it: "the woman is telling them that", "a voice telling him to wait"."""
    if re.match(r"\w+ing\b", verb) and _DOING.search(before):
        return True
    return kind in ("order", "call") and _WITH.search(before) is not None and not re.match(r"\w+ing\sus\b", verb)


def _is_loose(text: str, match: re.Match[str]) -> bool:
    """Whether a noun may be the writer's own: "the question is whether he is angry", not "her question is"."""
    owned = re.search(r"\b(?:his|her|their|['’]s|speaker|left|right)\s(?:\w{2,12}\s)?$", text[max(0, match.start() - 30) : match.start()], re.IGNORECASE)  # fmt: skip
    own = re.match(r"(?:the|a)\s|\w+\s(?:from|of|by|on)\sthe\s", match.group(), re.IGNORECASE)
    return owned is None and own is None and match.group().split()[0].lower() in lexicon()["reports"]["loose"] and "about" not in match.group()  # fmt: skip


def _behind(match: re.Match[str]) -> int:
    """Where a statement begins whose verb says something by itself: how loud it is, or that somebody thanks."""
    first = match.group().split()[0]
    known = any(mark.kind == "level" for mark in marks(first, 0, len(first), voice=True))
    thanks = any(pattern.match(match.group()) for _, pattern in _called())
    return match.start() + len(first) + 1 if known else match.end() if thanks else match.start()


def _begin(text: str, start: int, end: int) -> int:
    """Where the clause begins that ends there: behind the last full stop or semicolon."""
    found = max((match.end() for match in re.finditer(r"[;:]\s|\s(?:while|but)\s", text[start:end])), default=0)
    return start + found


def _clause(text: str, start: int, end: int, whole: bool = False) -> str:
    """What is told from there on: up to the end of the clause, or before what is said of a face or a voice."""
    stop = re.compile(r"[.;:!?\n]").search(text, start, end) if whole else _END.search(text, start, end)
    last = stop.start() if stop is not None else end
    cuts = [mark.start for mark in marks(text, start, last) if mark.kind in _KINDS]
    cuts += [mark.start for mark in _of_voice(text, start, last)]
    if cuts:
        before = [match.start() for match in _CUT.finditer(text, start, min(cuts))]  # fmt: skip
        last = before[-1] if before else start
    return text[start:last].rstrip()


def _of_voice(text: str, start: int, end: int) -> Iterator[Mark]:
    """Words of a voice; not those that may be said of anything, nor one before another noun: "the noisy neighbours"."""
    known = list(marks(text, start, end, voice=True))
    subjects = {mark.token for mark in known if mark.kind == "subject"}
    for mark in known:
        if mark.kind not in ("subject", "level", "manner") or mark.id in _ANY:
            continue
        owned = _BEFORE.search(text, start, mark.start) is not None and re.match(
            r"\s[a-z]", text[mark.end : mark.end + 2]
        )
        if mark.kind == "subject" or not owned or mark.last + 1 in subjects:
            yield mark


def _is_of_face(text: str, start: int, end: int) -> bool:
    """Whether a stretch speaks of a face or a voice, and so is no speech."""
    return any(mark.kind in _KINDS for mark in marks(text, start, end)) or any(
        mark.kind in ("level", "manner") and mark.id not in ("up", "down", "rise", "fall", "same")
        for mark in marks(text, start, end, voice=True)
    )


def _item(text: str, start: int, end: int, quote: str, manner: str) -> Heard:
    item = Heard(CueKind.WORDS, start, end, topic=Topic.REPORT, quote=quote.strip(), manner=manner)
    if manner not in ("noun", "heading") and _NOT.search(text[max(0, start - 40) : start]):
        item.polarity = Polarity.ABSENT
    return item


def _counted(text: str, start: int, end: int) -> Iterator[Heard]:
    """How many words are said."""
    for match in _COUNT.finditer(text, start, end):
        yield _item(text, match.start(), match.end(), match["n"] or match["m"] or match["k"], "count")


@cache
def _called() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Patterns of what is done with words, by act."""
    acts = lexicon()["reports"]["acts"]
    return tuple((name, re.compile(rf"\b(?:{_any(act['called'])})\b", re.IGNORECASE)) for name, act in acts.items())


def _acts(text: str, start: int, end: int) -> Iterator[Heard]:
    """That somebody thanks, greets, apologises."""
    for name, pattern in _called():
        for match in pattern.finditer(text, start, end):
            yield _item(text, match.start(), match.end(), match.group(), name)
