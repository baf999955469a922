"""The deterministic Exp-CoT reasoner: from cues to a label, its strength, and a why in three parts.

No language model: cues are weighed by cited FACS priors (:mod:`emollm.reasoner.weighing`), worded from ``prompts/reasoner``
(:mod:`emollm.reasoner.rationale`), and every claim of the text is checked against the cues (:mod:`emollm.evidence`). The three parts
follow ExpLLM (Lan et al. 2024). An answer describes an expression; it says nothing of what a person feels, intends or is.
"""

from collections.abc import Iterator

import emollm
from emollm.emotions import LabelSet
from emollm.errors import DataError, unknown_name
from emollm.evidence import Evidence, check
from emollm.prompts import prompt
from emollm.reasoner.channels import Channels
from emollm.reasoner.rationale import Writer
from emollm.reasoner.weighing import ReasonerSettings, Weighing, weigh
from emollm.reasoner.weight_text import Decision, Doubt
from emollm.types import Answer, AnswerProvenance, Observation, Peak, RankedLabel, Track

__all__ = ["ReasonerSettings", "decide", "find_doubts", "other_moments", "reason"]


def reason(
    observation: Observation, labels: LabelSet, settings: ReasonerSettings | None = None, track: str | None = None
) -> Answer:
    """The answer for one clip.

    Args:
        observation: What was measured.
        labels: The closed set to choose from.
        settings: Constants; the defaults are documented with their reasons in docs/evidence.md.
        track: The person to answer for; the most prominent one if not given.

    Returns:
        The answer for that person, the others in ``people``. Abstained, without a label, when no face was found, the
        evidence is thin, or two labels are too close; its rationale says why. Nothing is ranked (``labels`` is empty) where
        nothing that was measured speaks for any label. ``valence`` and ``arousal`` are None: they are
        not measured on this path.

    Raises:
        DataError: The observation has no such track.
        ConfigError: The settings name a prior that does not exist.
    """
    settings = settings or ReasonerSettings()
    ids = [person.id for person in observation.people]
    if track is not None and track not in ids:
        raise DataError(f"{observation.id}: {unknown_name('track', track, ids)}")
    if not ids:
        return _answer(observation, None, labels, settings)
    chosen = track or ids[0]
    people = {person.id: person for person in observation.tracks}
    answers = {id: _answer(observation, people[id], labels, settings) for id in ids}
    others = tuple(answers[id] for id in ids if id != chosen)
    return answers[chosen].model_copy(update={"people": others})


def _answer(observation: Observation, person: Track | None, labels: LabelSet, settings: ReasonerSettings) -> Answer:
    """The answer for one person, or for cues without a place: a voice, or a table that does not say where the face is."""
    track = person.id if person is not None else None
    channels = Channels(observation, person, settings)
    evidence = Evidence(channels.moment)
    doubts = find_doubts(person, evidence, settings)
    speaking = channels.peak is not None and channels.peak.speaking and channels.speaks
    weighing = weigh(evidence, labels, (1 - settings.doubt) ** len(doubts), settings, speaking)
    decision = decide(weighing, settings) if channels.has_face else _NO_FACE
    if decision.outcome == "unclear_thin":
        weighing = weighing.evened(weighing.support(decision.label, settings))
    fits = {peak.time: fit for peak, fit in other_moments(channels, labels, len(doubts), settings)}
    rationale = Writer(channels, labels, weighing, decision, doubts, fits).rationale()
    answered = decision.outcome.startswith("answered")
    return Answer(
        id=observation.id,
        track=track,
        status="answered" if answered else "abstained",
        label=decision.label if answered else None,
        label_set=labels.id,
        labels=() if weighing.empty else tuple(_ranked(weighing)),
        intensity=decision.intensity if answered else None,
        rationale=rationale,
        claims=check(rationale, observation, track),
        missing=observation.missing_for(track),
        text="\n\n".join(
            part for part in (rationale.observations, rationale.interpretation, rationale.conclusion) if part
        ),
        provenance=_provenance(observation, track),
    )


def other_moments(
    channels: Channels, labels: LabelSet, doubts: int, settings: ReasonerSettings
) -> Iterator[tuple[Peak, str | None]]:
    """What the other moments of a clip speak for by themselves: a label with a movement, or None for none clearly.

    Only of those at which everything is known that decides the label.
    """
    others = channels.person.peaks[1:] if channels.person is not None else ()
    for peak in others:
        cues = channels.moment_at(peak.time)
        if cues:
            speaking = peak.speaking and channels.speaks
            weighing = weigh(Evidence(cues), labels, (1 - settings.doubt) ** doubts, settings, speaking)
            decision = decide(weighing, settings)
            clear = decision.outcome.startswith("answered") and decision.label != weighing.neutral
            yield peak, decision.label if clear else None


_NO_FACE = Decision("no_face", "", "", None)


def _ranked(weighing: Weighing) -> Iterator[RankedLabel]:
    for label, score in weighing.ranked:
        yield RankedLabel(label=label, score=min(score, 1.0))


def find_doubts(person: Track | None, evidence: Evidence, settings: ReasonerSettings) -> list[Doubt]:
    """What makes the units of this face less certain."""
    face = person.faces[0] if person is not None else None
    out = []
    size = min(face.box.width, face.box.height) if face is not None else settings.small_face
    if size < settings.small_face:
        out.append(Doubt("doubt_small", {"pixels": f"{size:.0f}"}))
    yaw = evidence.best("yaw")
    if yaw is not None and yaw.value is not None and abs(yaw.value) > settings.far_yaw:
        out.append(Doubt("doubt_yaw", {"degrees": f"{abs(yaw.value):.0f}"}))
    if face is not None and face.confidence < settings.low_confidence:
        out.append(Doubt("doubt_confidence", {"score": f"{face.confidence:.2f}"}))
    return out


def decide(weighing: Weighing, settings: ReasonerSettings) -> Decision:
    """The label, or why there is none."""
    (label, score), (second, second_score), *_ = weighing.ranked
    support = weighing.support(label, settings)
    if weighing.empty:
        outcome = "unclear_empty"
    elif support < settings.min_support:
        outcome = "unclear_thin"
    elif score - second_score < settings.min_margin:
        outcome = "unclear_close"
    elif score < settings.min_score:
        outcome = "unclear_weak"
    else:
        outcome = "answered_neutral" if label == weighing.neutral else "answered"
    if (
        label == weighing.neutral
    ):  # which a net may say of a face that moves: how strong the neutral is then has no meaning
        return Decision(outcome, label, second, weighing.movement if weighing.stillness > 0 else None)
    match = weighing.matches.get(label)
    intensity = match.intensity if match else None
    if outcome == "answered" and intensity is None:
        outcome = "answered_unmeasured"
    return Decision(outcome, label, second, intensity)


def _provenance(observation: Observation, track: str | None) -> AnswerProvenance:
    cues = observation.of(track) if track is not None else observation.cues
    others = [prompt(id) for id in ("reasoner/units", "reasoner/clip")]
    return AnswerProvenance(
        model=f"reasoner@{emollm.__version__}",
        prompt=prompt("reasoner/rationale").ref,
        cues=tuple(sorted({str(cue.source) for cue in cues})),
        versions={**observation.versions, **{other.id: str(other.version) for other in others}},
    )
