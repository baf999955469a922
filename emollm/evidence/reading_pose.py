"""Where a head or eyes are turned: directions beside a verb, behind it, joined to another one, or without a verb."""

import re

from emollm.evidence.assertions import Assertion, Polarity
from emollm.evidence.lexicon import Mark
from emollm.evidence.reading_names import Namer
from emollm.types import CueKind

_MOVES = {"turn", "tilt", "bow", "rear", "up", "down", "direct", "away", "aside", "back"}
_SIGNS = {"left": 1, "right": -1, "viewer_left": -1, "viewer_right": 1}
"""Signs of an angle by the side it is turned to; left is the person's own."""
_POSED = ("head", "gaze", "eyes")
_ALONE = re.compile(r"(?:turn|rotat|swivel|twist|swung|tilt|tip|lean|inclin|cant|cock|fac)\w*(?:\s\w+)?", re.IGNORECASE)
"""Turns that are of the head where nothing else is named: "he has turned to his left", "a slight tilt to the right"."""
_WHOSE = (
    r"(?:(?:the|his|her|their|its|own|person'?s|persons'|subject's|very|far|lower|upper|bottom|top|extreme|hard)\s)*"
)
_AIM = re.compile(
    rf"(?:\b(?:to|towards?|into|onto|over|off)\s{_WHOSE}|\b(?:on|at)\s(?:his|her|their)\s(?:own\s)?|\blooking\s"
    r"|\b(?:up|down|upwards?|downwards?|lower|upper)(?:\s?[,-]|\s(?:and|or|a|an|the|little|bit|slightly|far|few|degrees?|also|then|mostly|touch|trifle"
    r"|shade))*[\s-])$",
    re.IGNORECASE,
)
"""What stands before a side that something is turned to: "toward her left", "down and left", "something on his left"."""
_SAME = re.compile(r"[\w\s,]{0,25}\b(?:the\ssame\s(?:way|side|direction)|that\s(?:way|side)\stoo|likewise)\b", re.IGNORECASE)  # fmt: skip
_CAUGHT = re.compile(
    r"\b(?:caught|catch(?:es)?|draws?|drew|drawn|got|holds?|held|takes?|taken|attract\w*|claims?|engages?)\s(?:his|her|their|the)", re.IGNORECASE
)  # fmt: skip
"""What something does that eyes turn to: "something to his left has got his attention"."""
_WEAK = re.compile(r"go|goes|gone|went|come|comes|came|mov\w*|slips?|slipped", re.IGNORECASE)
"""Verbs that are turns of a head or eyes only with a direction: "a drop of the gaze goes with the smile"."""
_RETURNS = re.compile(r"\s(?:to|at|on|towards?)\b", re.IGNORECASE)
_HANGS = re.compile(r"droop|hang|hung|flop|sag|loll|fall|fell|sink|sank|rest", re.IGNORECASE)
"""What a head does that leans to a side."""
_BESIDE = re.compile(
    r"\b(?:some(?:one|body|thing)|who|what|that|which)\b.{0,20}\b(?:on|to)\s(?:his|her|their)\s(?:own\s)?$",
    re.IGNORECASE,
)
"""What is looked at, before it is said that it is looked at: "at somebody on her left, going by where she looks"."""
_RESTS = re.compile(r"\bon(?:to)?\s(?:the|his|her|their)\s(?:own\s)?$", re.IGNORECASE)
_FAR = 14
"""Tokens over which a direction is still that of the head or eyes that were named."""


class Poser(Namer):
    """Reads poses of the head and directions of the gaze."""

    def bind(self) -> None:
        """Gives directions, then strengths, sides and probabilities to the statements that were found."""
        self._bind_aims()
        super().bind()

    def _turned(self, mark: Mark, index: int) -> None:
        """A turn that names no part is one of the head: "Turned far to the left"."""
        if mark.id == "direct" or self._direction(mark, index) is not None:
            self._say([Mark("parts", "head", mark.start, mark.end, mark.token, mark.last)], mark, index)

    def _is_turn(self, mark: Mark, index: int) -> bool:
        """Whether a movement may be one of the head though nothing names it."""
        if self.pending or self.last:
            return False
        faces = mark.id == "direct" and self._text(mark).startswith("fac")
        if (mark.id in ("turn", "tilt", "away") or faces) and not self.found and mark.token <= (7 if faces else 3):
            return self._text(mark) != "off"
        before = next((one for one in reversed(self.marks[:index]) if one.kind != "strengths"), None)
        beside = before is not None and before.kind in ("noun", "name", "parts") and mark.token - before.last <= 2
        away = mark.id == "away" and before is not None and before.id == "turn" and mark.token - before.last <= 2
        return not beside and (away or (mark.id in ("turn", "tilt") and _ALONE.fullmatch(self._text(mark)) is not None))

    def _pose(self, part: Mark, move: Mark, index: int, dry: bool = False) -> Assertion | None:
        """Head pose or gaze that a part and a movement speak of, if any."""
        if move.id not in _MOVES or part.id not in _POSED:
            return None
        if part.id != "head" and move.id in ("tilt", "bow", "rear", "back"):
            return None
        side = self._direction(move, index)
        weak = move.id == "turn" and _WEAK.fullmatch(self._text(move)) is not None and side is None
        if weak or (move.id == "back" and _RETURNS.match(self.text, move.end)):
            return None
        sign = _SIGNS.get(side.id if side else "", 0)
        if sign and side is not None and not dry and move.id not in ("up", "rear", "back", "down", "bow", "direct"):
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
            if mark.kind == "sides" and mark.token - move.last <= 8:
                return mark
            object_ = mark.kind == "parts" and mark.id in _POSED and mark.token - move.last <= 3
            if mark.kind not in ("number", "strengths", "moves") and not object_:
                break
        before = self.marks[index - 1] if index else None
        if before is not None and before.kind == "sides" and move.token - before.last == 1:
            return before
        return None

    def _bind_aims(self) -> None:
        """Directions that no verb has taken: "up and a little to her left", "aimed toward his right", "looks, again, left"."""
        for index, mark in enumerate(self.marks):
            sign = _SIGNS.get(mark.id, 0) if mark.kind == "sides" else 0
            if not sign or mark in self.used or self._is_of_a_part(index):
                continue
            owner = self._owner_of_aim(index)
            ward = "ward" in self._text(mark)
            before = self.text[max(0, mark.start - 50) : mark.start]
            rests = "shoulder" in self._text(mark) and _RESTS.search(before) is not None
            if owner is None or not (ward or rests or _AIM.search(before) or before.endswith(", the ")):
                continue
            name, part = owner
            kind = CueKind.HEAD_POSE if part.id == "head" else CueKind.GAZE
            turns = [
                one
                for one in self.found
                if one.kind is kind and one.polarity is Polarity.PRESENT and any(pair[0] == name for pair in one.directions)
            ]  # fmt: skip
            open_ = [one for one in turns if one.directions == ((name, 0),) and one.end <= mark.start]
            if any((name, sign) in one.directions for one in turns):
                self.used.add(mark)
            elif open_:
                open_[-1].directions, open_[-1].end = ((name, sign),), max(open_[-1].end, mark.end)
                self.used.add(mark)
            elif not before.endswith(", the "):
                item = Assertion(kind, mark.start, mark.end, directions=((name, sign),))
                item.polarity = Polarity.ABSENT if self._is_denied(part, mark) else Polarity.PRESENT
                self.found.append(item)
                self.tokens[id(item)] = (mark.token, mark.last)
                self.used.add(mark)
        self._bind_same()

    def _is_of_a_part(self, index: int) -> bool:
        """Whether a side is that of a part or a movement right behind it: "the left corner"."""
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        near = following is not None and following.token - self.marks[index].last == 1
        return following is not None and near and following.kind in ("parts", "noun", "name", "code", "features")

    def _owner_of_aim(self, index: int) -> tuple[str, Mark] | None:
        """The angle and the head or eyes that a direction belongs to: the last that was named before it, if nothing else was since."""
        tilted = False
        for other in reversed(self.marks[:index]):
            if self.marks[index].token - other.last > _FAR or other.kind in ("noun", "name", "code", "features"):
                return None
            if other.kind == "hard" and self.text[other.start : other.end] != ":":
                return None
            if other.kind == "moves":
                tilted = tilted or other.id == "tilt" or _HANGS.match(self.text, other.start) is not None
            if other.kind == "parts":
                if other.id not in _POSED:
                    return None
                lean = re.search(r"\b(?:lean|tilt|cant|inclination)\sof\s\w+\s$", self.text[max(0, other.start - 30) : other.start], re.IGNORECASE)  # fmt: skip
                head = other.id == "head"
                shoulder = "shoulder" in self._text(self.marks[index])
                rests = shoulder and not any(one.id == "turn" for one in self.marks[:index])
                return ("roll" if head and (tilted or rests or lean) else "yaw" if head else "gaze_yaw"), other
        if _BESIDE.search(self.text[max(0, self.marks[index].start - 40) : self.marks[index].start]) is not None:
            seen = next((one for one in self.marks[index + 1 :] if one.kind == "parts"), None)
            return ("gaze_yaw", seen) if seen is not None and seen.id == "gaze" else None
        caught = next(
            (one for one in self.marks[index + 1 : index + 4] if one.kind == "parts" and one.id in ("gaze", "eyes")),
            None,
        )
        return (
            ("gaze_yaw", caught)
            if caught is not None and _CAUGHT.search(self.text[self.marks[index].end : caught.end])
            else None
        )

    def _is_denied(self, part: Mark, mark: Mark) -> bool:
        """Whether a denial stands between a part and its direction."""
        return any(part.end <= one.start < mark.start for one in self.marks if one.kind == "negations")

    def _bind_same(self) -> None:
        """A tilt or turn "the same way" goes where the one before goes."""
        posed = [one for one in self.found if one.kind in (CueKind.HEAD_POSE, CueKind.GAZE)]
        signs = [
            pair[1] for one in posed for pair in one.directions if pair[0] in ("yaw", "roll", "gaze_yaw") and pair[1]
        ]
        for one in posed if signs else ():
            if len(one.directions) == 1 and not one.directions[0][1] and _SAME.match(self.text, one.end):
                one.directions = ((one.directions[0][0], signs[0]),)
