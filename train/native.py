"""Models of our own family in training: frame, face and voice as streams, replies of all turns learnt."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from emollm.errors import ConfigError
from emollm.modeling.assemble import assemble, load
from emollm.modeling.conversation import LEAST, Encoded, batch_of, encode, refused
from emollm.modeling.processing import EmoLLMProcessor
from emollm.samples import Sample
from emollm.train.families import Opened
from emollm.train.sft_model import Part, Stage, four_bits
from emollm.train.sft_recipe import SftRecipe


class NativeReader:
    """Samples for a model of our family.

    Args:
        processor: Of the model.
    """

    def __init__(self, processor: EmoLLMProcessor) -> None:
        self.processor = processor
        self._frames: dict[tuple[tuple[str, ...], bool], int] = {}

    def wrong(self, sample: Sample) -> str | None:
        """Videos, and media in replies."""
        return refused(sample.messages)

    def measure(self, records: Sequence[dict[str, Any]], limit: int) -> list[int | str]:
        """Lengths of some records by the tokenizer; what their media take is told from their kind."""
        records = [_learnt(record) for record in records]
        needed = [_needed(record["messages"]) for record in records]
        texts = [_text(record["messages"]) for record in records]
        firsts = [_text(record["messages"][:count]) for record, count in zip(records, needed, strict=True)]
        words = self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
        before = self.processor.tokenizer(firsts, add_special_tokens=False)["input_ids"]
        found: list[int | str] = []
        for record, count, ids, first in zip(records, needed, words, before, strict=True):
            roles = tuple(str(message["role"]) for message in record["messages"])
            media = self._media_tokens(record)
            fits = len(first) + self._frame(roles[:count], True) + media + LEAST <= limit
            whole = min(len(ids) + self._frame(roles, False) + media, limit)
            found.append(whole if fits else f"longer than {limit} tokens before its reply")
        return found

    def _frame(self, roles: tuple[str, ...], asked: bool) -> int:
        """Tokens that the chat template puts around turns of these roles, and before a reply if one is asked for."""
        if (roles, asked) not in self._frames:
            turns = [{"role": role, "content": ""} for role in roles]
            tokenizer = self.processor.tokenizer
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asked)
            self._frames[roles, asked] = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        return self._frames[roles, asked]

    def unread(self, record: dict[str, Any]) -> Iterator[str]:
        """Media for which the model has no stream."""
        kinds = {item["type"] for item in record.get("media") or ()}
        if "image" in kinds and not (self.processor.scene_tokens or self.processor.face_tokens):
            yield "pictures"
        if "audio" in kinds and not self.processor.speech_tokens:
            yield "voices"

    def encode(self, sample: Sample, root: Path, limit: int) -> Encoded:
        """All turns; see :func:`emollm.modeling.conversation.encode`."""
        return encode(self.processor, sample.messages, sample.media, root=root, limit=limit)

    def ask(self, sample: Sample, root: Path) -> Encoded:
        """What stands before the first reply."""
        first = next(number for number, message in enumerate(sample.messages) if message.role == "assistant")
        messages = sample.messages[:first]
        count = sum(part.type != "text" for message in messages for part in message.content)
        return encode(self.processor, messages, sample.media[:count], root=root, prompt=True)

    def collate(self, encoded: Sequence[Encoded], packed: bool) -> dict[str, Any]:
        """See :func:`emollm.modeling.conversation.batch_of`."""
        return batch_of(encoded, self.processor.tokenizer.pad_token_id, packed=packed)

    def _media_tokens(self, record: dict[str, Any]) -> int:
        """Tokens of a record's media, as far as is known without reading them."""
        count = 0
        for item in record.get("media") or ():
            if item["type"] == "image":
                count += self.processor.scene_tokens + bool(item.get("box")) * self.processor.face_tokens
            elif item["type"] == "audio" and self.processor.speech_tokens:
                seconds = (item.get("end") or 5.0) - (item.get("start") or 0.0)
                count += self.processor.voice_tokens(round(min(seconds, 30.0) * 100))
        return count


class Native:
    """Our own family."""

    for_loss: Mapping[str, Any] = MappingProxyType({"loss_only": True})

    def open(self, recipe: SftRecipe, stage: Stage) -> Opened:
        """The model of a folder, or one put together from the recipe's parts.

        Raises:
            ConfigError: Parts that do not fit, or that are to be four bits wide.
            ModelError: The model cannot be had or read.
        """
        quantised = four_bits(recipe, stage, ["lm_head", "model.streams", "model.gate"])
        if isinstance(recipe.model, Path):
            return Opened(*load(recipe.model, dtype="float32", **quantised))
        if quantised:
            raise ConfigError(
                "train.method=qlora reads a model from a folder; save the parts first: python -m emollm.modeling.assemble"
            )
        return Opened(*assemble(recipe.model))

    def reader(self, processor: EmoLLMProcessor, recipe: SftRecipe) -> NativeReader:
        """What reads Samples.

        Raises:
            ConfigError: The recipe says which view is given.
        """
        if recipe.view is not None:
            raise ConfigError("view: a model of our own family looks at what its streams take; leave it out")
        return NativeReader(processor)

    def parts(self, model: Any) -> list[Part]:
        """Tower and connector of each stream, the gate, the language model."""
        kinds: tuple[Literal["tower", "connector"], ...] = ("tower", "connector")
        found = [
            Part(f"{name} {kind}", kind, f"model.streams.{name}.{kind}")
            for name in model.model.streams
            for kind in kinds
        ]
        if model.model.gate is not None:
            found.append(Part("gate", "connector", "model.gate"))
        language = "language model"
        return [*found, Part(language, "language", "model.language_model"), Part(language, "head", "lm_head")]

    def ready(self, model: Any, recipe: SftRecipe, stage: Stage) -> None:
        """Says what of a stream runs in a step that has nothing for it; see :class:`emollm.modeling.modeling.EmoLLMModel`."""
        shared = any(hasattr(parameter, "ds_id") for parameter in model.parameters())
        towers = any(parameter.requires_grad for name, parameter in model.named_parameters() if ".tower." in name)
        if shared or towers or (recipe.deepspeed or "").startswith("zero3"):
            model.model.blanks = "towers"
        else:
            model.model.blanks = "connectors" if stage == "align" or recipe.train.connectors else ""

    @contextmanager
    def answering(self, model: Any) -> Iterator[None]:
        """Without blanks: the gradients that they are for are not taken."""
        model.model.blanks, before = "", model.model.blanks
        try:
            yield
        finally:
            model.model.blanks = before


def _learnt(record: dict[str, Any]) -> dict[str, Any]:
    """A record up to its last reply; see :func:`emollm.modeling.conversation.learnt_part`."""
    messages = record["messages"]
    end = max(place for place, each in enumerate(messages) if each["role"] == "assistant") + 1
    count = sum(part.get("type") != "text" for each in messages[:end] for part in _parts(each))
    return {**record, "messages": messages[:end], "media": (record.get("media") or ())[:count]}


def _needed(messages: Sequence[dict[str, Any]]) -> int:
    """How many turns are never cut: all before the first reply that follows the last media."""
    shown = [place for place, each in enumerate(messages) if any(part.get("type") != "text" for part in _parts(each))]
    replies = [place for place, each in enumerate(messages) if each["role"] == "assistant"]
    return next((place for place in replies if not shown or place > shown[-1]), replies[-1])


def _text(messages: Sequence[dict[str, Any]]) -> str:
    return "".join(
        str(part.get("text", "")) for each in messages for part in _parts(each) if part.get("type") == "text"
    )


def _parts(message: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return message["content"] if isinstance(message["content"], list) else ()
