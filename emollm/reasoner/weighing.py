"""Cue strengths to weights over a label set, by cited FACS priors.

For each label with a prototype (core and variant units, :func:`emollm.facs.priors`)::

    support = (sum of core presence + 1/2 sum of variant presence) / norm - contradiction * sum of contradicting presence
    score   = support ** sharpness, normalised over the labels

Presence is soft: 0 at an intensity of .1, 1 from .5; for a probability 0 at .25, 1 from .75. Units that open the mouth
count only in proportion to the most present other unit of the core: talking moves them too. The norm is the same sum at
full presence; a unit that was not measured, or reads low where the backend under-reports it, counts there with a part of
its weight (``unknown``): it is neither absent nor free. Neutral is the lack of movement. A label without a prototype has
score 0. Core 1, variant 1/2 and the contradictions follow docs/evidence.md; none of these constants was fitted by a search.

Where an expression network gave probabilities, the scores of the labels that it knows are mixed with them by its share
(``assumptions.yaml``); labels that it does not know keep what the units give them. A probability is no strength: intensity comes
from units only.

While the person speaks, a unit that speech moves counts with the part of its strength that ``facs.yaml`` gives it (half for
AU10, 12, 14 and 15, a tenth for the rest of the mouth); the other part is treated as unmeasured.
"""

from dataclasses import dataclass, field, replace

from pydantic import Field

from emollm.config import Settings
from emollm.emotions import LabelSet
from emollm.evidence import LIKELY, Evidence
from emollm.facs import ABSENT, PRESENT, UNITS, Prior, Prototype, Region, asymmetric, priors
from emollm.reasoner.assumptions import contradictions, expression_share
from emollm.types import Cue, Extent, Scale, Unit

MOUTH_OPENING = frozenset({"AU25", "AU26", "AU27"})
"""Units that any talking moves: alone they are no sign of an expression."""
NOT_EXPRESSIVE = frozenset({"AU43", "AU45", "AU46", "AU61", "AU62", "AU63", "AU64"})
"""Closed eyes and gaze: observed, but without weight."""


class ReasonerSettings(Settings):
    """How the deterministic reasoner weighs, when it says "unclear", and how much it tells."""

    priors: tuple[str, ...] = ("du2014", "du2014_compound", "emfacs")
    """Prior tables; for each label the first one that knows it counts (so contempt comes from EMFACS)."""
    sharpness: float = Field(default=2.0, gt=0)
    """Power that turns support into weight: larger values favour the best match more."""
    contradiction: Unit = 0.5
    """What a fully present unit that pulls against an expression takes from its support."""
    unknown: Unit = 0.5
    """Part of its weight with which an unmeasured unit counts in the norm."""
    min_score: Unit = 0.4
    """Below this score of the best label the answer is unclear."""
    min_margin: Unit = 0.2
    """If the two best scores are closer than this the answer is unclear."""
    min_support: Unit = 0.4
    """Below this support of the best label there is too little evidence, however far the others are behind."""
    expression_weight: Unit | None = None
    """Share of an expression network's probabilities in the final scores, where there are any; null: what was measured for the
    network, or else a half (``assumptions.yaml``)."""
    doubt: Unit = 0.2
    """What each reason for doubt (small, turned or hardly found face) moves from the scores to an even spread."""
    small_face: float = 40.0
    """Shorter side of the face box in pixels below which units are doubted."""
    far_yaw: float = 45.0
    """Head turn in degrees beyond which units are doubted."""
    low_confidence: Unit = 0.6
    """Confidence of the face below which units are doubted."""
    max_observations: int = Field(default=8, ge=1)
    """Most units that the key observations tell of."""
    min_told: Unit = 0.15
    """Intensity below which a movement is not told of, unless nothing stronger is there: the mean absolute error of the
    measurement is about .05, so that just above .1 it is hard to tell from none."""
    head_degrees: float = 12.0
    """Head turn, nod or tilt from which it is told."""
    gaze_degrees: float = 10.0
    """Gaze angle from which it is told."""
    max_events: int = Field(default=4, ge=0)
    """Most movements of a clip whose course is told: the strongest ones, in the order of time."""
    max_turns: int = Field(default=2, ge=0)
    """Most turns of the head or the gaze in a clip that are told."""
    max_departures: int = Field(default=3, ge=0)
    """Most phrases that are told of because the voice is higher, louder, faster … there than usual."""
    max_pauses: int = Field(default=2, ge=0)
    """Most pauses of the voice that are told, the longest ones."""
    max_quoted: int = Field(default=20, ge=1)
    """Most words that are quoted of what was said."""
    long_pause: float = Field(default=0.5, ge=0)
    """Length in seconds from which a pause is told."""
    rare_blinks: float = 0.05
    """Blinks a second at and below which their rate is told: 3 a minute, fewer than in reading (Bentivoglio et al. 1997)."""
    many_blinks: float = 0.65
    """Blinks a second from which their rate is told: 39 a minute, half as many again as in conversation (the same)."""
    blink_seconds: float = 10.0
    """Shorter than this a clip has no blink rate worth telling."""
    listener: Unit = 0.2
    """Share of the speech below which a person whose mouth moves with it is no speaker: speech then explains none of their
    movements."""
    clear_polarity: Unit = 0.3
    """Polarity of words, up or down, from which they are compared with the face."""
    seed: int = 0
    """Chooses among wordings, together with what was measured."""


@dataclass(frozen=True)
class Match:
    """How the units match one label's prototype."""

    label: str
    emotion: str
    """The prior's own name for it."""
    prior: Prior
    prototype: Prototype
    support: float
    present: tuple[str, ...]
    """Core and variant units with some presence, strongest first."""
    against: tuple[str, ...]
    """Contradicting units that are present."""
    intensity: float | None
    """Mean value of the supporting units, core weighed 1 and variants 1/2; None without intensities."""
    nearly: bool = False
    """The label is wider or milder than the emotion whose prior it borrows."""


@dataclass(frozen=True)
class Weighing:
    """The scores of all labels and what they rest on."""

    scores: dict[str, float]
    """In the order of the label set; sum 1."""
    matches: dict[str, Match]
    """By label; only labels with a prototype."""
    neutral: str | None
    """The neutral label of the set."""
    stillness: float
    """Support of neutral."""
    movement: float
    """Largest intensity of an expressive unit."""
    unknown_labels: tuple[str, ...]
    """Labels that neither a prior nor an expression cue knows."""
    expressions: dict[str, Cue] = field(default_factory=dict)
    """Expression cues by label."""
    empty: bool = False
    """Nothing was measured, or nothing that was measured speaks for any label."""
    speaking: bool = False
    """Whether speech was heard while the units were measured."""
    share: float = 0.0
    """What the expression cues count for, beside the units; 0 without any."""
    by_units: dict[str, float] = field(default_factory=dict)
    """What the units give the labels by themselves, sum 1; empty where they speak for none."""

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Labels by falling score; equal scores keep the order of the set."""
        return sorted(self.scores.items(), key=lambda pair: -pair[1])

    def evened(self, support: float) -> "Weighing":
        """The same with thin evidence for the best label: what its support lacks goes to all known labels evenly."""
        known = [label for label in self.scores if label not in self.unknown_labels]
        even = {label: 1 / len(known) if label in known else 0.0 for label in self.scores}
        scores = {label: support * score + (1 - support) * even[label] for label, score in self.scores.items()}
        return replace(self, scores=scores)

    def support(self, label: str, settings: ReasonerSettings) -> float:
        """Evidence for one label in [0, 1], not shared out among the others."""
        own = self.stillness if label == self.neutral else self.matches[label].support if label in self.matches else 0.0
        cue = self.expressions.get(label)
        return own if cue is None else (1 - self.share) * own + self.share * (cue.value or 0.0)

    def disagreement(self, settings: ReasonerSettings) -> tuple[str, str] | None:
        """What the units speak for by themselves and what the expression network does, where each finds the other's unlikely."""
        if not self.by_units or not self.expressions or not 0 < self.share < 1:
            return None
        units = max(self.by_units, key=lambda label: self.by_units[label])
        net = max(self.expressions, key=lambda label: self.expressions[label].value or 0.0)
        own = self.stillness if units == self.neutral else self.matches[units].support
        other, table = self.expressions.get(units), expression_share()
        clear = own >= settings.min_support and (self.expressions[net].value or 0.0) >= table.clear
        against = other is not None and (other.value or 0.0) <= table.unlikely
        return (units, net) if clear and against and self.by_units.get(net, 0.0) <= table.unlikely else None


def presence(cue: Cue | None, speaking: bool = False) -> float:
    """How far a movement is there, 0 to 1; while the person speaks, as far as speech does not explain it."""
    if cue is None or cue.value is None:
        return 0.0
    low, high = (0.25, 0.75) if cue.scale is Scale.PROBABILITY else (ABSENT, 0.5)
    return min(max((cue.value * told_by_face(cue.name, speaking) - low) / (high - low), 0.0), 1.0)


def told_by_face(unit: str, speaking: bool) -> float:
    """The part of a unit's strength that counts as expression: less than 1 where the person speaks and speech moves it."""
    return UNITS[unit].speech_weight if speaking and unit in UNITS and UNITS[unit].moved_by_speech else 1.0


def is_present(cue: Cue | None, speaking: bool = False) -> bool:
    """Whether a movement counts as present: intensity from .3, probability from .5, in the part that speech leaves to it."""
    if cue is None or cue.value is None:
        return False
    return cue.value * told_by_face(cue.name, speaking) >= (LIKELY if cue.scale is Scale.PROBABILITY else PRESENT)


def weigh(
    evidence: Evidence, labels: LabelSet, certainty: float, settings: ReasonerSettings, speaking: bool = False
) -> Weighing:
    """Scores of all labels of a set.

    Args:
        evidence: Cues of one person.
        labels: The label set; a label finds its prior by its word, a listed form of it, or its canonical word.
        certainty: 1 for a good view of the face; less moves the scores towards an even spread.
        settings: Constants and prior tables.
        speaking: Whether speech was heard at the time of the cues.
    """
    matches = {}
    for label in labels.labels:
        known = _prototype(label, labels, settings)
        if known is not None:
            matches[label] = _match(label, *known, evidence, settings, speaking)
    neutral = next((label for label in labels.labels if labels.canonical(label) == "neutral"), None)
    still, movement = _stillness(evidence, speaking)
    expressions = {label: cue for label in labels.labels if (cue := _expression(label, labels, evidence)) is not None}
    weights = {label: max(match.support, 0.0) ** settings.sharpness for label, match in matches.items()}
    if neutral is not None:
        weights[neutral] = still**settings.sharpness
    units = _normalised(weights)
    seen = _normalised({label: cue.value or 0.0 for label, cue in expressions.items()})
    share = _share(expressions, units, settings)
    known_labels = {*weights, *expressions} or set(labels.labels)
    empty = not seen and not units
    told = sum(units.get(label, 0.0) for label in expressions)  # the net says nothing of the other labels
    scores = {}
    for label in labels.labels:
        even = 1 / len(known_labels) if label in known_labels else 0.0
        mixed = units.get(label, 0.0)
        if label in expressions and seen:
            mixed = (1 - share) * mixed + share * seen.get(label, 0.0) * (told if units else 1.0)
        scores[label] = certainty * (even if empty else mixed) + (1 - certainty) * even
    total = sum(scores.values())
    scores = {label: score / total for label, score in scores.items()}
    unknown = tuple(label for label in labels.labels if label not in weights and label not in expressions)
    return Weighing(scores, matches, neutral, still, movement, unknown, expressions, empty, speaking, share, units)


def _share(expressions: dict[str, Cue], units: dict[str, float], settings: ReasonerSettings) -> float:
    """What expression cues count for: all where the units speak for nothing, nothing where there is none."""
    if not any(cue.value for cue in expressions.values()):
        return 0.0
    if not units:
        return 1.0
    if settings.expression_weight is not None:
        return settings.expression_weight
    return min(expression_share().of(cue.source.backend) for cue in expressions.values())


def _normalised(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()} if total > 0 else {}


def _prototype(label: str, labels: LabelSet, settings: ReasonerSettings) -> tuple[str, Prior, Prototype, bool] | None:
    """The first prior that knows a label: by its own word, then by a form of it, then by its canonical word."""
    entry = labels.entry(label)
    same = [other for other in labels.entries if other.canonical == entry.canonical and not other.lossy]
    words = [(word, False) for word in (label, *entry.synonyms)]
    if entry.canonical is not None and not (entry.lossy and same):
        words.append((entry.canonical, entry.lossy))
    for word, nearly in words:
        for source in settings.priors:
            table = priors(source)
            if word in table.emotions:
                return word, table, table.emotions[word], nearly
    return None


def _match(
    label: str,
    emotion: str,
    prior: Prior,
    prototype: Prototype,
    nearly: bool,
    evidence: Evidence,
    settings: ReasonerSettings,
    speaking: bool,
) -> Match:
    weights = {**dict.fromkeys(prototype.variants, 0.5), **dict.fromkeys(prototype.core, 1.0)}
    total = norm = 0.0
    here_of = _counted(prototype, evidence, speaking)
    for unit, weight in weights.items():
        cue, here = evidence.best(unit), here_of[unit]
        total += weight * here
        known = told_by_face(unit, speaking) if cue is not None and cue.reliable else here
        norm += weight * (settings.unknown + (1 - settings.unknown) * max(known, here))
    support = total / norm if any(evidence.best(unit) for unit in prototype.core) else 0.0
    if prototype.one_sided:
        support *= _one_sidedness(prototype, evidence, settings.unknown)
    against = tuple(unit for unit in contradictions().get(emotion, ()) if presence(evidence.best(unit), speaking) > 0)
    support -= settings.contradiction * sum(presence(evidence.best(unit), speaking) for unit in against)
    there = [cue for unit in weights if (cue := evidence.best(unit)) is not None and here_of[unit] > 0]
    there.sort(key=lambda cue: (-(cue.value or 0.0), cue.name))
    strong = [cue for cue in there if cue.scale is Scale.INTENSITY]
    mass = sum(weights[cue.name] for cue in strong)
    intensity = sum(weights[cue.name] * (cue.value or 0.0) for cue in strong) / mass if strong else None
    present = tuple(cue.name for cue in there)
    return Match(label, emotion, prior, prototype, min(max(support, 0.0), 1.0), present, against, intensity, nearly)


def _counted(prototype: Prototype, evidence: Evidence, speaking: bool) -> dict[str, float]:
    """Presence of each unit as far as it counts: an open mouth counts only beside another unit of the core."""
    here = {unit: presence(evidence.best(unit), speaking) for unit in prototype.units}
    others = max((here[unit] for unit in prototype.core if unit not in MOUTH_OPENING), default=0.0)
    return {unit: value * others if unit in MOUTH_OPENING else value for unit, value in here.items()}


def _one_sidedness(prototype: Prototype, evidence: Evidence, unknown: float) -> float:
    """How far the whole core moves on one and the same side.

    0 where left and right of any core unit are alike or not known apart, or two units favour different sides; 1 where each
    differs by .5. A core unit that was not measured at all leaves ``unknown`` of it.
    """
    cues = [cue for unit in prototype.core if (cue := evidence.best(unit)) is not None]
    gaps = [(cue.left or 0.0) - (cue.right or 0.0) if asymmetric(cue.left, cue.right) else 0.0 for cue in cues]
    if not gaps or min(gaps) * max(gaps) <= 0:
        return 0.0
    gap = min(abs(gap) for gap in gaps)
    return min((gap - ABSENT) / 0.4, 1.0) * unknown ** (len(prototype.core) - len(cues))


def expressive(unit: str) -> bool:
    """Whether a unit can carry weight: brows, lids, cheeks, nose, mouth, not gaze, blinks or the head."""
    return unit in UNITS and unit not in NOT_EXPRESSIVE and UNITS[unit].region is not Region.HEAD


def _stillness(evidence: Evidence, speaking: bool) -> tuple[float, float]:
    """Support of neutral, and the largest intensity of an expressive unit.

    1 while no expressive unit passes .1, 0 once one is present (.3); an open mouth alone takes half. With less than half
    of the units that the default priors list measured, a still face is only partly known and the support shrinks. While the
    person speaks only the part of a mouth's movement counts that speech does not explain.
    """
    cues = [cue for unit in UNITS if expressive(unit) and (cue := evidence.best(unit)) is not None]
    if not cues:
        return 0.0, 0.0

    def moved(cue: Cue) -> float:
        low, high = (0.25, LIKELY) if cue.scale is Scale.PROBABILITY else (ABSENT, PRESENT)
        value = (cue.value or 0.0) * told_by_face(cue.name, speaking)
        return min(max((value - low) / (high - low), 0.0), 1.0)

    face = max((moved(cue) for cue in cues if cue.name not in MOUTH_OPENING), default=0.0)
    mouth = max((moved(cue) for cue in cues if cue.name in MOUTH_OPENING), default=0.0)
    listed = {unit for prototype in priors().emotions.values() for unit in prototype.units} - MOUTH_OPENING
    known = sum(evidence.best(unit) is not None for unit in listed) / len(listed)
    movement = max((cue.value or 0.0 for cue in cues if cue.scale is Scale.INTENSITY), default=0.0)
    return (1 - face) * (1 - mouth / 2) * min(1.0, known / 0.5), movement


def _expression(label: str, labels: LabelSet, evidence: Evidence) -> Cue | None:
    """The expression cue of a label, by its word, a form of it, or its canonical word."""
    entry = labels.entry(label)
    for word in (label, *entry.synonyms, *([entry.canonical] if entry.canonical and not entry.lossy else [])):
        cue = evidence.expression(word)
        if cue is None or cue.scale is not Scale.PROBABILITY:
            continue
        if cue.extent is Extent.WHOLE and evidence.units:  # the mean of a clip tells nothing of the moment of the units
            continue
        return cue
    return None
