"""Clips as they come out of the measuring: real frames and faces, made-up courses, voices and words."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from PIL import Image

from emollm import assets
from emollm.media.images import Picture
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings
from emollm.types import (
    Answer,
    AnswerProvenance,
    Claim,
    Clip,
    Cue,
    CueKind,
    Extent,
    MediaInfo,
    Missing,
    Observation,
    Part,
    Peak,
    RankedLabel,
    Rationale,
    Scale,
    Series,
    Source,
    Track,
    Verdict,
    Word,
)

FACE = Source(backend="mesh-head", version="1", licence="Apache-2.0")
VOICE = Source(backend="voice", version="1", licence="MIT")
STEP = 0.1
SAID = (
    (0.6, 2.6, 0.1, "ask not what your country can do for you"),
    (3.3, 5.2, -0.42, "ask what you can do for your terrible country"),
    (8.0, 10.4, 0.66, "together we will be wonderfully happy"),
)
"""Start, end, polarity and text of each phrase."""
PEAKS = ((12.6, ("AU12", "AU25", "AU06")), (4.2, ("AU04", "AU43")), (8.4, ("AU01", "AU05")))
"""Time and units of each peak of the first person, the main one first."""


class Recording(NamedTuple):
    """A clip with all that a page is made of."""

    observation: Observation
    answer: Answer
    frames: Mapping[float, Picture]
    media: Path | None


def bump(time: float, middle: float, width: float, height: float) -> float:
    return height * math.exp(-(((time - middle) / width) ** 2))


def series(
    name: str, values: list[float | None], *, kind: CueKind, scale: Scale, track: str | None, step: float = STEP
) -> Series:
    return Series(
        kind=kind,
        name=name,
        scale=scale,
        track=track,
        step=step,
        values=tuple(None if value is None else round(value, 3) for value in values),
        source=FACE if kind is not CueKind.PROSODY else VOICE,
    )


def event(id: str, name: str, start: float, end: float, value: float | None, **more: Any) -> Cue:
    given: dict[str, Any] = {"kind": CueKind.ACTION_UNIT, "scale": Scale.INTENSITY, "source": FACE}
    return Cue(id=id, name=name, start=start, end=end, value=value, extent=Extent.EVENT, **(given | more))


def face_course(track: str, duration: float, shift: float) -> tuple[list[Series], list[Cue]]:
    """Curves and events of one face, with a gap in which it is not seen."""
    times = [(i + 0.5) * STEP for i in range(round(duration / STEP))]
    courses: dict[str, Callable[[float], float]] = {
        "AU01": lambda t: bump(t, 8.4, 0.9, 0.55),
        "AU02": lambda t: bump(t, 8.5, 0.8, 0.31),
        "AU04": lambda t: bump(t, 4.2, 1.3, 0.72),
        "AU05": lambda t: bump(t, 8.4, 0.6, 0.4),
        "AU06": lambda t: bump(t, 12.8, 1.4, 0.5),
        "AU07": lambda t: bump(t, 4.0, 1.0, 0.34),
        "AU12": lambda t: bump(t, 12.6, 1.6, 0.84) + bump(t, 1.6, 0.4, 0.2),
        "AU17": lambda t: bump(t, 3.2, 0.5, 0.22),
        "AU25": lambda t: bump(t, 12.6, 1.1, 0.7) + 0.12 * abs(math.sin(9 * t)) * (t < 5.2),
        "AU26": lambda t: 0.16 * abs(math.sin(7 * t)) * (t < 5.2),
        "AU45": lambda t: sum(bump(t, at, 0.08, 0.9) for at in (1.1, 5.6, 9.9)),
    }
    angles: dict[str, Callable[[float], float]] = {
        "yaw": lambda t: 18 * math.sin(t / 2),
        "pitch": lambda t: -8 + 10 * math.sin(t / 3),
        "roll": lambda t: 6 * math.sin(t),
        "gaze_yaw": lambda t: 9 * math.sin(1.7 * t),
        "gaze_pitch": lambda t: -6 + 4 * math.cos(t),
    }
    lost = (6.2 + shift, 7.1 + shift)

    def sampled(course: Callable[[float], float]) -> list[float | None]:
        return [None if lost[0] <= time < lost[1] else course(time - shift) for time in times]

    curves = [
        series(
            name,
            [None if v is None else min(max(v, 0.0), 1.0) for v in sampled(course)],
            kind=CueKind.ACTION_UNIT,
            scale=Scale.INTENSITY,
            track=track,
        )
        for name, course in courses.items()
    ]
    for name, course in angles.items():
        kind = CueKind.GAZE if name.startswith("gaze") else CueKind.HEAD_POSE
        curves.append(series(name, sampled(course), kind=kind, scale=Scale.DEGREES, track=track))
    units = (
        ("AU01", 7.6, 9.1, 8.4, 0.55),
        ("AU04", 2.9, 5.5, 4.2, 0.72),
        ("AU06", 12.0, 13.6, 12.8, 0.5),
        ("AU12", 11.0, 14.0, 12.6, 0.84),
        ("AU25", 11.6, 13.6, 12.6, 0.7),
    )
    events = [
        event(f"{track}.{name}.1", name, start + shift, end + shift, value, peak=peak + shift, track=track)
        for name, start, end, peak, value in units
    ]
    events += [
        event(f"{track}.AU45.{i}", "AU45", at - 0.1 + shift, at + 0.1 + shift, 0.9, peak=at + shift, track=track)
        for i, at in enumerate((1.1, 5.6, 9.9), start=1)
    ]
    events.append(
        event(
            f"{track}.yaw.1",
            "yaw",
            2.0 + shift,
            4.4 + shift,
            18.0,
            peak=3.1 + shift,
            track=track,
            kind=CueKind.HEAD_POSE,
            scale=Scale.DEGREES,
        )
    )
    return curves, events


def voice_course(duration: float, track: str | None) -> tuple[list[Series], list[Cue], tuple[Word, ...]]:
    """Pitch and loudness, phrases that differ, pauses and words."""
    times = [(i + 0.5) * STEP for i in range(round(duration / STEP))]
    spoken = [any(start <= time < end for start, end, *_ in SAID) for time in times]
    pitch = [
        190 + 60 * math.sin(2 * t) + (90 if t > 8 else 0) if on and math.sin(23 * t) > -0.8 else None
        for t, on in zip(times, spoken, strict=True)
    ]
    energy = [-24 + 7 * math.sin(11 * t) if on else -58.0 + math.sin(t) for t, on in zip(times, spoken, strict=True)]
    curves = [
        series("f0", pitch, kind=CueKind.PROSODY, scale=Scale.HERTZ, track=track),
        series("energy", energy, kind=CueKind.PROSODY, scale=Scale.DECIBELS, track=track),
    ]
    voice: dict[str, Any] = {"kind": CueKind.PROSODY, "source": VOICE, "track": track}
    cues = [
        event(f"voice.speech.{i}", "speech", start, end, round(end - start, 2), scale=Scale.SECONDS, **voice)
        for i, (start, end, *_) in enumerate(SAID, start=1)
    ]
    cues += [
        event("voice.pause.1", "pause", 2.6, 3.3, 0.7, scale=Scale.SECONDS, **voice),
        event("voice.pitch.1", "pitch", 8.0, 10.4, 4.1, peak=9.2, scale=Scale.SEMITONES, **voice),
        event("voice.loudness.1", "loudness", 3.3, 5.2, -3.4, peak=4.0, scale=Scale.DECIBELS, **voice),
        event("voice.rate.1", "rate", 0.6, 2.6, 1.4, peak=1.0, scale=Scale.RATIO, **voice),
    ]
    whole = {
        "f0_median": (Scale.HERTZ, 212.0),
        "f0_range": (Scale.SEMITONES, 9.3),
        "energy": (Scale.DECIBELS, -24.0),
        "speech_rate": (Scale.RATE, 4.1),
        "pause_share": (Scale.RATIO, 0.18),
    }
    cues += [
        Cue(id=f"voice.{name}", name=name, scale=scale, value=value, extent=Extent.WHOLE, end=duration, **voice)
        for name, (scale, value) in whole.items()
    ]
    words: list[Word] = []
    for i, (start, end, polarity, text) in enumerate(SAID, start=1):
        kind: dict[str, Any] = {"kind": CueKind.WORDS, "source": VOICE, "track": track}
        cues.append(event(f"words.{i}", "said", start, end, None, scale=Scale.TEXT, text=text, confidence=0.9, **kind))
        cues.append(event(f"words.polarity.{i}", "polarity", start, end, polarity, scale=Scale.RATIO, **kind))
        parts = text.split()
        each = (end - start) / len(parts)
        words += [
            Word(text=part, start=round(start + k * each, 2), end=round(start + (k + 0.9) * each, 2), confidence=0.9)
            for k, part in enumerate(parts)
        ]
    return curves, cues, tuple(words)


def claim(
    part: Part,
    text: str,
    verdict: Verdict,
    reason: str,
    *cues: str,
    start: float | None = None,
    end: float | None = None,
) -> Claim:
    return Claim(text=text, part=part, verdict=verdict, reason=reason, cues=cues, start=start, end=end)


def told(id: str, track: str | None, face: bool, voice: bool) -> Answer:
    """An answer whose claims speak of times."""
    seen, heard = Verdict.SUPPORTED, Part.OBSERVATIONS
    sentences, claims = [], []

    def say(
        text: str, verdict: Verdict, reason: str, *cues: str, start: float | None = None, end: float | None = None
    ) -> None:
        sentences.append(text)
        claims.append(claim(heard, text.rstrip("."), verdict, reason, *cues, start=start, end=end))

    if face:
        say(
            "At 12.6 s the mouth corners are pulled up (AU12 0.84).",
            seen,
            "AU12 0.84, needs 0.50",
            f"{track}.AU12",
            start=12.5,
            end=12.7,
        )
        say(
            "From 2.9 to 5.5 s the brows are drawn together, most at 4.2 s (AU04 0.72).",
            seen,
            "AU04 0.72 from 2.9 to 5.5 s",
            f"{track}.AU04.1",
            start=2.9,
            end=5.5,
        )
        say("The eyes blink at 5.6 s.", seen, "blink from 5.5 to 5.7 s", f"{track}.AU45.2", start=5.5, end=5.7)
        say(
            "The head turns to the person's own left from 2.0 to 4.4 s (18 degrees).",
            seen,
            "turn of 18°",
            f"{track}.yaw.1",
            start=2.0,
            end=4.4,
        )
    if voice:
        say(
            "From 8.0 to 10.4 s the voice is higher than usual (+4.1 semitones).",
            seen,
            "+4.1 semitones, needs +1.0",
            "voice.pitch.1",
            start=8.0,
            end=10.4,
        )
        say("The voice pauses from 2.6 to 3.3 s (0.7 s).", seen, "pause of 0.7 s", "voice.pause.1", start=2.6, end=3.3)
        say(
            'From 3.3 to 5.2 s the words are "ask what you can do for your terrible country".',
            seen,
            "as heard",
            "words.2",
            start=3.3,
            end=5.2,
        )
        say("The median pitch is 260 Hz.", Verdict.CONTRADICTED, "median pitch 212 Hz", "voice.f0_median")
    rationale = Rationale(
        observations=" ".join(sentences),
        interpretation="The pulled-up mouth corners late in the clip speak for happiness; the lowered brows before it do not.",
        conclusion="Taken together, the best description is happiness, strong (0.84).",
    )
    return Answer(
        id=id,
        track=track,
        status="answered",
        label="happiness",
        label_set="basic8",
        labels=(
            RankedLabel(label="happiness", score=0.74),
            RankedLabel(label="sadness", score=0.16),
            RankedLabel(label="neutral", score=0.1),
        ),
        intensity=0.84,
        rationale=rationale,
        claims=tuple(claims),
        provenance=AnswerProvenance(model="reasoner@1", prompt="reasoner/rationale@4"),
    )


def grab(path: Path, times: tuple[float, ...]) -> dict[float, np.ndarray]:
    """The frames at those times, (H, W, 3) uint8."""
    found: dict[float, np.ndarray] = {}
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            for time in times:
                if time not in found and frame.time is not None and frame.time >= time:
                    found[time] = frame.to_ndarray(format="rgb24")
    return found


@pytest.fixture(scope="session")
def pexels() -> Path:
    """A woman who is sad, then happy: 19.7 s, 640x360 (Wolfgang Langer, Pexels)."""
    return assets.path("clip-pexels")


@pytest.fixture(scope="session")
def frames(pexels: Path) -> dict[float, np.ndarray]:
    """Its frames at the peaks."""
    return grab(pexels, tuple(time for time, _ in PEAKS))


@pytest.fixture(scope="session")
def faces(frames: dict[float, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> tuple[Observation, ...]:
    """What our own head measures in those frames, in the order of ``PEAKS``."""
    folder = tmp_path_factory.mktemp("frames")
    found = []
    for i, (time, _) in enumerate(PEAKS):
        path = folder / f"{i}.png"
        Image.fromarray(frames[time]).save(path)
        found.append(observe(Clip(id=path.name, image=path), PerceptionSettings(action_units="mesh-head")))
    return tuple(found)


def person(id: str, faces: tuple[Observation, ...], shift: float, prominence: float) -> tuple[Track, list[Cue]]:
    """A track at its peaks, and its moment cues at the main one."""
    seen = [observation.tracks[0].faces[0] for observation in faces]
    peaks = tuple(
        Peak(
            time=time + shift,
            start=time + shift - 0.6,
            end=time + shift + 0.6,
            score=2.0 - 0.5 * i,
            units=units,
            speaking=i == 1,
        )
        for i, (time, units) in enumerate(PEAKS)
    )
    at_peak = tuple(face.model_copy(update={"time": peak.time}) for face, peak in zip(seen, peaks, strict=True))
    cues = [
        cue.model_copy(
            update={"id": f"{id}.{cue.name}", "track": id, "start": peaks[0].time - 0.1, "end": peaks[0].time + 0.1}
        )
        for cue in faces[0].of("p1")
    ]
    return Track(
        id=id,
        faces=at_peak,
        prominence=prominence,
        peaks=peaks,
        end=19.6,
        frames=440,
        speaking=0.9 if id == "p1" else 0.1,
    ), cues


@pytest.fixture(scope="session")
def clip(pexels: Path, frames: dict[float, np.ndarray], faces: tuple[Observation, ...]) -> Recording:
    """One person who speaks."""
    return recording(pexels, frames, faces, people=1)


@pytest.fixture(scope="session")
def two(pexels: Path, frames: dict[float, np.ndarray], faces: tuple[Observation, ...]) -> Recording:
    """Two people, of whom the first speaks."""
    return recording(pexels, frames, faces, people=2)


def recording(path: Path, frames: dict[float, np.ndarray], faces: tuple[Observation, ...], people: int) -> Recording:
    media = MediaInfo(
        kind="video", width=640, height=360, duration=19.69, frames=472, rate=24.0, sample_rate=48000, channels=2
    )
    tracks, cues, curves = [], [], []
    for i in range(people):
        track, moment = person(f"p{i + 1}", faces, 0.4 * i, 0.7 - 0.4 * i)
        course, events = face_course(track.id, 19.69, 0.4 * i)
        tracks.append(track)
        cues += moment + events
        curves += course
        cues.append(
            Cue(
                id=f"{track.id}.blink_rate",
                kind=CueKind.MOTION,
                name="blink_rate",
                scale=Scale.RATE,
                value=0.15,
                extent=Extent.WHOLE,
                end=19.69,
                track=track.id,
                source=FACE,
            )
        )
    heard, voice, words = voice_course(19.69, None)
    observation = Observation(
        id="clips/two people.mp4" if people > 1 else "clips/interview.mp4",
        media=media,
        tracks=tuple(tracks),
        cues=(*cues, *voice),
        words=words,
        series=(*curves, *heard),
        missing=(
            Missing(stream="AU09", reason="not measured by mesh-head"),
            Missing(stream="scene", reason="turned off"),
        ),
        versions={"emollm": "0.1.0"},
    )
    answer = told(observation.id, "p1", face=True, voice=True)
    if people > 1:
        answer = answer.model_copy(update={"people": (told(observation.id, "p2", face=True, voice=False),)})
    pictures = {time + 0.4 * i: Picture(pixels, media, 1.0) for i in range(people) for time, pixels in frames.items()}
    return Recording(observation, answer, pictures, path)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A voice without a picture, 12 s."""
    path = tmp_path_factory.mktemp("sound") / "call.flac"
    write_sound(path, 12.0)
    curves, cues, words = voice_course(12.0, None)
    observation = Observation(
        id="call.flac",
        media=MediaInfo(kind="audio", duration=12.0, sample_rate=16000, channels=1),
        cues=tuple(cues),
        words=words,
        series=tuple(curves),
        missing=(Missing(stream="face", reason="there is no picture in the file"),),
    )
    return Recording(observation, told("call.flac", None, face=False, voice=True), {}, path)


@pytest.fixture(scope="session", name="write_sound")
def sound_writer() -> Callable[[Path, float], None]:
    """Writes a tone of so many seconds."""
    return write_sound


def write_sound(path: Path, seconds: float, rate: int = 16000) -> None:
    """A tone that swells and fades."""
    time = np.arange(round(seconds * rate)) / rate
    samples = (8000 * np.sin(2 * np.pi * 220 * time) * np.abs(np.sin(time))).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac" if path.suffix == ".flac" else "pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
