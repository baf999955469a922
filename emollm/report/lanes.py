"""The lanes of a timeline: which quantities get one, and how their series and events are drawn."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from emollm.facs import LIKELY, PRESENT, UNITS
from emollm.report import axis
from emollm.report.axis import curve, percent, spoken
from emollm.report.quantities import event_amount, quantity
from emollm.report.views import VISIBLE, moved
from emollm.types import Cue, CueKind, Extent, Observation, Scale, Series

MOST_UNITS = 8
"""Action units with a lane."""

_LEAST_UNITS = 3
"""Units with a lane even if they hardly move, where there are so many."""

MOST_EXPRESSIONS = 3
"""Expressions of a face net with a lane: those it finds likely at some time."""

MOST_SPANS = 120
"""Events that are shaded in one lane: those of claims first, then the strongest."""

TOP = 30
"""Height of the axis above the first lane, in pixels."""

BLINKS = ("AU43", "AU45", "AU46")
"""Units that have the lane of the eyes."""

_GAP = 7
_FAINT = -60.0
"""Decibels of full scale; a recording that never gets louder is drawn low."""
_NOTHING = -119.5
"""Decibels of full scale under which there is no signal at all; such a recording has no lane of loudness."""

_MARKED = ("eyes", "speech")
"""Lanes without a curve: events beyond those that can be pointed at are still drawn."""

_HEAD = (("yaw", "turn"), ("pitch", "up"), ("roll", "tilt"))
_GAZE = (("gaze_yaw", "side"), ("gaze_pitch", "up"))
_EYES_AND_HEAD = {f"AU{number}" for number in (*range(51, 59), *range(61, 65))}


class Curve(NamedTuple):
    """One series as it is drawn."""

    name: str
    """Class of the line."""
    path: str
    filled: bool


class Reading(NamedTuple):
    """Where the value of a series at the playhead is written."""

    series: int
    """Place in ``Observation.series``."""
    unit: str
    """``intensity``, ``probability``, ``degrees``, ``hertz`` or ``decibels``."""
    name: str
    """Class of its line, if there are several in the lane."""
    label: str


class Guide(NamedTuple):
    """A level line of a lane."""

    y: float
    text: str
    side: str
    """``upper`` or ``lower`` at an edge of the lane, else empty."""


class Span(NamedTuple):
    """An event on a lane, in percent of the clip."""

    key: str
    left: float
    width: float
    at: float
    """Seconds to which it leads."""
    label: str
    regions: str
    tone: str
    """``up``, ``down`` or empty."""


@dataclass(frozen=True)
class Lane:
    """One row of the timeline; heights in pixels."""

    kind: str
    code: str
    """The short name."""
    name: str
    top: float
    height: float
    curves: tuple[Curve, ...] = ()
    readings: tuple[Reading, ...] = ()
    guides: tuple[Guide, ...] = ()
    spans: tuple[Span, ...] = ()


class Lanes:
    """Puts lane under lane.

    Args:
        observation: Its series and events.
        track: Whose face.
        duration: Seconds that the drawing is wide.
        claimed: Ids of the cues that claims rest on.
        keys: Id of the element of each cue.
    """

    def __init__(
        self,
        observation: Observation,
        track: str | None,
        duration: float,
        claimed: Collection[str],
        keys: Mapping[str, str],
    ) -> None:
        self.made: list[Lane] = []
        self._duration = duration
        self._claimed = claimed
        self._keys = keys
        self._series = list(enumerate(observation.series))
        self._events = [cue for cue in observation.cues if cue.extent is Extent.EVENT]
        self._track = track

    @property
    def bottom(self) -> float:
        """Lower edge of the last lane."""
        return self.made[-1].top + self.made[-1].height + _GAP if self.made else TOP

    def add(
        self,
        kind: str,
        code: str,
        name: str,
        height: float,
        series: Sequence[tuple[int, Series, str, str]] = (),
        limits: tuple[float, float] = (0.0, 1.0),
        levels: Sequence[tuple[float, str]] = (),
        events: Iterable[Cue] = (),
    ) -> None:
        """Adds a lane with its series, each with the class of its line and its label, within limits of value."""
        scale = axis.Scale(self.bottom, height, *limits, logarithmic=kind == "pitch")
        spans, rest = self._chosen(events)
        filled = kind in ("action", "loudness")
        curves = [
            Curve(line, curve(item.values, item.start, item.step, self._duration, scale, filled=filled), filled)
            for _, item, line, _ in series
        ]
        if rest and kind in _MARKED:
            curves.append(Curve("rest", self._marks(rest, scale), True))
        self.made.append(
            Lane(
                kind,
                code,
                name,
                scale.top,
                height,
                tuple(curves),
                tuple(Reading(place, item.scale.value, line, label) for place, item, line, label in series),
                tuple(_guide(scale, level, text) for level, text in levels),
                tuple(self._spans(spans)),
            )
        )

    def add_face(self) -> None:
        """Units, blinks, head and gaze of the track."""
        own = [(i, item) for i, item in self._series if item.track == self._track]
        events = [cue for cue in self._events if cue.track == self._track]
        for i, item in self._units(own, events):
            name = UNITS[item.name].name if item.name in UNITS else ""
            mine = [cue for cue in events if cue.kind is CueKind.ACTION_UNIT and cue.name == item.name]
            levels = [(PRESENT, "")] if item.scale is Scale.INTENSITY else [(LIKELY, "")]
            self.add("action", item.name, name, 36, [(i, item, "action", "")], levels=levels, events=mine)
        read = [pair for pair in own if pair[1].kind is CueKind.EXPRESSION and pair[1].scale is Scale.PROBABILITY]
        likely = sorted((pair for pair in read if _most(pair[1]) >= LIKELY), key=lambda pair: -_most(pair[1]))
        for i, item in likely[:MOST_EXPRESSIONS]:
            self.add("action", item.name, "face net", 36, [(i, item, "action", "")], levels=[(LIKELY, "")])
        blinks = [cue for cue in events if cue.name in BLINKS]
        if blinks:
            self.add("eyes", "eyes", "", 16, events=blinks)
        for kind, code, names in (("head", "head", _HEAD), ("eyeline", "gaze", _GAZE)):
            found = [
                (i, item, name, label)
                for name, label in names
                for i, item in own
                if item.name == name and item.kind in (CueKind.HEAD_POSE, CueKind.GAZE) and _any(item)
            ]
            if found:
                most = max(15.0, *(abs(value) for _, item, *_ in found for value in item.values if value is not None))
                mine = [
                    cue for cue in events if cue.kind in (CueKind.HEAD_POSE, CueKind.GAZE) and cue.name in dict(names)
                ]
                levels = [(most, f"+{most:.0f}°"), (0.0, ""), (-most, f"−{most:.0f}°")]
                self.add(kind, code, "", 20 + 14 * len(found), found, (-most, most), levels, mine)

    def add_voice(self) -> None:
        """Speech, pitch and loudness of whoever speaks."""
        voice = [(i, item) for i, item in self._series if item.kind is CueKind.PROSODY and _any(item)]
        events = [cue for cue in self._events if cue.kind is CueKind.PROSODY]
        speech = [cue for cue in events if cue.name in ("speech", "pause", "rate")]
        if speech:
            self.add("speech", "speech", "", 18, events=speech)
        for i, item in [pair for pair in voice if pair[1].scale is Scale.HERTZ][:1]:
            low, high = _pitch_limits(item)
            levels = [(level, f"{level:g}") for level in (50, 100, 200, 400, 800) if low <= level <= high]
            mine = [cue for cue in events if cue.name == "pitch"]
            self.add("pitch", "pitch", "", 52, [(i, item, "pitch", "")], (low, high), levels, mine)
        for i, item in [pair for pair in voice if pair[1].scale is Scale.DECIBELS][:1]:
            values = [value for value in item.values if value is not None]
            if max(values) < _NOTHING:
                continue
            high = max(*values, _FAINT)
            low = min(max(min(values), high - 60.0), high - 6.0)
            mine = [cue for cue in events if cue.name == "loudness"]
            self.add("loudness", "loudness", "", 34, [(i, item, "loudness", "")], (low, high), (), mine)

    def _units(self, own: Sequence[tuple[int, Series]], events: Sequence[Cue]) -> list[tuple[int, Series]]:
        """Series of the units with a lane: those of claims first, those with events next, then the strongest."""
        risen = {cue.name for cue in events}
        claimed = {cue.name for cue in events if cue.id in self._claimed}
        claimed |= {
            id.rpartition(".")[2] for id in self._claimed if self._track is None or id.startswith(f"{self._track}.")
        }

        def rank(pair: tuple[int, Series]) -> tuple[bool, bool, float]:
            item = pair[1]
            return item.name in claimed, item.name in risen, _most(item)

        seen = [
            pair
            for pair in own
            if pair[1].kind is CueKind.ACTION_UNIT
            and pair[1].name not in (*BLINKS, *_EYES_AND_HEAD)
            and pair[1].scale in (Scale.INTENSITY, Scale.PROBABILITY)
            and _most(pair[1]) >= VISIBLE
        ]
        ranked = sorted(seen, key=rank, reverse=True)
        telling = [pair for pair in ranked if any(rank(pair)[:2]) or _most(pair[1]) >= PRESENT]
        chosen = telling[:MOST_UNITS] if len(telling) >= _LEAST_UNITS else ranked[:_LEAST_UNITS]
        return sorted(chosen, key=lambda pair: pair[1].name)

    def _chosen(self, events: Iterable[Cue]) -> tuple[list[Cue], list[Cue]]:
        """The events that can be pointed at, and the rest."""
        everything = list(events)
        chosen = foremost(everything, self._claimed, MOST_SPANS)
        ids = {cue.id for cue in chosen}
        return chosen, [cue for cue in everything if cue.id not in ids and cue.name != "pause"]

    def _marks(self, events: Iterable[Cue], scale: axis.Scale) -> str:
        """Events as bars of a drawing, which are lighter than buttons."""
        unit = axis.WIDTH / self._duration
        top, height = round(scale.top + 0.25 * scale.height, 1), round(0.5 * scale.height, 1)
        return "".join(
            f"M{cue.start * unit:.1f} {top}h{max((cue.end - cue.start) * unit, 1.0):.1f}v{height}H{cue.start * unit:.1f}z"
            for cue in events
        )

    def _spans(self, events: Iterable[Cue]) -> Iterator[Span]:
        for cue in sorted(events, key=lambda cue: cue.start):
            left = percent(cue.start, self._duration)
            signed = cue.kind is not CueKind.ACTION_UNIT and cue.name not in ("speech", "pause")
            usual = 1.0 if cue.scale is Scale.RATIO else 0.0
            tone = ("up" if (cue.value or 0.0) >= usual else "down") if signed else cue.name
            when = spoken(cue.start) if cue.end - cue.start < 0.25 else f"{cue.start:.1f} to {cue.end:.1f} seconds"
            yield Span(
                self._keys[cue.id],
                left,
                round(percent(cue.end, self._duration) - left, 3),
                instant(cue),
                f"{quantity(cue)}, {event_amount(cue)}, {when}",
                regions(cue),
                tone,
            )


def foremost(events: Sequence[Cue], claimed: Collection[str], most: int) -> list[Cue]:
    """At most so many events: those that claims rest on, then the strongest."""
    return sorted(events, key=lambda cue: (cue.id not in claimed, -abs(cue.value or 0.0)))[:most]


def instant(cue: Cue) -> float:
    """Where to look for an event: its strongest moment, or its start for what has to be heard."""
    return cue.start if cue.kind is CueKind.PROSODY or cue.peak is None else cue.peak


def regions(cue: Cue) -> str:
    """Names of the regions of the face that an event moves."""
    if cue.kind is CueKind.ACTION_UNIT:
        return " ".join(moved(cue))
    return {CueKind.HEAD_POSE: "axes", CueKind.GAZE: "gaze"}.get(cue.kind, "")


def _guide(scale: axis.Scale, level: float, text: str) -> Guide:
    y = round(scale.y(level), 1)
    below = y - scale.top
    return Guide(y, text, "upper" if below < 5 else "lower" if below > scale.height - 5 else "")


def _most(series: Series) -> float:
    return max((value for value in series.values if value is not None), default=0.0)


def _any(series: Series) -> bool:
    """Whether anything was measured at all."""
    return any(value is not None for value in series.values)


def _pitch_limits(series: Series) -> tuple[float, float]:
    """Hertz between which a voice is drawn: a little more than it uses, and an octave at least."""
    values = [value for value in series.values if value is not None and value > 0]
    low, high = (min(values), max(values)) if values else (75.0, 300.0)
    low, high = low * 0.9, high * 1.1
    if high < 2 * low:
        middle = (low * high) ** 0.5
        low, high = middle / 2**0.5, middle * 2**0.5
    return low, high
