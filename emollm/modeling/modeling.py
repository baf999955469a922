"""The model: streams of media and a causal language model, written as any native transformers model.

    pixel_values ──▶ streams.scene: tower ▶ connector ─┐
    face_values  ──▶ streams.face:  tower ▶ connector ─┤▶ × gate(question) ─┐
    input_features ▶ streams.speech: tower ▶ connector ─────────────────────┤
    input_ids ─────▶ word vectors ──────────────────────────────────────────┴▶ placeholders filled ▶ language model ▶ lm_head

The same class is trained, run by ``generate`` and served by vLLM's Transformers backend. What that backend asks for: the base class has
``language_model`` and ``get_decoder()``, :meth:`EmoLLMModel.get_image_features` and :meth:`EmoLLMModel.get_audio_features` answer one item
at a time without seeing the prompt, and ``forward`` ends in ``**kwargs``.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling, CausalLMOutputWithPast

from emollm.modeling.configuration import EmoLLMConfig, GateSettings
from emollm.modeling.expanding import MediaGenerationMixin
from emollm.modeling.fusion import QuestionGate
from emollm.modeling.streams import Stream, Streams, filled

IGNORED = -100
"""Label of a token that no loss is taken of."""


class EmoLLMPreTrainedModel(PreTrainedModel):
    """What both classes of the family share."""

    config_class = EmoLLMConfig
    config: EmoLLMConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ["image", "audio", "text"]  # noqa: RUF012  # transformers has these lists per class, not as ClassVar
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_compile_fullgraph = False
    _no_split_modules = ["Stream"]  # noqa: RUF012
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012

    def _move_missing_keys_from_meta_to_device(self, *args: Any, **kwargs: Any) -> None:
        """Keeps constants that towers computed while they were built; transformers would leave them as memory that nobody wrote."""
        constants = {name: value for name, value in self.named_non_persistent_buffers() if not value.is_meta}
        super()._move_missing_keys_from_meta_to_device(*args, **kwargs)
        for name, value in constants.items():
            self.get_buffer(name).copy_(value)


class EmoLLMModel(EmoLLMPreTrainedModel):
    """Word vectors, media and the language model without its head.

    Args:
        config: Architecture.
    """

    def __init__(self, config: EmoLLMConfig) -> None:
        super().__init__(config)
        text = config.text_config
        if getattr(text, "attn_logit_softcapping", None) and text._attn_implementation in (None, "sdpa"):
            text._attn_implementation = (
                "eager"  # PyTorch's SDPA cannot cap (Gemma 2), and would leave it out without a word
            )
        to = text.hidden_size
        self.language_model = AutoModel.from_config(text)
        self.streams = Streams({name: Stream(config.stream(name), to) for name in config.streams})
        gated = config.gate is not None and len(config.visual) > 1
        self.gate = QuestionGate(GateSettings.model_validate(config.gate), to, len(config.visual)) if gated else None
        self.blanks: Literal["", "connectors", "towers"] = ""
        """What of a stream runs in a step that has nothing for it, on a blank item that counts zero: its connector, its tower as well, or
        nothing. In training each step must give everything that is trained a gradient: the optimiser moves what has one of zero
        otherwise than what has none, and processes that share weights out (ZeRO-3) must run the same modules in the same order."""
        self.post_init()

    # ---- what transformers, PEFT and vLLM ask for

    def get_input_embeddings(self) -> nn.Module:
        """The word vectors of the language model."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces them."""
        self.language_model.set_input_embeddings(value)

    def get_decoder(self) -> nn.Module:
        """The language model."""
        return self.language_model

    # ---- media

    def get_image_features(
        self,
        pixel_values: Tensor,
        face_values: Tensor | Sequence[Tensor] | None = None,
        face_counts: Tensor | None = None,
        question_ids: Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """Tokens of I pictures; ``pooler_output`` is a tuple of I tensors (T_i, D): the whole frame's rows, then each face's.

        Args:
            pixel_values: (I, 3, S, S) whole frames in [0, 1]; (I, 0) where the model has no ``scene``.
            face_values: (I, M, 3, s, s) crops, of which the first ``face_counts`` of each picture count, or a list of (M, 3, s, s).
            face_counts: (I,) faces of each picture.
            question_ids: (I, L) tokens of the question that each picture is asked about, -1 where there is none.
            return_dict: Always answered as if true.
            **kwargs: Not looked at.
        """
        pictures = len(pixel_values)
        counts = [0] * pictures if face_counts is None else face_counts.flatten().tolist()
        weights = self.gate_weights(question_ids, pictures)
        rows: list[list[Tensor]] = [[] for _ in range(pictures)]
        nothing: Tensor | None = None
        for place, name in enumerate(self.config.visual):
            weight = None if weights is None else weights[:, place]
            if name == "scene":
                tokens, each = self.streams[name](pixel_values), [1] * pictures
            elif face_values is None or not any(counts):
                nothing = self.streams[name].blank(self.blanks == "towers") if self.blanks else None
                continue
            else:
                crops = torch.cat([row.flatten(0, -4)[:count] for row, count in zip(face_values, counts, strict=True)])
                tokens, each = self.streams[name](crops), counts
            for picture, own in enumerate(tokens.split(each)):  # own: (rows, T, D)
                rows[picture].append((own if weight is None else own * weight[picture].to(own.dtype)).flatten(0, 1))
        width = self.config.text_config.hidden_size
        like = next(
            self.get_input_embeddings().parameters()
        )  # by its name ZeRO-3 would gather it, in this process alone
        merged = tuple(torch.cat(own) if own else like.new_zeros(0, width) for own in rows)
        return BaseModelOutputWithPooling(last_hidden_state=nothing, pooler_output=merged)  # type: ignore[arg-type]  # typed as one FloatTensor

    def gate_weights(self, question_ids: Tensor | None, pictures: int) -> Tensor | None:
        """By how much each visual stream is scaled for each picture, (I, S) with mean 1; None without a gate.

        Args:
            question_ids: As for :meth:`get_image_features`.
            pictures: I.
        """
        if self.gate is None:
            return None
        if question_ids is None:
            question_ids = torch.full((pictures, 1), -1, device=self.device)
        question_ids = question_ids.flatten(1)
        words = self.get_input_embeddings()(question_ids.clamp(min=0))
        return self.gate(words, question_ids >= 0) * len(self.config.visual)

    def _no_pictures(self) -> Tensor:
        """Zero, with a gradient to gate and visual streams."""
        weights = self.gate_weights(None, 1)
        zero = torch.zeros((), device=self.device) if weights is None else 0 * weights.sum()
        for name in self.config.visual:
            zero = zero + self.streams[name].blank(self.blanks == "towers")
        return zero

    def get_audio_features(
        self,
        input_features: Tensor,
        input_features_mask: Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """Tokens of A voices; ``pooler_output`` (all tokens, D), voice after voice.

        Args:
            input_features: (A, bands, 3000) log-mel frames, silence at the end included.
            input_features_mask: (A, 3000) 1 where a frame is of the voice; what is behind places no tokens and tells no tone.
            return_dict: Always answered as if true.
            **kwargs: Not looked at.
        """
        if input_features_mask is None:
            return BaseModelOutputWithPooling(pooler_output=self.streams["speech"](input_features).flatten(0, 1))
        lengths = input_features_mask.reshape(len(input_features), -1).sum(1)  # (A,)
        tokens = self.streams["speech"](input_features, lengths)  # (A, T, D)
        counts = [self.config.voice_tokens(int(length)) for length in lengths.tolist()]
        own = [row[:count] for row, count in zip(tokens, counts, strict=True)]
        return BaseModelOutputWithPooling(pooler_output=torch.cat(own))  # type: ignore[arg-type]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        face_values: Tensor | None = None,
        face_counts: Tensor | None = None,
        question_ids: Tensor | None = None,
        input_features: Tensor | None = None,
        input_features_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Hidden states (B, N, D) of tokens (B, N) whose placeholders are filled with the media's tokens.

        1. word vectors of the tokens; 2. tokens of the pictures, scaled by the gate; 3. tokens of the voices; 4. both put in the place of
        their placeholders, in the order in which they stand; 5. the language model.

        Raises:
            DataError: There are more or fewer placeholders than tokens of media.
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if pixel_values is not None:
            seen = self.get_image_features(pixel_values, face_values, face_counts, question_ids)
            tokens = torch.cat(cast(tuple[Tensor, ...], seen.pooler_output))
            inputs_embeds = filled(inputs_embeds, input_ids, self.config.image_token_id, tokens, "<|image|>")
            if seen.last_hidden_state is not None:
                inputs_embeds = inputs_embeds + seen.last_hidden_state
        elif self.blanks:
            inputs_embeds = inputs_embeds + self._no_pictures()
        if input_features is not None:
            heard = cast(Tensor, self.get_audio_features(input_features, input_features_mask).pooler_output)
            inputs_embeds = filled(inputs_embeds, input_ids, self.config.audio_token_id, heard, "<|audio|>")
        elif self.blanks and "speech" in self.streams:
            inputs_embeds = inputs_embeds + self.streams["speech"].blank(self.blanks == "towers")
        return self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )


class EmoLLMForConditionalGeneration(EmoLLMPreTrainedModel, MediaGenerationMixin):
    """The model with its head; see docs/model.md.

    Args:
        config: Architecture.
    """

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012
    model: EmoLLMModel

    def __init__(self, config: EmoLLMConfig) -> None:
        super().__init__(config)
        self.model = EmoLLMModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The word vectors of the language model."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces them."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        return self.lm_head

    def set_output_embeddings(self, value: nn.Module) -> None:
        """Replaces it."""
        self.lm_head = value

    def get_decoder(self) -> nn.Module:
        """The language model."""
        return self.model.get_decoder()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        face_values: Tensor | None = None,
        face_counts: Tensor | None = None,
        question_ids: Tensor | None = None,
        input_features: Tensor | None = None,
        input_features_mask: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        loss_only: bool = False,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits (B, N, V), and the loss where there are labels.

        Args:
            input_ids: (B, N) tokens, placeholders included.
            attention_mask: (B, N) 1 where a token counts.
            position_ids: (B, N); packed Samples start at 0 again.
            past_key_values: Cache of what came before.
            inputs_embeds: (B, N, D) instead of tokens.
            pixel_values: As for :meth:`EmoLLMModel.get_image_features`, as the next three.
            face_values: Crops of faces.
            face_counts: Faces a picture.
            question_ids: The question a picture.
            input_features: As for :meth:`EmoLLMModel.get_audio_features`, as the next.
            input_features_mask: Where the voices end.
            labels: (B, N) tokens to predict, -100 elsewhere. In training the head then looks only at these positions, and no logits are given.
            logits_to_keep: Only the logits of so many last positions, or of these.
            num_items_in_batch: Tokens that the loss is averaged over; those of this batch if not given.
            loss_only: Whether logits are left out beside training too.
            **kwargs: For the language model.

        Raises:
            DataError: There are more or fewer placeholders than tokens of media.
        """
        if labels is not None and past_key_values is None and kwargs.get("use_cache") is None:
            # A cache is of no use to a loss, costs memory, and makes transformers overlook where packed Samples begin.
            kwargs["use_cache"] = False
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            face_values=face_values,
            face_counts=face_counts,
            question_ids=question_ids,
            input_features=input_features,
            input_features_mask=input_features_mask,
            **kwargs,
        )
        hidden = output.last_hidden_state
        loss = logits = None
        if labels is None or not (self.training or loss_only):
            kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            logits = self.head(hidden[:, kept])
        if labels is not None:
            loss = self._loss(hidden, labels, num_items_in_batch)
        return CausalLMOutputWithPast(
            loss=loss,  # type: ignore[arg-type]  # typed as FloatTensor
            logits=logits,  # type: ignore[arg-type]
            past_key_values=output.past_key_values,
            hidden_states=getattr(output, "hidden_states", None),
            attentions=getattr(output, "attentions", None),
        )

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) of hidden states (…, D), as the language model's own class makes them (Gemma caps, Cohere scales)."""
        logits = self.lm_head(hidden)
        text = self.config.text_config
        if scale := getattr(text, "logit_scale", None):
            logits = logits * scale
        if cap := getattr(text, "final_logit_softcapping", None):
            logits = torch.tanh(logits / cap) * cap
        return logits

    def _loss(self, hidden: Tensor, labels: Tensor, items: Tensor | int | None) -> Tensor:
        """Cross-entropy of the next token, with logits only where a token is to be predicted."""
        wanted = functional.pad(labels, (0, 1), value=IGNORED)[:, 1:]  # (B, N): position n predicts token n + 1
        where = wanted != IGNORED
        summed = functional.cross_entropy(self.head(hidden[where]).float(), wanted[where], reduction="sum")
        count = where.sum() if items is None else torch.as_tensor(items, device=summed.device)
        return summed / count.clamp(min=1)
