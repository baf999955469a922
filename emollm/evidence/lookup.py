"""What was measured of one person, to look things up in: cues by name, events in order, series by time, words, gaps."""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from statistics import median
from typing import NamedTuple, Self

from emollm.evidence.lexicon import lexicon
from emollm.facs import ABSENT
from emollm.types import Cue, CueKind, Extent, Missing, Observation, Scale, Series, Word

TOLERANCE = 0.15
"""Seconds beyond its start and end in which a cue still counts for a stated time."""

_EXTENTS = {Extent.MOMENT: 0, Extent.EVENT: 1, Extent.WHOLE: 2}
_HEARD = frozenset({CueKind.PROSODY, CueKind.WORDS})
_OF_FACE = frozenset({CueKind.ACTION_UNIT, CueKind.HEAD_POSE, CueKind.GAZE})
_SILENT = ("no speech", "the sound is ")
"""How the reason of a missing voice begins where there is sound without speech."""
_SPAN = re.compile(r"\bfrom (\d+\.\d) to (\d+\.\d) s\b")
"""A stretch of the clip in the reason of a gap."""
_SOUND = re.compile(r"\bsound (?P<edge>begins|ends) at (?P<time>\d+(?:\.\d+)?) s\b")
"""From or up to when there is sound, in the reason of a gap."""
_LOST = 0.3
"""Seconds without a view of the face from which it counts as lost, where its pictures lie closer together."""
VOICE = "voice."
"""Before the names of prosody, so that the pitch of a voice is not that of a head."""


class Lost(NamedTuple):
    """Whether a face is out of view right before and right after a stretch of time."""

    before: bool
    after: bool


class Evidence:
    """The cues of one person, by name; expressions by their noun (``happiness``), prosody as ``voice.pitch``.

    Where a quantity was measured more than once, the apex counts before events and summaries; then an intensity is taken
    before a probability, then one backend (the first by name), then the largest value: backends are never mixed.

    Args:
        cues: Of one person and of the whole clip.
        missing: What could not be measured.
        series: Quantities over time.
        words: What was said.
        duration: Length of the clip in seconds; without, that of the longest of the others.
        speaking: Share of the speech during which the person's mouth moves as a speaker's does.
        others: Cues of the voice and the words of other people of the clip.
        over_time: Whether there is a course of time; without, whether what is given has one.
    """

    def __init__(
        self,
        cues: Sequence[Cue],
        missing: Sequence[Missing] = (),
        series: Sequence[Series] = (),
        words: Sequence[Word] = (),
        *,
        duration: float | None = None,
        speaking: float | None = None,
        others: Sequence[Cue] = (),
        over_time: bool | None = None,
    ) -> None:
        self.cues = tuple(cues)
        self.missing = tuple(missing)
        self.words = tuple(words)
        self.speaking = speaking
        self.others = tuple(others)
        self._all: dict[str, list[Cue]] = {}
        for cue in sorted(cues, key=_rank):
            self._all.setdefault(_key(cue), []).append(cue)
        self._series: dict[str, Series] = {}
        for one in sorted(series, key=lambda one: (one.track is None, str(one.source))):
            self._series.setdefault(_prefixed(one.kind, one.name), one)
        courses = any(cue.extent is not Extent.MOMENT for cue in cues) or bool(series or words)
        heard = any(cue.kind in _HEARD for cue in cues)
        self.over_time = courses or heard or duration is not None if over_time is None else over_time
        """Whether times are looked up: never in a photo."""
        ends = [*(cue.end for cue in cues), *(word.end for word in words)]
        ends += [one.start + one.step * len(one.values) for one in series]
        self.duration = duration if duration is not None else max(ends, default=None) if courses else None
        """Seconds of the clip; None in a photo."""

    @classmethod
    def of(cls, observation: Observation, track: str | None) -> Self:
        """All that was measured of one person of a clip."""
        person = next((one for one in observation.tracks if one.id == track), None)
        own = observation.of(track)
        sound = (CueKind.PROSODY, CueKind.WORDS)
        return cls(
            own,
            observation.missing_for(track),
            [one for one in observation.series if one.track in (track, None)],
            observation.words,
            duration=observation.media.duration,
            speaking=person.speaking if person is not None else None,
            others=[cue for cue in observation.cues if cue.kind in sound and cue.track not in (track, None)],
            over_time=False
            if observation.media.kind == "image" and not any(cue.kind in _HEARD for cue in own)
            else None,
        )

    def best(self, name: str) -> Cue | None:
        """The cue that decides: at the apex where there is one, else the strongest event, else a summary."""
        found = self._all.get(name)
        return found[0] if found else None

    def all(self, name: str) -> list[Cue]:
        """Every cue of that name, the one that decides first."""
        return self._all.get(name, [])

    def events(self, name: str, sign: int = 0) -> list[Cue]:
        """Events of that name in the order of time; with a sign only those of that direction."""
        found = [cue for cue in self.all(name) if cue.extent is Extent.EVENT]
        return sorted(
            (cue for cue in found if not sign or (cue.value or 0.0) * sign > 0), key=lambda cue: (cue.start, cue.id)
        )

    def at(self, name: str, start: float, end: float) -> list[Cue]:
        """Moments and events of that name between two times, both in seconds, with the tolerance at either end."""
        return [
            cue
            for cue in self.all(name)
            if cue.extent is not Extent.WHOLE and cue.start <= end + TOLERANCE and cue.end >= start - TOLERANCE
        ]

    def series(self, name: str) -> Series | None:
        """The quantity over time."""
        return self._series.get(name)

    def values(self, name: str, start: float = 0.0, end: float = math.inf) -> list[float]:
        """What the series shows between two times; empty where nothing was measured then."""
        series = self._series.get(name)
        if series is None:
            return []
        first = max(0, math.floor((start - series.start) / series.step + 1e-6))
        last = len(series.values) if end == math.inf else math.ceil((end - series.start) / series.step - 1e-6)
        return [value for value in series.values[first : max(first + 1, last)] if value is not None]

    def seen(self, start: float = 0.0, end: float = math.inf) -> bool:
        """Whether the face was measured at any time between two."""
        return any(self.values(name, start, end) for name, one in self._series.items() if one.kind in _OF_FACE)

    def lost(self, start: float, end: float) -> Lost:
        """Whether nothing was measured of the face right before and right after a stretch: its ends were not seen then.

        Neither where there is no course over time.
        """
        times, step = self._sights
        if not times:
            return Lost(False, False)
        gaps = [after - before for before, after in itertools.pairwise(times)]
        reach = max(_LOST, 1.5 * median(gaps or [0.0])) + 1e-6
        before = any(start - reach <= time + step <= start + 1e-6 for time in times)
        after = any(end < time <= end + reach for time in times)
        return Lost(not before, not after)

    @cached_property
    def _sights(self) -> tuple[list[float], float]:
        """The times, each the beginning of a step, at which anything was measured of the face, and the step."""
        series = [one for one in self._series.values() if one.kind in _OF_FACE]
        times = {
            round(one.start + index * one.step, 3)
            for one in series
            for index, value in enumerate(one.values)
            if value is not None
        }
        return sorted(times), max((one.step for one in series), default=0.0)

    def never(self, name: str) -> Cue | None:
        """The cue of a unit that is absent in every frame: such a unit has no series, though the face has some."""
        best = self.best(name)
        absent = best is not None and best.extent is Extent.MOMENT and best.kind is CueKind.ACTION_UNIT
        if best is None or not absent or (best.value or 0.0) >= ABSENT or self.series(name) or self.events(name):
            return None
        return best if self.seen() else None

    def left_out(self, name: str) -> int:
        """How many weaker events of that name were measured and are not listed."""
        gap = self.gap("events")
        found = re.search(rf"\b(\d+) of {re.escape(name)}\b", gap.reason) if gap is not None else None
        return int(found[1]) if found is not None else 0

    def cue(self, id: str) -> Cue | None:
        """The cue of an id, of this person or of another one's voice."""
        return next((cue for cue in (*self.cues, *self.others) if cue.id == id), None)

    def gap(self, *streams: str) -> Missing | None:
        """Why one of these streams could not be measured."""
        return next((gap for stream in streams for gap in self.missing if gap.stream == stream), None)

    def unheard(self, first: float = 0.0, last: float = math.inf) -> Missing | None:
        """Why the words between two times were not recognised: in the whole clip, or in a stretch of speech there."""
        for gap in self.missing:
            spans = _SPAN.findall(gap.reason) if gap.stream == "words" else []
            here = not spans or any(float(start) <= last and float(end) >= first for start, end in spans)
            if gap.stream == "words" and here:
                return gap
        return None

    def unsounded(self, first: float, last: float) -> tuple[Missing, bool] | None:
        """That the sound does not last over a stretch, and whether it is silent there all the time; None where it does."""
        for gap in self.missing:
            found = _SOUND.search(gap.reason) if gap.stream == "audio" else None
            if found is None:
                continue
            edge, begins = float(found["time"]), found["edge"] == "begins"
            if first < edge - TOLERANCE if begins else last > edge + TOLERANCE:
                return gap, last <= edge if begins else first >= edge
        return None

    @property
    def soundless(self) -> Missing | None:
        """That there is no sound at all."""
        gaps = [gap for gap in self.missing if gap.stream == "audio"]
        return next((gap for gap in gaps if not _SOUND.search(gap.reason)), None)

    @property
    def silence(self) -> Missing | None:
        """That there is sound and nobody speaks in it; None where there is speech, or it could not be measured."""
        gap = self.gap("voice")
        return gap if gap is not None and gap.reason.startswith(_SILENT) else None

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


def span_of(cues: Iterable[Cue]) -> tuple[float, float] | None:
    """From when to when some cues speak; None of none."""
    found = [*cues]
    return (min(cue.start for cue in found), max(cue.end for cue in found)) if found else None


def _prefixed(kind: CueKind, name: str) -> str:
    return VOICE + name if kind is CueKind.PROSODY else name


def _key(cue: Cue) -> str:
    return _emotion(cue.name) if cue.kind is CueKind.EXPRESSION else _prefixed(cue.kind, cue.name)


def _emotion(word: str) -> str:
    forms = lexicon()["emotions"]
    return next((emotion for emotion, words in forms.items() if word.lower() in words), word.lower())


def _rank(cue: Cue) -> tuple[int, bool, str, float, str]:
    return (
        _EXTENTS[cue.extent],
        cue.scale is not Scale.INTENSITY,
        str(cue.source),
        -abs(cue.value or 0.0),
        cue.id,
    )
