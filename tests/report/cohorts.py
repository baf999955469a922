"""Observations of invented clips for cohort reports: faces over time, own voices, words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emollm.types import (
    Box,
    Cue,
    CueKind,
    Extent,
    Face,
    MediaInfo,
    Missing,
    Observation,
    Peak,
    Record,
    Scale,
    Series,
    Source,
    Track,
    Word,
)

FACE = Source(backend="mesh-head", version="1", licence="Apache-2.0")
VOICE = Source(backend="voice", version="1", licence="MIT")
STEP = 0.5
KNOWN = ("AU01", "AU02", "AU04", "AU05", "AU07", "AU10", "AU12", "AU15", "AU17", "AU20", "AU24", "AU25", "AU26", "AU43")

Values = Sequence[float | None]


def series(name: str, values: Values, track: str = "p1", step: float = STEP, start: float = 0.0) -> Series:
    angle = not name.startswith("AU")
    kind = CueKind.GAZE if name.startswith("gaze") else CueKind.HEAD_POSE if angle else CueKind.ACTION_UNIT
    scale = Scale.DEGREES if angle else Scale.INTENSITY
    return Series(
        kind=kind, name=name, scale=scale, track=track, start=start, step=step, values=tuple(values), source=FACE
    )


def person(
    track: str, courses: Mapping[str, Values], peak: float, step: float = STEP
) -> tuple[Track, list[Cue], list[Series]]:
    """Somebody with some units over time; all others are measured and still."""
    duration = step * max((len(values) for values in courses.values()), default=2)
    at = int(peak // step)
    moving = {name: values for name, values in courses.items() if name.startswith("AU")}
    units = tuple(sorted(moving, key=lambda name: -(moving[name][at] or 0.0)))
    face = Face(time=peak, box=Box(x=10, y=10, width=100, height=100), confidence=0.95)
    track_ = Track(
        id=track, faces=(face,), prominence=0.5, end=duration,
        peaks=(Peak(time=peak, start=max(0.0, peak - 1), end=min(duration, peak + 1), score=1.0, units=units),),
    )  # fmt: skip
    cues = [
        Cue(
            id=f"{track}.{name}", kind=CueKind.ACTION_UNIT, name=name, scale=Scale.INTENSITY, track=track, source=FACE,
            value=(moving[name][at] or 0.0) if name in moving else 0.0, start=peak, end=peak,
        )
        for name in KNOWN
    ]  # fmt: skip
    cues += [
        Cue(
            id=f"{track}.{name}.1", kind=CueKind.ACTION_UNIT, name=name, scale=Scale.INTENSITY, track=track, source=FACE,
            value=max(value or 0.0 for value in values), start=0.0, end=duration, peak=peak, extent=Extent.EVENT,
        )
        for name, values in moving.items()
        if max(value or 0.0 for value in values) >= 0.3
    ]  # fmt: skip
    return track_, cues, [series(name, values, track, step) for name, values in courses.items()]


def clip(
    id: str,
    *people: Mapping[str, Values],
    peak: float = 1.0,
    step: float = STEP,
    missing: Sequence[Missing] = (),
    more: Sequence[Cue] = (),
    words: Sequence[Word] = (),
) -> Observation:
    """A video of people with courses."""
    made = [person(f"p{at}", courses, peak, step) for at, courses in enumerate(people, start=1)]
    lasts = step * max((len(values) for courses in people for values in courses.values()), default=4)
    return Observation(
        id=id,
        media=MediaInfo(kind="video", width=640, height=360, duration=lasts, frames=int(lasts * 10), rate=10.0),
        tracks=tuple(track for track, *_ in made),
        cues=(*(cue for _, cues, _ in made for cue in cues), *more),
        series=tuple(one for *_, courses in made for one in courses),
        words=tuple(words),
        missing=tuple(missing),
    )


def said(text: str, polarity: float, start: float, end: float, track: str | None = "p1", at: int = 1) -> list[Cue]:
    """Words with their polarity."""
    given: dict[str, Any] = {"kind": CueKind.WORDS, "track": track, "start": start, "end": end, "source": VOICE, "extent": Extent.EVENT}  # fmt: skip
    return [
        Cue(id=f"words.{at}", name="said", scale=Scale.TEXT, text=text, **given),
        Cue(id=f"words.polarity.{at}", name="polarity", scale=Scale.RATIO, value=polarity, **given),
    ]


def voice(track: str | None, **whole: float) -> list[Cue]:
    """Summaries of a voice and a pause."""
    scales = {"f0_sd": Scale.SEMITONES, "speech_rate": Scale.RATE, "pause_share": Scale.RATIO, "f0_median": Scale.HERTZ}
    given: dict[str, Any] = {"kind": CueKind.PROSODY, "track": track, "source": VOICE}
    cues = [
        Cue(id=f"voice.{name}", name=name, scale=scales[name], value=value, extent=Extent.WHOLE, end=4.0, **given)
        for name, value in whole.items()
    ]
    speech = Cue(id="voice.speech.1", name="speech", scale=Scale.SECONDS, value=2.0, extent=Extent.EVENT, start=0.5, end=2.5, **given)  # fmt: skip
    pause = Cue(id="voice.pause.1", name="pause", scale=Scale.SECONDS, value=0.8, extent=Extent.EVENT, start=2.5, end=3.3, **given)  # fmt: skip
    return [*cues, speech, pause]


def write(path: Path, *records: Record) -> Path:
    """Records a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{one.to_json()}\n" for one in records), encoding="utf-8")
    return path
