"""Valence and arousal beside references: concordance, correlation and error, signs, and the composites of ABAW and MER2023."""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.emotions import LabelSet
from emollm.errors import ConfigError, DataError
from emollm.eval.predictions import EMPTY, NUMBERS, Notes, Row, Table
from emollm.eval.scoring import Aligned, Settings, Task, align
from emollm.eval.scoring_labels import closed, read
from emollm.metrics.abaw import MER2023_WEIGHT, mer2023, valence_arousal
from emollm.metrics.bootstrap import among
from emollm.metrics.classification import best_blind, counter, weighted_f1
from emollm.metrics.continuous import by_cluster, ccc, is_constant, mse, pearson, rmse, sign_accuracy
from emollm.metrics.report import Measure

_LENIENT = "_lenient"


class Numbers(NamedTuple):
    """One quantity of all items."""

    gold: NDArray[np.float64]
    """(n,)."""
    said: NDArray[np.float64]
    """(n,); NaN where there is no answer."""


def build(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of ratings: valence, arousal or both, whichever the references have.

    Of answers that are missing no error is known, so that strict scores do not exist; ``…_lenient`` are those of the items answered.

    Raises:
        ConfigError: A range without width.
        DataError: Nothing to score, or no answer at all.
    """
    if not (math.isfinite(settings.low) and math.isfinite(settings.high) and settings.low < settings.high):
        raise ConfigError(f"--range {settings.low:g} {settings.high:g}: expected the lowest and the highest rating")
    names = tuple(name for name in NUMBERS if any(name in row.numbers for row in gold.rows.values()))
    if not names:
        raise DataError(f"{gold.path}: nothing to score: no row has {' or '.join(NUMBERS)}")
    aligned = align(gold, said, lambda row: _lacks(row, names, settings), settings)
    kinds = [_kind(pair.said, names, settings, aligned.notes) for pair in aligned.pairs]
    has = np.array([kind == "answered" for kind in kinds])
    if not has.any():
        raise DataError(f"{said.path}: nothing to score: no answer has {' and '.join(names)} within {_range(settings)}")
    series = {}
    for name in names:
        wanted = np.array([pair.gold.numbers[name] for pair in aligned.pairs])
        rated = [
            pair.said.numbers[name] if pair.said is not None and ok else np.nan
            for pair, ok in zip(aligned.pairs, has, strict=True)
        ]
        series[name] = Numbers(wanted, np.array(rated))
    measures, remarks = _measures(series, has, aligned, settings)
    if "valence" in series and any(row.labels for row in gold.rows.values()):
        combined, remark = _combined(series["valence"], has, aligned, gold, settings)
        measures |= combined
        remarks += remark
    undefined: tuple[str, ...] = ()
    if not has.all():
        undefined = tuple(name for name in measures if not name.startswith("sign_accuracy"))
        measures = {
            name if name not in undefined else name + _LENIENT: one
            if name not in undefined
            else one._replace(items=has)
            for name, one in measures.items()
        }
        remarks += ("answers are missing: strict agreement does not exist, …_lenient is that of the items answered",)
    counted = Counter(kinds)
    primary = "ccc_mean" if len(names) == 2 else f"ccc_{names[0]}"
    task = Task(
        "va",
        primary,
        measures,
        {kind: counted[kind] for kind in ("answered", "abstained", "unparsed", "missing")},
        undefined=undefined,
        by_group=(primary if has.all() else primary + _LENIENT,),
        remarks=remarks,
        told={"range": [settings.low, settings.high]},
    )
    return task, aligned


def answered(row: Row | None, gold: Row, settings: Settings) -> bool:
    """Whether a row rates, within the range, everything that its reference rates."""
    names = tuple(name for name in NUMBERS if name in gold.numbers)
    return _kind(row, names, settings, Notes()) == "answered"


def _measures(
    series: dict[str, Numbers], has: NDArray[np.bool_], aligned: Aligned, settings: Settings
) -> tuple[dict[str, Measure], tuple[str, ...]]:
    out: dict[str, Measure] = {}
    remarks: list[str] = []
    pairs = {name: (one.gold[has], one.said[has]) for name, one in series.items()}
    if len(series) == 2:
        both = valence_arousal(*pairs["valence"], *pairs["arousal"])
        out["ccc_mean"] = Measure(among(has, both), 0.0)
    for name, (wanted, rated) in pairs.items():
        spread = float(np.var(wanted))  # error of always rating their mean
        for metric, statistic, floor in (
            ("ccc", ccc, 0.0),
            ("pearson", pearson, 0.0),
            ("mse", mse, spread),
            ("rmse", rmse, spread**0.5),
        ):
            out[f"{metric}_{name}"] = Measure(among(has, statistic(wanted, rated)), floor)
        if aligned.clusters is not None:
            each = by_cluster(ccc, wanted, rated, aligned.clusters[has])
            out[f"ccc_{name}_by_{settings.cluster}"] = Measure(among(has, each), 0.0)
        for whose, one in (("references", wanted), ("answers", rated)):
            if is_constant(one):
                remarks.append(f"the {name} of the {whose} never varies: CCC and Pearson are 0 by definition")
    if "valence" in series:
        wanted, rated = series["valence"]
        sides = wanted[wanted != 0]
        floor = max(float((sides > 0).mean()), float((sides < 0).mean())) if len(sides) else None
        out["sign_accuracy_valence"] = Measure(sign_accuracy(wanted, rated), floor, wanted != 0, is_share=True)
    return out, tuple(remarks)


def _combined(
    valence: Numbers, has: NDArray[np.bool_], aligned: Aligned, gold: Table, settings: Settings
) -> tuple[dict[str, Measure], tuple[str, ...]]:
    """MER2023's weighted F1 − 0.25 · MSE, of the items whose reference has a label of the set, and of how many that is.

    Floors are those of the best answers that look at nothing and the mean valence.
    """
    labels = closed(settings.labels, gold)
    own = [_label(pair.gold, labels, aligned.notes) for pair in aligned.pairs]
    kept = has & np.array([label is not None for label in own])
    remark = f"weighted_f1 and mer2023 are of the {kept.sum()} of {len(kept)} references with a label of the set {labels.id} and a rating"
    if not kept.any():
        return {}, (remark,)
    pairs = [pair for pair, keep in zip(aligned.pairs, kept, strict=True) if keep]
    said = np.array([read(pair.said, labels, aligned.notes).code for pair in pairs], np.int64)
    wanted = np.array(
        [labels.labels.index(str(label)) for label, keep in zip(own, kept, strict=True) if keep], np.int64
    )
    classes = len(labels.labels)
    count = counter(wanted, said, classes)
    both = mer2023(wanted, said, classes, valence.gold[kept], valence.said[kept])
    blind = best_blind(weighted_f1, count(np.ones((1, len(wanted))))[0]) or 0.0
    return {
        "weighted_f1": Measure(among(kept, lambda weights: weighted_f1(count(weights))), blind),
        "mer2023": Measure(among(kept, both), blind - MER2023_WEIGHT * float(np.var(valence.gold[kept]))),
    }, (remark,)


def _label(row: Row, labels: LabelSet, notes: Notes) -> str | None:
    """The one label of a reference that the set has; others are counted."""
    if not row.labels:
        notes.add("references without a label, left out of weighted_f1 and mer2023", row.id)
        return None
    told = f"{row.id}: {', '.join(row.labels)}"
    if len(row.labels) > 1:
        notes.add("references of several labels, left out of weighted_f1 and mer2023", told)
        return None
    if (label := labels.find(row.labels[0])) is None:
        notes.add(f"references of a label outside {labels.id}, left out of weighted_f1 and mer2023", told)
    return label


def _lacks(row: Row, names: tuple[str, ...], settings: Settings) -> str:
    reason = row.fault("numbers")
    if reason and reason != EMPTY:
        return reason
    if lacking := [name for name in names if name not in row.numbers]:
        return f"without {' and '.join(lacking)}"
    return "" if _within(row, names, settings) else f"outside {_range(settings)}"


def _kind(row: Row | None, names: tuple[str, ...], settings: Settings, notes: Notes) -> str:
    if row is None:
        return "missing"
    if row.abstained and not row.numbers:
        return "abstained"
    reason = row.fault("numbers")
    if not reason and (lacking := [name for name in names if name not in row.numbers]):
        reason = f"without {' and '.join(lacking)}"
    if not reason and not _within(row, names, settings):
        reason = f"outside {_range(settings)}, which is not clipped"
    if reason:
        notes.add(
            f"unparsed: {reason}",
            f"{row.id}: {', '.join(f'{k} {v:g}' for k, v in row.numbers.items())}".removesuffix(": "),
        )
        return "unparsed"
    return "answered"


def _within(row: Row, names: tuple[str, ...], settings: Settings) -> bool:
    return all(settings.low <= row.numbers[name] <= settings.high for name in names)


def _range(settings: Settings) -> str:
    return f"{settings.low:g} to {settings.high:g}"
