"""What a cohort report keeps of each person of a clip: label, moments, movements over time, voice, words, gaps.

A person is a track of one clip; a clip in which nobody is seen (sound) is one person without a track. Nobody is recognised from one
clip to another.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath, PurePosixPath
from typing import NamedTuple

import emollm
from emollm.emotions import LabelSet, label_set, label_sets
from emollm.evidence import LIKELY, Evidence
from emollm.facs import PRESENT
from emollm.reasoner import ReasonerSettings, decide, find_doubts, other_moments
from emollm.reasoner.channels import Channels
from emollm.reasoner.weighing import expressive, told_by_face, weigh
from emollm.report.cohort_reading import Entry
from emollm.types import Answer, Cue, CueKind, Extent, Missing, Observation, Scale, Series, Track

_LOST = 0.3
"""Seconds without a view of a face from which it counts as lost."""
UNKNOWN, ABSENT, THERE = range(3)
"""What is known of a movement in one step of time."""


class Moment(NamedTuple):
    """A moment at which a face is most expressive."""

    time: float
    start: float
    end: float
    label: str | None
    """What the face shows then; None where that is not clear."""
    units: tuple[str, ...]
    main: bool


class Phrase(NamedTuple):
    """Something that was said."""

    start: float
    end: float
    text: str
    polarity: float | None


class Departure(NamedTuple):
    """Where a voice is unlike its usual."""

    start: float
    end: float
    name: str
    """``pitch``, ``loudness``, ``rate``."""
    up: bool


class Course(NamedTuple):
    """The movements of a face over time, on the grid of its series."""

    start: float
    step: float
    seen: bytes
    """Of each step, whether the face was measured."""
    units: dict[str, bytes]
    """Of each unit that was measured, :data:`UNKNOWN`, :data:`ABSENT` or :data:`THERE` for each step."""
    activity: tuple[float | None, ...]
    """How many movements are there at once; mouth units count little while the person speaks (docs/cohort-report.md)."""


@dataclass(frozen=True)
class Person:
    """One person of one clip."""

    clip: str
    track: str | None
    alone: bool
    """Whether nobody else is in the clip."""
    kind: str
    """``video``, ``image``, ``audio``, ``table``, ``text``; empty without an Observation."""
    duration: float | None
    status: str
    label: str | None
    label_set: str | None
    intensity: float | None
    answered_by: str
    read_in: str = "basic8"
    """The label set in which the moments, and the face beside voice and words, are read."""
    reasoned: bool = False
    """Whether there was no Answer, so that the deterministic reasoner answered."""
    moments: tuple[Moment, ...] = ()
    units: dict[str, bool] = field(default_factory=dict)
    """The units that were measured at any time, and whether they were ever there."""
    course: Course | None = None
    speech: tuple[tuple[float, float], ...] = ()
    departures: tuple[Departure, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    voice: dict[str, float] = field(default_factory=dict)
    """Summaries of the voice by name, where it is this person's or nobody else is there."""
    polarity: float | None = None
    """Of all words, weighed by their length."""
    missing: tuple[Missing, ...] = ()

    @property
    def group(self) -> str:
        """The whole path of the folder that the clip lies in; empty where its id names none."""
        return os.path.dirname(os.path.normpath(self.clip.replace("\\", "/")))

    @property
    def name(self) -> str:
        """File name, with the person where there are several."""
        file = PurePath(self.clip.replace("\\", "/")).name or self.clip
        return file if self.alone or self.track is None else f"{file} {self.track}"


def shortened(folders: Iterable[str]) -> dict[str, str]:
    """What each folder is called: as many of the last names of its path as no other folder's path ends with, else the whole path."""
    parts = {folder: PurePosixPath(folder).parts for folder in folders}
    counts = Counter(own[-n:] for own in parts.values() for n in range(1, len(own) + 1))
    tails = {folder: [own[-n:] for n in range(1, len(own) + 1)] for folder, own in parts.items()}
    return {
        folder: next((str(PurePosixPath(*tail)) for tail in own if counts[tail] == 1), folder)
        for folder, own in tails.items()
    }


def people_of(entry: Entry, labels: str | None, settings: ReasonerSettings, labelled: bool = True) -> Iterator[Person]:
    """The people of one clip, the most prominent one first.

    Args:
        entry: Observation, Answer or both. Without an Answer the deterministic reasoner answers.
        labels: Label set of the reasoner where there is no Answer; by default ``basic8``. The moments beside the main one are read in
            the Answer's own set.
        settings: Of the reasoner.
        labelled: Whether labels and moments are wanted; they take most of the time.
    """
    observation, answer = entry.observation, entry.answer
    if observation is None:
        assert answer is not None
        for one in (answer, *answer.people):
            yield _told(one, alone=not answer.people)
        return
    words = label_set(_known(answer.label_set if answer is not None else None) or labels or "basic8")
    answers = {one.track: one for one in (answer, *answer.people)} if answer is not None else {}
    for track in observation.people or (None,):
        channels = Channels(observation, track, settings)
        told = answers.get(track.id if track is not None else None)
        said = _Said("unanswered", None, None, "")
        if told is not None:
            said = _Said(told.status, told.label, told.intensity, told.provenance.model)
        elif labelled and answer is None:
            said = decided(channels, words)
        moments = tuple(_moments(channels, words, said.label)) if labelled else ()
        yield _measured(entry.id, channels, said, moments, words.id, reasoned=answer is None)


class _Said(NamedTuple):
    """What an answer comes to."""

    status: str
    label: str | None
    intensity: float | None
    by: str


def decided(channels: Channels, labels: LabelSet) -> _Said:
    """What the deterministic reasoner says of a person, without a text: as :func:`emollm.reasoner.reason`, but at a fifth of the cost."""
    evidence, settings = Evidence(channels.moment), channels.settings
    doubts = find_doubts(channels.person, evidence, settings)
    speaking = channels.peak is not None and channels.peak.speaking and channels.speaks
    decision = decide(weigh(evidence, labels, (1 - settings.doubt) ** len(doubts), settings, speaking), settings)
    answered = channels.has_face and decision.outcome.startswith("answered")
    by = f"reasoner@{emollm.__version__}"
    return _Said("answered", decision.label, decision.intensity, by) if answered else _Said("abstained", None, None, by)


def _known(id: str | None) -> str | None:
    """The name of a label set that comes with emollm; a record may not name files to be read."""
    return id if id in label_sets() else None


def _told(answer: Answer, alone: bool) -> Person:
    """Somebody of whom there is only an answer."""
    return Person(
        answer.id, answer.track, alone, "", None, answer.status, answer.label, answer.label_set, answer.intensity,
        answer.provenance.model, missing=(Missing(stream="observation", reason="no Observation of this clip in the folder"),),
    )  # fmt: skip


def _measured(
    id: str, channels: Channels, said: _Said, moments: tuple[Moment, ...], set_: str, *, reasoned: bool
) -> Person:
    observation, track = channels.observation, channels.person
    alone = len(observation.tracks) < 2
    heard = alone or channels.is_own_voice
    spoken = tuple((cue.start, cue.end) for cue in channels.speech) if heard else ()
    course = course_of(observation, track, spoken if channels.speaks else ())
    rises = [cue for cue in channels.departures if cue.value is not None] if heard else []
    return Person(
        id,
        track.id if track is not None else None,
        alone,
        observation.media.kind,
        _duration(observation),
        said.status,
        said.label,
        set_,
        said.intensity,
        said.by,
        read_in=set_,
        reasoned=reasoned,
        moments=moments,
        units=_units(channels, course),
        course=course,
        speech=spoken,
        departures=tuple(_departure(cue) for cue in rises),
        phrases=tuple(_phrases(channels)) if heard else (),
        voice=_summaries(channels) if heard else {},
        polarity=_polarity(channels) if heard else None,
        missing=observation.missing_for(track.id if track is not None else None),
    )


def _duration(observation: Observation) -> float | None:
    """Seconds of the clip; None for a photo, and for a table or a text without times."""
    series = max((one.start + one.step * len(one.values) for one in observation.series), default=0.0)
    known = observation.media.duration or series
    return known if known > 0 and observation.media.kind != "image" else None


def _moments(channels: Channels, labels: LabelSet, label: str | None) -> Iterator[Moment]:
    if channels.person is None:
        return
    peaks = channels.person.peaks
    doubts = len(find_doubts(channels.person, channels.evidence, channels.settings))
    read = {peak.time: found for peak, found in other_moments(channels, labels, doubts, channels.settings)}
    for place, peak in enumerate(peaks):
        shown = label if not place else read.get(peak.time)
        yield Moment(peak.time, peak.start, peak.end, shown, peak.units, not place)


def _phrases(channels: Channels) -> Iterator[Phrase]:
    for said in channels.said:
        polarity = said.polarity.value if said.polarity is not None else None
        yield Phrase(said.words.start, said.words.end, said.words.text or "", polarity)
    if not channels.said and (given := channels.transcript) is not None:
        polarity = next((cue.value for cue in channels.polarities), None)
        yield Phrase(given.start, given.end, given.text or "", polarity)


def _departure(cue: Cue) -> Departure:
    usual = 1.0 if cue.scale is Scale.RATIO else 0.0
    return Departure(cue.start, cue.end, cue.name, (cue.value or 0.0) > usual)


def _summaries(channels: Channels) -> dict[str, float]:
    """The voice as a whole."""
    return {cue.name: cue.value for cue in channels.voice if cue.extent is Extent.WHOLE and cue.value is not None}


def _polarity(channels: Channels) -> float | None:
    """How positive the words are, the pieces weighed by their length."""
    cues = [cue for cue in channels.polarities if cue.value is not None]
    weights = [max(cue.end - cue.start, 0.1) for cue in cues]
    return sum(w * (cue.value or 0.0) for w, cue in zip(weights, cues, strict=True)) / sum(weights) if cues else None


def _units(channels: Channels, course: Course | None) -> dict[str, bool]:
    """The units that were measured: whether each was there at any time."""
    missing = {gap.stream for gap in channels.observation.missing_for(channels.person.id if channels.person else None)}
    there = {name: THERE in values for name, values in (course.units.items() if course is not None else ())}
    for cue in channels.cues:
        if cue.kind is CueKind.ACTION_UNIT and expressive(cue.name) and cue.name not in missing:
            there[cue.name] = there.get(cue.name, False) or is_there(cue.value, cue.scale)
    return there


def is_there(value: float | None, scale: Scale) -> bool:
    """Whether a movement counts as present: an intensity from .3, a probability from .5."""
    return value is not None and value >= (LIKELY if scale is Scale.PROBABILITY else PRESENT)


# ---- over time ------------------------------------------------------------------------------------------------------


def face_series(observation: Observation, track: Track) -> list[Series]:
    """The series of a face that lie on one grid: units, head, gaze.

    Between pictures that lie farther apart than the steps of the grid, the last value goes on.
    """
    kinds = (CueKind.ACTION_UNIT, CueKind.HEAD_POSE, CueKind.GAZE)
    own = [one for one in observation.series if one.track == track.id and one.kind in kinds]
    even = [one for one in own if (one.step, one.start) == (own[0].step, own[0].start)]
    return [one.model_copy(update={"values": _bridged(one.values, int(_LOST / one.step + 1e-6))}) for one in even]


def _bridged(values: Sequence[float | None], most: int) -> tuple[float | None, ...]:
    """The values with gaps of at most so many steps closed by what was there before."""
    out = list(values)
    known = [at for at, value in enumerate(values) if value is not None]
    for before, after in pairwise(known):
        if after - before - 1 <= most:
            out[before + 1 : after] = [values[before]] * (after - before - 1)
    return tuple(out)


def course_of(
    observation: Observation, track: Track | None, speech: Sequence[tuple[float, float]] = ()
) -> Course | None:
    """The movements of one face over time; None for a photo, and where nothing was kept over time.

    Args:
        observation: What was measured.
        track: Whose face.
        speech: When this person speaks, in seconds.
    """
    own = face_series(observation, track) if track is not None and observation.media.kind != "image" else []
    if not own or track is None:
        return None
    start, step, count = own[0].start, own[0].step, max(len(one.values) for one in own)
    seen = bytes(any(at < len(one.values) and one.values[at] is not None for one in own) for at in range(count))
    units: dict[str, bytes] = {}
    for one in own:
        if one.kind is CueKind.ACTION_UNIT and one.name not in units:
            units[one.name] = bytes(
                UNKNOWN if value is None else THERE if is_there(value, one.scale) else ABSENT for value in one.values
            ).ljust(count, bytes([UNKNOWN]))
    for name in _still(observation, track, units):
        units[name] = bytes(ABSENT if known else UNKNOWN for known in seen)
    return Course(start, step, seen, units, tuple(_activity(start, step, seen, units, speech)))


def _still(observation: Observation, track: Track, units: dict[str, bytes]) -> set[str]:
    """Units that were measured and never moved: they have a cue at the apex and no series."""
    missing = {gap.stream for gap in observation.missing_for(track.id)}
    return {
        cue.name
        for cue in observation.of(track.id, CueKind.ACTION_UNIT)
        if cue.extent is Extent.MOMENT and cue.name not in units and cue.name not in missing
        if not is_there(cue.value, cue.scale)
    }


def _activity(
    start: float, step: float, seen: bytes, units: dict[str, bytes], speech: Sequence[tuple[float, float]]
) -> Iterator[float | None]:
    told = [(values, told_by_face(name, False), told_by_face(name, True)) for name, values in units.items() if expressive(name)]  # fmt: skip
    for at, known in enumerate(seen):
        time = start + (at + 0.5) * step
        talking = any(first <= time < last for first, last in speech)
        there = (heard if talking else silent for values, silent, heard in told if values[at] == THERE)
        yield sum(there, 0.0) if known else None
