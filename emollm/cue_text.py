"""Measured cues as text for a model: the same lines in training, evaluation and service.

A model is told with each clip what was measured: which units move, which are still, which are unknown; head, gaze, the course over
time, the voice, the words. The wording is the prompt ``model/cues``; numbers are rounded, never changed.
"""

from collections.abc import Iterable, Iterator
from functools import cache

from emollm.evidence import FAR, TURNED
from emollm.facs import ABSENT, LIKELY, UNITS, asymmetric, strength
from emollm.generate import neutral
from emollm.prompts import prompt
from emollm.reasoner.channels import Channels, Said
from emollm.reasoner.conflict import tone
from emollm.reasoner.quotation import quoted
from emollm.reasoner.unit_text import TURNS
from emollm.reasoner.weighing import ReasonerSettings
from emollm.types import Cue, CueKind, Extent, Observation, Scale

PROMPT = "model/cues"

_MOST_SAID = 240
"""Characters of speech that are quoted."""
_MOST_EVENTS = 8
_MARKS = {
    Scale.DEGREES: "°",
    Scale.HERTZ: " Hz",
    Scale.SEMITONES: " semitones",
    Scale.DECIBELS: " dB",
    Scale.SECONDS: " s",
    Scale.RATE: "/s",
}
_EXPRESSIONS = 3
"""So many classes of a face net, likeliest first."""


def cue_text(observation: Observation, track: str | None) -> str:
    """The measured cues of one person, and of the whole clip, in compact lines.

    Args:
        observation: What was measured.
        track: The person; None for cues without a place.

    Returns:
        One line a kind of cue, without those of which nothing is known. Words that people said stand in quotation marks, with
        control tokens of language models broken up.
    """
    person = next((one for one in observation.tracks if one.id == track), None)
    channels = Channels(observation, person, _SETTINGS)
    cues = [cue for cue in channels.cues if cue.extent is not Extent.EVENT]
    lines = [*_units(cues), *_face(cues)]
    timed = any(cue.extent is not Extent.MOMENT for cue in channels.cues)
    lines += _line("course", _course(channels)) if timed else ()
    lines += _heard(channels) if timed else ()
    lines += _line("said", _said(channels))
    gaps = dict.fromkeys(gap.stream for gap in channels.observation.missing_for(track))
    units, others = [gap for gap in gaps if gap in UNITS], [gap for gap in gaps if gap not in UNITS]
    lines += _line("missing", [*others, " ".join(units)])
    return "\n".join(lines) or prompt(PROMPT).render("nothing")


_SETTINGS = ReasonerSettings()


def _line(block: str, items: Iterable[str]) -> Iterator[str]:
    """The line of a block, if there is anything to stand in it."""
    if text := ", ".join(item for item in items if item):
        before, after = _frame(block)
        yield f"{before}{text}{after}"


@cache
def _frame(block: str) -> tuple[str, str]:
    """What stands before and behind the items of a block; rendered once, because millions of rows are written."""
    before, _, after = prompt(PROMPT).render(block, items="\0").partition("\0")
    return before, after


def _units(cues: list[Cue]) -> Iterator[str]:
    """Units by what is known of them, strongest first; of a unit with intensity and probability the intensity counts."""
    units: dict[str, Cue] = {}
    for cue in cues:
        if cue.kind is CueKind.ACTION_UNIT and (cue.name not in units or cue.scale is Scale.INTENSITY):
            units[cue.name] = cue
    known = sorted(units.values(), key=lambda cue: (-(cue.value or 0.0), cue.name))
    moving = [cue for cue in known if cue.scale is Scale.INTENSITY and (cue.value or 0.0) >= ABSENT]
    likely = [cue for cue in known if cue.scale is Scale.PROBABILITY and (cue.value or 0.0) >= LIKELY]
    rest = sorted((cue for cue in known if cue not in moving and cue not in likely), key=lambda cue: cue.name)
    absent = [cue for cue in rest if cue.reliable and (cue.value or 0.0) < ABSENT]
    yield from _line("moving", map(_unit, moving))
    yield from _line("likely", map(_unit, likely))
    yield from _line("still", [" ".join(cue.name for cue in absent)])
    yield from _line("unsure", [" ".join(cue.name for cue in rest if cue not in absent)])


def _unit(cue: Cue) -> str:
    name = f"{cue.name} {UNITS[cue.name].name}" if cue.name in UNITS else cue.name
    sides = f" (left {cue.left:.2f}, right {cue.right:.2f})" if asymmetric(cue.left, cue.right) else ""
    value = cue.value or 0.0
    return f"{name} {valued(value) if cue.scale is Scale.INTENSITY else f'{value:.2f}'}{sides}"


def valued(intensity: float) -> str:
    """An intensity with the word for its band: ``0.54 moderate``."""
    return f"{intensity:.2f} {strength(intensity)}"


def _face(cues: list[Cue]) -> Iterator[str]:
    nets = sorted((cue for cue in cues if cue.kind is CueKind.EXPRESSION), key=lambda cue: -(cue.value or 0.0))
    yield from _line("expression", (f"{cue.name} {cue.value or 0.0:.2f}" for cue in nets[:_EXPRESSIONS]))
    angles = [cue for cue in cues if cue.kind in (CueKind.HEAD_POSE, CueKind.GAZE) and cue.scale is Scale.DEGREES]
    yield from _line("angles", map(_angle, angles))


def _angle(cue: Cue) -> str:
    """An angle in degrees; from :data:`~emollm.evidence.TURNED` on with the person's own side and how far that is."""
    value = cue.value or 0.0
    text = f"{cue.name} {value:.0f}°"
    if abs(value) < TURNED or cue.name not in TURNS:
        return text
    _, positive, negative = TURNS[cue.name]
    slight, far = FAR[cue.kind]
    amount = "slightly " if abs(value) < slight else "far " if abs(value) >= far else ""
    return f"{text} {amount}{positive if value > 0 else negative}"


def _course(channels: Channels) -> Iterator[str]:
    """When the apex is, and what came and went."""
    if channels.peak is not None:
        yield f"apex at {channels.peak.time:.1f} s"
    events = [*channels.movements, *channels.turns]
    for cue in sorted(events, key=lambda cue: (cue.start, cue.id))[:_MOST_EVENTS]:
        yield f"{cue.start:.1f}–{cue.end:.1f} s {_value(cue)}"


def _heard(channels: Channels) -> Iterator[str]:
    yield from _line("speaks", (f"{cue.start:.1f}–{cue.end:.1f} s" for cue in channels.speech[:_MOST_EVENTS]))
    whole = [cue for cue in channels.voice if cue.extent is Extent.WHOLE and cue.value is not None]
    apart = [f"{cue.start:.1f}–{cue.end:.1f} s {_value(cue, signed=True)}" for cue in channels.departures]
    yield from _line("voice", [*map(_value, whole), *apart])


def _value(cue: Cue, signed: bool = False) -> str:
    value = cue.value or 0.0
    digits = 0 if cue.scale in (Scale.DEGREES, Scale.HERTZ) else 1 if cue.scale in _MARKS else 2
    text = f"{value:+.{digits}f}" if signed and cue.scale is not Scale.RATIO else f"{value:.{digits}f}"
    return f"{cue.name} {text}{_MARKS.get(cue.scale, '')}"


def _said(channels: Channels) -> Iterator[str]:
    """What was said, in order, until the line is full."""
    pieces = list(channels.said)
    if channels.transcript is not None:
        whole = (cue for cue in channels.cues if cue.name == "polarity" and cue.extent is not Extent.EVENT)
        pieces.append(Said(channels.transcript, next(whole, None)))
    left = _MOST_SAID
    for cue, polarity in pieces:
        text = quoted(neutral(cue.text or ""), left) if left > 1 else ""
        left -= len(text)
        if not text:
            continue
        said = f'{cue.start:.1f}–{cue.end:.1f} s "{text}"' if cue.end else f'"{text}"'
        yield said if polarity is None else f"{said} (polarity {polarity.value or 0.0:.2f}, {tone(polarity)})"
