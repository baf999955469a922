"""The numbers of a data report, as records: what the page shows and what ``--json`` prints."""

from pydantic import Field

from emollm.report.data_texts import Variety
from emollm.samples import Sample
from emollm.types import Record


class Example(Record):
    """One Sample or item that was rejected."""

    id: str
    reason: str


class Reason(Record):
    """A kind of fault, with some who have it."""

    stage: str
    kind: str
    count: int
    examples: tuple[Example, ...] = ()


class Stage(Record):
    """A step of the funnel, and how many Samples (of the first: items) are left after it."""

    name: str
    left: int
    lost: int = 0


class ClassRow(Record):
    """What became of one class."""

    label: str
    given: int = 0
    """Kept Samples in which the assistant gives this label."""
    gold: int = 0
    """Kept Samples to which people gave it."""
    rejected: int = 0
    """Rejected Samples to which people gave it."""
    clips: int = 0
    """Clips to which people gave it, of which a Sample was written."""
    kept_clips: int = 0
    """Those of which a Sample was kept."""
    unsupported: int = 0
    """Kept Samples of it that say that the muscles do not show it."""


class CueRow(Record):
    """How often one cue is cited by the claims of kept Samples."""

    name: str
    kind: str
    samples: int
    """Samples with a claim that rests on it."""
    present: int | None = None
    """Of them those where it was measured as present; None for what is not there or absent."""
    by_label: dict[str, float] = Field(default_factory=dict)
    """Share of the Samples of each label that cite it (of a unit: as present)."""


class LeakRow(Record):
    """What one clue tells of the label (:mod:`emollm.metrics.leak`)."""

    kind: str
    name: str
    balanced_accuracy: float
    low: float
    high: float
    floor: float
    tells: bool
    rules: tuple[tuple[str, str, int], ...]
    """Value, the label it speaks for, how many have it."""


class SplitRow(Record):
    """One split."""

    split: str
    samples: int
    clips: int
    speakers: int
    groups: int


class OverlapRow(Record):
    """Speakers, groups or clips that stand in two splits."""

    kind: str
    first: str
    second: str
    count: int


class Words(Record):
    """Words of the assistant's turns of a Sample; recognition, whose reply is the label, left out."""

    mean: float
    median: int
    most: int
    bins: tuple[tuple[int, int, int], ...]
    """From, to (both included), and how many."""


class Verdicts(Record):
    """Claims of kept Samples by verdict."""

    supported: int
    contradicted: int
    unverifiable: int
    claimed: int
    """Samples with a claim."""
    clean: int
    """Of them those without a contradicted one."""
    support: float | None
    """Supported among decided claims."""
    coverage: float | None
    """Decided among all claims."""


class DataReport(Record):
    """Everything a data report says."""

    name: str
    seed: int
    items: int | None
    """None where no ``build.json`` says so."""
    written: int
    kept: int
    rejected: int
    stages: tuple[Stage, ...]
    reasons: tuple[Reason, ...]
    classes: tuple[ClassRow, ...]
    unlabelled: int
    """Kept Samples in which no label is given."""
    tasks: dict[str, int]
    marks: dict[str, int]
    words: Words
    verdicts: Verdicts
    cues: tuple[CueRow, ...]
    variety: Variety
    leaks: tuple[LeakRow, ...]
    splits: tuple[SplitRow, ...]
    overlaps: tuple[OverlapRow, ...]
    origins: dict[str, dict[str, int]]
    """Engines, annotators, prompts, backends, data sets and licences, with their numbers of Samples."""
    label_visible: int
    """Samples whose writer was shown the label."""
    build: dict[str, str]
    """Of ``build.json``: versions and recipe as text."""
    examples: tuple[Sample, ...]
    """Drawn at random, to be read."""
