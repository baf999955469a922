"""Gemma 2 caps its attention, which PyTorch's SDPA leaves out without a word."""

import torch
from transformers import AutoModelForCausalLM

from emollm.modeling.configuration import EmoLLMConfig
from emollm.modeling.modeling import EmoLLMForConditionalGeneration
from emollm.modeling.tiny import text_config


def test_capped_attention_equals_that_of_the_language_models_own_class() -> None:
    torch.manual_seed(0)
    gemma = text_config("gemma", 300)
    gemma.attn_logit_softcapping = 0.01  # so low that leaving it out shows
    reference = AutoModelForCausalLM.from_config(gemma, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(4.0)
    model = EmoLLMForConditionalGeneration(EmoLLMConfig(text_config=gemma.to_dict())).eval()
    model.model.language_model.load_state_dict(reference.model.state_dict())
    ids = torch.randint(0, 300, (1, 12))
    with torch.inference_mode():
        torch.testing.assert_close(model(input_ids=ids).logits, reference(input_ids=ids).logits)
        reference.set_attn_implementation("sdpa")
        assert not torch.allclose(model(input_ids=ids).logits, reference(input_ids=ids).logits)
