"""The summary of a cohort: means and shares over its people, with intervals, and its common course over time."""

import math
import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from emollm.facs import UNITS
from emollm.metrics.bootstrap import Statistic, Values, Weights, bootstrap, wilson
from emollm.reasoner.weighing import expressive
from emollm.report.cohort_numbers import (
    BinRow,
    Cohort,
    Figure,
    GapRow,
    GroupRow,
    LabelRow,
    MomentRow,
    PersonRow,
    QuantityRow,
    UnitRow,
)
from emollm.report.cohort_people import THERE, UNKNOWN, Course, Person, shortened

K = TypeVar("K", bound=Hashable)
Numbers: TypeAlias = NDArray[np.float64]

MOST_BINS = 24
"""Stretches of the common axis."""
MOST_UNITS = 12
"""Units whose course is drawn."""
_SHORTEST_BIN = 0.5
_NUMBER = re.compile(r"-?(?<![A-Za-z0-9])\d+(?:[.,]\d+)*")
_VOICE: Mapping[str, tuple[str, str]] = {
    "speech_rate": ("speech rate", "syllables / s"),
    "pause_share": ("share of pauses", "share"),
    "f0_range": ("pitch range", "semitones"),
}
"""Of voices only what does not depend on whose they are: a mean pitch would tell of age and sex, and is left out."""


class Sized(NamedTuple):
    """A number measured in one person."""

    value: float
    clip: str


def figure(values: Sequence[Sized], *, share: bool = False) -> Figure | None:
    """One mean as :func:`figures` gives many; None of nobody."""
    found = figures({"": [one.value for one in values]}, [one.clip for one in values], {""} if share else ())
    return found.get("")


def figures(rows: Mapping[K, Sequence[float | None]], clips: Sequence[str], shares: Collection[K]) -> dict[K, Figure]:
    """Means over people with their 95 % intervals, all from the same resamples.

    People of one clip are no independent draws: where there are such, clips are resampled. Else a share of people has Wilson's
    interval, a mean the bootstrap's. Where all are 0 or all are 1 it is Wilson's of so many clips: the bootstrap would be sure.

    Args:
        rows: Of each quantity a value for each person, None where it was not measured; a row of nobody is left out.
        clips: The clip of each person.
        shares: The rows whose values are shares, from 0 to 1.
    """
    where = np.array(clips)
    drawn: dict[K, Statistic] = {}
    out: dict[K, Figure] = {}
    for key, row in rows.items():
        values = np.array([np.nan if value is None else value for value in row], np.float64)
        known = ~np.isnan(values)
        numbers, n, several = values[known], int(known.sum()), len(np.unique(where[known]))
        if not n:
            continue
        mean = float(numbers.mean())
        out[key] = Figure(value=_round(mean), n=n)
        alike = numbers.min() == numbers.max()
        if several < 2:
            continue
        if key in shares and np.isin(numbers, (0.0, 1.0)).all() and (several == n or alike):
            low, high = wilson(round(mean * several), several) or (0.0, 1.0)
            out[key] = Figure(value=_round(mean), low=_round(low), high=_round(high), n=n)
        else:
            drawn[key] = _mean_of(values, known)
    if drawn:
        apart = len(np.unique(where)) == len(where)
        named = {str(at): statistic for at, statistic in enumerate(drawn.values())}
        found = bootstrap(named, len(where), clusters=None if apart else where)
        for key, estimate in zip(drawn, found.values(), strict=True):
            out[key] = out[key].model_copy(update={"low": _round(estimate.low), "high": _round(estimate.high)})
    return out


def _mean_of(values: Numbers, known: NDArray[np.bool_]) -> Statistic:
    """The mean of those who are known, NaN for a resample that has none of them."""
    filled, counts = np.where(known, values, 0.0), known.astype(np.float64)

    def statistic(weights: Weights) -> Values:
        n = weights @ counts
        return np.where(n > 0, weights @ filled / np.maximum(n, 1), np.nan)

    return statistic


def _round(value: float) -> float:
    return round(value, 4)


def cohort(people: Sequence[Person], names: Sequence[str], named: bool) -> Cohort:
    """The summary.

    Args:
        people: Everybody.
        names: What each is called.
        named: Whether clips and folders may be named; else folders are numbered.
    """
    folders = shortened(one.group for one in people)
    timed = [one for one in people if one.duration]
    duration = max((one.duration or 0.0 for one in timed), default=0.0)
    return Cohort(
        people=tuple(
            _person(one, name, folders[one.group] if named else None) for one, name in zip(people, names, strict=True)
        ),
        labels=_labels(people),
        label_sets=tuple(sorted({one.label_set for one in people if one.label_set})),
        answered_by=tuple(sorted({one.answered_by for one in people})),
        unlabelled=tuple(Counter(why for one in people if (why := _unlabelled(one))).most_common()),
        groups=_groups(people, folders if named else None),
        units=_units(people),
        quantities=tuple(_quantities(people)),
        gaps=_gaps(people),
        bins=_bins([one for one in timed if one.course is not None]),
        duration=duration or None,
        uncertain=_uncertain(people),
    )


def _person(one: Person, name: str, folder: str | None) -> PersonRow:
    """One row; without a folder, nothing that names the clip."""
    moments = tuple(MomentRow(**moment._asdict()) for moment in one.moments)
    return PersonRow(
        name=name,
        clip=one.clip if folder is not None else None,
        track=one.track,
        group=folder or "",
        duration=one.duration,
        status=one.status,
        label=one.label,
        intensity=one.intensity,
        moments=moments,
    )


def _labels(people: Sequence[Person]) -> tuple[LabelRow, ...]:
    """Labels by how many show them, of those who have one."""
    told = [one for one in people if one.label is not None]
    rows = []
    for label, count in Counter(one.label for one in told).most_common():
        share = figure([Sized(float(one.label == label), one.clip) for one in told], share=True)
        strong = figure([Sized(one.intensity, one.clip) for one in told if one.label == label and one.intensity is not None])  # fmt: skip
        assert label is not None
        assert share is not None
        rows.append(LabelRow(label=label, people=count, share=share, intensity=strong if label != "neutral" else None))
    return tuple(sorted(rows, key=lambda row: (-row.people, row.label)))


def _unlabelled(one: Person) -> str:
    """Why somebody has no label; empty for those who have one."""
    if one.label is not None:
        return ""
    if one.status == "unparsed":
        return "the model's answer could not be read"
    if one.status == "unanswered":
        return "no answer for this person"
    if one.kind == "audio":
        return "only a voice, which shows no label"
    if any(gap.stream == "face" for gap in one.missing) and one.track is None:
        return "no face found"
    return "unclear: too little evidence, or two labels too close"


def _groups(people: Sequence[Person], names: Mapping[str, str] | None) -> tuple[GroupRow, ...]:
    """By folder, where there are several; without names they are numbered in the order of their paths."""
    folders = sorted({one.group for one in people})
    if len(folders) < 2:
        return ()
    called = names or {folder: f"folder {at}" for at, folder in enumerate(folders, start=1)}
    groups = {folder: [one for one in people if one.group == folder] for folder in folders}
    return tuple(GroupRow(name=called[folder], people=len(own), labels=_labels(own)) for folder, own in groups.items())


def _units(people: Sequence[Person]) -> tuple[UnitRow, ...]:
    units = sorted({name for one in people for name in one.units if expressive(name)})
    shown = {("shown", unit): [_number(one.units.get(unit)) for one in people] for unit in units}
    time = {("time", unit): [_time_share(one.course, unit) for one in people] for unit in units}
    rows = {**shown, **time}
    found = figures(rows, [one.clip for one in people], rows.keys())
    out = [
        UnitRow(unit=unit, name=UNITS[unit].name, shown=found["shown", unit], time=found.get(("time", unit)))
        for unit in units
    ]
    return tuple(sorted(out, key=lambda row: (-row.shown.value, -(row.time.value if row.time else 0), row.unit)))


def _number(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _time_share(course: Course | None, unit: str) -> float | None:
    values = course.units.get(unit, b"") if course is not None else b""
    known = len(values) - values.count(UNKNOWN)
    return values.count(THERE) / known if known else None


def _quantities(people: Sequence[Person]) -> Iterable[QuantityRow]:
    spoken = [
        Sized(sum(end - start for start, end in one.speech) / one.duration, one.clip)
        for one in people
        if one.duration and one.voice
    ]
    rows = [("time with speech", "share", spoken)]
    for name, (title, unit) in _VOICE.items():
        rows.append((title, unit, [Sized(one.voice[name], one.clip) for one in people if name in one.voice]))
    words = [Sized(one.polarity, one.clip) for one in people if one.polarity is not None]
    rows.append(("polarity of the words", "−1 to 1", words))
    for title, unit, values in rows:
        if (found := figure(values, share=unit == "share")) is not None:
            yield QuantityRow(name=title, unit=unit, figure=found)


def _gaps(people: Sequence[Person]) -> tuple[GapRow, ...]:
    """What is missing, the same reason counted once a person; single units are counted together."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in people:
        own = {("single action units" if gap.stream.startswith("AU") else gap.stream, _kind(gap.reason)) for gap in one.missing}  # fmt: skip
        counts.update(own)
    rows = (GapRow(stream=stream, reason=reason, people=n) for (stream, reason), n in counts.items())
    return tuple(sorted(rows, key=lambda row: (-row.people, row.stream, row.reason)))


def _kind(reason: str) -> str:
    """A reason without its numbers, so that the same one is told once."""
    return _NUMBER.sub("…", reason)


def _uncertain(people: Sequence[Person]) -> str:
    if len({one.clip for one in people}) < 2:
        return "There is one clip: no interval can be told."
    if len({one.clip for one in people}) == len(people):
        return "Intervals (95 %) take each clip for an independent draw: Wilson's for shares of people, the bootstrap's for means."
    return "Intervals (95 %) resample clips, because people of one clip are no independent draws."


# ---- the course -----------------------------------------------------------------------------------------------------


def _bins(people: Sequence[Person]) -> tuple[BinRow, ...]:
    """The common axis from the beginning of each clip, in stretches, as long as two people are there."""
    ends = sorted((one.duration or 0.0 for one in people), reverse=True)
    if not ends:
        return ()
    duration = ends[min(1, len(ends) - 1)]
    width = max(_SHORTEST_BIN, duration / MOST_BINS, *(one.course.step for one in people if one.course))
    count = max(1, math.ceil(duration / width - 1e-6))
    units = _foremost(people)
    spans = [(at * width, min((at + 1) * width, duration)) for at in range(count)]
    seen: list[int] = []
    rows: dict[tuple[int, str], list[float | None]] = {}
    for at, (first, last) in enumerate(spans):
        parts = [_part(one.course, first, last) for one in people]
        seen.append(sum(span is not None for span in parts))
        rows[at, ""] = [
            _mean(one.course.activity[span]) if one.course and span else None
            for one, span in zip(people, parts, strict=True)
        ]
        for unit in units:
            rows[at, unit] = [_there(one.course, unit, span) for one, span in zip(people, parts, strict=True)]
    found = figures(rows, [one.clip for one in people], [key for key in rows if key[1]])
    return tuple(
        BinRow(
            start=round(first, 3),
            end=round(last, 3),
            people=seen[at],
            activity=found.get((at, "")),
            units={unit: found[at, unit] for unit in units if (at, unit) in found},
        )
        for at, (first, last) in enumerate(spans)
    )


def _part(course: Course | None, start: float, end: float) -> slice | None:
    """The steps between two times, if the face was seen in any of them."""
    span = _span(course, start, end) if course is not None else None
    return span if course is not None and span is not None and any(course.seen[span]) else None


def _there(course: Course | None, unit: str, span: slice | None) -> float | None:
    """Whether a movement was there in some steps, None where it was not measured in any."""
    if course is None or span is None:
        return None
    part = course.units.get(unit, b"")[span]
    return float(THERE in part) if part.count(UNKNOWN) < len(part) else None


def _span(course: Course, start: float, end: float) -> slice | None:
    """The steps of a course that begin between two times."""
    first = max(0, math.ceil((start - course.start) / course.step - 1e-6))
    last = min(len(course.seen), math.ceil((end - course.start) / course.step - 1e-6))
    return slice(first, last) if last > first else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _foremost(people: Sequence[Person]) -> list[str]:
    """The units that most people show, in the order of their numbers."""
    counts = Counter(
        name
        for one in people
        if one.course
        for name, values in one.course.units.items()
        if THERE in values and expressive(name)
    )
    return sorted(name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_UNITS])
