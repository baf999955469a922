"""Nouns, names, codes and numbers of a face, glances to a side, and what is said of them afterwards."""

import re

from emollm.evidence.assertions import Assertion, Number, Polarity
from emollm.evidence.lexicon import Mark, lexicon, parse_number, readings
from emollm.evidence.reading_sides import Sider
from emollm.facs import Strength
from emollm.types import CueKind, Side

_CODE = re.compile(r"\d{1,3}[A-ELR]?", re.IGNORECASE)
_ENDED = re.compile(r"\s*(?:[.,;!)]|$)")
_LETTERS = {
    "A": Strength.SLIGHT,
    "B": Strength.SLIGHT,
    "C": Strength.MODERATE,
    "D": Strength.STRONG,
    "E": Strength.STRONG,
}
_AIM = re.compile(
    r"[\s,(]*(?:(?:clearly|slightly|far|well|off|away|back|over|further|and|the|his|her|their|own|persons?'s?|subject's|just|a|bit|little"
    r"|somewhat|strongly|eyes|gaze|head|both|are|is|very|hard|again|aimed|up|down)[\s,(]+)*(?:to|towards?|off|on)[\s,(]+(?:(?:the|his|her|their|own|person's|subject's)\s+)*",
    re.IGNORECASE,
)
"""What stands between a head or eyes and the side that they are turned to, without a verb: "eyes off to the left"."""


class Namer(Sider):
    """Reads what is named, without a part and a movement."""

    def _noun(self, mark: Mark, index: int) -> None:
        if any(
            other.kind == "than" and mark.token - other.last <= 3 for other in self.marks[max(0, index - 2) : index]
        ):
            return  # "more a wince than a smile"
        row = lexicon()["nouns"][int(mark.id)]
        strength = Strength(row["strength"]) if "strength" in row else None
        names, _, primary, needed = readings(row["units"])
        item = Assertion(CueKind.ACTION_UNIT, mark.start, mark.end, names, primary, needed, strength=strength)
        self._name_it(item, mark)

    def _name(self, mark: Mark, index: int) -> None:
        self._name_it(Assertion(CueKind.ACTION_UNIT, mark.start, mark.end, (mark.id,), explicit=True), mark)

    def _unmeasured(self, mark: Mark, index: int) -> None:
        self._name_it(Assertion(CueKind(mark.id), mark.start, mark.end), mark)

    def _name_it(self, item: Assertion, mark: Mark) -> None:
        self._add(item, (mark.token, mark.last))
        self.group.append(item)
        self.pending, self.last = [], []

    def _code(self, mark: Mark, index: int) -> None:
        for match in _CODE.finditer(self.text, mark.start, mark.end):
            digits = match.group().upper()
            letter = digits[-1] if digits[-1].isalpha() else self.text[mark.start].upper()
            letter = letter if letter in "ABCDELR" and (digits[-1].isalpha() or letter in "LR") else ""
            number = int(digits.removesuffix(letter))
            unit = f"AU{number:02d}"
            target = self._owner(unit) if self.inside else None
            if target is not None and unit not in target.names:
                self.strays.append((target, unit))
            start = mark.start if match.start() <= mark.start + 13 else match.start()
            if target is None:
                target = Assertion(CueKind.ACTION_UNIT, start, match.end(), (unit,), codes=[unit], explicit=True)
                self._name_it(target, mark)
            else:
                target.codes.append(unit)
                target.end = max(target.end, match.end())
            if letter in _LETTERS:
                target.strength = _LETTERS[letter]
            first = self.text[mark.start].upper()
            if letter in ("L", "R") or first in ("L", "R"):
                target.side = Side.LEFT if "L" in (letter, first) else Side.RIGHT
            self.code = (target, unit, mark)

    def _owner(self, unit: str) -> Assertion | None:
        """The assertion that a code in parentheses belongs to: the nearest that speaks of the unit, else the nearest."""
        candidates = [
            item for item in self.attach if item.kind in (CueKind.ACTION_UNIT, CueKind.GAZE, CueKind.HEAD_POSE)
        ]
        for item in reversed(candidates):
            if unit in item.names:
                return item
        return candidates[-1] if candidates else None

    def _quantities(self, mark: Mark, index: int) -> None:
        kind = CueKind.GAZE if mark.id.startswith("gaze") else CueKind.HEAD_POSE
        owners = [item for item in self.attach if item.kind is kind] if self.inside else []
        owner = next(
            (item for item in reversed(owners) if mark.id in dict(item.directions)), owners[-1] if owners else None
        )
        if owner is None:
            owner = Assertion(kind, mark.start, mark.end, names=(mark.id,), explicit=True)
            self._name_it(owner, mark)
        self.code = (owner, mark.id, mark)

    def _number(self, mark: Mark, index: int) -> None:
        value, unit = parse_number(mark.id)
        if unit == "degrees" and (self.code is None or self.code[1].startswith("AU")):
            poses = [item for item in self.found if item.kind in (CueKind.HEAD_POSE, CueKind.GAZE)]
            if poses and poses[-1].directions:
                poses[-1].numbers.append(Number(poses[-1].directions[0][0], value))
                poses[-1].end = max(poses[-1].end, mark.end)
            return
        if self.code is None or mark.token - self.code[2].last > (12 if self.inside else 6):
            return
        item, name, _ = self.code
        before = self.marks[index - 1]
        side = Side(before.id) if before.kind == "sides" and before.id in ("left", "right") else None
        if side is not None:
            self.used.add(before)
        if name.startswith("AU") and unit == "bare" and value > 1:
            return
        item.numbers.append(Number(name, value, side))
        item.end = max(item.end, mark.end)

    def _predicates(self, mark: Mark, index: int) -> None:
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        near = following is not None and following.kind in ("noun", "name", "parts", "code") and following.token - mark.last <= 3  # fmt: skip
        if near and self._text(mark) in ("missing", "lacking"):
            self.negation = mark._replace(id="absent")  # "the smile is missing the cheek raise"
            return
        before_it = self.marks[index - 1] if index else None
        apposed = before_it is not None and before_it.kind == "comma" and mark.id == "absent" and self.found and not self.pending  # fmt: skip
        if not self.group and apposed and before_it is not None and self.tokens[id(self.found[-1])][1] == before_it.token - 1:  # fmt: skip
            self.found[-1].polarity, self.found[-1].end = Polarity.ABSENT, mark.end  # "a stretched mouth, is missing"
            return
        if not self.group:
            if self.pending and self._text(mark) in (
                "active",
                "involved",
                "engaged",
                "at work",
                "in action",
                "in play",
                "busy",
            ):
                self._moves(mark._replace(kind="moves", id="act"), index)
            return
        last = max(self.group, key=lambda item: item.end)
        before = max(
            (item.end for item in self.group if item is not last and item.end <= last.start), default=last.start
        )
        between = self.text[before : last.start] + self.text[last.end : mark.start]
        if not re.search(
            r"\b(?:and|or|nor|are|were|all|both|neither|aren't|weren't|remain|stay)\b", between
        ):  # of the last of a list
            commas = [other.token for other in self.marks if other.kind == "comma"]
            here = self.tokens[id(last)][0]
            self.group = [item for item in self.group if not any(self.tokens[id(item)][1] < comma < here for comma in commas)]  # fmt: skip
        single = (
            re.fullmatch(r"\s*(?:is|was|remains|stays|seems|looks)\s*", self.text[last.end : mark.start]) is not None
        )
        if (
            single
            and mark.id in ("absent", "unmeasured")
            and re.search(r",\s(?:and|but)\b", self.text[before : last.start])
        ):
            self.group = [last]
        denied = self.negation is not None and all(
            self.tokens[id(item)][1] < self.negation.token for item in self.group
        )
        for item in self.group:
            if mark.id == "method":
                self.dropped.add(id(item))
            elif mark.id == "unmeasured":
                item.polarity = Polarity.UNMEASURED
            elif mark.id == "absent":
                item.polarity = Polarity.PRESENT if denied else Polarity.ABSENT
            elif denied and self.negation is not None:
                item.polarity = Polarity.NOT_CLEAR if self.negation.id == "not_clear" else Polarity.ABSENT
        for item in self.group if mark.id != "method" else ():
            if mark.id in ("absent", "unmeasured") or denied:
                item.end = max(item.end, mark.end) if item is self.group[-1] else item.end
        self.group, self.code, self.negation = [], None, None

    def _sides(self, mark: Mark, index: int) -> None:
        """A glance to one side: "looks left", "eyes off to the left" have no movement word."""
        if mark.id not in ("left", "right", "viewer_left", "viewer_right"):
            return
        aimed = [part for part in self.pending if part.id in ("head", "eyes", "gaze") and _AIM.fullmatch(self.text, part.end, mark.start)]  # fmt: skip
        for part in aimed:
            sign = 1 if mark.id in ("left", "viewer_right") else -1
            head = part.id == "head"
            kind = CueKind.HEAD_POSE if head else CueKind.GAZE
            self.used.add(mark)
            item = Assertion(kind, part.start, mark.end, directions=(("yaw" if head else "gaze_yaw", sign),))
            self._add(item, (part.token, mark.last))
        if aimed:
            self.pending = []
            return
        last = self.pending[-1] if self.pending else None
        head = last is not None and last.id == "head" and mark.token - last.last == 1 and _ENDED.match(self.text, mark.end) is not None  # fmt: skip
        if last is not None and (last.id == "gaze" or head):
            part = self.pending.pop()
            sign = 1 if mark.id in ("left", "viewer_right") else -1
            self.used.add(mark)
            name, kind = ("yaw", CueKind.HEAD_POSE) if head else ("gaze_yaw", CueKind.GAZE)
            claim = Assertion(kind, part.start, mark.end, directions=((name, sign),))
            self._add(claim, (part.token, mark.last))
