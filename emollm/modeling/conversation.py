"""Conversations to tensors: what the model reads, and which tokens it has to learn.

The text is cut where a turn of the assistant begins and ends and each piece becomes tokens of its own, because that is where the model
will stand when it replies; placeholders and boxes go through the processor, as everywhere.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from emollm.errors import ConfigError, DataError
from emollm.modeling.modeling import IGNORED
from emollm.modeling.processing import AUDIO, IMAGE, EmoLLMProcessor
from emollm.modeling.sample_media import listen, look
from emollm.samples import MediaItem, Sample
from emollm.turns import questions_of
from emollm.types import MediaPart, Message

LEAST = 8
"""Tokens of a reply that must be left for a conversation to be learnt from at all."""


class Encoded(NamedTuple):
    """A conversation as the model takes it."""

    ids: list[int]
    """(N,) tokens, placeholders included."""
    labels: list[int]
    """(N,) the same where the assistant speaks, -100 elsewhere."""
    media: dict[str, Tensor]
    """Tensors of :data:`emollm.modeling.expanding.MEDIA`, an item a row; empty without media."""
    cut: int
    """Tokens at the end of the last reply that were left out to fit."""
    dropped: int
    """Turns of question and reply that were left out to fit."""


class Piece(NamedTuple):
    """A part of a rendered conversation."""

    text: str
    learnt: bool


def encode(
    processor: EmoLLMProcessor,
    messages: Sequence[Message],
    media: Sequence[MediaItem] = (),
    *,
    root: Path = Path(),
    limit: int | None = None,
    prompt: bool = False,
) -> Encoded:
    """Tokens, labels and media of a conversation.

    Args:
        processor: Of the model.
        messages: Oldest first.
        media: One item for each place in the messages, in order.
        root: What relative paths of media are relative to.
        limit: Most tokens. What is too long loses its last questions and replies first, then the end of the last reply; tokens of media
            and of the first question are never cut.
        prompt: Whether the conversation ends where the assistant is to reply; else it has to hold a reply, and what follows the last one
            is left out.

    Raises:
        DataError: No reply in a conversation to learn from, too long even when cut, or media that do not match their places.
        MediaError: Media cannot be read.
        ConfigError: The chat template rewrites earlier turns, so that replies cannot be told apart.
    """
    if not prompt and not any(message.role == "assistant" for message in messages):
        raise DataError("no turn of the assistant, so nothing to learn from; add one or leave the Sample out")
    wanted = sum(isinstance(part, MediaPart) for message in messages for part in message.content)
    if wanted != len(media):
        raise DataError(f"{wanted} places for media but {len(media)} items; add the item or remove the place")
    if reason := refused(messages):
        raise DataError(reason)
    if not prompt:
        messages, media = learnt_part(messages, media)
    places = _pieces(processor, messages, prompt)
    tensors, expanded = _with_media(processor, [piece.text for piece in places], messages, media, root)
    pieces = [
        (processor.tokenizer(text, add_special_tokens=False)["input_ids"], piece.learnt)
        for text, piece in zip(expanded, places, strict=True)
    ]
    cut = dropped = 0
    if limit is not None:
        pieces, cut, dropped = _fitted(pieces, limit, processor)
    ids = [token for tokens, _ in pieces for token in tokens]
    labels = [token if learnt else IGNORED for tokens, learnt in pieces for token in tokens]
    return Encoded(ids, labels, tensors, cut, dropped)


def refused(messages: Sequence[Message]) -> str | None:
    """Why no model of this family takes a conversation, if so: a video, or media in a reply."""
    for message in messages:
        for part in message.content:
            if part.type == "video":
                return "a video is not taken as such; give frames of it as pictures and its sound as a voice"
            if part.type != "text" and message.role == "assistant":
                return f"{part.type} in a reply, which can only be text; put it into the turn before"
    return None


def learnt_part(
    messages: Sequence[Message], media: Sequence[MediaItem]
) -> tuple[Sequence[Message], Sequence[MediaItem]]:
    """A conversation up to its last reply, and the media of these turns: nothing is learnt from what is behind."""
    end = max(place for place, message in enumerate(messages) if message.role == "assistant") + 1
    count = sum(isinstance(part, MediaPart) for message in messages[:end] for part in message.content)
    return messages[:end], media[:count]


def encode_sample(processor: EmoLLMProcessor, sample: Sample, root: Path, limit: int | None = None) -> Encoded:
    """Tokens, labels and media of a Sample; see :func:`encode`."""
    try:
        return encode(processor, sample.messages, sample.media, root=root, limit=limit)
    except DataError as error:
        raise DataError(f"{sample.id}: {error}") from error


def _pieces(processor: EmoLLMProcessor, messages: Sequence[Message], prompt: bool) -> list[Piece]:
    """The rendered conversation, cut where the assistant begins and ends."""
    turns = [{"role": message.role, "content": _text_of(message, processor)} for message in messages]

    def rendered(count: int, reply: bool) -> str:
        text = processor.tokenizer.apply_chat_template(turns[:count], tokenize=False, add_generation_prompt=reply)
        return str(text)

    pieces: list[Piece] = []
    done = ""
    for place, message in enumerate(messages):
        if message.role != "assistant":
            continue
        before, after = rendered(place, True), rendered(place + 1, False)
        if not (before.startswith(done) and after.startswith(before)):
            raise ConfigError("the chat template rewrites earlier turns; give the tokenizer one that only adds to them")
        pieces.append(Piece(before[len(done) :], False))
        reply, end, rest = after[len(before) :].partition(str(processor.tokenizer.eos_token))
        pieces += [Piece(reply + end, True), Piece(rest, False)]
        done = after
    if prompt:
        pieces.append(Piece(rendered(len(messages), True)[len(done) :], False))
    return [piece for piece in pieces if piece.text]


def _text_of(message: Message, processor: EmoLLMProcessor) -> str:
    """The text of a turn with its placeholders; what looks like a control token in the text itself is broken up."""
    parts = []
    for part in message.content:
        if isinstance(part, MediaPart):
            parts.append(IMAGE if part.type == "image" else AUDIO)
        else:
            parts.append(processor.harmless(part.text))
    return "".join(parts)


def _with_media(
    processor: EmoLLMProcessor, texts: list[str], messages: Sequence[Message], media: Sequence[MediaItem], root: Path
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the media, and the texts with as many placeholders as the media have tokens."""
    tensors: dict[str, Tensor] = {}
    pictures: list[str] = []
    voices: list[str] = []
    looks = [look(item, root) for item in media if item.type == "image"]
    if looks and (processor.scene_tokens or processor.face_tokens):
        found, pictures = processor._process_images(
            [each.pixels for each in looks], boxes=[each.boxes for each in looks], question=questions_of(messages)
        )
        tensors |= found
    elif looks:
        pictures = [""] * len(looks)
    sounds = [item for item in media if item.type == "audio"]
    if sounds and processor.speech_tokens:
        found, voices = processor._process_audio([listen(item, root) for item in sounds])
        tensors |= found
    elif sounds:
        voices = [""] * len(sounds)
    expanded, _ = processor.get_text_with_replacements(list(texts), pictures, [], voices)
    return tensors, expanded


def _fitted(
    pieces: list[tuple[list[int], bool]], limit: int, processor: EmoLLMProcessor
) -> tuple[list[tuple[list[int], bool]], int, int]:
    """The pieces within a limit, tokens that were cut and turns that were dropped.

    Raises:
        DataError: The first question and its media leave no room for a reply.
    """
    media = {processor.image_token_id, processor.audio_token_id}
    size = sum(len(tokens) for tokens, _ in pieces)
    dropped = 0
    while size > limit and sum(learnt for _, learnt in pieces) > 1:
        last = max(place for place, (_, learnt) in enumerate(pieces) if learnt)
        question = last - 1
        if media.intersection(pieces[question][0]):
            break
        size -= sum(len(tokens) for tokens, _ in pieces[question:])
        pieces, dropped = pieces[:question], dropped + 1
    if size <= limit:
        return pieces, 0, dropped
    last = max(place for place, (_, learnt) in enumerate(pieces) if learnt)
    before = sum(len(tokens) for tokens, _ in pieces[:last])
    room = limit - before
    if room < LEAST:
        raise DataError(
            f"{before} tokens before the reply leave {max(room, 0)} of {limit} for it; raise max_tokens, shorten the text or give "
            "fewer pictures"
        )
    reply = pieces[last][0]
    return [*pieces[:last], (reply[:room], True)], len(reply) - min(len(reply), room), dropped


def batch_of(encoded: Sequence[Encoded], padding: int, *, packed: bool = False) -> dict[str, Any]:
    """Tensors of several conversations.

    Args:
        encoded: The conversations.
        padding: Token that fills rows up.
        packed: One row without padding, in which each conversation begins at position 0 and sees only itself; else a row each,
            padded on the right.
    """
    if packed:
        batch: dict[str, Any] = {
            "input_ids": torch.tensor([[token for one in encoded for token in one.ids]]),
            "labels": torch.tensor(
                # The first token of a conversation must not be told from the last one of another.
                [[label for one in encoded for label in (IGNORED, *one.labels[1:])]]
            ),
            "position_ids": torch.tensor([[place for one in encoded for place in range(len(one.ids))]]),
        }
    else:
        longest = max(len(one.ids) for one in encoded)
        batch = {
            "input_ids": torch.tensor([one.ids + [padding] * (longest - len(one.ids)) for one in encoded]),
            "attention_mask": torch.tensor([[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in encoded]),
            "labels": torch.tensor([one.labels + [IGNORED] * (longest - len(one.labels)) for one in encoded]),
        }
    return batch | _media_of(encoded)


def _media_of(encoded: Sequence[Encoded]) -> dict[str, Tensor]:
    """The media of all conversations in order; pictures with fewer faces than others get empty rows."""
    names = dict.fromkeys(name for one in encoded for name in one.media)
    media = {}
    for name in names:
        rows = [one.media[name] for one in encoded if name in one.media]
        if name == "face_values":
            most = max(row.shape[1] for row in rows)
            rows = [torch.nn.functional.pad(row, (0, 0) * 3 + (0, most - row.shape[1])) for row in rows]
        media[name] = torch.cat(rows)
    return media
