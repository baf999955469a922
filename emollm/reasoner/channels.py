"""What the channels of a recording give about one person: the face over time, the voice, the words."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from functools import cached_property
from statistics import fmean
from typing import Literal, NamedTuple

from emollm.evidence.lookup import TOLERANCE, Evidence
from emollm.facs import ABSENT
from emollm.perception.voice.wording import SCALES, describe
from emollm.reasoner.assumptions import voice_signs
from emollm.reasoner.weighing import ReasonerSettings, expressive, is_present, told_by_face
from emollm.types import Cue, CueKind, Extent, MediaInfo, Observation, Peak, Scale, Track

Medium = Literal["photo", "clip", "sound", "text"]

SPEAKS = 0.5
"""Share of the speech during which a mouth moves as a speaker's does from which the person is said to speak."""
_OF_FACE = frozenset({CueKind.ACTION_UNIT, CueKind.EXPRESSION, CueKind.GAZE, CueKind.HEAD_POSE})
_CLEAR_SECONDS = 0.5
"""How long, at least, an expression has to be read to be told of."""
_DEPARTURES = ("pitch", "loudness", "rate")
_TURNS = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch")


class Level(StrEnum):
    """How activated a voice sounds."""

    HIGH = "high"
    LOW = "low"
    ORDINARY = "ordinary"


class Activation(NamedTuple):
    """The level of a voice and what shows it."""

    level: Level
    signs: tuple[str, ...]
    """What makes it so, as noun phrases: ``a lively pitch``."""


class Said(NamedTuple):
    """A piece of speech in words."""

    words: Cue
    polarity: Cue | None


class Channels:
    """The channels of one person's part of an observation.

    Args:
        observation: What was measured.
        person: The person, or None where nobody is seen or the cues have no place.
        settings: How much is told.
    """

    def __init__(self, observation: Observation, person: Track | None, settings: ReasonerSettings) -> None:
        self.observation = observation
        self.person = person
        self.settings = settings
        self.cues = observation.of(person.id if person is not None else None)
        self.peak: Peak | None = person.peaks[0] if person is not None and person.peaks else None

    @property
    def medium(self) -> Medium:
        """What was given: a table counts as the recording or the photo that it measures."""
        return medium(self.observation.media, timed=self.peak is not None)

    @property
    def moment(self) -> list[Cue]:
        """The cues that decide the label: those of the moment and of the whole clip, not what came and went."""
        return [cue for cue in self.cues if cue.extent is not Extent.EVENT]

    @property
    def units(self) -> frozenset[str]:
        """Codes of the units that were measured at any time."""
        track = self.person.id if self.person is not None else None
        over_time = (one.name for one in self.observation.series if one.track == track)
        return frozenset((*over_time, *(cue.name for cue in self.cues if cue.kind is CueKind.ACTION_UNIT)))

    @property
    def has_face(self) -> bool:
        """Whether anything was measured that may speak for a label."""
        return self.person is not None or any(cue.kind in _OF_FACE for cue in self.cues)

    def is_missing(self, stream: str, *reasons: str) -> bool:
        """Whether a stream is listed as missing for the whole clip or this person, for one of the reasons if given.

        Args:
            stream: ``voice``, ``words`` …
            reasons: How the reason begins.
        """
        gaps = self.observation.missing_for(self.person.id if self.person is not None else None)
        return any(gap.stream == stream and (not reasons or gap.reason.startswith(reasons)) for gap in gaps)

    # the face over time

    @cached_property
    def evidence(self) -> Evidence:
        """All that was measured of the person, to look up."""
        return Evidence.of(self.observation, self.person.id if self.person is not None else None)

    def moment_at(self, time: float) -> list[Cue]:
        """The units and expressions at another moment of the clip, by the course over time, as cues of that moment.

        Empty where not all are known then that are known at the apex.
        """
        out = []
        for cue in self.moment:
            if cue.kind is CueKind.EXPRESSION and cue.scale is Scale.PROBABILITY and cue.extent is Extent.MOMENT:
                series = self.evidence.series(cue.name)
                near = (max(0.0, time - series.step), time + series.step) if series is not None else (time, time)
                if not (read := self.evidence.values(cue.name, *near)):
                    return []
                out.append(cue.model_copy(update={"value": fmean(read), "start": time, "end": time}))
            if cue.kind is not CueKind.ACTION_UNIT or cue.extent is not Extent.MOMENT:
                continue
            values = self.evidence.values(cue.name, time, time)
            series = self.evidence.series(cue.name)
            if values and series is not None and series.scale is cue.scale:
                value = values[0]
            elif self.evidence.never(cue.name) is not None and self.evidence.seen(time, time):
                value = cue.value or 0.0
            elif expressive(cue.name):
                return []
            else:
                continue
            sides = {"left": None, "right": None}
            out.append(cue.model_copy(update={"value": value, "start": time, "end": time, **sides}))
        return out

    def read_elsewhere(self, besides: Collection[str], clear: float, most: int) -> list[tuple[float, Cue, float]]:
        """When else an expression network clearly reads another expression: time, its cue at the apex, and the probability then.

        Of each the likeliest time, where it is clear for half a second or more; in the order of time.

        Args:
            besides: Names of expressions to leave out.
            clear: Least probability.
            most: At most so many.
        """
        found = []
        for cue in self.moment:
            series = self.evidence.series(cue.name)
            if cue.kind is not CueKind.EXPRESSION or cue.extent is not Extent.MOMENT or cue.name in besides:
                continue
            values = [value or 0.0 for value in series.values] if series is not None and series.kind is cue.kind else []
            if series is None or sum(value >= clear for value in values) * series.step < _CLEAR_SECONDS:
                continue
            top = max(range(len(values)), key=lambda index: values[index])
            found.append((series.start + (top + 0.5) * series.step, cue, values[top]))
        found.sort(key=lambda one: -one[2])
        return sorted(found[:most], key=lambda one: one[0])

    @cached_property
    def movements(self) -> list[Cue]:
        """The strongest movements that came and went, in the order of time; what speech explains counts little."""
        return self.movements_of()

    def movements_of(self, names: Collection[str] = ()) -> list[Cue]:
        """The strongest movements of some units, or of all."""
        events = self._events(CueKind.ACTION_UNIT)
        told = [cue for cue in events if expressive(cue.name) or cue.name == "AU43"]
        found = [cue for cue in told if not names or cue.name in names]
        ranked = [(self._weight(cue), cue) for cue in found if is_present(cue)]
        ranked = sorted(
            ((weight, cue) for weight, cue in ranked if weight >= ABSENT), key=lambda one: (-one[0], one[1].id)
        )
        return _in_time(cue for _, cue in ranked[: self.settings.max_events])

    def going_on(self, time: float) -> list[Cue]:
        """The movements that are there at a moment of the clip, with the strength that they have then, strongest first.

        Where there is no course over time, those that are strongest about then.
        """
        evidence = self.evidence
        first, last = max(0.0, time - TOLERANCE), time + TOLERANCE
        found: dict[str, Cue] = {}
        for cue in self._events(CueKind.ACTION_UNIT):
            if cue.start > time or cue.end < time or not (expressive(cue.name) or cue.name == "AU43"):
                continue
            series, value = evidence.series(cue.name), cue.value
            if series is not None and series.scale is cue.scale:
                value = max(evidence.values(cue.name, first, last), default=0.0)
            elif cue.peak is None or abs(cue.peak - time) > TOLERANCE:
                continue
            found[cue.name] = cue.model_copy(update={"value": value, "left": None, "right": None})
        ranked = [(self._weight(cue), cue) for cue in found.values() if is_present(cue)]
        ranked.sort(key=lambda one: (-one[0], one[1].id))
        return [cue for weight, cue in ranked if weight >= ABSENT]

    def _weight(self, cue: Cue) -> float:
        spoken = self.speaks and any(cue.start < speech.end and speech.start < cue.end for speech in self.speech)
        return (cue.value or 0.0) * told_by_face(cue.name, spoken)

    @cached_property
    def turns(self) -> list[Cue]:
        """The largest turns of the head and the gaze that came and went, in the order of time."""
        kinds = {CueKind.HEAD_POSE: self.settings.head_degrees, CueKind.GAZE: self.settings.gaze_degrees}
        found = [
            cue
            for kind, least in kinds.items()
            for cue in self._events(kind)
            if cue.name in _TURNS and cue.scale is Scale.DEGREES and abs(cue.value or 0.0) >= least
        ]
        found.sort(key=lambda cue: (-abs(cue.value or 0.0) / kinds[cue.kind], cue.id))
        return _in_time(found[: self.settings.max_turns])

    @property
    def blink_rate(self) -> Cue | None:
        """The rate of blinks, where it is out of the ordinary and the clip long enough for one."""
        cue = next((cue for cue in self.cues if cue.name == "blink_rate" and cue.extent is Extent.WHOLE), None)
        if cue is None or cue.value is None or cue.end - cue.start < self.settings.blink_seconds:
            return None
        usual = self.settings.rare_blinks < cue.value < self.settings.many_blinks
        return None if usual else cue

    # the voice

    @property
    def voice(self) -> list[Cue]:
        """Everything measured of a voice that is this person's or nobody's known."""
        return [cue for cue in self.cues if cue.kind is CueKind.PROSODY]

    @property
    def is_silent(self) -> bool:
        """Whether there is sound and nobody speaks in it; not where the voice could not be measured for another reason."""
        return not self.voice and self.is_missing("voice", "no speech", "the sound is ")

    @property
    def is_not_understood(self) -> bool:
        """Whether there is speech of which no words were recognised."""
        return not self.said and self.is_missing("words", "speech")

    @property
    def speaks(self) -> bool:
        """Whether the person may be the one who is heard: unless the mouth rests while somebody speaks."""
        share = self.person.speaking if self.person is not None else None
        return share is None or share >= self.settings.listener

    @property
    def is_own_voice(self) -> bool:
        """Whether the voice is known to be this person's."""
        heard = (CueKind.PROSODY, CueKind.WORDS)
        return self.person is not None and any(cue.track == self.person.id for cue in self.cues if cue.kind in heard)

    @property
    def is_speaker(self) -> bool:
        """Whether the person's own mouth was seen to speak for most of the speech."""
        share = self.person.speaking if self.person is not None else None
        return self.is_own_voice and share is not None and share >= SPEAKS

    @property
    def speech(self) -> list[Cue]:
        """The stretches of speech."""
        return [cue for cue in self._events(CueKind.PROSODY) if cue.name == "speech"]

    def whole(self, name: str) -> Cue | None:
        """A summary of the voice."""
        return next((cue for cue in self.voice if cue.name == name and cue.extent is Extent.WHOLE), None)

    @cached_property
    def departures(self) -> list[Cue]:
        """Where the voice is farthest from its usual, in the order of time: the largest of each kind first."""
        found = [cue for cue in self._events(CueKind.PROSODY) if cue.name in _DEPARTURES and cue.value is not None]
        first: dict[tuple[str, bool], Cue] = {}
        for cue in sorted(found, key=lambda cue: (-_far(cue), cue.id)):
            first.setdefault((cue.name, _is_up(cue)), cue)
        ranked = sorted(first.values(), key=lambda cue: (-_far(cue), cue.id))
        return _in_time(ranked[: self.settings.max_departures])

    @cached_property
    def pauses(self) -> list[Cue]:
        """The longest pauses, in the order of time."""
        long = [
            cue
            for cue in self._events(CueKind.PROSODY)
            if cue.name == "pause" and (cue.value or 0.0) >= self.settings.long_pause
        ]
        long.sort(key=lambda cue: (-(cue.value or 0.0), cue.id))
        return _in_time(long[: self.settings.max_pauses])

    @cached_property
    def activation(self) -> Activation | None:
        """How activated the voice sounds, by ``assumptions.yaml``; None where nothing that tells was measured.

        Ordinary where nothing stands out, and where signs of both levels do.
        """
        told = [cue for name in SCALES if (cue := self.whole(name)) is not None and cue.value is not None]
        if not told:
            return None
        words = [word for cue in told if (word := describe(cue.name, cue.value or 0.0)) is not None]
        signs = [voice_signs()[word] for word in words if word in voice_signs()]
        levels = {sign.level for sign in signs}
        if len(levels) != 1:
            return Activation(Level.ORDINARY, ())
        return Activation(Level(levels.pop()), tuple(sign.phrase for sign in signs))

    # the words

    @cached_property
    def said(self) -> list[Said]:
        """What was said, in the order of time, with its polarity where that was measured."""
        events = _in_time(self._events(CueKind.WORDS))
        polarity = {(cue.start, cue.end, cue.track): cue for cue in events if cue.name == "polarity"}
        return [Said(cue, polarity.get((cue.start, cue.end, cue.track))) for cue in events if cue.scale is Scale.TEXT]

    @cached_property
    def telling(self) -> Said | None:
        """What was said at the apex, or else where the polarity is strongest, or else at the greatest length."""
        here = [one for one in self.said if self.peak and one.words.start <= self.peak.time <= one.words.end]
        strongest = sorted(self.said, key=lambda one: (-abs(_value(one.polarity)), -len(one.words.text or "")))
        return next(iter([*here, *strongest]), None)

    @property
    def polarities(self) -> list[Cue]:
        """How positive the words are, in the order of time: of pieces of speech, or of words that came with the clip."""
        return _in_time(cue for cue in self.cues if cue.kind is CueKind.WORDS and cue.name == "polarity")

    @property
    def transcript(self) -> Cue | None:
        """The words that came with the clip."""
        return next((cue for cue in self.cues if cue.kind is CueKind.WORDS and cue.name == "transcript"), None)

    def _events(self, kind: CueKind) -> list[Cue]:
        return [cue for cue in self.cues if cue.kind is kind and cue.extent is Extent.EVENT]


def medium(media: MediaInfo, timed: bool = False) -> Medium:
    """What a file is to its reader.

    Args:
        media: What the file says of itself.
        timed: Whether faces were followed through time, for a table of measurements.
    """
    match media.kind:
        case "video":
            return "clip"
        case "audio":
            return "sound"
        case "text":
            return "text"
    return "clip" if timed else "photo"


def _value(cue: Cue | None) -> float:
    return cue.value or 0.0 if cue is not None else 0.0


def _in_time(cues: Iterable[Cue]) -> list[Cue]:
    return sorted(cues, key=lambda cue: (cue.start, cue.end, cue.id))


def _is_up(cue: Cue) -> bool:
    return (cue.value or 0.0) > (1.0 if cue.scale is Scale.RATIO else 0.0)


def _far(cue: Cue) -> float:
    """How far a departure goes, in steps that are about as large for the ear: semitones, 2 decibels, a tenth of the rate."""
    value = cue.value or 0.0
    match cue.name:
        case "pitch":
            return abs(value)
        case "loudness":
            return abs(value) / 2
    return abs(value - 1) * 10
