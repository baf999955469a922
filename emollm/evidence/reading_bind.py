"""To which statement of a sentence strengths and probabilities belong."""

import re

from emollm.evidence.assertions import Assertion, Number, Polarity
from emollm.evidence.lexicon import Mark, parse_number
from emollm.facs import Strength
from emollm.types import CueKind

_IS = re.compile(
    r"[\s,):]*(?:(?:that|which|and|but|though)\s)?(?:(?:is|are|was|were|looks?|remains?|stays?|seems?|appears?|registers?|comes?|shows?|has|have|detected|seen|observed"
    r"|present|visible|evident|noted|noticeable|rated|scored|active|clearly|still|with|and|of|at|by|in|to|so|only|very|quite|rather"
    r"|both|they|it|one|ones|really|about|just|almost|nearly|pretty|such|a|an|the|it's|its|scarcely|that)[\s,]+){0,6}"
    r"|\s(?:in|on|of|for)(?:\s(?:the|p\d|person|one|man|woman|individual|subject|face|on|at|left|right|first|second|other)){0,5}[\s,:—–]+|\s?[:(=—–-]\s?",
    re.IGNORECASE,
)
"""What stands between a movement and a strength that is said of it afterwards."""
_WORD = re.compile(r"\s([a-z]+)", re.IGNORECASE)
_ADVERBS = {"very", "far", "extremely", "really", "well", "way"}
_LATER = {
    "after",
    "afterwards",
    "later",
    "before",
    "earlier",
    "while",
    "longer",
    "more",
    "less",
    "then",
    "ago",
    "beyond",
}
_FUNCTION = {
    "and", "or", "but", "at", "in", "on", "to", "with", "by", "for", "of", "as", "from", "off", "over", "so", "than", "that", "this", "when", "while",
    "then", "which", "who", "is", "are", "was", "were", "the", "a", "an", "his", "her", "their", "its", "indeed", "too", "also", "again", "here",
    "there", "now", "still", "already", "during", "around", "under", "into", "towards", "toward", "after", "before", "throughout", "if", "because",
}  # fmt: skip
"""Words that an adverb of degree is not said of."""
_IN_FRONT = {"well", "way", "light", "little", "great", "soft", "full", "right", "really"}
"""Strengths only where what they are said of follows: "well apart", not "as well"."""


class Binder:
    """What is known of a sentence while it is read, and what binds words to its statements."""

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
        self.compared = False
        """Whether what holds in general is a comparison that ends with its clause: "as if for a kiss"."""
        self.inside = False
        self.code: tuple[Assertion, str, Mark] | None = None
        self.moved: Mark | None = None
        """What was last said of a part."""
        self.subjects: list[tuple[str, bool]] = []
        """Ids of the parts that were spoken of last, for pronouns, and whether they are plural."""
        self.echoed = False
        """Whether a pronoun stands for the pending parts."""
        self.used: set[Mark] = set()
        self.dropped: set[int] = set()
        self.strays: list[tuple[Assertion, str]] = []
        """Codes in the open parenthesis that the words before it do not speak of."""

    def bind(self) -> None:
        """Gives strengths, sides and probabilities to the statements that were found."""
        self._bind_strengths()
        self._bind_sides()
        self._bind_expressions()

    def _bind_sides(self) -> None:
        """Gives sides to the statements; see :class:`emollm.evidence.reading_sides.Sider`."""
        raise NotImplementedError

    def _say(self, parts: list[Mark], move: Mark, index: int) -> None:
        """Makes statements of parts and a movement; see :mod:`emollm.evidence.reading`."""
        raise NotImplementedError

    def _pairs(self, parts: list[Mark], move: Mark, index: int) -> bool:
        """Whether a movement can be said of any of the parts; see :mod:`emollm.evidence.reading`."""
        raise NotImplementedError

    def _moves(self, mark: Mark, index: int) -> None:
        """Reads what a part does; see :mod:`emollm.evidence.reading`."""
        raise NotImplementedError

    def _text(self, mark: Mark) -> str:
        return self.text[mark.start : mark.end].lower()

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

    def _nearest(self, mark: Mark, after: int, over_comma: bool = False, behind: bool = False) -> Assertion | None:
        """The assertion that an adverb or a side belongs to: around it, else right behind it, else up to ``after`` before.

        Args:
            mark: The adverb or side.
            after: How many tokens before it an assertion may end.
            over_comma: Whether a comma may stand between them.
            behind: Whether what it belongs to stands before it.
        """
        within = [other.token for other in self.marks if other.kind in ("open", "close") and other.token in (mark.token - 1, mark.last + 1)]  # fmt: skip
        around = within if len(within) == 2 and mark.kind == "sides" else []
        stops = [
            other.token
            for other in self.marks
            if (other.kind in ("hard", "open", "close") and other.token not in around)
            or (
                other.kind == "soft"
                and not (self._text(other) == "with" and 0 < mark.token - other.last <= 3 and mark.kind == "sides")
            )
            or (other.kind == "comma" and not over_comma)
        ]

        def clear(first: int, last: int) -> bool:
            return not any(first < stop < last for stop in stops)

        part = next((one for one in self.marks if one.token == mark.last + 1 and one.kind == "parts"), None)
        ends = part.last if part is not None and mark.kind == "sides" else mark.last
        best: tuple[int, Assertion] | None = None
        for item in self.found:
            first, last = self.tokens[id(item)]
            if first <= mark.token <= last:
                ended = [
                    one
                    for one in self.found
                    if 0 < mark.token - self.tokens[id(one)][1] <= after and self.tokens[id(one)][0] == first
                ]
                if ended and not clear(mark.last, last) and clear(self.tokens[id(ended[-1])][1], mark.token):
                    return ended[-1]  # "lips stretched to the right and parted"
                return item
            if not behind and mark.last < first and first - ends <= 3 and clear(mark.last, first):
                rank = first - ends
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
            if self._is_of_another(mark):
                continue
            item = self._before(mark) or self._nearest(mark, after=2) or self._described(mark) or self._ahead(mark)
            if item is None or item.strength is Strength.SLIGHT or self._is_in_front(mark, item):
                continue
            if self._text(mark) in _IN_FRONT and self.tokens[id(item)][1] < mark.token:
                continue
            item.start, item.end = min(item.start, mark.start), max(item.end, mark.end)
            if mark.id in ("clear", "any"):
                item.clear = item.polarity is (Polarity.PRESENT if mark.id == "clear" else Polarity.ABSENT)
            elif item.polarity is Polarity.ABSENT and mark.id == "strong":
                item.polarity = Polarity.NOT_STRONG
            elif item.polarity is Polarity.PRESENT:
                item.strength = Strength(mark.id)
                self._share(item)

    def _share(self, item: Assertion) -> None:
        """Gives a strength also to the movement right before it of the same part: "stretched open so weakly"."""
        first, last = self.tokens[id(item)]
        for one in self.found:
            if self.tokens[id(one)] == (first, last - 1) and one.strength is None and one.polarity is Polarity.PRESENT:
                one.strength = item.strength

    def _is_of_another(self, mark: Mark) -> bool:
        """Whether an adverb goes with a word behind it that is not known: "far louder", "very odd"."""
        words = self._text(mark).split()
        following = _WORD.match(self.text, mark.end)
        if (
            following is not None
            and words[-1] in ("little", "bit", "shade", "while")
            and following[1].lower() in _LATER
        ):
            return True
        if words[-1] in _ADVERBS and re.match(r"\s{4}", self.text[mark.end :]):
            return True  # with something that was read of a voice
        if following is None or (words[-1] not in _ADVERBS and not following[1].endswith(("er", "ier"))):
            return False
        known = any(other.start <= following.start(1) < other.end for other in self.marks)
        return not known and following[1].lower() not in _FUNCTION

    def _is_in_front(self, mark: Mark, item: Assertion) -> bool:
        """Whether a strength stands right before something else than the statement before it: "a smile, slight tilt"."""
        index = self.marks.index(mark)
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        near = following is not None and following.token == mark.last + 1 and following.kind in ("noun", "name", "moves", "parts")  # fmt: skip
        return near and self.tokens[id(item)][1] < mark.token

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
