"""The reasoner's sentences: key observations, interpretation, conclusion.

Wordings are those of ``prompts/reasoner``; which one is taken depends on what was measured and on a seed, so that one
observation always reads the same. Every sentence of the key observations asserts something measured, and nothing else is
asserted anywhere (tests/test_reasoner.py proves it with :mod:`emollm.evidence` on random observations).
"""

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from emollm.evidence import FAR, LIKELY, Evidence
from emollm.facs import ABSENT, UNITS, Region, Strength, asymmetric, strength
from emollm.prompts import prompt
from emollm.types import Cue, CueKind, Rationale, Scale
from emollm.weighing import (
    MOUTH_OPENING,
    Match,
    ReasonerSettings,
    Weighing,
    expressive,
    is_present,
    opposed,
    presence,
)

_PAIRS = (("AU01", "AU02"), ("AU06", "AU12"), ("AU25", "AU26"))
_REGIONS = (Region.UPPER, Region.EYES, Region.LOWER, Region.HEAD)


class Decision(NamedTuple):
    """What the weights lead to."""

    outcome: str
    """``answered``, ``answered_neutral``, ``answered_unmeasured`` (no strength), or why not: ``unclear_close``, ``unclear_thin`` …"""
    label: str
    second: str
    intensity: float | None


class Doubt(NamedTuple):
    """A reason to trust the units less, with the block that words it."""

    block: str
    values: dict[str, str]


class Writer:
    """Words one person's rationale."""

    def __init__(
        self,
        evidence: Evidence,
        weighing: Weighing,
        decision: Decision,
        doubts: Sequence[Doubt],
        settings: ReasonerSettings,
    ) -> None:
        self.evidence = evidence
        self.weighing = weighing
        self.decision = decision
        self.doubts = doubts
        self.settings = settings
        self.random = Random(f"{settings.seed} {evidence.fingerprint}")
        self.told: dict[str, int] = {}
        self.shut = is_present(evidence.best("AU43"))
        moves = [cue.value or 0.0 for cue in evidence.units if expressive(cue.name) and cue.scale is Scale.INTENSITY]
        self.floor = settings.min_told if max(moves, default=0.0) >= settings.min_told else ABSENT

    def rationale(self) -> Rationale:
        """All three parts."""
        return Rationale(
            observations=" ".join(self._observations()),
            interpretation=" ".join(self._interpretation()),
            conclusion=" ".join(self._conclusion()),
        )

    def _say(self, block: str, /, **values: Any) -> str:
        """One wording of a block; the next time another one."""
        lines = prompt("reasoner/rationale").render(block, **values).split("\n")
        told = self.told.get(block)
        choices = [index for index in range(len(lines)) if index != told or len(lines) == 1]
        self.told[block] = self.random.choice(choices)
        return lines[self.told[block]]

    # key observations

    def _observations(self) -> list[str]:
        told = self._salient()
        out = []
        for pair in _grouped(told):
            out.append(self._unit_sentence(pair))
        out += self._pose()
        if not any(expressive(cue.name) for cue in told):
            out += self._stillness()
        ranked = sorted(self.weighing.expressions.values(), key=lambda cue: (-(cue.value or 0.0), cue.id))
        for cue in ranked[:2]:
            word = self.evidence.emotion(cue)
            if word is not None:
                out.append(self._say("expression", emotion=word, value=_two(cue.value)))
        return out or [self._say("nothing_to_tell")]

    def _salient(self) -> list[Cue]:
        """The units worth telling, in reading order: first those that count for the two best labels, then by value."""
        matches = [self.weighing.matches.get(label) for label in (self.decision.label, self.decision.second)]
        concerned = {unit for match in matches if match for unit in (*match.prototype.units, *match.against)}
        there = []
        for code in UNITS:
            cue = self.evidence.best(code)
            if cue is None or cue.value is None or cue.kind is not CueKind.ACTION_UNIT or cue.scale not in _SCALES:
                continue
            if any(self.evidence.best(name) is not None for name in _ANGLES.get(code, ())):
                continue
            if self.shut and code in _GAZE:
                continue
            floor = self.floor if cue.scale is Scale.INTENSITY and expressive(code) else None
            if cue.value >= floor if floor is not None else is_present(cue):
                there.append(cue)
        if any(cue.name == "AU27" for cue in there):
            there = [cue for cue in there if cue.name != "AU26"]
        there.sort(
            key=lambda cue: (not is_present(cue), -(cue.value or 0) - (0.3 if cue.name in concerned else 0), cue.name)
        )
        return sorted(there[: self.settings.max_observations], key=_reading_order)

    def _unit_sentence(self, cues: Sequence[Cue]) -> str:
        if cues[0].scale is Scale.PROBABILITY:
            return self._say("likely", name=UNITS[cues[0].name].name, mark=self._mark(cues[0]))
        units = prompt("reasoner/units")
        block = f"{'+'.join(cue.name for cue in cues)}.{strength(cues[0].value or 0.0)}"
        clause = self.random.choice(_lines(block)) if block in units.blocks else self._named(cues[0])
        side = self._side(cues[0]) if len(cues) == 1 else ""
        return self._say("sentence", clause=clause, side=side, mark=", ".join(self._mark(cue) for cue in cues))

    def _named(self, cue: Cue) -> str:
        """A unit without a wording of its own: its FACS phrase."""
        phrase = UNITS[cue.name].wording(cue.value or 0.0)
        return phrase[0].upper() + phrase[1:]

    def _side(self, cue: Cue) -> str:
        left, right = cue.left, cue.right
        if left is None or right is None or left == right:
            return ""
        side, other, low = ("left", "right", right) if left > right else ("right", "left", left)
        if cue.name == "AU30":
            return " " + self._say("side_jaw", side=side)
        if not asymmetric(left, right):
            return ""
        if low < ABSENT:
            return " " + self._say("side_only", side=side)
        return self._say("side_more", side=side, other=other)

    def _mark(self, cue: Cue) -> str:
        if cue.scale is Scale.PROBABILITY:
            return self._say("mark_probability", name=cue.name, value=_two(cue.value))
        if asymmetric(cue.left, cue.right):
            return self._say(
                "mark_sides", name=cue.name, value=_two(cue.value), side=_two(cue.left), other=_two(cue.right)
            )
        return self._say("mark", name=cue.name, value=_two(cue.value))

    def _pose(self) -> list[str]:
        words = {
            "yaw": ("head_yaw", "left", "right"),
            "pitch": ("head_pitch", "up", "down"),
            "roll": ("head_roll", "left", "right"),
            "gaze_yaw": ("gaze_yaw", "left", "right"),
            "gaze_pitch": ("gaze_pitch", "up", "down"),
        }
        out = []
        for name, (block, positive, negative) in words.items():
            cue = self.evidence.best(name)
            gaze = name.startswith("gaze")
            if cue is None or cue.value is None or (gaze and self.shut):
                continue
            angle = abs(cue.value)
            if angle < (self.settings.gaze_degrees if gaze else self.settings.head_degrees):
                continue
            slight, far = FAR[cue.kind]
            amount = "slightly" if angle < slight else "far" if angle >= far else ""
            out.append(
                self._say(
                    block,
                    strength=" " + self._say(amount) if amount else "",
                    direction=positive if cue.value > 0 else negative,
                    degrees=f"{cue.value:.0f}",
                )
            )
        return out

    def _stillness(self) -> list[str]:
        """Units that are measurably absent, the ones that matter most first."""
        known = [self.evidence.best(code) for code in _TELLING]
        absent = [cue for cue in known if cue is not None and cue.reliable and (cue.value or 0.0) < ABSENT]
        if not absent:
            return []
        names = [f"{UNITS[cue.name].name} ({self._mark(cue)})" for cue in absent[:4]]
        return [self._say("still", units=_listed(names), count=len(names))]

    # interpretation

    def _interpretation(self) -> list[str]:
        decision, weighing = self.decision, self.weighing
        out: list[str] = []
        measured = self.evidence.units
        if not measured:
            out.append(self._say("no_units"))
        present = [cue for cue in measured if expressive(cue.name) and is_present(cue)]
        mouth_only = bool(present) and all(cue.name in MOUTH_OPENING for cue in present)
        if decision.label == weighing.neutral and weighing.stillness > 0 and not (present and not mouth_only):
            out.append(self._say("still_but_mouth" if mouth_only else "still_face"))
        if measured and decision.outcome == "unclear_empty":
            out.append(self._say("no_match"))
        shown = [label for label in (decision.label, decision.second) if label in weighing.matches]
        shared = self._shared([weighing.matches[label] for label in shown])
        if shared and decision.outcome.startswith("unclear") and decision.outcome != "unclear_empty":
            emotions = [weighing.matches[label].emotion for label in shown]
            cite = weighing.matches[shown[0]].prior.cite
            out.append(
                self._say("match_both", units=_listed(shared), count=len(shared), emotion=_listed(emotions), cite=cite)
            )
        else:
            shared = []
        for label in shown if decision.outcome != "unclear_empty" else ():
            match = weighing.matches[label]
            unclear = decision.outcome.startswith("unclear")
            if self._core(match) if unclear else label == decision.label:
                out += self._explain(match, shared=shared)
            elif not unclear and match.present and match.support > 0:
                here = self._units(match.present)
                if here:
                    out.append(
                        self._say(
                            "match_runner_up",
                            units=_listed(here),
                            count=len(here),
                            emotion=match.emotion,
                            cite=match.prior.cite,
                        )
                    )
        if mouth_only:
            out.append(self._say("mouth_only"))
        elif decision.outcome != "unclear_empty":
            out += self._aside(present, " ".join(out))
        out += self._conflicts()
        if weighing.expressions and measured:
            out.append(self._say("expression_share", score=_two(self.settings.expression_weight)))
        if weighing.unknown_labels:
            labels = _listed(weighing.unknown_labels)
            out.append(self._say("no_prior", labels=labels, count=len(weighing.unknown_labels)))
        if self.doubts:
            reasons = _listed([self._say(doubt.block, **doubt.values) for doubt in self.doubts])
            out.append(self._say("doubt", reasons=reasons))
        return list(dict.fromkeys(out)) or [self._say("nothing_clear")]

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
            self._say(block, units=_listed(self._units([top.name])), label=label, emotion=_listed(emotions or [""]))
        ]

    def _conflicts(self) -> list[str]:
        """Present pairs that pull against each other, unless the label's prior lists both."""
        match = self.weighing.matches.get(self.decision.label)
        own = {*match.prototype.units} if match else set()
        found = [pair for pair in opposed() if all(is_present(self.evidence.best(unit)) for unit in pair)]
        return [self._say("conflict", units=_listed(self._units(pair))) for pair in found if not own.issuperset(pair)]

    def _core(self, match: Match) -> list[str]:
        """Units of a label's core that are there, with their values."""
        return self._units([unit for unit in match.present if unit in match.prototype.core])

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
        variants = self._units([unit for unit in match.present if unit in match.prototype.variants])
        if core and not shared:
            out.append(self._say("match_core", units=_listed(core), count=len(core), **names))
        if variants and core:
            out.append(self._say("match_variants", units=_listed(variants), count=len(variants), emotion=match.emotion))
        if match.nearly:
            out.append(self._say("nearly", label=match.label, emotion=match.emotion))
        if match.prototype.one_sided and match.support > 0:
            out.append(self._say("one_sided"))
        cues = [self.evidence.best(unit) for unit in match.prototype.core]
        lacking = [cue.name for cue in cues if cue is not None and cue.reliable and not self._is_told(cue)]
        if lacking:
            out.append(self._say("unclear_units", units=_listed(lacking), count=len(lacking), emotion=match.emotion))
        cheeks, smile = self.evidence.best("AU06"), self.evidence.best("AU12")
        if (
            match.emotion == "happiness"
            and cheeks is not None
            and cheeks.reliable
            and not is_present(cheeks)
            and is_present(smile)
        ):
            out.append(self._say("smile_without_cheeks"))
        unmeasured = [unit for unit in match.prototype.units if self.evidence.best(unit) is None]
        if unmeasured:
            out.append(self._say("unmeasured", units=_listed(unmeasured), count=len(unmeasured)))
        low = [
            cue.name
            for unit in match.prototype.units
            if (cue := self.evidence.best(unit)) is not None and not cue.reliable and not self._is_told(cue)
        ]
        if low:
            out.append(self._say("unreliable", units=_listed(low), count=len(low)))
        against = self._units(match.against)
        if against:
            out.append(self._say("against", units=_listed(against), count=len(against), emotion=match.emotion))
        return out

    def _units(self, codes: Sequence[str]) -> list[str]:
        """Units with their values, those that are there in a word that can be checked."""
        cues = [cue for code in codes if (cue := self.evidence.best(code)) is not None]
        return [
            self._mark(cue)
            if cue.scale is Scale.PROBABILITY
            else self._say("mark", name=cue.name, value=_two(cue.value))
            for cue in cues
            if (cue.value or 0.0) >= (LIKELY if cue.scale is Scale.PROBABILITY else self.floor)
        ]

    def _is_told(self, cue: Cue) -> bool:
        """Whether a movement is strong enough to be told of, or a probability to count."""
        return presence(cue) > 0 and (cue.scale is Scale.PROBABILITY or (cue.value or 0.0) >= self.floor)

    # conclusion

    def _conclusion(self) -> list[str]:
        label, second = self.decision.label, self.decision.second
        scores = self.weighing.scores
        values: dict[str, str] = {}
        if self.decision.outcome != "unclear_empty":
            values = {
                "label": label,
                "second": second if scores[second] >= _LEAST_SCORE else "",
                "score": _two(scores[label]),
                "second_score": _two(scores[second]),
            }
        if self.decision.outcome == "unclear_thin":
            support = {name: self.weighing.support(name, self.settings) for name in (label, second)}
            values["support"] = _two(support[label])
            near = [name for name, value in support.items() if value >= _LEAST_SUPPORT]
            values["labels"] = _listed([f"{name} ({_two(support[name])})" for name in near] or [""])
            values["count"] = str(len(near))
        if self.decision.outcome == "answered" and self.decision.intensity is not None:
            band = strength(self.decision.intensity)
            values |= {"strength": self._say(f"strength_{band}"), "value": _two(self.decision.intensity)}
        return [self._say(self.decision.outcome, **values), self._say("caveat")]


_LEAST_SCORE = 0.01
"""Below this score a runner-up is not named."""
_LEAST_SUPPORT = 0.2
"""Below this support a label is not named as near."""
_SCALES = (Scale.INTENSITY, Scale.PROBABILITY)
_GAZE = frozenset({"AU61", "AU62", "AU63", "AU64"})
"""Not told of while the eyes are closed: nothing is seen of the gaze then."""
_ANGLES = {
    **dict.fromkeys(("AU51", "AU52", "AU53", "AU54", "AU55", "AU56"), ("yaw", "pitch", "roll")),
    **dict.fromkeys(("AU61", "AU62", "AU63", "AU64"), ("gaze_yaw", "gaze_pitch")),
}
"""Head and gaze units, and the angles that are told instead where they were measured."""
_TELLING = (
    "AU04",
    "AU12",
    "AU01",
    "AU15",
    "AU06",
    "AU02",
    "AU07",
    "AU10",
    "AU24",
    "AU20",
    "AU17",
    "AU14",
    "AU25",
    "AU26",
)
"""Units whose absence tells most of a still face, first to last."""


@cache
def _lines(block: str) -> tuple[str, ...]:
    return tuple(prompt("reasoner/units").render(block).split("\n"))


def _reading_order(cue: Cue) -> tuple[int, str]:
    return _REGIONS.index(UNITS[cue.name].region), cue.name


def _grouped(cues: Sequence[Cue]) -> list[tuple[Cue, ...]]:
    """Natural pairs of equal strength together, the rest alone."""
    left = {cue.name: cue for cue in cues}
    out: list[tuple[Cue, ...]] = []
    for cue in cues:
        if cue.name not in left:
            continue
        partner = next((left.get(second) for first, second in _PAIRS if first == cue.name), None)
        if partner is not None and _same_strength(cue, partner):
            out.append((cue, partner))
            del left[partner.name]
        else:
            out.append((cue,))
        del left[cue.name]
    return out


def _same_strength(first: Cue, second: Cue) -> bool:
    both = (first, second)
    return (
        all(cue.scale is Scale.INTENSITY and not asymmetric(cue.left, cue.right) for cue in both)
        and strength(first.value or 0.0) is strength(second.value or 0.0) is not Strength.ABSENT
    )


def _two(value: float | None) -> str:
    return f"{value or 0.0:.2f}"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
