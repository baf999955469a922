"""What a text asserts of a face: words to units, polarity, strength, side and numbers.

The lexicon is ``lexicon.yaml``. A text is cut into sentences; each sentence is scanned once for known phrases (*marks*),
longest first; a part and what is said of it ("brows … lowered"), a noun ("smile"), a FACS name or a code ("AU12") makes an
*assertion*; negations, adverbs, sides, numbers and predicates ("is absent") are then bound to the nearest one. It reads
free English, ours and a language model's; what it does not know it does not judge (docs/evidence.md).
"""

import re

from emollm.evidence.assertions import Assertion, Polarity, merged, unread
from emollm.evidence.lexicon import Mark, lexicon, linked, marks, readings, sentences
from emollm.evidence.reading_again import Resumer
from emollm.types import CueKind

_JOINED = re.compile(r"(?:[\s,]|\b(?:and|or|the|his|her|their|both)\b)*", re.IGNORECASE)
"""What stands between two parts that one thing is said of: "the head and the eyes"."""
_LOOK = re.compile(r"\b(?:a|an|his|her|their)\s(?:[\w-]+,?\s){0,3}$", re.IGNORECASE)
_DOES_NOT = re.compile(r"(?:is|are|was|were|does|do|did|has|have)(?:n't|\snot)|not")
_ENDS = re.compile(
    r"(?:[\s,]{1,2}(?:only\s)?(?:at|in|on|with|towards?)|[^.;:]{0,30}?\b(?:only|just))\s(?:the|their|its|his|her)\s(inner|outer|middle|centre|center)\b",
    re.IGNORECASE,
)
"""What says which end of the brows is meant, behind the movement."""
_OBJECT = re.compile(r"\s(?:the|his|her|their|its|both)\s", re.IGNORECASE)
"""What stands between a verb and the part that it moves: "keeps a straight mouth and lowers the brows"."""
_FINITE = re.compile(
    r"\s(?:is|are|was|were|has|have|had|does|do|did|stays?|remains?|looks?|seems?|goes|go|comes?|gets?)\b",
    re.IGNORECASE,
)
_GOVERNED = re.compile(
    r"\b(?:around|at|near|under|beneath|below|above|between|beside)\s(?:(?:the|his|her|their|both)\s)?$", re.IGNORECASE
)
"""What stands before a part that only says where something is: "wrinkles around the eyes"."""


def assertions(text: str) -> list[Assertion]:
    """All assertions of a text on a face, in order, without their times: those of a photo."""
    subjects: list[tuple[str, bool]] = []
    return [item for start, end in sentences(text) for item in read(text, start, end, subjects=subjects)]


def read(
    text: str, start: int, end: int, *, repeated: bool = False, subjects: list[tuple[str, bool]] | None = None
) -> list[Assertion]:
    """The assertions of one sentence on a face, in order; repetitions are left out unless they are wanted.

    Args:
        text: The text.
        start: Where the sentence starts.
        end: Where it ends.
        repeated: Whether repetitions are wanted.
        subjects: The parts that the sentences before spoke of last, and whether their names are plural; it is brought up to date.
    """
    known = linked(text, list(marks(text, start, end)))
    reader = _Reader(text, known)
    reader.subjects = subjects if subjects is not None else []
    found = reader.read()
    if not repeated and ";" not in text[start:end]:  # behind a semicolon somebody else may do the same
        found = merged(found)
    return sorted([*found, *unread(text, start, end, known, found)], key=lambda item: (item.start, item.end))


# ---- marks to assertions --------------------------------------------------------------------------------------------


class _Reader(Resumer):
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
        if self.compared:
            self.generic = self.compared = False
        continues = self._continues(index)
        if not self._is_listed(index, continues):
            self.negation = None
        if not continues:
            self.last = []
        if self.found:
            self.pending = [
                part for part in self.pending if not _GOVERNED.search(self.text[max(0, part.start - 20) : part.start])
            ]

    def _continues(self, index: int) -> bool:
        """Whether more is said behind a comma of the part before it: "lips together, not pressed"."""
        token = self.marks[index].last
        for number, mark in enumerate(self.marks[index + 1 :], index + 1):
            if mark.token - token > 2:
                return False
            if mark.kind == "moves":
                following = self.marks[number + 1] if number + 1 < len(self.marks) else None
                ahead = following is not None and following.kind in ("parts", "noun", "features") and following.token - mark.last <= 3  # fmt: skip
                return not ahead and self._pairs(self.last, mark, number)
            if mark.kind not in ("negations", "strengths"):
                return False
            token = mark.last
        return False

    def _is_listed(self, index: int, continues: bool) -> bool:
        """Whether a denial goes on behind a comma: "no smile, frown or pout", "not tightened, pressed or stretched"."""
        listing = ("no", "without", "none of", "neither", "devoid of")
        if self.negation is None or (self._text(self.negation) not in listing and not continues):
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
        if self.negation and self._text(mark) == "and" and (not self._is_wide(self.negation) or self._is_clause(index)):
            self.negation = None

    def _is_clause(self, index: int) -> bool:
        """Whether a part with a verb of its own follows: "and the brow is lowered"."""
        rest = [mark for mark in self.marks[index + 1 : index + 4] if mark.kind not in ("sides", "strengths")]
        return bool(rest) and rest[0].kind == "parts" and rest[0].token - self.marks[index].last <= 3 and _FINITE.match(self.text, rest[0].end) is not None  # fmt: skip

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
        if not any(
            other.kind == "than" and mark.token - other.last <= 4 for other in self.marks[max(0, index - 3) : index]
        ):
            self.generic, self.compared = (
                True,
                self._text(mark) in ("as if", "as though"),
            )  # but not in "louder than he normally is"

    def _negations(self, mark: Mark, index: int) -> None:
        self.negation = None if mark.id == "none" else mark
        before = self.marks[index - 1] if index else None
        if self.found and before is not None and before.kind == "moves" and self._text(mark) == "neither":
            self.found[-1].polarity, self.found[-1].end = Polarity.ABSENT, mark.end
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        alone = following is None or following.kind in ("comma", "hard", "soft")
        if alone and self._text(mark) == "no" and self._answers(index):
            self.found[-1].polarity, self.found[-1].end, self.negation = Polarity.ABSENT, mark.end, None
            return
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
        if self.echoed:
            self.pending, self.echoed = [], False
        if mark.id == "gaze" and (self.pending or self._is_look(mark)):
            return
        if self._is_left_out(mark, index):
            return
        self.pending.append(mark)

    def _moves(self, mark: Mark, index: int) -> None:
        if self.echoed and self.pending and mark.token - self.pending[-1].last > 5:
            self.pending, self.echoed = [], False  # too far from its pronoun
        acting = (
            re.match(r"\s(?!in\b|on\b|at\b|of\b|to\b|else\b|more\b|there\b|around\b)[a-z]", self.text[mark.end :])
            is not None
        )
        if self._text(mark) == "nothing" and ((not self.pending and not self.last) or acting):
            self.negation = mark._replace(kind="negations", id="absent")  # "nothing pulls the brows down"
            return
        if (
            (mark.id in ("turn", "tilt") and self._goes_on(index))
            or self._is_aside(mark)
            or self._is_rank(mark, index)
            or self._is_adverb(mark, index)
            or self._is_split(mark, index)
        ):
            return
        if self._is_turn(mark, index) and not self._has_object(mark, index):
            self._turned(mark, index)
            return
        self._leave_head(mark)
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        if following is not None and following.kind in ("sides", "strengths") and index + 2 < len(self.marks):
            following = self.marks[index + 2] if self.marks[index + 2].kind == "parts" else following
        if following is not None and (object_ := self._denied_object(mark, index)) is not None:
            self.used.add(object_)
            self.negation = following
            self._say([object_], mark, index)
            self.negation = None
            return
        governs = following is not None and _OBJECT.fullmatch(self.text, mark.end, following.start) is not None
        gap = 3 if (not self.pending or governs) and self._text(mark) not in lexicon()["particles"] else 0
        if (
            following is not None
            and following.kind == "parts"
            and not self._is_look(following)
            and following.token - mark.last - 1 <= gap
            and self._pairs([following], mark, index)
        ):
            self.used.add(following)
            self._say([following], mark, index)
        elif not self.pending and not self.last and not self.found and mark.token <= 2 and self._echo(mark, index):
            return
        elif self.pending:
            parts = self.pending if self._pairs(self.pending, mark, index) else []
            if parts:
                self._say(parts, mark, index)
                self.pending = []
        elif self.last and mark.token - self.last[-1].last <= 11:
            self._say(self.last, mark, index)
        elif self.group and mark.id in ("show", "act"):
            self._predicates(mark._replace(id="present"), index)
        elif self.group and mark.id == "rest" and self._text(mark).split()[-1] in lexicon()["resting"]:
            self._predicates(mark._replace(id="absent"), index)
        elif (units := lexicon()["alone"].get(self._text(mark))) is not None:
            self._name_it(Assertion(CueKind.ACTION_UNIT, mark.start, mark.end, tuple(units)), mark)

    def _denied_object(self, mark: Mark, index: int) -> Mark | None:
        """The part that a verb is said not to move: "raises neither of her eyebrows", "lifts no brow"."""
        rest = self.marks[index + 1 : index + 3]
        if len(rest) < 2 or rest[0].kind != "negations" or rest[1].kind != "parts" or rest[1].token - rest[0].last > 4:
            return None
        near = rest[0].token - mark.last == 1 and self._text(rest[0]).split()[0] in ("neither", "no", "none")
        return rest[1] if near and self._pairs([rest[1]], mark, index) else None

    def _is_aside(self, mark: Mark) -> bool:
        """Whether "to one side" only says that a turn or tilt before it goes somewhere."""
        return mark.id == "aside" and self.moved is not None and self.moved.id in ("turn", "tilt") and 0 < mark.token - self.moved.last <= 2  # fmt: skip

    def _is_rank(self, mark: Mark, index: int) -> bool:
        """Whether "ahead" puts one emotion before another: "ahead of sadness"."""
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        return self._text(mark).endswith("ahead") and following is not None and following.kind == "emotions" and following.token - mark.last <= 3  # fmt: skip

    def _has_object(self, mark: Mark, index: int) -> bool:
        """Whether a part that the movement is said of follows: "turns her eyes"."""
        rest = [one for one in self.marks[index + 1 : index + 4] if one.kind not in ("sides", "strengths")]
        if rest and rest[0].kind == "noun" and rest[0].token - mark.last == 1:
            return True  # "a left-leaning smile"
        return bool(rest) and rest[0].kind == "parts" and rest[0].token - mark.last <= 4

    def _is_split(self, mark: Mark, index: int) -> bool:
        """Whether the verb of a movement stands on both sides of its object: "blows the cheeks up", "tips her head back"."""
        particles = lexicon()["particles"]
        rest = self.marks[index + 1 : index + 3]
        if mark.id in ("turn", "tilt") and len(rest) == 2 and rest[0].kind == "parts" and rest[1].kind == "moves":
            near = rest[0].token - mark.last <= 3 and rest[1].token - rest[0].last == 1
            return near and rest[1].id not in ("turn", "tilt") and self._text(rest[1]).split()[0] in particles
        last = self.last[-1] if self.last else None
        return (
            last is not None
            and self.moved is not None
            and self.moved.end <= last.start
            and mark.token - last.last == 1
            and self._text(mark) in particles
        )

    def _is_look(self, mark: Mark) -> bool:
        """Whether "look" is what a face looks like: "a downturned look"."""
        aimed = re.match(r"\s(?:to|towards?|at|into|up|down|left|right|away|over|off)\b", self.text[mark.end :])
        return (
            aimed is None
            and self._text(mark) == "look"
            and _LOOK.search(self.text[max(0, mark.start - 45) : mark.start]) is not None
        )

    def _is_adverb(self, mark: Mark, index: int) -> bool:
        """Whether "still" is no rest but goes with the next word: "still open"."""
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        still = self._text(mark) == "still" and following is not None and following.token == mark.last + 1
        return still and following is not None and following.kind == "moves"

    def _leave_head(self, mark: Mark) -> None:
        """Forgets a head or face that the movement is not said of: "the face looks happy, and the mouth corners …"."""
        following = [*self.pending[1:], mark]
        self.pending = [
            part
            for part, other in zip(self.pending, following, strict=False)
            if part.id not in ("head", "eyes", "gaze")
            or other is mark
            or _JOINED.fullmatch(self.text, part.end, other.start)
        ]

    def _goes_on(self, index: int) -> bool:
        """Whether a colourless verb ("turned", "pushed") is followed by the word that says where: "far up", "forward"."""
        rest = [mark for mark in self.marks[index + 1 : index + 4] if mark.kind != "strengths"]
        return (
            bool(rest)
            and rest[0].kind == "moves"
            and rest[0].id not in ("turn", "aside" if self.marks[index].id == "tilt" else "turn")
            and rest[0].token - self.marks[index].last <= 3
        )

    def _pairs(self, parts: list[Mark], move: Mark, index: int) -> bool:
        return any(self._units(part, move) or self._pose(part, move, index, dry=True) is not None for part in parts)

    def _units(self, part: Mark, move: Mark) -> list[str]:
        """What a part and a movement claim; a part that "takes part" moves in any of the ways in which it can rest."""
        row: dict[str, list[str]] = lexicon()["table"].get(part.id, {})
        if move.id == "act" and "act" in row:
            return row["act"]
        acts = move.id == "act" or (
            move.id == "turn" and self._text(move).startswith("mov") and part.start < move.start and "turn" not in row
        )
        return [unit.strip("-") for unit in row.get("rest", ())] if acts else row.get(move.id, [])

    def _say(self, parts: list[Mark], move: Mark, index: int) -> None:
        for part in parts:
            span = (min(part.start, move.start), max(part.end, move.end))
            tokens = (min(part.token, move.token), max(part.last, move.last))
            if units := self._units(part, move):
                names, absent, primary, needed = readings(units)
                if move.id == "act":
                    primary = " ".join(names)  # any of them that was measured will do
                if part.id == "brows" and (ends := _ENDS.match(self.text, move.end)) is not None and not absent:
                    names = ("AU01",) if ends[1].lower() != "outer" else ("AU02",) if move.id == "up" else names
                    primary = ""
                item = Assertion(CueKind.ACTION_UNIT, *span, names=names, primary=primary, needed=needed)
                self._add(item, tokens, flip=absent)
            elif (pose := self._pose(part, move, index)) is not None:
                pose.start, pose.end = min(span[0], pose.start), max(span[1], pose.end)
                self._add(pose, tokens, flip=pose.polarity is Polarity.ABSENT)
        self.last = parts
        self.moved = move
        self.group = []
        self.echoed = False
        self.subjects[:] = [(part.id, self._is_plural(part)) for part in parts if part.id not in ("head", "gaze")]
