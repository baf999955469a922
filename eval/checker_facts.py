"""An Observation made of the facts of a rationale that somebody wrote by hand: as perception would give it.

The conventions of the facts stand at the head of ``eval/rationales/rationales.yaml``. What no fact names was not measured: the facts
suffice to tell what is false, and nothing is added to them. A unit without times is as it is told throughout. Values of a voice
are z-scores against the speaker's own usual; from .7 on they are events, as in docs/voice.md. A tremor, which our perception does
not measure, becomes a cue of that name.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emollm.errors import DataError
from emollm.facs import UNITS
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
    Scale,
    Series,
    Source,
    Track,
    Word,
)

Fact = Mapping[str, Any]

FACE = Source(backend="facts", version="1", licence="MIT")
REST, STEP = 0.02, 0.1
"""Intensity at rest, seconds between the points of a series."""
OFF = 0.7
"""Departure from which a voice is not as usual (PROTOCOLS 3.8), in z."""
_ANGLES = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch")
_EVENTS = {"pitch": (Scale.SEMITONES, 2.0), "loudness": (Scale.DECIBELS, 4.0), "rate": (Scale.RATIO, 0.25)}
"""What a z of 1 is for an event of a voice; a rate is a ratio to the usual one."""
_WHOLES = {
    "pitch": ("f0_median", Scale.HERTZ, 180.0), "loudness": ("energy", Scale.DECIBELS, -24.0), "rate": ("speech_rate", Scale.RATE, 4.6),
}  # fmt: skip
"""The summary that is there where a quantity was measured, with an ordinary value."""
_VOICE = (*_EVENTS, "pitch_range", "pauses", "tremor")


def observation(id: str, facts: Sequence[Fact]) -> Observation:
    """What would have been measured.

    Raises:
        DataError: A fact has none of the keys above, or names a unit or quantity that does not exist.
    """
    timed = any(key in fact for fact in facts for key in ("start", "end", "peak", "voice", "words"))
    length = _length(facts) if timed else None
    people = _people(facts)
    scenes = [str(fact["scene"]) for fact in facts if "scene" in fact]
    return Observation(
        id=id,
        media=MediaInfo(kind="video" if timed else "image", duration=length),
        tracks=tuple(_track(person, number, facts, length) for number, person in enumerate(people)),
        cues=(*(cue for person in people for cue in _face(person, facts, length)), *_sound(id, facts, length), *_scene(scenes, length)),
        series=tuple(series for person in people for series in _series(person, facts, length)),
        words=tuple(_words(facts, length)),
        missing=() if _is_heard(facts) else (Missing(stream="voice", reason="no facts on the voice"),),
    )  # fmt: skip


def _scene(scenes: Sequence[str], length: float | None) -> Iterator[Cue]:
    for number, text in enumerate(scenes, 1):
        yield Cue(id=f"scene.{number}", kind=CueKind.SCENE, name="scene", scale=Scale.TEXT, text=text, end=length or 0.0,
                  extent=Extent.WHOLE, source=FACE)  # fmt: skip


def _length(facts: Sequence[Fact]) -> float:
    """A second longer than the last time that is given."""
    return max((float(fact.get("end", fact.get("peak", 0.0)) or 0.0) for fact in facts), default=0.0) + 1.0


def _is_heard(facts: Sequence[Fact]) -> bool:
    return any("voice" in fact or "words" in fact for fact in facts)


def _people(facts: Sequence[Fact]) -> list[str]:
    named = dict.fromkeys(str(fact.get("person", "p1")) for fact in facts)
    return sorted({*named, "p1"})


def _own(person: str, facts: Sequence[Fact], key: str) -> list[Fact]:
    return [fact for fact in facts if key in fact and str(fact.get("person", "p1")) == person]


def _track(person: str, number: int, facts: Sequence[Fact], length: float | None) -> Track:
    """A face of 200 pixels; people stand side by side in their order unless a fact says where."""
    place = next((str(fact["position"]) for fact in _own(person, facts, "position")), "")
    left = {"left": 0.0, "right": 900.0}.get(place.split(" ")[0], 300.0 * number)
    face = Face(time=_apex(person, facts, length), box=Box(x=left, y=100.0, width=200.0, height=200.0), confidence=0.95)
    peaks = () if length is None else (Peak(time=face.time, start=face.time, end=face.time, score=1.0),)
    heard = _is_heard(facts)
    speaker = {str(fact.get("person", "p1")) for fact in facts if "voice" in fact or "words" in fact}
    return Track(
        id=person, faces=(face,), prominence=round(1 / (number + 1.5), 3), peaks=peaks, end=length or 0.0,
        frames=1 if length is None else int(length * 25), speaking=(0.9 if person in speaker else 0.1) if heard else None,
    )  # fmt: skip


def _apex(person: str, facts: Sequence[Fact], length: float | None) -> float:
    if length is None:
        return 0.0
    peaks = [(float(fact["value"]), float(fact["peak"])) for fact in _own(person, facts, "unit") if fact.get("peak") is not None]  # fmt: skip
    return max(peaks)[1] if peaks else length / 2


# ---- the face -------------------------------------------------------------------------------------------------------


def _face(person: str, facts: Sequence[Fact], length: float | None) -> list[Cue]:
    told: dict[str, list[Fact]] = {}
    for fact in _own(person, facts, "unit"):
        if fact["unit"] not in UNITS:
            raise DataError(f"facts: expected a unit of facs.yaml, got {fact['unit']!r}; write AU12 or add the unit")
        told.setdefault(fact["unit"], []).append(fact)
    apex, out = _apex(person, facts, length), []
    for code, own in told.items():
        out += _unit(person, code, own, apex)
    angles = {str(fact["angle"]): fact for fact in _own(person, facts, "angle")}
    for name in _ANGLES:
        if name in angles:
            out += _angle(person, name, angles[name], apex)
    return out


def _unit(person: str, code: str, told: Sequence[Fact], apex: float) -> list[Cue]:
    """The moment of the apex, and an event for each fact with times."""
    kind, scale = CueKind.ACTION_UNIT, Scale.INTENSITY
    events = [fact for fact in told if fact.get("start") is not None]
    out = []
    for number, fact in enumerate(events, 1):
        start, end = float(fact["start"]), float(fact["end"])
        peak = float(fact.get("peak", (start + end) / 2))
        out.append(Cue(id=f"{person}.{code}.{number}", kind=kind, name=code, scale=scale, track=person, start=start, end=end, peak=peak,
                       extent=Extent.EVENT, source=FACE, **_values(fact)))  # fmt: skip
    steady = next((fact for fact in told if fact.get("start") is None), None)
    values = _values(steady) if steady is not None else {"value": round(_course(told, apex), 3)}
    if steady is None and (here := [fact for fact in events if abs(float(fact.get("peak", -9)) - apex) < 0.05]):
        values = _values(here[0])
    moment = Cue(id=f"{person}.{code}", kind=kind, name=code, scale=scale, track=person, start=apex, end=apex, source=FACE, **values)  # fmt: skip
    return [moment, *out]


def _values(fact: Fact) -> dict[str, Any]:
    """Value and sides; a unit of which no sides are told moves evenly where it has any."""
    value = float(fact["value"]) if fact.get("value") is not None else max(float(fact["left"]), float(fact["right"]))
    sides = {side: float(fact[side]) for side in ("left", "right") if fact.get(side) is not None}
    if len(sides) == 1:
        sides = {"left": value, "right": value} | sides
    if not sides and UNITS[fact["unit"]].two_sided:
        sides = {"left": value, "right": value}
    return {"value": max(value, *sides.values()) if sides else value} | sides


def _course(told: Sequence[Fact], time: float) -> float:
    """The value of a unit at a time: it rises to its apex and falls to its offset."""
    value = REST
    for fact in told:
        if fact.get("start") is None:
            return float(fact["value"])
        start, end = float(fact["start"]), float(fact["end"])
        peak, most = float(fact.get("peak", (start + end) / 2)), float(fact["value"])
        if start <= time <= end:
            edge = start if time < peak else end
            share = 1 - abs(time - peak) / max(abs(edge - peak), 1e-6)
            low = max(most / 2, min(most, 0.3))
            value = max(value, low + (most - low) * max(0.0, share))
    return value


def _angle(person: str, name: str, fact: Fact, apex: float) -> list[Cue]:
    kind = CueKind.GAZE if name.startswith("gaze") else CueKind.HEAD_POSE
    timed = fact.get("start") is not None
    value = float(fact["value"])
    moment = Cue(
        id=f"{person}.{name}", kind=kind, name=name, scale=Scale.DEGREES, value=1.0 if timed else value, track=person,
        start=apex, end=apex, source=FACE,
    )  # fmt: skip
    if not timed:
        return [moment]
    start, end = float(fact["start"]), float(fact["end"])
    event = moment.model_copy(
        update={"id": f"{person}.{name}.1", "value": value, "extent": Extent.EVENT, "start": start, "end": end, "peak": (start + end) / 2}
    )  # fmt: skip
    return [moment, event]


def _series(person: str, facts: Sequence[Fact], length: float | None) -> list[Series]:
    """Courses of the units that are told, and of one at rest so that the face counts as seen."""
    if length is None:
        return []
    told: dict[str, list[Fact]] = {}
    for fact in _own(person, facts, "unit"):
        told.setdefault(fact["unit"], []).append(fact)
    return [
        Series(
            kind=CueKind.ACTION_UNIT, name=code, scale=Scale.INTENSITY, track=person, step=STEP, source=FACE,
            values=tuple(round(_course(own, (index + 0.5) * STEP), 3) for index in range(int(length / STEP))),
        )
        for code, own in told.items()
    ]  # fmt: skip


# ---- voice and words ------------------------------------------------------------------------------------------------


def _sound(id: str, facts: Sequence[Fact], length: float | None) -> Iterator[Cue]:
    if length is None or not _is_heard(facts):
        return
    several = len({fact["person"] for fact in facts if "person" in fact}) > 1
    counts: dict[str, int] = {}
    for fact in facts:
        track = str(fact["person"]) if several and "person" in fact else None
        if "voice" in fact:
            yield from _voice(id, fact, track, counts, length)
    yield from _spoken(facts, length, several)
    for number, fact in enumerate((fact for fact in facts if "words" in fact), 1):
        track = str(fact["person"]) if several and "person" in fact else None
        start, end = _span(fact, length)
        yield Cue(id=f"words.{number}", kind=CueKind.WORDS, name="said", scale=Scale.TEXT, text=str(fact["words"]), start=start,
                  end=end, extent=Extent.EVENT, confidence=0.9, source=FACE, track=track)  # fmt: skip


def _voice(id: str, fact: Fact, track: str | None, counts: dict[str, int], length: float) -> Iterator[Cue]:
    """Cues of one fact on a voice: a summary where the quantity was measured, an event where it departs from the usual."""
    name, value = str(fact["voice"]), float(fact["value"])
    if name not in _VOICE:
        raise DataError(f"{id}: expected a quantity of the voice, got {name!r}; known: {', '.join(_VOICE)}")
    start, end = _span(fact, length)
    owner = f".{track}" if track else ""

    def whole(quantity: str, scale: Scale, amount: float) -> Iterator[Cue]:
        key = f"{quantity}{owner}"
        counts[key] = counts.get(key, 0) + 1
        timed = Extent.EVENT if fact.get("start") is not None and quantity in ("f0_sd", "tremor") else Extent.WHOLE
        if counts[key] == 1 or timed is Extent.EVENT:
            yield Cue(id=f"voice.{key}.{counts[key]}", kind=CueKind.PROSODY, name=quantity, scale=scale, value=amount, start=start,
                      end=end, extent=timed, source=FACE, track=track)  # fmt: skip

    if name == "pitch_range":
        yield from whole("f0_sd", Scale.SEMITONES, 1.0 if value <= -OFF else 5.0 if value >= OFF else 2.5)
    elif name == "tremor":
        yield from whole("tremor", Scale.RATIO, value)
    elif name == "pauses":
        yield from whole("pause_share", Scale.RATIO, 0.4 if value >= 3 else 0.05 * value)
        for number in range(int(value)):
            at = start + (number + 0.8) * (end - start) / (value + 0.6)
            yield _event(f"voice.pause{owner}", counts, "pause", Scale.SECONDS, 0.35, (at, at + 0.35), track)
    else:
        yield from whole(*_WHOLES[name])
        if abs(value) >= OFF:
            scale, unit = _EVENTS[name]
            amount = max(0.4, 1 + unit * value) if name == "rate" else unit * value
            yield _event(f"voice.{name}{owner}", counts, name, scale, amount, (start, end), track)


def _event(
    key: str,
    counts: dict[str, int],
    name: str,
    scale: Scale,
    value: float,
    span: tuple[float, float],
    track: str | None,
) -> Cue:
    counts[f"{key}!"] = counts.get(f"{key}!", 0) + 1
    return Cue(id=f"{key}.event{counts[f'{key}!']}", kind=CueKind.PROSODY, name=name, scale=scale, value=value, start=span[0],
               end=span[1], extent=Extent.EVENT, source=FACE, track=track)  # fmt: skip


def _span(fact: Fact, length: float) -> tuple[float, float]:
    start, end = fact.get("start"), fact.get("end")
    return (0.0 if start is None else float(start)), (length if end is None else float(end))


def _spoken(facts: Sequence[Fact], length: float, several: bool) -> Iterator[Cue]:
    """Speech wherever something is told of voice or words."""
    for number, fact in enumerate((fact for fact in facts if "voice" in fact or "words" in fact), 1):
        start, end = _span(fact, length)
        track = str(fact["person"]) if several and "person" in fact else None
        yield Cue(id=f"voice.speech.{number}", kind=CueKind.PROSODY, name="speech", scale=Scale.SECONDS, value=end - start, start=start,
                  end=end, extent=Extent.EVENT, source=FACE, track=track)  # fmt: skip


def _words(facts: Sequence[Fact], length: float | None) -> list[Word]:
    out = []
    for fact in facts:
        if length is not None and "words" in fact:
            start, end = _span(fact, length)
            said = str(fact["words"]).split()
            step = (end - start) / max(len(said), 1)
            out += [Word(text=word, start=round(start + step * index, 3), end=round(start + step * (index + 1), 3), confidence=0.9)
                    for index, word in enumerate(said)]  # fmt: skip
    return out
