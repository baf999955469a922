"""Any vision-language model of transformers as a generator: safetensors only, and no code of its repository is run."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from emollm.errors import ConfigError, DataError, MediaError, ModelError, one_line
from emollm.eval.generators.base import Opening, Query, Reply
from emollm.eval.generators.media import LONGEST_SIDE, MOST_FRAMES, Pixels, pictures
from emollm.eval.generators.wording import SAID, question
from emollm.generate import content_hash, import_transformers, quiet
from emollm.prompts import prompt

AT_ONCE = 4
"""Conversations in one batch."""


class VisionAnswers:
    """A model with a chat template that takes pictures; sound is not shown to it.

    Args:
        folder: In transformers format.
        opening: What is asked for.
    """

    looks = True

    def __init__(self, folder: Path, opening: Opening) -> None:
        self._folder, self._opening = folder, opening
        self.name = f"{folder.resolve().name}@{content_hash(folder)}"
        draw = f"{opening.max_tokens} {opening.temperature:g} {opening.seed}"
        self.depends = f"{draw} {prompt(SAID).ref} {MOST_FRAMES} frames of {LONGEST_SIDE}"

    def replies(self, queries: Iterable[Query]) -> Iterator[tuple[Query, Reply]]:
        """See :class:`emollm.eval.generators.base.Generator`."""
        source = iter(queries)
        while batch := list(islice(source, AT_ONCE)):
            shown: list[tuple[Query, list[Pixels]]] = []
            for query in batch:
                try:
                    looks = list(pictures(query.clip))
                except (MediaError, DataError) as error:
                    yield query, Reply(fault=one_line(str(error)))
                    continue
                if not looks and not query.clip.transcript:
                    yield query, Reply(fault=f"{query.id}: sound alone, which this generator does not take")
                else:
                    shown.append((query, looks))
            if shown:
                yield from zip((query for query, _ in shown), self._spoken(shown), strict=True)

    def _spoken(self, shown: Sequence[tuple[Query, list[Pixels]]]) -> list[Reply]:
        """Replies to a batch, each with the probability of its tokens."""
        import torch
        from jinja2 import TemplateError

        model, processor = self._loaded
        conversations = [[{"role": "user", "content": _content(query, looks)}] for query, looks in shown]
        try:
            inputs = processor.apply_chat_template(
                conversations,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                padding=True,
            ).to(model.device)
        except (TemplateError, ValueError, TypeError) as error:
            raise ModelError(
                f"{self._folder}: its chat template does not take pictures and text: {one_line(str(error))}"
            ) from error
        drawn: dict[str, Any] = {"do_sample": False}
        if self._opening.temperature > 0:
            torch.manual_seed(self._opening.seed)
            drawn = {"do_sample": True, "temperature": self._opening.temperature}
        with torch.inference_mode(), quiet():
            made = model.generate(
                **inputs,
                **drawn,
                max_new_tokens=self._opening.max_tokens,
                output_scores=True,
                return_dict_in_generate=True,
            )
        steps = model.compute_transition_scores(made.sequences, made.scores, normalize_logits=True)
        told = made.sequences[:, -steps.shape[1] :]  # (B, new)
        kept = (told != processor.tokenizer.pad_token_id) & torch.isfinite(steps)
        sure = steps.where(kept, 0.0).sum(-1).exp().tolist()
        ended = (torch.isin(told, torch.tensor(sorted(self._ends), device=told.device))).any(-1).tolist()
        texts = processor.batch_decode(told, skip_special_tokens=True)
        return [
            Reply(text.strip(), confidence=share, cut=not end)
            for text, share, end in zip(texts, sure, ended, strict=True)
        ]

    @cached_property
    def _ends(self) -> set[int]:
        """Tokens that end a turn."""
        model, processor = self._loaded
        given = model.generation_config.eos_token_id
        own = {processor.tokenizer.eos_token_id, *([given] if isinstance(given, int) else given or [])}
        return {int(token) for token in own if token is not None}

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        transformers = import_transformers()
        import torch
        from safetensors import SafetensorError

        here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            with quiet():
                processor = transformers.AutoProcessor.from_pretrained(self._folder, **here)
                model = transformers.AutoModelForImageTextToText.from_pretrained(
                    self._folder, use_safetensors=True, dtype="auto", **here
                )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            raise ModelError(
                f"{self._folder}: not a vision-language model that can be loaded: {one_line(str(error))}"
            ) from error
        tokenizer = getattr(processor, "tokenizer", None)
        if tokenizer is None or not processor.chat_template:
            raise ModelError(
                f"{self._folder}: no processor with a tokenizer and a chat template; give an instruction-tuned model"
            )
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), processor


def vision(given: str, opening: Opening) -> VisionAnswers:
    """The model of a folder, or of the hub.

    Raises:
        ConfigError: Only sound is shown, which it does not take.
        ModelError: There is no such model.
    """
    from emollm.modeling.sources import folder_of

    if set(opening.streams) == {"audio"}:
        raise ConfigError(f"generator hf:{given}: takes pictures and words, and the task has sound alone")
    return VisionAnswers(folder_of(given), opening)


def _content(query: Query, looks: Sequence[Pixels]) -> list[dict[str, Any]]:
    """The parts of the turn: pictures, then the question."""
    from PIL import Image

    parts: list[dict[str, Any]] = []
    for pixels in looks:
        image = Image.fromarray(pixels)
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=3.0)
        parts.append({"type": "image", "image": image})
    return [*parts, {"type": "text", "text": question(query)}]
