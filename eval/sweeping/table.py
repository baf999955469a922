"""The table of a sweep: the headline's metric of each variant with its interval, beside the clean run on the same resamples."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pydantic import Field, JsonValue

from emollm.emotions import LabelSet
from emollm.eval import scoring_several
from emollm.eval.items import Item
from emollm.eval.predictions import Row, Table, read
from emollm.eval.run_items import Question
from emollm.eval.run_score import kind_of, references
from emollm.eval.scoring import Aligned, Settings
from emollm.eval.scoring import Task as Scoring
from emollm.eval.scoring_compare import KINDS
from emollm.eval.sweeping.base import CLEAN, Facts, Variant
from emollm.eval.tasks import Task
from emollm.metrics.bootstrap import bootstrap, difference, remembered
from emollm.metrics.report import Metric, metric, reported
from emollm.types import Record

_LENIENT = "_lenient"
_COMPARED = ("label", "labels")
"""What is asked for where answers can be told to be the same."""

Said: TypeAlias = frozenset[str] | str
"""The labels of an answer; or why it has none: ``abstained``, ``unparsed``, ``missing``."""


class Ran(NamedTuple):
    """A variant that was answered."""

    variant: Variant
    answers: Path
    """The file of answers."""
    rejected: int
    """Items that could not be asked; they count as wrong."""
    facts: Facts


class Follows(Record):
    """Whose label answers give where a stream was taken of another item."""

    swapped: int
    own: int
    """The item's label, not the donor's."""
    donor: int
    """The donor's, not the item's."""
    both: int
    neither: int
    unread: int
    """Abstained, unparsed or missing."""


class SweepRow(Record):
    """One variant."""

    name: str
    kind: str
    level: float | None = None
    unit: str = ""
    prompt: str = ""
    """The wording, where that is what varies."""
    measure: str
    """Name of the metric; ``…_lenient`` where answers are missing and no strict one exists."""
    metric: Metric
    difference: Metric | None = None
    """Variant minus clean, with its paired 95 % interval; None for clean itself."""
    flips: float | None = None
    """Share of the items whose answer is another one than in the clean run; None where answers are no labels."""
    coverage: float
    """Share of the items with an answer that could be read."""
    rejected: int
    follows: Follows | None = None
    facts: dict[str, float] = Field(default_factory=dict)
    """What was measured while the items were made."""


class Spread(Record):
    """How far wordings are apart."""

    wordings: int
    lowest: float
    highest: float
    sd: float
    """Sample standard deviation over wordings."""
    flips: float | None
    """Share of the items that do not get the same answer from all wordings."""


class Swept(Record):
    """A sweep."""

    sweep: str
    title: str
    generator: str
    n: int
    """Items that are scored."""
    measure: str
    """The headline's metric."""
    rows: tuple[SweepRow, ...]
    """The clean run first."""
    spread: Spread | None = None
    remarks: tuple[str, ...] = ()
    provenance: dict[str, JsonValue] = Field(default_factory=dict)


class _Built(NamedTuple):
    name: str
    scoring: Scoring
    aligned: Aligned
    said: dict[str, Said]


def rows_of(
    task: Task, question: Question, items: Sequence[Item], runs: Sequence[Ran], settings: Settings
) -> tuple[SweepRow, ...]:
    """The rows of a table.

    Args:
        task: Says what answers are compared with.
        question: Its closed set, if it has one.
        items: Of the run, with their references.
        runs: The clean one first.
        settings: Of the bootstrap, and tables of the wheels.

    Raises:
        DataError: Nothing to score.
    """
    gold = references(task, items, Path(task.id), "")
    settings = settings._replace(
        labels=_closed(task, question),
        cluster=(task.cluster or "cluster") if any(item.cluster for item in items) else "",
        clues=False,
    )
    built = [_built(task, gold, one, settings, question.labels) for one in runs]
    first = built[0]
    clean = remembered(first.scoring.measures[first.name].statistic)
    statistics = {"0": clean}
    for at, one in enumerate(built[1:], 1):
        statistics[f"{at}"] = own = remembered(one.scoring.measures[one.name].statistic)
        statistics[f"{at}-"] = difference(own, clean)
    aligned = first.aligned
    found = bootstrap(
        statistics, len(aligned.pairs), clusters=aligned.clusters, resamples=settings.resamples, seed=settings.seed
    )
    compared = task.asks in _COMPARED
    return tuple(
        SweepRow(
            name=ran.variant.name,
            kind=ran.variant.kind,
            level=ran.variant.level,
            unit=ran.variant.unit,
            measure=one.name,
            metric=reported(found[f"{at}"], one.scoring.measures[one.name], len(aligned.pairs), aligned.clusters),
            difference=metric(found[f"{at}-"]) if at else None,
            flips=flips([first.said, one.said]) if at and compared else None,
            coverage=sum(not isinstance(said, str) for said in one.said.values()) / len(one.said)
            if compared
            else one.scoring.answers["answered"] / len(aligned.pairs),
            rejected=ran.rejected,
            follows=follows(ran.variant.donors, items, one.said, question.labels) if compared else None,
            facts=ran.facts,
        )
        for at, (ran, one) in enumerate(zip(runs, built, strict=True))
    )


def flips(runs: Sequence[Mapping[str, Said]]) -> float:
    """Share of items whose answers are not the same in all runs; no answer is another one than any answer.

    Args:
        runs: At least two, of the same items.
    """
    changed = [any(one[id] != other[id] for one, other in pairwise(runs)) for id in runs[0]]
    return sum(changed) / len(changed)


def follows(
    donors: Mapping[str, Item], items: Sequence[Item], said: Mapping[str, Said], labels: LabelSet | None
) -> Follows | None:
    """Whose labels answers give; None where nothing was swapped."""
    counts = dict.fromkeys(("own", "donor", "both", "neither", "unread"), 0)
    for item in items:
        donor = donors.get(item.id)
        if donor is None:
            continue
        answer = said[item.id.strip()]
        if isinstance(answer, str):
            counts["unread"] += 1
            continue
        mine, theirs = bool(answer & _same(item.gold, labels)), bool(answer & _same(donor.gold, labels))
        counts["both" if mine and theirs else "own" if mine else "donor" if theirs else "neither"] += 1
    return Follows(swapped=sum(counts.values()), **counts) if donors else None


def spread(rows: Sequence[SweepRow], answers: Sequence[Mapping[str, Said]] | None) -> Spread | None:
    """How far wordings are apart; None where fewer than two have a metric.

    Args:
        rows: One a wording.
        answers: Of each wording, where answers are labels.
    """
    values = [row.metric.value for row in rows if row.metric.value is not None]
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return Spread(
        wordings=len(rows),
        lowest=min(values),
        highest=max(values),
        sd=sd,
        flips=flips(answers) if answers is not None else None,
    )


def answers_of(path: Path, items: Sequence[Item], labels: LabelSet | None) -> dict[str, Said]:
    """What a file of answers says of each item."""
    return _said(read(path), [item.id.strip() for item in items], labels)


def _built(task: Task, gold: Table, ran: Ran, settings: Settings, labels: LabelSet | None) -> _Built:
    said = read(ran.answers)
    kind = kind_of(task)
    scoring, aligned = (scoring_several.build if kind == "several" else KINDS[kind])(gold, said, settings)
    wanted = (task.primary, task.primary + _LENIENT, scoring.primary, scoring.primary + _LENIENT, *scoring.measures)
    name = next(name for name in wanted if name in scoring.measures)
    return _Built(name, scoring, aligned, _said(said, [pair.gold.id for pair in aligned.pairs], labels))


def _said(table: Table, ids: Sequence[str], labels: LabelSet | None) -> dict[str, Said]:
    return {id: _answer(table.rows.get(id), labels) for id in ids}


def _answer(row: Row | None, labels: LabelSet | None) -> Said:
    if row is None:
        return "missing"
    if row.labels and not row.fault("labels"):
        return _same(row.labels, labels)
    return "abstained" if row.abstained else "unparsed"


def _same(words: Sequence[str], labels: LabelSet | None) -> frozenset[str]:
    """Words as they are compared: labels of the set where there is one, else in lower case."""
    return frozenset((labels.find(word) if labels is not None else None) or word.casefold().strip() for word in words)


def _closed(task: Task, question: Question) -> str:
    """The closed set as scorers take it."""
    if question.labels is None:
        return ""
    return ",".join(question.labels.labels) if task.without else str(task.label_set)


def cautions(clean: SweepRow) -> tuple[str, ...]:
    """Why a sweep can say little: where the clean run already fails, nothing is left that a change could take away."""
    value, floor = clean.metric.value, clean.metric.floor
    if clean.coverage == 0:
        return ("the clean run has no answer that could be read: no change and no flip here is no sign of robustness",)
    if value is not None and floor is not None and value <= floor:
        told = f"{clean.measure} {value:.4f}, without looking {floor:.4f}"
        return (f"the clean run is not above its floor ({told}): small differences from it are no sign of robustness",)
    return ()


def is_clean(row: SweepRow) -> bool:
    """Whether nothing was changed."""
    return row.kind == CLEAN
