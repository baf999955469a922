"""What pages and texts call the quantities that are measured, which of them they show, and how they write their values."""

from collections.abc import Iterable, Mapping

from emollm.facs import STRONG, UNITS
from emollm.types import Cue, CueKind, Extent, Scale

UNITS_OF_SCALE: Mapping[Scale, str] = {
    Scale.DEGREES: "°",
    Scale.HERTZ: " Hz",
    Scale.SEMITONES: " semitones",
    Scale.DECIBELS: " dB",
    Scale.SECONDS: " s",
    Scale.RATE: " / s",
}
"""What stands after a value."""

_NAMES: Mapping[str, str] = {
    "f0_median": "median pitch",
    "f0_range": "pitch range",
    "f0_sd": "pitch variation",
    "energy": "loudness in speech",
    "energy_range": "loudness range",
    "speech_rate": "speech rate",
    "pause_share": "share of pauses",
    "tilt": "spectral tilt",
    "jitter": "jitter",
    "blink_rate": "blink rate",
    "yaw": "head turn",
    "pitch": "head up or down",
    "roll": "head tilt",
    "gaze_yaw": "gaze sideways",
    "gaze_pitch": "gaze up or down",
    "polarity": "polarity of the words",
    "said": "words",
}
_VOICE_NAMES: Mapping[str, str] = {"pitch": "voice pitch", "rate": "speech rate", "loudness": "loudness"}
_BY_SIGN: Mapping[str, tuple[str, str]] = {
    "yaw": ("to the own left", "to the own right"),
    "gaze_yaw": ("to the own left", "to the own right"),
    "roll": ("to the own left", "to the own right"),
    "gaze_pitch": ("up", "down"),
}
_SHARES = ("pause_share",)
_SLOPES = ("tilt",)
"""Decibels an octave."""
_DIGITS: Mapping[Scale, int] = {Scale.HERTZ: 0, Scale.SEMITONES: 1, Scale.DECIBELS: 0, Scale.SECONDS: 1, Scale.RATE: 1}
"""Digits behind the point; of other quantities three figures are written."""
_SHUT = "AU43"
_GAZE_UNITS = ("AU61", "AU62", "AU63", "AU64")


def quantity(cue: Cue) -> str:
    """What a cue measures, in words: ``lip corner puller``, ``median pitch``."""
    if cue.kind is CueKind.ACTION_UNIT:
        return UNITS[cue.name].name if cue.name in UNITS else cue.name
    if cue.kind is CueKind.PROSODY and cue.name in _VOICE_NAMES:
        return _VOICE_NAMES[cue.name]
    if cue.kind is CueKind.EXPRESSION and cue.scale is Scale.PROBABILITY:
        return f"{'mean ' if cue.extent is Extent.WHOLE else ''}probability of {cue.name}"
    return _NAMES.get(cue.name, cue.name.replace("_", " "))


def amount(cue: Cue) -> str:
    """The value of a cue with its unit, or its text."""
    if cue.text is not None or cue.value is None:
        return cue.text or ""
    if cue.name in _SHARES:
        return f"{cue.value * 100:.0f} %"
    if cue.kind is CueKind.WORDS:
        return f"{cue.value:+.2f}".replace("-", "−")
    if cue.name in _SLOPES:
        return f"{cue.value:.1f} dB/octave".replace("-", "−")
    digits = _DIGITS.get(cue.scale)
    number = f"{cue.value:.3g}" if digits is None else f"{cue.value:.{digits}f}"
    return f"{number}{UNITS_OF_SCALE.get(cue.scale, '')}".replace("-", "−")


def event_amount(cue: Cue) -> str:
    """The value of an event as a difference or a strength: ``+3.1 semitones, higher than usual``."""
    value = cue.value
    if value is None:
        return cue.text or ""
    if cue.kind is CueKind.ACTION_UNIT:
        return f"{value:.2f}"
    if cue.kind is CueKind.PROSODY and cue.name in ("pitch", "loudness", "rate"):
        more, less = {"pitch": ("higher", "lower"), "loudness": ("louder", "softer"), "rate": ("faster", "slower")}[
            cue.name
        ]
        if cue.scale is Scale.RATIO:
            return f"{value:.2g} times the usual, {more if value >= 1 else less}"
        unit = UNITS_OF_SCALE.get(cue.scale, "")
        return f"{value:+.1f}{unit}, {more if value >= 0 else less} than usual".replace("-", "−")
    if cue.scale is Scale.DEGREES:
        up, down = ("up", "down") if cue.name == "pitch" else _BY_SIGN.get(cue.name, ("", ""))
        return f"{value:+.0f}° {up if value >= 0 else down}".replace("-", "−").rstrip()
    if cue.scale is Scale.SECONDS:  # as long as the times beside it say
        return f"{round(cue.end, 1) - round(cue.start, 1):.1f} s"
    return amount(cue)


def without_hidden_gaze(cues: Iterable[Cue]) -> list[Cue]:
    """The cues without the gaze units of those whose eyes are shut at the time: what is not seen is not shown."""
    listed = list(cues)
    shut = {
        cue.track
        for cue in listed
        if cue.name == _SHUT and cue.extent is Extent.MOMENT and cue.scale is Scale.INTENSITY
        if (cue.value or 0.0) >= STRONG
    }
    return [
        cue for cue in listed if cue.track not in shut or cue.extent is not Extent.MOMENT or cue.name not in _GAZE_UNITS
    ]
