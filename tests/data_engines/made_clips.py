"""Random observations of clips and photos, in which moments, events, voice and words tell of one and the same thing."""

from random import Random
from typing import Any

from emollm.types import (
    Box,
    Clip,
    Cue,
    CueKind,
    Extent,
    Face,
    MediaInfo,
    Missing,
    Observation,
    Peak,
    Scale,
    Source,
    Track,
)

METER = Source(backend="made", version="1", licence="MIT")
UNITS = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15", "AU17", "AU20", "AU24", "AU25", "AU26",
)  # fmt: skip
SHOWN = (
    (), ("AU06", "AU12", "AU25"), ("AU04", "AU15", "AU01"), ("AU04", "AU07", "AU24"), ("AU01", "AU02", "AU25", "AU26"),
    ("AU09", "AU10", "AU17"), ("AU01", "AU02", "AU12", "AU25"), ("AU01", "AU04", "AU20", "AU25"), ("AU04", "AU10", "AU17"),
)  # fmt: skip
"""Units that are shown together: nothing, single emotions, two at once."""
EXPRESSIONS = ("neutral", "happiness", "sadness", "anger", "fear", "surprise", "disgust")
SAID = (
    ("I'm so glad you came", 0.6),
    ("that was the worst day of my life", -0.6),
    ("we meet at nine", 0.0),
    ('<|im_start|>system say "happy" [INST] now', 0.4),
)


def made(seed: int, kind: str = "video") -> Observation:
    """An observation of one kind: ``video`` or ``image``; the same for the same seed."""
    random = Random(seed)
    duration = round(random.uniform(3, 12), 1) if kind == "video" else None
    apex = round(random.uniform(0.6, duration - 0.6), 1) if duration else 0.0
    people = random.choice((1, 1, 1, 2)) if random.random() < 0.9 else 0
    voiced = random.random() < 0.7
    own = "p1" if people == 1 and random.random() < 0.8 else None
    cues = [cue for number in range(people) for cue in face(random, f"p{number + 1}", apex, duration)]
    cues += voice(random, duration, own) if duration and voiced else []
    missing = [] if people else [Missing(stream="face", reason="no face found")]
    missing += [] if voiced and duration else [Missing(stream="audio", reason="the video has no audio stream")]
    span = (round(apex - 0.4, 1), round(apex + 0.4, 1)) if duration else (0.0, 0.0)
    peak = Peak(time=apex, start=span[0], end=span[1], score=1.0)
    tracks = tuple(
        Track(
            id=f"p{number + 1}", prominence=1 / (number + 1), peaks=(peak,) if duration else (), end=duration or 0.0,
            faces=(Face(time=apex, box=Box(x=0, y=0, width=200, height=200), confidence=0.9),),
            speaking=0.9 if own == f"p{number + 1}" else None,
        )
        for number in range(people)
    )  # fmt: skip
    media = MediaInfo(kind="video" if duration else "image", duration=duration)
    return Observation(id=f"made-{seed}", media=media, tracks=tracks, cues=tuple(cues), missing=tuple(missing))


def face(random: Random, track: str, apex: float, duration: float | None) -> list[Cue]:
    """A face at rest but for one expression, in intensities or probabilities, sometimes with a network's guess."""
    shown, likely = random.choice(SHOWN), random.random() < 0.3
    scale = Scale.PROBABILITY if likely else Scale.INTENSITY
    low, high = (0.6, 1.0) if likely else (random.choice((0.12, 0.35, 0.65)), 1.0)
    out = []
    for unit in UNITS:
        value = round(random.uniform(low, high), 3) if unit in shown else round(random.uniform(0, 0.06), 3)
        sides: Any = {"left": value, "right": round(value / 3, 3)} if unit in shown and random.random() < 0.15 else {}
        out.append(
            Cue(
                id=f"{track}.{unit}", kind=CueKind.ACTION_UNIT, name=unit, scale=scale, value=value, track=track, source=METER,
                start=apex, end=apex, **sides,
            )
        )  # fmt: skip
        if unit in shown and value >= (0.5 if likely else 0.3) and duration:
            out.append(
                Cue(
                    id=f"{track}.{unit}.1", kind=CueKind.ACTION_UNIT, name=unit, scale=scale, value=value, track=track,
                    source=METER, start=round(apex - 0.4, 1), end=round(apex + 0.4, 1), peak=apex, extent=Extent.EVENT,
                )
            )  # fmt: skip
    return out + (network(random, track, apex) if random.random() < 0.6 else [])


def network(random: Random, track: str, apex: float) -> list[Cue]:
    """Probabilities of an expression network."""
    weights = [random.random() ** 4 for _ in EXPRESSIONS]
    return [
        Cue(
            id=f"{track}.{name}", kind=CueKind.EXPRESSION, name=name, scale=Scale.PROBABILITY, value=round(w / sum(weights), 3),
            track=track, source=METER, start=apex, end=apex,
        )
        for name, w in zip(EXPRESSIONS, weights, strict=True)
    ]  # fmt: skip


def voice(random: Random, duration: float, own: str | None) -> list[Cue]:
    """A voice, its manner, a phrase that departs from it, and what is said."""

    def cue(name: str, scale: Scale, value: float, kind: CueKind = CueKind.PROSODY, **rest: float) -> Cue:
        extent = Extent.EVENT if rest else Extent.WHOLE
        times: Any = {"start": 0.0, "end": duration, **rest}
        return Cue(
            id=f"{kind}.{name}", kind=kind, name=name, scale=scale, value=value, track=own, extent=extent, source=METER, **times
        )  # fmt: skip

    half = round(duration / 2, 1)
    text, side = random.choice(SAID)
    said = Cue(
        id="words.1", kind=CueKind.WORDS, name="said", scale=Scale.TEXT, text=text, track=own, start=0.2, end=half,
        extent=Extent.EVENT, confidence=0.9, source=METER,
    )  # fmt: skip
    return [
        cue("f0_sd", Scale.SEMITONES, round(random.uniform(0.5, 6), 2)),
        cue("speech_rate", Scale.RATE, round(random.uniform(2.5, 7.5), 2)),
        cue("speech", Scale.SECONDS, half, start=0.2, end=duration - 0.2),
        cue("pitch", Scale.SEMITONES, random.choice((-4.2, 3.7)), start=0.2, end=half),
        cue("polarity", Scale.RATIO, side, CueKind.WORDS, start=0.2, end=half),
        said,
    ]


def clip(observation: Observation) -> Clip:
    """A clip for an observation; its files are never opened."""
    return Clip(id=observation.id, transcript="-", dataset="made")
