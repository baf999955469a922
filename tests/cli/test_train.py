"""``emollm train run|plan|launch`` from outside: what is printed, exit codes, one-line refusals."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from tests.train.sft_runs import sample, write

Say = Callable[..., Said]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step on the text of four Samples."""
    from emollm.modeling.tiny import tiny

    folder = tmp_path_factory.mktemp("train")
    built = tiny("llama", ())
    built.model.save_pretrained(folder / "model")
    built.processor.save_pretrained(folder / "model")
    write(folder / "samples.jsonl", [sample(folder, 4 * index, "train") for index in range(4)])
    values = {
        "model": str(folder / "model"),
        "data": [{"path": str(folder / "samples.jsonl")}],
        "optimise": {"steps": 1},
    }
    (folder / "recipe.yaml").write_text(json.dumps(values))
    return folder / "recipe.yaml"


def test_run_trains_and_the_same_command_finds_it_done(recipe: Path, tmp_path: Path, say: Say) -> None:
    command = ("train", "run", recipe, "--set", f"out={tmp_path / 'run'}")
    said = say(*command)
    assert said.code == 0
    assert said.out.strip().splitlines()[-1] == f"{tmp_path / 'run' / 'model'}: the trained model"
    assert (tmp_path / "run" / "adapter" / "base.json").is_file()
    assert say(*command).code == 0
    assert len(list((tmp_path / "run").glob("checkpoint-*"))) == 1


def test_plan_tells_what_would_be_trained_and_writes_no_checkpoint(recipe: Path, tmp_path: Path, say: Say) -> None:
    said = say("train", "plan", recipe, "--set", f"out={tmp_path / 'run'}")
    assert said.code == 0
    assert "4 Samples (0 left out, about 0 too long and cut)" in said.err
    assert "adapters" in said.err
    assert not list((tmp_path / "run").glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--processes", "2"),
            "ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --main_process_port 0 --num_processes 2 --num_machines 1 --mixed_precision no "
            "--dynamo_backend no -m emollm.train.sft RECIPE",
        ),
        (
            ("--with", "deepspeed", "--processes", "2", "--set", "seed=1"),
            "DS_ACCELERATOR=cpu deepspeed --master_port PORT --num_gpus 2 --module emollm.train.sft RECIPE --set seed=1 --set deepspeed=zero2",
        ),
        (
            ("--with", "deepspeed", "--processes", "2", "--set", "deepspeed=zero3", "--set", "stage=align"),
            "DS_ACCELERATOR=cpu deepspeed --master_port PORT --num_gpus 2 --module emollm.train.align RECIPE --set deepspeed=zero3 --set stage=align",
        ),
    ],
)
def test_launch_says_the_command_of_several_processes(
    recipe: Path, say: Say, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the same on a machine with GPUs
    said = say("train", "launch", recipe, *options, "--dry-run")
    assert said.code == 0
    shown = re.sub(r"(--master_port) \d+", r"\1 PORT", said.out.strip())
    assert shown == told.replace("RECIPE", shlex.quote(str(recipe)))


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        (None, ("run",), "recipe.yaml: cannot be read: No such file"),
        ("stage: tune", ("run",), "stage: expected align or sft, got 'tune'"),
        ("data: []", ("run",), "data: Tuple should have at least 1 item"),
        (
            "data: [{path: /nowhere.jsonl}]\noptimize: {}",
            ("plan",),
            "unknown setting 'optimize' (did you mean 'optimise'?)",
        ),
        ("net: {encoder: face_mt}", ("plan",), "plans are told of align and sft"),
        ("net: {encoder: face_mt}", ("launch", "--with", "deepspeed"), "face encoders are trained by accelerate"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line_with_code_2(
    tmp_path: Path, say: Say, text: str | None, arguments: tuple[str, ...], told: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    if text is not None:
        recipe.write_text(text)
    said = say("train", arguments[0], recipe, *arguments[1:])
    assert said.code == 2
    assert told in said.err
    assert len(said.err.strip().splitlines()) == 1
