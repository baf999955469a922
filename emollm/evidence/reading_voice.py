"""What a text asserts of a voice, of speech and of words: levels, manners, pauses, numbers with units.

The words are data, the ``voice`` part of ``lexicon.yaml``. Each sentence is scanned once for known phrases, and each predicate is
bound to the subject before it ("the voice … higher") or right behind it ("a flat voice").
"""

import re
from collections.abc import Sequence

from emollm.evidence.assertions import Heard, Number, Polarity, Topic
from emollm.evidence.lexicon import Mark, lexicon, marks, parse_number
from emollm.types import CueKind

PITCH, LOUDNESS, RATE = "voice.pitch", "voice.loudness", "voice.rate"

_DOING = re.compile(
    r"\b(?:is|are|was|were|be|while|when|without|not|\w{2,8}n['’]t|starts?|begins?|stops?|keeps?|continues?|no\sone)"
    r"\s(?:\w{1,12}\s){0,2}$",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"(?:\b(?:about|around|roughly|approximately|nearly|some|circa)|~)\s?$", re.IGNORECASE)
_DIMENSIONS = {"pitch": PITCH, "loudness": LOUDNESS, "rate": RATE}
_CAN = {
    "voice": {PITCH, LOUDNESS, RATE},
    "speech": {PITCH, LOUDNESS, RATE},
    "talk": {PITCH, LOUDNESS, RATE},
    "pitch": {PITCH},
    "loudness": {LOUDNESS},
    "rate": {RATE},
    "spoke": {PITCH, LOUDNESS, RATE},
}
"""What each subject can be said to be high or low in."""
_ALWAYS = {"loudness+", "loudness-", "loudness+a"}
"""Levels that are those of a voice even where none is named: "louder than usual"."""
_HERE = {"loudness-a", "rate+", "rate-", "rate+a", "rate-a", "pitch+", "pitch-"}
"""Levels that are those of a voice where something else of the sentence is."""
_SURE = re.compile(
    r"(?:high|low)[\s-]pitched|shrill\w*|breakneck|hushed|murmur\w*|mumbl\w*|low volume|quietly|drawl\w*|gabbl\w*|in an? undertone|droning|drones?"
)
"""Words that are said of a voice only."""
_USUAL = re.compile(r"\s{1,3}(?:\w{1,10}\s){0,2}?than\s(?:is\s)?(?:(?:the|his|her|their|its|p\d's)\s)?(?:(?:own)\s)?(?:usual|normal|ordinary|normally|usually|average|baseline|before)", re.IGNORECASE)  # fmt: skip
_REACH = 10
"""Words between a subject and what is said of it."""
_MANNERS = {"monotonous": "voice.f0_sd", "lively": "voice.f0_sd", "halting": "voice.pause_share"}
_PREDICATES = frozenset({"level", "manner", "other", "sentiment"})


# ---- sentences ------------------------------------------------------------------------------------------------------


def heard(text: str, start: int, end: int, quoted: bool = False) -> list[Heard]:
    """Statements of one sentence on the voice, on speech and on words.

    Args:
        text: The text, its quotations and times blanked.
        start: Where the sentence starts.
        end: Where it ends.
        quoted: Whether words are quoted in it.
    """
    known = list(marks(text, start, end, voice=True))
    if not any(mark.kind in ("subject", "pause", "mute", "about", "other", "level", "manner") for mark in known):
        return []
    return _Listener(text, known, quoted).read()


class _Listener:
    """Reads the marks of one sentence from left to right."""

    def __init__(self, text: str, known: Sequence[Mark], quoted: bool = False) -> None:
        self.text = text
        self.marks = known
        self.of_voice = quoted or any(
            mark.kind in ("subject", "pause") or (mark.kind == "level" and mark.id in _ALWAYS) for mark in known
        )
        """Whether anything in the sentence says that a voice is spoken of."""
        self.part: Mark | None = None
        self.joined: Mark | None = None
        """A subject to which the one before is joined: "rate and loudness"."""
        self.found: list[Heard] = []
        self.subject: Mark | None = None
        self.bound: set[Mark] = set()
        """Subjects of which something was said."""
        self.negation: Mark | None = None
        self.person: Mark | None = None
        self.measure = ""
        self.generic = False
        self.last: tuple[Heard, Mark] | None = None

    def read(self) -> list[Heard]:
        for index, mark in enumerate(self.marks):
            handler = getattr(self, f"_{mark.kind}", None)
            if handler is not None:
                handler(mark, index)
        self._speech()
        return sorted(self.found, key=lambda item: (item.start, item.end))

    # clause ends

    def _hard(self, mark: Mark, index: int) -> None:
        self.negation = None
        self.generic = False
        if self._text(mark) in (";", ":"):
            self.subject = None

    def _comma(self, mark: Mark, index: int) -> None:
        if self.negation is not None and self._text(self.negation) not in lexicon()["wide_negations"]:
            self.negation = None

    def _soft(self, mark: Mark, index: int) -> None:
        if self._text(mark) == "and":
            self._comma(mark, index)

    def _part(self, mark: Mark, index: int) -> None:
        self.subject = None
        self.part = mark
        self._comma(mark, index)

    def _negation(self, mark: Mark, index: int) -> None:
        self.negation = None if mark.id == "none" else mark

    def _generic(self, mark: Mark, index: int) -> None:
        self.generic = True

    def _person(self, mark: Mark, index: int) -> None:
        self.person = mark

    def _measure(self, mark: Mark, index: int) -> None:
        self.measure = mark.id

    def _text(self, mark: Mark) -> str:
        return self.text[mark.start : mark.end].lower()

    # subjects and predicates

    def _subject(self, mark: Mark, index: int) -> None:
        if mark.id == "pitch" and self._is_angle(index):
            return
        before = self.subject
        joined = before is not None and re.fullmatch(
            r"\s*(?:,|and|,\s?and)\s*(?:the\s)?", self.text[before.end : mark.start]
        )
        self.joined = before if joined else None
        self.subject = mark

    def _is_angle(self, index: int) -> bool:
        """Whether this "pitch" is that of a head: degrees follow."""
        following = self.marks[index + 1 : index + 2]
        return any(mark.kind == "number" and parse_number(mark.id)[1] == "degrees" for mark in following)

    def _owner(self, mark: Mark, index: int) -> Mark | None:
        """What a predicate is said of: a subject right behind it ("a low, flat voice"), else the one before."""
        previous = mark
        for other in self.marks[index + 1 : index + 6]:
            if other.token != previous.last + 1 and not re.fullmatch(
                r"\s(?:in|of|for)\s(?:(?:the|his|her|their)\s)?", self.text[previous.end : other.start]
            ):
                break
            if other.kind == "subject" and other.id not in ("talk", "blinks"):
                return other
            if other.kind not in _PREDICATES | {"comma", "soft"} or (mark.id == "mood" and other.kind == "soft"):
                break  # "sadness and slow speech": the first is said of the face
            previous = other
        near = self.subject is not None and 0 < mark.token - self.subject.last <= _REACH
        if near and self.subject is not None and (self.subject.id in _CAN or not self._is_bare(mark)):
            return self.subject
        return mark._replace(kind="subject", id="speech") if self._is_bare(mark) else None

    def _is_bare(self, mark: Mark) -> bool:
        """Whether a word is said of a voice though none is named: "louder than usual", "a monotone"."""
        if self.part is not None and not re.search(
            r"[,;:.]|\b(?:and|but|with|while)\b", self.text[self.part.end : mark.start]
        ):
            return False
        if mark.kind == "level":
            usual = mark.id in _HERE and _USUAL.match(self.text[mark.end : mark.end + 50]) is not None
            return (
                mark.id in _ALWAYS
                or usual
                or _SURE.fullmatch(self._text(mark)) is not None
                or (mark.id in _HERE and self.of_voice)
            )
        plain = self._text(mark) not in ("flat", "varied", "animated", "lively", "drone")
        return (mark.kind == "manner" and (plain or self.of_voice)) or (
            mark.id in ("shaky", "steady") and self.of_voice
        )

    def _level(self, mark: Mark, index: int) -> None:
        owner = self._owner(mark, index)
        if owner is None or owner.id not in _CAN:
            return
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        if following is not None and following.kind == "part" and following.token - mark.last == 1:
            return  # "raised cheeks"
        name, change = mark.id, 0
        relative = not name.endswith("a")
        if name == "same":
            item = self._say(owner, mark, Topic.LEVEL)
            item.directions = tuple((one, 0) for one in sorted(_CAN[owner.id]))
            self._deny(item)
            return
        if name in ("up", "down", "rise", "fall"):
            sign = 1 if name in ("up", "rise") else -1
            change = sign if name in ("rise", "fall") else 0
            names = [PITCH, LOUDNESS] if owner.id in ("voice",) else sorted(_CAN[owner.id]) if len(_CAN[owner.id]) == 1 else []  # fmt: skip
        else:
            sign = 1 if "+" in name else -1
            own = name.rstrip("a").rstrip("+-")
            names = [_DIMENSIONS[own]]
            if own == "pitch" and len(_CAN[owner.id]) == 1:  # "the speech rate is higher"
                names = sorted(_CAN[owner.id])
            before = self.marks[index - 1] if index else mark
            if before.kind == "level" and mark.token == before.last + 1:  # "drops quickly"
                return
        if not names or not set(names) <= _CAN[owner.id]:
            return
        both = owner is self.subject and self.joined is not None and self.joined.id in _CAN and len(names) == 1
        groups = [sorted(_CAN[self.joined.id])] if both and self.joined is not None and len(_CAN[self.joined.id]) == 1 else []  # fmt: skip
        for group in (*groups, names):
            item = self._say(owner, mark, Topic.LEVEL)
            item.directions = tuple((one, sign) for one in group)
            item.change, item.relative = change, relative or self._compared(mark)
            self.last = (item, mark)

    def _compared(self, mark: Mark) -> bool:
        return re.match(r"\s{1,3}\w{0,8}\s{0,3}than\b", self.text[mark.end : mark.end + 20]) is not None

    def _manner(self, mark: Mark, index: int) -> None:
        owner = self._owner(mark, index)
        if owner is not None and owner.id in ("voice", "speech", "talk", "pitch", "spoke"):
            item = self._say(owner, mark, Topic.MANNER)
            item.manner, item.names = mark.id, (_MANNERS[mark.id],)

    def _other(self, mark: Mark, index: int) -> None:
        owner = self._owner(mark, index)
        if owner is not None and owner.id in ("voice", "speech", "talk", "pitch", "spoke"):
            item = self._say(owner, mark, Topic.OTHER)
            if mark.id in ("shaky", "steady"):
                item.manner = "tremor"
            if mark.id == "steady":
                self._deny(item)
        elif mark.id == "timbre" and self.person is not None and mark.token - self.person.last == 1:
            self._say(mark, mark, Topic.OTHER)

    def _sentiment(self, mark: Mark, index: int) -> None:
        owner = self._owner(mark, index)
        if owner is None or owner.id not in ("words", "polarity", "voice"):
            return
        item = self._say(owner, mark, Topic.OTHER if owner.id == "voice" else Topic.POLARITY)
        item.kind = CueKind.PROSODY if owner.id == "voice" else CueKind.WORDS
        item.sign = {"positive": 1, "negative": -1}.get(mark.id, 0)
        before = self.marks[index - 1] if index else None
        if before is not None and before.kind == "strength" and before.id == "strong":
            item.relative = False
        self.last = (item, mark)

    # things that are said by themselves

    def _pause(self, mark: Mark, index: int) -> None:
        subject = self.subject
        near = subject is not None and mark.token - subject.last <= 3 and subject.id in ("voice", "speech", "talk")
        owner = subject if near and subject is not None else mark
        item = self._say(owner, mark, Topic.SILENCE if mark.id == "silence" else Topic.PAUSE)
        item.relative = mark.id != "hesitate"
        if mark.id == "none":
            item.polarity = Polarity.ABSENT

    def _mute(self, mark: Mark, index: int) -> None:
        item = self._say(mark, mark, Topic.SPEECH)
        item.polarity = Polarity.PRESENT if item.polarity is Polarity.ABSENT else Polarity.ABSENT
        self.subject = None

    def _heard(self, mark: Mark, index: int) -> None:
        subject = self.subject
        if mark.id == "heard" and self._text(mark) in ("there is", "there are", "contains", "holds"):
            following = [one for one in self.marks[index + 1 : index + 4] if one.kind == "subject"]
            subject = following[0] if following and following[0].token - mark.last <= 4 else None
            denied = subject is not None and any(
                one.kind == "negation" and mark.last <= one.token < subject.token for one in self.marks
            )
        else:
            denied = self.negation is not None
            if subject is not None and mark.token - subject.last > 4:
                subject = None
        if subject is None or subject.id not in ("voice", "speech", "talk", "sound", "words") or subject in self.bound:
            return
        if subject.id == "words":
            self._understood(mark._replace(id="understood"), index)
            return
        item = self._say(subject, mark, Topic.SOUND if subject.id == "sound" else Topic.SPEECH)
        item.polarity = Polarity.ABSENT if denied else Polarity.PRESENT

    def _understood(self, mark: Mark, index: int) -> None:
        subject = self.subject
        if subject is None or subject.id not in ("words", "speech") or mark.token - subject.last > 6:
            return
        item = self._say(subject, mark, Topic.UNDERSTOOD)
        item.kind = CueKind.WORDS
        if mark.id == "unclear":
            item.polarity = Polarity.PRESENT if item.polarity is Polarity.ABSENT else Polarity.ABSENT

    def _about(self, mark: Mark, index: int) -> None:
        if self.person is not None and 0 < mark.token - self.person.last <= 4:
            item = self._say(mark, mark, Topic.OTHER)
            item.kind = CueKind.WORDS

    # numbers

    def _unit(self, mark: Mark, index: int) -> None:
        before = self.marks[index - 1] if index else None
        if before is None or before.kind != "number" or mark.token != before.last + 1:
            return
        value, _ = parse_number(before.id)
        if (mark.id in ("second", "minute")) != (self.subject is not None and self.subject.id == "blinks"):
            return
        name = {
            "hertz": "voice.f0_median",
            "semitones": {"range": "voice.f0_range", "spread": "voice.f0_sd"}.get(
                self.measure, f"{PITCH}|voice.f0_range|voice.f0_sd"
            ),
            "decibels": "voice.energy_range"
            if self.measure == "range"
            else f"voice.energy|{LOUDNESS}|voice.energy_range",
            "syllables": "voice.speech_rate",
            "times": RATE,
        }.get(mark.id, "blink_rate")
        if self.subject is not None and self.subject.id == "tilt":
            name = "voice.tilt"
        self._number_of(name, value / 60 if mark.id == "minute" else value, before, mark)

    def _number(self, mark: Mark, index: int) -> None:
        """A number without a unit that a subject can have: a polarity, a share of pauses."""
        if self.subject is None or mark.token - self.subject.last > 4:
            return
        value, unit = parse_number(mark.id)
        if self.subject.id == "polarity" and unit == "bare" and abs(value) <= 1:
            self._number_of("polarity", value, mark, mark)
        elif self.subject.id == "share" and unit in ("percent", "bare") and 0 <= value <= 1:
            self._number_of("voice.pause_share", value, mark, mark)

    def _number_of(self, name: str, value: float, first: Mark, last: Mark) -> None:
        item = self.last[0] if self.last is not None else None
        about = _ABOUT.search(self.text[max(0, first.start - 20) : first.start]) is not None
        own = {one for one, _ in item.directions} & set(name.split("|")) if item is not None else set()
        if item is not None and (own or (name == "polarity" and item.topic is Topic.POLARITY)):
            item.numbers.append(Number(min(own) if own else name, value, about=about))
            item.end = max(item.end, last.end)
            if self.subject is not None and self.subject.id == "polarity":
                self.bound.add(self.subject)
            return
        if self.subject is None:
            return
        item = self._say(self.subject, last, Topic.VALUE)
        item.start, item.polarity = min(item.start, first.start), Polarity.PRESENT
        item.kind = CueKind.WORDS if name == "polarity" else CueKind.MOTION if name == "blink_rate" else item.kind
        item.numbers.append(Number(name, value, about=about))

    # speech

    def _speech(self) -> None:
        """Verbs of speaking of which nothing else was said: that somebody speaks; and "no speech"."""
        negation: Mark | None = None
        person: Mark | None = None
        for mark in self.marks:
            if mark.kind in ("comma", "hard"):
                negation = None
            elif mark.kind == "subject" and mark.id == "tremor" and mark not in self.bound:
                item = Heard(CueKind.PROSODY, mark.start, mark.end, topic=Topic.OTHER, manner="tremor")
                if negation is not None and mark.token - negation.last <= 4:
                    item.polarity, item.start = Polarity.ABSENT, min(item.start, negation.start)
                self.found.append(item)
            elif mark.kind == "negation":
                negation = mark
            elif mark.kind == "person":
                person = mark
            elif mark.kind == "subject" and mark not in self.bound:
                denied = negation is not None and mark.token - negation.last <= 4
                doing = not self._text(mark).endswith("ing") or _DOING.search(self.text[: mark.start][-50:])
                if (mark.id == "talk" and doing) or (mark.id in ("speech", "sound") and denied and mark.token - negation.last == 1):  # type: ignore[union-attr]  # fmt: skip
                    item = Heard(CueKind.PROSODY, mark.start, mark.end)
                    item.topic = Topic.SOUND if mark.id == "sound" else Topic.SPEECH
                    item.person = mark.id == "talk" and person is not None
                    if denied and negation is not None:
                        item.polarity, item.start = Polarity.ABSENT, min(item.start, negation.start)
                    if person is not None and item.person and 0 < mark.token - person.last <= 4:
                        item.start = min(item.start, person.start)
                    self.found.append(item)

    def _say(self, owner: Mark, mark: Mark, topic: Topic) -> Heard:
        item = Heard(CueKind.PROSODY, min(owner.start, mark.start), max(owner.end, mark.end), topic=topic)
        if self.negation is not None and self.negation.token <= mark.token:
            self._deny(item)
            item.start = min(item.start, self.negation.start)
        self.bound.add(owner)
        self.last = None
        if not self.generic:
            self.found.append(item)
        return item

    def _deny(self, item: Heard) -> None:
        item.polarity = Polarity.PRESENT if item.polarity is Polarity.ABSENT else Polarity.ABSENT
