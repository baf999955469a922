"""HumanOmni and R1-Omni conversations: a JSON list of one video and human/gpt turns (PROTOCOLS 5.5).

Reads and writes Samples. ``<video>`` and ``<audio>`` stand for the picture and the sound of the one file in ``video``; a sound of another file
is in ``audio``.

``r1-omni`` wraps the first reply: ``<think>reasoning</think>`` and ``<answer>label</answer>``. On reading, the label is that of the **last**
well-formed pair of the last reply, because prompts and replies quote the tags; a reply without a pair has no label, and is kept as it
stands. Foreign replies keep their tags as text; those written here are unwrapped again.

Cannot be held, so the record is rejected: images, more than one video or sound, a system turn; in ``r1-omni`` also a Sample without label.
Carried (field ``emollm``) but not used by its readers: face boxes, times of media, weights.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from emollm.data_engines.formats.base import OWN, Fault, Format, Found, Head, Options, Sink
from emollm.data_engines.formats.conversations import (
    carried,
    messages_of,
    number_id,
    role_of,
    sample_of,
    tell_unused,
)
from emollm.data_engines.formats.files import Element, each, elements
from emollm.data_engines.formats.media import Kind, media_of, parts_of, relative, resolved, tagged
from emollm.data_engines.formats.sinks import Lost, json_sink
from emollm.errors import DataError
from emollm.samples import Sample
from emollm.types import Message, TextPart

_PAIR = re.compile(r"<think>((?:(?!</?think>).)*)</think>\s*<answer>((?:(?!</?answer>).)*)</answer>", re.DOTALL)
_MARK = re.compile(r"(<(?:image|video|audio)>)\n")
"""A mark with the line break that HumanOmni writes behind it."""
_WORD = {"user": "human", "assistant": "gpt"}


class Pair(NamedTuple):
    """What a reasoning reply holds."""

    think: str
    answer: str


def last_pair(text: str) -> Pair | None:
    """The last well-formed ``<think>…</think><answer>…</answer>`` of a text; None if it has none."""
    found = list(_PAIR.finditer(text))
    return Pair(found[-1][1].strip(), found[-1][2].strip()) if found else None


# ---- reading --------------------------------------------------------------------------------------------------------


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Sample] | Fault]:
    """Samples of JSON lists."""
    for path in paths:

        def make(one: Element, index: int, path: Path = path) -> Sample:
            return sample(one.value, number_id(path, index), options)

        yield from each(elements(path), make)


def sample(value: object, fallback: str, options: Options) -> Sample:
    """The Sample of one record.

    Raises:
        DataError: No conversation, or media and marks do not match.
    """
    if not isinstance(value, dict) or not isinstance(value.get("conversations"), list):
        raise DataError("expected an object with a list of 'conversations'")
    turns = [_turn(turn) for turn in value["conversations"]]
    record, wrapped = _unwrapped(value)
    label = None
    if turns and turns[-1][0] == "assistant":
        pair = last_pair(turns[-1][1])
        label = pair.answer if pair is not None and pair.answer else None
    if wrapped is not None:
        turns = _unwrap(turns, wrapped)
    messages = messages_of([(role, parts_of(_MARK.sub(r"\1", text))) for role, text in turns])
    return sample_of(
        record,
        ("conversations", "video", "audio"),
        messages,
        media_of(messages, _files(value, messages, options)),
        format="humanomni",
        fallback=fallback,
        options=options,
        label=label,
    )


def _turn(turn: object) -> tuple[str, str]:
    if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
        raise DataError("a turn is no object with 'from' and 'value'")
    return role_of(turn.get("from")), turn["value"]


def _files(value: Mapping[str, Any], messages: Sequence[Message], options: Options) -> dict[Kind, list[Path]]:
    """The video, and the sound: its own file or that of the video."""
    video = None if value.get("video") is None else resolved(value["video"], options)
    sound = video if value.get("audio") is None else resolved(value["audio"], options)
    heard = any(part.type == "audio" for message in messages for part in message.content)
    return {"video": [] if video is None else [video], "audio": [sound] if heard and sound is not None else []}


def _unwrapped(value: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The record without our note on which reply was wrapped, and that note."""
    record = dict(value)
    try:
        own = json.loads(record[OWN]) if isinstance(record.get(OWN), str) else None
    except ValueError:
        return record, None
    if not isinstance(own, dict) or "wrapped" not in own:
        return record, None
    wrapped = own.pop("wrapped")
    record[OWN] = json.dumps(own, ensure_ascii=False)
    return record, wrapped if isinstance(wrapped, str) else None


def _unwrap(turns: list[tuple[str, str]], label: str) -> list[tuple[str, str]]:
    """The turns with the first reply as it was before :func:`_wrap`."""
    first = next((n for n, turn in enumerate(turns) if turn[0] == "assistant"), None)
    if first is None:
        return turns
    text = turns[first][1].removeprefix("<think>").removesuffix(f"</think>\n<answer>{label}</answer>")
    return [*turns[:first], ("assistant", text), *turns[first + 1 :]]


# ---- writing --------------------------------------------------------------------------------------------------------


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Sample]]:
    """A JSON list of HumanOmni."""
    return json_sink(out, "list", lambda sample, lost: _record(sample, lost, options))


def write_r1(out: Path, options: Options) -> AbstractContextManager[Sink[Sample]]:
    """A JSON list of R1-Omni, the first reply in tags."""

    def encode(sample: Sample, lost: Lost) -> Any:
        if not sample.label:
            raise DataError("R1-Omni holds an answer; this Sample has no label")
        if any("<think>" in _text(m) or "<answer>" in _text(m) for m in sample.messages if m.role == "assistant"):
            return _record(sample, lost, options)
        record = _record(sample, lost, options)
        own = json.loads(record[OWN])
        record[OWN] = json.dumps({**own, "wrapped": sample.label}, ensure_ascii=False)
        first = next(turn for turn in record["conversations"] if turn["from"] == "gpt")
        first["value"] = f"<think>{first['value']}</think>\n<answer>{sample.label}</answer>"
        return record

    return json_sink(out, "list", encode)


def _text(message: Message) -> str:
    return "".join(part.text for part in message.content if isinstance(part, TextPart))


def _record(sample: Sample, lost: Lost, options: Options) -> dict[str, Any]:
    if any(message.role == "system" for message in sample.messages):
        raise DataError("HumanOmni has no system turn")
    paths = {kind: [item.path for item in sample.media if item.type == kind] for kind in ("image", "video", "audio")}
    if paths["image"] or len(paths["video"]) > 1 or len(paths["audio"]) > 1:
        raise DataError(
            f"HumanOmni holds one video with its sound; this Sample has {len(paths['image'])} images, "
            f"{len(paths['video'])} videos and {len(paths['audio'])} sounds"
        )
    tell_unused(sample, lost, "HumanOmni")
    record: dict[str, Any] = {}
    if paths["video"]:
        record["video"] = relative(paths["video"][0], options)
    if paths["audio"] and paths["audio"] != paths["video"]:
        record["audio"] = relative(paths["audio"][0], options)
    record["conversations"] = [{"from": _WORD[m.role], "value": _marked(m)} for m in sample.messages]
    return {**record, **carried(sample, "humanomni")}


def _marked(message: Message) -> str:
    """The text of a message, with a line break behind each mark, as HumanOmni writes them."""
    pieces = []
    for part in message.content:
        one = tagged(message.model_copy(update={"content": (part,)}))
        pieces.append(one if isinstance(part, TextPart) else f"{one}\n")
    return "".join(pieces)


def _recognises(head: Head) -> bool:
    return head.has("video", "conversations") and isinstance(head.record["video"], str)


def _recognises_r1(head: Head) -> bool:
    if not _recognises(head) or not isinstance(head.record["conversations"], list):
        return False
    return any(last_pair(str(turn.get("value"))) for turn in head.record["conversations"] if isinstance(turn, dict))


_LOSES = (
    "face boxes, times of media and weights are carried but not used",
    "images, several videos or sounds and system turns are rejected",
)
FORMAT = Format("humanomni", "HumanOmni: one video, human/gpt turns", "samples", _recognises, read, write, _LOSES)
R1 = Format(
    "r1-omni",
    "R1-Omni: the same with <think> and <answer>",
    "samples",
    _recognises_r1,
    read,
    write_r1,
    (*_LOSES, "Samples without a label are rejected"),
)
