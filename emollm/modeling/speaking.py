"""Models of our own family as generators: conversations with pictures and voices to replies, and how likely each label was.

``open_generator("emollm-135m")`` gives one; so does a folder that ``emollm train`` or ``emollm export`` wrote.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from emollm.generate import MAX_TOKENS, PromptTooLong, _as_set, _choose
from emollm.modeling.assemble import Built
from emollm.modeling.conversation import Encoded, batch_of, encode
from emollm.modeling.modeling import EmoLLMForConditionalGeneration
from emollm.samples import MediaItem
from emollm.types import Message


class Asked(NamedTuple):
    """A conversation that ends where the model is to reply."""

    messages: tuple[Message, ...]
    media: tuple[MediaItem, ...] = ()
    """One item for each place in the messages, in order."""
    root: Path = Path()
    """What relative paths of media are relative to."""


class Spoken(NamedTuple):
    """A reply, and what it takes to go on from any place of it."""

    text: str
    tokens: tuple[int, ...]
    """Its tokens, without the one that ends the turn."""
    prompt: tuple[int, ...]
    """Tokens before it, placeholders included."""
    memory: Any
    """Keys and values of prompt and reply."""


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
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> str:
        """See :meth:`emollm.generate.Generator.generate`; with media, one item for each place in the messages."""
        asked = Asked(tuple(messages), tuple(media), root)
        return self.speak(asked, max_tokens=max_tokens, temperature=temperature, seed=seed).text

    def stream(
        self,
        messages: Sequence[Message],
        *,
        media: Sequence[MediaItem] = (),
        root: Path = Path(),
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[str]:
        """The same reply piece by piece."""
        asked = Asked(tuple(messages), tuple(media), root)
        tokens: list[int] = []
        shown = ""
        for token, _ in self._steps(self._encoded(asked, max_tokens), max_tokens, temperature, seed):
            tokens.append(token)
            text = self._text(tokens)
            if text.startswith(shown) and not text.endswith("\ufffd") and text != shown:  # half a character: wait
                yield text[len(shown) :]
                shown = text
        if rest := self._text(tokens).removeprefix(shown):
            yield rest

    def ready(self) -> EmoLLMForConditionalGeneration:
        """The model, loaded.

        Raises:
            ModelError: It cannot be had or read.
        """
        return self._loaded.model

    def speak(
        self,
        asked: Asked,
        *,
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        seed: int = 0,
        least: int = 0,
    ) -> Spoken:
        """The reply with its tokens and the cache behind them.

        Args:
            asked: The conversation.
            max_tokens: The reply ends after so many tokens.
            temperature: 0 takes the likeliest token each time; above, tokens are drawn.
            seed: Of the draw.
            least: Before so many tokens the turn does not end; for measuring.

        Raises:
            PromptTooLong: Prompt and reply do not fit the model's context.
            DataError: Media that do not match their places.
            MediaError: Media cannot be read.
            ModelError: The model cannot be loaded.
        """
        encoded = self._encoded(asked, max_tokens)
        tokens: list[int] = []
        memory = None
        with self._speaking:  # several clips at once would only take threads from each other
            for token, kept in self._steps(encoded, max_tokens, temperature, seed, least):
                tokens.append(token)
                memory = kept
        return Spoken(self._text(tokens), tuple(tokens), tuple(encoded.ids), memory)

    def generate_many(self, asked: Sequence[Asked], *, max_tokens: int = MAX_TOKENS) -> list[str]:
        """The likeliest replies to several conversations, token by token, in one batch."""
        if not asked:
            return []
        processor = self._loaded.processor
        model: Any = self._loaded.model  # transformers types ``generate`` for its own classes alone
        encoded = [self._encoded(one, max_tokens) for one in asked]
        batch = self._here(_left(batch_of(encoded, processor.tokenizer.pad_token_id)))
        with torch.inference_mode():
            ids = model.generate(
                **batch,
                max_new_tokens=max_tokens,
                do_sample=False,
                pad_token_id=processor.tokenizer.pad_token_id,
                eos_token_id=sorted(self._ends),
            )
        start = batch["input_ids"].shape[1]
        return [str(processor.tokenizer.decode(row[start:], skip_special_tokens=True)) for row in ids]

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
        return self._scores(memory, encoded.ids, before, labels)

    def spoken_scores(self, spoken: Spoken, before: str, labels: Sequence[str]) -> list[float]:
        """The same within a reply that was spoken, as what follows its begin ``before``; its cache is used, so little is computed."""
        count = 0
        while count < len(spoken.tokens) and before.startswith(self._text(spoken.tokens[: count + 1])):
            count += 1
        ids = (*spoken.prompt, *spoken.tokens[:count])
        rest = before.removeprefix(self._text(spoken.tokens[:count]))
        return self._scores(deepcopy(spoken.memory), ids, rest, labels)

    def _scores(self, memory: Any, ids: Sequence[int], before: str, labels: Sequence[str]) -> list[float]:
        """Probabilities of labels behind tokens whose keys and values are the first of a cache, which is used up."""
        tokenizer = self._loaded[1].tokenizer
        rows = [tokenizer(before + label, add_special_tokens=False)["input_ids"] for label in labels]
        surplus = memory.get_seq_length() - (
            len(ids) - 1
        )  # the last token is fed again: it predicts the first of the rows
        if surplus:
            memory.crop(-surplus)
        memory.batch_repeat_interleave(len(rows))
        longest = max(map(len, rows))
        fed = torch.tensor([[ids[-1], *row, *[row[-1]] * (longest - len(row))] for row in rows])
        model = self._loaded[0]
        with torch.inference_mode():
            logits = model(input_ids=fed.to(model.device), past_key_values=memory, use_cache=True).logits
        told = logits.float().log_softmax(-1).cpu()  # (labels, longest + 1, V)
        summed = [
            told[place, range(len(row)), row].sum() for place, row in enumerate(rows)
        ]  # what is behind a row's end is filling
        return [float(score) for score in torch.stack(summed).softmax(0)]

    def _steps(
        self, encoded: Encoded, most: int, temperature: float, seed: int, least: int = 0
    ) -> Iterator[tuple[int, Any]]:
        """Draws token after token, up to but without the one that ends the turn; with the cache of what came before."""
        model, _ = self._loaded
        draw = torch.Generator().manual_seed(seed)
        batch = self._here(batch_of([encoded], 0))
        batch.pop("labels")
        inputs: dict[str, Any] = batch
        memory = None
        for place in range(most):
            with torch.inference_mode():
                output = model(**inputs, past_key_values=memory, use_cache=True, logits_to_keep=1)
            memory = output.past_key_values
            logits = output.logits[0, -1].float().cpu()
            if place < least:
                logits = logits.clone()
                logits[list(self._ends)] = -torch.inf
            token = _choose(logits, temperature, draw)
            if token in self._ends:
                return
            yield token, memory
            inputs = {"input_ids": torch.tensor([[token]], device=model.device)}

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
    def _ends(self) -> frozenset[int]:
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
