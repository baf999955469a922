"""Of which person of a clip a statement speaks: "p2", "the other person", "the man on the right", "she".

A reference at or before a statement in its clause names the person; clauses and sentences that name nobody go on with the
person of the one before where a pronoun says so, or where a heading ("p2:") stands above them. Where two people may be
meant, a statement is held against both, and decided only where they agree. *Left* and *right* of a person in the picture
are the viewer's; of a body they are its own.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from emollm.evidence.lexicon import sentences
from emollm.types import Track

_WHO = (
    r"(?:persons?|people|man|woman|men|women|boy|girl|child|adult|lady|gentleman|guy|individual|subject|face|figure|speaker|listener"
    r"|participant|interviewer|colleague|partner|companion|one)"
)
_MIND = r"(?:[\w-]{2,12}\s){0,2}?"
_PLACE = r"(?:(?:on|at|to|in|towards?)\s(?:the\s)?(?:(?:very|far|viewer's|picture's|image's)\s)?(?P<place>left|right|middle|centre|center)(?:[-\s](?:hand\s)?side)?(?!\s(?:side\s)?of\s(?:his|her|their|the\s(?:face|mouth|person)))\b)"  # fmt: skip
_ORDINALS = {
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
_REFERENCE = re.compile(
    r"\b(?:"
    r"(?P<id>p\d{1,2})\b(?!\s?[<>=]|\.\d)"
    r"|(?:person|subject|speaker|face|participant|individual|track|man|woman)\s?#?(?P<number>\d{1,2}|one\b|two\b|three\b|[abc]\b(?!\s[a-z]))(?![\d.:]\d)"
    rf"|(?:the\s)?(?P<nth>first|second|third|fourth|1st|2nd|3rd)\s(?:(?:(?:visible|detected)\s)?(?:{_WHO.replace('|one', '')})\b|of\s(?:the\s|these\s)?(?:two|three|pair|couple)\b)"
    rf"|(?P<else>(?:the|an|every)\s?other\s(?:{_MIND}{_WHO}\b|(?=[a-z]{{3,10}}s\b))|another\s{_MIND}{_WHO}\b|(?:someone|somebody|anyone)\selse\b|the\sothers?\b(?!\s(?:hand|side|corner|eye|brow|eyebrow|cheek|half|lip|nostril|lid))|(?:his|her|their)\s(?:{_WHO.replace('|one', '').replace('face|', '')}|neighbou?r|friend|counterpart|conversation\spartner)\b)"
    rf"|(?:(?:the|a|an)\s{_MIND})?{_WHO}(?:'s\sface)?\s{_PLACE}"
    rf"|(?:the\s)?(?P<side>left|right)(?:most|-hand)?\s(?:{_WHO.replace('|face|', '|').replace('|one', '')}|(?<=most\s)one)\b"
    r"|(?P<main>the\s(?:main|most\sprominent|foreground|principal)\s(?:person|subject|figure|face|man|woman))"
    r"|the\s(?P<role>speaker|listener|interviewer)\b"
    r"|(?:the|a|an)\s(?:[\w-]{2,12}\s)?(?P<noun>man|woman|boy|girl|child|lady|gentleman|guy|mother|father|interviewer)\b"
    r")(?P<of>'s|’s)?(?:\s?\((?:the\s)?(?:person\s)?(?P<alias>p?\d{1,2}|first|second|third)(?:\s(?:person|one|face|speaker))?\))?",
    re.IGNORECASE,
)
"""Phrases for a person; in parentheses behind one may stand an id."""
_OBJECT = re.compile(
    r"\b(?:at|(?:listen\w*|talk\w*|speak\w*|spoke|turn\w*|next|look\w*|respond\w*|react\w*|repl\w+|says?|said|close)\sto|towards?|beside|behind|besides|near|facing|opposite|than|with|like|unlike|by|next\sto|front\sof|hears?|sees?|watch(?:es)?|watching|addresses|interrupts|and\snot|not)\s(?:the\s)?$",
    re.IGNORECASE,
)
"""What stands before somebody who is not the one of whom something is said."""
_BESIDE = re.compile(
    rf"\b(?:next\sto|beside|besides|opposite|unlike|near|behind|facing|in\sfront\sof)\s(?P<who>(?:an?|some)\s(?:[\w-]+\s){{0,3}}?{_WHO})\b",
    re.IGNORECASE,
)
"""Somebody of whom something is said only in passing: "next to a beaming companion"."""
_AGENT = re.compile(r"\b(?:\w{2,10}ed|spoken|said|given|sung|shown|heard)\sby\s(?:the\s)?$", re.IGNORECASE)
"""What stands before the one who does something: "spoken by p2"."""
_CLAUSE = re.compile(r";|,?\s(?:while|whereas|but|though|although|meanwhile)\b|,\s(?=and\b)|\s(?=and\s)|,\s(?=p\d|the\sother|the\sperson|the\sone|the\sm|the\sw|the\ss)|[:—–]|[.!?]\s", re.IGNORECASE)  # fmt: skip
_PRONOUN = re.compile(r"\b(?:he|she|they|his|her|hers|their|theirs|him|them|it|its|both)\b", re.IGNORECASE)
_HEADING = re.compile(r"[\W_]*$")
_HINT = re.compile(
    rf"\bp\d|\b(?:other|another|else|man|woman|boy|girl|lady|gentleman|guy|child|mother|father|speaker|listener|interviewer)\b"
    rf"|\b(?:1st|2nd|3rd)\b|\b(?:first|second|third|fourth)\sof\s|\b(?:first|second|third|fourth|main|prominent|foreground|principal|left|right|leftmost|rightmost)[\s-](?:[\w-]+\s){{0,2}}{_WHO}\b"
    rf"|\b{_WHO}(?:'s\sface)?\s(?:on|at|to|in|towards?)\s|\b(?:person|subject|face|participant|individual|track)\s?#?(?:\d|(?:one|two|three|[abc])\b)"
    r"|\b(?:his|her|their)\s(?:person|partner|friend|companion|colleague|neighbou?r|counterpart|conversation)",
    re.IGNORECASE,
)
"""What stands in every sentence that has a reference; it is found faster."""


_WORDS = (
    "other", " else", "man", "boy", "girl", "lady", "guy", "child", "speaker", "listener", "interviewer", "first", "second ", "third ", "1st", "2nd", "3rd",
    "fourth", " main ", "prominent", "foreground", "principal", "p1", "p2", "p3", "p4", "person 1", "person 2", "person 3", "person one",
    "person two", "person a", "person b", "subject 1", "subject 2", "face 1", "face 2", "track ", "#", "partner", "friend", "companion",
    "colleague", "neighbo", "counterpart", "conversation",
)  # fmt: skip
_NEAR = (
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


class Stretch(NamedTuple):
    """A piece of a text that speaks of some people."""

    start: int
    end: int
    tracks: tuple[str | None, ...]
    """Whom it may speak of: one, or several of whom it is not clear which; none if nobody who was measured."""


def references(text: str) -> list[re.Match[str]]:
    """All phrases of a text for a person, in order."""
    plain = text.lower()
    aside = (" left" in plain or " right" in plain or "middle" in plain) and any(word in plain for word in _NEAR)
    if not aside and not any(word in plain for word in _WORDS):
        return []
    spans = [span for span in sentences(text) if _HINT.search(text, *span)]
    return [match for span in spans for match in _REFERENCE.finditer(text, *span)]


def places(found: Sequence[re.Match[str]]) -> list[tuple[int, int]]:
    """Where references say by a side or a number which person they mean: "on the left", which is no side of a face."""
    own = [match.span(name) for match in found for name in ("nth", "number", "place", "side", "alias") if match[name]]
    return own + [match.span("who") for match in (_BESIDE.finditer(found[0].string) if found else ())]


def stretches(text: str, found: Sequence[re.Match[str]], people: Sequence[Track], track: str | None) -> list[Stretch]:
    """The pieces of a text by the person they speak of; none where all of it speaks of the person it is filed under.

    Args:
        text: Free English.
        found: Its references.
        people: Who was measured, and where their faces are.
        track: The person that the text is filed under.
    """
    if track is None or not found:
        return []
    return _Teller(text, found, people, track).stretches()


class _Teller:
    """Goes through a text and keeps in mind of whom it speaks."""

    def __init__(self, text: str, found: Sequence[re.Match[str]], people: Sequence[Track], track: str) -> None:
        self.text = text
        self.found = found
        self.people = people
        self.track = track
        self.current: tuple[str | None, ...] = (track,)
        self.headed = False
        self.named = False
        """Whether somebody was named."""
        self.names: dict[str, str] = {}
        """Who a word like "woman" stands for."""
        nouns = {match["noun"].lower() for match in found if match["noun"]}
        self.told_apart = len(nouns) > 1 and len(people) > 1
        """Whether people are told apart by such words."""

    def stretches(self) -> list[Stretch]:
        """The text cut by person; nothing where all of it speaks of one."""
        out: list[Stretch] = []
        for start, end in sentences(self.text):
            out += self._sentence(start, end)
        return out if any(one.tracks != (self.track,) for one in out) else []

    def _sentence(self, start: int, end: int) -> list[Stretch]:
        named = [match for match in self.found if start <= match.start() < end and not self._is_object(match)]
        known = [(match, who) for match in named if (who := self._resolve(match)) is not None]
        if not known:
            return [Stretch(start, end, self._unnamed(start, end))]
        out, first = [], start
        before = self._unnamed(start, known[0][0].start())
        if self.current == (self.track,) and not self.named:  # nobody was named yet: it may be either
            before = tuple(dict.fromkeys((*before, *known[0][1])))
        self.named = True
        for index, (match, who) in enumerate(known):
            cut = self._cut(first, match.start(), bool(index))
            cut = start if cut is None and not index else cut
            if cut is not None and cut > first:
                out.append(Stretch(first, cut, before))
                first = cut
            elif index and cut is None:
                continue  # a second person in one clause: "p1 smiles more than p2 does"
            before = self.current = who
            self.headed = _HEADING.match(self.text[match.end() : end].split(":", 1)[0]) is not None and ":" in self.text[match.end() : match.end() + 6]  # fmt: skip
        out.append(Stretch(first, end, before))
        return out

    def _cut(self, first: int, at: int, later: bool) -> int | None:
        """Where the clause of a reference begins; None where it is that of the words before.

        What stands before a comma or a colon in front of the first person of a sentence is said of the same one: "Quietly, …, p2 …".
        """
        last = None
        for match in _CLAUSE.finditer(self.text, first):
            if match.end() > at:
                break
            if later or match.group().strip() not in (",", ":", "—", "–"):
                last = match
        if last is None:
            return None
        between = self.text[last.end() : at].split()
        most = 3 if re.search(r"[a-z;.!?]", last.group(), re.IGNORECASE) else 1 if "and" in between else 0
        return last.start() if len(between) <= most else None

    def _unnamed(self, start: int, end: int) -> tuple[str | None, ...]:
        """Of whom a sentence speaks that names nobody."""
        if self.current == (self.track,) or self.headed or _PRONOUN.search(self.text, start, end):
            return self.current
        return tuple(dict.fromkeys((self.track, *self.current))) if self.current else (self.track,)

    def _is_object(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 20) : match.start()]
        return _OBJECT.search(before[-16:]) is not None and _AGENT.search(before) is None

    # who is meant

    def _resolve(self, match: re.Match[str]) -> tuple[str | None, ...] | None:
        """Whom a phrase means; None where it says nothing of that."""
        who = self._meant(match)
        if match["alias"]:
            alias = match["alias"].lower()
            who = self._of_id(f"p{_ORDINALS.get(alias) or alias.removeprefix('p')}")
        noun = re.search(r"\b(man|woman|boy|girl|child|lady|gentleman|guy|mother|father)\b", match.group().lower())
        if noun is not None and who and len(who) == 1 and who[0] is not None and not match["noun"]:
            self.names[noun[1]] = who[0]
        return who

    def _meant(self, match: re.Match[str]) -> tuple[str | None, ...] | None:
        if match["id"]:
            return self._of_id(match["id"])
        if match["number"]:
            number = match["number"].lower()
            return self._of_id(f"p{_ORDINALS.get(number) or number}")
        if match["nth"]:
            return self._of_id(f"p{_ORDINALS[match['nth'].lower()]}")
        if match["else"]:
            return self._other()
        if match["place"] or match["side"]:
            return self._at((match["place"] or match["side"]).lower())
        if match["main"]:
            return (max(self.people, key=lambda one: one.prominence).id,) if self.people else None
        if match["role"]:
            return self._of_role(match["role"].lower())
        if match["noun"]:
            return self._of_noun(match["noun"].lower(), match.group())
        return None

    def _of_id(self, id: str) -> tuple[str | None, ...]:
        return (id.lower(),) if any(one.id == id.lower() for one in self.people) else ()

    def _other(self) -> tuple[str | None, ...]:
        """Anybody but the one who was spoken of."""
        last = self.current[0] if len(self.current) == 1 else self.track
        return tuple(one.id for one in self.people if one.id != last)

    def _at(self, place: str) -> tuple[str | None, ...]:
        """Who is on that side of the picture."""
        if len(self.people) < 2:
            return (self.track,)
        row = sorted(self.people, key=lambda one: one.faces[0].box.x + one.faces[0].box.width / 2)
        if place in ("left", "right"):
            return (row[0 if place == "left" else -1].id,)
        return (row[len(row) // 2].id,) if len(row) % 2 else ()

    def _of_role(self, role: str) -> tuple[str | None, ...] | None:
        if len(self.people) < 2:
            return None
        speakers = [one.id for one in self.people if (one.speaking or 0.0) >= 0.5]
        if len(speakers) != 1 or any(one.speaking is None for one in self.people) or role == "interviewer":
            return None
        others = tuple(one.id for one in self.people if one.id not in speakers)
        return (speakers[0],) if role == "speaker" else others

    def _of_noun(self, noun: str, phrase: str) -> tuple[str | None, ...] | None:
        if noun in self.names:
            return (self.names[noun],)
        if not self.told_apart:
            return None
        return tuple(one.id for one in self.people)
