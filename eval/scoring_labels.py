"""Answers from a closed set of labels: accuracy, recalls, F1, average precision, and how far declared groups are apart."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.emotions import Label, LabelSet, label_set
from emollm.errors import DataError
from emollm.eval.predictions import EMPTY, Notes, Row, Table
from emollm.eval.scoring import Aligned, Pair, Settings, Task, align
from emollm.metrics import calibration
from emollm.metrics.average_precision import average_precision, trapezoidal
from emollm.metrics.bootstrap import among, mean_of_defined
from emollm.metrics.classification import STRAY, UNANSWERED, Codes, classification, measures
from emollm.metrics.report import Measure
from emollm.replies import DECLINED, NONE, read_reply

_LIST = "given"
"""Id of a set that is written as a list, or taken from the references."""


class Said(NamedTuple):
    """What became of one answer."""

    code: int
    kind: str
    """``answered``, ``outside``, ``abstained``, ``unparsed`` or ``missing``."""


def build(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of answers from a closed set.

    Raises:
        DataError: Nothing to score; see :func:`emollm.eval.scoring.align`.
        ConfigError: No such label set.
    """
    labels = closed(settings.labels, gold)
    aligned = align(gold, said, lambda row: _lacks(row, labels), settings)
    found = [read(pair.said, labels, aligned.notes) for pair in aligned.pairs]
    reference = np.array([labels.labels.index(str(_one(pair.gold, labels))) for pair in aligned.pairs], np.int64)
    predicted = np.array([one.code for one in found], np.int64)
    every = measures(reference, predicted, len(labels.labels))
    if len(labels.labels) == 2:
        every["average_f1"] = every["macro_f1"]
    every |= _ranked(aligned.pairs, reference, labels, aligned.notes)
    kinds = Counter(one.kind for one in found)
    task = Task(
        "labels",
        "war",
        every,
        {kind: kinds[kind] for kind in ("answered", "outside", "abstained", "unparsed", "missing")},
        right=predicted == reference,
        report=partial(
            classification,
            reference,
            predicted,
            labels.labels,
            clusters=aligned.clusters,
            resamples=settings.resamples,
            seed=settings.seed,
        ),
        by_group=("war", "uar"),
        remarks=_remarks(labels, reference, settings),
        told={"label_set": {"id": f"{labels.id}@{labels.version}", "labels": list(labels.labels)}},
    )
    return task, aligned


def closed(given: str, gold: Table, most: int = 1) -> LabelSet:
    """The closed set: a label set by id or file, words separated by commas, or the words of the references.

    Args:
        given: What the line says of it.
        gold: References.
        most: Labels of a reference whose words count.

    Raises:
        ConfigError: No such label set.
        DataError: Fewer than two words.
    """
    if given and "," not in given:
        return label_set(given)
    words = (
        given.split(",")
        if given
        else [word for row in gold.rows.values() if len(row.labels or ()) <= most for word in row.labels or ()]
    )
    names = list(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    if len(names) < 2:
        told = f"{gold.path}: its references have" if not given else "--labels:"
        raise DataError(
            f"{told} {len(names)} label{'s'[: len(names) != 1]}, expected two or more; name the closed set with --labels"
        )
    return LabelSet(
        id=_LIST,
        version=1,
        title="Given",
        task="single",
        source="the command line" if given else "the references",
        licence="",
        obtain="",
        entries=tuple(Label(label=name, code=name) for name in (names if given else sorted(names))),
    )


def read(row: Row | None, labels: LabelSet, notes: Notes) -> Said:
    """One answer; what gives no label, or several, is unparsed."""
    if row is None or row.abstained:
        return Said(UNANSWERED, "missing" if row is None else "abstained")
    named, reason = None, row.fault("labels")
    if not reason and row.labels:
        found = {labels.find(word) for word in row.labels}
        if found == {None}:
            what = "in another script" if in_other_script(row.labels[0]) else "outside the set"
            notes.add(f"labels {what}", f"{row.id}: {row.labels[0]}")
            return Said(STRAY, "outside")
        named, reason = (found.pop(), "") if len(found) == 1 else (None, "several labels")
    elif not reason and (row.text or row.fault("text")):
        named, reason = _in_text(row, labels)
    elif not reason and (row.scores or row.fault("scores")):
        named, reason = _highest(row, labels)
    if named is not None:
        return Said(labels.labels.index(named), "answered")
    kind = "abstained" if reason == DECLINED else "unparsed"
    notes.add(f"{kind}: {reason or EMPTY}", row.id)
    return Said(UNANSWERED, kind)


def _in_text(row: Row, labels: LabelSet) -> tuple[str | None, str]:
    """The label that a text states, or why there is none."""
    if row.text is None:
        return None, row.fault("text")
    found = read_reply(row.text, labels)
    if found.labels:
        return found.labels[0], ""
    return None, "a text in another script" if found.why == NONE and in_other_script(row.text) else found.why


def _highest(row: Row, labels: LabelSet) -> tuple[str | None, str]:
    """The one label with the highest score, or why there is none."""
    if not row.scores:
        return None, row.fault("scores")
    best = [labels.find(word) for word, score in row.scores.items() if score == max(row.scores.values())]
    return best[0] if len(best) == 1 else None, "scores without one highest label of the set"


def in_other_script(text: str) -> bool:
    """Whether most letters of a text are not Latin."""
    letters = [char for char in text[:1000] if char.isalpha()]
    return sum("LATIN" in unicodedata.name(char, "") for char in letters) * 2 < len(letters)


def _one(row: Row, labels: LabelSet) -> str | None:
    return labels.find(row.labels[0]) if row.labels else None


def _lacks(row: Row, labels: LabelSet) -> str:
    reason = row.fault("labels")
    if reason and reason != EMPTY:
        return reason
    if not row.labels:
        return "without a label"
    if len(row.labels) > 1:
        return "of several labels (score several takes them)"
    return "" if _one(row, labels) else f"of a label outside {labels.id}"


def _ranked(pairs: Sequence[Pair], reference: Codes, labels: LabelSet, notes: Notes) -> dict[str, Measure]:
    """Average precision and calibration, where every answer has scores."""
    rows = [pair.said if pair.said is not None and not pair.said.fault("scores") else None for pair in pairs]
    if not any(row is not None and row.scores for row in rows):
        return {}
    table = np.full((len(rows), len(labels.labels)), np.nan)
    for k, row in enumerate(rows):
        for word, score in (row.scores if row is not None else {}).items():
            if (label := labels.find(word)) is not None:
                table[k, labels.labels.index(label)] = score
    whole = ~np.isnan(table).any(-1)
    for k in np.flatnonzero(~whole):
        notes.add("answers without a score for every label, left out of ap and calibration", pairs[k].gold.id)
    if not whole.any():
        return {}
    suffix, scores, wanted = "" if whole.all() else "_lenient", table[whole], reference[whole]
    columns = [1] if len(labels.labels) == 2 else [k for k in range(table.shape[1]) if (wanted == k).any()]
    shares = [float((wanted == k).mean()) for k in columns]
    out = {
        "ap": Measure(
            mean_of_defined([average_precision(wanted == k, scores[:, k]) for k in columns]), float(np.mean(shares))
        )
    }
    if scores.min() < 0 or scores.max() > 1:
        notes.add("scores that are no probabilities: no ap_trapezoidal, no calibration", pairs[0].gold.id)
    else:
        out["ap_trapezoidal"] = Measure(mean_of_defined([trapezoidal(wanted == k, scores[:, k]) for k in columns]))
        if np.abs(scores.sum(-1) - 1).max() <= 1e-3:
            out |= calibration.measures(scores, wanted)
    return {name + suffix: _among(whole, one) for name, one in out.items()}


def _among(whole: NDArray[np.bool_], of: Measure) -> Measure:
    """A measure of the items kept (n,) as one of all."""
    items = whole.copy()
    if of.items is not None:
        items[whole] = of.items
    return Measure(among(whole, of.statistic), of.floor, None if items.all() else items, of.is_share)


def _remarks(labels: LabelSet, reference: Codes, settings: Settings) -> tuple[str, ...]:
    out = []
    if not settings.labels:
        out.append(
            "the closed set is the words of the references; name it with --labels to compare over the same list everywhere"
        )
    present = len(np.unique(reference))
    if present < len(labels.labels):
        out.append(
            f"{present} of {len(labels.labels)} labels have references: UAR is the mean over these, macro F1 that over all, "
            "0 where a label has neither references nor answers"
        )
    return tuple(out)
