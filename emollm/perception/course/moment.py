"""What a face shows at one moment: cues as of a photo."""

from collections.abc import Iterator, Mapping

import numpy as np

from emollm.perception.course.cues import ANGLES, Recorder, rounded
from emollm.perception.course.eyes import GAZE_UNITS, Eyes
from emollm.perception.course.levels import Level
from emollm.perception.course.samples import Array, Samples
from emollm.perception.course.timeline import Timeline
from emollm.types import Cue, Extent, Missing


def moment_cues(
    samples: Samples, timeline: Timeline, levels: Mapping[str, Level], frames: Array, eyes: Eyes | None
) -> Iterator[Cue | Missing]:
    """The median of each quantity over some frames, or that it was not measured there.

    Args:
        samples: The person.
        timeline: (T,) times.
        levels: Units that were measured in some frame.
        frames: (n,) indices of frames; at least one.
        eyes: What the lids do, where that is known.
    """
    recorder = Recorder(samples)
    start, end = (rounded(timeline.times[frame]) for frame in frames[[0, -1]])
    times = {"extent": Extent.MOMENT, "start": start, "end": end}
    middle = f"{timeline.times[frames].mean():.1f} s"
    when = f"not measured at {middle}"
    no_gaze = f"eyes closed at {middle}" if eyes is not None and eyes.shut[frames].any() else when
    for level in levels.values():
        raw = _median(samples.raw[level.code][frames])
        if raw is None:
            yield Missing(stream=level.code, reason=no_gaze if level.code in GAZE_UNITS else when, track=samples.track)
            continue
        found = [_median(side[frames]) for side in samples.sides.get(level.code, ())]
        left, right = found if found else (None, None)
        sides, share = None, level.share(frames)
        if left is not None and right is not None:
            raw = max(left, right)
            sides = level.value(left) * share, level.value(right) * share
        kept = raw if samples.spans is not None else None
        yield recorder.unit(level.code, level.value(raw) * share, frames, sides=sides, raw=kept, **times)
    for name in ANGLES:
        if name not in samples.angles:
            continue
        degrees = _median(samples.angles[name][frames])
        if degrees is not None:
            yield recorder.angle(name, degrees, frames, **times)
        elif name != "gaze_pitch" or "gaze_yaw" not in samples.angles:
            stream = "gaze" if name.startswith("gaze") else name
            yield Missing(stream=stream, reason=no_gaze if stream == "gaze" else when, track=samples.track)


def _median(values: Array) -> float | None:
    """Of those that were measured; None if none was."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
