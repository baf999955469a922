"""What a text asserts of a voice, of speech and of words: levels, manners, pauses, numbers with units.

The words are data, ``lexicon_voice.yaml``. Each sentence is scanned once for known phrases, and each predicate is
bound to the subject before it ("the voice … higher") or right behind it ("a flat voice").
"""

import re
from collections.abc import Sequence

from emollm.evidence.assertions import Heard, Number, Polarity, Topic
from emollm.evidence.lexicon import Mark, lexicon, marks, parse_number
from emollm.evidence.reading_levels import CAN, LOUDNESS, PITCH, RATE, Leveller
from emollm.evidence.times import Moment, When
from emollm.types import CueKind

_DOING = re.compile(
    r"\b(?:is|are|was|were|be|while|when|without|not|\w{2,8}n['’]t|starts?|begins?|stops?|keeps?|continues?|no\sone)"
    r"\s(?:\w{1,12}\s){0,2}$",
    re.IGNORECASE,
)
_THAN = re.compile(r"\bthan\s(?:\w{1,12}\s){0,4}$", re.IGNORECASE)
"""What stands before a usual level that something is compared with: "faster than she normally does"."""
_SAYING_SO = re.compile(
    r"\s(?:say|add|argue|note|rate|call|describe|judge|guess|be\s(?:wrong|a\smistake|premature|rash|too\s\w{2,12})\sto)\b",
    re.IGNORECASE,
)
"""What stands behind a "would" of the writer, who says what is there all the same."""
_ABOUT = re.compile(r"(?:\b(?:about|around|roughly|approximately|nearly|some|circa)|~)\s?$", re.IGNORECASE)
_COUNTED = re.compile(
    r"(?:\b(?:exactly|only|just)\s(?P<one>one|a)\s|\ba\s(?P<single>single)\s|\b(?P<n>two|three|four|five|six|seven|eight|nine|ten|[2-9])\s|\b(?:several|many|a\sfew|numerous|multiple)\s)(?:\w{3,10}\s)?$",
    re.IGNORECASE,
)
"""How many pauses there are said to be."""
_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: number for number, word in enumerate(_WORDS, 2)} | {str(one): one for one in range(2, 10)}
_MANNERS = {"monotonous": "voice.f0_sd", "lively": "voice.f0_sd", "halting": "voice.pause_share"}
_SPOKEN = frozenset({"voice", "speech", "talk", "pitch", "spoke", "quality"})
"""Subjects that have a manner, a timbre or a mood."""


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


class _Listener(Leveller):
    """Reads the marks of one sentence from left to right."""

    def __init__(self, text: str, known: Sequence[Mark], quoted: bool = False) -> None:
        super().__init__(text, known, quoted)
        self.person: Mark | None = None
        self.measure = ""

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
        headed = self.subject is not None and self.subject.last + 1 == mark.token  # "Volume: unchanged"
        if self._text(mark) in (";", ":") and not headed:
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
        compared = _THAN.search(self.text[max(0, mark.start - 40) : mark.start])
        self.generic = self.generic or (compared is None and _SAYING_SO.match(self.text, mark.end) is None)

    def _person(self, mark: Mark, index: int) -> None:
        self.person = mark

    def _measure(self, mark: Mark, index: int) -> None:
        self.measure = mark.id

    # what is said of a voice as a whole

    def _manner(self, mark: Mark, index: int) -> None:
        owner = self._owner(mark, index)
        if owner is not None and owner.id in _SPOKEN - {"quality"}:
            before = self.marks[index - 1] if index else mark
            item = self._say(owner, mark, Topic.MANNER)
            item.manner = mark.id.removesuffix("+")
            item.names = (_MANNERS[item.manner],)
            item.relative = mark.id.endswith("+") or (before.kind == "strength" and before.id == "strong")

    def _other(self, mark: Mark, index: int) -> None:
        owner = self._owner(mark, index)
        trembles = mark.id in ("shaky", "steady")
        if owner is not None and (owner.id in _SPOKEN or (trembles and owner.id in CAN)):
            item = self._say(owner, mark, Topic.OTHER)
            if trembles:
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
        count = _COUNTED.search(self.text[max(0, mark.start - 40) : mark.start])
        if count is not None and mark.id == "pause" and item.polarity is Polarity.PRESENT:
            many = 1 if count["one"] or count["single"] else _NUMBERS.get((count["n"] or "").lower(), 2)
            least = many > 1 and count["n"] is None
            item.moments.append(Moment(When.COUNT, mark.start, mark.end, float(many), least=least))
        if mark.id == "none":
            item.polarity = Polarity.ABSENT

    def _mute(self, mark: Mark, index: int) -> None:
        if self.part is not None and mark.token - self.part.last == 1:
            return  # "the face says nothing"
        item = self._say(mark, mark, Topic.SPEECH)
        item.polarity = Polarity.PRESENT if item.polarity is Polarity.ABSENT else Polarity.ABSENT
        item.person = self.person is not None and 0 < mark.token - self.person.last <= 4
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
            elif mark.kind == "subject" and mark.id in ("tremor", "steadiness") and mark not in self.bound:
                item = Heard(CueKind.PROSODY, mark.start, mark.end, topic=Topic.OTHER, manner="tremor")
                if mark.id == "steadiness":
                    self._deny(item)
                elif negation is not None and mark.token - negation.last <= 4:
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
