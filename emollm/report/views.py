"""What a page shows, worked out from an Answer and an Observation: plain values for the templates, nothing measured anew."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from emollm.facs import ABSENT, UNITS, strength
from emollm.report.axis import clock
from emollm.report.figures import region_name
from emollm.report.quantities import amount, quantity, without_hidden_gaze
from emollm.report.regions import REGIONS, UNIT_REGIONS
from emollm.report.texts import ClaimView, Link, Moment, Passage, Sentence, alone, split
from emollm.types import Answer, Claim, Cue, CueKind, Extent, FollowUp, Missing, Observation, Part, Scale, Side, Track

VISIBLE = ABSENT
"""Least intensity of a unit that is shown as a bar; below it FACS would not score it (``facs.strength``)."""

_UNIT = re.compile(r"AU\d+")
_ONE_PICTURE = 0.5
"""Seconds up to which a time is shown rather than played."""

_KINDS = {CueKind.PROSODY: "voice", CueKind.MOTION: "movement"}


@dataclass(frozen=True)
class UnitView:
    """One measured action unit; at its peak, if it was measured several times."""

    key: str
    code: str
    name: str
    wording: str
    """What it looks like at this strength; empty where the name says as much."""
    value: float
    left: float | None
    right: float | None
    word: str
    """``absent``, ``slight``, ``plain`` or ``strong``; empty for a probability, which says nothing of strength."""
    probability: bool
    reliable: bool
    regions: str
    """Names of the regions it moves, on the sides where it is visible."""
    when: str
    source: str

    @property
    def visible(self) -> bool:
        return self.value >= VISIBLE


@dataclass(frozen=True)
class CueView:
    """Any other cue."""

    key: str
    kind: str
    name: str
    value: float | None
    shown: str
    """Value with its unit, or the text."""
    regions: str
    when: str
    source: str


@dataclass(frozen=True)
class FollowUpView:
    """A question, its reply, and what the evidence says of the reply."""

    question: str
    reply: Passage
    model: str
    prompt: str


@dataclass(frozen=True)
class PersonView:
    """One person, or the whole clip if nobody was followed."""

    key: str
    track: str | None
    answer: Answer | None
    word: str
    passages: tuple[Passage, ...]
    unplaced: tuple[Sentence, ...]
    """Claims whose words are not found in the rationale."""
    units: tuple[UnitView, ...]
    missing_units: tuple[tuple[str, str, str], ...]
    """Code, name and reason."""
    pose: Mapping[str, CueView]
    """Head pose and gaze by name."""
    cues: tuple[CueView, ...]
    missing: tuple[Missing, ...]
    follow_ups: tuple[FollowUpView, ...]
    tally: Mapping[str, int] = field(default_factory=dict)
    """Number of claims by verdict."""

    @property
    def label(self) -> str | None:
        return self.answer.label if self.answer else None


class Page:
    """Turns records into views and hands out the ids of the page's elements.

    Args:
        observation: What was measured.
        answer: What is said about it, with the answers for other people.
    """

    def __init__(self, observation: Observation, answer: Answer) -> None:
        self.observation = observation
        self.answer = answer
        self._claims = count(1)
        self._cues = {cue.id: cue for cue in observation.cues}
        self._shown = without_hidden_gaze(observation.cues)
        self._keys = _cue_keys(self._shown)

    def people(self) -> tuple[PersonView, ...]:
        """The main answer's person first, then the other people by prominence, then whoever has no answer."""
        tracks = {track.id: place for place, track in enumerate(self.observation.tracks)}
        others = sorted(self.answer.people, key=lambda other: tracks.get(other.track or "", len(tracks)))
        answers = (self.answer, *others)
        answered = {answer.track for answer in answers}
        silent = [track.id for track in self.observation.tracks if track.id not in answered]
        if self.answer.track is None and self.answer.status == "abstained" and not self.answer.rationale and silent:
            answers = answers[1:]
        listed: list[tuple[str | None, Answer | None]] = [(answer.track, answer) for answer in answers]
        listed += [(track, None) for track in silent]
        return tuple(
            self._person(f"person-{i}", track if track in tracks else None, answer)
            for i, (track, answer) in enumerate(listed, start=1)
        )

    def shared_cues(self) -> tuple[CueView, ...]:
        """Cues that speak of the whole clip; of a recording without its events, which have their own places."""
        return tuple(self._cue(cue) for cue in _strongest(self._shown) if cue.track is None)

    @property
    def keys(self) -> Mapping[str, str]:
        """Id of the element that stands for each cue."""
        return self._keys

    @property
    def claimed(self) -> frozenset[str]:
        """Ids of all cues that a claim rests on."""
        answers = (self.answer, *self.answer.people)
        claims = [claim for answer in answers for claim in answer.claims]
        claims += [claim for answer in answers for item in answer.follow_ups for claim in item.claims]
        return frozenset(id for claim in claims for id in claim.cues)

    def track(self, id: str | None) -> Track | None:
        """The track of that id."""
        return next((track for track in self.observation.tracks if track.id == id), None)

    def _person(self, key: str, track: str | None, answer: Answer | None) -> PersonView:
        own = [cue for cue in _strongest(self._shown) if cue.track == track and track is not None]
        gaps = _unique((*self.observation.missing_for(track), *(answer.missing if answer else ())))
        passages, unplaced = self._rationale(answer) if answer else ((), ())
        pose = {cue.name: self._cue(cue) for cue in own if cue.kind in (CueKind.HEAD_POSE, CueKind.GAZE)}
        claims = answer.claims if answer else ()
        return PersonView(
            key=key,
            track=track,
            answer=answer,
            word=strength(answer.intensity).name.lower() if answer and answer.intensity is not None else "",
            passages=passages,
            unplaced=unplaced,
            units=tuple(
                sorted(
                    (self._unit(cue) for cue in own if cue.kind is CueKind.ACTION_UNIT),
                    key=lambda unit: (unit.probability, -unit.value, unit.code),
                )
            ),
            missing_units=tuple((gap.stream, _name(gap.stream), gap.reason) for gap in gaps if _UNIT.match(gap.stream)),
            pose=pose,
            cues=tuple(
                self._cue(cue) for cue in own if cue.kind not in (CueKind.ACTION_UNIT, CueKind.HEAD_POSE, CueKind.GAZE)
            ),
            missing=tuple(gap for gap in gaps if not _UNIT.match(gap.stream)),
            follow_ups=tuple(self._follow_up(item) for item in (answer.follow_ups if answer else ())),
            tally={verdict: sum(claim.verdict == verdict for claim in claims) for verdict in _VERDICTS},
        )

    def _rationale(self, answer: Answer) -> tuple[tuple[Passage, ...], tuple[Sentence, ...]]:
        if answer.rationale is None:
            return (), alone(self._claim(claim) for claim in answer.claims)
        passages: list[Passage] = []
        unplaced: list[ClaimView] = []
        for part in Part:
            claims = [self._claim(claim) for claim in answer.claims if claim.part is part]
            sentences, rest = split(getattr(answer.rationale, part.value), claims)
            passages.append(Passage(part.value, sentences))
            unplaced += rest
        return tuple(passages), alone(unplaced)

    def _follow_up(self, item: FollowUp) -> FollowUpView:
        sentences, rest = split(item.text, [self._claim(claim) for claim in item.claims])
        return FollowUpView(item.question, Passage("reply", sentences + alone(rest)), item.model, item.prompt)

    def _claim(self, claim: Claim) -> ClaimView:
        links = tuple(Link(self._label(id), self._keys.get(id)) for id in claim.cues)
        return ClaimView(
            f"claim-{next(self._claims)}", claim.text, claim.verdict.value, claim.reason, links, self._moment(claim)
        )

    def _moment(self, claim: Claim) -> Moment | None:
        """Where a claim leads: to its start, or to the middle of a time so short that it is one picture.

        A claim about the clip as a whole leads nowhere.
        """
        cues = [self._cues[id] for id in claim.cues if id in self._cues]
        if claim.start is None or (cues and all(cue.extent is Extent.WHOLE for cue in cues)):
            return None
        end = claim.end if claim.end is not None and claim.end > claim.start else claim.start
        if end - claim.start <= _ONE_PICTURE:
            return Moment((claim.start + end) / 2, claim.start, end, True)
        return Moment(claim.start, claim.start, end, False)

    def _label(self, id: str) -> str:
        cue = self._cues.get(id)
        if cue is None:
            return id
        name = cue.name if cue.kind is CueKind.ACTION_UNIT or cue.extent is Extent.MOMENT else quantity(cue)
        return f"{name} {clock(cue.start if cue.peak is None else cue.peak)}" if cue.extent is Extent.EVENT else name

    def _unit(self, cue: Cue) -> UnitView:
        value = cue.value or 0.0
        probability = cue.scale is not Scale.INTENSITY
        name = _name(cue.name)
        wording = UNITS[cue.name].wording(value) if name and not probability and value >= VISIBLE else name
        return UnitView(
            key=self._keys[cue.id],
            code=cue.name,
            name=name,
            wording="" if wording == name else wording,
            value=value,
            left=cue.left,
            right=cue.right,
            word="" if probability else strength(value).name.lower(),
            probability=probability,
            reliable=cue.reliable,
            regions=" ".join(moved(cue)),
            when=self._when(cue),
            source=str(cue.source),
        )

    def _cue(self, cue: Cue) -> CueView:
        regions = {CueKind.HEAD_POSE: "axes", CueKind.GAZE: "gaze"}.get(cue.kind, "")
        return CueView(
            key=self._keys[cue.id],
            kind=_KINDS.get(cue.kind, cue.kind.value.replace("_", " ")),
            name=quantity(cue) if cue.extent is Extent.WHOLE else cue.name.replace("_", " "),
            value=cue.value,
            shown=amount(cue),
            regions=regions,
            when=self._when(cue),
            source=str(cue.source),
        )

    def _when(self, cue: Cue) -> str:
        return f"{cue.start:.1f}–{cue.end:.1f} s" if cue.end > 0 and cue.extent is not Extent.WHOLE else ""


_VERDICTS = ("supported", "contradicted", "unverifiable")


def _cue_keys(cues: Sequence[Cue]) -> dict[str, str]:
    """Element id of each cue; repeated measurements of one quantity share that of their peak."""
    groups: dict[tuple[object, ...], str] = {}
    return {cue.id: groups.setdefault(_quantity(cue), f"cue-{len(groups) + 1}") for cue in cues}


def _strongest(cues: Sequence[Cue]) -> list[Cue]:
    """Of repeated measurements of one quantity the one with the largest absolute value; events are left out."""
    best: dict[tuple[object, ...], Cue] = {}
    for cue in cues:
        key = _quantity(cue)
        if cue.extent is not Extent.EVENT and (key not in best or abs(cue.value or 0) > abs(best[key].value or 0)):
            best[key] = cue
    return list(best.values())


def _quantity(cue: Cue) -> tuple[object, ...]:
    if cue.scale is Scale.TEXT or cue.extent is Extent.EVENT:
        return (cue.id,)
    return cue.track, cue.kind, cue.name, cue.scale, cue.source.backend, cue.extent


def moved(cue: Cue) -> Iterator[str]:
    """Regions that a unit moves, on the sides where it is visible; on both if on neither."""
    sides = {side for side, value in ((Side.LEFT, cue.left), (Side.RIGHT, cue.right)) if value and value >= VISIBLE}
    for name in UNIT_REGIONS.get(cue.name, ()):
        for region in REGIONS[name]:
            if region.side is None or not sides or region.side in sides:
                yield region_name(name, region.side)


def _name(code: str) -> str:
    return UNITS[code].name if code in UNITS else ""


def _unique(gaps: Iterable[Missing]) -> tuple[Missing, ...]:
    return tuple({(gap.stream, gap.reason): gap for gap in gaps}.values())
