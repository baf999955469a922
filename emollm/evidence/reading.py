"""What a text asserts of a face: words to units, polarity, strength, side and numbers.

The lexicon is ``lexicon.yaml``. A text is cut into sentences; each sentence is scanned once for known phrases (*marks*),
longest first; a part and what is said of it ("brows … lowered"), a noun ("smile"), a FACS name or a code ("AU12") makes an
*assertion*; negations, adverbs, sides, numbers and predicates ("is absent") are then bound to the nearest one. It reads
free English, ours and a language model's; what it does not know it does not judge (docs/evidence.md).
"""

import itertools
import re

from emollm.evidence.assertions import Assertion, Number, Polarity, merged, unread
from emollm.evidence.lexicon import Mark, lexicon, marks, parse_number, readings, sentences
from emollm.facs import Strength
from emollm.types import CueKind, Side

_CODE = re.compile(r"\d{1,3}[A-ELR]?", re.IGNORECASE)
_LETTERS = {
    "A": Strength.SLIGHT,
    "B": Strength.SLIGHT,
    "C": Strength.MODERATE,
    "D": Strength.STRONG,
    "E": Strength.STRONG,
}
_JOINED = re.compile(r"(?:[\s,]|\b(?:and|or|the|his|her|their|both)\b)*", re.IGNORECASE)
"""What stands between two parts that one thing is said of: "the head and the eyes"."""
_AIM = re.compile(
    r"[\s,(]*(?:(?:clearly|slightly|far|well|off|away|back|over|further|and|the|his|her|their|own|persons?'s?|subject's|just|a|bit|little"
    r"|somewhat|strongly|eyes|gaze|head|both|are|is|very|hard|again|aimed|up|down)[\s,(]+)*(?:to|towards?|off|on)[\s,(]+(?:(?:the|his|her|their|own|person's|subject's)\s+)*",
    re.IGNORECASE,
)
"""What stands between a head or eyes and the side that they are turned to, without a verb: "eyes off to the left"."""
_IS = re.compile(
    r"[\s,):]*(?:(?:that|which|and|but|though)\s)?(?:(?:is|are|was|were|looks?|remains?|stays?|seems?|of|at|by|in|to|so|only|very|quite|rather"
    r"|both|they|it|one|ones|a|an|the|it's|its|scarcely|that)[\s,]+){0,4}|\s?[:(=—–-]\s?",
    re.IGNORECASE,
)
"""What stands between a movement and a strength that is said of it afterwards."""
_LOOK = re.compile(r"\b(?:a|an|his|her|their)\s(?:[\w-]+,?\s){0,3}$", re.IGNORECASE)
_IN_FRONT = {"well", "way", "light", "little", "great", "soft", "full", "right", "really"}
"""Strengths only where what they are said of follows: "well apart", not "as well"."""
_DOES_NOT = re.compile(r"(?:is|are|was|were|does|do|did|has|have)(?:n't|\snot)")
_APART = re.compile(r"(?:[,—–(-]|^)\s?(?:(?:on|at)\s)?(?:the\s)?$", re.IGNORECASE)
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
_TO = re.compile(r"\b(?:to|towards?)\s(?:(?:the|his|her|their|own|person's|subject's)\s)*$", re.IGNORECASE)
_ENDS = re.compile(
    r"(?:[\s,]{1,2}(?:only\s)?(?:at|in|on|with)|[^.;:]{0,30}?\b(?:only|just))\s(?:the|their|its|his|her)\s(inner|outer)\b",
    re.IGNORECASE,
)
"""What says which end of the brows is meant, behind the movement."""
_GOVERNED = re.compile(
    r"\b(?:around|at|near|under|beneath|below|above|between|beside)\s(?:(?:the|his|her|their|both)\s)?$", re.IGNORECASE
)
"""What stands before a part that only says where something is: "wrinkles around the eyes"."""
_POSE_MOVES = {"turn", "tilt", "bow", "rear", "up", "down", "direct", "away", "aside", "back"}


def assertions(text: str) -> list[Assertion]:
    """All assertions of a text on a face, in order, without their times: those of a photo."""
    return [item for start, end in sentences(text) for item in read(text, start, end)]


def read(text: str, start: int, end: int, *, repeated: bool = False) -> list[Assertion]:
    """The assertions of one sentence on a face, in order; repetitions are left out unless they are wanted."""
    known = linked(text, list(marks(text, start, end)))
    found = _Reader(text, known).read()
    if not repeated:
        found = merged(found)
    return sorted([*found, *unread(text, start, end, known, found)], key=lambda item: (item.start, item.end))


def linked(text: str, known: list[Mark]) -> list[Mark]:
    """Without the colons and dashes that stand between a part or a unit and what is said of it: "Brows: raised"."""
    out: list[Mark] = []
    dashes = [mark for mark in known if text[mark.start : mark.end] in ("—", "–")]
    paired = {one for pair in itertools.pairwise(dashes) if pair[1].token - pair[0].token <= 5 for one in pair}
    for index, mark in enumerate(known):
        before = out[-1] if out else None
        following = known[index + 1] if index + 1 < len(known) else None
        if mark in paired:
            continue
        link = (
            mark.kind == "hard"
            and before is not None
            and text[mark.start : mark.end] in (":", "—", "–")
            and mark.token - before.last == 1
            and (
                before.kind in ("code", "close", "name")
                or (before.kind == "parts" and (following is None or following.kind != "parts"))
                or (before.kind == "noun" and following is not None and following.kind == "predicates" and following.token - mark.token == 1)
            )
            and not any(one.kind == "negations" for one in out)
        )
        if not link:
            out.append(mark)
    return out


# ---- marks to assertions --------------------------------------------------------------------------------------------


class _Reader:
    """Reads the marks of one sentence from left to right."""

    def __init__(self, text: str, marks: list[Mark]) -> None:
        self.text = text
        self.marks = marks
        self.found: list[Assertion] = []
        self.tokens: dict[int, tuple[int, int]] = {}
        """First and last token of each assertion, by its identity."""
        self.pending: list[Mark] = []
        self.last: list[Mark] = []
        self.group: list[Assertion] = []
        self.attach: list[Assertion] = []
        self.negation: Mark | None = None
        self.generic = False
        self.inside = False
        self.code: tuple[Assertion, str, Mark] | None = None
        self.moved: Mark | None = None
        """What was last said of a part."""
        self.used: set[Mark] = set()
        self.dropped: set[int] = set()
        self.strays: list[tuple[Assertion, str]] = []
        """Codes in the open parenthesis that the words before it do not speak of."""

    def read(self) -> list[Assertion]:
        for index, mark in enumerate(self.marks):
            if mark not in self.used:
                handler = getattr(self, f"_{mark.kind}", None)
                if handler:
                    handler(mark, index)
                if self.negation is not None and self.negation.id == "un" and mark.kind in ("moves", "noun"):
                    self.negation = None
        self._bind_strengths()
        self._bind_sides()
        self._bind_expressions()
        kept = [item for item in self.found if id(item) not in self.dropped or item.numbers]
        for item in kept:
            if id(item) in self.dropped:
                item.polarity = Polarity.MENTIONED
        return sorted(kept, key=lambda item: (item.start, item.end))

    # clause ends

    def _hard(self, mark: Mark, index: int) -> None:
        if self.inside:
            return
        if self._text(mark) == "but" and self.last and index + 1 < len(self.marks) and self.marks[index + 1].token == mark.last + 1 and self.marks[index + 1].kind == "moves":  # fmt: skip
            self.negation = None  # "lips not tightened but pressed"
            return
        self.pending, self.last, self.group, self.attach = [], [], [], []
        self.negation, self.generic, self.code = None, False, None

    def _comma(self, mark: Mark, index: int) -> None:
        if self.inside:
            return
        if not self._is_listed(index):
            self.negation = None
        self.last = []
        if self.found:
            self.pending = [
                part for part in self.pending if not _GOVERNED.search(self.text[max(0, part.start - 20) : part.start])
            ]

    def _is_listed(self, index: int) -> bool:
        """Whether a denial goes on behind a comma: "no smile, frown or pout"."""
        if self.negation is None or self._text(self.negation) not in (
            "no",
            "without",
            "none of",
            "neither",
            "devoid of",
        ):
            return False
        for mark in self.marks[index + 1 :]:
            if mark.kind in ("hard", "soft", "negations", "predicates"):
                return mark.kind == "soft" and self._text(mark) in ("or", "nor")
        return False

    def _soft(self, mark: Mark, index: int) -> None:
        if self._text(mark) == "and":  # "the chin is round and ...": nothing more is said of the chin
            self.pending = [
                part
                for part in self.pending
                if {"is", "are", "was", "were"}.isdisjoint(self.text[part.end : mark.start].lower().split())
            ]
        if self.negation and self._text(mark) == "and" and not self._is_wide(self.negation):
            self.negation = None

    def _text(self, mark: Mark) -> str:
        return self.text[mark.start : mark.end].lower()

    def _is_wide(self, mark: Mark) -> bool:
        return self._text(mark) in lexicon()["wide_negations"]

    def _open(self, mark: Mark, index: int) -> None:
        self.inside = True
        self.code = None

    def _close(self, mark: Mark, index: int) -> None:
        if self.inside and self.attach and self.code:
            self.code[0].end = max(self.code[0].end, mark.end)
        for item, unit in self.strays:
            if any(code in other.names for other in self.attach for code in other.codes):
                self._detach(item, unit)
        self.inside, self.attach, self.code, self.strays = False, [], None, []

    def _detach(self, item: Assertion, unit: str) -> None:
        """Makes a further code of a parenthesis an assertion of its own: "a smile (AU06, AU12)"."""
        item.codes.remove(unit)
        own = Assertion(CueKind.ACTION_UNIT, item.start, item.end, (unit,), codes=[unit], explicit=True)
        own.numbers = [number for number in item.numbers if number.name == unit]
        own.polarity = item.polarity
        item.numbers = [number for number in item.numbers if number.name != unit]
        self.found.append(own)
        self.tokens[id(own)] = self.tokens[id(item)]

    def _generic(self, mark: Mark, index: int) -> None:
        self.generic = True

    def _negations(self, mark: Mark, index: int) -> None:
        self.negation = None if mark.id == "none" else mark
        before = self.marks[index - 1] if index else None
        if self.found and before is not None and before.kind == "moves" and self._text(mark) == "neither":
            self.found[-1].polarity, self.found[-1].end = Polarity.ABSENT, mark.end
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        alone = following is None or following.kind in ("comma", "hard", "soft")
        if alone and self.pending and self.moved is not None and _DOES_NOT.fullmatch(self._text(mark)):
            parts = self.pending if self._pairs(self.pending, self.moved, index) else []
            self._say(
                parts, self.moved._replace(start=mark.start, end=mark.end, token=mark.token, last=mark.last), index
            )
            self.pending, self.negation = [], None
            return
        # "is not visible" says it all; after "is not visibly" the movement is still to come.
        said = mark.id == "not_clear" and not self._text(mark).endswith("ly")
        if said and self.group and (following is None or following.token > mark.last + 1):
            self._predicates(mark._replace(id="present"), index)

    # subjects and what is said of them

    def _parts(self, mark: Mark, index: int) -> None:
        if mark.id == "gaze" and (self.pending or self._is_look(mark)):
            return
        self.pending.append(mark)

    def _moves(self, mark: Mark, index: int) -> None:
        if self._text(mark) == "nothing" and not self.pending and not self.last:
            self.negation = mark._replace(kind="negations", id="absent")  # "nothing pulls the brows down"
            return
        if (mark.id == "turn" and self._goes_on(index)) or self._is_adverb(mark, index):
            return
        faces = mark.id == "direct" and self._text(mark).startswith("fac")
        if (
            (mark.id in ("turn", "tilt", "away") or faces)
            and not self.pending
            and not self.last
            and not self.found
            and mark.token <= 3
        ):
            self._turned(mark, index)
            return
        self._leave_head(mark)
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        if following is not None and following.kind in ("sides", "strengths") and index + 2 < len(self.marks):
            following = self.marks[index + 2] if self.marks[index + 2].kind == "parts" else following
        gap = 3 if not self.pending and self._text(mark) not in lexicon()["particles"] else 0
        if (
            following is not None
            and following.kind == "parts"
            and not self._is_look(following)
            and following.token - mark.last - 1 <= gap
            and self._pairs([following], mark, index)
        ):
            self.used.add(following)
            self._say([following], mark, index)
        elif self.pending:
            parts = self.pending if self._pairs(self.pending, mark, index) else []
            if parts:
                self._say(parts, mark, index)
                self.pending = []
        elif self.last and mark.token - self.last[-1].last <= 8:
            self._say(self.last, mark, index)
        elif self.group and mark.id == "show":
            self._predicates(mark._replace(id="present"), index)

    def _is_look(self, mark: Mark) -> bool:
        """Whether "look" is what a face looks like: "a downturned look"."""
        return self._text(mark) == "look" and _LOOK.search(self.text[max(0, mark.start - 45) : mark.start]) is not None

    def _is_adverb(self, mark: Mark, index: int) -> bool:
        """Whether "still" is no rest but goes with the next word: "still open"."""
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        still = self._text(mark) == "still" and following is not None and following.token == mark.last + 1
        return still and following is not None and following.kind == "moves"

    def _turned(self, mark: Mark, index: int) -> None:
        """A turn at the beginning that names no part is one of the head: "Turned far to the left"."""
        if mark.id == "direct" or self._direction(mark, index) is not None:
            self._say([Mark("parts", "head", mark.start, mark.end, mark.token, mark.last)], mark, index)

    def _leave_head(self, mark: Mark) -> None:
        """Forgets a head or face that the movement is not said of: "the face looks happy, and the mouth corners …"."""
        following = [*self.pending[1:], mark]
        self.pending = [
            part
            for part, other in zip(self.pending, following, strict=False)
            if part.id not in ("head", "eyes") or other is mark or _JOINED.fullmatch(self.text, part.end, other.start)
        ]

    def _goes_on(self, index: int) -> bool:
        """Whether a colourless verb ("turned", "pushed") is followed by the word that says where: "far up", "forward"."""
        rest = [mark for mark in self.marks[index + 1 : index + 4] if mark.kind != "strengths"]
        return (
            bool(rest)
            and rest[0].kind == "moves"
            and rest[0].id != "turn"
            and rest[0].token - self.marks[index].last <= 3
        )

    def _pairs(self, parts: list[Mark], move: Mark, index: int) -> bool:
        table = lexicon()["table"]
        return any(
            move.id in table.get(part.id, {}) or self._pose(part, move, index, dry=True) is not None for part in parts
        )

    def _say(self, parts: list[Mark], move: Mark, index: int) -> None:
        for part in parts:
            span = (min(part.start, move.start), max(part.end, move.end))
            tokens = (min(part.token, move.token), max(part.last, move.last))
            units = lexicon()["table"].get(part.id, {}).get(move.id)
            if units:
                names, absent, primary, needed = readings(units)
                if part.id == "brows" and (ends := _ENDS.match(self.text, move.end)) is not None and not absent:
                    names = ("AU01",) if ends[1].lower() == "inner" else ("AU02",) if move.id == "up" else names
                    primary = ""
                item = Assertion(CueKind.ACTION_UNIT, *span, names=names, primary=primary, needed=needed)
                self._add(item, tokens, flip=absent)
            elif (pose := self._pose(part, move, index)) is not None:
                pose.start, pose.end = min(span[0], pose.start), max(span[1], pose.end)
                self._add(pose, tokens, flip=pose.polarity is Polarity.ABSENT)
        self.last = parts
        self.moved = move
        self.group = []

    def _pose(self, part: Mark, move: Mark, index: int, dry: bool = False) -> Assertion | None:
        """Head pose or gaze that a part and a movement speak of, if any."""
        if move.id not in _POSE_MOVES or part.id not in ("head", "gaze", "eyes"):
            return None
        if part.id == "eyes" and move.id in ("tilt", "bow", "rear", "back"):
            return None
        side = self._direction(move, index)
        if (
            sign := {"left": 1, "right": -1, "viewer_left": -1, "viewer_right": 1}.get(side.id if side else "", 0)
        ) and (side is not None and not dry):
            self.used.add(side)
        head = part.id == "head"
        kind = CueKind.HEAD_POSE if head else CueKind.GAZE
        yaw, pitch = ("yaw", "pitch") if head else ("gaze_yaw", "gaze_pitch")
        directions: tuple[tuple[str, int], ...]
        polarity = Polarity.PRESENT
        match move.id:
            case "tilt":
                directions = (("roll", sign),)
            case "up" | "rear" | "back":
                directions = ((pitch, 1),)
            case "down" | "bow":
                directions = ((pitch, -1),)
            case "direct":
                directions, polarity = ((yaw, 0), (pitch, 0)), Polarity.ABSENT
            case "away":
                directions = ((yaw, sign),) if sign or head else ((yaw, 0), (pitch, 0))
            case _:
                directions = ((yaw, sign),)
        end = side.end if side is not None else move.end
        return Assertion(kind, min(part.start, move.start), end, directions=directions, polarity=polarity)

    def _direction(self, move: Mark, index: int) -> Mark | None:
        """The side that a turn goes to: the next side word before anything else is spoken of."""
        for mark in self.marks[index + 1 : index + 5]:
            if mark.kind == "sides" and mark.token - move.last <= 7:
                return mark
            if mark.kind not in ("number", "strengths", "moves"):
                break
        before = self.marks[index - 1] if index else None
        if before is not None and before.kind == "sides" and move.token - before.last == 1:
            return before
        return None

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
        if (
            self.pending
            and self.pending[-1].id == "gaze"
            and mark.id in ("left", "right", "viewer_left", "viewer_right")
        ):
            part = self.pending.pop()
            sign = 1 if mark.id in ("left", "viewer_right") else -1
            self.used.add(mark)
            claim = Assertion(CueKind.GAZE, part.start, mark.end, directions=(("gaze_yaw", sign),))
            self._add(claim, (part.token, mark.last))

    # things that are named

    def _noun(self, mark: Mark, index: int) -> None:
        if any(other.kind == "than" and mark.token - other.last <= 3 for other in self.marks[max(0, index - 2) : index]):
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
            elif letter in ("L", "R"):
                target.side = Side.LEFT if letter == "L" else Side.RIGHT
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
        if not self.group:
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
        single = re.fullmatch(r"\s*(?:is|was|remains|stays|seems|looks)\s*", self.text[last.end : mark.start]) is not None
        if single and mark.id in ("absent", "unmeasured") and re.search(r",\s(?:and|but)\b", self.text[before : last.start]):
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

    # binding

    def _add(self, item: Assertion, tokens: tuple[int, int], flip: bool = False) -> None:
        if flip:
            item.polarity = Polarity.ABSENT
        if self.negation is not None:
            item.start = min(item.start, self.negation.start)
            if flip:
                item.polarity = Polarity.PRESENT
            else:
                item.polarity = Polarity.NOT_CLEAR if self.negation.id == "not_clear" else Polarity.ABSENT
        self.found.append(item)
        self.tokens[id(item)] = tokens
        self.attach = [*self.attach, item] if not self.inside else self.attach
        if self.generic:
            self.dropped.add(id(item))

    def _nearest(self, mark: Mark, after: int, over_comma: bool = False) -> Assertion | None:
        """The assertion that an adverb or a side belongs to: around it, else right behind it, else up to ``after`` before."""
        stops = [
            other.token
            for other in self.marks
            if other.kind in ("hard", "open", "close")
            or (other.kind == "soft" and not (self._text(other) == "with" and 0 < mark.token - other.last <= 3 and mark.kind == "sides"))
            or (other.kind == "comma" and not over_comma)
        ]

        def clear(first: int, last: int) -> bool:
            return not any(first < stop < last for stop in stops)

        best: tuple[int, Assertion] | None = None
        for item in self.found:
            first, last = self.tokens[id(item)]
            if first <= mark.token <= last:
                ended = [one for one in self.found if 0 < mark.token - self.tokens[id(one)][1] <= after and self.tokens[id(one)][0] == first]
                if ended and not clear(mark.last, last) and clear(self.tokens[id(ended[-1])][1], mark.token):
                    return ended[-1]  # "lips stretched to the right and parted"
                return item
            if mark.last < first and first - mark.last <= 3 and clear(mark.last, first):
                rank = first - mark.last
            elif last < mark.token and mark.token - last <= after and clear(last, mark.token):
                rank = 10 + mark.token - last
            else:
                continue
            if best is None or rank < best[0]:
                best = (rank, item)
        return best[1] if best else None

    def _bind_strengths(self) -> None:
        for mark in self.marks:
            if mark.kind != "strengths" or mark in self.used:
                continue
            item = self._before(mark) or self._nearest(mark, after=2) or self._described(mark) or self._ahead(mark)
            if item is None or item.strength is Strength.SLIGHT:
                continue
            if self._text(mark) in _IN_FRONT and self.tokens[id(item)][1] < mark.token:
                continue
            item.start, item.end = min(item.start, mark.start), max(item.end, mark.end)
            if item.polarity is Polarity.ABSENT and mark.id == "strong":
                item.polarity = Polarity.NOT_STRONG
            elif item.polarity is Polarity.PRESENT:
                item.strength = Strength(mark.id)

    def _before(self, mark: Mark) -> Assertion | None:
        """The movement right before an adverb, where another one is said of the same part behind it."""
        ended = [item for item in self.found if self.tokens[id(item)][1] == mark.token - 1]
        around = [item for item in self.found if self.tokens[id(item)][0] <= mark.token <= self.tokens[id(item)][1]]
        following = next((other for other in self.marks if other.token > mark.last), None)
        joined = following is not None and following.kind == "soft"
        return ended[-1] if ended and around and joined else None

    def _ahead(self, mark: Mark) -> Assertion | None:
        """The noun behind several adjectives: "a slight, crooked smile"."""
        behind = [item for item in self.found if 0 < self.tokens[id(item)][0] - mark.last <= 3]
        between = self.text[mark.end : behind[0].start] if behind else ""
        return behind[0] if behind and re.fullmatch(r",\s[\w-]+\s", between) else None

    def _described(self, mark: Mark) -> Assertion | None:
        """What a strength is said of behind a verb, a comma or in parentheses: "the smile, which is slight", "AU04: strong"."""
        before = [item for item in self.found if item.end <= mark.start]
        if not before:
            return None
        item = max(before, key=lambda one: one.end)
        return item if _IS.fullmatch(self.text, item.end, mark.start) else None

    def _bind_sides(self) -> None:
        self._bind_unequal()
        self._bind_still_sides()
        for index, mark in enumerate(self.marks):
            if mark.kind != "sides" or mark in self.used:
                continue
            before = self.marks[max(0, index - 2) : index]
            if any(other.kind == "than" for other in before) or self._is_lesser(index):
                continue
            behind = any(other.kind == "compare" and mark.token - other.last <= 5 for other in before)
            lesser = any(other.kind == "lesser" and mark.token - other.last <= 5 for other in before)
            compared = behind or lesser or self._is_greater(index) or self._is_more(index)
            apart = (
                _APART.search(self.text[max(0, mark.start - 10) : mark.start]) is not None
                and _ONE.match(self.text, mark.end) is not None
            )
            item = self._nearest(mark, after=9 if compared else 6, over_comma=compared or apart or mark.id in ("even", "uneven", "both"))
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
                item.only = any(other.kind == "only" and abs(mark.token - other.last) <= 4 for other in around)
            item.start, item.end = min(item.start, mark.start), max(item.end, mark.end)

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
        ranks = {"slight": 1, "moderate": 2, "strong": 3}
        known = [mark for mark in self.marks if mark.kind in ("strengths", "sides")]
        for four in (known[index : index + 4] for index in range(len(known) - 3)):
            pairs = [four[:2], four[2:]] if four[0].kind == "strengths" else [four[1::-1], four[:1:-1]]
            if any([one.kind for one in pair] != ["strengths", "sides"] for pair in pairs):
                continue
            (first, one), (second, two) = pairs
            if {one.id, two.id} != {"left", "right"} or first.id == second.id or four[3].token - four[0].token > 12:
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

    def _is_lesser(self, index: int) -> bool:
        """Whether this is the side that another one is above."""
        before = self.marks[index - 1] if index else None
        return before is not None and before.kind == "compare" and self._text(before).endswith("above")

    def _bind_expressions(self) -> None:
        emotions = [mark for mark in self.marks if mark.kind == "emotions"]
        if not emotions or not any(mark.kind == "probability" for mark in self.marks):
            return
        for mark in self.marks:
            if mark.kind != "number" or any(item.start <= mark.start < item.end for item in self.found):
                continue
            value, unit = parse_number(mark.id)
            before = [emotion for emotion in emotions if emotion.start < mark.start]
            owner = before[-1] if before else emotions[0]
            if unit == "bare" and value > 1:
                continue
            span = (min(owner.start, mark.start), max(owner.end, mark.end))
            item = Assertion(CueKind.EXPRESSION, *span, (owner.id,), numbers=[Number(owner.id, value)])
            self.found.append(item)
            self.tokens[id(item)] = (min(owner.token, mark.token), max(owner.last, mark.last))
