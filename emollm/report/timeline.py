"""What a clip's timeline shows: lanes for the face and the voice over one time axis, with events, words and gaps.

Everything is worked out here, in percent of the clip and units of the drawing, so that the template only writes it down
and the page can be read without its script. Nothing is measured anew: curves are ``Observation.series`` as they are.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from emollm.report import axis
from emollm.report.axis import Tick, clock, percent, runs, spoken
from emollm.report.captions import Captions, captions, phrases
from emollm.report.lanes import BLINKS, TOP, Lane, Lanes, foremost, instant, regions
from emollm.report.quantities import event_amount, quantity
from emollm.types import CueKind, Extent, Observation, Track

MOST_ROWS = 300
"""Events in the table."""

MOST_MOMENTS = 6
"""Peaks of one person that are shown."""


class Marker(NamedTuple):
    """A peak of the face."""

    number: int
    """In the order of time, from 1."""
    at: float
    left: float
    clock: str
    spoken: str
    label: str
    main: bool


class Row(NamedTuple):
    """An event in words."""

    key: str
    who: str
    name: str
    amount: str
    start: float
    end: float
    at: float
    regions: str

    @property
    def times(self) -> str:
        return clock(self.start) if self.end - self.start < 0.25 else f"{clock(self.start)} – {clock(self.end)}"

    @property
    def spoken(self) -> str:
        return spoken(self.at)


@dataclass(frozen=True)
class TimelineView:
    """The timeline of one person, with the voice of the clip."""

    duration: float
    height: float
    lanes: tuple[Lane, ...]
    face: tuple[float, float]
    """Upper and lower edge of the face's lanes."""
    gaps: tuple[tuple[float, float], ...]
    """Start and width, in percent, of the stretches in which the face was not seen."""
    markers: tuple[Marker, ...]
    ticks: tuple[Tick, ...]
    captions: Captions
    speaks: bool
    """Whether there are words, though too many for the lane."""
    start: float
    """Where the playhead stands first."""

    @property
    def spoken(self) -> str:
        return spoken(self.duration)


def duration_of(observation: Observation) -> float:
    """Seconds that the time axis is long: what the file says, else until the last thing that was measured."""
    ends = [series.start + series.step * len(series.values) for series in observation.series]
    ends += [cue.end for cue in observation.cues] + [word.end for word in observation.words]
    ends += [track.end for track in observation.tracks]
    return observation.media.duration or max(ends, default=0.0)


def timeline(
    observation: Observation, track: str | None, claimed: Collection[str], keys: Mapping[str, str]
) -> TimelineView | None:
    """The timeline for one person, or for the clip if nobody was followed.

    Args:
        observation: Its series, events, words and peaks.
        track: Whose face; the voice stands in every timeline.
        claimed: Ids of the cues that claims rest on; they come first where there is too much.
        keys: Id of the element of each cue.

    Returns:
        None where nothing happens over time: a photo, a text.
    """
    duration = duration_of(observation)
    events = [cue for cue in observation.cues if cue.extent is Extent.EVENT]
    if duration <= 0 or not (observation.series or events or observation.words):
        return None
    lanes = Lanes(observation, track, duration, claimed, keys)
    lanes.add_face()
    face = (TOP, lanes.bottom)
    lanes.add_voice()
    lines = phrases(observation, keys)
    words = captions(lines, observation.words, duration)
    if words:
        lanes.add("words", "words", "", 26)
    person = next((item for item in observation.tracks if item.id == track), None)
    found = markers(person, duration)
    return TimelineView(
        duration=duration,
        height=lanes.bottom,
        lanes=tuple(lanes.made),
        face=face,
        gaps=_gaps(observation, track, duration) if face[1] > face[0] else (),
        markers=found,
        ticks=axis.ticks(duration),
        captions=words,
        speaks=bool(lines),
        start=next((marker.at for marker in found if marker.main), 0.0),
    )


def markers(track: Track | None, duration: float) -> tuple[Marker, ...]:
    """The foremost peaks of a face in the order of time; the main one is the first of ``Track.peaks``."""
    if track is None or duration <= 0:
        return ()
    row = sorted(enumerate(track.peaks[:MOST_MOMENTS]), key=lambda item: item[1].time)
    return tuple(
        Marker(
            number,
            peak.time,
            percent(peak.time, duration),
            clock(peak.time),
            spoken(peak.time),
            f"{spoken(peak.time)}: {', '.join(peak.units) or peak.reason or 'the face at rest'}",
            place == 0,
        )
        for number, (place, peak) in enumerate(row, start=1)
    )


def table(observation: Observation, claimed: Collection[str], keys: Mapping[str, str]) -> tuple[tuple[Row, ...], int]:
    """The events in words, in the order of time, and how many there are in all.

    Blinks are listed only where a claim rests on one, words never: they have their transcript.
    """
    events = [
        cue
        for cue in observation.cues
        if cue.extent is Extent.EVENT
        and cue.kind is not CueKind.WORDS
        and (cue.name not in BLINKS or cue.id in claimed)
    ]
    chosen = sorted(foremost(events, claimed, MOST_ROWS), key=lambda cue: (cue.start, cue.id))
    rows = tuple(
        Row(
            keys[cue.id],
            cue.track or "",
            f"{cue.name} {quantity(cue)}" if cue.kind is CueKind.ACTION_UNIT else quantity(cue),
            event_amount(cue),
            cue.start,
            cue.end,
            instant(cue),
            regions(cue),
        )
        for cue in chosen
    )
    return rows, len(events)


def _gaps(observation: Observation, track: str | None, duration: float) -> tuple[tuple[float, float], ...]:
    """Where none of the face's series has a value."""
    own = [item for item in observation.series if item.track == track and item.kind is not CueKind.PROSODY]
    if not own:
        return ()
    step, start = own[0].step, own[0].start
    even = [item for item in own if item.step == step and item.start == start]
    count = max(len(item.values) for item in even)
    seen = [
        None if any(i < len(item.values) and item.values[i] is not None for item in even) else True
        for i in range(count)
    ]
    edges = [(start + first * step, start + after * step) for first, after in runs(seen)]
    if start > step:
        edges.insert(0, (0.0, start))
    if start + count * step < duration - step:
        edges.append((start + count * step, duration))
    return tuple(
        (percent(first, duration), round(percent(after, duration) - percent(first, duration), 3))
        for first, after in edges
    )
