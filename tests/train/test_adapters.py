"""Adapters: merged into their base they are the exported model, and into no other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emollm.errors import DataError, ModelError
from emollm.modeling.adapters import BASE, BESIDE, WEIGHTS, Base, content_of, with_adapter, write_base
from emollm.modeling.assemble import ModelSettings, assemble, load
from emollm.modeling.tiny import BACKBONES, tiny, tiny_backbone
from tests.modeling.conversations import STREAMS, TURNS, inputs
from tests.train.sft_runs import run


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_base_and_adapter_are_the_exported_model(recipe: Path, model: Path, method: str) -> None:
    out = run(recipe, f"train.method={method}")
    built = with_adapter(load(model), out / "adapter")
    whole, before = load(out / "model").model, load(model).model
    batch = inputs(built.processor, STREAMS["all"], TURNS[:1])
    with torch.inference_mode():
        told, wanted, untrained = (each(**batch).logits for each in (built.model, whole, before))
    torch.testing.assert_close(told, wanted, rtol=0, atol=0)
    assert (told - untrained).abs().max() > 0.1
    with pytest.raises(ModelError, match="an adapter of another base model"):  # not twice
        with_adapter(built, out / "adapter")


def test_an_adapter_of_a_model_of_parts_fits_these_parts(recipe: Path, tmp_path: Path) -> None:
    backbone = tiny_backbone(tmp_path / "llama")
    out = run(recipe, f"model={{backbone: {backbone}}}", "optimise.steps=1")
    assert json.loads((out / "adapter" / BASE).read_text())["name"] == str(backbone)
    built = with_adapter(assemble(ModelSettings(backbone=str(backbone))), out / "adapter")
    whole = load_file(out / "model" / "model.safetensors")
    assert all(torch.equal(value, whole[name]) for name, value in built.model.state_dict().items())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_content_is_the_same_in_memory_saved_and_in_half_precision(backbone: str, tmp_path: Path) -> None:
    built = tiny(backbone)
    built.model.save_pretrained(tmp_path / "a", max_shard_size="200KB")
    told = {content_of(built.model), content_of(tmp_path / "a")}
    built.processor.save_pretrained(tmp_path / "a")
    told.add(content_of(load(tmp_path / "a", dtype="bfloat16").model))
    assert len(told) == 1
    with torch.no_grad():
        next(built.model.parameters()).view(-1)[0].add_(1e-3)
    assert content_of(built.model) not in told


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def change(folder: Path, wider: bool) -> None:
    """Another layer's weight, or one of another shape, in files that are as large as ``base.json`` says."""
    tensors = load_file(folder / WEIGHTS)
    first = sorted(tensors)[0]
    value = tensors.pop(first)
    tensors[first if wider else first.replace("0", "9", 1)] = value.repeat(2, 1) if wider else value
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    told = json.loads((folder / BASE).read_text())
    write_base(folder, Base(told["name"], told["content"]))


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "half-written": (lambda folder: cut(folder / WEIGHTS), "half an adapter; get it again"),
    "without weights": (lambda folder: (folder / WEIGHTS).unlink(), "found no file: half an adapter"),
    "without its connectors": (lambda folder: (folder / BESIDE).unlink(), "found no file: half an adapter"),
    "of nothing": (lambda folder: (folder / BASE).unlink(), "not a whole adapter"),
    "other layers": (lambda folder: change(folder, wider=False), "does not fit this model"),
    "other shapes": (lambda folder: change(folder, wider=True), r"has shape \(\d+, \d+\), the model's"),
}


@pytest.fixture(scope="module")
def adapter(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    values = {
        "model": str(model), "data": [{"path": str(data / "train.jsonl")}], "out": str(folder / "run"), "optimise": {"steps": 1},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(json.dumps(values))
    return run(folder / "recipe.yaml") / "adapter"


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_whole_adapter_is_refused_in_one_line(
    adapter: Path, model: Path, tmp_path: Path, damage: str
) -> None:
    folder = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    harm, told = DAMAGES[damage]
    harm(folder)
    with pytest.raises(ModelError, match=told) as caught:
        with_adapter(load(model), folder)
    assert len(str(caught.value).splitlines()) == 1


def test_an_adapter_of_another_base_model_is_refused(adapter: Path, model: Path) -> None:
    for other in (tiny("llama", gate=True, seed=1), tiny("qwen", gate=True), tiny("llama")):
        with pytest.raises(ModelError, match=f"an adapter of another base model, {model} ") as caught:
            with_adapter(other, adapter)
        assert len(str(caught.value).splitlines()) == 1


def test_a_run_does_not_go_on_after_its_base_model_changed(recipe: Path, model: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(model, tmp_path / "base"))
    run(recipe, f"model={own}")
    tensors = load_file(own / "model.safetensors")
    tensors["lm_head.weight"][0, 0] += 1.0
    save_file(tensors, own / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="another base model"):
        run(recipe, f"model={own}")
