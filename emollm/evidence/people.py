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
from emollm.evidence.people_words import (
    AFTER,
    AGENT,
    BESIDE,
    CLAUSE,
    FIRST_PERSON,
    HEADING,
    HINT,
    LEAD,
    NEAR,
    OBJECT,
    ORDINALS,
    PLACED,
    PRONOUN,
    REFERENCE,
    WORDS,
    several,
)
from emollm.types import Track

_EXTRA = ("xhead", "zhead", "xside", "yside", "zside", "wside", "zone", "xplace", "yplace", "vface", "vone", "vplace")
"""Groups that say by a side which person of several is meant."""

_WITHIN = re.compile(r"\b(?:in|on|by|with|for)\s(?:the\s)?$", re.IGNORECASE)
"""What stands before somebody with whom a clause ends."""
_WHO = re.compile(r",?\s(?:who|whose)\b", re.IGNORECASE)
"""What goes on about somebody who was named only in passing: "unlike the one on the left, who is smiling"."""
_SIDED = re.compile(r"\b(?:brow|eyebrow|eye|corner|cheek|lid|eyelid|nostril|dimple|side|half)s?\b", re.IGNORECASE)
"""Parts of which there is a left and a right one."""


class Stretch(NamedTuple):
    """A piece of a text that speaks of some people."""

    start: int
    end: int
    tracks: tuple[str | None, ...]
    """Whom it may speak of: one, or several of whom it is not clear which; none if nobody who was measured."""
    every: bool = False
    """Whether it speaks of all of them: "both smile"."""


def references(text: str, people: int = 1) -> list[re.Match[str]]:
    """All phrases of a text for a person, in order.

    Args:
        text: Free English.
        people: How many were measured. Of several a place or a role alone says who is meant.
    """
    plain = text.lower()
    if people > 1:
        matches = (match for span in sentences(text) for match in several().finditer(text, *span))
        kept = [match for match in matches if not (_is_one(match) and _SIDED.search(_sentence_before(match)))]
        named = any(group(match, "xbare") is None and group(match, "vplace") is None for match in kept)
        return [match for match in kept if not (named and group(match, "xbare"))]
    aside = (" left" in plain or " right" in plain or "middle" in plain) and any(word in plain for word in NEAR)
    if not aside and not any(word in plain for word in WORDS):
        return []
    spans = [span for span in sentences(text) if HINT.search(text, *span)]
    found = (match for span in spans for match in REFERENCE.finditer(text, *span))
    return [match for match in found if match.group().lower() not in ("the other", "the others")]


def _is_one(match: re.Match[str]) -> bool:
    """Whether a reference may as well be to one of two brows or eyes: "the left one"."""
    return bool(group(match, "zside") or group(match, "zone"))


def _sentence_before(match: re.Match[str]) -> str:
    """What stands before a reference in its sentence."""
    return re.split(r"[.!?]\s", match.string[: match.start()])[-1]


def places(found: Sequence[re.Match[str]]) -> list[tuple[int, int]]:
    """Where references say by a side or a number which person they mean: "on the left", which is no side of a face."""
    keys = ("nth", "number", "place", "side", "alias", *_EXTRA)
    own = [match.span(name) for match in found for name in keys if group(match, name)]
    own += [after.span("place") for match in found if (after := _behind(match)) is not None]
    return own + [match.span("who") for match in (BESIDE.finditer(found[0].string) if found else ())]


def group(match: re.Match[str], name: str) -> str | None:
    """A group of a reference; None where its pattern has no such group."""
    return match[name] if name in match.re.groupindex else None


def _behind(match: re.Match[str]) -> re.Match[str] | None:
    """The place in parentheses behind "one" or "the other", if there is one."""
    return AFTER.match(match.string, match.end()) if group(match, "xone") or match["else"] else None


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
        nouns = {word.lower() for match in found if (word := match["noun"] or group(match, "xname"))}
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
        known = self._known(named)
        if not known:
            return [Stretch(start, end, self._unnamed(start, end))]
        out, first = [], start
        before = self._unnamed(start, known[0][0].start())
        if self.current == (self.track,) and not self.named:  # nobody was named yet: it may be either
            before = tuple(dict.fromkeys((*before, *known[0][1])))
        self.named, every = True, False
        for index, (match, who) in enumerate(known):
            cut = self._cut(first, match.start(), bool(index))
            cut = start if cut is None and not index else cut
            if cut is not None and cut > first:
                out.append(Stretch(first, cut, before, every))
                first = cut
            elif index and cut is None:
                continue  # a second person in one clause: "p1 smiles more than p2 does"
            before, every = who, group(match, "xevery") is not None
            if every:
                continue
            self.current = who
            self.headed = HEADING.match(self.text[match.end() : end].split(":", 1)[0]) is not None and ":" in self.text[match.end() - 1 : match.end() + 6]  # fmt: skip
        out.append(Stretch(first, end, before, every))
        return out

    def _known(self, named: Sequence[re.Match[str]]) -> list[tuple[re.Match[str], tuple[str | None, ...]]]:
        """The references of a sentence with whom they mean; "the other" is not the one before."""
        entered, out = self.current, []
        for match in named:
            if (who := self._resolve(match)) is not None:
                out.append((match, who))
                self.current = who if group(match, "xevery") is None else self.current
        self.current = entered
        return out

    def _cut(self, first: int, at: int, later: bool) -> int | None:
        """Where the clause of a reference begins; None where it is that of the words before.

        What stands before a comma or a colon in front of the first person of a sentence is said of the same one: "Quietly, …, p2 …".
        """
        last = None
        if later and any(one.start() == at and one["of"] for one in self.found):
            return at  # "the left person's smile contrasts with the right person's frown"
        for match in CLAUSE.finditer(self.text, first):
            if match.end() > at:
                break
            if later or match.group().strip() not in (",", ":", "—", "–"):
                last = match
        if (
            later
            and (clause := _WHO.search(self.text, at)) is not None
            and "." not in self.text[at : clause.start()]
            and clause.start() - at <= 40
        ):
            return at
        if later and len(self.people) > 1 and (lead := LEAD.search(self.text, first, at)) is not None:
            return max(lead.start(), last.start()) if last is not None else lead.start()
        if last is None:
            return None
        if (
            later
            and (_WITHIN.search(self.text, last.end(), at) or self._is_behind(at))
            and not any(last.end() <= one.start() < at for one in self.found)
        ):
            return last.start()  # "both smile; the cheek raiser is seen only in the one on the left"
        between = self.text[last.end() : at].split()
        most = 3 if re.search(r"[a-z;.!?]", last.group(), re.IGNORECASE) else 1 if "and" in between else 0
        return last.start() if len(between) <= most else None

    def _is_behind(self, at: int) -> bool:
        """Whether the reference there says only where what stands before it is seen: "puckered lips are found on the right"."""
        one = next((one for one in self.found if one.start() == at), None)
        return one is not None and bool(group(one, "vplace") or group(one, "vface"))

    def _unnamed(self, start: int, end: int) -> tuple[str | None, ...]:
        """Of whom a sentence speaks that names nobody."""
        if self.current == (self.track,) or self.headed or PRONOUN.search(self.text, start, end):
            return self.current
        return tuple(dict.fromkeys((self.track, *self.current))) if self.current else (self.track,)

    def _is_object(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 40) : match.start()]
        if len(self.people) > 1 and _WHO.match(self.text, match.end()):
            return False
        if len(self.people) > 1 and (FIRST_PERSON.search(before) or PLACED.search(self.text, 0, match.start())):
            return False
        if len(self.people) > 1 and match["of"] and before.endswith((" with ", " with the ")):
            return False
        return OBJECT.search(before[-16:]) is not None and AGENT.search(before[-20:]) is None

    # who is meant

    def _resolve(self, match: re.Match[str]) -> tuple[str | None, ...] | None:
        """Whom a phrase means; None where it says nothing of that."""
        who = self._meant(match)
        if match["alias"]:
            alias = match["alias"].lower()
            who = self._of_id(f"p{ORDINALS.get(alias) or alias.removeprefix('p')}")
        noun = re.search(r"\b(man|woman|boy|girl|child|lady|gentleman|guy|mother|father)\b", match.group().lower())
        name = (group(match, "xname") or (noun[1] if noun else "")).lower()
        if name and who and len(who) == 1 and who[0] is not None and not match["noun"]:
            self.names[name] = who[0]
        return who

    def _meant(self, match: re.Match[str]) -> tuple[str | None, ...] | None:
        place = next((word for name in _EXTRA if (word := group(match, name))), None)
        if place is None and (after := _behind(match)) is not None:
            place = after["place"]
        if place is not None:
            return self._at(place.lower())
        if group(match, "xfront") or group(match, "xback"):
            return self._at_depth(bool(group(match, "xfront")))
        if any(group(match, name) for name in ("xall", "xevery", "xone", "xbare", "xlast")):
            return tuple(one.id for one in self.people)
        if nth := group(match, "xnth"):
            return self._of_id(f"p{ORDINALS[nth.lower()]}")
        if name := group(match, "xname"):
            if match.group().lower().startswith(("his", "her", "their")) and name.lower() not in self.names:
                return self._other()
            return self._of_noun(name.lower(), match.group())
        if match["id"]:
            return self._of_id(match["id"])
        if match["number"]:
            number = match["number"].lower()
            return self._of_id(f"p{ORDINALS.get(number) or number}")
        if match["nth"]:
            return self._of_id(f"p{ORDINALS[match['nth'].lower()]}")
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

    def _at_depth(self, front: bool) -> tuple[str | None, ...]:
        """Who is in front or behind, where the prominence of two tells them apart; else either."""
        row = sorted(self.people, key=lambda one: one.prominence)
        if len(row) != 2 or row[1].prominence < 1.2 * row[0].prominence:
            return tuple(one.id for one in row)
        return (row[1 if front else 0].id,)

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
