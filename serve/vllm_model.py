"""vLLM's Transformers backend for this family: which media a model takes, what its largest picture is, and errors that say what to do.

The model that runs is :class:`emollm.modeling.modeling.EmoLLMForConditionalGeneration`'s own base class; nothing of it is written anew.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from vllm.model_executor.models.transformers import causal, multimodal
from vllm.multimodal import MULTIMODAL_REGISTRY

from emollm.errors import EmollmError
from emollm.modeling.image_processing import fingerprint


class ProcessingInfo(multimodal.MultiModalProcessingInfo):
    """Media that the model has streams for; vLLM itself would offer all that the processor has a part for."""

    @cached_property
    def _is_audio_model(self) -> bool:
        processor: Any = self.get_hf_processor()
        return bool(processor.speech_tokens)

    @cached_property
    def _is_image_model(self) -> bool:
        processor: Any = self.get_hf_processor()
        return bool(processor.scene_tokens or processor.face_tokens)

    def _get_supported_modalities(self) -> list[str]:
        return ["audio"] * self._is_audio_model + ["image"] * self._is_image_model


class Processor(multimodal.MultiModalProcessor):
    """Runs our processor; memory is measured with as many faces as a picture may have."""

    def get_dummy_inputs(self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Any) -> Any:
        """The request that takes most memory."""
        inputs = super().get_dummy_inputs(seq_len, mm_counts, mm_options)
        pictures = inputs.mm_data_items.get("image", ())
        most = self.info.get_hf_processor().image_processor.max_faces
        boxes = {fingerprint(each): [(0, 0, each.width, each.height)] * most for each in pictures}
        if boxes:
            inputs.hf_processor_mm_kwargs = {"images_kwargs": {"boxes": boxes}}
        return inputs

    def _apply_hf_processor_main(self, mm_items: Any, hf_kwargs: Mapping[str, object]) -> Any:
        try:
            made = super()._apply_hf_processor_main(mm_items, hf_kwargs)
        except ValueError as error:
            if isinstance(error.__cause__, EmollmError):  # vLLM puts all arguments in the place of the message
                raise ValueError(str(error.__cause__)) from error
            raise
        sizes = made.get("image_replacement_sizes")
        if sizes is not None and not sizes.all():
            raise ValueError(
                "a picture without the box of a face, but this model looks at nothing else; give its boxes in "
                "mm_processor_kwargs or leave it out"
            )
        return made


@MULTIMODAL_REGISTRY.register_processor(
    Processor, info=ProcessingInfo, dummy_inputs=multimodal.MultiModalDummyInputsBuilder
)
class TransformersMultiModalForCausalLM(multimodal.MultiModalMixin, causal.CausalMixin):
    """The backend, by the name that vLLM knows its own by."""
