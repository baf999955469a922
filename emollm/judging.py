"""Findings: one verdict with its cues and its reason, and how several are joined."""

from collections.abc import Sequence
from typing import NamedTuple

from emollm.lexicon import lexicon
from emollm.types import Verdict

S, C, U = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNVERIFIABLE


class Finding(NamedTuple):
    """One verdict with the cues it rests on and the reason."""

    verdict: Verdict
    cues: tuple[str, ...] = ()
    reason: str = ""


def reason(key: str, **values: object) -> str:
    """Why a claim got its verdict, in the words of the lexicon."""
    text: str = lexicon()["reasons"][key]
    return text.format(**values)


def all_of(findings: Sequence[Finding]) -> Finding:
    """Contradicted if any is, else undecided if any is, else supported."""
    for verdict in (C, U):
        if hit := [finding for finding in findings if finding.verdict is verdict]:
            return Finding(verdict, tuple(id for one in hit for id in one.cues), hit[0].reason)
    cues = tuple(id for one in findings for id in one.cues)
    return Finding(S, cues, "; ".join(dict.fromkeys(one.reason for one in findings if one.reason)))


def any_of(findings: Sequence[Finding]) -> Finding:
    """Supported if any is, else undecided if any is, else contradicted by all."""
    for verdict in (S, U):
        if hit := [finding for finding in findings if finding.verdict is verdict]:
            return Finding(verdict, hit[0].cues, hit[0].reason)
    reasons = dict.fromkeys(one.reason for one in findings)
    return Finding(C, tuple(id for one in findings for id in one.cues), "; ".join(reasons))
