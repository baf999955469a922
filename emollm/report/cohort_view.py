"""How the numbers of a cohort report are drawn: rows on a common axis of time, bands over people, small charts of a class."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from emollm.errors import visible
from emollm.facs import strength
from emollm.report.axis import WIDTH, Scale, Tick, clock, curve, percent, runs, spoken, ticks
from emollm.report.cohort_numbers import BinRow, ClassRow, Discord, Figure, Stretch
from emollm.report.cohort_people import Course, Departure, Moment, Person, shortened
from emollm.report.page import WORDS

MOST_ROWS = 60
"""People whose timeline is drawn."""
MOST_TABLED = 400
"""Rows of the table of moments."""
TALL = 40
"""Height of the lane of movements, in units of its drawing."""
HIGH = 100
"""Height of a chart, in units of its drawing."""
_LETTER, _AROUND, _LANE = 6.6, 16, 800
"""Pixels of a letter and of what is around a label, on a lane of that many pixels: by these labels are kept apart."""
_ROOMS = 2
_LEAST_ACTIVE = 4
_FULL = 1.04
"""Upper edge of the chart of a share: a line at 1 is not cut off."""


class Pill(NamedTuple):
    """A label at its moment."""

    left: float
    text: str
    """Empty where there is no room: then only a point is drawn."""
    title: str
    main: bool
    edge: str
    """``first`` or ``last`` near an end of the axis."""
    covered: bool = False
    """Whether even a point would lie under a label."""


class Bar(NamedTuple):
    """A stretch on a lane, in percent of the axis."""

    left: float
    width: float
    title: str
    text: str = ""
    tone: str = ""


class Row(NamedTuple):
    """One person on the common axis."""

    name: str
    told: str
    """The label and its strength, or why there is none."""
    has_label: bool
    width: float
    """Length of the clip in percent of the axis."""
    path: str
    gaps: tuple[Bar, ...]
    pills: tuple[Pill, ...]
    speech: tuple[Bar, ...]
    departures: tuple[Bar, ...]
    words: tuple[Bar, ...]
    discords: tuple[Bar, ...]
    """Where its streams disagree."""
    summary: str
    """The same for the ear."""


class Group(NamedTuple):
    """The rows of one folder."""

    name: str
    rows: tuple[Row, ...]


class Still(NamedTuple):
    """Somebody without a course: a photo, or an answer alone."""

    name: str
    told: str
    has_label: bool


class Band(NamedTuple):
    """A mean over time with its interval."""

    line: str
    area: str
    top: float
    """Value at the upper edge."""
    hidden: tuple[Bar, ...] = ()


def told(one: Person) -> str:
    """What a row says of somebody's label."""
    if one.label is not None:
        word = (
            WORDS[strength(one.intensity).name.lower()] if one.intensity is not None and one.label != "neutral" else ""
        )
        return f"{one.label}, {word}" if word else one.label
    if one.kind == "audio":
        return "voice only"
    return {"abstained": "no clear label", "unparsed": "answer not readable"}.get(one.status, "no answer")


def groups(
    people: Sequence[Person], names: Sequence[str], duration: float, named: bool, discords: Sequence[Discord] = ()
) -> tuple[Group, ...]:
    """The rows of those who have a course, by folder where clips may be named.

    Args:
        people: Everybody.
        names: What each is called.
        duration: Seconds of the axis.
        named: Whether clips may be named.
        discords: Where streams disagree, of anybody.
    """
    apart: dict[tuple[str, str | None], list[Discord]] = {}
    for one in discords:  # files of two folders may have one name
        apart.setdefault((one.clip or one.person, one.track), []).append(one)
    timed = [(one, name) for one, name in zip(people, names, strict=True) if one.duration][:MOST_ROWS]
    most = most_active(people)
    heads = list(dict.fromkeys(one.group if named else "" for one, _ in timed))
    called = shortened(one.group for one in people) if named else {"": ""}
    return tuple(
        Group(
            called[head],
            tuple(
                row(one, name, duration, most, apart.get((one.clip if named else name, one.track), ()))
                for one, name in timed
                if not named or one.group == head
            ),
        )
        for head in heads
    )


def stills(people: Sequence[Person], names: Sequence[str]) -> tuple[Still, ...]:
    """Those without a course."""
    return tuple(
        Still(name, told(one), one.label is not None)
        for one, name in zip(people, names, strict=True)
        if not one.duration
    )


def row(one: Person, name: str, duration: float, most: int, discords: Sequence[Discord] = ()) -> Row:
    """Somebody on the common axis.

    Args:
        one: The person.
        name: What the row is called.
        duration: Seconds of the axis.
        most: Movements at once at the upper edge of its lane.
        discords: Where the person's streams disagree.
    """
    own = one.duration or duration
    return Row(
        name,
        told(one),
        one.label is not None,
        percent(own, duration),
        _path(one.course, own, duration, most) if one.course is not None else "",
        tuple(_gaps(one.course, own, duration)) if one.course is not None else (),
        tuple(_pills(one.moments, duration)),
        tuple(_bar(start, end, duration, f"speech, {clock(start)} to {clock(end)}") for start, end in one.speech),
        tuple(_departure(each, duration) for each in one.departures),
        tuple(_words(one, duration)),
        tuple(_discords(discords, duration)),
        _summary(one),
    )


def most_active(people: Sequence[Person]) -> int:
    """Movements at once at the upper edge of all lanes."""
    values = (value or 0.0 for one in people if one.course is not None for value in one.course.activity)
    return max(_LEAST_ACTIVE, math.ceil(max(values, default=0.0)))


def _path(course: Course, own: float, duration: float, most: int) -> str:
    scale = Scale(0, TALL, 0, most)
    last = max(1, round((own - course.start) / course.step))  # the last step of a series may reach beyond the clip
    return curve(course.activity[:last], course.start, course.step, duration, scale, filled=True)


def _gaps(course: Course, own: float, duration: float) -> Iterator[Bar]:
    """Where the face is not seen while the clip lasts."""
    lost = [None if seen else True for seen in course.seen]
    spans = [(course.start + a * course.step, course.start + b * course.step) for a, b in runs(lost)]
    end = course.start + len(course.seen) * course.step
    edges = [(0.0, course.start), (end, own)]
    for start, stop in sorted([*spans, *edges]):
        if stop - start > course.step:
            yield _bar(start, min(stop, own), duration, f"no face seen, {clock(start)} to {clock(min(stop, own))}")


def _bar(start: float, end: float, duration: float, title: str, text: str = "", tone: str = "") -> Bar:
    left = percent(start, duration)
    return Bar(left, round(max(percent(end, duration) - left, 0.15), 3), title, text, tone)


def _departure(one: Departure, duration: float) -> Bar:
    words = {"pitch": ("higher", "lower"), "loudness": ("louder", "softer"), "rate": ("faster", "slower")}
    word = words.get(one.name, ("more", "less"))[0 if one.up else 1]
    title = f"voice {word} than usual, {clock(one.start)} to {clock(one.end)}"
    return _bar(one.start, one.end, duration, title, word, "up" if one.up else "down")


def _discords(discords: Sequence[Discord], duration: float) -> Iterator[Bar]:
    for one in discords:
        if one.start is not None and one.end is not None:
            yield _bar(one.start, one.end, duration, f"{one.between}, {clock(one.start)} to {clock(one.end)}")


def _words(one: Person, duration: float) -> Iterator[Bar]:
    for phrase in one.phrases:
        start, end = phrase.start, phrase.end if phrase.end > phrase.start else one.duration or duration
        side = "" if phrase.polarity is None else f" (polarity {phrase.polarity:+.2f})".replace("-", "−")
        tone = "" if phrase.polarity is None else "up" if phrase.polarity > 0.05 else "down" if phrase.polarity < -0.05 else ""  # fmt: skip
        text = visible(phrase.text)
        yield _bar(start, end, duration, f"“{text}”{side}", text, tone)


def _pills(moments: Sequence[Moment], duration: float) -> Iterator[Pill]:
    """Labels at their moments, the main one first; one that would cover another becomes a point."""
    taken: list[tuple[float, float]] = []
    for one in sorted(moments, key=lambda moment: (not moment.main, moment.label is None, moment.time)):
        left = percent(one.time, duration)
        text = one.label or ("?" if one.main else "")
        half = 50 * (_LETTER * len(text) + _AROUND) / _LANE
        edge = "first" if left < half else "last" if left > 100 - half else ""
        span = {"first": (left, left + 2 * half), "last": (left - 2 * half, left)}.get(edge, (left - half, left + half))
        free = text and all(span[1] < start or span[0] > end for start, end in taken)
        if free:
            taken.append(span)
        shown = one.label or "no clear label"
        title = (
            f"{clock(one.time)}: {shown}{', main moment' if one.main else ''} ({', '.join(one.units) or 'no movement'})"
        )
        covered = not free and any(start - 1 < left < end + 1 for start, end in taken)
        yield Pill(left, text if free else "", title, one.main, edge if free else "", covered)


def _summary(one: Person) -> str:
    """A row in words."""
    moments = sorted(one.moments, key=lambda moment: moment.time)
    parts = [f"{spoken(moment.time)} {moment.label or 'no clear label'}" for moment in moments]
    out = f"Moments: {'; '.join(parts)}. " if parts else ""
    if one.speech:
        out += f"Speech for {sum(end - start for start, end in one.speech):.1f} seconds. "
    if one.course is not None and not all(one.course.seen):
        out += f"No face in {one.course.seen.count(0) / len(one.course.seen):.0%} of the time it was followed. "
    return out.strip()


def marks(duration: float) -> tuple[Tick, ...]:
    """The ticks of the common axis."""
    return tuple(tick for tick in ticks(duration) if tick.room <= _ROOMS)


# ---- bands ----------------------------------------------------------------------------------------------------------


def activity_band(bins: Sequence[BinRow]) -> Band | None:
    """The mean number of movements at once, over people."""
    spans = [(one.start, one.end, one.activity) for one in bins]
    highest = max((each.high or each.value for *_, each in spans if each is not None), default=0.0)
    return _band(spans, bins[-1].end, max(1.0, highest * 1.08)) if highest else None


def signal_band(row: ClassRow, signal: str) -> Band | None:
    """A signal of a class over the stretches that are shown; None where there are fewer than two."""
    known = [(one.start, one.end, one.signals.get(signal)) for one in row.stretches]
    if len(known) < 2:
        return None
    end = row.stretches[-1].end
    hidden = tuple(
        _bar(one.start, one.end, end, "too few people, or not measured")
        for one in row.stretches
        if signal not in one.signals
    )
    return _band(known, end, _FULL)._replace(hidden=hidden)


def _band(spans: Sequence[tuple[float, float, Figure | None]], duration: float, top: float) -> Band:
    """A line through the middles of the stretches, and the area of the intervals; interrupted where nothing is known."""
    unit = WIDTH / duration

    def y(value: float) -> float:
        return round(HIGH * (1 - min(value / top, 1.0)), 1)

    line, area = [], []
    for first, after in runs([each for *_, each in spans]):
        part = [(start, end, each) for start, end, each in spans[first:after] if each is not None]
        xs = [round((start + end) / 2 * unit, 1) for start, end, _ in part]
        xs[0], xs[-1] = round(part[0][0] * unit, 1), round(part[-1][1] * unit, 1)
        if len(part) == 1:
            xs = [round(part[0][0] * unit, 1), round(part[0][1] * unit, 1)]
            part = part * 2
        line.append("M" + "L".join(f"{x:g} {y(each.value):g}" for x, (*_, each) in zip(xs, part, strict=True)))
        upper = [f"{x:g} {y(each.high):g}" for x, (*_, each) in zip(xs, part, strict=True) if each.high is not None]
        lower = [f"{x:g} {y(each.low):g}" for x, (*_, each) in zip(xs, part, strict=True) if each.low is not None]
        if upper and lower:
            area.append("M" + "L".join([*upper, *reversed(lower)]) + "Z")
    return Band("".join(line), "".join(area), top)


def stretch_name(one: Stretch) -> str:
    """``1:00–2:00``."""
    return f"{minutes(one.start)}–{minutes(one.end)}"


def minutes(seconds: float) -> str:
    """A time of a lesson: ``0:00``, ``12:30``, ``1:02:30``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return (f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}") + f":{rest % 60:02d}"


def range_text(one: Figure | None, style: str = "share") -> str:
    """A figure with its interval and number: ``78 % (61–90 %), n = 12``."""
    if one is None:
        return "–"
    if style == "share":
        between = f" ({one.low * 100:.0f}–{one.high * 100:.0f}\xa0%)" if one.low is not None and one.high is not None else ""  # fmt: skip
        return f"{one.value * 100:.0f}\xa0%{between}"
    between = f" ({one.low:.2f} to {one.high:.2f})" if one.low is not None and one.high is not None else ""
    return f"{one.value:.2f}{between}".replace("-", "−")
