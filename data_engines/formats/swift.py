"""ms-swift: JSON lines of ``messages`` with ``images``, ``videos``, ``audios`` (PROTOCOLS 5.7).

Reads and writes Samples. A Sample with a label gets the extra column ``solution`` (and ``aus``, the units that its claims support):
columns that GRPO's reward functions see and SFT drops. They are made anew from the Sample, so they are not kept as foreign fields.
Records with ``query``/``response`` are read too. ``label`` is not written: ms-swift takes it for a class number.

Carried (field ``emollm``) but not used by ms-swift: face boxes, times of media, weights. A ``<image>`` in the words gets a space.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from emollm.data_engines.formats.base import Fault, Format, Found, Head, Options, Sink
from emollm.data_engines.formats.conversations import number_id, tell_unused
from emollm.data_engines.formats.files import Element, each, elements
from emollm.data_engines.formats.llamafactory import record_of
from emollm.data_engines.formats.llamafactory import sample as conversation
from emollm.data_engines.formats.sinks import Lost, json_sink
from emollm.facs import UNITS
from emollm.samples import Sample
from emollm.types import Verdict


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Sample] | Fault]:
    """Samples of JSON lines or a list."""
    for path in paths:

        def make(one: Element, index: int, path: Path = path) -> Sample:
            return conversation(_with_messages(one.value), number_id(path, index), {}, options, "swift")

        yield from each(elements(path), make)


def _with_messages(value: object) -> object:
    """The record with ``messages``, also where it has ``query`` and ``response``, and the label that ``solution`` gives."""
    if not isinstance(value, dict):
        return value
    record = {name: part for name, part in value.items() if name != "aus"}
    solution = record.pop("solution", None)
    if isinstance(solution, str) and not isinstance(record.get("label"), str):
        record["label"] = solution
    if "messages" not in record and isinstance(record.get("query"), str) and isinstance(record.get("response"), str):
        record["messages"] = [
            {"role": "user", "content": record.pop("query")},
            {"role": "assistant", "content": record.pop("response")},
        ]
    return record


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Sample]]:
    """JSON lines."""

    def encode(sample: Sample, lost: Lost) -> Any:
        tell_unused(sample, lost, "ms-swift")
        record = record_of(sample, options, "swift")
        if sample.label is not None:
            record["solution"] = sample.label
        if units := _units(sample):
            record["aus"] = units
        return record

    return json_sink(out, "lines", encode)


def _units(sample: Sample) -> list[str]:
    """Codes of the units whose cues support a claim."""
    ids = (id for claim in sample.claims if claim.verdict is Verdict.SUPPORTED for id in claim.cues)
    return sorted({code for id in ids if (code := id.rpartition(".")[2]) in UNITS})


def _recognises(head: Head) -> bool:
    if head.has("query", "response"):
        return True
    turns = head.record.get("messages") if isinstance(head.record, dict) else None
    return (
        isinstance(turns, list)
        and bool(turns)
        and isinstance(turns[0], dict)
        and isinstance(turns[0].get("content"), str)
    )


FORMAT = Format(
    "swift",
    "ms-swift: messages with lists of media",
    "samples",
    _recognises,
    read,
    write,
    ("face boxes, times of media and weights are carried but not used by ms-swift",),
)
