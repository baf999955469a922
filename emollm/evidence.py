"""Claims and verdicts: what a text says of a face, held against what was measured.

:func:`check_text` finds the assertions of a text (:mod:`emollm.reading`) and looks each up in the cues of the same
track. The same code marks the reasoner's own words, a language model's, training data and benchmark answers. Rules and
thresholds are those of docs/evidence.md; what cannot be decided is *unverifiable*, never false and never true.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self

from emollm.assertions import Assertion, Number, Polarity
from emollm.facs import ABSENT, ASYMMETRY, PRESENT, STRONG, UNITS, Strength, undescribed
from emollm.lexicon import lexicon, whole
from emollm.reading import assertions
from emollm.types import Claim, Cue, CueKind, Observation, Part, Rationale, Scale, Side, Verdict

LIKELY = 0.5
"""Probability from which a movement counts as present."""
NUMBER_TOLERANCE = 0.015
"""A stated value may differ by this much: two decimals, and one unit of rounding."""
DEGREE_TOLERANCE = 1.0
"""The same for angles, which are stated in whole degrees."""
EVEN = 0.1
"""Difference of left and right up to which a movement counts as even."""

TURNED, STILL = 10.0, 5.0
"""Degrees from which a head or a gaze counts as turned, and below which it counts as straight."""
FAR = {CueKind.HEAD_POSE: (20.0, 40.0), CueKind.GAZE: (15.0, 30.0)}
"""Degrees from which a turn is more than slight, and from which it is far."""

_STATED: dict[Strength | None, tuple[float, float, float, float]] = {
    None: (PRESENT, 1.0, ABSENT, 2.0),
    Strength.ABSENT: (PRESENT, 1.0, ABSENT, 2.0),
    Strength.SLIGHT: (0.08, 0.4, 0.08, STRONG),
    Strength.MODERATE: (0.2, 0.7, ABSENT, 2.0),
    Strength.STRONG: (0.5, 1.0, 0.5, 2.0),
}
"""By stated strength: the intensities that support it, and those below and from which it is contradicted. What supports it
reaches .1 beyond the band (.02 below a slight one): that is about the error of the measurement."""

_POSE_UNITS = {
    ("gaze_yaw", 1): "AU61",
    ("gaze_yaw", -1): "AU62",
    ("gaze_pitch", 1): "AU63",
    ("gaze_pitch", -1): "AU64",
    ("yaw", 1): "AU51",
    ("yaw", -1): "AU52",
    ("pitch", 1): "AU53",
    ("pitch", -1): "AU54",
    ("roll", 1): "AU55",
    ("roll", -1): "AU56",
}

S, C, U = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNVERIFIABLE


class Faithfulness(NamedTuple):
    """Counts of verdicts, and the scores made of them; None where nothing was decided."""

    supported: int
    contradicted: int
    unverifiable: int

    @classmethod
    def of(cls, claims: Iterable[Claim]) -> Self:
        """Counts of some claims."""
        verdicts = [claim.verdict for claim in claims]
        return cls(verdicts.count(S), verdicts.count(C), verdicts.count(U))

    @property
    def support(self) -> float | None:
        """Supported among the decided claims."""
        decided = self.supported + self.contradicted
        return self.supported / decided if decided else None

    @property
    def contradiction_rate(self) -> float | None:
        """Contradicted among all claims."""
        return self.contradicted / sum(self) if sum(self) else None

    @property
    def coverage(self) -> float | None:
        """Decided among all claims."""
        return (self.supported + self.contradicted) / sum(self) if sum(self) else None

    @property
    def clean(self) -> bool | None:
        """Whether nothing is contradicted; None if nothing was decided, so that silence does not win."""
        return self.contradicted == 0 if self.supported + self.contradicted else None


class Finding(NamedTuple):
    """One verdict with the cues it rests on and the reason."""

    verdict: Verdict
    cues: tuple[str, ...] = ()
    reason: str = ""


def check(rationale: Rationale, observation: Observation, track: str | None) -> tuple[Claim, ...]:
    """Claims of all three parts of a rationale about one track, in the order of the text."""
    parts = ((part, getattr(rationale, part.value)) for part in Part)
    return tuple(claim for part, text in parts for claim in check_text(text, part, observation, track))


def check_text(text: str, part: Part, observation: Observation, track: str | None) -> tuple[Claim, ...]:
    """Claims of one text with their verdicts.

    Args:
        text: Free English, of ours or of a language model.
        part: The part of the rationale it stands in.
        observation: What was measured.
        track: The person the text speaks of; cues of the whole clip count too.

    Returns:
        Claims in the order of the text; ``Claim.text`` is a verbatim piece of it. Pieces may overlap.
    """
    evidence = Evidence(observation.of(track))
    claims = []
    for item in assertions(text):
        finding = _judge(item, evidence)
        if finding is not None:
            claims.append(
                Claim(
                    text=whole(text, item.start, item.end),
                    part=part,
                    verdict=finding.verdict,
                    cues=tuple(dict.fromkeys(finding.cues)),
                    reason=finding.reason,
                )
            )
    return tuple(claims)


# ---- looking up -----------------------------------------------------------------------------------------------------


class Evidence:
    """The cues of one person, by name; expressions by their noun (``happiness``).

    Where a quantity was measured more than once, an intensity is taken before a probability, then one backend (the first by
    name), then the largest value: backends are never mixed.
    """

    def __init__(self, cues: Sequence[Cue]) -> None:
        self._all: dict[str, list[Cue]] = {}
        for cue in sorted(cues, key=_rank):
            self._all.setdefault(_key(cue), []).append(cue)

    def best(self, name: str) -> Cue | None:
        """The cue that a claim without a number is held against."""
        found = self._all.get(name)
        return found[0] if found else None

    @property
    def units(self) -> list[Cue]:
        """The cue that counts for each measured action unit, by code."""
        return [found[0] for _, found in sorted(self._all.items()) if found[0].kind is CueKind.ACTION_UNIT]

    @property
    def fingerprint(self) -> str:
        """What was measured, whatever the order of the cues."""
        return " ".join(f"{name} {found[0].value}" for name, found in sorted(self._all.items()))

    @staticmethod
    def emotion(cue: Cue) -> str | None:
        """The noun for an expression cue; None if the lexicon does not know the word."""
        return word if (word := _emotion(cue.name)) in lexicon()["emotions"] else None

    def expression(self, word: str) -> Cue | None:
        """The cue of an expression, by any form of its word that the lexicon knows."""
        found = [cue for cue in self._all.get(_emotion(word), []) if cue.kind is CueKind.EXPRESSION]
        return found[0] if found else None

    def all(self, name: str) -> list[Cue]:
        """Every cue of that name."""
        return self._all.get(name, [])


def _key(cue: Cue) -> str:
    return _emotion(cue.name) if cue.kind is CueKind.EXPRESSION else cue.name


def _emotion(word: str) -> str:
    forms = lexicon()["emotions"]
    return next((emotion for emotion, words in forms.items() if word.lower() in words), word.lower())


def _rank(cue: Cue) -> tuple[bool, str, float, str]:
    return (cue.scale is not Scale.INTENSITY, str(cue.source), -abs(cue.value or 0.0), cue.id)


def _reason(key: str, **values: object) -> str:
    text: str = lexicon()["reasons"][key]
    return text.format(**values)


def _all_of(findings: Sequence[Finding]) -> Finding:
    """Contradicted if any is, else undecided if any is, else supported."""
    for verdict in (C, U):
        if hit := [finding for finding in findings if finding.verdict is verdict]:
            return Finding(verdict, tuple(id for one in hit for id in one.cues), hit[0].reason)
    cues = tuple(id for one in findings for id in one.cues)
    return Finding(S, cues, "; ".join(dict.fromkeys(one.reason for one in findings if one.reason)))


def _any_of(findings: Sequence[Finding]) -> Finding:
    """Supported if any is, else undecided if any is, else contradicted by all."""
    for verdict in (S, U):
        if hit := [finding for finding in findings if finding.verdict is verdict]:
            return Finding(verdict, hit[0].cues, hit[0].reason)
    return Finding(C, tuple(id for one in findings for id in one.cues), "; ".join(one.reason for one in findings))


# ---- judging --------------------------------------------------------------------------------------------------------


def _judge(item: Assertion, evidence: Evidence) -> Finding | None:
    """Verdict of one assertion; None if it asserts nothing that could be looked up."""
    if item.unread:
        return Finding(U, (), _reason("unread"))
    judge = _JUDGES.get(item.kind)
    if judge is None:
        return Finding(U, (), _reason("no_detector", kind=item.kind.value))
    return judge(item, evidence)


def _wrong_code(item: Assertion, names: Sequence[str]) -> Finding | None:
    """A code that FACS does not have, or that is not what the words describe."""
    for code in item.codes:
        if code not in UNITS and code not in undescribed():
            return Finding(C, (), _reason("no_such_unit", name=code))
        if code not in names:
            return Finding(C, (), _reason("mismatch", words=" or ".join(names), name=code))
    return None


def _judge_units(item: Assertion, evidence: Evidence) -> Finding | None:
    if wrong := _wrong_code(item, item.names):
        return wrong
    numbers = [_judge_number(number, evidence) for number in item.numbers]
    if item.polarity is Polarity.MENTIONED:
        return _all_of(numbers) if numbers else None
    names = _readings(item, evidence)
    findings = [_judge_unit(name, item, evidence) for name in names]
    positive = item.polarity is Polarity.PRESENT
    found = _any_of(findings) if positive and not item.codes else _all_of(findings)
    if not positive and not item.codes and found.verdict is U and any(one.verdict is C for one in findings):
        found = next(one for one in findings if one.verdict is C)
    if not numbers:
        return found
    stated = _all_of(numbers)
    if positive and found.verdict is U and found.cues and stated.verdict is S and item.strength is item.even is None:
        return stated
    if stated.verdict is S and set(stated.cues) == set(found.cues):
        return found  # the number is right: its reason would only say the value a second time
    return _all_of([stated, found])


def _readings(item: Assertion, evidence: Evidence) -> Sequence[str]:
    """The units that the words or codes are held against.

    Without the needed unit nothing of it is true. A rarer reading that was not measured does not keep a claim open where
    the primary one was measured.
    """
    if item.needed:
        return [*item.codes, *({item.needed} - {*item.codes})]
    if item.codes:
        return item.codes
    if item.primary and evidence.best(item.primary):
        return [name for name in item.names if evidence.best(name)]
    return item.names


def _judge_number(number: Number, evidence: Evidence) -> Finding:
    """Whether any cue of that name has the stated value."""
    cues = evidence.all(number.name)
    values = [(cue, _sided(cue, number.side)) for cue in cues]
    known = [(cue, value) for cue, value in values if value is not None]
    if not known:
        key = "no_sides" if cues else "no_cue"
        return Finding(U, (), _reason(key, name=number.name))
    cue, value = min(known, key=lambda pair: abs(pair[1] - number.value))
    reason = _reason("number", name=number.name, value=value, said=number.value)
    return Finding(S if abs(value - number.value) <= NUMBER_TOLERANCE else C, (cue.id,), reason)


def _sided(cue: Cue, side: Side | None) -> float | None:
    return {None: cue.value, Side.LEFT: cue.left, Side.RIGHT: cue.right}[side]


def _judge_unit(name: str, item: Assertion, evidence: Evidence) -> Finding:
    """Presence, strength and side of one unit."""
    cue = evidence.best(name)
    if item.polarity is Polarity.UNMEASURED:
        return (
            Finding(C, (cue.id,), _reason("was_measured", name=name))
            if cue
            else Finding(S, (), _reason("no_cue", name=name))
        )
    if cue is None or cue.scale not in (Scale.INTENSITY, Scale.PROBABILITY):
        return Finding(U, (), _reason("no_cue", name=name))
    value = _sided(cue, item.side)
    if value is None and (cue.value or 0.0) < ABSENT:
        value = cue.value
    if value is None:
        return Finding(U, (cue.id,), _reason("no_sides", name=name))
    if item.polarity is Polarity.PRESENT:
        found = [_present(cue, value, item.strength), *_sides(cue, item)]
    else:
        found = [_denied(cue, value, item.polarity)]
    return _all_of(found)


def _present(cue: Cue, value: float, strength: Strength | None) -> Finding:
    """Whether a movement is there, in about the stated strength: at most a little outside its band."""
    if cue.scale is Scale.PROBABILITY:
        verdict = S if value >= LIKELY else C if value < ABSENT else U
        if verdict is S and strength is not None:
            return Finding(U, (cue.id,), _reason("vague_strength", name=cue.name))
        bound = f"{LIKELY:.2f}"
    else:
        low, high, below, above = _STATED[strength]
        verdict = S if low <= value <= high else C if value < below or value >= above else U
        bound = f"{low:.2f}" if value < low or high >= 1 else f"{low:.2f} to {high:.2f}"
    if verdict is C and value < ABSENT and not cue.reliable:
        return Finding(U, (cue.id,), _reason("unreliable", name=cue.name, value=value))
    key = "probability" if cue.scale is Scale.PROBABILITY else "intensity"
    return Finding(verdict, (cue.id,), _reason(key, name=cue.name, value=value, need=bound))


def _denied(cue: Cue, value: float, polarity: Polarity) -> Finding:
    """Whether a movement is absent, not clear, or not strong."""
    likely = cue.scale is Scale.PROBABILITY
    present = LIKELY if likely else PRESENT
    key = "probability" if likely else "intensity"
    if polarity is Polarity.NOT_STRONG:
        if likely:
            return Finding(U, (cue.id,), _reason("vague_strength", name=cue.name))
        reason = _reason(key, name=cue.name, value=value, need=f"below {STRONG:.2f}")
        return Finding(S if value < STRONG else C, (cue.id,), reason)
    need = present if polarity is Polarity.NOT_CLEAR else ABSENT
    verdict = C if value >= present else S if value < need else U
    if verdict is S and not cue.reliable:
        return Finding(U, (cue.id,), _reason("unreliable", name=cue.name, value=value))
    return Finding(verdict, (cue.id,), _reason(key, name=cue.name, value=value, need=f"below {need:.2f}"))


def _sides(cue: Cue, item: Assertion) -> list[Finding]:
    """What is said of left against right."""
    if item.even is None and not item.only and not item.compare:
        return []
    if cue.left is None or cue.right is None:
        return [Finding(U, (cue.id,), _reason("no_sides", name=cue.name))]
    reason = _reason("sides", name=cue.name, left=cue.left, right=cue.right)
    difference = abs(cue.left - cue.right)
    out = []
    if item.even is not None:
        decided = U if EVEN < difference <= ASYMMETRY else S if item.even == (difference <= EVEN) else C
        out.append(Finding(decided, (cue.id,), reason))
    if item.side is not None and (item.only or item.compare):
        here, there = (cue.left, cue.right) if item.side is Side.LEFT else (cue.right, cue.left)
        if item.only:
            out.append(Finding(S if there < PRESENT else C, (cue.id,), reason))
        else:
            out.append(Finding(S if here > there else C, (cue.id,), reason))
    return out


def _judge_pose(item: Assertion, evidence: Evidence) -> Finding | None:
    if item.codes:
        units = [unit for pair, unit in _POSE_UNITS.items() if pair in item.directions]
        stated = [_judge_number(number, evidence) for number in item.numbers if number.name in item.codes]
        judged = [_judge_unit(code, item, evidence) for code in item.codes]
        return _wrong_code(item, units) or _all_of([*judged, *stated])
    numbers = [_judge_degrees(number, evidence) for number in item.numbers if not number.name.startswith("AU")]
    if not item.directions:
        return _all_of(numbers) if numbers else None
    findings = [_judge_direction(name, sign, item, evidence) for name, sign in item.directions]
    if item.polarity is Polarity.PRESENT:
        found = _any_of(findings)
    else:
        found = next((one for one in findings if one.verdict is C), _all_of(findings))
    if found.verdict is U and found.cues and numbers and item.strength is None:
        return _all_of(numbers)
    return _all_of([found, *numbers])


def _judge_degrees(number: Number, evidence: Evidence) -> Finding:
    """An angle; without a minus sign its direction is left to the words."""
    cues = [cue for cue in evidence.all(number.name) if cue.value is not None]
    if not cues:
        return Finding(U, (), _reason("no_cue", name=number.name))

    def distance(cue: Cue) -> float:
        value = cue.value or 0.0
        return abs(value - number.value) if number.value < 0 else abs(abs(value) - number.value)

    cue = min(cues, key=distance)
    reason = _reason("degree_number", name=number.name, value=cue.value, said=number.value)
    return Finding(S if distance(cue) <= DEGREE_TOLERANCE else C, (cue.id,), reason)


def _judge_direction(name: str, sign: int, item: Assertion, evidence: Evidence) -> Finding:
    """One angle against one direction; without an angle it is held against the unit."""
    cue = evidence.best(name)
    if cue is None or cue.value is None:
        unit = _POSE_UNITS.get((name, sign))
        return _judge_unit(unit, item, evidence) if unit else Finding(U, (), _reason("no_cue", name=name))
    angle = cue.value * sign if sign else abs(cue.value)
    medium, far = FAR[item.kind]
    if item.polarity is Polarity.PRESENT:
        need = {Strength.SLIGHT: STILL, Strength.STRONG: medium}.get(item.strength or Strength.MODERATE, TURNED)
        verdict = S if angle >= need else C if angle < STILL or item.strength is Strength.STRONG else U
        if item.strength is Strength.SLIGHT and angle >= far:
            verdict = C
        bound = f"{need:.0f}"
    else:
        need = {Polarity.ABSENT: STILL, Polarity.NOT_STRONG: far}.get(item.polarity, TURNED)
        verdict = S if angle < need else C if angle >= max(need, TURNED) else U
        bound = f"below {need:.0f}"
    return Finding(verdict, (cue.id,), _reason("degrees", name=name, value=cue.value, need=bound))


def _judge_expression(item: Assertion, evidence: Evidence) -> Finding | None:
    return _all_of([_judge_number(number, evidence) for number in item.numbers]) if item.numbers else None


_JUDGES: dict[CueKind, Callable[[Assertion, Evidence], Finding | None]] = {
    CueKind.ACTION_UNIT: _judge_units,
    CueKind.HEAD_POSE: _judge_pose,
    CueKind.GAZE: _judge_pose,
    CueKind.EXPRESSION: _judge_expression,
}
"""Judges by kind; a kind without one is unverifiable."""
