"""The records of a judge: a rating or why there is none, and everything that pins the judge down."""

from collections import Counter
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from emollm.metrics.bootstrap import mean
from emollm.metrics.continuous import quotient
from emollm.metrics.report import Measure
from emollm.types import Record

LOWEST, HIGHEST = 1, 10
"""The scale of both metrics as published (Lian et al. 2023); papers plot it from 0."""


class Outcome(StrEnum):
    """What became of one pair."""

    RATED = "rated"
    MISSING = "missing"
    """No answer, or one without emotion words: nothing is asked, the lowest of the scale counts."""
    NO_REFERENCE = "no reference"
    """A reference without text or without emotion words: left out."""
    PROSE = "prose"
    """The reply is no rating."""
    REFUSAL = "refusal"
    OUT_OF_SCALE = "out of scale"
    EMPTY = "empty"
    CUT = "cut off"
    """The reply reached its greatest length; its number may lack a digit."""
    UNREACHED = "unreached"
    """No reply after all tries; asked again in the next run."""
    REFUSED = "refused"
    """The server does not take this request, which is too long for example."""


FAILED = frozenset(
    {
        Outcome.PROSE,
        Outcome.REFUSAL,
        Outcome.OUT_OF_SCALE,
        Outcome.EMPTY,
        Outcome.CUT,
        Outcome.UNREACHED,
        Outcome.REFUSED,
    }
)
"""The judge's failures: in no mean, told beside it."""


class Rating(Record):
    """What the judge made of one pair."""

    outcome: Outcome
    value: float | None = None
    """1 to 10; None unless it is rated or missing."""
    reply: str = ""
    """The first 200 characters of the reply, or of the reason of there being none."""


class Pin(Record):
    """Which judge it was."""

    model: str
    """As the server knows it."""
    server: str
    prompts: tuple[str, ...]
    """``id@version``."""
    language: Literal["en", "zh"]
    seed: int
    temperature: float
    max_tokens: int
    scale: tuple[int, int] = (LOWEST, HIGHEST)

    def __str__(self) -> str:
        return f"{self.model}, {', '.join(self.prompts)}, seed {self.seed}, scale {self.scale[0]}–{self.scale[1]}"


class Judged(Record):
    """The ratings of n pairs, in their order."""

    task: Literal["clue", "label"]
    pin: Pin
    ratings: tuple[Rating, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs came to what; only what occurs."""
        counted = Counter(one.outcome for one in self.ratings)
        return {outcome.value: counted[outcome] for outcome in Outcome if counted[outcome]}

    @property
    def values(self) -> list[float | None]:
        """What counts of each pair; None where nothing does."""
        return [one.value for one in self.ratings]

    @property
    def rated(self) -> list[float | None]:
        """What the judge itself said of each pair; None where it was not asked or failed. To be compared with another scorer."""
        return [one.value if one.outcome is Outcome.RATED else None for one in self.ratings]

    def measures(self) -> dict[str, Measure]:
        """``clue_judge`` or ``label_judge``: the mean of the ratings there are, with ``_low`` and ``_high`` and ``_failed``.

        ``_low`` and ``_high`` are what the mean would be had the judge given its failures the lowest or the highest rating; ``_failed`` is
        their share. Pairs without a reference are in none of them.
        """
        name = f"{self.task}_judge"
        failed = self._of(*FAILED)
        rated = np.array([one.value is not None for one in self.ratings], np.float64)
        numbers = np.array([one.value or 0.0 for one in self.ratings], np.float64)
        asked = rated + failed
        return {
            name: Measure(quotient(numbers, rated)),
            f"{name}_low": Measure(quotient(numbers + failed * LOWEST, asked)),
            f"{name}_high": Measure(quotient(numbers + failed * HIGHEST, asked)),
            f"{name}_failed": Measure(quotient(failed, asked) if asked.any() else mean(failed)),
        }

    def told(self) -> dict[str, JsonValue]:
        """For the provenance of a report: the judge and the counts."""
        return {"judge": self.pin.model_dump(mode="json"), "outcomes": dict(self.counts)}

    def _of(self, *outcomes: Outcome) -> NDArray[np.float64]:
        return np.array([one.outcome in outcomes for one in self.ratings], np.float64)
