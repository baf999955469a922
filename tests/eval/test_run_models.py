"""Models in process as generators: a tiny one of our family, a tiny LLaVA of transformers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emollm.eval.generators import open_generator
from emollm.eval.generators.base import Opening, Query
from emollm.eval.run_items import closed_set
from emollm.eval.tasks import task
from emollm.types import Clip

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for part in m.content %}"
    "{{ '<image>' if part.type == 'image' else part.text }}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def family(folder: Path) -> str:
    from emollm.modeling.assemble import save
    from emollm.modeling.tiny import tiny

    save(tiny(context=2048), folder)
    return str(folder)


def llava(folder: Path) -> str:
    from transformers import (
        AddedToken,
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    from emollm.modeling.tiny import text_config, tokenizer

    words = tokenizer()
    words.add_tokens([AddedToken("<image>", special=True)])
    size = {"height": 28, "width": 28}
    looks = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=size)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
        ),
        text_config=text_config("llama", len(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = words.pad_token_id, words.eos_token_id
    model.save_pretrained(folder)
    processor = LlavaProcessor(
        image_processor=looks,
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=TEMPLATE,
    )
    processor.save_pretrained(folder)
    return f"hf:{folder}"


@pytest.mark.slow
@pytest.mark.parametrize("made", [family, llava])
def test_a_batch_is_answered_as_each_item_alone(made: Callable[[Path], str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = []
    for k in range(3):
        path = tmp_path / f"{k}.png"
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(path)
        shown = {"image": path} if made is llava else {}
        clips.append(Clip(id=str(k), transcript="so " * (k + 1) + "good", **shown))
    opening = Opening("label", ("words",), closed_set(task("goemotions-ekman")), max_tokens=8)
    generator = open_generator(made(tmp_path / "model"), opening)
    queries = [Query(clip.id, clip, "Which one?") for clip in clips]
    together = {query.id: reply for query, reply in generator.replies(queries)}
    alone = {query.id: reply for one in queries for query, reply in generator.replies([one])}
    assert {id: reply.text for id, reply in together.items()} == {id: reply.text for id, reply in alone.items()}
    assert all(reply.text and not reply.fault for reply in together.values())
    assert "@" in generator.name
    if made is llava:
        assert all(0 < (reply.confidence or 0) <= 1 for reply in together.values())


@pytest.mark.slow
def test_a_description_comes_with_what_was_measured_and_a_label_does_not(tmp_path: Path) -> None:
    clip = Clip(id="a", transcript="so good, I am happy")
    given = family(tmp_path / "model")
    for asks, comes in (("description", True), ("label", False)):
        labels = closed_set(task("goemotions-ekman"))
        opening = Opening(asks, ("words",), labels, max_tokens=8)  # type: ignore[arg-type]
        ((_, reply),) = open_generator(given, opening).replies([Query("a", clip, "Why?")])
        assert (reply.observation is not None) == comes
