"""Findings: one verdict with its cues and its reason, and how several are joined."""

from collections.abc import Sequence
from typing import NamedTuple

from emollm.evidence.lexicon import lexicon
from emollm.evidence.lookup import VOICE
from emollm.types import Scale, Verdict

S, C, U = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNVERIFIABLE


class Finding(NamedTuple):
    """One verdict with the cues it rests on and the reason."""

    verdict: Verdict
    cues: tuple[str, ...] = ()
    reason: str = ""


def reason(key: str, **values: object) -> str:
    """Why a claim got its verdict, in the words of the lexicon; quantities by the names that a reader knows."""
    text: str = lexicon()["reasons"][key]
    return text.format(**{name: shown(value) if name == "name" else value for name, value in values.items()})


def shown(name: object) -> str:
    """What a quantity is called: ``median pitch`` for ``voice.f0_median``, ``AU12`` as it is."""
    plain = str(name).split("|")[0].removeprefix(VOICE)
    words: str = lexicon()["names"].get(plain, plain)
    return words


def unit(scale: Scale) -> str:
    """What stands behind a value of that scale, for example `` Hz``; nothing behind a share or an intensity."""
    words: str = lexicon()["scales"].get(scale.value, "")
    return words


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
