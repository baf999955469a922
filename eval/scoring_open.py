"""Open-vocabulary answers beside references: EW-F1 and hit rate with what they are worth."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emollm import assets
from emollm.emotions import label_set
from emollm.errors import ConfigError, one_line
from emollm.eval.predictions import EMPTY, Notes, Row, Table
from emollm.eval.scoring import Aligned, Settings, Task, align
from emollm.eval.scoring_labels import in_other_script
from emollm.eval.scoring_words import Finder
from emollm.metrics.bootstrap import Statistic, mean
from emollm.metrics.continuous import quotient
from emollm.metrics.open_floors import TOLD, floors, shuffled
from emollm.metrics.open_vocabulary import Answers, statistics
from emollm.metrics.report import Measure
from emollm.metrics.wheels import WHEELS, Vocabulary, read

ASSET = "emotion-wheels"
VERSION = "2026"
"""Of the tables that the asset holds."""
OTHER = "the reference of another clip"
_TABLES = ("format", "synonym", *WHEELS)
HIT_RATE = "hit_rate does not charge extra labels: read it with the labels a clip, mscore and jaccard"


class Words(NamedTuple):
    """The labels of an answer."""

    words: tuple[str, ...]
    kind: str


def build(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of open-vocabulary answers.

    Raises:
        DataError: Nothing to score, or tables that cannot be read.
        ConfigError: No such vocabulary.
        AssetError: The published tables cannot be had.
    """
    vocabulary = vocabulary_of(settings.vocabulary)
    aligned = align(gold, said, _lacks, settings)
    finder = Finder(vocabulary)
    found = [said_words(pair.said, finder, aligned.notes) for pair in aligned.pairs]
    answers = Answers.of([pair.gold.labels or () for pair in aligned.pairs], [one.words for one in found])
    tell_strange(answers, aligned, vocabulary)
    measures, told_floors, remarks = scores(answers, vocabulary, settings.seed)
    kinds = Counter(one.kind for one in found)
    from_text = sum(
        pair.said is not None and pair.said.labels is None and bool(pair.said.text) for pair in aligned.pairs
    )
    remarks += (HIT_RATE,)
    if from_text:
        remarks += (
            f"answers in running text: {from_text}; their labels are the words in them that the tables or our label sets have",
        )
    task = Task(
        "ov",
        "ew_f1",
        measures,
        counted(kinds),
        floors=told_floors,
        more={"about the answers": about(answers, vocabulary)},
        by_group=("ew_f1",),
        remarks=remarks,
        told={"vocabulary": {"version": vocabulary.version, "words": list(vocabulary.size)}},
    )
    return task, aligned


# ---- words ----------------------------------------------------------------------------------------------------------


def vocabulary_of(given: str) -> Vocabulary:
    """The tables of a version, or of a folder.

    Raises:
        ConfigError: Neither.
        AssetError: The published tables cannot be had.
        DataError: Tables that cannot be read.
    """
    if given == VERSION:
        return read(assets.path(ASSET), VERSION)
    folder = Path(given)
    if not folder.is_dir():
        raise ConfigError(
            f"--vocabulary {one_line(given, 60)}: expected {VERSION}, or a folder with the tables of the emotion wheels of another version"
        )
    return read(folder, _version(folder))


def said_words(row: Row | None, finder: Finder, notes: Notes) -> Words:
    """The labels of one answer; what cannot be read has none and is counted."""
    if row is None:
        return Words((), "missing")
    if row.abstained:
        return Words((), "abstained")
    reason = row.fault("labels")
    if not reason and row.labels is not None:
        if row.labels:
            return Words(row.labels, "answered")
        reason = "an empty list"
    elif not reason and row.text:
        if words := finder.find(row.text):
            return Words(words, "answered")
        reason = "a text in another script" if in_other_script(row.text) else "a text without an emotion word"
    notes.add(f"unparsed: {reason or row.fault('text') or EMPTY}", row.id)
    return Words((), "unparsed")


def _version(folder: Path) -> str:
    """The published version whose sums the tables have, else the sum of the word forms."""
    tables = [path for path in sorted(folder.iterdir()) if path.stem in _TABLES and path.suffix in (".csv", ".xlsx")]
    own = {path.name: sha256(path.read_bytes()).hexdigest() for path in tables if path.is_file()}
    published = {file.name: file.sha256 for file in assets.asset(ASSET).files}
    if published.items() <= own.items():
        return VERSION
    return f"{folder.name}:{sha256(repr(sorted(own.items())).encode()).hexdigest()[:12]}"


def _lacks(row: Row) -> str:
    reason = row.fault("labels")
    if reason and reason != EMPTY:
        return reason
    return "" if row.labels else "without labels"


def tell_strange(answers: Answers, aligned: Aligned, vocabulary: Vocabulary) -> None:
    """Counts words that the tables do not have."""
    for pair, gold, said in zip(aligned.pairs, *answers, strict=True):
        for words, whose in ((gold, "reference"), (said, "predicted")):
            for word in words:
                if not vocabulary.knows(word):
                    script = " and in another script" if in_other_script(word) else ""
                    aligned.notes.add(f"{whose} labels that the tables do not have{script}", f"{pair.gold.id}: {word}")


# ---- measures -------------------------------------------------------------------------------------------------------


def scores(
    answers: Answers, vocabulary: Vocabulary, seed: int
) -> tuple[dict[str, Measure], dict[str, dict[str, float]], tuple[str, ...]]:
    """Metrics, the constants' and what to know of them."""
    blind = {name: _finite(own) for name, own in floors(answers, vocabulary).items()}
    other = shuffled(answers, vocabulary, seed=seed)
    if other.times:
        blind[OTHER] = _finite({"ew_f1": other.mean, "ew_f1_deviation": other.deviation})
    best = {name: max((own[name] for own in blind.values() if name in own), default=None) for name in TOLD}
    measures = {name: Measure(one, best.get(name)) for name, one in statistics(answers, vocabulary).items()}
    remarks: tuple[str, ...] = (
        "floor: the best, for each metric, of saying the same words of every clip or the reference of another clip; the lists called 'best' "
        "were found on these very references by greedy search, which makes it an optimistic floor",
    )
    return measures, blind, remarks


def about(answers: Answers, vocabulary: Vocabulary) -> dict[str, Measure]:
    """Labels a clip, coverage of the vocabulary, clips without a cluster, and neutral clips."""
    lengths = [np.array([len(words) for words in lists], np.float64) for lists in answers]
    out = {
        "labels a clip, references": Measure(mean(lengths[0])),
        "labels a clip, predictions": Measure(mean(lengths[1])),
        "reference labels in the tables": Measure(_share(answers.gold, vocabulary)),
        "predicted labels in the tables": Measure(_share(answers.said, vocabulary)),
    }
    for wheel in vocabulary.wheels:
        empty = np.array([not any(vocabulary.cluster(word, wheel) for word in words) for words in answers.gold])
        out[f"clips skipped, {wheel}"] = Measure(mean(empty))
    entry = label_set("mer2023").entry("neutral")
    neutral = {entry.label, *entry.synonyms}
    calm = np.array([set(words) <= neutral for words in answers.gold])
    out["neutral clips"] = Measure(mean(calm))
    if calm.any():
        said = np.array([bool(set(words) & neutral) for words in answers.said])
        other = np.array(
            [any(vocabulary.cluster(word, w) for word in words for w in vocabulary.wheels) for words in answers.said]
        )
        kept = calm.astype(np.float64)
        for name, each in (("said to be neutral", said), ("given an emotion", other)):
            out[f"neutral clips {name}"] = Measure(quotient(kept * each, kept))
    return out


def _share(lists: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Statistic:
    """Share of labels that the tables have."""
    known = np.array([sum(vocabulary.knows(word) for word in words) for words in lists], np.float64)
    return quotient(known, np.array([len(words) for words in lists], np.float64))


def _finite(found: Mapping[str, float]) -> dict[str, float]:
    return {name: number for name, number in found.items() if math.isfinite(number)}


def counted(kinds: Counter[str]) -> dict[str, int]:
    return {kind: kinds[kind] for kind in ("answered", "abstained", "unparsed", "missing")}
