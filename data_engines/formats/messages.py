"""Our own ``messages`` JSON lines, one Sample a line; also reads plain conversations with content parts (PROTOCOLS 5.8).

Reads and writes Samples. A line that is a whole Sample (it has ``provenance``) is read as it is, its paths too. Any other line with ``messages`` whose
contents are texts or lists of ``{"type": "text"|"image"|"video"|"audio"}`` parts is taken as a foreign conversation of TRL or
Hugging Face; its media are in ``images``, ``videos``, ``audios`` (or inside the part: ``image``, ``video``, ``audio``, ``path``).

Nothing is lost by writing ``messages``. Writing ``trl`` keeps all in the field ``emollm``; face boxes, times and weights are carried
but TRL does not use them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from emollm.data_engines.formats.base import Fault, Format, Found, Head, Options, Sink
from emollm.data_engines.formats.conversations import (
    carried,
    messages_of,
    number_id,
    role_of,
    sample_of,
    tell_unused,
    text_parts,
)
from emollm.data_engines.formats.files import Element, each, elements
from emollm.data_engines.formats.media import KINDS, Kind, files_by_kind, media_of, parts_of, resolved
from emollm.data_engines.formats.sinks import Lost, json_sink
from emollm.errors import DataError
from emollm.samples import Sample
from emollm.types import MediaPart, Message, TextPart

COLUMNS: dict[Kind, str] = {"image": "images", "video": "videos", "audio": "audios"}


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Sample] | Fault]:
    """Samples of JSON lines or a JSON list."""
    for path in paths:

        def make(one: Element, index: int, path: Path = path) -> Sample:
            return sample(one.value, one.where, number_id(path, index), options)

        yield from each(elements(path), make)


def sample(value: object, where: str, fallback: str, options: Options) -> Sample:
    """The Sample of one record.

    Raises:
        DataError: It is neither ours nor a conversation.
    """
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        raise DataError("expected an object with a list of 'messages'")
    if "provenance" in value:
        return Sample.from_json(json.dumps(value), where)
    found: dict[Kind, list[Path]] = {kind: [] for kind in KINDS}
    lists = {kind: _paths(value, COLUMNS[kind], options) for kind in KINDS}
    turns = []
    for turn in value["messages"]:
        if not isinstance(turn, dict) or "content" not in turn:
            raise DataError("a message is no object with role and content")
        turns.append((role_of(turn.get("role")), _content(turn["content"], found, options)))
    messages = messages_of(turns)
    for kind in KINDS:
        if found[kind] and lists[kind]:
            raise DataError(f"{kind}s stand both inside the messages and in {COLUMNS[kind]!r}; give one")
    files = {kind: found[kind] or lists[kind] for kind in KINDS}
    return sample_of(
        value,
        ("messages", *COLUMNS.values()),
        messages,
        media_of(messages, files),
        format="trl",
        fallback=fallback,
        options=options,
    )


def _content(content: object, found: dict[Kind, list[Path]], options: Options) -> tuple[TextPart | MediaPart, ...]:
    """Parts of one message; paths inside the parts are added to ``found``."""
    if isinstance(content, str):
        return parts_of(content)
    if not isinstance(content, list):
        raise DataError("content: expected text or a list of parts")
    out: list[TextPart | MediaPart] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            out += text_parts(part["text"])
        elif kind in KINDS:
            out.append(MediaPart(type=kind))
            place = part.get(kind, part.get("path"))
            if place is not None:
                found[kind].append(resolved(place, options))
        else:
            raise DataError(f"content part {kind!r:.40}: expected text, image, video or audio")
    return tuple(out)


def _paths(record: Mapping[str, Any], column: str, options: Options) -> list[Path]:
    value = record.get(column)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [resolved(one.get("path", "") if isinstance(one, dict) else one, options) for one in values]


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Sample]]:
    """Our own JSON lines."""
    del options

    def encode(sample: Sample, _: Lost) -> Any:
        return sample.model_dump(mode="json")

    return json_sink(out, "lines", encode)


def write_parts(out: Path, options: Options) -> AbstractContextManager[Sink[Sample]]:
    """JSON lines with content parts, as TRL reads them."""

    def encode(sample: Sample, lost: Lost) -> Any:
        tell_unused(sample, lost, "TRL")
        files = files_by_kind(sample.media, options)
        return {
            "messages": [_parts(message) for message in sample.messages],
            **{COLUMNS[kind]: files[kind] for kind in KINDS if kind in files},
            **carried(sample, "trl"),
        }

    return json_sink(out, "lines", encode)


def _parts(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": [part.model_dump(mode="json") for part in message.content]}


def _recognises(head: Head) -> bool:
    return head.has("messages", "provenance")


def _recognises_parts(head: Head) -> bool:
    if not head.has("messages") or not isinstance(head.record["messages"], list):
        return False
    return any(isinstance(turn, dict) and isinstance(turn.get("content"), list) for turn in head.record["messages"])


MESSAGES = Format("messages", "emollm's own training records", "samples", _recognises, read, write)
TRL = Format(
    "trl",
    "TRL and Hugging Face: messages with content parts",
    "samples",
    _recognises_parts,
    read,
    write_parts,
    ("face boxes, times of media and weights are carried but not used by TRL",),
)
