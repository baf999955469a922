"""Descriptions beside references (EMER): label overlap by the emotion words in them, clue overlap by their claims, and a judge's ratings if one is asked."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from emollm import assets
from emollm.eval.judging import FAILED, Agreement, Judge, Judged, JudgedOverlap, JudgeSettings, agreement
from emollm.eval.overlap import VERSION, Descriptions, Embed, Overlap, minilm, overlap
from emollm.eval.predictions import EMPTY, Row, Table
from emollm.eval.scoring import Aligned, Settings, Task, align
from emollm.eval.scoring_open import OTHER, about, counted, said_words, scores, vocabulary_of
from emollm.eval.scoring_words import Finder
from emollm.metrics.bootstrap import value
from emollm.metrics.open_floors import constants
from emollm.metrics.open_vocabulary import Answers
from emollm.metrics.report import Measure, Metric
from emollm.metrics.wheels import Vocabulary

WHEELS = ("ew_f1", "ew_precision", "ew_recall", "ew_f1_2", "ew_f1_all", "jaccard")
"""What is told of the wheels."""
_REMARK = (
    "label_…: emotion words of both texts, found by exact words and paired by synonyms and wheels; clue_…: their claims, paired; …_score, F1 put "
    "on the scale from 1 to 10, is not the published number, which a retired judge gave"
)
Embedder = Callable[[], tuple[Embed, str]]
"""Loads what turns sentences into unit vectors, and tells its name."""


class Asked(NamedTuple):
    """What a judge said."""

    measures: dict[str, Measure]
    agreements: dict[str, Agreement]
    """Of its ratings and the scores without it, by what is rated."""
    told: dict[str, JsonValue]


def build(gold: Table, said: Table, settings: Settings, embedder: Embedder = minilm) -> tuple[Task, Aligned]:
    """The task of descriptions.

    Raises:
        DataError: Nothing to score; see :func:`emollm.eval.scoring_open.build`.
        MissingDependency: Clues are asked for and a package of the embedder is not installed.
        AssetError: Its weights, or the published tables, cannot be had.
        EndpointError: A judge is asked for and does not answer.
    """
    vocabulary = vocabulary_of(settings.vocabulary)
    finder = Finder(vocabulary)
    aligned = align(gold, said, lambda row: _lacks(row, finder), settings)
    found = [said_words(pair.said, finder, aligned.notes) for pair in aligned.pairs]
    wanted = [pair.gold.labels or finder.find(pair.gold.text or "") for pair in aligned.pairs]
    answers = Answers.of(wanted, [one.words for one in found])
    texts = [(pair.gold.text or "", _readable(pair.said)) for pair in aligned.pairs]
    embed, name = embedder() if settings.clues else (_nothing, None)
    compared = _compared(answers, texts if settings.clues else None, embed, vocabulary, settings.seed)
    wheels, floors, remarks = scores(answers, vocabulary, settings.seed)
    measures = compared.measures()
    measures |= _with_constants(measures, answers, vocabulary, floors, settings.seed)
    asked = _ask(settings, texts, compared, aligned) if settings.judge else Asked({}, {}, {})
    if not settings.clues:
        measures = {name: one for name, one in measures.items() if name.startswith("label_")}
    task = Task(
        "emer",
        "label_f1",
        measures | asked.measures | {name: wheels[name] for name in WHEELS},
        counted(Counter(one.kind for one in found)),
        undefined=() if settings.clues else ("clue_f1",),
        floors=floors,
        more={"about the answers": about(answers, vocabulary)},
        tables={f"judge and overlap, {kind}s": _table(one) for kind, one in asked.agreements.items()},
        by_group=("label_f1",),
        remarks=(*remarks, _REMARK),
        told={
            "vocabulary": {"version": vocabulary.version, "words": list(vocabulary.size)},
            "overlap": f"{VERSION}, {name or 'labels alone'}",
            **asked.told,
        },
    )
    return task, aligned


def _compared(
    answers: Answers, texts: Sequence[tuple[str, str]] | None, embed: Embed, vocabulary: Vocabulary, seed: int
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
    seed: int,
) -> dict[str, Measure]:
    """Metrics of labels with the best of all floors; those of the constants are added to the floors told."""
    own = {name: one for name, one in measures.items() if name.startswith("label_")}
    best = {name: one.floor for name, one in own.items() if one.floor is not None}
    if best:
        floors.setdefault(OTHER, {}).update(best)
    n = len(answers.gold)
    for name, words in constants(answers, vocabulary).items():
        blind = _compared(Answers(answers.gold, (words,) * n), None, _nothing, vocabulary, seed).measures()
        told = {metric: value(blind[metric].statistic, n) for metric in own}
        floors.setdefault(name, {}).update(told)
        best = {metric: max(number, best.get(metric, number)) for metric, number in told.items()}
    return {name: Measure(one.statistic, best.get(name)) for name, one in own.items()}


def _ask(settings: Settings, texts: Sequence[tuple[str, str]], compared: Overlap, aligned: Aligned) -> Asked:
    """A judge's ratings, and how far they agree with the overlaps."""
    pinned = JudgeSettings(model=settings.judge, language=settings.language, seed=settings.seed)
    scorer = JudgedOverlap(Judge(pinned, assets.cache_root() / "judge"))
    measures = dict(scorer.measures(*map(list, zip(*texts, strict=True))))
    agreements: dict[str, Agreement] = {}
    for judged, shares in zip(scorer.judged, (compared.clues, compared.labels), strict=True):
        _tell_failures(judged, aligned)
        ratings, own = judged.rated, shares.scores
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


def _readable(row: Row | None) -> str:
    """The text of an answer, empty where it has none that may be used."""
    usable = row is not None and not row.abstained and not row.fault("labels", "text") and row.labels != ()
    return (row.text or "") if row is not None and usable else ""


def _lacks(row: Row, finder: Finder) -> str:
    if row.labels:
        return ""
    reason = row.fault("labels", "text")
    if reason and reason != EMPTY:
        return reason
    if not row.text:
        return "without labels and without a text"
    return "" if finder.find(row.text) else "a text without an emotion word"
