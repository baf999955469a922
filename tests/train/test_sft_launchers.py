"""Two processes by each launcher learn what one process learns, on a machine without GPU."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emollm import config
from emollm.modeling.assemble import load
from emollm.modeling.tiny import tiny
from emollm.train import sft
from emollm.train.sft_recipe import SftRecipe
from tests.train.launching import launch

STEPS = 6
"""An epoch has five, the last of which two Samples do not fill."""
ACCELERATE = (
    "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no",
    "--dynamo_backend", "no", "-m", "emollm.train.sft",
)  # fmt: skip
DEEPSPEED = ("-m", "deepspeed.launcher.runner", "--num_gpus", "2", "--module", "emollm.train.sft")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text and, in every second Sample, a picture, in every third a voice, so that a process may have none in a step where another has some."""
    folder = tmp_path_factory.mktemp("launch")
    built = tiny("llama", gate=True)
    built.model.save_pretrained(folder / "model")
    built.processor.save_pretrained(folder / "model")
    from PIL import Image

    Image.new("RGB", (40, 40), (200, 90, 30)).save(folder / "face.png")
    soundfile.write(folder / "voice.wav", np.random.default_rng(0).normal(size=16_000) * 0.05, 16_000)
    lines = []
    for index in range(18 + 3):
        box = {"x": 2, "y": 2, "width": 36, "height": 36}
        media = [{"type": "image", "path": "face.png", "box": box}] if index % 2 else []
        media += [{"type": "audio", "path": "voice.wav"}] if index % 3 == 0 else []
        content = [{"type": item["type"]} for item in media] + [{"type": "text", "text": "Why " * (1 + index % 3)}]
        reply = [{"type": "text", "text": ["Joy.", "Grief."][index % 2]}]
        lines.append({
            "id": str(index), "messages": [{"role": "user", "content": content}, {"role": "assistant", "content": reply}], "media": media,
            "provenance": {"engine": "test@1", "licence": "CC0-1.0", "label_visible": False, "clip": str(index)},
        })  # fmt: skip
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:18]))
    (folder / "valid.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[18:]))
    values = {
        "model": str(folder / "model"), "data": [{"path": str(folder / "samples.jsonl")}], "log_every": 1, "threads": 1,
        "train": {"lora": {"dropout": 0.0}}, "optimise": {"rate": 0.005, "steps": STEPS, "batch": 2},
        "validating": {"every": 2, "keep": 9}, "validation": [{"path": str(folder / "valid.jsonl")}],
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(json.dumps(values))
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def alone(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Losses of one process that takes both halves of each step; those of validation last."""
    out = tmp_path_factory.mktemp("alone") / "run"
    sft.run(config.load(SftRecipe, recipe, ["optimise.batch=4", f"out={out}"]))
    return losses(out)


def losses(out: Path, step: int = STEPS) -> list[float]:
    told = json.loads((out / f"checkpoint-{step}" / "trainer_state.json").read_text())
    return [entry[name] for name in ("loss", "eval_loss") for entry in told["log_history"] if name in entry]


def launched(launcher: tuple[str, ...], recipe: Path, out: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    sets = [part for each in (f"out={out}", *overrides) for part in ("--set", each)]
    return launch([sys.executable, *at_free_port(launcher), str(recipe), *sets], environment(launcher), 280)


def at_free_port(launcher: tuple[str, ...]) -> tuple[str, ...]:
    """The launcher with a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    name = "--master_port" if launcher is DEEPSPEED else "--main_process_port"
    return (*launcher[:2], name, port, *launcher[2:])


def environment(launcher: tuple[str, ...]) -> dict[str, str]:
    """Told to use CPUs, accelerate would leave DeepSpeed out."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"DS_ACCELERATOR": "cpu"} if launcher is DEEPSPEED else {"ACCELERATE_USE_CPU": "true"}
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **own}


def check(result: subprocess.CompletedProcess[str], out: Path, alone: list[float]) -> None:
    assert result.returncode == 0, result.stderr[-3000:]
    assert "on 2 processes" in result.stdout + result.stderr
    # Measured: equal to five digits in the first three steps, at most 5e-4 apart in six; sums in another order move AdamW a little.
    assert losses(out) == pytest.approx(alone, rel=2e-3)
    load(out / "model")


def buffers() -> set[Path]:
    return set(Path("/dev/shm").glob("deepspeed_allreduce_buffer_*"))


def test_accelerate_learns_the_same_with_two_processes(recipe: Path, alone: list[float], tmp_path: Path) -> None:
    check(launched(ACCELERATE, recipe, tmp_path / "run"), tmp_path / "run", alone)


def test_deepspeed_zero_2_learns_the_same_with_two_processes(recipe: Path, alone: list[float], tmp_path: Path) -> None:
    before = buffers()
    check(launched(DEEPSPEED, recipe, tmp_path / "run", "deepspeed=zero2"), tmp_path / "run", alone)
    assert list((tmp_path / "run").glob("checkpoint-*/global_step*"))  # it was DeepSpeed that trained
    assert buffers() == before  # memory that its processes shared is free again


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["zero3", "zero3-offload"])
def test_deepspeed_zero_3_learns_the_same_and_writes_whole_weights(
    recipe: Path, alone: list[float], tmp_path: Path, settings: str
) -> None:
    check(launched(DEEPSPEED, recipe, tmp_path / "run", f"deepspeed={settings}"), tmp_path / "run", alone)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [ACCELERATE, DEEPSPEED])
def test_when_one_of_two_processes_is_killed_the_run_ends_and_goes_on_later(
    recipe: Path, tmp_path: Path, launcher: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    more = ("optimise.steps=30", *(["deepspeed=zero2"] if launcher is DEEPSPEED else []))
    sets = [part for each in (f"out={out}", *more) for part in ("--set", each)]
    process = subprocess.Popen([sys.executable, *at_free_port(launcher), str(recipe), *sets], env=environment(launcher))
    try:
        deadline = time.monotonic() + 300
        while not list(out.glob("checkpoint-*/complete.json")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.2)
        os.kill(workers(process.pid, str(out))[-1], signal.SIGKILL)
        assert process.wait(timeout=200) != 0
    finally:
        process.kill()
    result = launched(launcher, recipe, out, *more)
    assert result.returncode == 0, result.stderr[-3000:]
    assert len(losses(out, 30)) == 30 + 15


def workers(launcher: int, out: str) -> list[int]:
    """Processes below a launcher that train."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().decode(errors="replace").split("\0")
        pid = int(path.parent.name)
        if (
            pid != launcher
            and f"out={out}" in words
            and "emollm.train.sft" in words
            and "launch" not in " ".join(words[:4])
        ):
            found.append(pid)
    return sorted(found)
