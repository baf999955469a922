"""Why the weights are what they are, in sentences: what speaks for a label, what is lacking, unknown or in doubt.

Wordings are those of ``prompts/reasoner/rationale``.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from emollm.evidence import Evidence
from emollm.reasoner.assumptions import opposed
from emollm.reasoner.unit_text import UnitText
from emollm.reasoner.weighing import (
    MOUTH_OPENING,
    Match,
    ReasonerSettings,
    Weighing,
    expressive,
    is_present,
    told_by_face,
)
from emollm.reasoner.wording import Wording, listed, lowered, seconds, two
from emollm.types import Cue, Scale

_BY_UNITS = 0.1
"""Weight of a label by units alone up to which it is said to rest on the network."""


class Decision(NamedTuple):
    """What the weights lead to."""

    outcome: str
    """``answered``, ``answered_neutral``, ``answered_unmeasured`` (no strength), or why not: ``unclear_close``, ``unclear_thin``,
    ``no_face`` …"""
    label: str
    second: str
    intensity: float | None


class Doubt(NamedTuple):
    """A reason to trust the units less, with the block that words it."""

    block: str
    values: dict[str, str]


class WeightText:
    """Words how the units of one moment weigh for the labels.

    Args:
        units: Words units.
        weighing: The weights.
        decision: What they lead to.
        doubts: Why the units are less certain.
        time: Of the moment in a clip, in seconds; None in a photo.
        later: Units that were measured at another moment of the clip.
        random: Chooses among wordings.
    """

    def __init__(
        self,
        units: UnitText,
        weighing: Weighing,
        decision: Decision,
        doubts: Sequence[Doubt],
        time: float | None,
        later: frozenset[str],
        random: Random,
    ) -> None:
        self.units = units
        self.evidence: Evidence = units.evidence
        self.settings: ReasonerSettings = units.settings
        self.weighing = weighing
        self.decision = decision
        self.doubts = doubts
        self.time = time
        self.later = later
        self.words = Wording("reasoner/rationale", random)

    def sentences(self) -> list[str]:
        """What speaks for the label and its neighbour, what is lacking, unknown, in conflict or in doubt."""
        weighing, measured = self.weighing, self.evidence.units
        moving = [cue for cue in measured if expressive(cue.name) and is_present(cue)]
        present = [cue for cue in moving if is_present(cue, weighing.speaking)]
        mouth_only = bool(present) and all(cue.name in MOUTH_OPENING for cue in present)
        out = [] if measured else [self.words.say("no_units")]
        if self.decision.label == weighing.neutral and weighing.stillness > 0 and not (present and not mouth_only):
            block = "still_but_mouth" if mouth_only else "still_but_speech" if moving else "still_face"
            out.append(self.words.say(block))
        if spoken := [cue.name for cue in moving if told_by_face(cue.name, weighing.speaking) < 1]:
            out.append(self.words.say("speech", units=listed(self.units.values(spoken)), count=len(spoken)))
        if self.decision.outcome != "unclear_empty":
            out += self._labels()
        elif measured:
            out.append(self.words.say("no_match"))
        if mouth_only:
            out.append(self.words.say("mouth_only_then" if self.time is not None else "mouth_only"))
        elif self.decision.outcome != "unclear_empty":
            out += self._aside(present, " ".join(out))
        out += self._conflicts()
        out += self._network()
        if weighing.unknown_labels:
            labels = listed(weighing.unknown_labels)
            out.append(self.words.say("no_prior", labels=labels, count=len(weighing.unknown_labels)))
        if self.doubts:
            reasons = listed([self.words.say(doubt.block, **doubt.values) for doubt in self.doubts])
            out.append(self.words.say("doubt", reasons=reasons))
        return list(dict.fromkeys(out)) or [self.words.say("nothing_clear")]

    def _network(self) -> list[str]:
        """What an expression network counts for, and whether the units say the same."""
        weighing, label = self.weighing, self.decision.label
        if not weighing.expressions or not self.evidence.units:
            return []
        out = []
        if (found := weighing.disagreement(self.settings)) is not None:
            cues = [weighing.expressions[one] for one in found]
            words = [Evidence.emotion(cue) for cue in cues]
            if None not in words:
                values = {"value": two(cues[0].value), "second_score": two(cues[1].value)}
                out.append(self.words.say("network_differs", emotion=words[0], second=words[1], **values))
        elif self.decision.outcome.startswith("answered") and weighing.by_units.get(label, 0.0) <= _BY_UNITS:
            out.append(self.words.say("network_alone", label=label))
        if 0 < weighing.share < 1:
            out.append(self.words.say("expression_share", score=two(weighing.share)))
        return out

    def _labels(self) -> list[str]:
        """What speaks for the two best labels, or for the best one and, in a word, the other."""
        decision, matches = self.decision, self.weighing.matches
        unclear = decision.outcome.startswith("unclear")
        shown = [matches[label] for label in (decision.label, decision.second) if label in matches]
        shared = self._shared(shown) if unclear else []
        out = []
        if shared:
            emotions, cite = listed([match.emotion for match in shown]), shown[0].prior.cite
            out.append(
                self.words.say("match_both", units=listed(shared), count=len(shared), emotion=emotions, cite=cite)
            )
        for match in shown:
            if self._core(match) if unclear else match.label == decision.label:
                out += self._explain(match, shared=shared)
            elif not unclear and match.support > 0 and (here := self.units.values(match.present)):
                names = {"emotion": match.emotion, "cite": match.prior.cite}
                out.append(self.words.say("match_runner_up", units=listed(here), count=len(here), **names))
        return out

    def _then(self, block: str, /, **values: Any) -> str:
        """What is not there at the moment: in a clip with its time, as it may be there at another."""
        said = self.words.say(block, **values)
        if self.time is None:
            return said
        return f"At {seconds(self.time)} s {said if said.startswith('AU') else lowered(said)}"

    def _aside(self, present: Sequence[Cue], said: str) -> list[str]:
        """The strongest movement, where what was said for the labels leaves it out."""
        if not present:
            return []
        top = min(present, key=lambda cue: (cue.scale is not Scale.INTENSITY, -(cue.value or 0.0), cue.name))
        if top.name in said:
            return []
        label = self.decision.label
        fits = [match for match in self.weighing.matches.values() if top.name in match.prototype.units]
        fits.sort(key=lambda match: -match.support)
        emotions = list(dict.fromkeys(one.emotion for one in fits))
        block = "aside_neutral" if label == self.weighing.neutral else "aside"
        match = self.weighing.matches.get(label)
        if self.decision.outcome.startswith("unclear") and not (match and self._core(match)):
            block = "aside_unclear"
        return [
            self.words.say(
                block, units=listed(self.units.values([top.name])), label=label, emotion=listed(emotions or [""])
            )
        ]

    def _conflicts(self) -> list[str]:
        """Present pairs that pull against each other, unless the label's prior lists both."""
        match = self.weighing.matches.get(self.decision.label)
        own = {*match.prototype.units} if match else set()
        found = [
            pair
            for pair in opposed()
            if all(is_present(self.evidence.best(unit), self.weighing.speaking) for unit in pair)
        ]
        return [
            self.words.say("conflict", units=listed(self.units.values(pair)))
            for pair in found
            if not own.issuperset(pair)
        ]

    def _core(self, match: Match) -> list[str]:
        """Units of a label's core that are there, with their values."""
        return self.units.values([unit for unit in match.present if unit in match.prototype.core])

    def _shared(self, matches: Sequence[Match]) -> list[str]:
        """The core units of the two best labels, where they are the same ones of one prior: they are told once."""
        if len(matches) < 2 or matches[0].prior is not matches[1].prior or matches[0].emotion == matches[1].emotion:
            return []
        first, second = (self._core(match) for match in matches)
        return first if first == second else []

    def _explain(self, match: Match, shared: Sequence[str] = ()) -> list[str]:
        """What speaks for a label, what is lacking, what is unknown, what conflicts."""
        out = []
        names = {"emotion": match.emotion, "cite": match.prior.cite}
        core = self._core(match)
        variants = self.units.values([unit for unit in match.present if unit in match.prototype.variants])
        if core and not shared:
            out.append(self.words.say("match_core", units=listed(core), count=len(core), **names))
        if variants and core:
            out.append(
                self.words.say("match_variants", units=listed(variants), count=len(variants), emotion=match.emotion)
            )
        if match.nearly:
            out.append(self.words.say("nearly", label=match.label, emotion=match.emotion))
        if match.prototype.one_sided and match.support > 0:
            out.append(self.words.say("one_sided"))
        cues = [cue for unit in match.prototype.core if (cue := self.evidence.best(unit)) is not None]
        cues = [cue for cue in cues if cue.reliable and not self.units.is_told(cue)]
        if lacking := [cue.name if self.time is None else self.units.value(cue) for cue in cues]:
            out.append(self._then("unclear_units", units=listed(lacking), count=len(lacking), emotion=match.emotion))
        cheeks, smile = self.evidence.best("AU06"), self.evidence.best("AU12")
        if (
            match.emotion == "happiness"
            and cheeks is not None
            and cheeks.reliable
            and not is_present(cheeks)
            and is_present(smile)
        ):
            out.append(self._then("smile_without_cheeks"))
        unknown = [unit for unit in match.prototype.units if self.evidence.best(unit) is None]
        if unmeasured := [unit for unit in unknown if unit not in self.later]:
            out.append(self.words.say("unmeasured", units=listed(unmeasured), count=len(unmeasured)))
        if hidden := [unit for unit in unknown if unit in self.later]:
            out.append(self._then("unmeasured_then", units=listed(hidden), count=len(hidden)))
        low = [
            cue.name
            for unit in match.prototype.units
            if (cue := self.evidence.best(unit)) is not None and not cue.reliable and not self.units.is_told(cue)
        ]
        if low:
            out.append(self.words.say("unreliable", units=listed(low), count=len(low)))
        against = self.units.values(match.against)
        if against:
            out.append(self.words.say("against", units=listed(against), count=len(against), emotion=match.emotion))
        return out
