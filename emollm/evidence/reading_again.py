"""What goes on with a part or a movement that was spoken of before: pronouns, fragments, "too", "no", relative clauses."""

import re

from emollm.evidence.assertions import Polarity
from emollm.evidence.lexicon import Mark, lexicon
from emollm.evidence.reading_pose import Poser

_SHOWS = re.compile(r"\salso\s(?:has|shows|displays|includes|contains)\s", re.IGNORECASE)


class Resumer(Poser):
    """Reads what leaves its part or its movement to the words before."""

    def _relative(self, mark: Mark, index: int) -> None:
        """A clause that says something of the part right before it: "the lids, which are tightened"."""
        self.negation, self.generic = None, False
        before = self.marks[index - 1]
        self.pending = [before] if before.kind == "parts" else []

    def _echo(self, mark: Mark, index: int) -> bool:
        """Reads a fragment that goes on with the part of the sentence before."""
        place = (mark.start, mark.end, mark.token, mark.last)
        parts = [part for name, _ in self.subjects if self._pairs([part := Mark("parts", name, *place)], mark, index)]
        kept = [*self.subjects]
        if parts:
            self._say(parts, mark, index)
            self.subjects[:] = kept
        return bool(parts)

    def _is_plural(self, part: Mark) -> bool:
        """Whether the words of a part, or the pronoun that stands for it, are plural."""
        words = self._text(part).split()
        return words[0] not in lexicon()["again_one"] and any(word.endswith("s") or word in ("teeth", "they're", "they", "these", "those", "both", "they've") for word in words)  # fmt: skip

    def _again(self, mark: Mark, index: int) -> None:
        """A pronoun goes on with the parts that were spoken of last, if it agrees with them: "nor are they puckered"."""
        if _SHOWS.match(self.text, mark.end):  # the face does: "it also shows …"
            return
        many = self._text(mark) not in lexicon()["again_one"]
        fit = [part for part, plural in self.subjects if plural == many or (many and len(self.subjects) > 1)]
        if fit and not self.pending and not self.last and not self.inside and not self.group:
            self.pending = [Mark("parts", part, mark.start, mark.end, mark.token, mark.last) for part in fit]
            self.echoed = True

    def _answers(self, index: int) -> bool:
        """Whether a "no" stands right behind a statement: "lip corners raised, no"."""
        before = self.marks[index - 1] if index else None
        if before is None or before.kind not in ("comma", "hard") or not self.found:
            return False
        return self.marks[index].token - before.last == 1 and self.tokens[id(self.found[-1])][1] == before.token - 1

    def _is_left_out(self, mark: Mark, index: int) -> bool:
        """Reads a part that ends its clause behind a "not": "tension in the brows, but not in the lips"."""
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        before = self.marks[index - 2 : index] if index > 1 else []
        ended = following is None or (following.kind in ("comma", "hard", "close") and following.token == mark.last + 1)
        if (
            not ended
            or len(before) < 2
            or before[1].kind != "negations"
            or self._text(before[1]) not in ("not", "never")
        ):
            return False
        joined = before[0].kind in ("hard", "comma", "soft") and before[1].token - before[0].last == 1
        if not joined or mark.token - before[1].last > 4 or self.moved is None or not self.found:
            return False
        if self.found[-1].polarity is not Polarity.PRESENT or not self._pairs([mark], self.moved, index):
            return False
        moved = self.moved._replace(start=mark.start, end=mark.end, token=mark.token, last=mark.last)
        self.negation = before[1]
        self._say([mark], moved, index)
        self.negation = None
        return True

    def _likewise(self, mark: Mark, index: int) -> None:
        """A part that does as the one before it: "outer brow too"."""
        following = self.marks[index + 1] if index + 1 < len(self.marks) else None
        stops = ("comma", "hard", "soft", "close")
        ended = following is None or (following.kind in stops and following.token == mark.last + 1)
        if ended and self.pending and self.moved is not None and self._pairs(self.pending, self.moved, index):
            move = self.moved._replace(start=mark.start, end=mark.end, token=mark.token, last=mark.last)
            self._say(self.pending, move, index)
            self.pending, self.negation = [], None
