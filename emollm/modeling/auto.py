"""Makes the model family known to transformers' Auto classes and, where it is installed, to vLLM."""

ARCHITECTURE = "EmoLLMForConditionalGeneration"


def register() -> None:
    """Registers configuration, model, processor and image processor with the Auto classes; may be called again."""
    from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText, AutoProcessor

    from emollm.modeling.configuration import EmoLLMConfig
    from emollm.modeling.image_processing import EmoLLMImageProcessor
    from emollm.modeling.modeling import EmoLLMForConditionalGeneration, EmoLLMModel
    from emollm.modeling.processing import EmoLLMProcessor

    AutoConfig.register(EmoLLMConfig.model_type, EmoLLMConfig, exist_ok=True)
    AutoModel.register(EmoLLMConfig, EmoLLMModel, exist_ok=True)
    AutoModelForImageTextToText.register(EmoLLMConfig, EmoLLMForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(EmoLLMConfig, EmoLLMProcessor, exist_ok=True)
    AutoImageProcessor.register(EmoLLMConfig, slow_image_processor_class=EmoLLMImageProcessor, exist_ok=True)
