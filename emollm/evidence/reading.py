"""What a text asserts of a face: words to units, polarity, strength, side and numbers.

The lexicon is ``lexicon.yaml``. A text is cut into sentences; each sentence is scanned once for known phrases (*marks*),
longest first; a part and what is said of it ("brows … lowered"), a noun ("smile"), a FACS name or a code ("AU12") makes an
*assertion*; negations, adverbs, sides, numbers and predicates ("is absent") are then bound to the nearest one. It reads
free English, ours and a language model's; what it does not know it does not judge (docs/evidence.md).
"""

import re

from emollm.evidence.assertions import Assertion, Polarity, merged, unread
from emollm.evidence.lexicon import Mark, lexicon, linked, marks, readings, sentences
from emollm.evidence.reading_names import Namer
from emollm.types import CueKind

_JOINED = re.compile(r"(?:[\s,]|\b(?:and|or|the|his|her|their|both)\b)*", re.IGNORECASE)
"""What stands between two parts that one thing is said of: "the head and the eyes"."""
_LOOK = re.compile(r"\b(?:a|an|his|her|their)\s(?:[\w-]+,?\s){0,3}$", re.IGNORECASE)
_DOES_NOT = re.compile(r"(?:is|are|was|were|does|do|did|has|have)(?:n't|\snot)")
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


# ---- marks to assertions --------------------------------------------------------------------------------------------


class _Reader(Namer):
    """Reads the marks of one sentence from left to right."""

    def read(self) -> list[Assertion]:
        for index, mark in enumerate(self.marks):
            if mark not in self.used:
                handler = getattr(self, f"_{mark.kind}", None)
                if handler:
                    handler(mark, index)
                if self.negation is not None and self.negation.id == "un" and mark.kind in ("moves", "noun"):
                    self.negation = None
        self.bind()
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
