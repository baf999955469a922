"""What a face shows at one moment, in sentences: action units, turns of the head and the gaze, stillness.

Wordings are those of ``prompts/reasoner/units`` and ``prompts/reasoner/rationale``.
"""

from collections.abc import Sequence
from random import Random

from emollm.evidence import FAR, LIKELY, Evidence
from emollm.facs import ABSENT, UNITS, Region, Strength, asymmetric, strength
from emollm.reasoner.weighing import ReasonerSettings, expressive, is_present, presence
from emollm.reasoner.wording import Wording, listed, lowered, two
from emollm.types import Cue, CueKind, Scale

_PAIRS = (("AU01", "AU02"), ("AU06", "AU12"), ("AU25", "AU26"))
_REGIONS = (Region.UPPER, Region.EYES, Region.LOWER, Region.HEAD)
_SCALES = (Scale.INTENSITY, Scale.PROBABILITY)
_GAZE = frozenset({"AU61", "AU62", "AU63", "AU64"})
"""Not told of while the eyes are closed: nothing is seen of the gaze then."""
_ANGLES = {
    **dict.fromkeys(("AU51", "AU52", "AU53", "AU54", "AU55", "AU56"), ("yaw", "pitch", "roll")),
    **dict.fromkeys(("AU61", "AU62", "AU63", "AU64"), ("gaze_yaw", "gaze_pitch")),
}
"""Head and gaze units, and the angles that are told instead where they were measured."""
_TELLING = (
    "AU04", "AU12", "AU01", "AU15", "AU06", "AU02", "AU07", "AU10", "AU24", "AU20", "AU17", "AU14", "AU25", "AU26",
)  # fmt: skip
"""Units whose absence tells most of a still face, first to last."""

TURNS = {
    "yaw": ("head_yaw", "left", "right"),
    "pitch": ("head_pitch", "up", "down"),
    "roll": ("head_roll", "left", "right"),
    "gaze_yaw": ("gaze_yaw", "left", "right"),
    "gaze_pitch": ("gaze_pitch", "up", "down"),
}
"""Each angle with its wording and the words for its positive and its negative direction."""


class UnitText:
    """Words the units, the head and the gaze of one person at one moment.

    Args:
        evidence: The cues of that moment.
        settings: How much is told.
        random: Chooses among wordings.
    """

    def __init__(self, evidence: Evidence, settings: ReasonerSettings, random: Random) -> None:
        self.evidence = evidence
        self.settings = settings
        self.words = Wording("reasoner/rationale", random)
        self.clauses = Wording("reasoner/units", random)
        self.shut = is_present(evidence.best("AU43"))
        moves = [cue.value or 0.0 for cue in evidence.units if expressive(cue.name) and cue.scale is Scale.INTENSITY]
        self.floor = settings.min_told if max(moves, default=0.0) >= settings.min_told else ABSENT

    def sentences(self, concerned: frozenset[str], when: str = "") -> list[str]:
        """The moment: the units worth telling, the head, the gaze, or that the face is still.

        Args:
            concerned: Units that count for the labels that are spoken of: they go first.
            when: How the first sentence says the time, for example ``At 3.4 s, the apex,``; nothing in a photo.
        """
        told = self._salient(concerned)
        likely = [cue for cue in told if cue.scale is Scale.PROBABILITY]
        clauses = [self._sentence(pair) for pair in _grouped([cue for cue in told if cue not in likely])]
        clauses += [*([self._likely(likely)] if likely else []), *self._pose()]
        if when and clauses:
            clauses[0] = f"{when} {lowered(clauses[0])}"
        if any(expressive(cue.name) for cue in told):
            return clauses
        return [*clauses, *(f"{when} {lowered(one)}" if when else one for one in self._stillness())]

    def clause(self, cues: Sequence[Cue], value: float | None = None) -> str:
        """What one unit, or two of equal strength, look like, without side, value and full stop.

        Args:
            cues: The units.
            value: Intensity that is worded; that of the first cue if not given.
        """
        value = cues[0].value or 0.0 if value is None else value
        block = f"{'+'.join(cue.name for cue in cues)}.{strength(value)}"
        if block in self.clauses.prompt.blocks:
            return self.clauses.any(block)
        phrase = UNITS[cues[0].name].wording(value)
        return phrase[0].upper() + phrase[1:]

    def mark(self, cue: Cue) -> str:
        """A unit with its value, and both sides where they differ, as it stands in parentheses."""
        if cue.scale is Scale.PROBABILITY:
            return self.words.say("mark_probability", name=cue.name, value=two(cue.value))
        if asymmetric(cue.left, cue.right):
            return self.words.say(
                "mark_sides", name=cue.name, value=two(cue.value), side=two(cue.left), other=two(cue.right)
            )
        return self.words.say("mark", name=cue.name, value=two(cue.value))

    def value(self, cue: Cue) -> str:
        """A unit with its value, whatever its sides."""
        block = "mark_probability" if cue.scale is Scale.PROBABILITY else "mark"
        return self.words.say(block, name=cue.name, value=two(cue.value))

    def values(self, codes: Sequence[str]) -> list[str]:
        """Units with their values, those that are there in a word that can be checked."""
        cues = [cue for code in codes if (cue := self.evidence.best(code)) is not None]
        return [
            self.value(cue)
            for cue in cues
            if (cue.value or 0.0) >= (LIKELY if cue.scale is Scale.PROBABILITY else self.floor)
        ]

    def is_told(self, cue: Cue) -> bool:
        """Whether a movement is strong enough to be told of, or a probability to count."""
        return presence(cue) > 0 and (cue.scale is Scale.PROBABILITY or (cue.value or 0.0) >= self.floor)

    def _salient(self, concerned: frozenset[str]) -> list[Cue]:
        """The units worth telling, in reading order: first those that count for the labels, then by value."""
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

    def _sentence(self, cues: Sequence[Cue]) -> str:
        clause = self.clause(cues)
        side = self.side(cues[0]) if len(cues) == 1 else ""
        return self.words.say("sentence", clause=clause, side=side, mark=", ".join(self.mark(cue) for cue in cues))

    def _likely(self, cues: Sequence[Cue]) -> str:
        """The units that only a probability speaks for, in one sentence."""
        names = [f"{UNITS[cue.name].name} ({self.mark(cue)})" for cue in cues]
        return self.words.say("likely", units=f"The {listed(names)}", count=len(names))

    def side(self, cue: Cue) -> str:
        """On which side it is stronger, where the sides differ."""
        left, right = cue.left, cue.right
        if left is None or right is None or left == right:
            return ""
        side, other, low = ("left", "right", right) if left > right else ("right", "left", left)
        if cue.name == "AU30":
            return " " + self.words.say("side_jaw", side=side)
        if not asymmetric(left, right):
            return ""
        if low < ABSENT:
            return " " + self.words.say("side_only", side=side)
        return self.words.say("side_more", side=side, other=other)

    def _pose(self) -> list[str]:
        out = []
        for name, (block, positive, negative) in TURNS.items():
            cue = self.evidence.best(name)
            gaze = name.startswith("gaze")
            if cue is None or cue.value is None or (gaze and self.shut):
                continue
            angle = abs(cue.value)
            if angle < (self.settings.gaze_degrees if gaze else self.settings.head_degrees):
                continue
            out.append(
                self.words.say(
                    block,
                    strength=self.amount(cue),
                    direction=positive if cue.value > 0 else negative,
                    degrees=f"{cue.value:.0f}",
                )
            )
        return out

    def amount(self, cue: Cue) -> str:
        """How far a head or a gaze is turned, in a word with a space before it, or nothing."""
        slight, far = FAR[cue.kind]
        angle = abs(cue.value or 0.0)
        amount = "slightly" if angle < slight else "far" if angle >= far else ""
        return " " + self.words.say(amount) if amount else ""

    def _stillness(self) -> list[str]:
        """Units that are measurably absent, the ones that matter most first."""
        known = [self.evidence.best(code) for code in _TELLING]
        absent = [cue for cue in known if cue is not None and cue.reliable and (cue.value or 0.0) < ABSENT]
        if not absent:
            return []
        names = [f"{UNITS[cue.name].name} ({self.mark(cue)})" for cue in absent[:4]]
        return [self.words.say("still", units=listed(names), count=len(names))]


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
