"""The processor: text with placeholders and its media to tensors, the same in training, in ``generate`` and inside of vLLM."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor
from transformers.image_processing_utils import BatchFeature
from transformers.processing_utils import ImagesKwargs, MultiModalData, ProcessingKwargs, ProcessorMixin

from emollm.errors import DataError
from emollm.generate import CONTROL, neutral
from emollm.modeling.configuration import FRAMES, EmoLLMConfig, voice_tokens
from emollm.modeling.fusion import PADDING
from emollm.modeling.image_processing import EmoLLMImageProcessor, fingerprint, flattened

IMAGE, AUDIO = "<|image|>", "<|audio|>"
"""Placeholders of a picture and of a voice in the text."""
RATE = 16_000
"""Samples a second of the voices."""
SECONDS = 30
"""Longest voice; what is behind is not heard."""


class EmoLLMImagesKwargs(ImagesKwargs, total=False):
    """What comes with pictures."""

    boxes: Any  # Boxes, whose nested types transformers cannot check
    """Boxes of the faces, see :data:`emollm.modeling.image_processing.Boxes`."""
    question: str | list[str] | dict[str, str]
    """What is asked about the pictures: one text for all of them, one a picture, or by fingerprint; for models with a gate."""


class EmoLLMProcessorKwargs(ProcessingKwargs, total=False):
    """Arguments of the processor beside text and media."""

    images_kwargs: EmoLLMImagesKwargs  # type: ignore[misc]  # more arguments than the base class has
    _defaults = {  # type: ignore[misc]  # noqa: RUF012  # read so by ProcessorMixin
        # A reply goes on behind the last token, so that rows are filled up before the first.
        "text_kwargs": {"add_special_tokens": False, "padding": False, "padding_side": "left"},
        "audio_kwargs": {"sampling_rate": RATE},
    }


class EmoLLMProcessor(ProcessorMixin):
    """Tokenizer, image processor and feature extractor in one.

    Args:
        image_processor: Cuts rows.
        feature_extractor: Whisper's.
        tokenizer: Of the language model, with both placeholders as tokens.
        chat_template: Jinja template of a conversation; the tokenizer's if not given.
        scene_tokens: Tokens of a whole frame, 0 without such a stream.
        face_tokens: Tokens of a face, 0 without such a stream.
        speech_tokens: Tokens of 30 s of voice, 0 without such a stream.
        speech_summary: How many of them come first, however short the voice is.
        question_tokens: Most tokens of a question that the gate reads, 0 without a gate.
        **kwargs: Not looked at; vLLM hands settings of its own through.
    """

    attributes: ClassVar = ["image_processor", "feature_extractor", "tokenizer"]
    image_processor_class = "AutoImageProcessor"
    feature_extractor_class = "WhisperFeatureExtractor"
    tokenizer_class = "AutoTokenizer"
    valid_processor_kwargs = EmoLLMProcessorKwargs  # type: ignore[assignment]  # for the same reason

    def __init__(
        self,
        image_processor: Any = None,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        scene_tokens: int = 0,
        face_tokens: int = 0,
        speech_tokens: int = 0,
        question_tokens: int = 0,
        speech_summary: int = 0,
        **kwargs: Any,
    ) -> None:
        self.scene_tokens, self.face_tokens, self.speech_tokens = scene_tokens, face_tokens, speech_tokens
        self.question_tokens, self.speech_summary = question_tokens, speech_summary
        self.image_token, self.audio_token = IMAGE, AUDIO
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE)
        self.audio_token_id = tokenizer.convert_tokens_to_ids(AUDIO)
        template = chat_template or getattr(tokenizer, "chat_template", None)
        super().__init__(image_processor, feature_extractor, tokenizer, chat_template=template)

    @classmethod
    def for_model(
        cls, config: EmoLLMConfig, rows: dict[str, int], sizes: dict[str, Any], tokenizer: Any
    ) -> "EmoLLMProcessor":
        """The processor of a model.

        Args:
            config: Of the model.
            rows: Stream name -> tokens of one row.
            sizes: ``scene_size``, ``face_size``, ``face_margin`` and ``mel`` (bands).
            tokenizer: With both placeholders as tokens.
        """
        mel = int(sizes.get("mel") or 80)
        pictures = EmoLLMImageProcessor(
            scene_size=sizes.get("scene_size", 0),
            face_size=sizes.get("face_size", 0),
            face_margin=sizes.get("face_margin", 0.0),
            max_faces=config.max_faces,
        )
        return cls(
            pictures,
            WhisperFeatureExtractor(feature_size=mel),
            tokenizer,
            scene_tokens=rows.get("scene", 0),
            face_tokens=rows.get("face", 0),
            speech_tokens=rows.get("speech", 0),
            question_tokens=config.gate["tokens"] if config.gate and len(config.visual) > 1 else 0,
            speech_summary=config.voice_summary,
        )

    def __call__(
        self,
        images: Any = None,
        text: Any = None,
        videos: Any = None,
        audio: Any = None,
        **kwargs: Unpack[EmoLLMProcessorKwargs],
    ) -> BatchFeature:
        """Tensors of texts and their media.

        Args:
            images: Pictures of all texts in order, nested or flat.
            text: One text or several, with one ``<|image|>`` a picture and one ``<|audio|>`` a voice.
            videos: Not taken; give frames as pictures.
            audio: Voices of all texts in order, (samples,) floats in [-1, 1] or int16 at 16 kHz.
            **kwargs: ``boxes``, ``question``, and what tokenizers take (``padding``, on the left unless told otherwise, ``return_tensors`` …).

        Raises:
            DataError: A text has more or fewer placeholders than media, the model has no stream for them, or they are not of the stated form.
        """
        if videos is not None:
            raise DataError("videos are not taken as such; give their frames as pictures and their sound as a voice")
        texts = [text] if isinstance(text, str) else text
        if texts is not None:
            for token, media, streams in (
                (IMAGE, images, self.scene_tokens or self.face_tokens),
                (AUDIO, audio, self.speech_tokens),
            ):
                for places, count in _counted(texts, media, token):
                    _refuse_unequal(places, count, token, bool(streams))
        images = None if images is None else flattened(images) or None
        audio = None if audio is None else flattened(audio) or None
        return super().__call__(images=images, text=text, audio=audio, **kwargs)

    def apply_chat_template(self, conversation: Any, *args: Any, **kwargs: Any) -> Any:
        """As transformers does it; what looks like a control token in the texts of the turns is broken up."""
        nested = bool(conversation) and not isinstance(conversation[0], Mapping)
        chats = conversation if nested else [conversation]
        safe = [[self._harmless(turn) for turn in chat] for chat in chats]
        return super().apply_chat_template(safe if nested else safe[0], *args, **kwargs)

    def harmless(self, text: str) -> str:
        """A text as it is, or with what looks like a control token broken up."""
        return neutral(text, map(str, self.tokenizer.all_special_tokens)) if CONTROL.search(text) else text

    def _harmless(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        content = turn["content"]
        if isinstance(content, str):
            return {**turn, "content": self.harmless(content)}
        return {
            **turn,
            "content": [
                {**part, "text": self.harmless(part["text"])} if part.get("type") == "text" else part
                for part in content
            ],
        }

    def _process_images(self, images: Any, **kwargs: Any) -> tuple[dict[str, Any], list[str]]:
        """Rows of the pictures, and what stands in the place of each in the text."""
        question = kwargs.pop("question", None)
        processed = dict(self.image_processor(images, **kwargs))
        pictures = len(processed["pixel_values"])
        if self.question_tokens:
            processed["question_ids"] = self._questions(question, images)
        return processed, [self.replace_image_token(processed, place) for place in range(pictures)]

    def _questions(
        self, question: str | Sequence[str] | Mapping[str, str] | None, pictures: Sequence[Any]
    ) -> torch.Tensor:
        """(I, L) token ids of what is asked about each picture, -1 behind their end."""
        if isinstance(question, Mapping):
            questions = [question.get(fingerprint(each), "") for each in pictures]
        elif question is None or isinstance(question, str):
            questions = [question or ""] * len(pictures)
        else:
            questions = list(question)
        if len(questions) != len(pictures):
            raise DataError(
                f"{len(pictures)} pictures but {len(questions)} questions; give one for all or one for each"
            )
        ids = torch.full((len(pictures), self.question_tokens), PADDING)
        for place, asked in enumerate(questions):
            own = self.tokenizer(asked, add_special_tokens=False)["input_ids"][: self.question_tokens]
            ids[place, : len(own)] = torch.tensor(own, dtype=torch.long)
        return ids

    def _process_audio(self, audio: Any, **kwargs: Any) -> tuple[dict[str, Any], list[str]]:
        """Log-mel frames of the voices, and what stands in the place of each in the text."""
        if (rate := kwargs.get("sampling_rate") or RATE) != RATE:
            raise DataError(f"voices are taken at {RATE} Hz, got sampling_rate={rate}; resample them")
        heard = self.feature_extractor(
            [_voice(each) for each in audio],
            sampling_rate=RATE,
            padding="max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        processed = {
            "input_features": heard["input_features"],  # (A, bands, 3000)
            "input_features_mask": heard["attention_mask"],  # (A, 3000)
        }
        return processed, [self.replace_audio_token(processed, place) for place in range(len(audio))]

    def voice_tokens(self, frames: int) -> int:
        """Tokens of a voice of so many frames of 10 ms."""
        return voice_tokens(frames, self.speech_tokens, self.speech_summary)

    # ---- by these names transformers and vLLM ask

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **kwargs: Any) -> str:
        """As many placeholders as the picture has tokens."""
        counts = image_inputs.get("face_counts")
        faces = 0 if counts is None else int(counts[image_idx])
        return IMAGE * (self.scene_tokens + faces * self.face_tokens)

    def replace_audio_token(self, audio_inputs: dict[str, Any], audio_idx: int, **kwargs: Any) -> str:
        """As many placeholders as the voice has tokens."""
        frames = int(audio_inputs["input_features_mask"][audio_idx].sum())
        return AUDIO * self.voice_tokens(frames)

    def _get_num_multimodal_tokens(
        self, image_sizes: Sequence[Any] | None = None, audio_lengths: Sequence[int] | None = None, **kwargs: Any
    ) -> MultiModalData:
        """Most tokens of pictures and voices of these sizes."""
        known: dict[str, list[int]] = {}
        if image_sizes is not None:
            most = self.scene_tokens + self.image_processor.max_faces * self.face_tokens
            known |= {"num_image_tokens": [most] * len(image_sizes), "num_image_patches": [1] * len(image_sizes)}
        if audio_lengths is not None:
            frames = [-(-length * FRAMES // (SECONDS * RATE)) for length in audio_lengths]
            known["num_audio_tokens"] = [self.voice_tokens(each) for each in frames]
        return MultiModalData(**known)

    @property
    def model_input_names(self) -> list[str]:
        """Names of all tensors that this makes."""
        pictures = list(self.image_processor.model_input_names)
        return ["input_ids", "attention_mask", *pictures, "input_features", "input_features_mask"]


def _voice(samples: Any) -> NDArray[np.float32]:
    """(samples,) of a voice in [-1, 1].

    Raises:
        DataError: It is no sound, has several channels, or is empty.
    """
    given = np.asarray(samples)
    if given.dtype != np.int16 and not np.issubdtype(given.dtype, np.floating):
        raise DataError(f"a voice is of floats in [-1, 1] or of int16, got {given.dtype}; decode it so")
    sound = given.astype(np.float32)
    if given.dtype == np.int16:
        sound /= 2**15
    if sound.ndim != 1 or not len(sound) or not np.isfinite(sound).all():
        raise DataError(
            f"a voice is one channel of finite samples at {RATE} Hz, got shape {sound.shape}; decode it so, or leave it out"
        )
    return sound


def _counted(texts: Sequence[str], media: Any, token: str) -> list[tuple[int, int]]:
    """Placeholders and media: of each text where the media come as a list a text, else of all texts together."""
    places = [each.count(token) for each in texts]
    if (
        isinstance(media, (list, tuple))
        and len(media) == len(texts)
        and all(isinstance(own, (list, tuple)) for own in media)
    ):
        return list(zip(places, [len(flattened(own)) for own in media], strict=True))
    return [(sum(places), 0 if media is None else len(flattened(media)))]


def _refuse_unequal(places: int, media: int, token: str, has_stream: bool) -> None:
    """Raises DataError where placeholders and media do not match."""
    kind = "image" if token == IMAGE else "voice"
    if media and not has_stream:
        raise DataError(f"this model has no stream for {kind}s; leave them out or build a model with one")
    if places != media:
        plural = (f"{places} {token} placeholder{'s' * (places != 1)}", f"{media} {kind}{'s' * (media != 1)}")
        advice = f"add the {kind} or remove the placeholder" if places > media else f"add {token} where it belongs"
        raise DataError(f"{plural[0]} but {plural[1]}; {advice}")
