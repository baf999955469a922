"""How long replies are."""

from emollm.data_engines.recipe import FilterSettings
from emollm.samples import Sample
from emollm.types import Observation


class Length:
    """Rejects Samples whose assistant turns together have too few or too many words."""

    name = "length"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def check(self, sample: Sample, observation: Observation) -> str | None:
        """``too short: …`` or ``too long: …``."""
        words = len(sample.reply.split())
        if words < self._least:
            return f"too short: {words} words, needs {self._least}"
        if words > self._most:
            return f"too long: {words} words, at most {self._most}"
        return None


def build(settings: FilterSettings) -> Length:
    """The filter for ``min_words`` and ``max_words``."""
    return Length(settings.min_words, settings.max_words)
