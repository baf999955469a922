"""What makes vLLM know the model family, in each of its processes (entry-point group ``vllm.general_plugins``)."""

import os

BACKEND = "emollm.serve.vllm_model:TransformersMultiModalForCausalLM"
"""vLLM's backend for native transformers models with media, as this family needs it."""


def register() -> None:
    """Registers the Auto classes, and the architecture with vLLM's Transformers backend."""
    from vllm import ModelRegistry

    from emollm.serve.keeper import KEPT, die_with_parent

    if os.environ.get(KEPT):
        die_with_parent()
    from emollm.modeling import auto

    auto.register()
    if auto.ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(auto.ARCHITECTURE, BACKEND)
