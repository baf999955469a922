"""What the reasoner assumes beside the priors: the table ``assumptions.yaml``, whose comments give reasons and sources."""

from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class Sign(NamedTuple):
    """A word for a voice that goes with how activated it sounds."""

    level: str
    """``high`` or ``low``."""
    phrase: str
    """The word in a noun phrase: ``a lively pitch``."""


class VoicePrior(NamedTuple):
    """What a voice that sounds like that often goes with."""

    high: tuple[str, ...]
    low: tuple[str, ...]
    cite: str
    """Short names for running text."""


class ExpressionShare(NamedTuple):
    """What the probabilities of expression networks count for."""

    share: dict[str, float]
    """By backend."""
    other: float
    """Of all other backends."""
    clear: float
    """Probability from which a network clearly speaks for an expression."""
    unlikely: float
    """Probability up to which it speaks against one."""

    def of(self, backend: str) -> float:
        """The share of one backend."""
        return self.share.get(backend, self.other)


@cache
def contradictions() -> dict[str, tuple[str, ...]]:
    """Units that pull against an expression, by emotion."""
    return {emotion: tuple(units) for emotion, units in _table()["contradictions"].items()}


@cache
def opposed() -> tuple[tuple[str, str], ...]:
    """Pairs of units that move one part of the face in opposite ways."""
    return tuple((first, second) for first, second in _table()["opposed"])


@cache
def voice_signs() -> dict[str, Sign]:
    """The words for a voice (:func:`emollm.perception.voice.wording.describe`) that are signs of activation."""
    return {word: Sign(row["level"], row["phrase"]) for word, row in _table()["voice"]["signs"].items()}


@cache
def voice_prior() -> VoicePrior:
    """The emotions that highly and little activated voices often go with."""
    row = _table()["voice"]
    return VoicePrior(tuple(row["high"]), tuple(row["low"]), row["cite"])


@cache
def expression_share() -> ExpressionShare:
    """How an expression network counts beside the units."""
    return ExpressionShare(**_table()["expression"])


@cache
def valence_of() -> dict[str, str]:
    """``positive``, ``negative`` or ``neutral`` for the canonical emotions that have a side."""
    return {emotion: group for group, emotions in _table()["valence"].items() for emotion in emotions}


@cache
def activation_of() -> dict[str, str]:
    """``high`` or ``low`` for the canonical emotions whose voices are known for it."""
    return {emotion: level for level, emotions in _table()["activation"].items() for emotion in emotions}


@cache
def _table() -> dict[str, Any]:
    import yaml

    values: dict[str, Any] = yaml.safe_load(
        files("emollm.reasoner").joinpath("assumptions.yaml").read_text(encoding="utf-8")
    )
    return values
