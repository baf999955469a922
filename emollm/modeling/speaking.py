"""Models of our own family as generators: conversations with pictures and voices to replies, and how likely each label was.

``open_generator("emollm-135m")`` gives one; so does a folder that ``emollm train`` or ``emollm export`` wrote.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import torch
from torch import Tensor

from emollm.generate import MAX_TOKENS, PromptTooLong, _as_set, _choose
from emollm.modeling.assemble import Built
from emollm.modeling.conversation import Encoded, batch_of, encode
from emollm.modeling.modeling import EmoLLMForConditionalGeneration
from emollm.samples import MediaItem
from emollm.speaker import Asked, Draw
from emollm.types import Message


class Spoken(NamedTuple):
    """A reply, and what it takes to go on from any place of it."""

    text: str
    tokens: tuple[int, ...]
    """Its tokens, without the one that ends the turn."""
    prompt: tuple[int, ...]
    """Tokens before it, placeholders included."""
    memory: Any
    """Keys and values of prompt and reply, a row for each conversation that was spoken in the same batch."""
    row: int = 0
    """Which row is this one's."""
    padding: int = 0
    """Places before the prompt that the row was filled up with."""


class EmoLLMGenerator:
    """A model of our family, run in process on the GPU if there is one.

    Args:
        name: ``name@version`` for provenance.
        open: Gives model and processor, when they are first needed.
    """

    def __init__(self, name: str, open: Callable[[], Built]) -> None:
        self.name = name
        self._open = open
        self._lock, self._speaking = threading.Lock(), threading.Lock()

    def generate(
        self,
        messages: Sequence[Message],
        *,
        media: Sequence[MediaItem] = (),
        root: Path = Path(),
        **draw: Unpack[Draw],
    ) -> str:
        """See :meth:`emollm.generate.Generator.generate`; with media, one item for each place in the messages."""
        return self.speak(Asked(tuple(messages), tuple(media), root), **draw).text

    def stream(
        self,
        messages: Sequence[Message],
        *,
        media: Sequence[MediaItem] = (),
        root: Path = Path(),
        **draw: Unpack[Draw],
    ) -> Iterator[str]:
        """The same reply piece by piece."""
        said = self.speak_aloud(Asked(tuple(messages), tuple(media), root), **draw)
        return (piece for piece in said if isinstance(piece, str))

    def speak_aloud(self, asked: Asked, **draw: Unpack[Draw]) -> Iterator[str | Spoken]:
        """The reply to a conversation piece by piece, and at last the reply as :meth:`speak` gives it."""
        encoded = self._encoded(asked, draw.get("max_tokens", MAX_TOKENS))
        tokens: list[int] = []
        memory, shown = None, ""
        for (token,), memory in self._steps([encoded], **draw):  # noqa: B007 (the last one is kept)
            if token is None:
                break
            tokens.append(token)
            text = self._text(tokens)
            if text.startswith(shown) and not text.endswith("\ufffd") and text != shown:  # half a character: wait
                yield text[len(shown) :]
                shown = text
        text = self._text(tokens)
        if rest := text.removeprefix(shown):
            yield rest
        yield Spoken(text, tuple(tokens), tuple(encoded.ids), memory)

    def ready(self) -> EmoLLMForConditionalGeneration:
        """The model, loaded.

        Raises:
            ModelError: It cannot be had or read.
        """
        return self._loaded.model

    def built(self) -> Built:
        """Model and processor, loaded."""
        return self._loaded

    def speak(self, asked: Asked, **draw: Unpack[Draw]) -> Spoken:
        """The reply with its tokens and the cache behind them; see :meth:`speak_many`."""
        return self.speak_many([asked], **draw)[0]

    def speak_many(
        self, asked: Sequence[Asked], told: Callable[[int], None] | None = None, **draw: Unpack[Draw]
    ) -> list[Spoken]:
        """The replies to several conversations in one batch, each as it would be alone but for rounding.

        Args:
            asked: The conversations.
            told: Told after each token how many replies have ended, and at last that all have; what it raises ends the work.
            **draw: See :class:`Draw`.

        Raises:
            PromptTooLong: A prompt and its reply do not fit the model's context.
            DataError: Media that do not match their places.
            MediaError: Media cannot be read.
            ModelError: The model cannot be loaded.
        """
        if not asked:
            return []
        encoded = [self._encoded(one, draw.get("max_tokens", MAX_TOKENS)) for one in asked]
        replies: list[list[int]] = [[] for _ in asked]
        memory = None
        with self._speaking:  # several clips at once would only take threads from each other
            for tokens, memory in self._steps(encoded, **draw):  # noqa: B007 (the last one is kept)
                for reply, token in zip(replies, tokens, strict=True):
                    if token is not None:
                        reply.append(token)
                if told is not None:
                    told(tokens.count(None))
        if told is not None:
            told(len(asked))
        longest = max(len(one.ids) for one in encoded)
        return [
            Spoken(self._text(reply), tuple(reply), tuple(one.ids), memory, row, longest - len(one.ids))
            for row, (one, reply) in enumerate(zip(encoded, replies, strict=True))
        ]

    def generate_many(self, asked: Sequence[Asked], *, max_tokens: int = MAX_TOKENS) -> list[str]:
        """The likeliest replies to several conversations, in one batch."""
        return [one.text for one in self.speak_many(asked, max_tokens=max_tokens)]

    def label_scores(self, asked: Asked, labels: Sequence[str], before: str = "") -> list[float]:
        """How likely each label is as what comes next in the reply; they add up to 1.

        Args:
            asked: The conversation.
            labels: Words to choose from.
            before: What of the reply stands before the label.
        """
        encoded = self._encoded(asked, 0)
        batch = self._here(batch_of([encoded], 0))
        batch.pop("labels")
        with torch.inference_mode():
            memory = self._loaded[0](**batch, use_cache=True, logits_to_keep=1).past_key_values
        return self._scores(Spoken("", (), tuple(encoded.ids), memory), 0, before, labels)

    def spoken_scores(self, spoken: Spoken, before: str, labels: Sequence[str]) -> list[float]:
        """The same within a reply that was spoken, as what follows its begin ``before``; its cache is used, so little is computed."""
        count = 0
        while count < len(spoken.tokens) and before.startswith(self._text(spoken.tokens[: count + 1])):
            count += 1
        return self._scores(spoken, count, before.removeprefix(self._text(spoken.tokens[:count])), labels)

    def _scores(self, spoken: Spoken, count: int, before: str, labels: Sequence[str]) -> list[float]:
        """Probabilities of labels behind so many tokens of a reply and what more stands before them."""
        tokenizer = self._loaded[1].tokenizer
        rows = [tuple(tokenizer(before + label, add_special_tokens=False)["input_ids"]) for label in labels]
        begins = sorted({row[:length] for row in rows for length in range(len(row))}, key=lambda one: (len(one), one))
        place = {one: number for number, one in enumerate(begins)}
        told = self._after(spoken, count, begins)  # (begins, V)
        summed = [
            torch.stack([told[place[row[:length]], token] for length, token in enumerate(row)]).sum() for row in rows
        ]
        return [float(score) for score in torch.stack(summed).softmax(0)]

    def _after(self, spoken: Spoken, count: int, begins: Sequence[tuple[int, ...]]) -> Tensor:
        """Log-probabilities (B, V) of the next token behind so many tokens of a reply and each of B ways to go on.

        All ways are read at once, as a tree: the last token of each sees the reply and those before it in its own way alone.

        Args:
            spoken: The reply.
            count: Tokens of it that count.
            begins: Ways to go on, each behind all of its own begins; the first is the empty one.
        """
        ids = (*spoken.prompt, *spoken.tokens[:count])
        memory = _row_of(spoken)
        # The last token is fed again: it predicts what follows the empty way.
        if surplus := memory.get_seq_length() - (spoken.padding + len(ids) - 1):
            memory.crop(-surplus)
        place = {one: number for number, one in enumerate(begins)}
        known = memory.get_seq_length()
        seen = torch.zeros(len(begins), known + len(begins), dtype=torch.bool)
        seen[:, spoken.padding : known] = True
        for number, one in enumerate(begins):
            seen[number, [known + place[one[:length]] for length in range(len(one) + 1)]] = True
        model = self._loaded[0]
        mask = torch.zeros(seen.shape, dtype=model.dtype).masked_fill(~seen, torch.finfo(model.dtype).min)
        inputs = {
            "input_ids": torch.tensor([[one[-1] if one else ids[-1] for one in begins]]),
            "attention_mask": mask[None, None],  # (1, 1, B, known + B)
            "position_ids": torch.tensor([[len(ids) - 1 + len(one) for one in begins]]),
        }
        with torch.inference_mode():
            logits = model(**self._here(inputs), past_key_values=memory, use_cache=True).logits[0]
        return logits.float().log_softmax(-1).cpu()

    def _steps(
        self,
        encoded: Sequence[Encoded],
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        seed: int = 0,
        least: int = 0,
    ) -> Iterator[tuple[list[int | None], Any]]:
        """Draws a token for each row at a time, None where the turn has ended, until all have; with the cache of what came before."""
        model, processor = self._loaded
        draws = [torch.Generator().manual_seed(seed) for _ in encoded]
        inputs = _left(self._here(batch_of(encoded, processor.tokenizer.pad_token_id or 0)))
        mask: Tensor = inputs["attention_mask"]
        place = (mask.cumsum(-1) - 1).clamp(min=0)
        memory = None
        ended: set[int] = set()
        for count in range(max_tokens):
            with torch.inference_mode():
                output = model(**inputs, position_ids=place, past_key_values=memory, use_cache=True, logits_to_keep=1)
            memory = output.past_key_values
            tokens: list[int | None] = []
            for row, (logits, draw) in enumerate(zip(output.logits[:, -1].float().cpu(), draws, strict=True)):
                if count < least:
                    logits = logits.clone()
                    logits[list(self.ends)] = -torch.inf
                token = _choose(logits, temperature, draw)
                if token in self.ends:
                    ended.add(row)
                tokens.append(None if row in ended else token)
            yield tokens, memory
            if len(ended) == len(encoded):
                return
            mask, place = torch.cat([mask, mask.new_ones(len(mask), 1)], 1), place[:, -1:] + 1
            inputs = {"input_ids": mask.new_tensor([[token or 0] for token in tokens]), "attention_mask": mask}

    def _encoded(self, asked: Asked, reply: int) -> Encoded:
        """Tokens and media of a conversation."""
        _, processor = self._loaded
        encoded = encode(processor, asked.messages, asked.media, root=asked.root, prompt=True)
        if len(encoded.ids) + reply > self._limit:
            raise PromptTooLong(self.name, len(encoded.ids), reply, self._limit)
        return encoded

    def _here(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Tensors where the model is."""
        device = self._loaded[0].device
        return {name: value.to(device) for name, value in batch.items()}

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._loaded[1].tokenizer.decode(list(tokens), skip_special_tokens=True))

    @property
    def _loaded(self) -> Built:
        with self._lock:
            return self._built

    @cached_property
    def _built(self) -> Built:
        built = self._open()
        model: Any = built.model
        return Built(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), built.processor)

    @cached_property
    def ends(self) -> frozenset[int]:
        """Tokens that end a turn."""
        model, processor = self._loaded
        return frozenset(_as_set(model.generation_config.eos_token_id) | _as_set(processor.tokenizer.eos_token_id))

    @cached_property
    def _limit(self) -> int:
        """Most tokens that prompt and reply may have together."""
        return int(self._loaded[0].config.get_text_config().max_position_embeddings)


def _left(batch: dict[str, Any]) -> dict[str, Any]:
    """Rows that are filled up on the left, as replies to several conversations need it."""
    mask: Tensor = batch["attention_mask"]
    moved = {}
    for name in ("input_ids", "attention_mask"):
        rows = [torch.roll(row, int((own == 0).sum())) for row, own in zip(batch[name], mask, strict=True)]
        moved[name] = torch.stack(rows)
    return {name: value for name, value in (batch | moved).items() if name != "labels"}


def _row_of(spoken: Spoken) -> Any:
    """A cache of the reply's own row; the one that it comes from stays whole."""
    memory = copy(spoken.memory)
    memory.layers = [copy(layer) for layer in memory.layers]  # their tensors are replaced, never written to
    memory.batch_select_indices(torch.tensor([spoken.row]))
    return memory
