"""Rows of action units to Samples as JSON lines: thousands of rows a second on one core.

A block of rows is weighed at once (:mod:`.weighing_rows`); each row is then worded by the same code as a clip
(:mod:`.conversations`), with the claims of its segments, and written as JSON without building records. One row in a hundred is read
again by the checker on its full Observation.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from emollm.cue_text import PROMPT as CUES
from emollm.cue_text import valued
from emollm.data_engines.base import Gold, Rejected
from emollm.data_engines.composing import gold_labels, sample_id
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.unit_table import UnitTable
from emollm.data_engines.verifying import verify
from emollm.data_engines.writing.conversations import Conversation, Conversations, judged, options_of
from emollm.data_engines.writing.face import Face, Weights, fits_of, telling
from emollm.data_engines.writing.grammar import refs
from emollm.data_engines.writing.moment import MomentWriter
from emollm.data_engines.writing.weighing_rows import RowWeigher, RowWeights, known_labels
from emollm.emotions import LabelSet, label_set
from emollm.errors import DataError
from emollm.facs import ABSENT, LIKELY, UNITS
from emollm.prompts import prompt
from emollm.samples import Mark, Sample, Task
from emollm.types import Scale, Verdict

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
BLOCK = 2000
"""Rows that are weighed at once."""
CHECKED = 0.01
"""Share of the rows that the checker reads again in full."""


class Lines(NamedTuple):
    """What became of one row."""

    id: str
    lines: list[str]
    """Samples, one JSON object each, without a line break."""
    rejects: list[Rejected]


class RowWriter:
    """Writes rows for one recipe; one for a process, its memory is bounded by the wordings.

    Args:
        settings: The recipe.
        engine: ``name@version``.
        checked: Share of the rows that is read again by the checker.
    """

    def __init__(self, settings: BuildSettings, engine: str, checked: float = CHECKED) -> None:
        self.settings = settings
        self.engine = engine
        self.checked = checked
        self.labels: LabelSet = label_set(settings.labels)
        self.options = options_of(settings)
        self.fits = fits_of(self.labels, settings.reasoner)
        self.writer = MomentWriter(own=self.options.unsupported == "own", weights=self.options.weights)
        self.conversations = Conversations(self.labels, settings.tasks, self.options, self.writer)
        self.weigher = RowWeigher(self.labels, settings.reasoner, [*known_labels(self.labels, settings.reasoner)])
        self.verified = 0
        """Rows that were read again."""
        self.mended = 0
        """Rows among them whose claims were read otherwise than written; the reading was taken."""

    def lines(self, table: UnitTable, indices: Sequence[int] | None = None) -> Iterator[Lines]:
        """The Samples of some rows, in their order.

        Args:
            table: The rows.
            indices: Which of them; all if not given.

        Raises:
            DataError: A claim of a row is contradicted by its measurements: a fault of the wordings, never of the data.
        """
        chosen = range(len(table)) if indices is None else indices
        columns = _Columns(table, self.labels.id, self.engine)
        for start in range(0, len(chosen), BLOCK):
            rows = [int(index) for index in chosen[start : start + BLOCK]]
            block = columns.part(rows)
            weights = self.weigher.weigh(block)
            faces = _Faces(block, weights, self.fits)
            for at, row in enumerate(rows):
                yield self._line(table, row, faces.face(at), columns)

    def _line(self, table: UnitTable, row: int, face: Face, columns: "_Columns") -> Lines:
        id, random = table.ids[row], row_random(self.settings.seed, table.ids[row])
        gold = columns.gold(table.gold(row))
        if gold is not None and not gold:
            reason = f"unknown label: {table.gold(row)!r} has no place in {self.labels.id}"
            return Lines(id, [], [Rejected(id, "write", reason)])
        verdict = judged(face, gold, self.options)
        if verdict.rejected is not None:
            return Lines(id, [], [Rejected(id, "write", verdict.rejected)])
        gaps = columns.gaps(table.values[row])
        shared = columns.shared(row, gold or ())
        cues = columns.cue_text(table.values[row])
        counts: dict[Task, int] = {}
        out = []
        for one in self.conversations.about(face, verdict, random, gaps=gaps):
            index = counts[one.task] = counts.get(one.task, -1) + 1
            out.append(_record(one, index, shared, cues, columns))
        if out and crc32(id.encode()) < self.checked * 2**32:
            self._check(table, row, out)
        return Lines(id, [_ENCODE(record) for record in out], [])

    def _check(self, table: UnitTable, row: int, records: list[dict[str, Any]]) -> None:
        """Reads a row's Samples again on its full Observation, and takes what is read where it differs."""
        observation = table.observation(row)
        self.verified += 1
        for record in records:
            sample = verify(Sample.from_json(json.dumps(record), record["id"]), observation, None)
            for claim in sample.claims:
                if claim.verdict is Verdict.CONTRADICTED:
                    raise DataError(
                        f"{sample.id}: the writer wrote {claim.text!r}, which is contradicted ({claim.reason}); "
                        "this is a fault of the wordings in prompts/writer: report it with this line"
                    )
            found = [claim.model_dump(mode="json") for claim in sample.claims]
            if found != [{**claim, "cues": list(claim["cues"])} for claim in record["claims"]]:
                self.mended += 1
                record["claims"] = found


def row_random(seed: int, id: str) -> Random:
    """The random numbers of one item: the same in any process and order."""
    return Random(f"{seed} {id}")


# ---- one row ----------------------------------------------------------------------------------------------------------


class _Faces:
    """The faces of a block."""

    def __init__(self, table: UnitTable, weights: RowWeights, fits: dict[str, Any]) -> None:
        self._weights = weights
        self._fits = fits
        order = {code: index for index, code in enumerate(telling())}
        known = sorted((order[name], index) for index, name in enumerate(table.names) if name in order)
        self._columns = [index for _, index in known]
        self._names = [table.names[index] for index in self._columns]
        self._probable = frozenset(
            name
            for name, index in zip(self._names, self._columns, strict=True)
            if table.scales[index] is Scale.PROBABILITY
        )
        self._unreliable = table.unreliable
        self._values = table.values[:, self._columns].astype(np.float64).tolist()
        rows = np.arange(len(table))
        first, second = weights.first, weights.second
        self._scores = weights.scores[rows, first].tolist()
        self._seconds = weights.scores[rows, second].tolist()
        self._support = weights.support[rows, first].tolist()
        self._intensity = weights.intensity[rows, first].tolist()
        self._first, self._second = first.tolist(), second.tolist()

    def face(self, row: int) -> Face:
        """The face of one row."""
        values = {name: value for name, value in zip(self._names, self._values[row], strict=True) if value == value}
        labels, label = self._weights.labels, self._weights.labels[self._first[row]]
        intensity = self._intensity[row]
        weights = Weights(
            self._weights.outcome[row],
            label,
            labels[self._second[row]],
            self._scores[row],
            self._seconds[row],
            self._support[row],
            intensity if intensity == intensity else None,
            label == self._weights.neutral,
        )
        probable = frozenset(name for name in values if name in self._probable)
        unreliable = frozenset(name for name in values if name in self._unreliable)
        return Face(values, probable, unreliable, weights, self._fits)


class _Columns:
    """What all rows of a table share."""

    def __init__(self, table: UnitTable, labels: str, engine: str) -> None:
        self.table = table
        self.labels = labels
        self.engine = engine
        self.gold = lru_cache(maxsize=1024)(self._gold)
        self._units = [
            (index, name, table.scales[index] is Scale.PROBABILITY, name in table.unreliable)
            for index, name in enumerate(table.names)
        ]
        self._unmeasured = [gap.stream for gap in table.unmeasured]

    def part(self, rows: list[int]) -> UnitTable:
        """Some rows, to be weighed; without what does not count there."""
        table = self.table
        return UnitTable(
            table.names,
            table.scales,
            table.values[rows],
            tuple(table.ids[row] for row in rows),
            table.source,
            unreliable=table.unreliable,
        )

    def _gold(self, label: str | None) -> tuple[str, ...] | None:
        if label is None:
            return None
        return gold_labels(Gold(labels=(label,), label_set=self.table.label_set), self.labels)

    def gaps(self, values: np.ndarray) -> list[str]:
        """Units of the face that were not measured in a row, in the order in which an Observation lists them."""
        nans = [self.table.names[index] for index in np.flatnonzero(np.isnan(values)).tolist()]
        return [*(nans if len(nans) < len(values) else ()), *self._unmeasured]

    def shared(self, row: int, gold: tuple[str, ...]) -> dict[str, Any]:
        """The fields that all Samples of a row have alike."""
        table = self.table
        return {
            "clip": table.ids[row],
            "gold": gold,
            "split": table.splits[row] if table.splits is not None else None,
            "speaker": table.speakers[row] if table.speakers is not None else None,
            "group": table.groups[row] if table.groups is not None else None,
            "sources": [str(table.source)] if not np.isnan(table.values[row]).all() else [],
        }

    @cached_property
    def prompts(self) -> dict[Task, str]:
        """The prompts that worded a Sample of a task."""
        own = refs()
        return {
            task: " ".join(dict.fromkeys((*own, prompt(f"instructions/{task.value}").ref, prompt(CUES).ref)))
            for task in (Task.RECOGNITION, Task.REASONING, Task.OPEN_VOCABULARY, Task.FOLLOW_UP)
        }

    @cached_property
    def _frames(self) -> dict[str, tuple[str, str]]:
        blocks = ("moving", "likely", "still", "unsure", "missing")
        found = {}
        for block in blocks:
            before, _, after = prompt(CUES).render(block, items="\0").partition("\0")
            found[block] = (before, after)
        return found

    def cue_text(self, values: np.ndarray) -> str:
        """The same as :func:`emollm.cue_text.cue_text` of the row's Observation."""
        numbers = values.tolist()
        moving: list[tuple[float, str]] = []
        likely: list[tuple[float, str]] = []
        still: list[str] = []
        unsure: list[str] = []
        gone: list[str] = []
        for index, name, probable, unreliable in self._units:
            value = numbers[index]
            if value != value:
                gone.append(name)
            elif value >= (LIKELY if probable else ABSENT):
                (likely if probable else moving).append((-value, name))
            elif value < ABSENT and not unreliable:
                still.append(name)
            else:
                unsure.append(name)
        if len(gone) == len(numbers):
            return self._faceless
        moving.sort()
        likely.sort()
        lines = [
            self._line("moving", ", ".join(f"{name} {UNITS[name].name} {valued(-value)}" for value, name in moving)),
            self._line("likely", ", ".join(f"{name} {UNITS[name].name} {-value:.2f}" for value, name in likely)),
            self._line("still", " ".join(sorted(still))),
            self._line("unsure", " ".join(sorted(unsure))),
            self._line("missing", " ".join([*gone, *self._unmeasured])),
        ]
        return "\n".join(line for line in lines if line)

    @cached_property
    def _faceless(self) -> str:
        return self._line("missing", ", ".join(["face", *([" ".join(self._unmeasured)] if self._unmeasured else [])]))

    def _line(self, block: str, items: str) -> str:
        before, after = self._frames[block]
        return f"{before}{items}{after}" if items else ""


def _record(one: Conversation, index: int, shared: dict[str, Any], cues: str, columns: _Columns) -> dict[str, Any]:
    """A Sample as a plain dict, with its claims."""
    table, task = columns.table, one.task.value
    messages: list[dict[str, Any]] = []
    claims: list[dict[str, Any]] = []
    for turn in one.turns:
        asked = [{"type": "text", "text": turn.asked}]
        if not messages:
            asked.insert(0, {"type": "text", "text": f"{cues}\n\n"})
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": [{"type": "text", "text": turn.text}]})
        claims += [
            {
                "text": text,
                "part": part,
                "verdict": "supported",
                "cues": ids,
                "reason": reason,
                "start": None,
                "end": None,
            }
            for part, sentence in turn.claims
            for text, ids, reason in sentence.claims
        ]
    return {
        "id": sample_id(shared["clip"], None, one.task, index),
        "task": task,
        "messages": messages,
        "label": one.label,
        "label_set": columns.labels,
        "gold": shared["gold"],
        "split": shared["split"],
        "speaker": shared["speaker"],
        "group": shared["group"],
        "marks": [mark.value for mark in one.marks],
        "claims": claims,
        "provenance": {
            "engine": columns.engine,
            "prompt": columns.prompts[one.task],
            "annotator": "writer",
            "cues": shared["sources"],
            "licence": table.licence,
            "label_visible": Mark.UNSUPPORTED in one.marks,
            "clip": shared["clip"],
            "dataset": table.dataset,
        },
    }
