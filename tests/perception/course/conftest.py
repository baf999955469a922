"""One person's measurements, made up: functions of time instead of a video."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from emollm.perception.backends import Span
from emollm.perception.course import Course, CourseSettings, Samples, course_of, series_step
from emollm.types import Cue, Extent, Scale, Source

Signal = Callable[[NDArray[np.float64]], NDArray[np.float64]]
SOURCE = Source(backend="made-up", version="1", licence="none")


@dataclass(frozen=True)
class Maker:
    """Makes people and their courses."""

    def rise(self, start: float, end: float, height: float = 1.0, ramp: float = 0.2) -> Signal:
        """0, then up within ``ramp`` seconds from ``start``, and down again until ``end``."""
        return lambda t: height * np.clip(np.minimum((t - start) / ramp, (end - t) / ramp), 0, 1)

    def samples(
        self,
        units: dict[str, Signal],
        *,
        seconds: float = 6.0,
        fps: float = 25.0,
        unseen: tuple[float, float] = (-1.0, -1.0),
        spans: dict[str, Span] | None = None,
        scale: Scale = Scale.INTENSITY,
        sides: dict[str, tuple[Signal, Signal]] | None = None,
        angles: dict[str, Signal] | None = None,
        mouth: Signal | None = None,
        confidence: Signal | None = None,
        track: str | None = "p1",
        unreliable: frozenset[str] = frozenset(),
    ) -> Samples:
        """Samples of signals, without the frames of ``unseen``."""
        times = np.arange(round(seconds * fps) + 1) / fps
        times = times[(times <= unseen[0]) | (times >= unseen[1])]

        def at(signal: Signal) -> NDArray[np.float32]:
            return np.broadcast_to(signal(times), times.shape).astype(np.float32)

        both = {code: (at(left), at(right)) for code, (left, right) in (sides or {}).items()}
        return Samples(
            track=track,
            times=times,
            raw={code: at(signal) for code, signal in units.items()}
            | {code: np.maximum(left, right) for code, (left, right) in both.items()},
            scale=scale,
            spans=spans,
            sides=both,
            angles={name: at(signal) for name, signal in (angles or {}).items()},
            mouth=None if mouth is None else at(mouth),
            confidence=at(confidence or (lambda t: 0 * t + 0.9)),
            source=SOURCE,
            bearing=SOURCE,
            unreliable=unreliable,
        )

    def course(
        self, samples: Samples, speech: list[tuple[float, float]] | None = None, settings: CourseSettings | None = None
    ) -> Course:
        """The course of samples, with a series over the time that they cover."""
        step = series_step(float(samples.times[-1]))
        return course_of(samples, speech, settings or CourseSettings(), step=step)

    def moment(self, course: Course, id: str) -> Cue:
        """The MOMENT cue of an id."""
        (cue,) = [cue for cue in course.cues if cue.id == id and cue.extent is Extent.MOMENT]
        return cue

    def events(self, course: Course, name: str) -> list[Cue]:
        """The EVENT cues of a name, in the order of their numbers."""
        found = [cue for cue in course.cues if cue.name == name and cue.extent is Extent.EVENT]
        return sorted(found, key=lambda cue: int(cue.id.rpartition(".")[2]))


@pytest.fixture
def make() -> Maker:
    return Maker()
