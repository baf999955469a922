"""Observations and answers as text for a terminal."""

import textwrap
from collections.abc import Iterable, Iterator

from emollm.errors import visible
from emollm.facs import ABSENT, UNITS, asymmetric, strength
from emollm.types import Answer, Claim, Cue, CueKind, Missing, Observation, Part, Scale, Verdict

_WIDTH = 100
_BAR = 20
MARKS = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.UNVERIFIABLE: "?"}
"""One sign a verdict, as in the report."""


def observation_text(observation: Observation, limit: int = 12) -> str:
    """People, units from strongest to weakest, pose and gaze, and what is missing."""
    lines = [f"{observation.id}  {_media(observation)}"]
    for track in observation.tracks:
        box = track.faces[0].box
        lines.append(
            f"  {track.id}: face at {box.x:.0f},{box.y:.0f}, {box.width:.0f} × {box.height:.0f} pixels, confidence {track.faces[0].confidence:.2f}"
        )
        lines += _cues(observation, track.id, limit)
    if not observation.tracks:
        lines += _cues(observation, None, limit)
    lines += _missing(observation.missing)
    return _joined(lines)


def answer_text(answer: Answer, observation: Observation | None = None) -> str:
    """The answer with its explanation, each claim marked by its verdict."""
    lines = [f"{answer.id}  {_headline(answer)}"]
    if answer.labels:
        lines.append("  " + ", ".join(f"{item.label} {item.score:.2f}" for item in answer.labels[:4]))
    if observation is not None:
        lines += _cues(observation, answer.track, 8)
    if answer.rationale is not None:
        for part in Part:
            if text := getattr(answer.rationale, part.value).strip():
                lines += ["", f"  {_TITLES[part]}", *_wrapped(text, "    ")]
    if answer.claims:
        lines += ["", f"  Evidence: {_counts(answer.claims)}"]
        lines += [
            f"    {MARKS[claim.verdict]} {textwrap.shorten(claim.text, 62)}  ({claim.reason})"
            for claim in answer.claims
        ]
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
    if answer.label is None:
        return f"{answer.status}: {'unclear' if answer.labels else 'nothing to go by'}{who}"
    degree = "" if answer.intensity is None else f", intensity {answer.intensity:.2f}"
    return f"{answer.label}{degree}{who}"


def _media(observation: Observation) -> str:
    media = observation.media
    size = f"{media.width} × {media.height}" if media.width else media.kind
    return f"{size}, {media.note}" if media.note else size


def _cues(observation: Observation, track: str | None, limit: int) -> Iterator[str]:
    cues = observation.of(track)
    units = sorted((cue for cue in cues if cue.kind is CueKind.ACTION_UNIT), key=lambda cue: -(cue.value or 0))
    shown = [cue for cue in units if (cue.value or 0) >= ABSENT][:limit]
    for cue in shown:
        yield f"    {_number(cue.name):>5} {UNITS[cue.name].name:<22} {_bar(cue.value or 0)} {cue.value:.2f}{_detail(cue)}"
    if units and not shown:
        yield f"    no action unit reaches {ABSENT:.2f}"
    angles = [f"{cue.name} {cue.value:+.0f}°" for cue in cues if cue.scale is Scale.DEGREES]
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


def _counts(claims: tuple[Claim, ...]) -> str:
    return ", ".join(f"{sum(claim.verdict is verdict for claim in claims)} {verdict}" for verdict in Verdict)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent) or [indent]
