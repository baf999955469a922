"""What of a face over time can be measured of a class: in view, turned ahead, eyes shut, a smile … in stretches of time.

None of it is attention, effort or understanding. What is kept of a person is, for each stretch, how long something was there and how
long it was known; what is told of it is in :mod:`emollm.report.cohort_engagement`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from emollm.evidence import LIKELY
from emollm.report.axis import runs
from emollm.report.cohort_numbers import Signal
from emollm.report.cohort_people import ABSENT, THERE, UNKNOWN, Course, Person, face_series
from emollm.types import Observation, Series, Track

AHEAD = 20.0
"""Degrees of turn, up or down, to which a head counts as turned to the camera."""
ASIDE = 20.0
"""Degrees to which the eyes count as looking ahead of the head. Gaze is measured roughly (docs/perception.md)."""
SHUT, SHUT_FOR = LIKELY, 0.5
"""Closure and its least seconds: a shorter one is a blink."""
WIDE, WIDE_FOR = 0.5, 2.0
"""Drop of the jaw that is yawn-like, and its least seconds."""

SIGNALS: tuple[Signal, ...] = (
    Signal(name="in_view", title="Faces in view", means="share of the time in which a face that is there at all is seen"),
    Signal(
        name="ahead",
        title="Head to the camera",
        means=f"turned and tilted by {AHEAD:g}° at most; of the time the face is seen",
    ),
    Signal(
        name="gaze",
        title="Eyes ahead",
        means=f"within {ASIDE:g}° of where the head points; measured roughly, not with shut eyes",
    ),
    Signal(name="eyes_shut", title="Eyes shut", means=f"for {SHUT_FOR:g} s or longer, so no blink"),
    Signal(
        name="jaw",
        title="Yawn-like jaw",
        means=f"share of the people whose jaw is wide open for {WIDE_FOR:g} s or longer while they do not speak",
    ),
    Signal(name="smile", title="Smile", means="mouth corners pulled up (AU12): .3 of full strength, or likely"),
    Signal(name="brow", title="Lowered brows", means="brows down and together (AU4): .3 of full strength, or likely"),
)  # fmt: skip
"""In the order in which they are shown."""
ONCE = frozenset({"jaw"})
"""Signals of which is told who had them at all in a stretch, not for how long."""


@dataclass(frozen=True)
class Spell:
    """How long something was there, and known, in one stretch."""

    there: float
    known: float


@dataclass(frozen=True)
class Watched:
    """One clip: what was measured of its people in stretches of time."""

    clip: str
    group: str
    duration: float
    step: float
    """Seconds of a step of its series."""
    people: tuple[str, ...]
    """Their names."""
    spells: tuple[dict[str, dict[int, Spell]], ...]
    """Of each person, by signal and stretch."""
    at_once: dict[int, int]
    """The most faces that are seen at one time in each stretch: so many people are there at least, whoever was lost and found again."""

    @property
    def most(self) -> int:
        """The most faces at one time."""
        return max(self.at_once.values(), default=0)


def watch(observation: Observation, people: list[Person], every: float) -> Watched | None:
    """What was measured of the people of a clip; None where nobody was followed over time.

    Args:
        observation: The clip.
        people: Those of the clip.
        every: Seconds of a stretch.
    """
    tracks = {track.id: track for track in observation.tracks}
    found = [(one, one.course, tracks[one.track]) for one in people if one.course is not None and one.track in tracks]
    duration = next((one.duration for one in people if one.duration), None)
    if not found or duration is None:
        return None
    spells = tuple(
        {name: spelt(marks, course, every) for name, marks in _marks(observation, track, one, course)}
        for one, course, track in found
    )
    return Watched(
        people[0].clip,
        people[0].group,
        duration,
        max(course.step for _, course, _ in found),
        tuple(one.name for one, _, _ in found),
        spells,
        _at_once([(course, track) for _, course, track in found], every),
    )


def spelt(marks: bytes, course: Course, every: float) -> dict[int, Spell]:
    """The steps of a course, gathered into stretches."""
    out: dict[int, Spell] = {}
    places = ((int((course.start + (at + 0.5) * course.step) // every), mark) for at, mark in enumerate(marks))
    for stretch, group in groupby(places, key=lambda one: one[0]):
        kinds = [mark for _, mark in group]
        there, unknown = kinds.count(THERE), kinds.count(UNKNOWN)
        out[stretch] = Spell(there * course.step, (len(kinds) - unknown) * course.step)
    return out


def _at_once(found: Sequence[tuple[Course, Track]], every: float) -> dict[int, int]:
    """The most faces at one time, in each stretch. A face that ends in a step in which another begins is not there with it."""
    edges: list[tuple[float, int]] = []
    for course, track in found:
        for first, after in runs([True if seen else None for seen in course.seen]):
            start = max(course.start + first * course.step, track.start)
            end = min(course.start + after * course.step, track.end)
            if end > start:
                edges += [(start, 1), (end, -1)]
    edges.sort()  # at one time, ends come first
    out: dict[int, int] = {}
    count = 0
    for (time, change), (until, _) in pairwise(edges):
        count += change
        if until > time:
            for stretch in range(int(time // every), int(until // every) + 1):
                if until > stretch * every:
                    out[stretch] = max(out.get(stretch, 0), count)
    return out


# ---- signals --------------------------------------------------------------------------------------------------------


def _marks(observation: Observation, track: Track, person: Person, course: Course) -> Iterator[tuple[str, bytes]]:
    """Each signal, with what is known of it in each step."""
    series = {one.name: one for one in face_series(observation, track)}
    yield "in_view", bytes(THERE if seen else ABSENT for seen in course.seen)
    yield "ahead", _within(series, ("yaw", "pitch"), AHEAD, len(course.seen))
    yield "gaze", _within(series, ("gaze_yaw", "gaze_pitch"), ASIDE, len(course.seen))
    yield "eyes_shut", _lasting(series, course, ("AU43",), SHUT, SHUT_FOR)
    jaw = _lasting(series, course, ("AU26", "AU27"), WIDE, WIDE_FOR)
    yield "jaw", _without_speech(jaw, course, person.speech)
    for name, unit in (("smile", "AU12"), ("brow", "AU04")):
        yield name, course.units.get(unit, bytes(len(course.seen)))


def _within(series: Mapping[str, Series], names: tuple[str, ...], most: float, count: int) -> bytes:
    """Where all of these angles are within a bound; unknown where one is not measured."""
    if any(name not in series for name in names):
        return bytes(count)
    values = [series[name].values for name in names]
    out = bytearray(count)
    for at in range(count):
        now = [each[at] if at < len(each) else None for each in values]
        known = [value for value in now if value is not None]
        if len(known) == len(names):
            out[at] = THERE if all(abs(value) <= most for value in known) else ABSENT
    return bytes(out)


def _lasting(
    series: Mapping[str, Series], course: Course, units: tuple[str, ...], least: float, seconds: float
) -> bytes:
    """Where one of these units has some strength for some time without a break; unknown where none is measured."""
    states = [course.units[unit] for unit in units if unit in course.units]
    out = bytearray(max(column) if column else UNKNOWN for column in zip(*states, strict=True)) or bytearray(len(course.seen))  # fmt: skip
    for at, state in enumerate(out):
        out[at] = ABSENT if state == THERE else state
    found = [one for unit in units if (one := series.get(unit)) is not None]
    count = max((len(one.values) for one in found), default=0)
    high = [
        True if any(at < len(one.values) and (one.values[at] or 0.0) >= least for one in found) else None
        for at in range(count)
    ]
    for first, after in runs(high):
        if (after - first) * course.step >= seconds - 1e-6:
            out[first:after] = bytes([THERE]) * (after - first)
    return bytes(out)


def _without_speech(marks: bytes, course: Course, speech: tuple[tuple[float, float], ...]) -> bytes:
    """The marks without those of steps in which the person speaks."""
    out = bytearray(marks)
    for at, state in enumerate(marks):
        time = course.start + (at + 0.5) * course.step
        if state == THERE and any(first <= time < last for first, last in speech):
            out[at] = ABSENT
    return bytes(out)
