"""The model: every backbone with every stream, and what each part promises."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForImageTextToText, AutoProcessor

from emollm.errors import ConfigError, DataError
from emollm.modeling.assemble import Built, load
from emollm.modeling.auto import register
from emollm.modeling.configuration import EmoLLMConfig
from emollm.modeling.processing import IMAGE
from emollm.modeling.tiny import BACKBONES, tiny
from tests.modeling.conversations import STREAMS, TURNS, Turn, inputs, picture

Kind = tuple[str, tuple[str, ...], Built]
CLOSE: dict[str, Any] = {"rtol": 0, "atol": 5e-5}
"""Of logits of 2.8 at most: batched is away from single by 2.9e-6 at worst over the matrix."""


@pytest.fixture(scope="module", params=[f"{backbone}-{streams}" for backbone in BACKBONES for streams in STREAMS])
def kind(request: pytest.FixtureRequest) -> Kind:
    """A backbone with streams."""
    backbone, streams = request.param.split("-")
    return backbone, STREAMS[streams], tiny(backbone, STREAMS[streams])


@pytest.fixture
def seeing() -> Built:
    """A fresh model with all streams and a gate."""
    return tiny(gate=True)


def moved(batch: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    """A batch with another value."""
    return {**batch, name: value}


def frozen(built: Built) -> Built:
    """The same with towers that are not trained."""
    for stream in built.model.model.streams.values():
        stream.tower.requires_grad_(False)
    return built


def trained(built: Built) -> dict[str, Tensor]:
    """Gradients of one step in training mode."""
    torch.manual_seed(0)
    model, batch = built.model.train(), inputs(built.processor, STREAMS["all"], TURNS)
    model.zero_grad()
    model(**batch, labels=batch["input_ids"].where(batch["attention_mask"] == 1, -100)).loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


# ---- every backbone with every stream -------------------------------------------------------------------------------


def test_batched_equals_single(kind: Kind) -> None:
    _, streams, (model, processor) = kind
    batch = inputs(processor, streams, TURNS)
    together = model(**batch).logits
    replies = model.generate(**batch, max_new_tokens=3, do_sample=False)[:, batch["input_ids"].shape[1] :]
    assert together.shape == (*batch["input_ids"].shape, len(processor.tokenizer))
    for place, turn in enumerate(TURNS):
        own = inputs(processor, streams, (turn,))
        length = own["input_ids"].shape[1]
        torch.testing.assert_close(together[place, -length:], model(**own).logits[0], **CLOSE)
        reply = model.generate(**own, max_new_tokens=3, do_sample=False)[0, length:]
        assert replies[place, : len(reply)].tolist() == reply.tolist()


def test_generate_is_the_likeliest_token_step_by_step(kind: Kind) -> None:
    _, streams, (model, processor) = kind
    batch = inputs(processor, streams, TURNS[2:])
    reply = model.generate(**batch, max_new_tokens=3, do_sample=False)[:, batch["input_ids"].shape[1] :]
    ids = batch["input_ids"]
    for token in reply[0]:
        step = {**batch, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        assert model(**step).logits[0, -1].argmax() == token
        ids = torch.cat([ids, token[None, None]], dim=1)
    assert reply.shape[1] > 0


def test_a_saved_model_is_loaded_by_the_auto_classes(kind: Kind, tmp_path: Path) -> None:
    _, streams, (model, processor) = kind
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    register()
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    batch = inputs(AutoProcessor.from_pretrained(tmp_path), streams, TURNS)
    assert type(again) is type(model)
    torch.testing.assert_close(again(**batch).logits, model(**inputs(processor, streams, TURNS)).logits, rtol=0, atol=0)


@pytest.mark.parametrize("backbone", ["llama", "gemma"])
def test_beams_see_the_media_of_their_conversation(backbone: str) -> None:
    streams, (model, processor) = STREAMS["all"], tiny(backbone, gate=True)
    how: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "num_beams": 3}
    batch = inputs(processor, streams, TURNS)
    replies = model.generate(**batch, **how)[:, batch["input_ids"].shape[1] :]
    for place, turn in enumerate(TURNS):
        own = inputs(processor, streams, (turn,))
        reply = model.generate(**own, **how)[0, own["input_ids"].shape[1] :].tolist()
        assert replies[place, : len(reply)].tolist() == reply


@pytest.mark.parametrize("backbone", BACKBONES)
def test_gradient_checkpointing_gives_the_same_gradients(backbone: str) -> None:
    built = tiny(backbone, gate=True)
    plain = trained(frozen(built))
    built.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    again = trained(built)
    assert built.model.is_gradient_checkpointing
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(
            again[name], gradient, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


# ---- media ----------------------------------------------------------------------------------------------------------


def test_a_missing_stream_places_no_tokens(seeing: Built) -> None:
    model, processor = seeing
    batch = inputs(processor, STREAMS["all"], (TURNS[1],))
    assert batch.keys() == {"input_ids", "attention_mask"}
    alone = model.model.language_model(input_ids=batch["input_ids"]).last_hidden_state
    torch.testing.assert_close(model(**batch).logits, model.lm_head(alone), rtol=0, atol=0)


def test_rows_of_a_picture_are_its_frame_and_then_each_face(seeing: Built) -> None:
    model, processor = seeing
    batch = inputs(processor, STREAMS["all"], (Turn("?", 2, (2, 1)),))
    found = model.model.get_image_features(batch["pixel_values"], batch["face_values"], batch["face_counts"])
    first, second = found.pooler_output
    streams: Any = model.model.streams
    frame = streams["scene"](batch["pixel_values"][:1])[0]
    faces = streams["face"](batch["face_values"][0]).flatten(0, 1)
    assert (len(first), len(second)) == (5 + 2 * 5, 5 + 5)
    torch.testing.assert_close(first, torch.cat([frame, faces]), rtol=0, atol=1e-5)
    # A face that fills the whole frame is still another row than the frame.
    assert (faces[:5] - frame).abs().max() > 0.1


@pytest.mark.parametrize("name", ["pixel_values", "face_values", "input_features", "question_ids"])
def test_every_medium_changes_what_comes_after_it_and_nothing_before(name: str, seeing: Built) -> None:
    model, processor = seeing
    batch = inputs(processor, STREAMS["all"], TURNS[:1])
    other = batch[name].flip(-1) if name != "question_ids" else torch.full_like(batch[name], 65)
    away = (model(**batch).logits - model(**moved(batch, name, other)).logits).abs().amax(-1)[0]
    start = batch["input_ids"][0].tolist().index(processor.image_token_id)
    assert away[:start].max() == 0
    assert away[-1] > 1e-3


def test_placeholders_that_were_cut_are_refused(seeing: Built) -> None:
    model, processor = seeing
    batch = inputs(processor, STREAMS["all"], TURNS[:1])
    ids = batch["input_ids"]
    place = ids[0].tolist().index(processor.image_token_id)
    cut = moved(batch, "input_ids", torch.cat([ids[:, :place], ids[:, place + 1 :]], dim=1))
    cut["attention_mask"] = torch.ones_like(cut["input_ids"])
    with pytest.raises(DataError, match=r"^9 <\|image\|> placeholders but 10 vectors of media; let the processor"):
        model(**cut)
    with pytest.raises(
        DataError, match=r"vectors of media but no <\|image\|> .* give media once, with the turn that holds them"
    ):
        model(**moved(batch, "input_ids", torch.zeros_like(ids)))
    with pytest.raises(ConfigError, match="give input_ids, not only inputs_embeds"):
        model(inputs_embeds=torch.zeros(1, 4, 64), pixel_values=batch["pixel_values"])


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^unknown stream 'smell'; known: scene, face, speech$"):
        EmoLLMConfig(streams={"smell": {"tower": "whisper"}})


# ---- the gate -------------------------------------------------------------------------------------------------------


def asked(built: Built, *questions: str) -> Tensor:
    """Weights of these questions."""
    count = len(questions)
    batch = built.processor(
        text=IMAGE * count, images=[picture(0)] * count, question=list(questions), return_tensors="pt"
    )
    weights = built.model.model.gate_weights(batch["question_ids"], count)
    assert weights is not None
    return weights


def test_weights_depend_on_the_question_and_are_equal_without_one(seeing: Built) -> None:
    weights = asked(seeing, "", "Who?", "Where are they, and why?")
    assert weights.shape == (3, 2)
    torch.testing.assert_close(weights.sum(1), torch.full((3,), 2.0))
    assert weights[0].tolist() == [1.0, 1.0]
    assert (weights[1] - weights[2]).abs().max() > 1e-3
    none = seeing.model.model.gate_weights(None, 1)
    assert none is not None
    assert none.tolist() == [[1.0, 1.0]]
    assert tiny(gate=False).model.model.gate_weights(None, 1) is None


def test_weights_scale_the_rows_of_their_stream(seeing: Built) -> None:
    model, processor = seeing
    batch = inputs(processor, STREAMS["all"], (Turn("?", 1, (1,)),))
    pictures = batch["pixel_values"], batch["face_values"], batch["face_counts"]
    plain = model.model.get_image_features(*pictures).pooler_output[0]
    gated = model.model.get_image_features(*pictures, batch["question_ids"]).pooler_output[0]
    scene, face = asked(seeing, "Who is it?")[0]
    torch.testing.assert_close(gated, torch.cat([plain[:5] * scene, plain[5:] * face]))


# ---- training -------------------------------------------------------------------------------------------------------


def test_the_loss_is_that_of_the_next_labelled_token(seeing: Built) -> None:
    model, processor = frozen(seeing)
    batch = inputs(processor, STREAMS["all"], TURNS)
    labels = batch["input_ids"].where(torch.rand(batch["input_ids"].shape) < 0.3, -100)
    calm = model(**batch, labels=labels)
    by_hand = functional.cross_entropy(calm.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    model.train()
    busy = model(**batch, labels=labels)
    assert busy.logits is None
    torch.testing.assert_close(calm.loss, by_hand)
    torch.testing.assert_close(busy.loss, by_hand, rtol=0, atol=1e-4)
    count = int((labels[:, 1:] != -100).sum())
    half = model(**batch, labels=labels, num_items_in_batch=2 * count).loss
    torch.testing.assert_close(half, by_hand / 2, rtol=0, atol=1e-4)
    nothing = model(**batch, labels=torch.full_like(labels, -100)).loss
    nothing.backward()
    assert nothing.item() == 0


def test_gradients_reach_every_part(seeing: Built) -> None:
    for tower in seeing.model.model.streams.values():
        tower.requires_grad_(True)
    reached = {name for name, gradient in trained(seeing).items() if gradient.any()}
    for part in ("scene.tower", "scene.connector", "face.tower", "face.connector", "speech.tower", "speech.connector"):
        assert any(name.startswith(f"model.streams.{part}") for name in reached), part
    connectors = {name for name, _ in seeing.model.named_parameters() if ".connector." in name or ".gate." in name}
    assert connectors <= reached


def test_a_frozen_tower_stays_as_it_is_in_use(seeing: Built) -> None:
    streams: Any = seeing.model.model.streams
    streams["face"].tower.requires_grad_(False)
    before = {name: value.clone() for name, value in streams["face"].tower.state_dict().items()}
    trained(seeing)
    assert not any(module.training for module in streams["face"].tower.modules())
    assert streams["face"].connector.training
    assert streams["scene"].tower.training
    assert seeing.model.model.language_model.training
    for name, value in streams["face"].tower.state_dict().items():
        assert value.equal(before[name]), name  # running statistics included
    streams["face"].tower.requires_grad_(True)
    assert seeing.model.train().model.streams["face"].tower.training


@pytest.mark.parametrize("backbone", ["llama", "gemma"])
def test_qlora_trains_adapters_and_connectors_only(backbone: str, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import BitsAndBytesConfig

    made = tiny(backbone, gate=True)
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    built = load(tmp_path, quantization_config=how)
    packed = {name for name, module in built.model.named_modules() if type(module).__name__ == "Linear4bit"}
    assert len(packed) == 14  # seven a layer, nothing outside of the language model
    assert all(name.startswith("model.language_model.layers.") for name in packed)
    adapters = LoraConfig(r=2, target_modules=r".*language_model.*\.(q|v)_proj", modules_to_save=["connector"])
    adapted = get_peft_model(built.model, adapters)
    assert {name for name, weight in adapted.named_parameters() if weight.requires_grad} == {
        name for name, _ in adapted.named_parameters() if ".lora_" in name or ".modules_to_save." in name
    }
    gradients = trained(Built(adapted, built.processor))
    reached = {name for name, gradient in gradients.items() if gradient.any()}
    for part in (".lora_B", "face.connector", "scene.connector", "speech.connector"):
        assert any(part in name for name in reached), part
    assert all(weight.requires_grad for name, weight in adapted.named_parameters() if name in gradients)
