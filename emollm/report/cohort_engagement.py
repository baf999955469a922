"""Engagement for education: what can be measured of a class, told of groups of a least size and never of a single person unless asked.

Which parts are shown follows the teacher-user categories of Yamamoto Ravenor 2023: orientation (attitude to affect in teaching),
condition (setting) and preference (what a tool is to do). How they select is ours (docs/cohort-report.md). No emotion is named.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from emollm.errors import ConfigError
from emollm.report.cohort_counts import figures
from emollm.report.cohort_numbers import (
    ClassRow,
    Condition,
    Engagement,
    Figure,
    Look,
    Named,
    Orientation,
    Preference,
    Stretch,
)
from emollm.report.cohort_people import shortened
from emollm.report.cohort_watched import ONCE, SIGNALS, Spell, Watched

LEAST = 5
"""People below which nothing is told of a group."""
EVERY = 60.0
"""Seconds of a stretch."""
DEFAULT: tuple[Preference, ...] = ("overview", "cues", "moments", "limits")
_KNOWN = 0.2
"""Share of a stretch for which something has to be known of a person to count."""
_APART = 0.15
"""Least difference to the usual that is worth looking at again."""
_MOST_LOOKS = 5
_WIDTH = 1e-6
_MOST_STRETCHES = 600
_SEATS = "in_view"

_BY_ORIENTATION: dict[str | None, tuple[str, ...]] = {
    None: tuple(signal.name for signal in SIGNALS),
    "learning": tuple(signal.name for signal in SIGNALS),
    "subject": ("in_view", "ahead", "gaze", "eyes_shut"),
    "doubtful": ("in_view",),
}
"""Those to whom feelings are a part of learning see all that moves, those to whom the subject comes first where faces turn, those
who doubt that a machine should look how little is seen at all."""


class Asked(NamedTuple):
    """Who reads it, and how it is told."""

    least: int = LEAST
    every: float = EVERY
    orientation: Orientation | None = None
    condition: Condition | None = None
    preferences: tuple[Preference, ...] = DEFAULT
    names: bool = False
    """Tell of single people too, and call classes by their folders."""
    different: bool = False
    """Nobody is in two clips of a class, so that their people are added up; else the clip with the most people counts."""


def engagement(watched: Sequence[Watched], asked: Asked) -> Engagement:
    """What is told of each class; nothing where there is one learner.

    Args:
        watched: The clips in which people were followed over time.
        asked: Least size of a group, length of a stretch, who reads.

    Raises:
        ConfigError: The stretches would be too many to be read.
    """
    if asked.condition == "single":
        watched = ()
    longest = max((one.duration for one in watched), default=0.0)
    if longest / asked.every > _MOST_STRETCHES:
        least = math.ceil(longest / _MOST_STRETCHES)
        raise ConfigError(f"--every {asked.every:g}: a clip lasts {longest:.0f} s; give {least} seconds or more")
    names = _BY_ORIENTATION[asked.orientation]
    called = shortened(one.group for one in watched)
    shown: list[ClassRow] = []
    for folder in sorted(called):
        name = called[folder] if asked.names else f"class {len(shown) + 1}"
        row = _class(name, [one for one in watched if one.group == folder], names, asked)
        if row is not None:
            shown.append(row)
    return Engagement(
        least=asked.least,
        every=asked.every,
        different=asked.different,
        orientation=asked.orientation,
        condition=asked.condition,
        preferences=asked.preferences,
        signals=tuple(signal for signal in SIGNALS if signal.name in names),
        classes=tuple(shown),
        hidden=len(called) - len(shown),
    )


def _class(name: str, clips: Sequence[Watched], names: Sequence[str], asked: Asked) -> ClassRow | None:
    """One class; None where it is too small, unless single people are told of anyway."""
    if not (asked.different or asked.names):  # many small clips may all be of one person
        clips = [one for one in clips if one.most >= asked.least]
    people = _together((one.most for one in clips), asked)
    if people < asked.least and not asked.names:
        return None
    last = max(int((one.duration - _WIDTH) // asked.every) for one in clips)
    places = [[at] for at in range(last + 1)]
    kept = [at for (at,) in places if _there(clips, [at], asked) >= asked.least]
    *all_, whole = _stretches(clips, [*places, kept], names, asked)
    return ClassRow(
        name=name,
        people=people,
        clips=len(clips),
        whole=whole,
        stretches=tuple(all_),
        hidden=len(all_) - len(kept),
        looks=tuple(_looks(all_, names)),
        coarse=max(one.step for one in clips),
        named=tuple(_named(clips, names)) if asked.names else (),
    )


def _together(counts: Iterable[int], asked: Asked) -> int:
    """How many people there are at least in several clips, of how many there are in each."""
    return sum(counts) if asked.different else max(counts, default=0)


def _there(clips: Sequence[Watched], at: Sequence[int], asked: Asked) -> int:
    """How many people there are at least in some stretches."""
    return _together((_most(one, at) for one in clips), asked)


def _most(one: Watched, at: Sequence[int]) -> int:
    """The most faces at one time of a clip in some stretches."""
    return max((one.at_once.get(place, 0) for place in at), default=0)


def _stretches(
    clips: Sequence[Watched], places: Sequence[Sequence[int]], names: Sequence[str], asked: Asked
) -> list[Stretch]:
    """A class over some stretches of time at once, for each of ``places``; nothing where there are too few people."""
    told = [index for index, at in enumerate(places) if _there(clips, at, asked) >= asked.least]
    found = _signals(clips, [places[index] for index in told], names, asked)
    values = dict(zip(told, found, strict=True))
    longest = max(one.duration for one in clips)
    return [
        Stretch(
            start=min(at, default=0) * asked.every,
            end=min((max(at, default=0) + 1) * asked.every, longest),
            people=_there(clips, at, asked) if index in values else None,
            signals=values.get(index, {}),
        )
        for index, at in enumerate(places)
    ]


def _signals(
    clips: Sequence[Watched], places: Sequence[Sequence[int]], names: Sequence[str], asked: Asked
) -> list[dict[str, Figure]]:
    """The means over people. People are drawn for the intervals, not clips: a class is often one recording."""
    people = [(one, each, f"{one.clip}\0{each}") for one in clips for each in range(len(one.spells))]
    rows: dict[tuple[int, str], list[float | None]] = {}
    known: dict[tuple[int, str], int] = {}
    for index, at in enumerate(places):
        for name in names:
            if name == _SEATS:
                lasting = (one.most for one in clips if _lasts(one, at, asked.every) > _WIDTH)
                known[index, name] = _together(lasting, asked)
                continue
            row = [_share(one, each, at, name, asked.every) for one, each, _ in people]
            rows[index, name] = row
            counts = [
                sum(value is not None for (other, *_), value in zip(people, row, strict=True) if other is one)
                for one in clips
            ]
            seen = (min(count, _most(one, at)) for one, count in zip(clips, counts, strict=True))
            known[index, name] = _together(seen, asked)
    found = figures(rows, [id for *_, id in people], rows.keys())
    found |= _seats(clips, places, asked.every) if _SEATS in names else {}
    return [
        {
            name: found[index, name].model_copy(update={"n": n})
            for name in names
            if (index, name) in found and (n := known[index, name]) >= asked.least
        }
        for index in range(len(places))
    ]


def _share(one: Watched, each: int, at: Sequence[int], name: str, every: float) -> float | None:
    """The share of a person's known time in which something was there; None where too little is known."""
    total = _sum(one.spells[each].get(name, {}), at)
    lasts = _lasts(one, at, every)
    if lasts <= _WIDTH or total.known < _KNOWN * lasts:
        return None
    return float(total.there > 0) if name in ONCE else total.there / total.known


def _seats(clips: Sequence[Watched], places: Sequence[Sequence[int]], every: float) -> dict[tuple[int, str], Figure]:
    """Faces in view. Of a face that was lost and found again there are two tracks: places are counted, not tracks."""
    clip_of = [one.clip for one in clips for _ in range(one.most)]
    rows: dict[tuple[int, str], list[float | None]] = {}
    for index, at in enumerate(places):
        rows[index, _SEATS] = []
        for one in clips:
            lasts = _lasts(one, at, every)
            seen = sum(_sum(spells[_SEATS], at).there for spells in one.spells)
            share = min(seen / (lasts * one.most), 1.0) if lasts > _WIDTH and one.most else None
            rows[index, _SEATS] += [share] * one.most
    return figures(rows, clip_of, rows.keys())


def _lasts(one: Watched, at: Sequence[int], every: float) -> float:
    """Seconds of a clip in some stretches."""
    return sum(max(0.0, min((place + 1) * every, one.duration) - place * every) for place in at)


def _sum(spells: dict[int, Spell], at: Iterable[int]) -> Spell:
    found = [spells[place] for place in at if place in spells]
    return Spell(sum(one.there for one in found), sum(one.known for one in found))


def _looks(stretches: Sequence[Stretch], names: Sequence[str]) -> list[Look]:
    """Where a class is clearly unlike its own usual, the largest difference first."""
    found = []
    for name in names:
        known = [(one, one.signals[name]) for one in stretches if name in one.signals]
        if len(known) < 3:
            continue
        usual = median(value.value for _, value in known)
        for one, value in known:
            clear = value.low is not None and value.high is not None and not value.low <= usual <= value.high
            if clear and abs(value.value - usual) >= _APART:
                found.append(Look(start=one.start, end=one.end, signal=name, value=value.value, usual=round(usual, 4)))
    return sorted(found, key=lambda look: (-abs(look.value - look.usual), look.start))[:_MOST_LOOKS]


def _named(clips: Sequence[Watched], names: Sequence[str]) -> Iterable[Named]:
    """Each person over the whole clip, of what is known for long enough."""
    for one in clips:
        for person, spells in zip(one.people, one.spells, strict=True):
            signals = {}
            for name in names:
                total = _sum(spells.get(name, {}), spells.get(name, {}))
                known = one.duration if name == "in_view" else total.known
                if known >= _KNOWN * one.duration:
                    there = float(total.there > 0) if name in ONCE else min(total.there / known, 1.0)
                    signals[name] = round(there, 4)
            yield Named(name=person, signals=signals)
