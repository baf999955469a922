"""The served model as a speaker: conversations with media to vLLM's protocol, replies piece by piece, and how likely a label was.

:mod:`emollm.answering` asks it as it asks a model in process. Media are decoded by the measuring processes; the prompt that vLLM makes of a
conversation is, token for token, the one of training and of ``emollm explain``.
"""

import base64
import json
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from emollm.errors import DataError, ModelError
from emollm.generate import CONTROL, MAX_TOKENS, PromptTooLong, neutral
from emollm.samples import MediaItem
from emollm.serve.checkpoint import Checkpoint
from emollm.serve.measurers import Shown
from emollm.serve.refusals import Refused, told_by
from emollm.speaker import Asked, Draw
from emollm.turns import questions_of
from emollm.types import Message

if TYPE_CHECKING:
    import httpx
    from tokenizers import Tokenizer

PATH = "/v1/chat/completions"
_LONG = re.compile(r"maximum (?:context|model) length")
"""What vLLM says of a conversation that does not fit."""


class Spoken(NamedTuple):
    """A reply, and the request that it answers."""

    text: str
    tokens: tuple[int, ...]
    body: dict[str, Any]


class Words:
    """The tokenizer of a model, and its texts without control tokens."""

    def __init__(self, served: Checkpoint) -> None:
        self._file = served.folder / "tokenizer.json"

    def harmless(self, text: str) -> str:
        """A text as it is, or with what looks like a control token broken up: as the processor does it in training."""
        return neutral(text, self._special) if CONTROL.search(text) else text

    def tokens(self, text: str) -> tuple[int, ...]:
        """Of a text."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        """Of tokens, without those that only steer."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(self._file))

    @cached_property
    def _special(self) -> tuple[str, ...]:
        added = self._tokenizer.get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special)


def conversation(
    messages: Sequence[Message], media: Sequence[Shown], served: Checkpoint, words: Words
) -> dict[str, Any]:
    """The part of a request to vLLM that holds a conversation: ``messages``, and what goes with its pictures.

    Args:
        messages: Oldest first.
        media: One item for each place in them, in order.
        served: Streams that it lacks get no media, as in training.
        words: Of the same model.
    """
    left = iter(media)
    told = []
    pictures: list[Shown] = []
    for message in messages:
        parts: list[dict[str, Any]] = []
        for part in message.content:
            if part.type == "text":
                parts.append({"type": "text", "text": words.harmless(part.text)})
                continue
            item = next(left)
            if item.type == "image":
                pictures.append(item)
            if served.sees if item.type == "image" else served.hears:
                parts.append(_part(item))
        text_only = all(part["type"] == "text" for part in parts)
        content = "".join(part["text"] for part in parts) if text_only else parts
        told.append({"role": message.role, "content": content})
    body: dict[str, Any] = {"messages": told}
    if pictures and served.sees:
        own: dict[str, Any] = {"boxes": {item.mark: [list(box) for box in item.boxes] for item in pictures}}
        if served.weighs:
            asked = questions_of(messages)
            own["question"] = {item.mark: words.harmless(text) for item, text in zip(pictures, asked, strict=True)}
        body["mm_processor_kwargs"] = {"images_kwargs": own}
    return body


def _part(item: Shown) -> dict[str, Any]:
    data = base64.b64encode(item.data).decode()
    if item.type == "image":
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


class VllmSpeaker:
    """The served model, for one request; its methods wait, so they are called in threads.

    Args:
        served: The model.
        words: Its tokenizer.
        model: Name of the model or of one of its adapters.
        client: Of the vLLM that works now.
        show: Decodes media, in order.
        stop: Set when nobody wants the reply any more; generation then ends.
    """

    def __init__(
        self,
        served: Checkpoint,
        words: Words,
        model: str,
        client: "httpx.Client",
        show: Callable[[Sequence[MediaItem]], Sequence[Shown]],
        stop: threading.Event,
    ) -> None:
        self._served, self._words, self._model = served, words, model
        self._client, self._show, self._stop = client, show, stop

    @property
    def name(self) -> str:
        """``name@version``, as in process; of an adapter with its name behind."""
        own = f"{self._served.name}@{self._served.version}"
        return own if self._model == self._served.name else f"{own}+{self._model}"

    def speak_many(
        self, asked: Sequence[Asked], told: Callable[[int], None] | None = None, **draw: Unpack[Draw]
    ) -> list[Spoken]:
        """See :meth:`emollm.speaker.Speaker.speak_many`."""
        if not asked:
            return []
        found = []
        with ThreadPoolExecutor(len(asked)) as pool:
            for spoken in pool.map(lambda one: self._whole(one, draw), asked):
                found.append(spoken)
                if told is not None:
                    told(len(found))
        return found

    def _whole(self, asked: Asked, draw: Draw) -> Spoken:
        *_, spoken = self.speak_aloud(asked, **draw)
        assert isinstance(spoken, Spoken)
        return spoken

    def speak_aloud(self, asked: Asked, **draw: Unpack[Draw]) -> Iterator[str | Spoken]:
        """See :meth:`emollm.speaker.Speaker.speak_aloud`."""
        body = self._body(asked)
        text, tokens = "", []
        for piece, ids in self._pieces({**body, **drawn(draw)}):
            text += piece
            tokens += ids
            if piece:
                yield piece
        whole = self._words.text(tokens)  # with the half of a character at which a reply was cut off
        if whole.startswith(text) and whole != text:
            yield whole[len(text) :]
        yield Spoken(whole, tuple(tokens), body)

    def generate(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See :meth:`emollm.generate.Generator.generate`."""
        return "".join(self.stream(messages, max_tokens=max_tokens, temperature=temperature, seed=seed))

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """See :meth:`emollm.generate.Generator.stream`."""
        said = self.speak_aloud(Asked(tuple(messages)), max_tokens=max_tokens, temperature=temperature, seed=seed)
        return (piece for piece in said if isinstance(piece, str))

    def spoken_scores(self, spoken: Spoken, before: str, labels: Sequence[str]) -> list[float]:
        """See :meth:`emollm.speaker.Speaker.spoken_scores`."""
        count = 0
        while count < len(spoken.tokens) and before.startswith(self._words.text(spoken.tokens[: count + 1])):
            count += 1
        said = self._words.text(spoken.tokens[:count])
        rest = before.removeprefix(said)
        rows = [self._words.tokens(rest + label) for label in labels]
        follow: dict[tuple[int, ...], set[int]] = {}
        for row in rows:
            for place, token in enumerate(row):
                follow.setdefault(row[:place], set()).add(token)
        with ThreadPoolExecutor(len(follow)) as pool:
            told = pool.map(
                lambda one: self._next(spoken, said + self._words.text(one[0]), sorted(one[1])), follow.items()
            )
            chances = dict(zip(follow, told, strict=True))
        summed = [sum(chances[row[:place]][token] for place, token in enumerate(row)) for row in rows]
        most = max(summed)
        weights = [math.exp(one - most) for one in summed]
        return [weight / sum(weights) for weight in weights]

    # ---- inside

    def _body(self, asked: Asked) -> dict[str, Any]:
        wanted = sum(part.type != "text" for message in asked.messages for part in message.content)
        if wanted != len(asked.media):
            raise DataError(f"{wanted} places for media but {len(asked.media)} items; add the item or remove the place")
        shown = self._show([item.model_copy(update={"path": asked.root / item.path}) for item in asked.media])
        return {"model": self._model, **conversation(asked.messages, shown, self._served, self._words)}

    def _next(self, spoken: Spoken, said: str, tokens: Sequence[int]) -> dict[int, float]:
        """Logarithm of the probability of each token behind a beginning of the reply."""
        more = [{"role": "assistant", "content": said}] if said else []
        body = {
            **spoken.body,
            "messages": [*spoken.body["messages"], *more],
            "add_generation_prompt": not more,
            "continue_final_message": bool(more),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "logprob_token_ids": list(tokens),
            "return_tokens_as_token_ids": True,
        }
        response = self._post(body)
        (first,) = response["choices"][0]["logprobs"]["content"]
        found = {int(one["token"].removeprefix("token_id:")): float(one["logprob"]) for one in first["top_logprobs"]}
        return {token: found[token] for token in tokens}

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        try:
            response = self._client.post(PATH, json=body)
            said: dict[str, Any] = response.json()
        except (httpx.HTTPError, RuntimeError, ValueError) as error:
            raise _gone() from error
        if response.status_code != 200:
            raise self._refusal(response.status_code, said)
        return said

    def _refusal(self, status: int, said: dict[str, Any]) -> ModelError | Refused:
        """What a status of vLLM amounts to."""
        refused = told_by(status, said)
        if status == 400 and _LONG.search(str(refused)):
            return PromptTooLong(self.name, None, None, self._served.context)
        return refused

    def _pieces(self, body: dict[str, Any]) -> Iterator[tuple[str, list[int]]]:
        """Texts and tokens of a reply as they come."""
        import httpx

        asked = {**body, "stream": True, "return_token_ids": True}
        try:
            with self._client.stream("POST", PATH, json=asked) as response:
                if response.status_code != 200:
                    raise self._refusal(response.status_code, json.loads(response.read()))
                for line in response.iter_lines():
                    if self._stop.is_set():
                        raise ModelError("stopped")
                    if (said := event(line)) is None:
                        continue
                    if "error" in said:
                        raise told_by(503, said)
                    for choice in said["choices"]:
                        yield choice["delta"].get("content") or "", choice.get("token_ids") or []
        except (httpx.HTTPError, RuntimeError, ValueError) as error:
            raise _gone() from error


def drawn(draw: Draw) -> dict[str, Any]:
    """How tokens are drawn, in the words of the protocol."""
    return {
        "max_tokens": draw.get("max_tokens", MAX_TOKENS),
        "temperature": draw.get("temperature", 0.0),
        "seed": draw.get("seed", 0),
        "min_tokens": draw.get("least", 0),
    }


def event(line: str) -> dict[str, Any] | None:
    """What a line of a stream of events holds; None where it is not data, or the end."""
    data = line.removeprefix("data:").strip()
    if not line.startswith("data:") or data in ("", "[DONE]"):
        return None
    said: dict[str, Any] = json.loads(data)
    return said


def _gone() -> Refused:
    return Refused(503, "the engine went away in the middle of the work; ask again", "engine_away", retry_after=10)
