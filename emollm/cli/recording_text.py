"""The course of a clip as text for a terminal: moments, movements, the voice and the words, in a bounded number of lines."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from emollm.cli.meter import clock
from emollm.facs import UNITS
from emollm.report.axis import exact
from emollm.report.quantities import amount, event_amount, quantity
from emollm.types import Claim, Cue, CueKind, Extent, MediaInfo, Observation, Peak, Track

WIDTH = 100
_ONE_MOMENT = 0.5
"""Seconds: a claim that speaks of less is about one moment."""
_QUOTED = 120
"""Characters that are shown of what was said without a break."""


_HELD = "\N{NO-BREAK SPACE}"
_SUMMARIES = {
    "f0_median": "median pitch {:.0f} Hz",
    "f0_range": "range {:.1f} semitones",
    "f0_sd": "variation {:.1f} semitones",
    "jitter": "jitter {:.1%}",
    "energy": "loudness {:.0f} dB",
    "energy_range": "loudness range {:.0f} dB",
    "tilt": "spectral tilt {:.1f} dB/octave",
    "speech_rate": "{:.1f} syllables a second",
    "pause_share": "pauses {:.0%}",
}


class Room(NamedTuple):
    """How many lines, and pieces in a line, there is room for."""

    units: int
    """Bars of action units."""
    events: int
    """Lines of movements."""
    spans: int
    """Times in one such line."""
    peaks: int
    """Moments besides the main one."""
    words: int
    """Stretches of speech that are quoted."""


FULL, SHORT = Room(12, 6, 3, 3, 3), Room(8, 3, 2, 2, 2)
"""For measurements alone, and for answers, whose sentences tell the course as well."""


def media_text(media: MediaInfo) -> str:
    """``640 × 360, 19.7 s, 24 frames a second, sound 48 kHz``."""
    parts: list[str] = [f"{media.width} × {media.height}"] if media.width and media.height else [media.kind]
    if media.duration is not None:
        long = f" ({clock(media.duration)})" if media.duration >= 60 else ""
        parts.append(f"{exact(media.duration)}{long}")
    if media.rate is not None:
        parts.append(f"{round(media.rate, 2):g} frames a second")
    if media.sample_rate is not None:
        channels = {None: "", 1: "", 2: " stereo"}.get(media.channels, f" {media.channels} channels")
        parts.append(f"sound {media.sample_rate / 1000:g} kHz{channels}")
    return ", ".join([*parts, *filter(None, [media.note])])


def seen_text(track: Track) -> str:
    """When a person is seen, and how surely."""
    counted = f"{track.frames} frames" if track.frames > 1 else "one frame"
    sure = sum(face.confidence for face in track.faces) / len(track.faces)
    return f"face seen {_span(track.start, track.end)} ({counted}), confidence {sure:.2f}"


def apex_line(observation: Observation, track: Track) -> str:
    """The main moment of a face: when it is, from when to when it lasts, and what makes it."""
    peak = track.peaks[0]
    from_to = f" (onset {peak.start:.1f}, offset {peak.end:.1f})" if peak.end > peak.start else ""
    return f"apex {peak.time:.1f} s{from_to}{_made_of(observation, track, peak, ': ')}{_note(peak)}"


def other_moments(observation: Observation, track: Track, room: Room) -> Iterator[str]:
    """The further moments of a face."""
    moments = [
        f"{peak.time:.1f} s{_made_of(observation, track, peak, ' ')}{_note(peak)}"
        for peak in track.peaks[1 : 1 + room.peaks]
    ]
    if moments:
        yield from _set("other moments: ", moments, "; ")


def event_lines(observation: Observation, track: str | None, room: Room) -> Iterator[str]:
    """What comes and goes in a face, one line a unit or an angle, the strongest first."""
    kinds = (CueKind.ACTION_UNIT, CueKind.HEAD_POSE, CueKind.GAZE)
    groups = _grouped(cue for cue in _own(observation, track) if cue.extent is Extent.EVENT and cue.kind in kinds)
    rows = sorted(groups, key=lambda cues: (cues[0].kind is not CueKind.ACTION_UNIT, -max(map(_size, cues))))
    for cues in rows[: room.events]:
        yield from _set(f"{_title(cues[0])}: ", _times(cues, room.spans))
    if rest := [_title(cues[0]) for cues in rows[room.events :]]:
        yield from _set("less strongly: ", rest)
    if whole := [_whole(cue) for cue in _own(observation, track) if _is_of_all(cue) and cue.kind is CueKind.MOTION]:
        yield ", ".join(whole)


def voice_lines(observation: Observation, room: Room) -> Iterator[str]:
    """The voice as a whole, its pauses, and where it departs from its usual."""
    cues = [cue for cue in observation.cues if cue.kind is CueKind.PROSODY]
    speech = [cue for cue in cues if cue.name == "speech" and cue.extent is Extent.EVENT]
    if not cues:
        return
    whose = cues[0].track
    yield f"voice{f' of {whose}' if whose else ', whose is not known' if observation.tracks else ''}"
    if speech:
        yield f"  speech {_listed([_span(cue.start, cue.end) for cue in speech], room.spans)}"
    if whole := [_whole(cue) for cue in cues if _is_of_all(cue)]:
        yield from _set("  ", whole)
    if pauses := [cue for cue in cues if cue.name == "pause" and cue.extent is Extent.EVENT]:
        longest = max(pauses, key=_size)
        counted = "one pause" if len(pauses) == 1 else f"{len(pauses)} pauses, the longest"
        yield f"  {counted} {_span(longest.start, longest.end)}"
    departures = (cue for cue in cues if cue.extent is Extent.EVENT and cue.name in ("pitch", "loudness", "rate"))
    for group in _grouped(departures):
        yield from _set(f"  {quantity(group[0])}: ", _times(group, room.spans))


def word_lines(observation: Observation, room: Room) -> Iterator[str]:
    """What was said, in quotes, with its times."""
    cues = [cue for cue in observation.cues if cue.kind is CueKind.WORDS]
    polarity = {cue.start: cue for cue in cues if cue.name == "polarity"}
    said = [cue for cue in cues if cue.text]
    for place, cue in enumerate(said[: room.words]):
        tone = f" (polarity {amount(polarity[cue.start])})" if cue.start in polarity else ""
        when = "given with the clip" if cue.name == "transcript" else _span(cue.start, cue.end)
        text = textwrap.shorten(cue.text or "", _QUOTED, placeholder=" …")
        yield from _wrapped(f"{'words ' if not place else ''}{when}: “{text}”{tone}", "" if not place else "  ")
    if len(said) > room.words:
        yield f"  … and {len(said) - room.words} more"


def claim_time(claim: Claim) -> str | None:
    """Of what time a claim speaks, where its words do not say so: ``at 3.4 s``, ``2.1–5.0 s``; None in a photo."""
    if claim.start is None or f"{claim.start:.1f}" in claim.text:
        return None
    end = claim.start if claim.end is None else claim.end
    if end - claim.start <= _ONE_MOMENT:
        moment = f"{(claim.start + end) / 2:.1f} s"
        return None if moment in claim.text else f"at {moment}"
    return _span(claim.start, end)


# ---- pieces ---------------------------------------------------------------------------------------------------------


def _own(observation: Observation, track: str | None) -> list[Cue]:
    return [cue for cue in observation.cues if cue.track == track]


def _grouped(cues: "Iterator[Cue]") -> list[list[Cue]]:
    """Cues of one name together, in the order in which the names come."""
    groups: dict[str, list[Cue]] = {}
    for cue in cues:
        groups.setdefault(cue.name, []).append(cue)
    return list(groups.values())


def _times(cues: Sequence[Cue], most: int) -> list[str]:
    """``2.1–5.0 s (0.62 at 3.4 s), 8.0–9.1 s (0.44)``: the strongest events in the order of time, the strongest with its moment."""
    strongest = sorted(cues, key=_size, reverse=True)[:most]
    first = strongest[0]
    parts = []
    for cue in sorted(strongest, key=lambda cue: cue.start):
        moment = f" at {cue.peak:.1f} s" if cue is first and cue.peak is not None and cue.end > cue.start else ""
        parts.append(f"{_span(cue.start, cue.end)} ({event_amount(cue)}{moment})")
    rest = len(cues) - len(strongest)
    return [*parts, f"{rest} more"] if rest else parts


def _size(cue: Cue) -> float:
    """How far an event is from nothing; a ratio of 1 is nothing."""
    value = cue.value or 0.0
    if cue.kind is CueKind.PROSODY and cue.name == "rate":
        return max(value, 1 / value) if value > 0 else 0.0
    return abs(value)


def _is_of_all(cue: Cue) -> bool:
    return cue.extent is Extent.WHOLE and cue.value is not None


def _whole(cue: Cue) -> str:
    """A summary of all there is: ``median pitch 112 Hz``."""
    if cue.name in _SUMMARIES:
        return _SUMMARIES[cue.name].format(cue.value).replace("-", "−")
    if cue.name == "blink_rate":
        return f"{60 * (cue.value or 0.0):.0f} blinks a minute"
    return f"{quantity(cue)} {amount(cue)}"


def _made_of(observation: Observation, track: Track, peak: Peak, before: str) -> str:
    units = [f"{_code(unit)}{_at(observation, track, unit, peak)}" for unit in peak.units[:4]]
    return f"{before}{', '.join(units)}" if units else ""


def _note(peak: Peak) -> str:
    return f" ({peak.reason})" if peak.reason else " (while speaking)" if peak.speaking else ""


def _at(observation: Observation, track: Track, unit: str, peak: Peak) -> str:
    """The strength of a unit at a moment, if it was measured then."""
    values = (series.at(peak.time) for series in observation.series if (series.track, series.name) == (track.id, unit))
    value = next(values, None)
    moments = (cue for cue in _own(observation, track.id) if cue.name == unit and cue.extent is Extent.MOMENT)
    if peak is track.peaks[0] and (cue := next(moments, None)) is not None:
        value = cue.value
    return "" if value is None else f" {value:.2f}"


def _title(cue: Cue) -> str:
    name = quantity(cue)
    return f"{_code(cue.name)} {name}" if cue.name in UNITS else name


def _code(code: str) -> str:
    return f"AU{int(code[2:])}" if code.startswith("AU") and code[2:].isdigit() else code.replace("_", " ")


def _span(start: float, end: float) -> str:
    from_to = (f"{start:.1f}", f"{end:.1f}")
    return f"{from_to[0]} s" if from_to[0] == from_to[1] else f"{from_to[0]}–{from_to[1]} s"


def _listed(items: Sequence[str], most: int) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH - 4, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
    )


def _set(title: str, items: Sequence[str], between: str = ", ") -> list[str]:
    """Items behind a title, in lines that break between items only."""
    text = title.lstrip().replace(" ", _HELD) + between.join(item.replace(" ", _HELD) for item in items)
    lines = _wrapped(text, " " * (len(title) - len(title.lstrip())))
    return [line.replace(_HELD, " ") for line in lines]
