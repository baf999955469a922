"""Descriptions beside references (EMER): label overlap by the emotion words in them, clue overlap by their claims, and a judge's ratings if one is asked."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from emollm import assets
from emollm.eval.judging import FAILED, Agreement, Judge, Judged, JudgedOverlap, JudgeSettings, agreement
from emollm.eval.overlap import VERSION, Descriptions, Embed, Overlap, minilm, overlap
from emollm.eval.predictions import EMPTY, Notes, Row, Table
from emollm.eval.scoring import Aligned, Settings, Task, align
from emollm.eval.scoring_faith import beside
from emollm.eval.scoring_open import OTHER, Words, about, counted, said_words, scores, vocabulary_of
from emollm.eval.scoring_words import Finder
from emollm.metrics.bootstrap import among, value
from emollm.metrics.open_floors import constants
from emollm.metrics.open_vocabulary import Answers
from emollm.metrics.report import Measure, Metric
from emollm.metrics.wheels import Vocabulary

WHEELS = ("ew_f1", "ew_precision", "ew_recall", "ew_f1_2", "ew_f1_all", "jaccard")
"""What is told of the wheels."""
_REMARK = (
    "label_…: emotion words of both texts, found by exact words and paired by synonyms and wheels; clue_…: their claims, paired; …_score, F1 put "
    "on the scale from 1 to 10, is not the published number, which a retired judge gave; their floors count own answers to other clips too"
)
_UNREAD = "no reference has an emotion word that is read here, which knows English: there are the judge's metrics alone"
ELSEWHERE = "own answers of other clips"
"""A row of floors."""
_One = TypeVar("_One")
Embedder = Callable[[], tuple[Embed, str]]
"""Loads what turns sentences into unit vectors, and tells its name."""


class Asked(NamedTuple):
    """What a judge said."""

    measures: dict[str, Measure]
    agreements: dict[str, Agreement]
    """Of its ratings and the scores without it, by what is rated."""
    told: dict[str, JsonValue]


def build(gold: Table, said: Table, settings: Settings, embedder: Embedder = minilm) -> tuple[Task, Aligned]:
    """The task of descriptions. With a judge, texts without an emotion word that is read here count too, for its metrics alone.

    Raises:
        DataError: Nothing to score; see :func:`emollm.eval.scoring_open.build`.
        MissingDependency: Clues are asked for and a package of the embedder is not installed.
        AssetError: Its weights, or the published tables, cannot be had.
        EndpointError: A judge is asked for and does not answer.
    """
    vocabulary = vocabulary_of(settings.vocabulary)
    finder, judged = Finder(vocabulary), bool(settings.judge)
    aligned = align(gold, said, lambda row: _lacks(row, finder, judged), settings)
    found = [_said(pair.said, finder, aligned.notes, judged) for pair in aligned.pairs]
    wanted = [pair.gold.labels or finder.find(pair.gold.text or "") for pair in aligned.pairs]
    texts = [(pair.gold.text or "", _readable(pair.said)) for pair in aligned.pairs]
    kept = np.array([bool(words) for words in wanted])
    for k in np.flatnonzero(~kept):
        aligned.notes.add(
            "references that only the judge can read, left out of the other metrics", aligned.pairs[k].gold.id
        )
    answers = Answers.of(_of(kept, wanted), _of(kept, [one.words for one in found]))
    read = _read(answers, _of(kept, texts), kept, vocabulary, settings, embedder)
    asked = _ask(settings, texts, read.scores, aligned) if judged else Asked({}, {}, {})
    faith, told = beside(aligned.pairs, gold.path, said.path, settings.seed)
    task = Task(
        "emer",
        "label_f1" if read.measures else "clue_judge",
        {**read.measures, **asked.measures},
        counted(Counter(one.kind for one in found)),
        undefined=tuple(name for name in ("clue_f1", "label_f1") if name not in read.measures),
        floors=read.floors,
        more=read.more | ({"faithfulness": faith} if faith else {}),
        tables={f"judge and overlap, {kind}s": _table(one) for kind, one in asked.agreements.items()},
        by_group=("label_f1",) if read.measures else (),
        remarks=(*read.remarks, *told),
        told={
            "vocabulary": {"version": vocabulary.version, "words": list(vocabulary.size)},
            "overlap": f"{VERSION}, {read.embedder or 'labels alone'}",
            **asked.told,
        },
    )
    return task, aligned


class Read(NamedTuple):
    """What is had without a judge."""

    measures: dict[str, Measure]
    """Of all pairs; empty where no reference has an emotion word."""
    scores: tuple[list[float | None], list[float | None]]
    """Clue and label overlap of each pair, on the judge's scale."""
    floors: dict[str, dict[str, float]]
    more: dict[str, dict[str, Measure]]
    remarks: tuple[str, ...]
    embedder: str | None


def _read(
    answers: Answers,
    texts: Sequence[tuple[str, str]],
    kept: NDArray[np.bool_],
    vocabulary: Vocabulary,
    settings: Settings,
    embedder: Embedder,
) -> Read:
    """Labels, clues and wheels of the pairs kept (n,) whose reference has an emotion word; answers and texts are of these."""
    if not kept.any():
        nothing: list[float | None] = [None] * len(kept)
        return Read({}, (nothing, nothing), {}, {}, (_UNREAD,), None)
    embed, name = embedder() if settings.clues else (_nothing, None)
    compared = _compared(answers, texts if settings.clues else None, embed, vocabulary, settings.seed)
    wheels, floors, remarks = scores(answers, vocabulary, settings.seed)
    measures = compared.measures()
    if not settings.clues:
        measures = {name: one for name, one in measures.items() if name.startswith("label_")}
    for row, told in zip((ELSEWHERE, OTHER), compared.floors(), strict=True):
        floors.setdefault(row, {}).update({name: one for name, one in told.items() if name in measures})
    measures |= _with_constants(measures, answers, vocabulary, floors)
    measures |= {name: wheels[name] for name in WHEELS}
    told_about = about(answers, vocabulary)
    return Read(
        _among(kept, measures),
        (_spread(kept, compared.clues.scores), _spread(kept, compared.labels.scores)),
        floors,
        {"about the answers": _among(kept, told_about)},
        (*remarks, _REMARK),
        name,
    )


def _of(kept: NDArray[np.bool_], values: Sequence[_One]) -> list[_One]:
    return [one for one, keep in zip(values, kept, strict=True) if keep]


def _spread(kept: NDArray[np.bool_], values: Sequence[float | None]) -> list[float | None]:
    """Values of the pairs kept at their places among all, None at the others."""
    left = iter(values)
    return [next(left) if keep else None for keep in kept]


def _among(kept: NDArray[np.bool_], measures: Mapping[str, Measure]) -> dict[str, Measure]:
    """Metrics of the pairs kept as those of all."""
    if kept.all():
        return dict(measures)
    return {name: one._replace(statistic=among(kept, one.statistic), items=kept) for name, one in measures.items()}


def _compared(
    answers: Answers, texts: Sequence[tuple[str, str]] | None, embed: Embed, vocabulary: Vocabulary, seed: int | None
) -> Overlap:
    """Labels, and with texts also clues."""
    pairs = [
        Descriptions(*own, gold_labels=gold, said_labels=said)
        for own, gold, said in zip(texts or [("", "")] * len(answers.gold), *answers, strict=True)
    ]
    return overlap(pairs, embed, vocabulary, seed=seed)


def _with_constants(
    measures: Mapping[str, Measure],
    answers: Answers,
    vocabulary: Vocabulary,
    floors: dict[str, dict[str, float]],
) -> dict[str, Measure]:
    """Metrics of labels with the best of all floors; those of the constants are added to the floors told."""
    own = {name: one for name, one in measures.items() if name.startswith("label_")}
    best = {name: one.floor for name, one in own.items() if one.floor is not None}
    n = len(answers.gold)
    for name, words in constants(answers, vocabulary).items():
        blind = _compared(Answers(answers.gold, (words,) * n), None, _nothing, vocabulary, None).measures()
        told = {metric: value(blind[metric].statistic, n) for metric in own}
        floors.setdefault(name, {}).update(told)
        best = {metric: max(number, best.get(metric, number)) for metric, number in told.items()}
    return {name: one._replace(floor=best.get(name)) for name, one in own.items()}


def _ask(
    settings: Settings,
    texts: Sequence[tuple[str, str]],
    scores: tuple[list[float | None], list[float | None]],
    aligned: Aligned,
) -> Asked:
    """A judge's ratings, and how far they agree with the overlaps."""
    pinned = JudgeSettings(model=settings.judge, language=settings.language, seed=settings.seed)
    scorer = JudgedOverlap(Judge(pinned, assets.cache_root() / "judge"))
    measures = dict(scorer.measures(*map(list, zip(*texts, strict=True))))
    agreements: dict[str, Agreement] = {}
    for judged, own in zip(scorer.judged, scores, strict=True):
        _tell_failures(judged, aligned)
        ratings = judged.rated
        if any(a is not None and b is not None for a, b in zip(ratings, own, strict=True)):
            agreements[judged.task] = agreement(
                ratings, own, clusters=aligned.clusters, resamples=settings.resamples, seed=settings.seed
            )
    told: dict[str, JsonValue] = {judged.task: judged.told() for judged in scorer.judged}
    return Asked(measures, agreements, {"judge": scorer.name, "judged": told})


def _tell_failures(judged: Judged, aligned: Aligned) -> None:
    for pair, rating in zip(aligned.pairs, judged.ratings, strict=True):
        if rating.outcome in FAILED:
            aligned.notes.add(
                f"judge, {judged.task}: {rating.outcome.value}", f"{pair.gold.id}: {rating.reply}".removesuffix(": ")
            )


def _table(one: Agreement) -> dict[str, Metric]:
    """The agreement of a judge with the overlap, judge minus overlap."""
    names = ("pearson", "spearman", "kendall", "mean_difference", "absolute_difference")
    return {f"{name} (n = {one.n})": getattr(one, name) for name in names}


def _nothing(sentences: Sequence[str]) -> NDArray[np.floating]:
    """Labels alone have no sentences."""
    return np.zeros((len(sentences), 1))


def _said(row: Row | None, finder: Finder, notes: Notes, judged: bool) -> Words:
    """The labels of one answer; a text without any is an answer where somebody judges it."""
    text = _readable(row) if judged else ""
    if text and row is not None and not row.labels and not finder.find(text):
        notes.add("answers that only the judge can read; to the other metrics they say nothing", row.id)
        return Words((), "answered")
    return said_words(row, finder, notes)


def _readable(row: Row | None) -> str:
    """The text of an answer, empty where it has none that may be used."""
    usable = row is not None and not row.abstained and not row.fault("labels", "text") and row.labels != ()
    return (row.text or "") if row is not None and usable else ""


def _lacks(row: Row, finder: Finder, judged: bool) -> str:
    if row.labels:
        return ""
    reason = row.fault("labels", "text")
    if reason and reason != EMPTY:
        return reason
    if not row.text:
        return "without labels and without a text"
    return "" if judged or finder.find(row.text) else "a text without an emotion word"
