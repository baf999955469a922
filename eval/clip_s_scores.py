"""Scores of context classifiers: on their own classes, on classes held out, and on words that were never learnt."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from emollm.config import read_yaml
from emollm.emotions import label_set
from emollm.errors import ConfigError
from emollm.metrics.bootstrap import Statistic, Weights, bootstrap, difference, value, wilson
from emollm.metrics.bootstrap import mean as mean_of
from emollm.metrics.calibration import measures as calibration
from emollm.metrics.classification import STRAY, measures
from emollm.metrics.report import Measure
from emollm.modeling.class_texts import Descriptions
from emollm.modeling.clip_s import ContextClassifier

PLAIN = "plain head"
_NAMED = 0.3
"""Share of the votes from which an emotion counts as one of a compound's two."""
_TOP = 3
"""Nearest words that are told of a class."""


class Run(NamedTuple):
    """A trained classifier."""

    row: str
    """What the comparison calls it; its seeds share the name."""
    held: tuple[str, ...]
    """Classes it was trained without."""
    folder: Path
    model: ContextClassifier


class Seen(NamedTuple):
    """Faces as the vision tower saw them."""

    features: Tensor
    """(n, V)."""
    plain: NDArray[np.float64]
    """(n, C) probabilities of the net's own head."""
    label: NDArray[np.int64]
    """(n,) by the majority protocol; −1 where it discards the face."""
    shares: NDArray[np.float32]
    """(n, C) of the votes."""
    labels: tuple[str, ...]
    label_set: str

    def labelled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows with a label, and their labels."""
        rows = np.flatnonzero(self.label >= 0)
        return rows, self.label[rows]


# ---- its own classes ------------------------------------------------------------------------------------------------


def closed(runs: Sequence[Run], faces: Seen) -> list[dict[str, Any]]:
    """Plain head and rows on the classes that were learnt, with intervals and the paired difference of the score from the plain head."""
    rows, label = faces.labelled()
    count = len(faces.labels)
    plain = _measures(faces.plain[rows], label, count)
    out = [_closed_row(PLAIN, [plain], plain, len(rows), None)]
    for name, group in _by_row(runs):
        each = []
        for run in group:
            chances = run.model.compare(_images(run, faces)).probabilities[rows].astype(np.float64)
            chances = chances[:, [run.model.config.labels.index(label) for label in faces.labels]]
            each.append(_measures(chances / chances.sum(-1, keepdims=True), label, count))
        learnt = sum(parameter.numel() for parameter in group[0].model.heads.parameters())
        out.append(_closed_row(name, each, plain, len(rows), learnt))
    return out


def _measures(chances: NDArray[np.float64], label: NDArray[np.int64], count: int) -> dict[str, Measure]:
    found = measures(label, chances.argmax(-1), count)
    war, uar = found["war"], found["uar"]
    found["score"] = Measure(lambda weights: (war.statistic(weights) + uar.statistic(weights)) / 2)
    return found | {"ece": calibration(chances, label)["ece"]}


def _closed_row(
    name: str, each: Sequence[Mapping[str, Measure]], plain: Mapping[str, Measure], n: int, learnt: int | None
) -> dict[str, Any]:
    told = ("war", "uar", "macro_f1", "score", "ece")
    statistics: dict[str, Statistic] = {key: _mean([one[key].statistic for one in each]) for key in told}
    if each[0] is not plain:
        statistics["score_over_plain"] = difference(statistics["score"], plain["score"].statistic)
    found = bootstrap(statistics, n)
    return {
        "row": name,
        "seeds": len(each),
        "learnt": learnt,
        "metrics": {
            key: {"value": one.value, "ci": [one.low, one.high], "sd": _sd(each, key, n)} for key, one in found.items()
        },
        "floors": {key: plain[key].floor for key in ("war", "uar", "macro_f1")},
    }


def _sd(each: Sequence[Mapping[str, Measure]], key: str, n: int) -> float | None:
    """Standard deviation over seeds."""
    if len(each) < 2 or key not in each[0]:
        return None
    return float(np.std([value(one[key].statistic, n) for one in each], ddof=1))


# ---- classes held out -----------------------------------------------------------------------------------------------


def held_out(runs: Sequence[Run], faces: Seen, texts: Descriptions) -> list[dict[str, Any]]:
    """Recall and AUC of classes that were not learnt, compared by their text among all classes.

    Args:
        runs: Each without one class.
        faces: With labels.
        texts: The descriptions the runs were trained with.

    Raises:
        ConfigError: Descriptions of another version.
    """
    rows, label = faces.labelled()
    out = []
    for run in runs:
        config, (held, *_) = run.model.config, run.held
        if config.descriptions != texts.name:
            raise ConfigError(
                f"{run.folder}: learnt with descriptions {config.descriptions}, but {texts.name} are given; give the same ones"
            )
        text = texts.words([held]) if config.prompts == "word" else texts.sentences([held], config.aspects)
        prompts = run.model.heads.prompts
        logits = run.model.answers(_images(run, faces), _both(prompts(), prompts.of(text))).logits[rows]
        own = label == faces.labels.index(held)
        hits, total = int((logits.argmax(-1)[own] == logits.shape[-1] - 1).sum()), int(own.sum())
        margin = logits[:, -1] - _log_sum(logits[:, :-1])
        area = bootstrap({"auc": auc(margin, own)}, len(rows))["auc"]
        out.append(
            {
                "row": run.row,
                "class": held,
                "support": total,
                "recall": hits / total if total else None,
                "recall_ci": wilson(hits, total),
                "auc": area.value,
                "auc_ci": [area.low, area.high],
            }
        )
    return out


def auc(scores: NDArray[np.floating[Any]], positive: NDArray[np.bool_]) -> Statistic:
    """Area under the ROC curve: how often a positive item scores higher than a negative one (Hanley & McNeil 1982); NaN without either.

    Args:
        scores: (n,) higher for positives.
        positive: (n,).
    """
    order = np.argsort(scores, kind="stable")
    ranked = positive[order]
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # equal scores are one step

    def statistic(weights: Weights) -> NDArray[np.float64]:
        sorted_ = weights[:, order]
        good = np.add.reduceat(sorted_ * ranked, starts, axis=1)  # (b, steps)
        bad = np.add.reduceat(sorted_ * ~ranked, starts, axis=1)
        below = np.cumsum(bad, axis=1) - bad / 2
        pairs = good.sum(1) * bad.sum(1)
        area = np.full(len(weights), np.nan)
        np.divide((good * below).sum(1), pairs, out=area, where=pairs > 0)
        return area

    return statistic


# ---- words that were never learnt -----------------------------------------------------------------------------------


def new_words(runs: Sequence[Run], faces: Seen) -> list[dict[str, Any]]:
    """WAR and UAR where other words stand for the classes."""
    known = read_yaml(Path(str(files("emollm.eval").joinpath("clip_s_words.yaml"))))
    rows, label = faces.labelled()
    out = []
    for name, group in _by_row(runs):
        for title, words in known["lists"].items():
            texts = [words[label] for label in faces.labels]
            each = [
                measures(label, run.model.compare(_images(run, faces), texts).logits[rows].argmax(-1), len(texts))
                for run in group
            ]
            out.append({"row": name, "list": title, **_open(each, len(rows))})
    return out


def goemotions(runs: Sequence[Run], faces: Seen) -> list[dict[str, Any]]:
    """WAR and UAR of the nearest of the 28 GoEmotions words; a word that means none of the classes is wrong."""
    words = label_set("goemotions")
    home = words.map_to(label_set(faces.label_set))
    place = {label: number for number, label in enumerate(faces.labels)}
    meaning = np.array([place.get(home[word] or "", STRAY) for word in words.labels])
    rows, label = faces.labelled()
    out = []
    for name, group in _by_row(runs):
        nearest = [run.model.compare(_images(run, faces), words.labels).logits[rows].argmax(-1) for run in group]
        each = [measures(label, meaning[one], len(faces.labels)) for one in nearest]
        told = {
            emotion: [[words.labels[word], float(share)] for word, share in _commonest(nearest[0][label == number])]
            for number, emotion in enumerate(faces.labels)
        }
        strays = float(np.mean([(meaning[one] == STRAY).mean() for one in nearest]))
        out.append({"row": name, "strays": strays, "nearest": told, **_open(each, len(rows))})
    return out


def compounds(runs: Sequence[Run], faces: Seen) -> list[dict[str, Any]]:
    """Accuracy of the nearest compound word (Du et al. 2014) on faces whose votes name two emotions."""
    words = label_set("du-compound")
    pairs = [frozenset(entry.components) for entry in words.entries]
    neutral = np.array([label == "neutral" for label in faces.labels])
    named = (faces.shares >= _NAMED) & ~neutral
    wanted = {row: frozenset(faces.labels[k] for k in np.flatnonzero(named[row])) for row in range(len(named))}
    rows = [row for row, pair in wanted.items() if pair in pairs]
    if not rows:
        return []
    commonest = max(sum(wanted[row] == pair for row in rows) for pair in pairs) / len(rows)
    out = []
    for name, group in _by_row(runs):
        right = []
        for run in group:
            nearest = run.model.compare(_images(run, faces)[rows], words.labels).logits.argmax(-1)
            right.append([pairs[word] == wanted[row] for word, row in zip(nearest, rows, strict=True)])
        found = bootstrap({"war": mean_of(np.mean(right, 0))}, len(rows))["war"]
        out.append(
            {"row": name, "faces": len(rows), "war": found.value, "war_ci": [found.low, found.high], "floor": commonest}
        )
    return out


# ---- shared ---------------------------------------------------------------------------------------------------------


def _open(each: Sequence[Mapping[str, Measure]], n: int) -> dict[str, Any]:
    found = bootstrap({key: _mean([one[key].statistic for one in each]) for key in ("war", "uar")}, n)
    return {
        key: number
        for name, one in found.items()
        for key, number in (
            (name, one.value),
            (f"{name}_ci", [one.low, one.high]),
            (f"{name}_floor", each[0][name].floor),
        )
    }


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    """The mean over seeds, on the same items."""
    return lambda weights: np.mean([statistic(weights) for statistic in statistics], axis=0)


def _by_row(runs: Sequence[Run]) -> Iterable[tuple[str, list[Run]]]:
    order = list(dict.fromkeys(run.row for run in runs))
    for name, group in groupby(sorted(runs, key=lambda run: order.index(run.row)), key=lambda run: run.row):
        yield name, list(group)


def _images(run: Run, faces: Seen) -> Tensor:
    import torch

    with torch.inference_mode():
        images: Tensor = run.model.heads(faces.features)  # (n, D)
    return images


def _both(one: Tensor, two: Tensor) -> Tensor:
    import torch

    return torch.cat([one, two]).detach()


def _log_sum(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    top = logits.max(-1, keepdims=True)
    out: NDArray[np.float32] = (top + np.log(np.exp(logits - top).sum(-1, keepdims=True)))[:, 0]
    return out


def _commonest(numbers: NDArray[np.integer[Any]]) -> list[tuple[int, float]]:
    kinds, counts = np.unique(numbers, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_TOP]
    return [(int(kinds[k]), counts[k] / len(numbers)) for k in order]
