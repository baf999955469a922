"""The measure of reasons: what the model claims, held against what was measured, and against what was measured of somebody else.

Faces, voices, words and combinations of the validation split, drawn by the seed, are asked for label and reasons with everything measured as
cue text (every other face without the expression net's line, as in training) and checked by :mod:`emollm.evidence` against what was shown.
The same answers are checked against another item with the same streams: a model that reads its evidence must then fare much worse.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import numpy as np

from emollm.answering import MAX_TOKENS, backed
from emollm.eval.emollm_135m_asking import Question, Speaker
from emollm.eval.emollm_135m_items import Case, ask, drawn, person
from emollm.eval.emollm_135m_proof import Proof, left_out
from emollm.eval.emollm_135m_scores import Row, noted, of_sums, row, share
from emollm.evidence import Faithfulness, check, check_text
from emollm.metrics.bootstrap import Estimate, bootstrap, difference, mean
from emollm.rationale_text import join, split
from emollm.reasoner import reason
from emollm.replies import label_in
from emollm.samples import Task
from emollm.turns import without
from emollm.types import Claim, CueKind, Observation, Part

WANTED = {"face": 200, "voice": 60, "words": 60, "combined": 60}
"""Items of each part."""
UNTUNED = 40
"""Of these, answered by the untuned backbone too."""

_SUPPORT, _TWO, _UNPARSED = "supported share", "two checkable claims or more", "unparsed"
_WRITTEN, _KEPT = ", as written", ", as emollm explain delivers it"
"""Behind the names of what is told of both; as ``explain`` checks its answers itself, their support is no proof of the model's."""
_LEFT = "contradicted sentences left out"
_BY_PART = (_SUPPORT + _WRITTEN, _TWO + _WRITTEN, _SUPPORT + _KEPT, _TWO + _KEPT, _UNPARSED)
"""What is also told of each part."""


class Shown(NamedTuple):
    """An item, what is told of it, and what is told of the other one."""

    case: Case
    seen: Observation
    other: Observation | None
    """None where no other item has the same streams."""


class Checked(NamedTuple):
    """One answer."""

    read: bool
    """Whether it has three parts and a label."""
    own: Faithfulness
    other: Faithfulness | None
    kept: Faithfulness
    """Of what ``emollm explain`` keeps of it."""


def rationales(proof: Proof) -> list[Row]:
    """Support of claims by own and by other evidence, claims an answer, unread answers; for each who answers."""
    seed = proof.sizes.seed
    taken = [
        one for part, most in WANTED.items() for one in shown(drawn(_measured(proof.cases(part)), most, seed), seed)
    ]
    chosen = _fresh(proof, taken)
    if not chosen:
        return []
    rows = noted(_rows(proof.model.name, _ask(proof, chosen, proof.model)), left_out(len(taken) - len(chosen)))
    for part in WANTED:
        some, whole = ([one for one in several if _part(one.case) == part] for several in (chosen, taken))
        if some:
            found = _rows(proof.model.name, _ask(proof, some, proof.model), part)
            rows += noted([one for one in found if one.metric in _BY_PART], left_out(len(whole) - len(some)))
    found = _rows("cues reasoner", [_reasoned(proof, one) for one in chosen])
    found = [one for one in found if not one.metric.endswith(_KEPT)]  # it is delivered as written
    found = [one._replace(note="it abstained") if one.metric == _UNPARSED else one for one in found]
    rows += noted(found, left_out(len(taken) - len(chosen)))
    taken = drawn(taken, min(UNTUNED, proof.sizes.untuned), seed)
    few = _fresh(proof, taken)
    return rows + (noted(_untuned(proof, few), left_out(len(taken) - len(few))) if few else [])


def _fresh(proof: Proof, given: Sequence[Shown]) -> list[Shown]:
    return [one for one in given if not proof.is_copy(one.case)]


def _untuned(proof: Proof, few: Sequence[Shown]) -> list[Row]:
    """Of the untuned backbone only what it wrote: nobody told it of three parts, so that none of its replies has them."""
    found = _rows(proof.untuned.name, _ask(proof, few, proof.untuned, ()))
    return [one for one in found if one.metric != _UNPARSED and not one.metric.endswith(_KEPT)]


def _measured(cases: Sequence[Case]) -> list[Case]:
    """Those of which there is something to say: with a picture, only where perception finds a face."""
    return [case for case in cases if case.track is not None or "face" not in case.streams]


def shown(cases: Sequence[Case], seed: int) -> list[Shown]:
    """Cases with what is told of them; the evidence of the others is dealt within those of the same streams so that nobody keeps their own."""
    hidden = {case.id for place, case in enumerate(cases) if "face" in case.streams and place % 2}
    told = {case.id: without(case.seen, {CueKind.EXPRESSION}) if case.id in hidden else case.seen for case in cases}
    other: dict[str, Observation] = {}
    for streams in sorted({case.streams for case in cases}):
        group = [case for case in cases if case.streams == streams]
        dealt = Random(f"{seed} {streams}").sample(group, len(group))
        for one, two in zip(dealt, dealt[1:] + dealt[:1], strict=True):
            if one is not two:
                other[one.id] = told[two.id]
    return [Shown(case, told[case.id], other.get(case.id)) for case in cases]


def checked(reply: str, one: Shown, read: bool) -> Checked:
    """The claims of a reply: of its three parts, or of all its text where it has none.

    Args:
        reply: What was written.
        one: What it was written about.
        read: Whether it names a label.
    """
    rationale = split(reply)

    def claims(seen: Observation) -> tuple[Claim, ...]:
        track = person(seen)
        if rationale is None:
            return check_text(reply, Part.OBSERVATIONS, seen, track)
        return check(rationale, seen, track)

    own = Faithfulness.of(claims(one.seen))
    other = Faithfulness.of(claims(one.other)) if one.other is not None else None
    if rationale is None or not read:
        return Checked(False, own, other, Faithfulness.of(()))
    track = person(one.seen)
    kept = Faithfulness.of(check(backed(rationale, one.seen, track), one.seen, track))
    return Checked(True, own, other, kept)


def _ask(proof: Proof, chosen: Sequence[Shown], speaker: Speaker, media: Sequence[str] | None = None) -> list[Checked]:
    more = {} if media is None else {"media": media}
    questions = [
        Question(one.case.id, "label and reasons", ask(one.case, proof.folder, Task.REASONING, cues=one.seen, **more), one.case.gold)
        for one in chosen
    ]  # fmt: skip
    replies = proof.answers.replies("rationales", speaker, questions, MAX_TOKENS)
    return [
        checked(reply or "", one, label_in(reply or "", proof.labels) is not None)
        for reply, one in zip(replies, chosen, strict=True)
    ]


def _reasoned(proof: Proof, one: Shown) -> Checked:
    answer = reason(one.seen, proof.labels, track=one.case.track)
    return checked(join(answer.rationale) if answer.rationale is not None else "", one, answer.label is not None)


def _part(case: Case) -> str:
    return case.streams[0] if len(case.streams) == 1 else "combined"


def _rows(who: str, answers: Sequence[Checked], part: str = "all") -> list[Row]:
    n, shown = len(answers), f"media and cues: {part}"
    own = np.array([one.own for one in answers], np.float64)  # (n, 3) supported, contradicted, unverifiable
    decided = own[:, 0] + own[:, 1]
    found = bootstrap(
        {"support": of_sums(own[:, 0], decided), "claims": mean(decided), "open": of_sums(own[:, 2], own.sum(1))}, n
    )
    rows = [
        row(found["support"], n, "rationales", shown, who, _SUPPORT + _WRITTEN, None, f"{decided.sum():.0f} claims")
    ]
    rows += _by_others(who, answers, shown)
    rows.append(row(found["claims"], n, "rationales", shown, who, "checkable claims an answer"))
    rows.append(share(list(decided >= 2), "rationales", shown, who, _TWO + _WRITTEN))
    left = np.array([one.kept for one in answers], np.float64)
    left_decided = left[:, 0] + left[:, 1]
    support = bootstrap({"support": of_sums(left[:, 0], left_decided)}, n)["support"]
    claims = f"{left_decided.sum():.0f} claims; {_LEFT}"
    rows.append(row(support, n, "rationales", shown, who, _SUPPORT + _KEPT, None, claims))
    rows.append(share(list(left_decided >= 2), "rationales", shown, who, _TWO + _KEPT, _LEFT))
    rows.append(row(found["open"], n, "rationales", shown, who, "unverifiable share of all claims"))
    rows.append(share([not one.read for one in answers], "rationales", shown, who, _UNPARSED))
    return rows


def _by_others(who: str, answers: Sequence[Checked], shown: str) -> list[Row]:
    """Support by another item's evidence, and how much lower it is, over the answers that have another item."""
    both = [(one.own, one.other) for one in answers if one.other is not None]
    if not both:
        return []
    own, other = (np.array([two[place] for two in both], np.float64) for place in (0, 1))
    mine, theirs = (of_sums(one[:, 0], one[:, 0] + one[:, 1]) for one in (own, other))
    found: dict[str, Estimate] = bootstrap({"other": theirs, "drop": difference(mine, theirs)}, len(both))
    return [
        row(found["other"], len(both), "rationales", shown, who, "supported share by another item's evidence"),
        row(found["drop"], len(both), "rationales", shown, who, "drop"),
    ]
