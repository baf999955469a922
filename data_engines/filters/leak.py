"""Single clues that give the label away (:mod:`emollm.metrics.leak`)."""

from emollm.clues import clues
from emollm.data_engines.recipe import FilterSettings
from emollm.errors import DataError
from emollm.metrics.leak import LeakTable
from emollm.samples import Sample


class LeakBound:
    """Refuses a build in which one clue predicts the label better than a bound; it keeps every Sample of others.

    The label is the first that people gave, else the one the assistant gives. Compared is the lower end of the clue's interval, so that
    few Samples do not refuse a build by chance.
    """

    name = "leak"
    looks = True

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._table = LeakTable()
        self._checked = False

    def look(self, sample: Sample) -> None:
        """Counts the clues of a Sample."""
        label = sample.gold[0] if sample.gold else sample.label
        if label is not None:
            self._table.add(label, sample.provenance.clip, ((clue.key, clue.value) for clue in clues(sample)))

    def check(self, sample: Sample) -> str | None:
        """None; the first call raises :class:`DataError` if a clue predicts the label better than the bound."""
        if not self._checked:
            self._checked = True
            worst = next((leak for leak in self._table.leaks() if leak.low > self._bound), None)
            if worst is not None:
                raise DataError(
                    f"the clue {worst.clue} alone predicts the label with a balanced accuracy of {worst.balanced_accuracy:.2f} "
                    f"(at least {worst.low:.2f}; chance {worst.floor:.2f}), max_leak allows {self._bound:.2f}; "
                    "take the clue out, balance it, or raise filters.max_leak"
                )
        return None


def build(settings: FilterSettings) -> LeakBound | None:
    """The filter for ``max_leak``; None without."""
    return None if settings.max_leak is None else LeakBound(settings.max_leak)
