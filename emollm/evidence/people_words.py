"""Patterns for a person in a text, and what stands around them. The nouns are data, ``people`` in ``lexicon.yaml``."""

import re
from functools import cache

from emollm.evidence.lexicon import expanded, lexicon

_WHO = (
    r"(?:persons?|people|man|woman|men|women|boy|girl|child|adult|lady|gentleman|guy|individual|subject|face|figure|speaker|listener"
    r"|participant|interviewer|colleague|partner|companion|one)"
)
_MIND = r"(?:[\w-]{2,12}\s){0,2}?"
_PLACE = r"(?:(?:on|at|to|in|towards?)\s(?:the\s)?(?:(?:very|far|viewer's|picture's|image's)\s)?(?P<place>left|right|middle|centre|center)(?:[-\s](?:hand\s)?side)?(?!\s(?:side\s)?of\s(?:his|her|their|the\s(?:face|mouth|person)))\b)"  # fmt: skip
ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "1st": 1,
    "2nd": 2,
    "3rd": 3,
    "one": 1,
    "two": 2,
    "three": 3,
    "a": 1,
    "b": 2,
    "c": 3,
}
_CORE = (
    r"(?P<id>p\d{1,2})\b(?!\s?[<>=]|\.\d)"
    r"|(?:person|subject|speaker|face|participant|individual|track|man|woman)\s?#?(?P<number>\d{1,2}|one\b|two\b|three\b|[abc]\b(?!\s[a-z]))(?![\d.:]\d)"
    rf"|(?:the\s)?(?P<nth>first|second|third|fourth|1st|2nd|3rd)\s(?:(?:(?:visible|detected)\s)?(?:{_WHO.replace('|one', '')})\b|of\s(?:the\s|these\s)?(?:two|three|pair|couple)\b)"
    rf"|(?P<else>(?:the|an|every)\s?other\s(?:{_MIND}{_WHO}\b|(?=[a-z]{{3,10}}s\b))|another\s{_MIND}{_WHO}\b|(?:someone|somebody|anyone)\selse\b|the\sothers?\b(?!\s(?:hand|side|corner|eye|brow|eyebrow|cheek|half|lip|nostril|lid))|(?:his|her|their)\s(?:{_WHO.replace('|one', '').replace('face|', '')}|neighbou?r|friend|counterpart|conversation\spartner)\b)"
    rf"|(?:(?:(?:the|a|an)\s{_MIND})?{_WHO}(?:'s\sface)?|some(?:one|body))\s{_PLACE}"
    rf"|(?:the\s)?(?P<side>left|right)(?:most|-hand)?\s(?:{_WHO.replace('|face|', '|').replace('|one', '')}|(?<=most\s)one)\b"
    r"|(?P<main>the\s(?:main|most\sprominent|foreground|principal)\s(?:person|subject|figure|face|man|woman))"
    r"|the\s(?P<role>speaker|listener|interviewer)\b"
    r"|(?:the|a|an)\s(?:[\w-]{2,12}\s)?(?P<noun>man|woman|boy|girl|child|lady|gentleman|guy|mother|father|interviewer)\b"
)
"""Phrases for a person."""
_TAIL = r"(?P<of>'s|’s)?(?:\s?\((?:the\s)?(?:person\s)?(?P<alias>p?\d{1,2}|first|second|third)(?:\s(?:person|one|face|speaker))?\))?"
"""In parentheses behind one may stand an id."""
REFERENCE = re.compile(rf"\b(?:{_CORE}){_TAIL}", re.IGNORECASE)
AFTER = re.compile(r"[^.;,]{0,60}?\((?:on\s)?(?:the\s)?(?P<place>left|right)(?:\sside)?\)", re.IGNORECASE)
"""A place in parentheses behind what one of two people does: "one sucks the lips in (left)"."""
FIRST_PERSON = re.compile(r"\b(?:I|I'd|I'll|we|we'd|you|one|let's|let\sus)\s(?:[a-z']+\s){0,3}(?:at|to|on|see|watch|hear)\s(?:the\s)?$", re.IGNORECASE)  # fmt: skip
"""What makes an object the one who is spoken of: "I'd look at the one on the right"."""
PLACED = re.compile(
    r"(?:^|[.;:,!?—]\s{0,3})(?:and\s|but\s|while\s)?(?:at|on|to|from|in|with|by|for)\s(?:the\s)?$", re.IGNORECASE
)
"""What stands before somebody whom a clause begins with: "; at the right-hand desk, lips are stretched"."""
LEAD = re.compile(r",\s(?:[\w'-]+\s){0,5}$")
"""What may stand between the last comma and another person: ", the inner brows of the one on the right"."""


@cache
def several() -> re.Pattern[str]:
    """Phrases for a person where several were measured: also by place or role alone, "the left-hand player", "Right: …", "both"."""
    data = lexicon()["people"]
    words = {
        key: "|".join(" ".join(form) for phrase in rows for form in expanded(phrase)) for key, rows in data.items()
    }
    own = rf"(?!\s(?:{words['of_a_face']})\b)"
    side = rf"(?:(?:very|far|viewer's|picture's)\s)?(?P<xplace>left|right)\b(?:[-\s](?:hand\s)?side)?{own}(?!\s(?:side\s)?of\s(?:his|her|their|the\s(?:face|mouth)))"
    who = rf"(?:\s(?:a|an|the|some)\s(?:[\w-]{{3,12}}\s)?(?:{words['roles']}|person)\b)"
    shown = r"found|seen|visible|present|observed|noted|shown|evident|appears?|appeared"
    return re.compile(
        rf"(?:(?:(?<=[.!?;,]\s)|(?<=\n)|^)(?:on\s(?:the\s)?)?(?P<xhead>left|right)(?:\sside)?\s?:(?:{who})?"
        rf"|(?:(?<=[.!?;]\s)|(?<=\n)|^)(?:on|from|to|at)\s(?:the\s)?(?P<zhead>left|right)(?:\sside)?(?:\s?,(?:{who})?|{who}|(?=\s(?:someone|somebody|there|it|he|she|they|we|i|comes?|sits?|stands?|is|are)\b))"
        rf"|\b(?:on|in|of|across|over)\sthe\s(?P<vface>left|right)(?:[-\s]hand)?\sface\b"
        rf"|\bit\sis\sthe\s(?P<vone>left|right)\sone\b(?=\swho)"
        rf"|\b(?:{shown})\son\sthe\s(?P<vplace>left|right)(?=\s?[.,;:!]|$|\sand\b)"
        rf"|(?:(?<=[.!?;,]\s)|(?<=\n)|^)(?:and\s|but\s)?(?:the\s)?(?P<zside>left|right)\sone\b(?='s|\s(?!eye|brow|eyebrow))"
        rf"|(?<=,\s)on\s(?:the\s)?(?P<wside>left|right)(?:\sside)?(?=\s?,)"
        rf"|\b(?:to|by|from|of)\sthe\s(?P<zone>left|right)\sone\b"
        rf"|\bon\s(?:the\s)?(?P<xbare>left|right)(?=\s?(?:[.,;:!]|$))"
        rf"|\bthe\s(?P<xlast>former|latter)\b|\bthe\s(?P<xnth>first|second)(?=,?\s(?:who|whose|is|has)\b|\s?[,.;])"
        rf"|\b(?P<xevery>(?:in|on|by|with|for)\sneither\s(?:person|individual|face|man|woman|one)\b|neither\s(?:person|individual|man|woman)\b|(?:both|neither|each|all|none)\sof\s(?:them|these|the\s(?:two|three|pair|people))\b|both\s(?:people|men|women|persons|faces)\b"
        rf"|they\s(?:both|all)\b|(?:(?<=[.!?;:]\s)|^)(?:both|neither)(?=\s(?!of|the|a|an|his|her|their|au|is|are|was|were|{words['of_a_face']})[a-z]))"
        rf"|(?:(?<=[.!?;:]\s)|^)(?P<xone>one)(?=\s(?!of|emotion|passage|pause|thing|clue|counts|makes|brow|eyebrow|eye|cheek|corner|lid|side|can|could|may|might|would|hears|sees|notices|notes|finds|observes|must|has\sto)[a-z]+)"
        rf"|\b(?:the\s)?(?P<xside>left|right)(?:most|[-\s]hand)\s(?!(?:{words['of_a_face']})\b)[a-z]{{3,}}\b"
        rf"|\b(?:the\s)?(?P<yside>left|right)\s(?:{words['roles']}|face|faces|figure)\b"
        rf"|\b(?:the|a|an|his|her|their)\s(?!chin\s)(?:[\w-]{{3,12}}\s)?(?P<xname>{words['roles']})\b(?:(?:,\s(?:on\s|at\s|to\s)?(?:the\s)?(?=(?:left|right)\s?,)|\s\((?:on\s|at\s)?(?:the\s)?"
        rf"|\s(?:(?:is|was|sitting|seated|standing|who\sis|who's)\s)?(?:on|at|to)\s(?:the\s|our\s)?){side})?"
        rf"|\b(?:whoever|the\s(?:person|one|face|figure|man|woman))(?:(?:'s|\s(?:is|was|sits|stands|who\sis|who's|that's|that\sis))\s(?:on|at|to)|\s(?:sitting|seated|standing))\s(?:(?:on|at|to)\s)?(?:the\s)?{side.replace('xplace', 'yplace')}"
        rf"|\b(?P<xfront>{words['front']})\b|(?<!\bfrom\s)\b(?P<xback>{words['back']})\b(?!\s(?:the|a|his|her|their)\s)|\b(?P<xall>{words['places']})\b"
        rf"|\b(?:{_CORE})){_TAIL}",
        re.IGNORECASE,
    )  # fmt: skip


OBJECT = re.compile(
    r"\b(?:at|(?:listen\w*|talk\w*|speak\w*|spoke|turn\w*|next|look\w*|respond\w*|react\w*|repl\w+|says?|said|close)\sto|towards?|beside|behind|besides|near|facing|opposite|than|with|like|unlike|by|next\sto|front\sof|apart\sfrom|hears?|sees?|watch(?:es)?|watching|addresses|interrupts|and\snot|not)\s(?:the\s)?$",
    re.IGNORECASE,
)
"""What stands before somebody who is not the one of whom something is said."""
BESIDE = re.compile(
    rf"\b(?:next\sto|beside|besides|opposite|unlike|near|behind|facing|in\sfront\sof)\s(?P<who>(?:an?|some)\s(?:[\w-]+\s){{0,3}}?{_WHO})\b",
    re.IGNORECASE,
)
"""Somebody of whom something is said only in passing: "next to a beaming companion"."""
AGENT = re.compile(r"\b(?:\w{2,10}ed|spoken|said|given|sung|shown|heard)\sby\s(?:the\s)?$", re.IGNORECASE)
"""What stands before the one who does something: "spoken by p2"."""
CLAUSE = re.compile(r";|,?\s(?:while|whereas|but|though|although|meanwhile)\b|,\s(?=and\b)|\s(?=and\s)|,\s(?=p\d|the\sother|the\sperson|the\sone|the\sm|the\sw|the\ss)|[:—–]|[.!?]\s", re.IGNORECASE)  # fmt: skip
PRONOUN = re.compile(r"\b(?:he|she|they|his|her|hers|their|theirs|him|them|it|its|both)\b", re.IGNORECASE)
HEADING = re.compile(r"[\W_]*$")
HINT = re.compile(
    rf"\bp\d|\b(?:other|another|else|man|woman|boy|girl|lady|gentleman|guy|child|mother|father|speaker|listener|interviewer)\b"
    rf"|\b(?:1st|2nd|3rd)\b|\b(?:first|second|third|fourth)\sof\s|\b(?:first|second|third|fourth|main|prominent|foreground|principal|left|right|leftmost|rightmost)[\s-](?:[\w-]+\s){{0,2}}{_WHO}\b"
    rf"|\b{_WHO}(?:'s\sface)?\s(?:on|at|to|in|towards?)\s|\b(?:person|subject|face|participant|individual|track)\s?#?(?:\d|(?:one|two|three|[abc])\b)"
    r"|\b(?:his|her|their)\s(?:person|partner|friend|companion|colleague|neighbou?r|counterpart|conversation)",
    re.IGNORECASE,
)
"""What stands in every sentence that has a reference; it is found faster."""


WORDS = (
    "other", " else", "man", "boy", "girl", "lady", "guy", "child", "speaker", "listener", "interviewer", "first", "second ", "third ", "1st", "2nd", "3rd",
    "fourth", " main ", "prominent", "foreground", "principal", "p1", "p2", "p3", "p4", "person 1", "person 2", "person 3", "person one",
    "person two", "person a", "person b", "subject 1", "subject 2", "face 1", "face 2", "track ", "#", "partner", "friend", "companion",
    "colleague", "neighbo", "counterpart", "conversation",
)  # fmt: skip
NEAR = (
    "person ",
    "one on",
    "one to",
    "one at",
    "face on",
    "face to",
    "people",
    "subject ",
    "individual",
    "hand person",
    "most",
    "figure",
)
"""One of these, or a side beside one of those, stands in every text that has a reference; that is found fastest."""
