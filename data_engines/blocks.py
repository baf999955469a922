"""One block of a build, from its place in the input to its files; runs in any process."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol, runtime_checkable

from emollm.data_engines.annotators import Annotator, Draft, is_for_later
from emollm.data_engines.base import Engine, Filter, Gold, Item, Rejected
from emollm.data_engines.composing import track_of
from emollm.data_engines.engines import ENGINES
from emollm.data_engines.filters import build_filters
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.shards import (
    COUNTS,
    OBSERVATIONS,
    PARTS,
    REJECTS,
    SAMPLES,
    Counts,
    Tally,
    reject_line,
    shard,
    write_lines,
)
from emollm.data_engines.showing import seen, shown
from emollm.data_engines.source_rows import read_rows
from emollm.data_engines.sources import Span, items_of
from emollm.data_engines.unit_table import UnitTable
from emollm.data_engines.verifying import verify
from emollm.errors import DataError, MediaError, one_line
from emollm.perception import observe
from emollm.samples import Sample
from emollm.types import Clip, MediaInfo, Observation, Table

LEDGER = "ledger"
REPLIES = "replies"


class RowLines(Protocol):
    """What became of one row: Samples as JSON, and rejects."""

    @property
    def id(self) -> str:
        """Of the row."""
        ...

    @property
    def lines(self) -> Sequence[str]:
        """Samples with their claims and verdicts, one JSON object each, without a line break."""
        ...

    @property
    def rejects(self) -> Sequence[Rejected]:
        """What the engine itself rejected."""
        ...


@runtime_checkable
class RowEngine(Protocol):
    """An engine that writes about many rows of a table at a time, faster than row by row, and verifies what it wrote."""

    def row_lines(self, table: UnitTable) -> Iterator[RowLines]:
        """What it writes about each of the rows, in order: what ``write`` and ``verify`` would give."""
        ...


_BLIND = frozenset({"faithfulness", "length", "label_words", "unsafe"})
"""Filters that look at the Sample alone: for them no Observation of a row is made, which takes as long as all the rest."""
_NOTHING = Observation(id="", media=MediaInfo(kind="table"))


class Tools(NamedTuple):
    """What a process needs for its blocks, made once."""

    engine: Engine
    filters: list[Filter]
    annotator: Annotator | None


def write_block(span: Span, settings: BuildSettings, out: Path) -> Counts:
    """Writes the files of one block below ``out/parts``: counts, observations and rejects first, the Samples last.

    Raises:
        EmollmError: A file cannot be written or read, a model or asset cannot be had: the build ends, nothing half-written stays.
    """
    tools = _tools(settings.model_dump_json(), str(out))
    rows = span.kind in ("csv", "parquet")
    keep = settings.scale.keep_observations
    block = _Block(tools, settings, keep if keep is not None else not rows)
    if rows:
        block.rows(span)
    else:
        block.items(span)
    parts = out / PARTS
    if block.observed:
        write_lines(shard(parts, OBSERVATIONS, span.index), block.observed)
    write_lines(shard(parts, REJECTS, span.index), block.rejected)
    write_lines(shard(parts, COUNTS, span.index), [block.tally.counts.to_json().encode()])
    write_lines(shard(parts, SAMPLES, span.index), block.samples)
    return block.tally.counts


@lru_cache(maxsize=1)
def _tools(settings: str, out: str) -> Tools:
    chosen = BuildSettings.model_validate_json(settings)
    annotator = None
    if chosen.annotator.model is not None:
        cache = Path(chosen.annotator.cache) if chosen.annotator.cache else Path(out, REPLIES)
        annotator = Annotator(chosen, cache, Path(out, PARTS, LEDGER))
    return Tools(ENGINES[chosen.engine](chosen), build_filters(chosen.filters), annotator)


class _Block:
    """What becomes of the items of one block."""

    def __init__(self, tools: Tools, settings: BuildSettings, keep: bool) -> None:
        self._tools, self._settings, self._keep = tools, settings, keep
        self.tally = Tally()
        self.samples: list[bytes] = []
        self.rejected: list[bytes] = []
        self.observed: list[bytes] = []

    def items(self, span: Span) -> None:
        """Clips and records."""
        drafts: list[Draft] = []
        for item in items_of(span, self._settings):
            self.tally.items += 1
            if isinstance(item, Rejected):
                self._unread(item)
            elif (observation := self._observe(item)) is not None:
                self._write(item, observation, drafts)
        self._revise(drafts)

    def rows(self, span: Span) -> None:
        """Rows of a table."""
        table, rejects = read_rows(span, self._settings)
        self.tally.items += len(rejects) + (len(table) if table is not None else 0)
        for reject in rejects:
            self._unread(reject)
        engine = self._tools.engine
        if table is None:
            return
        if isinstance(engine, RowEngine) and self._tools.annotator is None and not self._keep:
            self._lines(engine, table)
            return
        drafts: list[Draft] = []
        for index in range(len(table)):
            self._write(table_item(table, index, Path(span.paths[0])), table.observation(index), drafts)
        self._revise(drafts)

    def _lines(self, engine: RowEngine, table: UnitTable) -> None:
        """Rows by an engine that is made for them."""
        blind = all(one.name in _BLIND for one in self._tools.filters)
        for index, written in enumerate(engine.row_lines(table)):
            for reject in written.rejects:
                self._reject(reject)
            if written.lines:
                observation = _NOTHING if blind else table.observation(index)
                for line in written.lines:
                    self._filter(Sample.from_json(line, written.id), observation, line)

    def _observe(self, item: Item) -> Observation | None:
        if item.observation is not None:
            return item.observation
        try:
            return observe(item.clip, self._settings.perception)
        except (MediaError, DataError) as error:
            self._unread(Rejected(item.clip.id, "observe", f"unreadable: {one_line(str(error))}"))
        return None

    def _write(self, item: Item, observation: Observation, drafts: list[Draft]) -> None:
        observation = seen(observation, self._settings.showing, self._settings.seed)
        if self._keep:
            self.observed.append(observation.to_json().encode() + b"\n")
        settings = self._settings
        random = Random(f"{settings.seed} {item.clip.id}")
        try:
            for made in self._tools.engine.write(item, observation, random):
                if isinstance(made, Rejected):
                    self._reject(made)
                    continue
                made = shown(made, observation.media.duration, settings.showing, settings.seed)
                if self._tools.annotator is not None:
                    drafts.append((made, observation, track_of(made)))
                else:
                    self._filter(verify(made, observation, track_of(made)), observation)
        except DataError as error:
            self._reject(Rejected(item.clip.id, "write", f"unusable: {one_line(str(error))}"))

    def _revise(self, drafts: list[Draft]) -> None:
        """Has a language model word the drafts, if the recipe says so."""
        if self._tools.annotator is None:
            return
        revised = self._tools.annotator.revise(drafts)
        for made, (_, observation, track) in zip(revised, drafts, strict=True):
            if isinstance(made, Rejected):
                self.tally.later += is_for_later(made)
                self._reject(made)
            else:
                self._filter(verify(made, observation, track), observation)

    def _filter(self, sample: Sample, observation: Observation, line: str | None = None) -> None:
        self.tally.written += 1
        for one in self._tools.filters:
            if (reason := one.check(sample, observation)) is not None:
                self._reject(Rejected(sample.id, f"filter:{one.name}", reason, sample))
                return
        self.tally.keep(sample)
        self.samples.append((sample.to_json() if line is None else line).encode() + b"\n")

    def _unread(self, rejected: Rejected) -> None:
        self.tally.unread += 1
        self._reject(rejected)

    def _reject(self, rejected: Rejected) -> None:
        self.tally.reject(rejected)
        self.rejected.append(reject_line(rejected))


def table_item(table: UnitTable, index: int, path: Path) -> Item:
    """One row as an item, for engines that write about one at a time."""

    def cell(column: tuple[str | None, ...] | None) -> str | None:
        return column[index] if column is not None else None

    label = table.gold(index)
    speaker = cell(table.speakers)
    clip = Clip(id=table.ids[index], table=Table(path=path, format="rows"), speaker=speaker, dataset=table.dataset)
    gold = Gold(labels=(label,), label_set=table.label_set, by=table.by) if label is not None else None
    return Item(clip=clip, gold=gold, split=cell(table.splits), group=cell(table.groups), licence=table.licence)
