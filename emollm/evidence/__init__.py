"""Claims and verdicts: what a text says of a clip, held against what was measured.

:func:`check_text` finds the assertions of a text (:mod:`emollm.evidence.reading`; of a clip also those on times, the voice and the
words, :mod:`emollm.evidence.reading_time`) and looks each up in the measurements of the same person (:mod:`emollm.evidence.lookup`). The same
code marks the reasoner's own words, a language model's, training data and benchmark answers. Rules and thresholds are those
of docs/evidence.md; what cannot be decided is *unverifiable*, never false and never true.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self

from emollm.evidence.assertions import Assertion, Heard, Topic
from emollm.evidence.judging import C, Finding, S, U, reason
from emollm.evidence.judging_face import FAR, STILL, TURNED, judge_expression, judge_pose, judge_units
from emollm.evidence.judging_voice import judge_voice
from emollm.evidence.lexicon import whole
from emollm.evidence.lookup import Evidence, span_of
from emollm.evidence.people import Stretch, places, references, stretches
from emollm.evidence.reading import assertions
from emollm.evidence.reading_time import course, spoken
from emollm.evidence.times import masked
from emollm.facs import LIKELY
from emollm.types import Claim, CueKind, Observation, Part, Rationale

__all__ = ["FAR", "LIKELY", "STILL", "TURNED", "Evidence", "Faithfulness", "check", "check_text"]


class Faithfulness(NamedTuple):
    """Counts of verdicts, and the scores made of them; None where nothing was decided."""

    supported: int
    contradicted: int
    unverifiable: int

    @classmethod
    def of(cls, claims: Iterable[Claim]) -> Self:
        """Counts of some claims."""
        verdicts = [claim.verdict for claim in claims]
        return cls(verdicts.count(S), verdicts.count(C), verdicts.count(U))

    @property
    def support(self) -> float | None:
        """Supported among the decided claims."""
        decided = self.supported + self.contradicted
        return self.supported / decided if decided else None

    @property
    def contradiction_rate(self) -> float | None:
        """Contradicted among all claims."""
        return self.contradicted / sum(self) if sum(self) else None

    @property
    def coverage(self) -> float | None:
        """Decided among all claims."""
        return (self.supported + self.contradicted) / sum(self) if sum(self) else None

    @property
    def clean(self) -> bool | None:
        """Whether nothing is contradicted; None if nothing was decided, so that silence does not win."""
        return self.contradicted == 0 if self.supported + self.contradicted else None


def check(rationale: Rationale, observation: Observation, track: str | None) -> tuple[Claim, ...]:
    """Claims of all three parts of a rationale about one track, in the order of the text."""
    evidence = Evidence.of(observation, track)
    parts = ((part, getattr(rationale, part.value)) for part in Part)
    return tuple(claim for part, text in parts for claim in _claims(text, part, evidence, observation, track))


def check_text(text: str, part: Part, observation: Observation, track: str | None) -> tuple[Claim, ...]:
    """Claims of one text with their verdicts.

    Args:
        text: Free English, of ours or of a language model.
        part: The part of the rationale it stands in.
        observation: What was measured.
        track: The person the text speaks of, but where it names another one; cues of the whole clip count too.

    Returns:
        Claims in the order of the text; ``Claim.text`` is a verbatim piece of it. Pieces may overlap. In a clip ``start`` and
        ``end`` are the times that the text gives, else those of the cues that decide.
    """
    return tuple(_claims(text, part, Evidence.of(observation, track), observation, track))


def _claims(text: str, part: Part, evidence: Evidence, observation: Observation, track: str | None) -> Iterable[Claim]:
    named = references(masked(text, spoken(text)) if evidence.over_time else text, len(observation.tracks))
    people = stretches(text, named, observation.tracks, track)
    others: dict[str | None, Evidence] = {track: evidence}
    plain = masked(text, places(named)) if named else text
    for item in course(plain) if evidence.over_time else assertions(plain):
        stretch = _who(item, people, track)
        who = stretch.tracks
        for one in who:
            if one not in others:
                others[one] = Evidence.of(observation, one)
        finding = _joint([_judge(item, others[one]) for one in who], stretch.every)
        if finding is not None and len(who) == 1 and people and isinstance(item, Heard) and item.topic is Topic.QUOTE:
            finding = _by_another(finding, others[who[0]], who[0])
        if finding is not None:
            ids = tuple(id for id in dict.fromkeys(finding.cues) if id)
            start, end = _times(item, ids, evidence)
            yield Claim(
                text=whole(text, item.start, item.end),
                part=part,
                verdict=finding.verdict,
                cues=ids,
                reason=finding.reason,
                start=start,
                end=end,
            )


def _who(item: Assertion, people: Sequence[Stretch], track: str | None) -> Stretch:
    """Of whom a statement speaks."""
    middle = (item.start + item.end) // 2
    who = next((one for one in people if one.start <= middle < one.end), Stretch(item.start, item.end, (track,)))
    after = next((one for one in people if who.end <= one.start and one.end > item.end - 1 >= one.start), who)
    if who.every or after.tracks == who.tracks:
        return who
    return who._replace(tracks=tuple(dict.fromkeys((*who.tracks, *after.tracks))))  # it reaches over to somebody else


def _by_another(finding: Finding, evidence: Evidence, who: str | None) -> Finding:
    """Words that are said, but by somebody else than the one that the text names."""
    tracks = {cue.track for id in finding.cues if (cue := evidence.cue(id)) is not None}
    if finding.verdict is not S or not tracks or tracks & {who, None}:
        return finding
    return Finding(C, finding.cues, reason("elsewhere"))


def _joint(findings: Sequence[Finding | None], every: bool) -> Finding | None:
    """The verdict of a statement that may speak of several people: decided only where it is the same of all, unless it speaks of each."""
    if not findings:
        return Finding(U, (), reason("nobody"))
    if every and (wrong := next((one for one in findings if one is not None and one.verdict is C), None)) is not None:
        return wrong
    if len(findings) == 1 or len({one.verdict if one is not None else None for one in findings}) == 1:
        return findings[0]
    return Finding(U, (), reason("which"))


def _judge(item: Assertion, evidence: Evidence) -> Finding | None:
    """Verdict of one assertion; None if it asserts nothing that could be looked up."""
    if item.unread:
        return Finding(U, (), reason("unread"))
    if isinstance(item, Heard):
        return judge_voice(item, evidence)
    judge = _JUDGES.get(item.kind)
    if judge is None:
        return Finding(U, (), reason("no_detector", kind=item.kind.value))
    return judge(item, evidence)


def _times(item: Assertion, ids: tuple[str, ...], evidence: Evidence) -> tuple[float | None, float | None]:
    """Of which time a claim speaks, cut to the clip; None and None in a photo and where nothing says so."""
    if not evidence.over_time:
        return None, None
    last = evidence.duration
    spans = [span for one in item.moments if (span := one.span(last)) is not None]
    if not spans and (found := span_of(cue for id in ids if (cue := evidence.cue(id)) is not None)) is not None:
        spans = [found]
    if not spans:
        return None, None
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    if last is not None and start <= last:
        end = min(end, last)
    return max(0.0, start), max(0.0, start, end)


_JUDGES: dict[CueKind, Callable[[Assertion, Evidence], Finding | None]] = {
    CueKind.ACTION_UNIT: judge_units,
    CueKind.HEAD_POSE: judge_pose,
    CueKind.GAZE: judge_pose,
    CueKind.EXPRESSION: judge_expression,
}
"""Judges by kind; a kind without one is unverifiable."""
