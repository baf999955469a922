"""Stages align and sft on a tiny model: what is learnt, exact resume, packing, adapters, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emollm.errors import ConfigError, DataError, ModelError
from emollm.modeling.assemble import load
from emollm.modeling.conversation import batch_of
from emollm.train import sft, sft_state
from emollm.train.native import NativeReader
from emollm.train.sft_data import Order, Samples
from emollm.train.sft_recipe import BatchSettings, SampleSource
from tests.train.sft_runs import losses, made, run, sample, write

# ---- what is learnt -------------------------------------------------------------------------------------------------


def test_a_run_learns_and_ends_as_a_model_that_loads_and_answers(recipe: Path, data: Path) -> None:
    out = run(recipe, "optimise.steps=12", f"validation=[{{path: {data / 'valid.jsonl'}}}]", "validating.every=6")
    told = losses(out)
    assert told[-1] < 0.75 * told[0]
    built = load(out / "model")
    batch = built.processor(text=["<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\n"], return_tensors="pt")
    assert built.model.generate(**batch, max_new_tokens=3).shape[1] > batch["input_ids"].shape[1]
    history = json.loads((out / "checkpoint-12" / "trainer_state.json").read_text())["log_history"]
    assert {"eval_loss", "eval_war", "eval_uar", "eval_named"} <= {key for entry in history for key in entry}


def test_align_moves_connectors_and_gate_and_nothing_else(recipe: Path, model: Path) -> None:
    out = run(recipe, stage="align")
    before, after = load_file(model / "model.safetensors"), load_file(out / "model" / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("connector" in name or ".gate." in name for name in moved)
    assert any(".gate." in name for name in moved)


def test_lora_leaves_towers_as_they_are_and_an_adapter_beside_the_merged_model(recipe: Path, model: Path) -> None:
    out = run(recipe)
    before, after = load_file(model / "model.safetensors"), load_file(out / "model" / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("q_proj" in name for name in moved)
    assert not any("tower" in name or "embed_tokens" in name for name in moved)
    assert (out / "adapter" / "adapter_model.safetensors").is_file()


def test_qlora_trains_on_four_bits_and_ends_in_full_precision(recipe: Path) -> None:
    out = run(recipe, "train.method=qlora")
    assert losses(out)[-1] < losses(out)[0]
    tensors = load_file(out / "model" / "model.safetensors")
    assert tensors["model.language_model.layers.0.self_attn.q_proj.weight"].dtype == torch.float32


def test_only_the_assistants_tokens_are_learnt(model: Path, data: Path) -> None:
    processor = load(model).processor
    samples = Samples([SampleSource(path=data / "train.jsonl")], NativeReader(processor), 512)
    one = samples[1]
    learnt = [token for token in one.labels if token >= 0]
    assert processor.tokenizer.decode(learnt) == "Sadness.<|im_end|>"
    assert processor.image_token_id in one.ids


# ---- going on -------------------------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_with_the_loss_it_would_have_had(recipe: Path, tmp_path: Path) -> None:
    settings = ("train.lora.dropout=0.1", "validating.every=2", "validating.keep=9", "optimise.steps=6")
    whole = run(recipe, *settings)
    wanted, weights = losses(whole), load_file(whole / "model" / "model.safetensors")
    (whole / "checkpoint-6" / sft_state.COMPLETE).unlink()  # as if it had been stopped in the middle of writing it
    (whole / "checkpoint-4" / sft_state.COMPLETE).unlink()
    run(recipe, *settings)
    again = load_file(whole / "model" / "model.safetensors")
    assert losses(whole) == wanted
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_a_folder_of_another_run_is_not_written_over(recipe: Path) -> None:
    run(recipe)
    with pytest.raises(DataError, match="another recipe"):
        run(recipe, "optimise.rate=0.001")


# ---- how Samples are put together -----------------------------------------------------------------------------------


def test_packed_samples_do_not_see_each_other(model: Path, data: Path) -> None:
    built = load(model)
    samples = Samples([SampleSource(path=data / "train.jsonl")], NativeReader(built.processor), 512)
    some = [samples[index] for index in (0, 1, 3)]
    padding = built.processor.tokenizer.pad_token_id
    with torch.inference_mode():
        apart = built.model(**batch_of(some, padding)).logits
        packed = built.model(**batch_of(some, padding, packed=True)).logits
    start = 0
    for row, one in enumerate(some):
        end = start + len(one.ids)
        torch.testing.assert_close(packed[0, start:end], apart[row, : len(one.ids)], rtol=1e-4, atol=1e-4)
        start = end


def test_weights_say_how_often_a_sample_is_seen_in_an_epoch(model: Path, data: Path) -> None:
    sources = [
        SampleSource(path=data / "train.jsonl", weight=2.0),
        SampleSource(path=data / "valid.jsonl", weight=0.5),
    ]
    samples = Samples(sources, NativeReader(load(model).processor), 512)
    order = Order(samples, BatchSettings(), step=5, seed=0)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert len(first) == len(second) == len(order) == 2 * 16 + 3
    assert all(first.count(index) == 2 for index in range(16))
    assert {index for index in first if index >= 16} != {index for index in second if index >= 16}


def test_a_limit_is_of_the_source_not_of_each_of_its_files(model: Path, tmp_path: Path) -> None:
    for shard in range(2):
        write(
            tmp_path / f"samples-0000{shard}.jsonl", [sample(tmp_path, 4 * (4 * shard + k), "train") for k in range(4)]
        )
    reader = NativeReader(load(model).processor)
    samples = Samples([SampleSource(path=tmp_path, limit=5)], reader, 512)
    assert [place.path.name[-7] for place in samples.places] == ["0", "0", "0", "0", "1"]


def test_grouped_steps_hold_samples_of_like_length(model: Path, tmp_path: Path) -> None:
    texts = ["why " * count for count in (1, 40, 2, 39, 3, 38, 4, 37)]
    write(tmp_path / "s.jsonl", [sample(tmp_path, 4 * k, "train", words=words) for k, words in enumerate(texts)])
    samples = Samples([SampleSource(path=tmp_path / "s.jsonl")], NativeReader(load(model).processor), 512)
    order = list(Order(samples, BatchSettings(), step=4, seed=0))
    assert sorted(map(sorted, (order[:4], order[4:]))) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_a_long_sample_loses_the_end_of_its_reply_and_no_token_of_media(model: Path, tmp_path: Path) -> None:
    long = sample(tmp_path, 1, "train")
    long["messages"][1]["content"][0]["text"] = "Sadness. " * 40
    write(tmp_path / "s.jsonl", [long])
    processor = load(model).processor
    one = Samples([SampleSource(path=tmp_path / "s.jsonl")], NativeReader(processor), 64)[0]
    assert len(one.ids) == 64
    assert one.cut > 0
    assert one.ids.count(processor.image_token_id) == processor.scene_tokens + processor.face_tokens


def test_a_sample_whose_question_leaves_no_room_is_left_out_and_listed(
    recipe: Path, data: Path, tmp_path: Path
) -> None:
    long = sample(data, 1, "train", words="why " * 200)
    write(data / "long.jsonl", [sample(data, 0, "train"), long])
    out = run(recipe, f"data=[{{path: {data / 'long.jsonl'}}}]", "batches.max_tokens=128", "optimise.steps=1")
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [reject["sample"].endswith("long.jsonl:2") for reject in rejects] == [True]


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_and_keeps_the_batch(recipe: Path, model: Path, tmp_path: Path) -> None:
    broken = load(model)
    with torch.no_grad():
        broken.model.lm_head.weight[5] = float("nan")
    broken.model.save_pretrained(tmp_path / "broken")
    broken.processor.save_pretrained(tmp_path / "broken")
    with pytest.raises(ModelError, match="step 1: the loss is nan"):
        run(recipe, f"model={tmp_path / 'broken'}")
    kept = json.loads((tmp_path / "run" / "wrong-batch.json").read_text())
    assert len(kept["texts"]) == 4
    assert "input_ids" in load_file(tmp_path / "run" / "wrong-batch.safetensors")


def test_a_sample_without_a_reply_is_named_by_its_line(recipe: Path, data: Path) -> None:
    silent = sample(data, 0, "train")
    silent["messages"] = silent["messages"][:1]
    write(data / "silent.jsonl", [sample(data, 2, "train"), silent])
    with pytest.raises(DataError, match=r"silent\.jsonl:2: no turn of the assistant"):
        run(recipe, f"data=[{{path: {data / 'silent.jsonl'}}}]")


def test_media_that_cannot_be_read_are_named_by_file_and_line(recipe: Path, data: Path) -> None:
    gone = sample(data, 1, "train")
    gone["media"][0]["path"] = "gone.png"
    write(data / "gone.jsonl", [gone] * 4)
    with pytest.raises(DataError, match=r"gone\.jsonl:\d: .*gone\.png"):
        run(recipe, f"data=[{{path: {data / 'gone.jsonl'}}}]")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.lora.targets=[nothing]", "no such layers"),
        ("validation=[{path: x.jsonl, split: test}]", "must not be selected on test data"),
        ("deepspeed=zero9", "deepspeed=zero9: no such file"),
        ("model=/nowhere", "not a model of this family"),
    ],
)
def test_recipes_that_cannot_work_are_refused(recipe: Path, override: str, told: str) -> None:
    with pytest.raises((ConfigError, ModelError), match=told):
        run(recipe, override)


def test_the_command_answers_a_mistake_with_one_line_and_code_2(recipe: Path) -> None:
    command = [sys.executable, "-m", "emollm.train.sft", str(recipe), "--set", "data=[{path: /nowhere.jsonl}]"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("emollm: /nowhere.jsonl: no such file")
    assert "Traceback" not in result.stderr


def test_the_plan_tells_what_would_be_trained_and_trains_nothing(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sft.run(made(recipe), plan=True)
    told = capsys.readouterr().err
    assert "adapters" in told
    assert "16 Samples" in told
    assert "4 steps" in told
    assert not made(recipe).out.exists()
