"""What a sentence says of the level of a voice: higher or lower, louder or softer, faster or slower, or as usual.

A level is said by a word ("louder", "a whisper", "the pitch soars"), by where something lies against the usual ("well below what is
normal for her", "twice his usual pace"), or by its lack ("at an ordinary volume"). Each is bound to the subject before it or right
behind it. The words are data, ``lexicon_voice.yaml``.
"""

import re
from collections.abc import Sequence
from functools import cache

from emollm.evidence.assertions import Heard, Polarity, Topic
from emollm.evidence.lexicon import Mark, expanded, lexicon, parse_number
from emollm.types import CueKind

PITCH, LOUDNESS, RATE = "voice.pitch", "voice.loudness", "voice.rate"

_DIMENSIONS = {"pitch": PITCH, "loudness": LOUDNESS, "rate": RATE}
CAN = {
    "voice": {PITCH, LOUDNESS, RATE},
    "speech": {PITCH, LOUDNESS, RATE},
    "talk": {PITCH, LOUDNESS, RATE},
    "pitch": {PITCH},
    "loudness": {LOUDNESS},
    "rate": {RATE},
    "spoke": {PITCH, LOUDNESS, RATE},
}
"""What each subject can be said to be high or low in."""
_LEVEL = re.compile(r"(?P<names>[a-z]+(?:/[a-z]+)*)(?P<sign>[+-])(?P<degree>[ax]?)(?P<sure>s?)")
"""A level of the lexicon: ``a`` said in itself, ``x`` extreme, ``s`` said of a voice only."""
_HERE = re.compile(r"loudness-a|rate[+-][ax]?|pitch[+-]")
"""Levels that are those of a voice where something else of the sentence is."""
_WAY = re.compile(r"\b(?P<how>more|less|as|so)\s(?:\w{2,10}ly\s)?$", re.IGNORECASE)
_OWNED = r"(?:what|that|which|is|was|the|a|an|his|her|their|its|this|\w{1,12}['’]s|own|even|considered|counts|as|for|him|them|level|range|of|far|any|being|most|one|we|would|can|might)"  # fmt: skip
_AGAINST = re.compile(
    rf"(?:\b(?:than|above|below|beyond|past|over|under|from|exceeds?|relative\sto|compared\s(?:to|with)|against|unlike|on|of|for|not|back\sto|return\w*\sto)|times|twice|half|double)(?:\s{_OWNED}){{0,6}}[\s-]$",
    re.IGNORECASE,
)
"""What stands before a usual level that something is compared with."""
_STATE = re.compile(
    r"\s?(?:(?:about|around|roughly|quite|perfectly|entirely|largely|all|just)\s)?|(?:['’]s\b)?[^.;]*?(?:(?:\b(?:is|are|was|were|stays?|stayed|remains?|remained|keeps?|kept|seems?|sounds?|at|within|to|looks?|been|all|both)\b|['’]s\s|:)\s{0,2}"
    r"(?:(?:quite|perfectly|entirely|all|just|about|roughly|more\sor\sless|the|his|her|their|its|an?|at|within|completely|very|much|pretty|fairly|largely)\s){0,4})",
    re.IGNORECASE,
)
"""What stands between a quantity and the word that calls it usual."""
_FOR = re.compile(
    r"[\s,]{1,2}(?:\w{1,10}\s){0,2}?(?:for\s(?:him|her|them|this\s\w{1,12}|the\s(?:speaker|person|man|woman))\b|by\s(?:\w{1,12}(?:['’]s)?\s){1,3}?standards?\b|compared\s(?:to|with)\s|relative\sto\s|than\b)",
    re.IGNORECASE,
)
"""What makes a level in itself one against the usual: "quick for him"."""
_MULTIPLE = re.compile(
    rf"\b(?:(?P<more>twice|double|triple|treble|(?:two|three|four|five|ten|many|several|\d{{1,2}})\stimes)|(?P<less>half|a\s(?:third|quarter|fraction)\sof))\s(?:{_OWNED}\s){{0,3}}(?:\w{{5,10}}\s)?$",
    re.IGNORECASE,
)
"""What stands before a quantity that is a multiple or a part of the usual one."""
_MORE = re.compile(r"\b(?:(?P<more>more|greater|added|extra)|less|lesser)\s$", re.IGNORECASE)
"""What stands before a quantity of which there is more or less than usual."""
_CONTOUR = re.compile(r"\b(?:intonation|contour|melody|inflection|cadence|prosody)\b", re.IGNORECASE)
"""Subjects that rise and fall within any sentence."""
_LISTED = re.compile(r"\s*(?:,|and|or|nor|as\swell\sas|,\s?and)\s*(?:the\s|his\s|her\s|their\s|in\s)?", re.IGNORECASE)
_INSIDE = re.compile(r"\s(?:in|of|for|on)\s(?:both\s|terms\sof\s)?(?:the\s|his\s|her\s|their\s|its\s)?", re.IGNORECASE)
_THEIRS = re.compile(r"\s(?:the|his|her|their|its)\s", re.IGNORECASE)
_REACH = 10
"""Words between a subject and what is said of it."""
_TIED = frozenset({"expressive", "expressively", "inexpressive", "expressionless", "wooden", "dynamic", "musical", "colourless", "colorless", "lifeless", "invariant", "spirited", "modulated", "up and down"})  # fmt: skip
"""Manners of much else, that are said of a voice only where one is named."""
_PREDICATES = frozenset({"level", "manner", "other", "sentiment"})
_MEASURED = re.compile(
    r"(?:\b(?:what|nothing|anything|everything|all|not)\s|\b(?:was|were|be|been|being)\s(?:not\s|never\s)?)measured\b"
    r"|\bmeasured\s(?:qualit|quantit|value|level|feature|cue|manner\salone|here\b|at\b|by\b|from\b|over\b|within\b|between\b)",
    re.IGNORECASE,
)
"""A "measured" that says where a value comes from, not that somebody speaks slowly."""
_NEAR = 4
"""Words before a part of the face of which an adverb may be said: "slowly raising his brows"."""


@cache
def _usually() -> re.Pattern[str]:
    """Words for what is usual, behind the words that stand before them."""
    words = sorted(
        {" ".join(one) for phrase in lexicon()["usually"] for one in expanded(phrase)}, key=len, reverse=True
    )
    listed = "|".join(re.escape(word).replace(r"\ ", r"\s") for word in words)
    joined = r"(?:\s(?:and|or|as\swell\sas)\s(?:\w{1,12}\s){1,2}?(?:above|below|beyond|under))?"
    return re.compile(rf"{joined}(?:\s{_OWNED}){{0,7}}\s(?:{listed})\b", re.IGNORECASE)


class Leveller:
    """Reads levels of a voice from the marks of one sentence, and keeps in mind of what they are said."""

    def __init__(self, text: str, known: Sequence[Mark], quoted: bool = False) -> None:
        self.text = text
        self.marks = known
        self.of_voice = quoted or any(
            (mark.kind in ("subject", "pause", "saying") and mark.id != "weak") or self._is_sure(mark) for mark in known
        )
        """Whether anything in the sentence says that a voice is spoken of."""
        self.part: Mark | None = None
        self.joined: list[Mark] = []
        """Subjects to which the last one is joined: "rate and loudness"."""
        self.found: list[Heard] = []
        self.subject: Mark | None = None
        self.bound: set[Mark] = set()
        """Subjects of which something was said."""
        self.negation: Mark | None = None
        self.generic = False
        self.last: tuple[Heard, Mark] | None = None

    def _text(self, mark: Mark) -> str:
        return self.text[mark.start : mark.end].lower()

    # subjects

    def _subject(self, mark: Mark, index: int) -> None:
        if mark.id == "weak":
            if not self.of_voice:
                return
            mark = mark._replace(id="rate")
        if mark.id == "pitch" and self._is_angle(index):
            return
        before = self.subject
        joined = before is not None and _LISTED.fullmatch(self.text, before.end, mark.start) is not None
        self.joined = [*self.joined, before] if joined and before is not None else []
        self.subject = mark
        before_it = self.text[max(0, mark.start - 60) : mark.start]
        if mark.id in _DIMENSIONS and (match := _MULTIPLE.search(before_it) or _MORE.search(before_it)):
            item = self._say(mark, mark, Topic.LEVEL)
            item.directions = ((_DIMENSIONS[mark.id], 1 if match["more"] else -1),)
            item.start = min(item.start, mark.start - len(match.group()))

    def _is_angle(self, index: int) -> bool:
        """Whether this "pitch" is that of a head: degrees follow."""
        following = self.marks[index + 1 : index + 2]
        return any(mark.kind == "number" and parse_number(mark.id)[1] == "degrees" for mark in following)

    def _owner(self, mark: Mark, index: int) -> Mark | None:
        """What a predicate is said of: a subject right behind it ("a low, flat voice"), else the one before."""
        previous = mark
        for other in self.marks[index + 1 : index + 6]:
            gap = self.text[previous.end : other.start]
            governs = mark.id in ("up", "down", "rise", "fall") and self._text(mark) not in ("up", "down")
            inside = _INSIDE.fullmatch(gap) or (governs and _THEIRS.fullmatch(gap))  # "lowers her pitch"
            if other.token != previous.last + 1 and not inside:
                break
            if other.kind == "subject" and other.id not in ("talk", "blinks", "weak"):
                if previous.kind in ("comma", "soft"):  # "volume up, pitch steady"
                    break
                return other
            if other.kind not in _PREDICATES | {"comma", "soft"} or (mark.id == "mood" and other.kind == "soft"):
                break  # "sadness and slow speech": the first is said of the face
            previous = other
        near = self.subject is not None and 0 < mark.token - self.subject.last <= _REACH
        if near and self.subject is not None and self.subject.id == "quality":
            return self.subject
        if near and self.subject is not None and (self.subject.id in CAN or not self._is_bare(mark, index)):
            return self.subject
        return mark._replace(kind="subject", id="speech") if self._is_bare(mark, index) else None

    def _is_bare(self, mark: Mark, index: int) -> bool:
        """Whether a word is said of a voice though none is named: "louder than usual", "a monotone"."""
        if self.part is not None and not re.search(
            r"[,;:.]|\b(?:and|but|with|while)\b", self.text[self.part.end : mark.start]
        ):
            return False
        if self._is_sure(mark):
            return True
        if mark.kind == "level" and mark.id == "same":
            return self._text(mark).startswith(("sound", "speak", "talk"))
        if mark.kind == "level":
            usual = re.match(r"\s{1,3}(?:\w{1,10}\s){0,2}?than\b", self.text[mark.end : mark.end + 30]) is not None
            usual = usual and _usually().search(self.text[mark.end : mark.end + 70]) is not None
            if mark.id.startswith("rate") and self.part is None and _FOR.match(self.text, mark.end):
                return True
            here = _HERE.fullmatch(mark.id) is not None
            return here and (usual or (self.of_voice and not self._is_of_face(index)))
        text = self._text(mark)
        if text in _TIED:
            return False
        plain = text not in ("flat", "varied", "animated", "lively", "drone")
        return (mark.kind == "manner" and (plain or self.of_voice)) or (
            mark.id in ("shaky", "steady") and self.of_voice
        )

    def _is_of_face(self, index: int) -> bool:
        """Whether a part of the face is what an adverb in front of it is said of: "slowly raising the brows"."""
        for mark in self.marks[index + 1 :]:
            if mark.token - self.marks[index].last > _NEAR or mark.kind in ("comma", "hard", "soft"):
                break
            if mark.kind == "part" or mark.id == "blinks":
                return True
        return False

    def _is_sure(self, mark: Mark) -> bool:
        """Whether a level is that of a voice even where none is named: "louder than usual", "in a whisper"."""
        match = _LEVEL.fullmatch(mark.id) if mark.kind == "level" else None
        return match is not None and (bool(match["sure"]) or (match["names"] == "loudness" and mark.id != "loudness-a"))

    # levels

    def _level(self, mark: Mark, index: int) -> None:
        owner = self._owner(mark, index)
        if self._text(mark) == "measured" and _MEASURED.search(self.text, max(0, mark.start - 16), mark.end + 14):
            return
        if owner is not None and owner.id == "quality":
            self._say(owner, mark, Topic.OTHER)
        if owner is None or owner.id not in CAN:
            return
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        if following is not None and following.kind == "part" and following.token - mark.last == 1:
            return  # "raised cheeks"
        if mark.id == "same" and _AGAINST.search(self.text[max(0, mark.start - 60) : mark.start]):
            return  # "compared with how she normally talks"
        if mark.id in ("same", "odd"):
            self._as_usual(owner, mark, denied=mark.id == "same")
            return
        match = _LEVEL.fullmatch(mark.id)
        names, sign, change = self._names(owner, mark), 1 if mark.id in ("up", "rise") else -1, 0
        if match is None:
            change = sign if mark.id in ("rise", "fall") else 0
        else:
            sign = 1 if match["sign"] == "+" else -1
            before = self.marks[index - 1] if index else mark
            if before.kind == "level" and mark.token == before.last + 1 and before.id in ("rise", "fall"):
                return  # "drops quickly"
        if not names or not set(names) <= CAN[owner.id]:
            return
        for group in (*self._shared(owner, mark, index, len(names)), names):
            item = self._say(owner, mark, Topic.LEVEL)
            item.directions = tuple((one, sign) for one in group)
            item.change = change
            self._measured(item, mark, index, match["degree"] if match is not None else "")
            self.last = (item, mark)

    def _names(self, owner: Mark, mark: Mark) -> list[str]:
        """The quantities of which a level may be said."""
        match = _LEVEL.fullmatch(mark.id)
        own = sorted(CAN[owner.id])
        if match is None:
            return own if len(own) == 1 else [PITCH, LOUDNESS] if owner.id in ("voice", "speech") else []
        names = [_DIMENSIONS[one] for one in match["names"].split("/")]
        if names == [PITCH] and len(own) == 1:  # "the speech rate is higher"
            return own
        return [one for one in names if one in CAN[owner.id]]

    def _measured(self, item: Heard, mark: Mark, index: int, degree: str) -> None:
        """Sets whether a level is said against the usual, or in itself and extreme; "more" and "less" turn the latter."""
        way = _WAY.search(self.text[max(0, mark.start - 24) : mark.start])
        how = way["how"].lower() if way is not None else ""
        before = self.marks[index - 1] if index else mark
        strong = before.kind == "strength" and before.id == "strong" and before.token == mark.token - 1
        against = _FOR.match(self.text, max(mark.end, item.end)) is not None
        item.relative = not degree or how in ("more", "less") or against
        if item.change and self.subject is not None and _CONTOUR.fullmatch(self._text(self.subject)):
            item.relative = False
        item.extreme = degree == "x" or (degree == "a" and strong)
        if how == "less":
            item.directions = tuple((name, -sign) for name, sign in item.directions)
        if how in ("as", "so") and re.match(r"\sas\b", self.text[mark.end : mark.end + 4]):
            item.relative = True
            if item.polarity is Polarity.ABSENT:  # "not as loud as usual"
                item.directions = tuple((name, -sign) for name, sign in item.directions)
                item.polarity = Polarity.PRESENT
            elif _usually().match(self.text, mark.end + 3):
                item.directions = tuple((name, 0) for name, _ in item.directions)
                self._deny(item)

    def _shared(self, owner: Mark, mark: Mark, index: int, count: int) -> list[list[str]]:
        """Quantities of further subjects of which the same is said: "rate and loudness go up", "down in pitch and volume"."""
        if count != 1:
            return []
        listed = [one for one in self.joined if len(CAN.get(one.id, ())) == 1] if owner is self.subject else []
        if owner.start > mark.start:
            last = owner
            for other in self.marks[index + 1 :]:
                if other.kind == "subject" and other.start > owner.start:
                    if not _LISTED.fullmatch(self.text, last.end, other.start) or len(CAN.get(other.id, ())) != 1:
                        break
                    listed.append(other)
                    last = other
        return [sorted(CAN[one.id]) for one in listed]

    # against the usual

    def _beyond(self, mark: Mark, index: int) -> None:
        """Where something lies against the usual: "above what is normal for her"."""
        match = _usually().match(self.text, mark.end)
        if match is None:
            return
        behind = next(
            (one for one in self.marks[index + 1 :] if one.kind == "subject" and 0 <= one.start - match.end() <= 1),
            None,
        )
        owner = behind if behind is not None and behind.id in (*_DIMENSIONS, "weak") else self.subject
        if owner is None or (owner.id not in CAN and owner.id != "weak") or abs(mark.token - owner.last) > _REACH:
            return
        owner = owner._replace(id="rate") if owner.id == "weak" else owner
        own = sorted(CAN[owner.id])
        names = own if len(own) == 1 else [PITCH, LOUDNESS]
        between = [one for one in self.marks[:index] if one.kind == "level" and one.token > owner.token]
        if between and self.last is not None and self.last[1] in between:
            return  # "raised above the usual": said already
        for group in (*self._shared(owner, mark, index, len(names)), names):
            item = self._say(owner, mark, Topic.LEVEL)
            item.directions = tuple((one, 1 if mark.id == "up" else -1) for one in group)
            item.relative = True
            self.last = (item, mark)

    def _usual(self, mark: Mark, index: int) -> None:
        """That something is as usual: "at a normal volume", "the pitch is the usual one"."""
        before = self.text[max(0, mark.start - 60) : mark.start]
        if _AGAINST.search(before):
            times, own = _MULTIPLE.search(before), sorted(CAN.get(self.subject.id, ())) if self.subject else []
            if times is not None and len(own) == 1 and self.subject is not None and self.subject not in self.bound:
                item = self._say(self.subject, mark, Topic.LEVEL)
                item.directions = ((own[0], 1 if times["more"] else -1),)
            return
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        if following is not None and following.token == mark.last + 1:
            if following.kind == "subject" and (following.id in CAN or following.id == "weak"):
                owner = following._replace(id="rate") if following.id == "weak" else following
                self._as_usual(owner, mark, denied=True)
                return
            if following.kind in ("level", "manner", "other", "beyond", "pause"):
                return
        owner_before = self.subject
        if owner_before is None or owner_before.id not in CAN or mark.token - owner_before.last > _REACH:
            return
        said = any(one.kind in ("level", "comma") and owner_before.token < one.token < mark.token for one in self.marks)
        if not said and _STATE.fullmatch(self.text, owner_before.end, mark.start):
            self._as_usual(owner_before, mark, denied=True)

    def _as_usual(self, owner: Mark, mark: Mark, *, denied: bool) -> None:
        """That something does not depart from the usual, or that it does in one way or the other."""
        groups = [CAN[one.id] for one in self.joined if one.id in CAN] if owner is self.subject else []
        for group in (*groups, CAN[owner.id]):
            item = self._say(owner, mark, Topic.LEVEL)
            item.directions = tuple((one, 0) for one in sorted(group))
            item.relative = True
            if denied:
                self._deny(item)

    def _say(self, owner: Mark, mark: Mark, topic: Topic) -> Heard:
        again = owner in self.bound and owner.end < mark.start and self._is_joined(mark)  # "is louder and trails off"
        start = mark.start if again else min(owner.start, mark.start)
        item = Heard(CueKind.PROSODY, start, max(owner.end, mark.end), topic=topic)
        if self.negation is not None and self.negation.token <= mark.token:
            self._deny(item)
            item.start = min(item.start, self.negation.start)
        self.bound.add(owner)
        self.last = None
        if not self.generic:
            self.found.append(item)
        return item

    def _is_joined(self, mark: Mark) -> bool:
        """Whether a word begins a further statement on the same subject."""
        before = [one for one in self.marks if one.token < mark.token and one.kind != "strength"]
        return bool(before) and before[-1].kind in ("soft", "hard", "comma")

    def _deny(self, item: Heard) -> None:
        item.polarity = Polarity.PRESENT if item.polarity is Polarity.ABSENT else Polarity.ABSENT
