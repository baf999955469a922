"""PaliGemma through its own processor: what it is given, what it learns, exact resume, and what it ends as."""

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    Gemma2Config,
    GemmaConfig,
    GemmaTokenizer,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedConfig,
    SiglipImageProcessor,
    SiglipVisionConfig,
)  # fmt: skip

from emollm import config
from emollm.errors import ConfigError, DataError, ModelError
from emollm.modeling.adapters import with_adapter
from emollm.modeling.assemble import Built
from emollm.train import sft, sft_state
from emollm.train.paligemma import PaliGemma, PaliGemmaReader
from emollm.train.sft_data import Samples
from emollm.train.sft_recipe import SampleSource, SftRecipe, ViewSettings
from tests.train.sft_runs import losses, run, sample, write

SIDE, PATCH, VIEW = 28, 14, 4
"""Side of a picture and of its patches in pixels; tokens of a picture."""
GEMMAS: dict[str, type[PreTrainedConfig]] = {"gemma": GemmaConfig, "gemma2": Gemma2Config}


def tiny_paligemma(folder: Path, gemma: str) -> Path:
    """The real architecture with two layers in each part, and a tokenizer that reads letters."""
    letters = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<mask>",
        "\n",
        "▁",
        *string.ascii_letters,
        *string.digits,
        *".,?!:;<>",
    ]
    tokenizer = GemmaTokenizer(vocab={letter: place for place, letter in enumerate(letters)}, merges=[])
    pictures = SiglipImageProcessor(
        size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3, image_seq_length=VIEW
    )
    processor = PaliGemmaProcessor(image_processor=pictures, tokenizer=tokenizer)
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<{name}>") for name in ("pad", "bos", "eos")}
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    text = GEMMAS[gemma](
        **sizes,
        **ids,
        vocab_size=len(tokenizer),
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=8,
        initializer_range=0.3,  # adapters cannot make much of the small vectors that words have by default
    )
    vision = SiglipVisionConfig(
        **sizes, num_attention_heads=2, image_size=SIDE, patch_size=PATCH, vision_use_head=False
    )
    torch.manual_seed(0)
    model = PaliGemmaForConditionalGeneration(
        PaliGemmaConfig(
            vision_config=vision, text_config=text, image_token_index=processor.image_token_id, vocab_size=len(tokenizer),
            projection_dim=32, hidden_size=32, **ids,
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def paligemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_paligemma(tmp_path_factory.mktemp("paligemma") / "model", "gemma")


@pytest.fixture(scope="module")
def reader(paligemma: Path) -> PaliGemmaReader:
    return PaliGemmaReader(AutoProcessor.from_pretrained(paligemma), ViewSettings())


@pytest.fixture
def recipe(paligemma: Path, data: Path, tmp_path: Path) -> Path:
    values = {
        "model": str(paligemma), "data": [{"path": str(data / "train.jsonl")}], "out": str(tmp_path / "run"), "log_every": 1,
        "train": {"lora": {"dropout": 0.0}}, "optimise": {"rate": 0.02, "steps": 6, "batch": 4, "schedule": "constant_with_warmup"},
    }  # fmt: skip
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(values))
    return path


def read(folder: Path, reader: PaliGemmaReader, *samples: dict[str, Any], limit: int = 512) -> Samples:
    return Samples([SampleSource(path=write(folder / "s.jsonl", samples))], reader, limit)


def moved(before: Path, after: Path) -> set[str]:
    """Names of the weights that differ."""
    old, new = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    assert old.keys() == new.keys()
    return {name for name in old if not torch.equal(old[name], new[name])}


# ---- what is learnt -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gemma", GEMMAS)
def test_a_run_learns_and_ends_as_a_paligemma_that_answers(
    recipe: Path, data: Path, tmp_path: Path, gemma: str
) -> None:
    base = tiny_paligemma(tmp_path / "base", gemma)
    valid = f"validation=[{{path: {data / 'valid.jsonl'}}}]"
    out = run(recipe, f"model={base}", valid, "validating.every=3", "validating.reply_tokens=12")
    told = losses(out)
    assert told[-1] < 0.75 * told[0]
    history = json.loads((out / "checkpoint-6" / "trainer_state.json").read_text())["log_history"]
    assert {"eval_loss", "eval_war", "eval_named"} <= {key for entry in history for key in entry}
    assert (out / "adapter" / "adapter_model.safetensors").is_file()

    processor = AutoProcessor.from_pretrained(out / "model")
    model = AutoModelForImageTextToText.from_pretrained(out / "model")
    assert isinstance(model, PaliGemmaForConditionalGeneration)
    assert model.config.text_config.use_cache
    reader = PaliGemmaReader(processor, ViewSettings())
    one = Samples([SampleSource(path=data / "valid.jsonl")], reader, 512).sample(0)
    asked = reader.collate([reader.ask(one, data)], False)
    asked.pop("labels")
    with torch.inference_mode():
        told_tokens = model.generate(**asked, max_new_tokens=5, do_sample=False)
        start = asked["input_ids"].shape[1]
        kinds = (torch.arange(told_tokens.shape[1]) >= start).long()[None]
        seen = model(input_ids=told_tokens, token_type_ids=kinds, pixel_values=asked["pixel_values"]).logits
    assert torch.equal(seen[0, start - 1 : -1].argmax(-1), told_tokens[0, start:])


def test_lora_trains_adapters_and_projector_and_leaves_the_tower(recipe: Path, paligemma: Path) -> None:
    changed = moved(paligemma, run(recipe, "optimise.steps=2") / "model")
    assert any("q_proj" in name for name in changed)
    assert any("multi_modal_projector" in name for name in changed)
    assert not any("vision_tower" in name or "embed_tokens" in name for name in changed)


def test_align_trains_the_projector_alone(recipe: Path, paligemma: Path) -> None:
    changed = moved(paligemma, run(recipe, "optimise.steps=2", stage="align") / "model")
    assert changed == {f"multi_modal_projector.linear.{name}" for name in ("weight", "bias")}


def test_all_weights_are_trained_where_that_is_asked_for(recipe: Path, paligemma: Path) -> None:
    changed = moved(paligemma, run(recipe, "optimise.steps=2", "train={method: full, towers: true}") / "model")
    assert {name.split(".")[0] for name in changed} == {"language_model", "multi_modal_projector", "vision_tower"}


def test_qlora_ends_in_full_precision(recipe: Path, paligemma: Path) -> None:
    out = run(recipe, "train.method=qlora")
    assert losses(out)[-1] < losses(out)[0]
    assert {value.dtype for value in load_file(out / "model" / "model.safetensors").values()} == {torch.float32}
    assert not any("vision_tower" in name for name in moved(paligemma, out / "model"))


def test_base_and_adapter_are_the_exported_model(recipe: Path, paligemma: Path) -> None:
    out = run(recipe)
    opened = PaliGemma().open(config.load(SftRecipe, recipe), "sft")
    merged = with_adapter(Built(*opened), out / "adapter").model.state_dict()
    whole = AutoModelForImageTextToText.from_pretrained(out / "model").state_dict()
    assert merged.keys() == whole.keys()
    assert all(torch.equal(merged[name], whole[name]) for name in merged)


# ---- what it is given -----------------------------------------------------------------------------------------------


def test_prefix_and_suffix_are_those_of_its_processor_and_only_the_suffix_is_learnt(
    reader: PaliGemmaReader, tmp_path: Path
) -> None:
    one = sample(tmp_path, 1, "train", words="Brows low.\n\nWhich emotion?")
    one["messages"].insert(0, {"role": "system", "content": [{"type": "text", "text": "Be short."}]})
    one["messages"] += one["messages"][1:]  # a second question and reply
    one["messages"][3] = {"role": "user", "content": [{"type": "text", "text": "Why?"}]}
    samples = read(tmp_path, reader, one)
    told, tokenizer = samples[0], reader.processor.tokenizer
    assert tokenizer.decode([token for token in told.labels if token >= 0]) == "Sadness.<eos>"
    prefix = tokenizer.decode([token for token, label in zip(told.ids, told.labels, strict=True) if label < 0])
    assert prefix == "<image>" * VIEW + "<bos>Be short.\n\nBrows low.\n\nWhich emotion?\n"
    assert samples.lengths.tolist() == [len(told.ids)]
    assert told.dropped == 1
    assert samples.unread == {"turns after the first reply": 1}
    asked = reader.ask(samples.sample(0), tmp_path)
    assert asked.ids == told.ids[: len(asked.ids)]
    assert told.labels[: len(asked.ids)] == asked.labels


def test_the_question_sees_itself_both_ways_and_the_reply_only_back(
    reader: PaliGemmaReader, paligemma: Path, data: Path
) -> None:
    samples = Samples([SampleSource(path=data / "train.jsonl")], reader, 512)
    model = AutoModelForImageTextToText.from_pretrained(paligemma).eval()
    batch = reader.collate([samples[0], samples[1]], False)
    labels = batch.pop("labels")
    first = int((labels[0] >= 0).nonzero()[0])

    def changes(place: int) -> list[bool]:
        """Where a token of the first Sample is seen."""
        other = batch["input_ids"].clone()
        other[0, place] += 1
        with torch.inference_mode():
            apart = (model(**batch).logits - model(**{**batch, "input_ids": other}).logits)[0]
        return [bool(value > 1e-6) for value in apart.abs().amax(-1)]

    assert all(changes(first - 2)[: int((labels[0] >= 0).nonzero()[-1])])
    assert not any(changes(first + 2)[: first + 2])
    alone = reader.collate([samples[0]], False)
    alone.pop("labels")
    with torch.inference_mode():
        torch.testing.assert_close(
            model(**batch).logits[0, : alone["input_ids"].shape[1]], model(**alone).logits[0], rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(("show", "views"), [("face", 1), ("frame", 1), ("both", 2)])
def test_the_view_is_the_face_the_frame_or_both(reader: PaliGemmaReader, tmp_path: Path, show: str, views: int) -> None:
    one = sample(tmp_path, 1, "train")
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[20:60, 20:60] = 255
    Image.fromarray(pixels).save(tmp_path / "1.png")
    one["media"][0]["box"] = {"x": 30, "y": 30, "width": 20, "height": 20}
    view = config.load(ViewSettings, None, [f"show={show}", "margin=0.25"])
    told = read(tmp_path, PaliGemmaReader(reader.processor, view), one)[0].media["pixel_values"]
    assert told.shape == (views, 3, SIDE, SIDE)
    dark = [bool(value < 0) for value in told[:, 0, 0, 0]]  # only a whole frame has the black edge
    assert dark == {"face": [False], "frame": [True], "both": [True, False]}[show]


def test_a_question_cannot_bring_its_own_pictures(reader: PaliGemmaReader, tmp_path: Path) -> None:
    samples = read(tmp_path, reader, sample(tmp_path, 1, "train", words="<image>Which <eos>?"))
    assert samples[0].ids.count(reader.processor.image_token_id) == VIEW
    assert reader.processor.tokenizer.eos_token_id not in samples[0].ids[:-1]
    assert samples.lengths.tolist() == [len(samples[0].ids)]


def test_a_long_reply_is_cut_and_no_token_of_the_picture(reader: PaliGemmaReader, tmp_path: Path) -> None:
    long = sample(tmp_path, 1, "train")
    long["messages"][1]["content"][0]["text"] = "Sadness. " * 20
    samples = read(tmp_path, reader, long, limit=48)
    assert len(samples[0].ids) == 48 == samples.lengths[0]
    assert samples[0].cut == 9 * 20 + 1 - (48 - VIEW - len("#Which emotion?\n"))
    assert samples[0].ids.count(reader.processor.image_token_id) == VIEW


def test_what_paligemma_cannot_take_is_listed_and_told_in_the_plan(
    recipe: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unboxed = sample(data, 1, "train")
    del unboxed["media"][0]["box"]
    write(data / "odd.jsonl", [sample(data, 1, "train"), sample(data, 3, "train"), sample(data, 4, "train"), unboxed])
    out = run(recipe, f"data=[{{path: {data / 'odd.jsonl'}}}]", "optimise.steps=1")
    told = capsys.readouterr().err
    assert "2 Samples (2 left out" in told
    assert "not taken by this model: voices of 1 Samples" in told
    assert {"adapters", "projector", "vision tower", "language model", "all"} <= {
        line[:20].strip() for line in told.splitlines()
    }
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [reject["sample"][-1] for reject in rejects] == ["3", "4"]
    assert ["needs one" in rejects[0]["reason"], "view.show=frame" in rejects[1]["reason"]] == [True, True]


# ---- going on, and what is refused ----------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_with_the_loss_it_would_have_had(recipe: Path) -> None:
    settings = ("train.lora.dropout=0.1", "validating.every=2", "validating.keep=9")
    whole = run(recipe, *settings)
    wanted, weights = losses(whole), load_file(whole / "model" / "model.safetensors")
    for step in (4, 6):  # as if it had been stopped in the middle of writing the checkpoint of step 4
        (whole / f"checkpoint-{step}" / sft_state.COMPLETE).unlink()
    run(recipe, *settings)
    again = load_file(whole / "model" / "model.safetensors")
    assert losses(whole) == wanted
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_a_loss_that_is_no_number_stops_and_keeps_the_batch(recipe: Path, paligemma: Path, tmp_path: Path) -> None:
    broken = AutoModelForImageTextToText.from_pretrained(paligemma)
    with torch.no_grad():
        broken.model.language_model.norm.weight[5] = float("nan")
    broken.save_pretrained(tmp_path / "broken")
    AutoProcessor.from_pretrained(paligemma).save_pretrained(tmp_path / "broken")
    with pytest.raises(ModelError, match="step 1: the loss is nan"):
        run(recipe, f"model={tmp_path / 'broken'}")
    assert {"pixel_values", "token_type_ids"} <= load_file(tmp_path / "run" / "wrong-batch.safetensors").keys()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("batches.layout=packed", "takes a row a Sample"),
        ("model={folder}/half", "not a PaliGemma that can be loaded"),
        ("model={folder}/other", "unknown model family 'llama'; known: emollm, paligemma"),
        ("data=[{{path: {folder}/text.jsonl}}]", r"no Samples to use \(1 left out: no picture"),
    ],
)
def test_recipes_that_cannot_work_are_refused(recipe: Path, tmp_path: Path, override: str, told: str) -> None:
    for name, kind in (("half", "paligemma"), ("other", "llama")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": kind}))
    write(tmp_path / "text.jsonl", [sample(tmp_path, 0, "train")])
    with pytest.raises((ConfigError, DataError, ModelError), match=told) as caught:
        run(recipe, override.format(folder=tmp_path))
    assert len(str(caught.value).splitlines()) == 1


def test_our_own_family_takes_no_view(recipe: Path, model: Path) -> None:
    with pytest.raises(ConfigError, match="view: a model of our own family"):
        run(recipe, f"model={model}", "view.show=frame")


def test_the_recipe_of_the_real_model_is_valid() -> None:
    path = Path(sft.__file__).parent / "recipes" / "sft" / "paligemma-3b.yaml"
    recipe = config.load(SftRecipe, path)
    assert str(recipe.model) == "google/paligemma2-3b-pt-224"
    assert recipe.train.method == "qlora"
    assert recipe.view is not None
