"""Foreign conversations as Samples, and what of a Sample travels beside them.

A foreign record holds messages and media. All else that a Sample holds goes as JSON text into one field of its own, ``emollm``
(one text column, so that readers which want one type a column are content); fields that are not ours are kept in ``Sample.extra`` under
the name of the format.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emollm.data_engines.formats.base import OWN, Options, checked, fault
from emollm.data_engines.formats.media import plain
from emollm.data_engines.formats.sinks import Lost
from emollm.errors import DataError
from emollm.samples import MediaItem, Sample, SampleProvenance, Task
from emollm.types import MediaPart, Message, TextPart

ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "system": "system",
}
"""Roles by the words for them."""

_STATED = ("id", "source", "dataset", "licence", "license", "label", "label_set", "label_visible", "label_visible_to_annotator", "split", "speaker")  # fmt: skip
_WORDS = 3
"""A reply of so many words is a label."""


def role_of(word: object) -> str:
    """Our role for a foreign one.

    Raises:
        DataError: None of ours: tool calls and observations have no place.
    """
    if not isinstance(word, str) or word not in ROLES:
        raise DataError(f"role {word!r:.40}: expected one of {', '.join(ROLES)}")
    return ROLES[word]


def messages_of(turns: Sequence[tuple[str, tuple[TextPart | MediaPart, ...]]]) -> tuple[Message, ...]:
    """Messages of roles and contents.

    Raises:
        DataError: No turns, or none of the assistant.
    """
    found = tuple(checked(Message, role=role, content=content) for role, content in turns)
    if not any(message.role == "assistant" and message.content for message in found):
        raise DataError("no turn of the assistant; expected a question and a reply (half a record?)")
    return found


def sample_of(
    record: Mapping[str, Any],
    known: Sequence[str],
    messages: tuple[Message, ...],
    media: tuple[MediaItem, ...],
    *,
    format: str,
    fallback: str,
    options: Options,
    label: str | None = None,
) -> Sample:
    """The Sample of a foreign record.

    Args:
        record: All its fields. ``id``, ``source``, ``licence``, ``label_visible_to_annotator`` … are understood.
        known: Fields that are already in ``messages`` and ``media``; others are kept in ``extra``.
        messages: Its conversation.
        media: Its media.
        format: Name of the format.
        fallback: Id, where it states none.
        options: Licence and data set, where it states none.
        label: The label, where the format has a place for it.

    Raises:
        DataError: Half a record, or an ``emollm`` field that is not ours.
    """
    if isinstance(record.get(OWN), str):
        return _own(str(record[OWN]), messages, media)
    rest = {
        name: value for name, value in record.items() if name not in known and name not in _STATED and value is not None
    }
    reply = _reply(messages)
    licence = record.get("licence") or record.get("license") or options.licence
    stated = record.get("label")
    id = str(record["id"]) if isinstance(record.get("id"), str | int) else fallback
    return checked(
        Sample,
        id=id,
        task=Task.RECOGNITION if len(reply.split()) <= _WORDS else Task.REASONING,
        messages=messages,
        media=media,
        label=label if label is not None else stated if isinstance(stated, str) else None,
        label_set=_text(record.get("label_set")),
        split=_text(record.get("split")),
        speaker=_text(record.get("speaker")),
        provenance=provenance(
            format,
            licence=str(licence),
            clip=media[0].path.stem if media else id,
            dataset=_text(record.get("source")) or _text(record.get("dataset")) or options.dataset,
            label_visible=_visible(record),
        ),
        extra={format: rest} if rest else {},
    )


def provenance(
    format: str, *, licence: str, clip: str, dataset: str | None, label_visible: bool = True
) -> SampleProvenance:
    """Where a converted record came from. That the writer saw the label is assumed unless the record says otherwise."""
    return SampleProvenance(
        engine=f"convert-{format}@1",
        annotator="unknown",
        licence=licence,
        label_visible=label_visible,
        clip=clip,
        dataset=dataset,
    )


def carried(sample: Sample, format: str) -> dict[str, Any]:
    """The fields that travel beside messages and media: foreign ones as they came, ours as one text."""
    foreign = sample.extra.get(format)
    fields = dict(foreign) if isinstance(foreign, dict) else {}
    shown = {
        "id": sample.id,
        "source": sample.provenance.dataset,
        "licence": sample.provenance.licence,
        "label_visible_to_annotator": sample.provenance.label_visible,
    }
    own = sample.model_dump(mode="json", exclude={"messages"}, exclude_defaults=True)
    own["contents"] = [[_place(part) for part in message.content] for message in sample.messages]
    return {**fields, **shown, OWN: json.dumps(own, ensure_ascii=False, allow_nan=False)}


def tell_unused(sample: Sample, lost: Lost, reader: str) -> None:
    """Counts what a foreign reader does not use although it is carried along."""
    if any(item.box is not None for item in sample.media):
        lost[f"face boxes: {reader} shows whole pictures, not faces"] += 1
    if any(item.start is not None for item in sample.media):
        lost[f"times of media: {reader} shows the whole recording"] += 1
    if sample.weight != 1.0:
        lost[f"weights: {reader} counts every Sample once"] += 1


def _place(part: TextPart | MediaPart) -> int | str:
    """Length of a text, or the kind of a medium: how the words of a message are cut into parts."""
    return len(part.text) if isinstance(part, TextPart) else part.type


def _own(text: str, messages: tuple[Message, ...], media: tuple[MediaItem, ...]) -> Sample:
    """The Sample that was written here: its messages and paths as they stand now, all else as it was."""
    try:
        own = json.loads(text)
    except ValueError as error:
        raise DataError(f"field {OWN!r}: not the JSON that emollm wrote ({fault('', error).reason})") from error
    if not isinstance(own, dict):
        raise DataError(f"field {OWN!r}: expected a JSON object")
    contents = own.pop("contents", None)
    items = own.pop("media", [])
    if isinstance(items, list) and len(items) == len(media):
        paths = [item.path for item in media]
        media = tuple(
            MediaItem.model_validate_json(json.dumps({**item, "path": str(path)})) if isinstance(item, dict) else now
            for item, path, now in zip(items, paths, media, strict=True)
        )
    own["messages"] = [message.model_dump(mode="json") for message in _cut(messages, contents)]
    own["media"] = [item.model_dump(mode="json") for item in media]
    try:
        return Sample.model_validate_json(json.dumps(own))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise DataError(f"field {OWN!r}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _cut(messages: tuple[Message, ...], contents: object) -> tuple[Message, ...]:
    """The messages with their words cut into parts as they were, where they are still the same words."""
    if not isinstance(contents, list) or len(contents) != len(messages):
        return messages
    return tuple(_cut_one(message, places) for message, places in zip(messages, contents, strict=True))


def _cut_one(message: Message, places: object) -> Message:
    flat: list[str | MediaPart] = []
    for part in message.content:
        flat.extend(part.text if isinstance(part, TextPart) else [part])
    content: list[TextPart | MediaPart] = []
    position = 0
    for place in places if isinstance(places, list) else []:
        size = place if isinstance(place, int) else 1
        piece = flat[position : position + size]
        position += size
        if isinstance(place, int) and all(isinstance(sign, str) for sign in piece):
            content.append(TextPart(text="".join(str(sign) for sign in piece)))
        elif piece and isinstance(piece[0], MediaPart):
            content.append(piece[0])
    if position != len(flat) or [p.type for p in content if p.type != "text"] != [
        p.type for p in message.content if p.type != "text"
    ]:
        return message
    return message.model_copy(update={"content": tuple(content)})


def _reply(messages: Sequence[Message]) -> str:
    last = [message for message in messages if message.role == "assistant"][-1]
    return "".join(part.text for part in last.content if isinstance(part, TextPart))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _visible(record: Mapping[str, Any]) -> bool:
    stated = record.get("label_visible_to_annotator", record.get("label_visible"))
    return stated if isinstance(stated, bool) else True


def text_parts(text: str) -> tuple[TextPart, ...]:
    """One part of a foreign text, its control tokens broken up."""
    return (TextPart(text=plain(text)),)


def number_id(path: Path, index: int) -> str:
    """Id of a record that has none: name of its file and its number."""
    return f"{path.stem}-{index:06d}"
