"""Analysis of a person's measurements over time: the moments that matter, what rises and falls when, and who speaks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from emollm.perception.course.events import blink_rate, events_of
from emollm.perception.course.eyes import GAZE_UNITS, Eyes, eyes_of, open_eyed
from emollm.perception.course.levels import Level, levels, lids_of
from emollm.perception.course.moment import moment_cues
from emollm.perception.course.peaks import AROUND, Moments, moments_of
from emollm.perception.course.samples import Samples
from emollm.perception.course.series import series_of, series_step
from emollm.perception.course.settings import CourseSettings
from emollm.perception.course.speaker import talks, who_speaks
from emollm.perception.course.timeline import BRIDGE, Timeline
from emollm.types import Cue, Missing, Peak, Series

__all__ = ["Course", "CourseSettings", "Samples", "course_of", "series_step", "who_speaks"]

_TALK = "no sound is known, but the mouth moves as in speech: mouth units count little in the choice of moments"
_TALKS_MUCH = 0.2
"""Share of the frames from which on that is said."""
_SILENT = 0.2
"""Share of the speech below which a person is not the one who speaks."""


class Course(NamedTuple):
    """What a person's measurements come to."""

    cues: tuple[Cue, ...]
    """MOMENT cues at the main apex (ids as of a photo: ``p1.AU12``), EVENT cues (``p1.AU12.1`` …), WHOLE cues."""
    series: tuple[Series, ...]
    peaks: tuple[Peak, ...]
    """The main one first; at least one."""
    missing: tuple[Missing, ...]


def course_of(
    samples: Samples,
    speech: Sequence[tuple[float, float]] | None,
    settings: CourseSettings,
    *,
    step: float,
    peaks: Sequence[Peak] | None = None,
    speaks: float | None = None,
) -> Course:
    """The course of one person.

    Args:
        samples: What was measured; at least one frame.
        speech: Spans (start, end) in seconds in which speech was heard; None where that is not known: mouth units then count
            little while the mouth moves as in speech.
        settings: How much is kept.
        step: Seconds between the points of the series (:func:`series_step` of the clip's duration).
        peaks: Moments already chosen from other measurements of the same person (two scales in one table); there is then
            nothing said of blinking as a whole.
        speaks: Share of the speech during which this person's mouth moves with it (:func:`who_speaks`): the mouth units of
            somebody who clearly is not the speaker count in full. None where that is not known.

    Returns:
        Cues, series and moments; all times lie between the first and the last frame.

    Raises:
        ValueError: No frames.
    """
    if not len(samples.times):
        raise ValueError("no frames: a person who was never seen has no course")
    timeline = Timeline(samples.times)
    units = {level.code: level for level in levels(samples, timeline)}
    if (lids := lids_of(samples, units)) is not None:
        units[lids.code] = lids
    eyes = eyes_of(samples, timeline, units)
    if eyes is not None and eyes.shut.any():
        samples, gaze = open_eyed(samples, timeline, eyes)
        units = {code: gaze.get(code, level) for code, level in units.items() if code in gaze or code not in GAZE_UNITS}
    blinking = eyes.blinking if eyes is not None else np.zeros(len(samples.times), dtype=bool)
    found: list[Cue | Missing] = list(_gaps(samples, timeline, units, eyes))
    if peaks is None:
        heard = timeline.during(speech or ())
        speaking = heard if speech is not None else talks(timeline, units)
        if speech is not None and speaks is not None and speaks < _SILENT:
            speaking = np.zeros_like(heard)
        moments = moments_of(samples, timeline, units, speaking, heard, blinking, settings)
        if speech is None and speaking.mean() >= _TALKS_MUCH:
            found.append(Missing(stream="speech", reason=_TALK, track=samples.track))
    else:
        moments = Moments(tuple(peaks), timeline.around(peaks[0].time, AROUND, blinking))
    found += moment_cues(samples, timeline, units, moments.frames, eyes)
    found += events_of(samples, timeline, units.values(), eyes, settings)
    if peaks is None and len(samples.times) > 1:
        found.append(blink_rate(samples, timeline, eyes))
    cues = tuple(item for item in found if isinstance(item, Cue))
    missing = tuple(item for item in found if isinstance(item, Missing))
    return Course(cues, tuple(series_of(samples, units, step)), moments.peaks, missing)


def _gaps(samples: Samples, timeline: Timeline, units: Mapping[str, Level], eyes: Eyes | None) -> Iterator[Missing]:
    """What the samples lack altogether."""
    yaw = samples.angles.get("yaw")
    if samples.spans is None:
        never = f"{samples.source.backend} gives no number for it in this clip"
    elif yaw is None or np.isfinite(yaw).any():
        never = "this part of the face lies outside of the picture"
    else:
        never = "the face is too small to be measured"
    for code in sorted(samples.raw.keys() - units.keys()):
        shut = code in GAZE_UNITS and eyes is not None and eyes.shut.any()
        reason = "the eyes are closed whenever they are seen" if shut else never
        yield Missing(stream=code, reason=reason, track=samples.track)
    if timeline.step > BRIDGE:
        reason = f"frames are {timeline.step:.1f} s apart: what rises and falls between them is not known"
        yield Missing(stream="events", reason=reason, track=samples.track)
