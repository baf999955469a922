"""Observations and answers as text for a terminal."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from emollm.cli.recording_text import (
    FULL,
    SHORT,
    WIDTH,
    Room,
    apex_line,
    claim_time,
    event_lines,
    media_text,
    other_moments,
    seen_text,
    voice_lines,
    word_lines,
)
from emollm.errors import visible
from emollm.facs import ABSENT, UNITS, asymmetric, strength
from emollm.report.quantities import without_hidden_gaze
from emollm.types import Answer, Claim, Cue, CueKind, Extent, Missing, Observation, Part, Scale, Track, Verdict

_BAR = 20
_FEW = 2
"""So many people are told of in full."""
_CLAIMS = 12
"""Supported claims that are listed."""
MARKS = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.UNVERIFIABLE: "?"}
"""One sign a verdict, as in the report."""


def observation_text(observation: Observation) -> str:
    """People, units from strongest to weakest, pose and gaze, in clips their course, voice and words, and what is missing."""
    lines = [f"{observation.id}  {media_text(observation.media)}"]
    for track in observation.tracks:
        lines.append(f"  {track.id}: {_where(track)}")
        room = FULL if len(observation.tracks) <= _FEW else SHORT
        lines += _person(observation, track, room)
    if not observation.tracks:
        lines += _cues(observation, None, FULL.units)
        lines += _indented(event_lines(observation, None, FULL))
    lines += _heard(observation, FULL)
    lines += _missing(observation.missing)
    return _joined(lines)


def answer_text(answer: Answer, observation: Observation | None = None) -> str:
    """The answer with its explanation, each claim marked by its verdict."""
    lines = [f"{answer.id}  {_headline(answer)}"]
    if answer.labels:
        lines.append("  " + ", ".join(f"{item.label} {item.score:.2f}" for item in answer.labels[:4]))
    if observation is not None:
        lines += _measured(observation, answer.track)
    if answer.rationale is not None:
        for part in Part:
            if text := getattr(answer.rationale, part.value).strip():
                lines += ["", f"  {_TITLES[part]}", *_wrapped(text, "    ")]
    if answer.status == "unparsed":
        lines += ["", "  Reply", *_wrapped(answer.text, "    ")]
    if answer.claims:
        lines += ["", f"  Evidence: {_counts(answer.claims)}", *_claims(answer.claims)]
    lines += _missing(answer.missing)
    for follow_up in answer.follow_ups:
        lines += ["", f"  Q: {follow_up.question}", *_wrapped(f"A: {follow_up.text}", "  ")]
        if follow_up.claims:
            lines.append(f"     {_counts(follow_up.claims)}  [{follow_up.model}]")
    for other in answer.people:
        lines += ["", f"  {other.track}: {_headline(other)}"]
        if other.rationale is not None:
            lines += _wrapped(other.rationale.conclusion, "    ")
    return _joined(lines)


def _joined(lines: Iterable[str]) -> str:
    """The lines as one text; what a file name or a model has put into them cannot steer the terminal."""
    return "".join(f"{visible(line)}\n" for line in lines)


_TITLES = {
    Part.OBSERVATIONS: "Key observations",
    Part.INTERPRETATION: "Interpretation",
    Part.CONCLUSION: "Conclusion",
}


def _headline(answer: Answer) -> str:
    who = f" ({answer.track})" if answer.track else ""
    if answer.status == "unparsed":
        return f"unparsed: the model's reply gives no label{who}"
    if answer.label is None:
        return f"{answer.status}: {'unclear' if _had_something(answer) else 'nothing to go by'}{who}"
    degree = "" if answer.intensity is None else f", intensity {answer.intensity:.2f}"
    return f"{answer.label}{degree}{who}"


def _had_something(answer: Answer) -> bool:
    return bool(answer.labels) or any(claim.cues for claim in answer.claims)


def _where(track: Track) -> str:
    """Where a face is in a photo, when it is seen in a clip."""
    if track.peaks:
        return seen_text(track)
    face = track.faces[0]
    box = face.box
    return (
        f"face at {box.x:.0f},{box.y:.0f}, {box.width:.0f} × {box.height:.0f} pixels, confidence {face.confidence:.2f}"
    )


def _person(observation: Observation, track: Track, room: Room) -> Iterator[str]:
    if track.peaks:
        yield f"    {apex_line(observation, track)}"
    yield from _cues(observation, track.id, room.units)
    yield from _indented(other_moments(observation, track, room))
    yield from _indented(event_lines(observation, track.id, room))


def _measured(observation: Observation, track: str | None) -> Iterator[str]:
    """What an answer rests on, in short."""
    if observation.media.duration is not None:
        yield f"  {media_text(observation.media)}"
    person = next((person for person in observation.tracks if person.id == track), None)
    if person is not None:
        yield from _person(observation, person, SHORT)
    else:
        yield from _cues(observation, track, SHORT.units)
        yield from _indented(event_lines(observation, track, SHORT))
    yield from _heard(observation, SHORT)


def _heard(observation: Observation, room: Room) -> Iterator[str]:
    for line in (*voice_lines(observation, room), *word_lines(observation, room)):
        yield f"  {line}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"    {line}"


def _claims(claims: Sequence[Claim]) -> Iterator[str]:
    """A line a claim; of many the first ones, and all that are not supported."""
    shown = [claim for n, claim in enumerate(claims) if n < _CLAIMS or claim.verdict is not Verdict.SUPPORTED]
    for claim in shown:
        reason = ", ".join(filter(None, (claim_time(claim), claim.reason)))
        yield f"    {MARKS[claim.verdict]} {_cut(claim.text, 62)}  ({_cut(reason, 56)})"
    if len(claims) > len(shown):
        yield f"    {MARKS[Verdict.SUPPORTED]} and {len(claims) - len(shown)} more"


def _cues(observation: Observation, track: str | None, limit: int) -> Iterator[str]:
    cues = [cue for cue in without_hidden_gaze(observation.of(track)) if cue.extent is Extent.MOMENT]
    units = sorted((cue for cue in cues if cue.kind is CueKind.ACTION_UNIT), key=lambda cue: -(cue.value or 0))
    shown = [cue for cue in units if (cue.value or 0) >= ABSENT][:limit]
    for cue in shown:
        yield f"    {_number(cue.name):>5} {UNITS[cue.name].name:<22} {_bar(cue.value or 0)} {cue.value:.2f}{_detail(cue)}"
    if units and not shown:
        yield f"    no action unit reaches {ABSENT:.2f}"
    angles = [f"{cue.name} {round(cue.value or 0.0):+d}°" for cue in cues if cue.scale is Scale.DEGREES]
    if angles:
        yield f"    {', '.join(angles)}"


def _missing(gaps: tuple[Missing, ...]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for gap in gaps:
        reasons.setdefault(gap.reason, []).append(
            _number(gap.stream) if gap.track is None else f"{gap.track} {gap.stream}"
        )
    for reason, streams in reasons.items():
        yield f"    missing: {', '.join(streams)}: {reason}"


def _detail(cue: Cue) -> str:
    words = [] if cue.scale is Scale.INTENSITY else ["probability"]
    if cue.scale is Scale.INTENSITY:
        words.append(strength(cue.value or 0))
    if asymmetric(cue.left, cue.right):
        words.append(f"left {cue.left:.2f}, right {cue.right:.2f}")
    if not cue.reliable:
        words.append("under-reported")
    return f"  {', '.join(words)}"


def _bar(value: float) -> str:
    full = round(value * _BAR)
    return "█" * full + "·" * (_BAR - full)


def _number(code: str) -> str:
    return f"AU{int(code[2:])}" if code.startswith("AU") and code[2:].isdigit() else code


def _cut(text: str, most: int) -> str:
    return textwrap.shorten(text, most, placeholder=" …")


def _counts(claims: tuple[Claim, ...]) -> str:
    return ", ".join(f"{sum(claim.verdict is verdict for claim in claims)} {verdict}" for verdict in Verdict)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent) or [indent]
