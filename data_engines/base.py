"""What engines, sources, filters and formats share: the item that is written about, and the protocols of the path.

A source gives :class:`Item` s; ``observe`` measures those that were not measured yet; an engine writes Samples about them;
each Sample is verified against the Observation by :mod:`emollm.evidence`; filters keep it or reject it with a reason.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from emollm.samples import Mark, Sample
from emollm.types import Clip, Observation, Record


class Gold(Record):
    """What people, or a rule, say about a clip."""

    labels: tuple[str, ...]
    """In the words of ``label_set``, the main one first; free words where that is None."""
    label_set: str | None = None
    by: Literal["annotators", "acting", "rule", "unknown"] = "unknown"
    """Who says so: people who looked, an actor's instruction, a rule over action units."""
    shares: dict[str, float] = Field(default_factory=dict)
    """Share of the annotators for each label, where they voted."""


class Item(Record):
    """One thing to write about: a clip or a row of a table, measured or still to be measured."""

    clip: Clip
    """Its ``id`` is unique in a build."""
    observation: Observation | None = None
    """None: ``emollm.perception.observe`` measures the clip."""
    gold: Gold | None = None
    split: str | None = None
    group: str | None = None
    """What must not stand in two splits beside the speaker: a sentence, a source video."""
    licence: str = "unknown"
    marks: tuple[Mark, ...] = ()
    """What is special about the item; every Sample about it is marked so."""
    notes: dict[str, Any] = Field(default_factory=dict)
    """Fields of a foreign annotation: captions, subtitles … Data, never instructions."""


class Rejected(NamedTuple):
    """What was not kept, and why. Every one of them is written to ``rejects-*.jsonl``."""

    id: str
    """Of the Sample, or of the item if none was written."""
    stage: str
    """``source``, ``observe``, ``write``, ``verify``, or ``filter:<name>``."""
    reason: str
    """One line for a reader; the kind of fault first, before a colon: ``contradicted: AU12 0.05, needs 0.30``."""
    sample: Sample | None = None
    """The Sample that was rejected, where there was one."""


class Engine(Protocol):
    """Writes Samples about measured items; one module each in ``emollm.data_engines``.

    An engine is made by its ``Settings`` class: ``ENGINES[name](settings)``. It must give the same Samples for the same item and seed,
    in any process. It does not verify: :mod:`emollm.data_engines.verifying` does that for all engines alike.
    """

    name: str
    version: int

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        """The Samples about one item: conversations as the recipe's tasks say, without claims yet.

        Args:
            item: What it is about. Its gold labels accept or reject what is written; they are shown to an annotator only if the
                recipe says ``label_guided``.
            observation: What was measured of it.
            random: Chooses wordings and tasks; seeded by the recipe's seed and the item's id.
        """
        ...


class Filter(Protocol):
    """Keeps a verified Sample or says why not; works on one Sample at a time, in any process."""

    name: str

    def check(self, sample: Sample, observation: Observation) -> str | None:
        """None to keep it, else the reason, kind of fault first."""
        ...


class SetFilter(Protocol):
    """Looks at all Samples of a build, streamed twice at most, with flat memory."""

    name: str
    looks: bool
    """Whether ``check`` needs a first pass; a filter that needs none goes along with the pass of the one before it."""

    def look(self, sample: Sample) -> None:
        """First pass: every Sample, in order."""
        ...

    def check(self, sample: Sample) -> str | None:
        """Second pass: None to keep it, else the reason, kind of fault first."""
        ...


class Written(NamedTuple):
    """What became of one item."""

    samples: Sequence[Sample]
    rejects: Sequence[Rejected]
