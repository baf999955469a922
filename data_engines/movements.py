"""Movements of a face at one moment in words: as clauses, as lists, in plain words; each sentence is read by the checker before it is used.

The words for a unit are the writer's (``prompts/writer/units``), those around them are ``prompts/engines/clues``.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from random import Random

from emollm.data_engines.phrases import Phrases, opened
from emollm.data_engines.writing.segments import FILLER, VALUE, Segments, kind_of, name_of, templates
from emollm.evidence import Evidence, check_text
from emollm.facs import ABSENT, UNITS, asymmetric
from emollm.reasoner.channels import Channels
from emollm.reasoner.unit_text import UnitText
from emollm.reasoner.wording import listed, lowered, seconds, two
from emollm.types import Cue, Part, Scale, Verdict

_TOGETHER = 3
"""Movements that one sentence tells at most."""
_PHRASED = 0.5
"""How often movements are told as a list without verbs."""
_REMARKED = 0.8
"""How often the code and the value behind a movement get words of their own."""
_MARK = re.compile(r"\(AU\d\d[^()]*\)")
_TRIES = 8
"""Wordings that are tried before the plain one is taken, or none."""


class Movements:
    """Words the movements of one person at the moment that decides.

    Args:
        channels: What was measured.
        units: The reasoner's words for them.
        evidence: The cues of the moment.
        words: Wordings of ``prompts/engines/clues``.
        random: Chooses.
    """

    def __init__(self, channels: Channels, units: UnitText, evidence: Evidence, words: Phrases, random: Random) -> None:
        self.channels = channels
        self.units = units
        self.evidence = evidence
        self.words = words
        self.random = random

    # what is read of a text

    def told(self, worded: Callable[[], str], names: Collection[str] = ()) -> str | None:
        """A sentence in which the checker reads something, all of it supported; None where no wording is read so.

        Args:
            worded: Gives a wording, another one each time.
            names: Names of cues that all have to be read.
        """
        for _ in range(_TRIES):
            text = opened(worded())
            if self._is_true(text, names):
                return text
        return None

    def _is_true(self, text: str, names: Collection[str] = ()) -> bool:
        observation, person = self.channels.observation, self.channels.person
        found = check_text(text, Part.OBSERVATIONS, observation, person.id if person is not None else None)
        if not found or any(one.verdict is not Verdict.SUPPORTED for one in found):
            return False
        read = {cue.name for one in found for id in one.cues if (cue := self.channels.evidence.cue(id)) is not None}
        return read >= set(names)

    # times

    def when(self) -> str:
        """How a sentence about the moment begins."""
        peak = self.channels.peak
        if peak is None:
            return self.words.say("photo") if self.channels.medium == "photo" else ""
        block = "apex" if peak.reason is None else "clearest" if "clearest" in peak.reason else "moment"
        return self.words.say(block, time=seconds(peak.time))

    def then(self) -> str:
        """The moment within a sentence; nothing in a photo."""
        peak = self.channels.peak
        return self.words.say("then", time=seconds(peak.time)) if peak is not None else ""

    # sentences

    def sentences(self, cues: Sequence[Cue]) -> Iterator[str]:
        """Some movements in sentences of up to three."""
        at = 0
        while at < len(cues):
            size = self.random.randint(1, _TOGETHER)
            yield self._sentence(cues[at : at + size], first=not at)
            at += size

    def likely(self, cues: Sequence[Cue], first: bool) -> str:
        """Units with a probability as one list.

        Args:
            cues: The units.
            first: Say the time, too.
        """
        names = [f"{UNITS[cue.name].name} ({self.units.mark(cue)})" for cue in cues]

        def worded() -> str:
            times = {"when": self.when(), "then": self.then()} if first else {"when": "", "then": ""}
            return self.words.say("likely", units=f"the {listed(names)}", count=len(cues), **times)

        return self.told(worded, [cue.name for cue in cues]) or self._safely(cues)

    def _sentence(self, cues: Sequence[Cue], first: bool) -> str:
        return self.told(lambda: self._worded(cues, first), [cue.name for cue in cues]) or self._safely(cues)

    def _worded(self, cues: Sequence[Cue], first: bool) -> str:
        """A sentence in clauses or as a list."""
        block, times = ("face", {"when": self.when(), "then": self.then()}) if first else ("face_more", {})
        if self.random.random() < _PHRASED:
            phrases = [self._drawn(cue, "phrase") for cue in cues if not asymmetric(cue.left, cue.right)]
            said = [text for text in phrases if text is not None]
            if len(said) == len(cues):
                return self.words.say(f"{block}_phrases", phrases=self._joined(said, "join_phrases"), **times)
        clauses = [self._clause(cue) or self._plainest(cue) for cue in cues]
        return self.words.say(block, clauses=self._joined(clauses, "join_clauses"), **times)

    def _joined(self, items: Sequence[str], block: str) -> str:
        text = items[0]
        for item in items[1:]:
            joiner = self.words.say(block)
            text += f"{joiner} {item}" if joiner[0] in ",;" else f" {joiner} {item}"
        return text

    def _safely(self, cues: Sequence[Cue]) -> str:
        """Movements in the plainest words, where no other is read as meant."""
        return f"{opened(listed([self._plainest(cue) for cue in cues]))}."

    # single movements

    def clause(self, cue: Cue) -> str:
        """What one unit looks like, as a clause in lower case with its side, without code and value."""
        drawn = (self._clause(cue, code=False) for _ in range(_TRIES))
        found = next((text for text in drawn if text is not None and self._is_true(f"{opened(text)}.")), None)
        return found if found is not None else self._plainest(cue, code=False)

    def plain(self, cue: Cue) -> str | None:
        """A movement in plain words, without codes, values and terms of the trade; None where there are none for it."""
        drawn = (self._drawn(cue, "clause") for _ in range(2 * _TRIES))
        return next((text for text in drawn if text is not None and self._is_true(f"{opened(text)}.")), None)

    def values(self, codes: Sequence[str]) -> list[str]:
        """Units with their values, in words of many kinds: those that are there in a word that can be checked."""
        cues = [cue for code in codes if self.units.values([code]) and (cue := self.evidence.best(code)) is not None]
        return [self._drawn(cue, "mention") or self.units.value(cue) for cue in cues]

    def _clause(self, cue: Cue, code: bool = True) -> str | None:
        """A drawn clause, with the side where the two differ."""
        left, right = cue.left, cue.right
        if left is None or right is None or not asymmetric(left, right):
            return self._drawn(cue, "marked" if code else "clause", terms=code)
        text = self._drawn(cue, "clause", terms=code)
        if text is None or text.startswith(("both ", "the two ")) or text.endswith("high"):
            return None
        side, other = ("left", "right") if left > right else ("right", "left")
        said = self.words.say("side_only" if min(left, right) < ABSENT else "side_more", side=side, other=other)
        clause = f"{text}{said}" if said.startswith(",") else f"{text} {said}"
        values = {"name": cue.name, "value": two(cue.value), "left": two(left), "right": two(right)}
        return f"{clause} {self.words.say('mark_sides', **values)}" if code else clause

    def _plainest(self, cue: Cue, code: bool = True) -> str:
        if cue.scale is Scale.PROBABILITY:
            return f"the {UNITS[cue.name].name} is likely present{f' ({self.units.mark(cue)})' if code else ''}"
        clause = lowered(self.units.clause((cue,))) + self.units.side(cue)
        return f"{clause} ({self.units.mark(cue)})" if code else clause

    def _drawn(self, cue: Cue, form: str, terms: bool = False) -> str | None:
        """Words of the writer for a unit, without its adverbs; None for those that read badly here.

        Args:
            cue: The unit.
            form: ``clause``, ``marked``, ``mention`` or ``phrase``.
            terms: Take clauses with terms of the trade.
        """
        kind = kind_of(cue.value or 0.0, cue.scale is Scale.PROBABILITY)
        text = self.random.choice(templates(cue.name, kind, form))
        if _segments().read(cue.name, kind, text) is None or _AWKWARD.search(text):
            return None
        if form == "clause":
            trade = (UNITS[cue.name].name, name_of(cue.name), "AU", "detect")
            return None if not terms and any(term in text for term in trade) else text.replace(FILLER, "")
        if text.count(VALUE) != 1:
            return None
        marked = _MARK.sub(lambda _: self._mark(cue), text) if self.random.random() < _REMARKED else text
        return marked.replace(FILLER, "").replace(VALUE, two(cue.value))

    def _mark(self, cue: Cue) -> str:
        """A unit with its value in parentheses."""
        block = "mark_probability" if cue.scale is Scale.PROBABILITY else "mark"
        return self.words.say(block, name=cue.name, long=name_of(cue.name), value=two(cue.value))


@cache
def _segments() -> Segments:
    """The wordings of the writer, read once in a process."""
    return Segments()


_AWKWARD = re.compile(
    r"\b(?:his or her|furthermore|besides|moreover|likewise|also|too|in addition|chiefly|one finds|one sees|there is an?|with \0)(?!\w)"
)
"""What reads badly in a clause among others."""
