"""The text of clips: what stands where, how much at most, and nothing twice."""

from typing import Any

import pytest

from emollm.cli.recording_text import claim_time, media_text
from emollm.cli.text import answer_text, observation_text
from emollm.emotions import label_set
from emollm.reasoner import reason
from emollm.types import (
    Box,
    Claim,
    Cue,
    CueKind,
    Extent,
    Face,
    MediaInfo,
    Missing,
    Observation,
    Part,
    Peak,
    Scale,
    Series,
    Source,
    Track,
    Verdict,
    Word,
)

SOURCE = Source(backend="test", version="1", licence="none")
VIDEO = MediaInfo(
    kind="video", width=640, height=360, duration=19.7, frames=473, rate=24.0, sample_rate=48_000, channels=2
)


def unit(code: str, value: float, number: int | None = None, **fields: Any) -> Cue:
    """A unit of p1: at the apex, or an event if it has a number."""
    extent = Extent.MOMENT if number is None else Extent.EVENT
    id = f"p1.{code}" + ("" if number is None else f".{number}")
    fields = {"track": "p1", "kind": CueKind.ACTION_UNIT, "scale": Scale.INTENSITY, **fields}
    return Cue(id=id, name=code, value=value, extent=extent, source=SOURCE, **fields)


def voice(id: str, name: str, scale: Scale, value: float, start: float = 0.0, end: float = 19.7, **fields: Any) -> Cue:
    extent = Extent.EVENT if id[-1].isdigit() else Extent.WHOLE
    kind = fields.pop("kind", CueKind.PROSODY)
    return Cue(
        id=id,
        kind=kind,
        name=name,
        scale=scale,
        value=value,
        extent=extent,
        start=start,
        end=end,
        source=SOURCE,
        **fields,
    )


def said(number: int, text: str, start: float, end: float, track: str | None = None) -> Cue:
    return Cue(
        id=f"words.{number}",
        kind=CueKind.WORDS,
        name="said",
        scale=Scale.TEXT,
        text=text,
        extent=Extent.EVENT,
        start=start,
        end=end,
        track=track,
        source=SOURCE,
    )


def person(*peaks: Peak) -> Track:
    peaks = peaks or (Peak(time=3.4, start=2.8, end=5.1, score=1.2, units=("AU12",)),)
    faces = tuple(Face(time=peak.time, box=Box(x=0, y=0, width=90, height=90), confidence=0.9) for peak in peaks)
    return Track(id="p1", faces=faces, prominence=1.0, peaks=peaks, start=0.5, end=19.6, frames=458)


@pytest.fixture
def clip() -> Observation:
    """A person who smiles twice and says something."""
    cues = (
        unit("AU12", 0.62, start=3.3, end=3.5),
        unit("AU12", 0.62, 1, start=2.1, end=5.0, peak=3.4),
        unit("AU12", 0.44, 2, start=8.0, end=9.1, peak=8.4),
        voice("voice.f0_median", "f0_median", Scale.HERTZ, 112.2),
        voice("voice.f0_range", "f0_range", Scale.SEMITONES, 9.13),
        voice("voice.tilt", "tilt", Scale.DECIBELS, -8.44),
        voice("voice.speech.1", "speech", Scale.SECONDS, 1.6, 0.4, 2.0),
        voice("voice.pitch.1", "pitch", Scale.SEMITONES, 3.1, 1.2, 2.9, peak=1.4),
        said(1, "ask not what your country can do for you", 0.4, 2.0),
        voice("words.polarity.1", "polarity", Scale.RATIO, -0.52, 0.4, 2.0, kind=CueKind.WORDS),
    )
    series = Series(
        kind=CueKind.ACTION_UNIT,
        name="AU12",
        scale=Scale.INTENSITY,
        track="p1",
        step=0.1,
        values=(0.1,) * 80 + (0.44,) * 100,
        source=SOURCE,
    )
    second = Peak(time=8.4, start=8.0, end=9.1, score=0.8, units=("AU12",), speaking=True)
    first = Peak(time=3.4, start=2.8, end=5.1, score=1.2, units=("AU12",))
    gap = Missing(stream="scene", reason="no checkpoint")
    return Observation(
        id="talk.mp4", media=VIDEO, tracks=(person(first, second),), cues=cues, series=(series,), missing=(gap,)
    )


def test_a_clip_reads_from_the_file_over_the_face_to_the_voice_and_the_words(clip: Observation) -> None:
    assert observation_text(clip).splitlines() == [
        "talk.mp4  640 × 360, 19.7 s, 24 frames a second, sound 48 kHz stereo",
        "  p1: face seen 0.5–19.6 s (458 frames), confidence 0.90",
        "    apex 3.4 s (onset 2.8, offset 5.1): AU12 0.62",
        "     AU12 lip corner puller      ████████████········ 0.62  strong",
        "    other moments: 8.4 s AU12 0.44 (while speaking)",
        "    AU12 lip corner puller: 2.1–5.0 s (0.62 at 3.4 s), 8.0–9.1 s (0.44)",
        "  voice, whose is not known",
        "    speech 0.4–2.0 s",
        "    median pitch 112 Hz, range 9.1 semitones, spectral tilt −8.4 dB/octave",
        "    voice pitch: 1.2–2.9 s (+3.1 semitones, higher than usual at 1.4 s)",
        "  words 0.4–2.0 s: “ask not what your country can do for you” (polarity −0.52)",
        "    missing: scene: no checkpoint",
    ]


@pytest.mark.parametrize(("closed", "listed"), [(0.72, False), (0.3, True)])
def test_no_gaze_is_listed_of_closed_eyes(clip: Observation, closed: float, listed: bool) -> None:
    cues = (unit("AU43", closed), unit("AU64", 0.8), unit("AU61", 0.5))
    text = observation_text(clip.model_copy(update={"cues": cues}))
    assert "AU43" in text
    assert ("AU64" in text, "AU61" in text) == (listed, listed)


def test_a_voice_that_is_known_is_the_person_s(clip: Observation) -> None:
    cues = tuple(cue.model_copy(update={"track": "p1"}) if cue.kind is CueKind.PROSODY else cue for cue in clip.cues)
    assert "  voice of p1\n" in observation_text(clip.model_copy(update={"cues": cues}))


def test_sound_alone_has_its_voice_and_no_face(clip: Observation) -> None:
    media = MediaInfo(kind="audio", duration=754.2, sample_rate=16_000, channels=1)
    cues = tuple(cue for cue in clip.cues if cue.track is None)
    sound = Observation(id="talk.wav", media=media, cues=cues)
    lines = observation_text(sound).splitlines()
    assert lines[:2] == ["talk.wav  audio, 754.2 s (12:34), sound 16 kHz", "  voice"]
    assert not any("AU" in line for line in lines)


@pytest.mark.parametrize(
    ("media", "text"),
    [
        (MediaInfo(kind="image", width=10, height=20), "10 × 20"),
        (MediaInfo(kind="image", width=10, height=20, note="rotated by EXIF"), "10 × 20, rotated by EXIF"),
        (
            MediaInfo(kind="video", width=64, height=48, duration=3723.0, rate=29.97),
            "64 × 48, 3723.0 s (1:02:03), 29.97 frames a second",
        ),
        (
            MediaInfo(kind="audio", duration=1.0, sample_rate=44_100, channels=8),
            "audio, 1.0 s, sound 44.1 kHz 8 channels",
        ),
        (MediaInfo(kind="video", width=64, height=48, duration=0.0417, frames=1), "64 × 48, 0.04 s"),
        (MediaInfo(kind="table"), "table"),
    ],
)
def test_what_a_file_is_stands_in_one_line(media: MediaInfo, text: str) -> None:
    assert media_text(media) == text


def busy() -> Observation:
    """An hour in which everything happens all the time, with several people."""
    codes = ("AU01", "AU02", "AU04", "AU05", "AU07", "AU10", "AU12", "AU15", "AU17", "AU20", "AU24", "AU25", "AU26")
    cues = [unit(code, 0.5, start=100.0, end=100.2) for code in codes]
    for code in codes:
        cues += [unit(code, 0.4, k, start=k * 20.0, end=k * 20.0 + 5, peak=k * 20.0 + 1) for k in range(1, 150)]
    for k in range(1, 400):
        times = (k * 9.0, k * 9.0 + 5)
        cues.append(voice(f"voice.speech.{k}", "speech", Scale.SECONDS, 5.0, *times))
        cues.append(voice(f"voice.pause.{k}", "pause", Scale.SECONDS, 0.5, *times))
        cues += [
            voice(f"voice.{name}.{k}", name, Scale.DECIBELS, 4.0, *times, peak=times[0])
            for name in ("pitch", "loudness")
        ]
        cues.append(said(k, "word after word " * 40, *times))
    peaks = tuple(Peak(time=100.0 + k, start=99.0, end=900.0, score=1.0, units=codes) for k in range(20))
    words = tuple(Word(text="word", start=k, end=k + 0.5, confidence=0.9) for k in range(3000))
    return Observation(id="hour.mp4", media=VIDEO, tracks=(person(*peaks),), cues=tuple(cues), words=words)


def test_an_hour_has_some_forty_lines() -> None:
    lines = observation_text(busy()).splitlines()
    assert len(lines) <= 48
    assert max(map(len, lines)) <= 110


def test_what_an_answer_rests_on_is_told_in_short() -> None:
    observation = busy()
    answer = reason(observation, label_set("basic8"))
    assert len(answer_text(answer, observation).splitlines()) - len(answer_text(answer).splitlines()) <= 32


def claim(text: str, start: float | None, end: float | None, verdict: Verdict = Verdict.SUPPORTED) -> Claim:
    return Claim(text=text, part=Part.OBSERVATIONS, verdict=verdict, start=start, end=end, reason="AU12 0.62")


@pytest.mark.parametrize(
    ("text", "start", "end", "told"),
    [
        ("the lips part (AU25 0.50)", 3.3, 3.5, "at 3.4 s"),
        ("the lips part (AU25 0.50)", 2.1, 5.0, "2.1–5.0 s"),
        ("the lips part (AU25 0.50)", 2.0, None, "at 2.0 s"),
        ("At 3.4 s the lips part (AU25 0.50)", 3.3, 3.5, None),
        ("From 2.1 to 5.0 s the lips part (AU25 0.50)", 2.1, 5.0, None),
        ("the lips part (AU25 0.50)", None, None, None),
    ],
)
def test_a_claim_has_its_time_unless_its_words_say_it(
    text: str, start: float | None, end: float | None, told: str | None
) -> None:
    assert claim_time(claim(text, start, end)) == told


def test_of_many_claims_no_refuted_one_is_left_out(clip: Observation) -> None:
    many = [claim(f"claim {k}", 1.0, 1.0) for k in range(30)]
    many[25] = claim("claim 25", 1.0, 1.0, Verdict.CONTRADICTED)
    answer = reason(clip, label_set("basic8")).model_copy(update={"claims": tuple(many)})
    listed = answer_text(answer).partition("Evidence: ")[2]
    assert "✗ claim 25  (at 1.0 s, AU12 0.62)" in listed
    assert "✓ and 17 more" in listed
    assert listed.splitlines()[0] == "29 supported, 1 contradicted, 0 unverifiable"
