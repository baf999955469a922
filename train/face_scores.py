"""What selects a face net: one stated score on validation faces."""

from typing import NamedTuple

import numpy as np

from emollm.encoders.predict import Predictions
from emollm.face_sets import Rows
from emollm.metrics.classification import scores
from emollm.metrics.continuous import concordance


class Scores(NamedTuple):
    """Of the faces whose votes have a majority."""

    war: float
    """Accuracy: share that is right."""
    uar: float
    """Macro recall: mean of the classes' recalls, of classes that occur."""
    score: float
    """(WAR + UAR) / 2: what epochs and runs are chosen by."""
    nll: float
    """Mean −log probability of the label, uncalibrated."""
    units: float | None
    """Mean absolute error of action-unit intensities."""
    affect: float | None
    """Mean concordance of valence and of arousal (CCC, Lin 1989), of faces that are labelled with both."""


def scores_of(answers: Predictions, rows: Rows) -> Scores:
    """Scores of answers to faces, by the majority protocol."""
    kept = rows.label >= 0
    label, logits = rows.label[kept], answers.logits[kept]
    found = scores(label, logits.argmax(-1), logits.shape[1])
    war, uar = found["war"], found["uar"]
    nll = float(-logits[np.arange(len(label)), label].mean())
    units = None
    if answers.units is not None and np.isfinite(rows.units).any():
        units = float(np.nanmean(np.abs(answers.units - rows.units)))
    affect, known = None, np.isfinite(rows.affect).all(-1)
    if answers.affect is not None and known.any():
        pairs = zip(answers.affect[known].T, rows.affect[known].T, strict=True)
        affect = float(np.mean([concordance(said, wanted).value for said, wanted in pairs]))
    return Scores(war, uar, (war + uar) / 2, nll, units, affect)
