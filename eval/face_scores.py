"""From a face net's answers and people's labels to a report; arrays in, record out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError, ModelError
from emollm.eval.face_classes import Match
from emollm.metrics import calibration
from emollm.metrics.bootstrap import RESAMPLES, Statistic, Values, Weights
from emollm.metrics.calibration import softmax
from emollm.metrics.classification import classification
from emollm.metrics.continuous import ccc
from emollm.metrics.report import Measure, Report, measured


class Units(NamedTuple):
    """Action units of the faces that are scored."""

    codes: tuple[str, ...]
    said: NDArray[np.floating]
    """(n, U) intensities by the net."""
    measured: NDArray[np.floating]
    """(n, U) by perception; NaN where it did not measure."""


class Answers(NamedTuple):
    """What a net says of the faces that are scored, beside what people say of them."""

    match: Match
    ids: tuple[str, ...]
    """Of the faces."""
    reference: NDArray[np.int64]
    """(n,) positions in ``match.labels``."""
    probabilities: NDArray[np.float64]
    """(n, C + others) calibrated; see :meth:`Match.probabilities`."""
    uncalibrated: NDArray[np.float64]
    """(n, C + others) the same at temperature 1."""
    shares: NDArray[np.float64] | None
    """(n, C + others) of the votes; None where there are none."""
    found: NDArray[np.bool_]
    """(n,) whether the aligner found the face; otherwise the whole picture was answered."""
    units: Units | None = None
    """Action units, where they are compared."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) positions in ``match.labels``, STRAY for another class of the net."""
        return self.match.answers(self.probabilities)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(n,)."""
        return self.predicted == self.reference


def answers(
    match: Match,
    ids: tuple[str, ...],
    label: NDArray[np.integer],
    shares: NDArray[np.floating] | None,
    found: NDArray[np.bool_],
    logits: NDArray[np.floating],
    temperature: float,
) -> Answers:
    """Puts logits (n, K) of the net beside labels (n,) and vote shares (n, D) of the data set.

    Raises:
        ModelError: Logits that are not finite.
        DataError: A label that is not scored.
    """
    if bad := int((~np.isfinite(logits)).any(-1).sum()):
        raise ModelError(f"the net gives NaN or infinity for {bad} of {len(logits)} faces; its weights are damaged")
    reference = match.references(label)
    if (reference < 0).any():
        raise DataError(f"{int((reference < 0).sum())} faces are of classes that are not scored; leave them out")
    return Answers(
        match,
        ids,
        reference,
        match.probabilities(softmax(logits, temperature)),
        match.probabilities(softmax(logits)),
        None if shares is None else match.shares(shares),
        found,
    )


def measures(given: Answers) -> dict[str, Measure]:
    """Calibration of the answers; ``ece_uncalibrated`` is that of temperature 1."""
    plain = calibration.measures(given.uncalibrated, given.reference)
    found = calibration.measures(given.probabilities, given.reference, given.shares)
    return {"ece": found.pop("ece"), "ece_uncalibrated": plain["ece"], **found}


def unit_measures(units: Units) -> dict[str, Measure]:
    """Concordance of each action unit with what perception measures, over the faces where it does; a constant answer gives 0."""
    out = {}
    for k, code in enumerate(units.codes):
        known = np.flatnonzero(~np.isnan(units.measured[:, k]))
        if len(known) > 1:
            out[code] = Measure(among(ccc(units.said[known, k], units.measured[known, k]), known), 0.0)
    return out


def among(statistic: Statistic, items: NDArray[np.integer]) -> Statistic:
    """A metric of some of the items, as a metric of all; NaN where none of them is drawn."""

    def of(weights: Weights) -> Values:
        kept = weights[:, items]
        drawn = kept.sum(-1) > 0
        out = np.full(len(weights), np.nan)
        if drawn.any():
            out[drawn] = statistic(kept[drawn])
        return out

    return of


def report(given: Answers, *, resamples: int = RESAMPLES, seed: int = 0) -> Report:
    """Scores of the answers with intervals and floors; faces count as independent."""
    found = classification(
        given.reference,
        given.predicted,
        given.match.labels,
        more=measures(given),
        resamples=resamples,
        seed=seed,
    )
    if given.units is None:
        return found
    units = measured(unit_measures(given.units), len(given.reference), resamples=resamples, seed=seed)
    return found.model_copy(update={"more": {"unit_ccc": units}})
