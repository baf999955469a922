"""Claims about a face: units with strength, side and number, head pose, gaze, probabilities of expressions."""

from collections.abc import Sequence

from emollm.evidence.assertions import Assertion, Number, Polarity
from emollm.evidence.judging import C, Finding, S, U, all_of, any_of, reason
from emollm.evidence.judging_change import changed
from emollm.evidence.judging_time import ids, numbered, stand, timing
from emollm.evidence.lookup import Evidence
from emollm.evidence.times import Moment
from emollm.facs import ABSENT, ASYMMETRY, LIKELY, PRESENT, STRONG, UNITS, Strength, undescribed
from emollm.types import Cue, CueKind, Scale, Side

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

CLEAR = 0.25
"""Intensity below which a movement is none that is "clear" or "obvious"."""
TRACE = 0.15
"""Intensity from which a movement is there that is denied "in the least" or "at all"."""

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


def _wrong_code(item: Assertion, names: Sequence[str]) -> Finding | None:
    """A code that FACS does not have, or that is not what the words describe."""
    for code in item.codes:
        if code not in UNITS and code not in undescribed():
            return Finding(C, (), reason("no_such_unit", name=code))
        if code not in names:
            return Finding(C, (), reason("mismatch", words=" or ".join(names), name=code))
    return None


def judge_units(item: Assertion, evidence: Evidence) -> Finding | None:
    """Verdict on action units; None where nothing is asserted of them."""
    if wrong := _wrong_code(item, item.names):
        return wrong
    numbers = [_judge_number(number, item, evidence) for number in item.numbers]
    if item.polarity is Polarity.MENTIONED:
        return all_of(numbers) if numbers else None
    names = _readings(item, evidence)
    findings = [_judge_unit(name, item, evidence) for name in names]
    positive = item.polarity is Polarity.PRESENT
    found = any_of(findings) if positive and not item.codes else all_of(findings)
    if not positive and not item.codes and found.verdict is U and any(one.verdict is C for one in findings):
        found = next(one for one in findings if one.verdict is C)
    if not positive and found.verdict is C and item.primary in names and not item.codes and not item.numbers:
        first = findings[list(names).index(item.primary)]
        found = found if first.verdict is not S else first._replace(verdict=U)
    if not numbers:
        return found
    stated = all_of(numbers)
    if positive and found.verdict is U and found.cues and stated.verdict is S and item.strength is item.even is None:
        return stated
    if stated.verdict is S and set(stated.cues) == set(found.cues):
        return found  # the number is right: its reason would only say the value a second time
    return all_of([stated, found])


def _readings(item: Assertion, evidence: Evidence) -> Sequence[str]:
    """The units that the words or codes are held against.

    Without the needed unit nothing of it is true. A rarer reading that was not measured does not keep a claim open where
    the primary one was measured.
    """
    if item.needed:
        return [*item.codes, *({item.needed} - {*item.codes})]
    if item.codes:
        return item.codes
    if item.side is not None and (sided := [name for name in item.names if name in UNITS and UNITS[name].two_sided]):
        return [name for name in sided if _is_measured(name, evidence)] or sided
    if any(_is_measured(name, evidence) for name in item.primary.split()):
        return [name for name in item.names if _is_measured(name, evidence)]
    return item.names


def _is_measured(name: str, evidence: Evidence) -> bool:
    return evidence.best(name) is not None or evidence.series(name) is not None


def _judge_number(number: Number, item: Assertion, evidence: Evidence) -> Finding:
    """Whether any cue of that name, at the time that is said, has the stated value."""
    cues = numbered(number.name, item, evidence)
    values = [(cue, _sided(cue, number.side)) for cue in cues]
    known = [(cue, value) for cue, value in values if value is not None]
    if not known:
        key = "no_sides" if cues else "no_cue"
        return Finding(U, (), reason(key, name=number.name))
    cue, value = min(known, key=lambda pair: abs(pair[1] - number.value))
    text = reason("number", name=number.name, value=value, said=number.value)
    return Finding(S if abs(value - number.value) <= NUMBER_TOLERANCE else C, (cue.id,), text)


def _sided(cue: Cue, side: Side | None) -> float | None:
    return {None: cue.value, Side.LEFT: cue.left, Side.RIGHT: cue.right}[side]


def _judge_unit(name: str, item: Assertion, evidence: Evidence) -> Finding:
    """Presence, strength, side, change and time of one unit."""
    if item.polarity is Polarity.UNMEASURED and not item.windows:
        cue = evidence.best(name)
        return (
            Finding(C, (cue.id,), reason("was_measured", name=name))
            if cue
            else Finding(S, (), reason("no_cue", name=name))
        )
    positive = item.polarity is Polarity.PRESENT
    findings: list[Finding] = []
    if not (item.change and positive and item.windows):
        findings += [_judge_moment(name, item, evidence, moment) for moment in item.windows or (None,)]
    if item.change and positive:
        findings.append(changed(name, item, evidence))
    return all_of([*findings, *(timing(name, item, evidence) if positive else ())])


def _judge_moment(name: str, item: Assertion, evidence: Evidence, moment: Moment | None) -> Finding:
    """One unit at one time: any cue there supports it, any contradicts a denial."""
    standing = stand(name, item, evidence, moment)
    cues = [cue for cue in standing.cues if cue.scale in (Scale.INTENSITY, Scale.PROBABILITY)]
    if item.side or item.both or item.even is not None:  # a part of a series has no sides
        cues = [cue for cue in cues if cue.left is not None] or cues
    if item.polarity is Polarity.UNMEASURED and (cues or standing.decided is None or standing.decided.verdict is U):
        key = "was_measured" if cues else "no_cue"
        return Finding(C if cues else S, ids(cues), reason(key, name=name))
    if standing.decided is not None:
        return standing.decided
    if not cues:
        return Finding(U, (), reason("no_cue", name=name))
    findings = [_judge_cue(cue, item) for cue in cues]
    return any_of(findings) if item.polarity is Polarity.PRESENT else all_of(findings)


def _judge_cue(cue: Cue, item: Assertion) -> Finding:
    """Presence, strength and side of one unit against one cue."""
    value = _sided(cue, item.side)
    if value is None and (cue.value or 0.0) < ABSENT:
        value = cue.value
    if value is None:
        return Finding(U, (cue.id,), reason("no_sides", name=cue.name))
    if item.polarity is Polarity.PRESENT:
        if item.side is not None and value < PRESENT and _is_other(cue, value):
            return Finding(C, (cue.id,), reason("sides", name=cue.name, left=cue.left, right=cue.right))
        return all_of([_present(cue, value, item.strength, item.clear), *_sides(cue, item)])
    return _denied(cue, value, item.polarity, item.clear)


def _is_other(cue: Cue, value: float) -> bool:
    """Whether it is the other side that moves."""
    return max(cue.left or 0.0, cue.right or 0.0) - value > ASYMMETRY


def _present(cue: Cue, value: float, strength: Strength | None, clear: bool = False) -> Finding:
    """Whether a movement is there, in about the stated strength: at most a little outside its band."""
    if cue.scale is Scale.PROBABILITY:
        verdict = S if value >= LIKELY else C if value < ABSENT else U
        if verdict is S and strength is not None:
            return Finding(U, (cue.id,), reason("vague_strength", name=cue.name))
        bound = f"{LIKELY:.2f}"
    else:
        low, high, below, above = _STATED[strength]
        below = max(below, CLEAR) if clear else below
        verdict = S if low <= value <= high else C if value < below or value >= above else U
        bound = f"{low:.2f}" if value < low or high >= 1 else f"{low:.2f} to {high:.2f}"
    if verdict is C and value < ABSENT and not cue.reliable:
        return Finding(U, (cue.id,), reason("unreliable", name=cue.name, value=value))
    key = "probability" if cue.scale is Scale.PROBABILITY else "intensity"
    return Finding(verdict, (cue.id,), reason(key, name=cue.name, value=value, need=bound))


def _denied(cue: Cue, value: float, polarity: Polarity, emphatic: bool = False) -> Finding:
    """Whether a movement is absent, be it with an "at all", not clear, or not strong."""
    likely = cue.scale is Scale.PROBABILITY
    present = LIKELY if likely else TRACE if emphatic and polarity is Polarity.ABSENT else PRESENT
    key = "probability" if likely else "intensity"
    if polarity is Polarity.NOT_STRONG:
        if likely:
            return Finding(U, (cue.id,), reason("vague_strength", name=cue.name))
        text = reason(key, name=cue.name, value=value, need=f"below {STRONG:.2f}")
        return Finding(S if value < STRONG else C, (cue.id,), text)
    need = present if polarity is Polarity.NOT_CLEAR else ABSENT
    verdict = C if value >= present else S if value < need else U
    if verdict is S and not cue.reliable:
        return Finding(U, (cue.id,), reason("unreliable", name=cue.name, value=value))
    return Finding(verdict, (cue.id,), reason(key, name=cue.name, value=value, need=f"below {need:.2f}"))


def _sides(cue: Cue, item: Assertion) -> list[Finding]:
    """What is said of left against right."""
    if item.even is None and not item.only and not item.compare and not item.both:
        return []
    if cue.left is None or cue.right is None:
        if item.both and item.even is None and not item.only and not item.compare:
            return []
        return [Finding(U, (cue.id,), reason("no_sides", name=cue.name))]
    text = reason("sides", name=cue.name, left=cue.left, right=cue.right)
    difference = abs(cue.left - cue.right)
    out = []
    if item.both and min(cue.left, cue.right) < ABSENT:
        out.append(Finding(C, (cue.id,), text))
    if item.even is not None:
        decided = U if EVEN < difference <= ASYMMETRY else S if item.even == (difference <= EVEN) else C
        out.append(Finding(decided, (cue.id,), text))
    if item.side is not None and (item.only or item.compare):
        here, there = (cue.left, cue.right) if item.side is Side.LEFT else (cue.right, cue.left)
        if item.only:
            out.append(Finding(S if there < PRESENT else C, (cue.id,), text))
        else:
            ahead = here - there
            out.append(Finding(S if ahead > EVEN else C if ahead <= EVEN / 2 else U, (cue.id,), text))
    return out


def judge_pose(item: Assertion, evidence: Evidence) -> Finding | None:
    """Verdict on the head's pose or the gaze; None where nothing is asserted of them."""
    if item.codes:
        units = [unit for pair, unit in _POSE_UNITS.items() if pair in item.directions]
        stated = [_judge_number(number, item, evidence) for number in item.numbers if number.name in item.codes]
        judged = [_judge_unit(code, item, evidence) for code in item.codes]
        return _wrong_code(item, units) or all_of([*judged, *stated])
    numbers = [_judge_degrees(number, item, evidence) for number in item.numbers if not number.name.startswith("AU")]
    if not item.directions:
        return all_of(numbers) if numbers else None
    findings = [_judge_direction(name, sign, item, evidence) for name, sign in item.directions]
    if item.polarity is Polarity.PRESENT:
        found = any_of(findings)
    else:
        found = next((one for one in findings if one.verdict is C), all_of(findings))
    if found.verdict is U and found.cues and numbers and item.strength is None:
        return all_of(numbers)
    return all_of([found, *numbers])


def _judge_degrees(number: Number, item: Assertion, evidence: Evidence) -> Finding:
    """An angle; without a minus sign its direction is left to the words."""
    cues = [cue for cue in numbered(number.name, item, evidence) if cue.value is not None]
    if not cues:
        return Finding(U, (), reason("no_cue", name=number.name))

    def distance(cue: Cue) -> float:
        value = cue.value or 0.0
        return abs(value - number.value) if number.value < 0 else abs(abs(value) - number.value)

    cue = min(cues, key=distance)
    text = reason("degree_number", name=number.name, value=cue.value, said=number.value)
    return Finding(S if distance(cue) <= DEGREE_TOLERANCE else C, (cue.id,), text)


def _judge_direction(name: str, sign: int, item: Assertion, evidence: Evidence) -> Finding:
    """One angle against one direction, at each time that is said; without an angle it is held against the unit."""
    if not _is_measured(name, evidence):
        unit = _POSE_UNITS.get((name, sign))
        return _judge_unit(unit, item, evidence) if unit else Finding(U, (), reason("no_cue", name=name))
    findings = []
    for moment in item.windows or (None,):
        standing = stand(name, item, evidence, moment, sign)
        cues = [cue for cue in standing.cues if cue.value is not None]
        if moment is None and _is_straight(item) and not item.moments:
            cues = cues[:1]
        if standing.decided is not None or not cues:
            findings.append(standing.decided or Finding(U, (), reason("no_cue", name=name)))
        else:
            judged = [_judge_angle(cue, sign, item) for cue in cues]
            findings.append(any_of(judged) if item.polarity is Polarity.PRESENT else all_of(judged))
    return all_of([*findings, *(timing(name, item, evidence, sign) if item.polarity is Polarity.PRESENT else ())])


def _is_straight(item: Assertion) -> bool:
    """Whether it is said that the head or the gaze is straight, which in a clip speaks of the apex."""
    return (
        item.polarity is Polarity.ABSENT and len(item.directions) > 1 and not any(sign for _, sign in item.directions)
    )


def _judge_angle(cue: Cue, sign: int, item: Assertion) -> Finding:
    value = cue.value or 0.0
    angle = value * sign if sign else abs(value)
    medium, far = FAR[item.kind]
    if item.polarity is Polarity.PRESENT:
        need = {Strength.SLIGHT: STILL, Strength.STRONG: medium}.get(item.strength or Strength.MODERATE, TURNED)
        verdict = S if angle >= need else C if angle < STILL or item.strength is Strength.STRONG else U
        if item.strength is Strength.SLIGHT and angle >= (medium + far) / 2:
            verdict = C
        bound = f"{need:.0f}"
    else:
        need = {Polarity.ABSENT: STILL, Polarity.NOT_STRONG: far}.get(item.polarity, TURNED)
        verdict = S if angle < need else C if angle >= max(need, TURNED) else U
        bound = f"below {need:.0f}"
    return Finding(verdict, (cue.id,), reason("degrees", name=cue.name, value=value, need=bound))


def judge_expression(item: Assertion, evidence: Evidence) -> Finding | None:
    """Verdict on probabilities of expressions; None where none is given."""
    return all_of([_judge_number(number, item, evidence) for number in item.numbers]) if item.numbers else None
