"""``/v1/chat/completions``: OpenAI's conversations with pictures, sounds and videos, measured and worded as in training, sent on to vLLM.

Each file of a message is measured; what is sent on in its place are the crops, voices and cue lines that :mod:`emollm.turns` makes of it, in front
of the message's own text. Settings of the model's processor are never taken from a request.
"""

import asyncio
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emollm.answering import shown
from emollm.errors import one_line
from emollm.samples import MediaItem
from emollm.serve.checkpoint import Checkpoint
from emollm.serve.constraints import constraint
from emollm.serve.measured import Measured, Memory, together
from emollm.serve.measurers import Measurers
from emollm.serve.refusals import Refused
from emollm.serve.settings import LimitSettings
from emollm.serve.speaking import Words, conversation
from emollm.serve.uploads import KINDS, Upload, from_url, put, readable
from emollm.types import MediaPart, Message, TextPart

PASSED = frozenset({
    "temperature", "top_p", "top_k", "min_p", "n", "stop", "seed", "presence_penalty", "frequency_penalty", "repetition_penalty", "logprobs",
    "top_logprobs", "logit_bias", "stream", "stream_options", "ignore_eos", "min_tokens", "return_token_ids",
    "skip_special_tokens", "include_stop_str_in_output",
})  # fmt: skip
"""Fields of a request that vLLM is told as they are."""
IGNORED = frozenset({
    "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls", "modalities",
})  # fmt: skip
"""Fields that mean nothing here."""
_READ = frozenset({
    "model", "messages", "max_tokens", "max_completion_tokens", "track", "structured_outputs", "response_format",
})  # fmt: skip
_PARTS = {"image_url": "image", "video_url": "video", "audio_url": "audio", "input_audio": "audio"}
_MOST_REPLIES = 8


class Turn(NamedTuple):
    """A message as it was sent, its files put aside."""

    role: str
    text: str
    files: tuple[Upload, ...]


def turns_of(said: MutableMapping[str, Any], folder: Path, limits: LimitSettings) -> list[Turn]:
    """The messages of a request, which are taken out of it. Decodes their files: to be called in a thread.

    Args:
        said: The request.
        folder: Where the files are put.
        limits: Sizes.

    Raises:
        Refused: Malformed, too many, or with files that are no ``data:`` URLs.
    """
    messages = said.pop("messages", None)
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "expected `messages`, a list of at least one")
    if len(messages) > limits.turns:
        raise Refused(
            413, f"{len(messages)} messages, at most {limits.turns} are read; leave the oldest out", "too_long"
        )
    found: list[Turn] = []
    for place, message in enumerate(messages):
        found.append(_turn(message, place, folder, sum(len(turn.files) for turn in found), limits))
    if found[-1].role != "user":
        raise Refused(400, "the last message has to be the user's")
    if readable(said, "track") and not found[-1].files:
        raise Refused(400, "track: the last message has no file in which there could be a person")
    return found


def _turn(message: Any, place: int, folder: Path, before: int, limits: LimitSettings) -> Turn:
    """A message; ``before`` files were in those before it."""
    where = f"messages[{place}]"
    role = message.get("role") if isinstance(message, Mapping) else None
    role = "system" if role == "developer" else role
    if role not in ("system", "user", "assistant"):
        raise Refused(400, f"{where}: expected a role of system, user or assistant, got {one_line(repr(role), 40)}")
    content = message.get("content")
    if isinstance(content, str):
        return Turn(role, content, ())
    if not isinstance(content, list):
        raise Refused(400, f"{where}: expected content as a text or a list of parts")
    texts: list[str] = []
    files: list[Upload] = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        kind = kind if isinstance(kind, str) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind is not None and kind in _PARTS and role == "user":
            files.append(_file(part, kind, folder, before + len(files), limits))
        else:
            raise Refused(400, f"{where}: a part of type {one_line(repr(kind), 40)} is not read in a message of {role}")
    return Turn(role, "\n".join(texts), tuple(files))


def _file(part: Mapping[str, Any], kind: str, folder: Path, place: int, limits: LimitSettings) -> Upload:
    if place >= limits.media:
        raise Refused(
            413, f"more than {limits.media} files in one conversation; leave the oldest out", "too_many_media"
        )
    own = part.get(kind)
    if kind == "input_audio":
        told = own if isinstance(own, Mapping) and isinstance(own.get("data"), str) else {"data": ""}
        url = told["data"]
        url = url if url.startswith("data:") else f"data:audio/{told.get('format') or 'wav'};base64,{url}"
    else:
        url = own.get("url") if isinstance(own, Mapping) else own
    wanted = _PARTS[kind]
    written, declared = from_url(url, wanted, limits)
    upload = put(folder, f"{wanted} {place + 1}", written, declared or f"{wanted}/*", place)
    if upload.kind != wanted:
        raise Refused(415, f"{upload.name}: declared as {one_line(declared, 60)}", "unsupported_type")
    return upload


def parameters(said: Mapping[str, Any], models: Sequence[str], limits: LimitSettings) -> dict[str, Any]:
    """What vLLM is told beside the conversation.

    Raises:
        Refused: A model that is not served, or a field that is not taken.
    """
    model = said.get("model") or models[0]
    if model not in models:
        raise Refused(404, f"no model {one_line(str(model), 80)!r}; served: {', '.join(models)}", "model_not_found")
    if unknown := sorted(set(said) - PASSED - IGNORED - _READ):
        raise Refused(400, f"{one_line(unknown[0], 60)!r} is not taken here", "unknown_field")
    passed = {name: value for name, value in said.items() if name in PASSED and value is not None}
    given = (said.get(name) for name in ("max_completion_tokens", "max_tokens"))
    most = next((each for each in given if each is not None), limits.tokens)
    if type(most) is not int or most < 1:
        raise Refused(400, f"max_tokens: expected a number above 0, got {one_line(repr(most), 40)}")
    if type(passed.get("n", 1)) is not int or not 1 <= passed.get("n", 1) <= _MOST_REPLIES:
        raise Refused(400, f"n: expected 1 to {_MOST_REPLIES}")
    if not isinstance(passed.get("stream", False), bool):
        raise Refused(400, f"stream: expected true or false, got {one_line(repr(passed['stream']), 40)}")
    return {**passed, **constraint(said), "model": model, "max_tokens": min(most, limits.tokens)}


async def request_of(
    turns: Sequence[Turn],
    track: str | None,
    folder: Path,
    served: Checkpoint,
    words: Words,
    memory: Memory,
    measurers: Measurers,
) -> dict[str, Any]:
    """The conversation as vLLM is sent it, its files measured.

    Args:
        turns: The messages of a request.
        track: Whom the files of the last one are asked about.
        folder: Of the request.
        served: The model.
        words: Its tokenizer.
        memory: Measures, or knows.
        measurers: Decode what is shown.
    """
    measured = await _all_measured([upload for turn in turns for upload in turn.files], memory)
    messages: list[Message] = []
    items: list[MediaItem] = []
    for turn in turns:
        own = [measured.pop(0) for _ in turn.files]
        message, media = _message(turn, own, track if turn is turns[-1] else None)
        messages.append(message)
        items += media
    pictures = await measurers.show(items, folder, served.whole)
    return conversation(messages, pictures, served, words)


async def _all_measured(uploads: Sequence[Upload], memory: Memory) -> list[Measured]:
    """What is measured of each; where one is refused, the others are given up."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(memory.measured(upload)) for upload in uploads]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _message(turn: Turn, files: list[Measured], track: str | None) -> tuple[Message, list[MediaItem]]:
    """A message with what stands for its files, and their media."""
    if sorted(kind for kind in KINDS for file in turn.files if file.kind == kind) == ["audio", "image"]:
        face, voice = sorted(files, key=lambda one: one.clip.image is None)
        files = [together(face, voice)]
    parts: list[TextPart | MediaPart] = []
    media: list[MediaItem] = []
    for place, one in enumerate(files):
        people = [person.id for person in one.observation.people]
        if track is not None and track not in people:
            raise Refused(400, f"no person {one_line(track, 20)!r}; known: {', '.join(people) or 'none'}")
        asked = shown(
            one.clip, one.observation, track or next(iter(people), None), turn.text if place == len(files) - 1 else ""
        )
        parts += [part for part in asked.messages[0].content if part.type != "text" or part.text]
        media += asked.media
    role: Any = turn.role
    return Message(role=role, content=tuple(parts) if files else (TextPart(text=turn.text),)), media
