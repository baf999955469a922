"""What a run does with its checkpoints and its folder: ends once, goes on only as it began, keeps none that cannot be gone on from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from emollm.errors import ConfigError, DataError, EmollmError, ModelError
from emollm.modeling.assemble import load
from emollm.train import sft, sft_state
from tests.train.sft_runs import losses, made, run, sample, write


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_that_has_ended_is_not_trained_further_but_ends_with_its_best_again(recipe: Path, tmp_path: Path) -> None:
    """In the middle of an epoch; validation Samples reply what is never taught, so that the best checkpoint is not the last."""
    other = sample(tmp_path, 100, "valid")
    other["messages"][1]["content"][0]["text"] = "0123456789" * 4
    path = write(tmp_path / "valid.jsonl", [other])
    often = ("validating.every=1", "validating.generate=0", f"validation=[{{path: {path}}}]")
    settings = ("optimise.steps=7", "optimise.rate=0.05", *often)
    out = run(recipe, *settings)
    state = json.loads((out / "checkpoint-7" / "trainer_state.json").read_text())
    assert state["best_global_step"] < 7
    before = weights(out)
    (out / "model" / "model.safetensors").unlink()
    run(recipe, *settings)
    assert max(int(path.name[11:]) for path in out.glob("checkpoint-*")) == 7
    assert equal(weights(out), before)


def test_another_number_of_processes_does_not_go_on(recipe: Path) -> None:
    out = run(recipe)
    path = out / "checkpoint-4" / sft_state.COMPLETE
    path.write_text(json.dumps({**json.loads(path.read_text()), "processes": 2}))
    with pytest.raises(DataError, match="holds a run of 2 processes, this one has 1; start as many"):
        run(recipe)


def test_a_run_that_is_refused_and_a_plan_leave_the_folder_as_it_is(recipe: Path) -> None:
    out = run(recipe)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="another recipe"):
        run(recipe, "optimise.rate=0.001")
    sft.run(made(recipe, "optimise.rate=0.001"), plan=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_the_checkpoint_before_stays_until_the_new_one_is_whole(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at the last moment, with one checkpoint to keep."""
    mark = sft_state.mark_complete

    def stopped(folder: Path, *told: Any) -> None:
        if folder.name == "checkpoint-3":
            raise KeyboardInterrupt
        mark(folder, *told)

    settings = ("validating.every=1", "validating.keep=1")
    with monkeypatch.context() as patched:
        patched.setattr(sft_state, "mark_complete", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, *settings)
    out = made(recipe).out
    assert [path.name for path in sft_state.whole(out)] == ["checkpoint-2"]
    run(recipe, *settings)
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-4"]


@pytest.mark.parametrize("name", [sft_state.COMPLETE, sft_state.STATE])
def test_a_checkpoint_whose_json_is_garbled_gives_way_to_the_one_before(recipe: Path, name: str) -> None:
    settings = ("validating.every=2", "validating.keep=9")
    out = run(recipe, *settings)
    wanted, before = losses(out), weights(out)
    (out / "checkpoint-4" / name).write_text("{")
    run(recipe, *settings)
    assert losses(out) == wanted
    assert equal(weights(out), before)


def test_towers_that_are_trained_go_on_with_all_that_they_count(recipe: Path) -> None:
    settings = ("train.method=full", "train.towers=true", "validating.every=2")
    out = run(recipe, *settings)
    before = weights(out)
    assert any(name.endswith("num_batches_tracked") for name in before)
    (out / "checkpoint-4" / sft_state.COMPLETE).unlink()
    run(recipe, *settings)
    assert equal(weights(out), before)


def test_a_gradient_that_is_no_number_stops_before_the_weights_move(recipe: Path, model: Path, tmp_path: Path) -> None:
    """A model of equal answers whose adapters are told so much, times a huge alpha, that the first gradient overflows; the loss does not."""
    broken = load(model)
    with torch.no_grad():
        for layer in broken.model.model.language_model.layers:
            layer.input_layernorm.weight *= 1e6
            for name in ("q_proj", "k_proj", "v_proj"):
                getattr(layer.self_attn, name).weight /= 1e6
    broken.model.save_pretrained(tmp_path / "broken")
    broken.processor.save_pretrained(tmp_path / "broken")
    settings = ("train.lora.alpha=4.8e+39", "validating.every=1", "optimise.accumulate=2")
    with pytest.raises(ModelError, match="step 1: the gradient is"):
        run(recipe, f"model={tmp_path / 'broken'}", *settings)
    out = made(recipe).out
    assert not sft_state.whole(out)
    assert len(json.loads((out / "wrong-batch.json").read_text())["texts"]) == 8


def test_each_run_of_a_process_has_its_own_log(recipe: Path, tmp_path: Path) -> None:
    run(recipe, f"out={tmp_path / 'one'}", "optimise.steps=1")
    run(recipe, f"out={tmp_path / 'two'}", "optimise.steps=1")
    assert [len(list((tmp_path / name / "log").iterdir())) for name in ("one", "two")] == [1, 1]


def test_the_loss_of_validation_does_not_depend_on_the_batches(recipe: Path, tmp_path: Path) -> None:
    lines = [sample(tmp_path, index, "valid") for index in range(100, 106)]
    for index, line in enumerate(lines):
        line["messages"][1]["content"][0]["text"] += " Because of it all." * (3 * index)
    path = write(tmp_path / "valid.jsonl", lines)
    told = []
    for batch, layout in ((1, "grouped"), (4, "grouped"), (4, "packed")):
        out = run(
            recipe, f"out={tmp_path / f'{layout}{batch}'}", f"optimise.batch={batch}", f"batches.layout={layout}",
            f"validation=[{{path: {path}}}]", "optimise.rate=1e-12", "optimise.steps=1", "validating.generate=0",
        )  # fmt: skip
        history = json.loads((out / "checkpoint-1" / "trainer_state.json").read_text())["log_history"]
        told += [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    assert told == pytest.approx([told[0]] * 3, rel=1e-5)


def test_a_run_starts_with_the_weights_of_an_earlier_one_and_a_fresh_optimiser(recipe: Path, tmp_path: Path) -> None:
    earlier = run(recipe, "optimise.steps=8", "validating.every=4")
    start = f"start={earlier / 'checkpoint-8'}"
    later = run(recipe, start, "optimise.steps=2", "validating.every=2", f"out={tmp_path / 'later'}")
    fresh = run(recipe, "optimise.steps=2", "validating.every=2", f"out={tmp_path / 'fresh'}")
    assert losses(later)[0] < losses(fresh)[0]
    with pytest.raises(EmollmError, match="another"):  # what a run begins with is part of what it is
        run(recipe, "optimise.steps=2", "validating.every=2", f"out={tmp_path / 'later'}")


def test_a_run_starts_with_an_adapter_as_with_the_checkpoint_it_was_written_from(recipe: Path, tmp_path: Path) -> None:
    earlier = run(recipe, "optimise.steps=8", "validating.every=8")
    first = []
    for name in ("checkpoint-8", "adapter"):
        out = run(recipe, f"start={earlier / name}", "optimise.steps=2", "validating.every=2", f"out={tmp_path / name}")
        first.append(losses(out)[0])
    assert first[0] == pytest.approx(first[1], rel=1e-6)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: None, "is no checkpoint of a run"),
        (lambda folder: (folder / sft_state.TRAINED).write_bytes(b"{}"), "cannot be read"),
        (
            lambda folder: sft_state.write_tensors(folder / sft_state.TRAINED, {"other": torch.zeros(1)}),
            "trains other weights",
        ),
    ],
)
def test_what_is_no_checkpoint_of_the_same_weights_cannot_be_started_with(
    recipe: Path, tmp_path: Path, make: Callable[[Path], object], told: str
) -> None:
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    make(folder)
    with pytest.raises(ConfigError, match=told) as error:
        run(recipe, f"start={folder}")
    assert "out=" not in str(error.value)
    assert "remove" not in str(error.value)
