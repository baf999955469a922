"""LLaMA-Factory: ``sharegpt`` conversations with ``dataset_info.json`` (PROTOCOLS 5.6).

Reads and writes Samples. Writing ``x.json`` (a list; ``x.jsonl``: one a line) also enters the data set ``x`` into ``dataset_info.json``
beside it; other entries there are kept. The tags are ``role``/``content`` and user/assistant/system, all of them stated, because
LLaMA-Factory takes a tag that the entry leaves out for none. Only columns that some record has are named: a column that is named and
lacking is an error there. Its ``media_dir`` is our ``--root``.

Reading follows the entry of ``dataset_info.json`` where there is one; else ``messages`` with role/content or ``conversations`` with
from/value.

Cannot be held, so the record is rejected: turns that do not alternate between user and assistant, begin with the assistant or end
with the user; a system turn that is not the first. Carried (field ``emollm``) but not used by LLaMA-Factory: face boxes, times of
media, weights, labels, claims. A ``<image>`` that stands in the words as words gets a space, so that it is not counted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emollm.data_engines.formats.base import Fault, Format, Found, Head, Options, Sink, fault
from emollm.data_engines.formats.conversations import (
    ROLES,
    carried,
    messages_of,
    number_id,
    role_of,
    sample_of,
    tell_unused,
    text_parts,
)
from emollm.data_engines.formats.files import Element, each, elements
from emollm.data_engines.formats.media import KINDS, files_by_kind, media_of, parts_of, resolved, tagged
from emollm.data_engines.formats.messages import COLUMNS
from emollm.data_engines.formats.sinks import Lost, json_sink
from emollm.errors import DataError
from emollm.files import replacing
from emollm.samples import Sample
from emollm.types import Message

INFO = "dataset_info.json"
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
_DEFAULT = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "system_tag": "system",
}
"""LLaMA-Factory's own, where an entry has no tags."""


# ---- reading --------------------------------------------------------------------------------------------------------


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Sample] | Fault]:
    """Samples of a JSON list or of JSON lines, by the entry of ``dataset_info.json`` where there is one."""
    for path in paths:
        entry = _entry(path)

        def make(one: Element, index: int, path: Path = path, entry: Mapping[str, Any] = entry) -> Sample:
            return sample(one.value, number_id(path, index), entry, options)

        yield from each(elements(path), make)


def sample(
    value: object, fallback: str, entry: Mapping[str, Any], options: Options, format: str = "llamafactory"
) -> Sample:
    """The Sample of one record.

    Args:
        value: The record.
        fallback: Id, where it states none.
        entry: ``columns`` and ``tags`` of its data set; may be empty.
        options: What is not in the record.
        format: Whose record it is.

    Raises:
        DataError: No conversation, or placeholders and media do not match.
    """
    if not isinstance(value, dict):
        raise DataError("expected an object with a conversation")
    columns = entry.get("columns", {})
    key = columns.get("messages") or ("messages" if "messages" in value else "conversations")
    turns = value.get(key)
    if not isinstance(turns, list) or not turns:
        raise DataError(f"expected a list of turns in {key!r}")
    tags = {**(TAGS if key == "messages" else _DEFAULT), **entry.get("tags", {})}
    found = [_turn(turn, tags) for turn in turns]
    system = columns.get("system") or "system"
    used = [key, *(columns.get(name, name) for name in COLUMNS.values())]
    if isinstance(value.get(system), str):
        found = [("system", text_parts(value[system])), *found] if value[system] else found
        used.append(system)
    messages = messages_of(found)
    files = {kind: _paths(value.get(columns.get(COLUMNS[kind], COLUMNS[kind])), options) for kind in KINDS}
    return sample_of(
        value, used, messages, media_of(messages, files), format=format, fallback=fallback, options=options
    )


def _turn(turn: object, tags: Mapping[str, str]) -> tuple[str, Any]:
    if not isinstance(turn, dict):
        raise DataError("a turn is no object")
    role, text = turn.get(tags["role_tag"]), turn.get(tags["content_tag"])
    if not isinstance(text, str):
        raise DataError(f"a turn has no text in {tags['content_tag']!r}")
    named = {tags.get(f"{name}_tag"): name for name in ("user", "assistant", "system")}
    return (named[role] if role in named else role_of(role)), parts_of(text)


def _paths(value: object, options: Options) -> list[Path]:
    if value is None:
        return []
    return [resolved(path, options) for path in (value if isinstance(value, list) else [value])]


def _entry(path: Path) -> dict[str, Any]:
    """The entry of a file in ``dataset_info.json`` beside it; empty without."""
    info = _info(path.with_name(INFO))
    return next(
        (entry for entry in info.values() if isinstance(entry, dict) and entry.get("file_name") == path.name), {}
    )


def _info(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {fault('', error).reason}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected one object with a data set a key")
    return found


# ---- writing --------------------------------------------------------------------------------------------------------


@contextmanager
def write(out: Path, options: Options) -> Iterator[Sink[Sample]]:
    """A list (``.json``) or JSON lines, and the entry in ``dataset_info.json``."""
    if out.name == INFO:
        raise DataError(f"{out}: is the list of data sets; give the data a name of their own")
    info = _info(out.with_name(INFO))
    columns: set[str] = set()

    def encode(sample: Sample, lost: Lost) -> Any:
        _refuse_order(sample.messages)
        tell_unused(sample, lost, "LLaMA-Factory")
        record = record_of(sample, options, "llamafactory")
        columns.update(set(record) & set(COLUMNS.values()))
        return record

    with json_sink(out, "lines" if out.suffix == ".jsonl" else "list", encode) as sink:
        yield sink
    info[out.stem] = {
        "file_name": out.name,
        "formatting": "sharegpt",
        "columns": {"messages": "messages", **{name: name for name in sorted(columns)}},
        "tags": TAGS,
    }
    with replacing(out.with_name(INFO), "w") as file:
        json.dump(info, file, ensure_ascii=False, indent=2)
        file.write("\n")


def record_of(sample: Sample, options: Options, format: str) -> dict[str, Any]:
    """Messages with marks, lists of media by kind, and what is carried along."""
    files = files_by_kind(sample.media, options)
    return {
        "messages": [{"role": message.role, "content": tagged(message)} for message in sample.messages],
        **{COLUMNS[kind]: files[kind] for kind in KINDS if kind in files},
        **carried(sample, format),
    }


def _refuse_order(messages: Sequence[Message]) -> None:
    roles = [message.role for message in messages]
    talk = roles[1:] if roles[0] == "system" else roles
    if not talk or len(talk) % 2 or any(role != ("user", "assistant")[n % 2] for n, role in enumerate(talk)):
        raise DataError(f"LLaMA-Factory wants user and assistant in turn, got {', '.join(roles)}")


def _recognises(head: Head) -> bool:
    if (head.path.parent / INFO).is_file() and _entry(head.path):
        return True
    if not head.has("conversations") or not isinstance(head.record["conversations"], list):
        return head.path.suffix.lower() == ".json" and head.has("messages") and _texts(head.record["messages"])
    return not isinstance(head.record.get("video"), str)


def _texts(turns: object) -> bool:
    return (
        isinstance(turns, list)
        and bool(turns)
        and all(
            isinstance(turn, dict) and turn.get("role") in ROLES and isinstance(turn.get("content"), str)
            for turn in turns
        )
    )


FORMAT = Format(
    "llamafactory",
    "LLaMA-Factory: sharegpt with dataset_info.json",
    "samples",
    _recognises,
    read,
    write,
    (
        "face boxes, times of media and weights are carried but not used by LLaMA-Factory",
        "turns that do not alternate between user and assistant are rejected",
    ),
)
