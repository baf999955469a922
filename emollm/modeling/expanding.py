"""What ``generate`` does with media: only the first step sees them, and beams and several replies repeat them item by item."""

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import GenerationMixin

from emollm.modeling.configuration import FRAMES, EmoLLMConfig
from emollm.modeling.streams import Streams

MEDIA = (
    "pixel_values",
    "face_values",
    "face_counts",
    "question_ids",
    "input_features",
    "input_features_mask",
)
"""Names of the tensors that come with media; of a reply only the first step sees them."""


class HasStreams(Protocol):
    """The base model, as far as it matters here."""

    streams: Streams


class MediaGenerationMixin(GenerationMixin):
    """``generate`` for a model whose media are counted by item, not by conversation."""

    config: EmoLLMConfig
    model: HasStreams

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, *args: Any, is_first_iteration: bool | None = False, **kwargs: Any
    ) -> dict[str, Any]:
        """The next step's arguments: media come with the first step, later ones find them in the cache."""
        media = {name: kwargs.pop(name, None) for name in MEDIA}
        parent: Any = super()  # whose own type for ``self`` no model fits
        inputs: dict[str, Any] = parent.prepare_inputs_for_generation(
            input_ids, *args, is_first_iteration=is_first_iteration, **kwargs
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs.update(media)
        return inputs

    def _expand_inputs_for_generation(
        self, expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Tensor | None = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Repeats each conversation with its media for beams and several replies."""
        media = {name: kwargs.pop(name) for name in MEDIA if kwargs.get(name) is not None}
        if expand_size > 1 and media and input_ids is not None:
            items = {name: value for name, value in media.items() if name.startswith("input_features")}
            pictures = {name: value for name, value in media.items() if name not in items}
            media = {
                **_repeated(pictures, self._pictures_of(input_ids, pictures), expand_size),
                **_repeated(items, self._voices_of(input_ids, items), expand_size),
            }
        parent: Any = super()
        input_ids, kwargs = parent._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **kwargs
        )
        return input_ids, {**kwargs, **media}

    def _pictures_of(self, input_ids: Tensor, media: dict[str, Tensor]) -> list[int]:
        """How many pictures each conversation has."""
        if not media:
            return []
        counts = media.get("face_counts")
        rows = {name: self.model.streams[name].connector.rows for name in self.config.visual}
        faces = [0] * len(media["pixel_values"]) if counts is None else counts.tolist()
        sizes = [rows.get("scene", 0) + count * rows.get("face", 0) for count in faces]
        return _shared_out(sizes, (input_ids == self.config.image_token_id).sum(1).tolist())

    def _voices_of(self, input_ids: Tensor, media: dict[str, Tensor]) -> list[int]:
        """How many voices each conversation has."""
        if not media:
            return []
        mask = media.get("input_features_mask")
        lengths = [FRAMES] * len(media["input_features"]) if mask is None else mask.sum(1).tolist()
        sizes = [self.config.voice_tokens(int(length)) for length in lengths]
        return _shared_out(sizes, (input_ids == self.config.audio_token_id).sum(1).tolist())


def _shared_out(sizes: list[int], wanted: list[int]) -> list[int]:
    """How many items, in order, fill the placeholders of each conversation."""
    counts, item = [], 0
    for places in wanted:
        start = item
        while places > 0 and item < len(sizes):
            places -= sizes[item]
            item += 1
        counts.append(item - start)
    return counts


def _repeated(media: dict[str, Tensor], counts: list[int], times: int) -> dict[str, Tensor]:
    """Media whose items are repeated conversation by conversation."""
    index, start = [], 0
    for count in counts:
        index += list(range(start, start + count)) * times
        start += count
    return {name: value[torch.tensor(index, dtype=torch.long, device=value.device)] for name, value in media.items()}
