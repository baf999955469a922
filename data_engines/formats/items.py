"""Our own Items as JSON lines: what the annotation formats are read into, and what ``emollm data build`` takes as input.

Reads and writes Items; nothing is lost.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from emollm.data_engines.base import Item
from emollm.data_engines.formats.base import Fault, Format, Found, Head, Options, Sink
from emollm.data_engines.formats.files import each, elements
from emollm.data_engines.formats.sinks import Lost, json_sink


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Item] | Fault]:
    """Items of JSON lines."""
    del options
    for path in paths:
        yield from each(elements(path), lambda one, _: Item.from_json(json.dumps(one.value), one.where))


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Item]]:
    """JSON lines."""
    del options

    def encode(item: Item, _: Lost) -> Any:
        return item.model_dump(mode="json")

    return json_sink(out, "lines", encode)


def _recognises(head: Head) -> bool:
    return head.has("clip", "notes") and isinstance(head.record["clip"], dict)


FORMAT = Format("items", "emollm's annotated clips", "items", _recognises, read, write)
