"""Faithfulness: how much of what answers say was measured, is contradicted by what was measured, or cannot be decided; PROTOCOLS 3.8.

The claims of a text are found and judged by :mod:`emollm.evidence`, the checker of everything else here. Two controls belong to the numbers: the same
answers against the measurements of other clips, where support must fall, and the share of answers that say next to nothing, which must not win.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError
from emollm.evidence import Faithfulness, check, check_text
from emollm.metrics.bootstrap import difference, mean, value
from emollm.metrics.continuous import quotient
from emollm.metrics.open_floors import others_of
from emollm.metrics.report import Measure
from emollm.rationale_text import split
from emollm.types import Observation, Part

LEAST = 2
"""Decided claims that an answer needs to count as clean."""


def checked(
    texts: Sequence[str], observations: Sequence[Observation], tracks: Sequence[str | None] | None = None
) -> list[Faithfulness]:
    """The verdicts on each answer, counted; an empty text makes no claims.

    Args:
        texts: (n,) answers in English, with or without the three headings.
        observations: (n,) what was measured.
        tracks: (n,) of whom each speaks; the whole clip where None.

    Raises:
        DataError: Not as many observations or tracks as texts.
    """
    persons = [None] * len(texts) if tracks is None else list(tracks)
    for given in (observations, persons):
        if len(given) != len(texts):
            raise DataError(f"{len(texts)} answers but {len(given)} observations or tracks; give one for each")
    return [_counted(*one) for one in zip(texts, observations, persons, strict=True)]


def against_others(
    texts: Sequence[str],
    observations: Sequence[Observation],
    tracks: Sequence[str | None] | None = None,
    seed: int = 0,
) -> list[Faithfulness]:
    """The same answers against what was measured in another clip each: the control; arguments and errors as :func:`checked`."""
    order = others_of(len(observations), np.random.default_rng(seed))
    persons = None if tracks is None else [tracks[k] for k in order]
    return checked(texts, [observations[k] for k in order], persons)


def faithfulness(counts: Sequence[Faithfulness], control: Sequence[Faithfulness] | None = None) -> dict[str, Measure]:
    """Shares of verdicts over all claims of n answers, ready to be resampled by answer.

    ``supported``, ``contradicted`` and ``unverifiable`` are shares of all claims and add up to 1; ``support`` is the share of the supported
    among the decided, ``coverage`` that of the decided among all. ``clean``: share of answers with two decided claims at least, none of them
    contradicted; ``silent``: with fewer. ``claims``: mean an answer. Not defined where there is nothing to divide by: silence is never 1.

    Args:
        counts: (n,) of :func:`checked`.
        control: (n,) of :func:`against_others`: its support and supported share are the floors, and ``support_lost`` what is lost by the exchange.

    Raises:
        DataError: No answers, or not as many in the control.
    """
    if not counts:
        raise DataError("no answers to look at")
    supported, contradicted, open_ = np.array(counts, np.float64).T
    decided, total = supported + contradicted, supported + contradicted + open_
    support = quotient(supported, decided)
    out = {
        "supported": Measure(quotient(supported, total)),
        "contradicted": Measure(quotient(contradicted, total)),
        "unverifiable": Measure(quotient(open_, total)),
        "support": Measure(support),
        "coverage": Measure(quotient(decided, total)),
        "clean": Measure(mean(_clean(decided, contradicted))),
        "silent": Measure(mean(decided < LEAST)),
        "claims": Measure(mean(total)),
    }
    if control is not None:
        if len(control) != len(counts):
            raise DataError(f"{len(counts)} answers but {len(control)} in the control; give one for each")
        yes, no, unknown = np.array(control, np.float64).T
        exchanged = quotient(yes, yes + no)
        for name, found in (("support", exchanged), ("supported", quotient(yes, yes + no + unknown))):
            floor = value(found, len(counts))
            out[name] = Measure(out[name].statistic, None if np.isnan(floor) else floor)
        out["clean"] = Measure(out["clean"].statistic, float(_clean(yes + no, no).mean()))
        out["support_lost"] = Measure(difference(support, exchanged))
    return out


def _counted(text: str, observation: Observation, track: str | None) -> Faithfulness:
    if (rationale := split(text)) is not None:
        return Faithfulness.of(check(rationale, observation, track))
    return Faithfulness.of(check_text(text, Part.OBSERVATIONS, observation, track))


def _clean(decided: NDArray[np.float64], contradicted: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (decided >= LEAST) & (contradicted == 0)
