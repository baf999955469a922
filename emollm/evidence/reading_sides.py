"""To which statement of a sentence a side belongs, and what is said of one side against the other."""

import re

from emollm.evidence.assertions import Assertion, Polarity
from emollm.evidence.lexicon import Mark, lexicon
from emollm.evidence.reading_bind import Binder
from emollm.types import CueKind, Side

_APART = re.compile(r"(?:[,—–(-]|^)\s?(?:(?:on|at)\s)?(?:the\s|(?:his|her|their)\s(?:own\s)?)?$", re.IGNORECASE)
_SOLE = re.compile(r"[;,:—–(]\s?(?:(?:only|just)\s)?(?:on\s)?(?:the\s)?$", re.IGNORECASE)
_SOLELY = re.compile(r"\s(?:side\s|half\s)?(?:only|alone)\s?(?:[.;,)]|$)", re.IGNORECASE)
"""What stands around a side that is a clause of its own: "upper lids raised; left only"."""
_ONE = re.compile(r"(?:\s(?:one|side|only|alone))*\s?(?:[,—–).;]|$)", re.IGNORECASE)
"""What stands around a side that is said on its own behind a comma: "one eyebrow up, the left one"."""
_ENDED = re.compile(r"\s*(?:[.,;!)]|$|than\b)")
_NOT_THERE = re.compile(
    r"(?:\b(?:but\s|and\s)?(?:not|never|nothing|none)\s(?:at\sall\s)?(?:on|in|at|to)?\s?(?:the\s)?(?P<a>left|right)(?:\s(?:one|side|half|eye|brow))?\s?(?=[.,;!)]|$)"
    r"|\b(?:the|those\sof\sthe|that\sof\sthe|its|his|her|their)\s(?P<b>left|right)(?:\s(?:one|side|half|eye|brow|ones))?\s(?:is|are|does|do|was|were|did)(?:n't|\snot)\s?(?=[.,;!)]|$)"
    r"|\bon\sthe\s(?P<c>left|right)(?:\sside)?[\s,]+(?:there(?:'s|\sis)\s)?(?:nothing|none)\b)",
    re.IGNORECASE,
)
"""Where the side is named that does not move: "those of the right are not"."""
_ON = re.compile(r"\b(?:on|at|to|of)\s(?:(?:the|his|her|their|its|own)\s)*$", re.IGNORECASE)
_TO = re.compile(r"\b(?:to|towards?)\s(?:(?:the|his|her|their|own|person's|subject's)\s)*$", re.IGNORECASE)


class Sider(Binder):
    """Gives sides to the statements that were found."""

    def _bind_sides(self) -> None:
        self._bind_unequal()
        self._bind_still_sides()
        self._bind_resting()
        for index, mark in enumerate(self.marks):
            if mark.kind != "sides" or mark in self.used:
                continue
            before = self.marks[max(0, index - 2) : index]
            over = re.search(r"\bover\s(?:the\s)?$", self.text[max(0, mark.start - 12) : mark.start]) is not None
            if over and any(one.compare for one in self.found):
                continue
            if any(other.kind == "than" for other in before) or self._is_lesser(index):
                continue
            behind = any(self._is_comparative(other) and mark.token - other.last <= 6 for other in before)
            lesser = any(other.kind == "lesser" and mark.token - other.last <= 5 for other in before)
            compared = behind or lesser or self._is_greater(index) or self._is_more(index) or self._is_dominant(index)
            apart = (
                _APART.search(self.text[max(0, mark.start - 10) : mark.start]) is not None
                and _ONE.match(self.text, mark.end) is not None
            )
            item = self._nearest(
                mark,
                after=9 if compared else 6,
                over_comma=compared or apart or mark.id in ("even", "uneven", "both"),
                behind=apart and mark.id in ("left", "right") and bool(self._said_before(mark)),
            )
            item = item or self._referred(mark)
            if self._aimed(item, mark):
                continue
            if item is None or item.kind is not CueKind.ACTION_UNIT:
                continue
            if mark.id in ("even", "uneven"):
                item.even = mark.id == "even"
            elif mark.id == "both":
                item.both = True
            else:
                side = Side.LEFT if mark.id in ("left", "viewer_right") else Side.RIGHT
                if lesser:
                    side = Side.RIGHT if side is Side.LEFT else Side.LEFT
                    if item.side not in (None, side):
                        continue
                item.side = side
                item.compare = compared
                around = (*before, *self.marks[index + 1 : index + 3])
                item.only = item.only or any(
                    other.kind == "only" and abs(mark.token - other.last) <= 4 for other in around
                )
            item.start, item.end = min(item.start, mark.start), max(item.end, mark.end)

    def _is_comparative(self, mark: Mark) -> bool:
        """Whether a word compares, be it a movement too: "deeper"."""
        return mark.kind == "compare" or (mark.kind == "moves" and self._text(mark) in lexicon()["compare"])

    def _said_before(self, mark: Mark) -> list[Assertion]:
        """Units that were spoken of before a word, the last one last."""
        before = [one for one in self.found if one.kind is CueKind.ACTION_UNIT and self.tokens[id(one)][1] < mark.token]
        return sorted(before, key=lambda one: self.tokens[id(one)][1])

    def _referred(self, mark: Mark) -> Assertion | None:
        """The unit that was spoken of last, where a side is said on its own: "corners down, with the droop deeper on the right"."""
        before = self.text[max(0, mark.start - 20) : mark.start]
        sole = _SOLE.search(before) is not None and _SOLELY.match(self.text, mark.end) is not None
        if _ON.search(before) is None and not sole:
            return None
        if any(one.kind == "parts" and one.token == mark.last + 1 for one in self.marks):
            return None  # of a part that follows: "brows up and, at the left corner of the lips, …"
        item = next(iter(self._said_before(mark)[::-1]), None)
        last = self.tokens[id(item)][1] if item is not None else 0
        stops = [one for one in self.marks if last < one.token < mark.token and one.kind in ("parts", "noun", "code", "name", "negations", "lesser", *(() if sole else ("hard",)))]  # fmt: skip
        return (
            item
            if item is not None and item.polarity is Polarity.PRESENT and mark.token - last <= 10 and not stops
            else None
        )

    def _bind_still_sides(self) -> None:
        """A side that does not move leaves the other: "the left brow is up, the right one is not"."""
        if not self.marks:
            return
        for match in _NOT_THERE.finditer(self.text, self.marks[0].start):
            end = re.compile(r"[.!?]\s|\n").search(self.text, self.marks[0].start)
            if end is not None and match.start() >= end.start():
                return
            still = (match["a"] or match["b"] or match["c"]).lower()
            before = [one for one in self.found if one.end <= match.start() and one.kind is CueKind.ACTION_UNIT]
            if not before or before[-1].polarity is not Polarity.PRESENT:
                continue
            item, side = max(before, key=lambda one: one.end), Side.RIGHT if still == "left" else Side.LEFT
            marks = [mark for mark in self.marks if mark.kind == "sides" and match.start() <= mark.start < match.end()]
            inside = [one for one in self.found if match.start() <= one.start < match.end()]
            if item.side in (None, side) and not inside:
                item.side, item.only, item.end = side, True, max(item.end, match.end())
                self.used.update(marks)

    def _bind_resting(self) -> None:
        """A side that is said to rest leaves the other: "the right side of the mouth is raised, the left remains still"."""
        for index, mark in enumerate(self.marks[:-1]):
            following = self.marks[index + 1]
            rests = (following.kind == "moves" and following.id == "rest") or (
                following.kind == "predicates" and following.id == "absent"
            )
            if mark.id not in ("left", "right") or mark.kind != "sides" or not rests or following.token - mark.last > 3:
                continue
            before = self._said_before(mark)
            side = Side.RIGHT if mark.id == "left" else Side.LEFT
            if before and before[-1].polarity is Polarity.PRESENT and before[-1].side in (None, side):
                before[-1].side, before[-1].only = side, True
                self.used.add(mark)

    def _aimed(self, item: Assertion | None, mark: Mark) -> bool:
        """Gives a turn the side that follows it, and those that are joined to it: "turned and tilted, both to the left"."""
        sign = {"left": 1, "right": -1, "viewer_left": -1, "viewer_right": 1}.get(mark.id, 0)
        if not sign or not _TO.search(self.text[max(0, mark.start - 30) : mark.start]):
            return False
        turns = [
            one
            for one in self.found
            if one.kind in (CueKind.HEAD_POSE, CueKind.GAZE) and one.polarity is Polarity.PRESENT
        ]
        open_ = [
            one for one in turns if len(one.directions) == 1 and one.directions[0][1] == 0 and one.end <= mark.start
        ]
        for one in open_:
            if mark.token - self.tokens[id(one)][1] <= 8:
                one.directions = ((one.directions[0][0], sign),)
                one.end = max(one.end, mark.end)
        return bool(open_)

    def _bind_unequal(self) -> None:
        """Different strengths of the sides: "strong on the left, slight on the right" says that the left is stronger."""
        ranks = {"slight": 1, "moderate": 2, "clear": 2, "strong": 3, "any": 0}
        known = [mark for mark in self.marks if mark.kind in ("strengths", "sides")]
        for four in (known[index : index + 4] for index in range(len(known) - 3)):
            pairs = [four[:2], four[2:]] if four[0].kind == "strengths" else [four[1::-1], four[:1:-1]]
            if any([one.kind for one in pair] != ["strengths", "sides"] for pair in pairs):
                continue
            (first, one), (second, two) = pairs
            if (
                {one.id, two.id} != {"left", "right"}
                or ranks[first.id] == ranks[second.id]
                or four[3].token - four[0].token > 12
            ):
                continue
            item = self._nearest(four[0], after=6, over_comma=True)
            if item is not None and item.kind is CueKind.ACTION_UNIT and item.side is None:
                stronger = one if ranks[first.id] > ranks[second.id] else two
                item.side, item.compare = Side(stronger.id), True
                item.end = max(item.end, four[3].end)
                item.strength = None
                self.used.update(four)

    def _is_greater(self, index: int) -> bool:
        """Whether the other side follows behind a "than" or an "above": "the left brow is raised more than the right"."""
        rest = self.marks[index + 1 : index + 7]
        for number, other in enumerate(rest):
            if other.kind in ("hard", "comma"):
                return False
            if other.kind in ("than",) or (other.kind == "compare" and self._text(other).endswith("above")):
                return any(one.kind == "sides" and one.token - other.last <= 3 for one in rest[number + 1 : number + 2])
        return False

    def _is_more(self, index: int) -> bool:
        """Whether a "more" ends the clause of a side: "the left side is smiling more"."""
        rest = self.marks[index + 1 : index + 4]
        more = next((other for other in rest if other.kind in ("compare", "hard", "comma", "soft", "sides")), None)
        return more is not None and self._text(more) == "more" and _ENDED.match(self.text, more.end) is not None

    def _is_dominant(self, index: int) -> bool:
        """Whether a comparison follows a side at once: "right-dominant"."""
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        return following is not None and following.kind == "compare" and following.token - self.marks[index].last == 1

    def _is_lesser(self, index: int) -> bool:
        """Whether this is the side that another one is above."""
        before = self.marks[index - 1] if index else None
        return before is not None and before.kind == "compare" and self._text(before).endswith("above")
