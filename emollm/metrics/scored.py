"""The record of scored predictions: what :class:`emollm.metrics.report.Report` holds, for answers of any kind, and what was met while reading them."""

from pydantic import Field, JsonValue

from emollm.metrics.report import ClassScore, Confusion, Metric
from emollm.types import Record


class Note(Record):
    """Something that was met and counted."""

    what: str
    count: int
    examples: tuple[str, ...] = ()


class Scored(Record):
    """Anyone's predictions, scored."""

    task: str
    """``labels``, ``several``, ``ov``, ``va`` or ``emer``."""
    primary: str
    """The metric by which two files are compared."""
    n: int
    """References that are scored."""
    metrics: dict[str, Metric]
    coverage: float
    """Share of them that have an answer that could be read."""
    answers: dict[str, int]
    """What became of them: ``answered``, ``outside`` (of the closed set), ``abstained``, ``unparsed``, ``missing``."""
    per_class: dict[str, ClassScore] = Field(default_factory=dict)
    confusion: Confusion | None = None
    floors: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Answers that look at nothing, by metric."""
    more: dict[str, dict[str, Metric]] = Field(default_factory=dict)
    """Further metrics by kind and name."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Rows of both files; ``rejected``: rows of the predictions that could not be used."""
    notes: tuple[Note, ...] = ()
    remarks: tuple[str, ...] = ()
    """What one has to know to read the numbers."""
    provenance: dict[str, JsonValue] = Field(default_factory=dict)


class Compared(Record):
    """Two files of predictions on the same references."""

    task: str
    n: int
    first: dict[str, float | None]
    """Metrics of A."""
    second: dict[str, float | None]
    """Metrics of B."""
    answers: dict[str, dict[str, int]] = Field(default_factory=dict)
    """What became of the references in ``A`` and in ``B``, as in :class:`Scored`."""
    rejected: dict[str, int] = Field(default_factory=dict)
    """Rows of ``A`` and of ``B`` that could not be used."""
    difference: dict[str, Metric]
    """A minus B, with its paired 95 % interval."""
    primary: str
    mcnemar: dict[str, float] | None = None
    """``only_first``, ``only_second``, ``p``: items that only one has right, and the exact test; labels only."""
    notes: tuple[Note, ...] = ()
    remarks: tuple[str, ...] = ()
    provenance: dict[str, JsonValue] = Field(default_factory=dict)
