"""PaliGemma (Beyer et al. 2024, Steiner et al. 2024) in training, by its own processor.

A Sample becomes ``<image>`` tokens and the first question, system text before it (the prefix, which sees itself both ways), and the first
reply (the suffix, which alone is learnt). Voices are not heard and later turns not read; a Sample without a picture is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from PIL import Image

from emollm.errors import ConfigError, DataError, ModelError, one_line
from emollm.generate import CONTROL, neutral, quiet
from emollm.modeling.conversation import LEAST, Encoded, batch_of
from emollm.modeling.image_processing import face_of
from emollm.modeling.modeling import IGNORED
from emollm.modeling.sample_media import look
from emollm.modeling.tower_weights import refuse_missing
from emollm.perception.crops import face_crop
from emollm.samples import MediaItem, Sample
from emollm.train.families import Opened, located
from emollm.train.sft_model import Part, Stage, four_bits
from emollm.train.sft_recipe import SftRecipe, ViewSettings

TOWER, PROJECTOR = "model.vision_tower", "model.multi_modal_projector"


class First(NamedTuple):
    """What of a conversation is taken."""

    question: str
    """All texts before the first reply, a paragraph a turn."""
    reply: str
    pictures: list[int]
    """Which items of the media are pictures of it."""
    videos: int
    """Videos of it, which are not looked at."""


class PaliGemmaReader:
    """Samples for PaliGemma.

    Args:
        processor: PaliGemma's own.
        view: What of a picture is given.
    """

    def __init__(self, processor: Any, view: ViewSettings) -> None:
        self.processor, self.view = processor, view
        self.control = [*map(str, processor.tokenizer.all_special_tokens), str(processor.image_token)]

    def wrong(self, sample: Sample) -> str | None:
        """Nothing: what is not taken is counted, and what is too little left out."""
        return None

    def measure(self, records: Sequence[dict[str, Any]], limit: int) -> list[int | str]:
        """Tokens of each record, or why it is left out."""
        firsts = [self._first(record) for record in records]
        tokenizer = self.processor.tokenizer
        # The processor itself puts these around question and reply.
        questions = [f"{tokenizer.bos_token}{first.question}\n" for first in firsts]
        replies = [first.reply + tokenizer.eos_token for first in firsts]
        before = tokenizer(questions, add_special_tokens=False)["input_ids"]
        behind = tokenizer(replies, add_special_tokens=False)["input_ids"]
        found: list[int | str] = []
        for record, first, question, reply in zip(records, firsts, before, behind, strict=True):
            boxed = [bool(record["media"][place].get("box")) for place in first.pictures]
            count = sum(map(self._views, boxed))
            room = limit - count * self.processor.image_seq_length - len(question)
            if not count:
                found.append(_without_picture(first))
            elif room < min(LEAST, len(reply)):
                found.append(f"longer than {limit} tokens before its reply")
            else:
                found.append(limit - room + min(room, len(reply)))
        return found

    def unread(self, record: dict[str, Any]) -> Iterator[str]:
        """Voices, videos, later turns, and pictures without a box where only faces are looked at."""
        media = record.get("media") or ()
        kinds = {item["type"] for item in media}
        yield from (word for kind, word in (("audio", "voices"), ("video", "videos")) if kind in kinds)
        roles = [message["role"] for message in record["messages"]]
        if len(roles) > roles.index("assistant") + 1:
            yield "turns after the first reply"
        if any(not self._views(bool(media[place].get("box"))) for place in self._first(record).pictures):
            yield "pictures without a face box"

    def encode(self, sample: Sample, root: Path, limit: int) -> Encoded:
        """The first question and reply.

        Raises:
            DataError: It has no picture, or the question leaves no room for a reply.
            MediaError: A picture cannot be read.
        """
        first = self._first(sample.model_dump())
        one = self._encoded(first, first.reply, sample, root)
        before, size = one.labels.count(IGNORED), len(one.ids)
        if size > limit and limit - before < LEAST:
            raise DataError(
                f"{before} tokens before the reply leave {max(limit - before, 0)} of {limit} for it; raise batches.max_tokens, shorten the "
                "text or give fewer pictures"
            )
        later = sum(message.role == "assistant" for message in sample.messages) - 1
        return one._replace(
            ids=one.ids[:limit], labels=one.labels[:limit], cut=max(0, size - limit), dropped=max(0, later)
        )

    def ask(self, sample: Sample, root: Path) -> Encoded:
        """The first question alone.

        Raises:
            DataError: It has no picture.
            MediaError: A picture cannot be read.
        """
        return self._encoded(self._first(sample.model_dump()), None, sample, root)

    def collate(self, encoded: Sequence[Encoded], packed: bool) -> dict[str, Any]:
        """A row each; ``token_type_ids`` (B, N) are 1 where attention is causal, in the suffix."""
        batch = batch_of(encoded, self.processor.tokenizer.pad_token_id)
        return batch | {"token_type_ids": (batch["labels"] != IGNORED).long()}

    def _first(self, record: Mapping[str, Any]) -> First:
        """The first question and reply of a Sample, as it is written."""
        questions: list[str] = []
        reply, place = "", 0
        pictures: list[int] = []
        videos = 0
        for message in record["messages"]:
            text = "".join(part["text"] for part in message["content"] if part["type"] == "text")
            text = neutral(text, self.control) if CONTROL.search(text) else text
            if message["role"] == "assistant":
                reply = text
                break
            questions += [text] if text else []
            for part in message["content"]:
                if part["type"] != "text":
                    pictures += [place] if part["type"] == "image" else []
                    videos += part["type"] == "video"
                    place += 1
        return First("\n\n".join(questions), reply, pictures, videos)

    def _views(self, boxed: bool) -> int:
        """How many pictures are given of one."""
        return {"frame": 1, "face": int(boxed), "both": 1 + boxed}[self.view.show]

    def _encoded(self, first: First, reply: str | None, sample: Sample, root: Path) -> Encoded:
        """Tokens, labels and ``pixel_values`` (I, 3, S, S) of I views."""
        views = [view for place in first.pictures for view in self._cut(sample.media[place], root)]
        if not views:
            raise DataError(_without_picture(first))
        text = str(self.processor.image_token) * len(views) + first.question
        found = self.processor(images=[views], text=[text], suffix=None if reply is None else [reply])
        ids, kinds = found["input_ids"][0], found["token_type_ids"][0]
        labels = [token if kind else IGNORED for token, kind in zip(ids, kinds, strict=True)]
        pixels = torch.stack([torch.as_tensor(view) for view in found["pixel_values"]])
        return Encoded(ids, labels, {"pixel_values": pixels}, 0, 0)

    def _cut(self, item: MediaItem, root: Path) -> list[Image.Image]:
        """The views of a picture: the whole frame, then the face."""
        seen = look(item, root)
        views = [Image.fromarray(seen.pixels)] if self.view.show != "face" else []
        side = int(self.processor.image_processor.size["height"])
        for box in seen.boxes if self.view.show != "frame" else ():
            face = face_of(box, seen.pixels)
            views.append(Image.fromarray(face_crop(seen.pixels, 1.0, face, side, self.view.margin)))
        return views


class PaliGemma:
    """transformers' PaliGemma, versions 1 and 2."""

    for_loss: Mapping[str, Any] = MappingProxyType({})

    def open(self, recipe: SftRecipe, stage: Stage) -> Opened:
        """The model of a folder or hub id.

        Gemma 2 caps its attention, which SDPA leaves out: version 2 was transferred without caps too (Steiner et al. 2024, section 3).

        Raises:
            ModelError: The model cannot be had or read.
        """
        from safetensors import SafetensorError
        from transformers import PaliGemmaForConditionalGeneration, PaliGemmaProcessor

        assert isinstance(recipe.model, Path)
        folder = located(recipe.model)
        here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
        here |= {"dtype": torch.float32} | four_bits(recipe, stage, ["lm_head", TOWER, PROJECTOR])
        try:
            with quiet():
                loaded: Any = PaliGemmaForConditionalGeneration.from_pretrained(
                    folder, output_loading_info=True, **here
                )
                model, info = loaded
                processor = PaliGemmaProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{folder}: not a PaliGemma that can be loaded: {one_line(str(error))}") from error
        refuse_missing(str(folder), info["missing_keys"])
        return Opened(model.eval(), processor)

    def reader(self, processor: Any, recipe: SftRecipe) -> PaliGemmaReader:
        """What reads Samples.

        Raises:
            ConfigError: Samples are to be packed.
        """
        if recipe.batches.layout == "packed":
            raise ConfigError(
                "batches.layout=packed: PaliGemma sees its questions both ways, which takes a row a Sample; take grouped"
            )
        return PaliGemmaReader(processor, recipe.view or ViewSettings())

    def parts(self, model: Any) -> list[Part]:
        """Tower, projector, language model."""
        return [
            Part("vision tower", "tower", TOWER),
            Part("projector", "connector", PROJECTOR),
            Part("language model", "language", "model.language_model"),
            Part("language model", "head", "lm_head"),
        ]

    def ready(self, model: Any, recipe: SftRecipe, stage: Stage) -> None:
        """Its language model keeps nothing of earlier steps."""
        model.config.text_config.use_cache = False

    def answering(self, model: Any) -> AbstractContextManager[None]:
        """As it is."""
        return nullcontext()


def _without_picture(first: First) -> str:
    """Why nothing of a Sample can be looked at."""
    if first.pictures:
        return "no picture with a face box, and PaliGemma needs a picture; add the box or set view.show=frame"
    if first.videos:
        return "a video, and PaliGemma needs a picture; give frames of it as pictures"
    return "no picture before the first reply, and PaliGemma needs one"
