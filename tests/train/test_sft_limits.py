"""Real limits: memory that is not enough, a full disk, Ctrl-C. Each run is a process of its own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from emollm.errors import ConfigError
from emollm.modeling.assemble import load
from emollm.train import sft, sft_state
from emollm.train.native import NativeReader
from emollm.train.sft_data import Samples
from tests.train.sft_runs import losses, made, run, sample, write

LIMITED = """
import re, resource, sys
from pathlib import Path
import accelerate.state, open_clip, peft.tuners.lora, transformers.trainer, torch.utils.tensorboard, deepspeed
import emollm.train.native, emollm.train.sft, emollm.train.sft_trainer
held = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (held + MORE, held + MORE))
emollm.train.sft.main()
"""
"""A run that may take so much more memory than the libraries do that it is written in."""
SHORT = """
import resource, emollm.train.sft
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
emollm.train.sft.main()
"""
"""A run none of whose files may grow above 40 kB: the system then answers as it does when the disk is full."""


def ran(program: Sequence[str], recipe: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    sets = [part for each in overrides for part in ("--set", each)]
    command = [sys.executable, *program, str(recipe), *sets]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def told(result: subprocess.CompletedProcess[str]) -> str:
    """The last line; there must be no traceback."""
    assert "Traceback" not in result.stderr, result.stderr[-3000:]
    return result.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_out_of_memory_says_which_knob_to_turn_and_turning_it_helps(recipe: Path, tmp_path: Path) -> None:
    texts = [sample(tmp_path, 4 * k, "train", words="why " * 220) for k in range(96)]
    data = f"data=[{{path: {write(tmp_path / 'long.jsonl', texts)}}}]"
    program = ("-c", LIMITED.replace("MORE", str(700 * 2**20)))
    result = ran(program, recipe, data, "optimise.batch=96", "optimise.steps=1")
    assert result.returncode == 2
    line = told(result)
    assert line.startswith("emollm: not enough memory for a step of 96 ×")
    assert "lower optimise.batch=96 (and raise optimise.accumulate) or batches.max_tokens=1024" in line
    result = ran(program, recipe, data, "optimise.batch=4", "optimise.accumulate=24", "optimise.steps=1")
    assert result.returncode == 0, result.stderr[-3000:]


def test_a_disk_that_fills_up_leaves_the_checkpoint_before_and_the_run_goes_on(recipe: Path, tmp_path: Path) -> None:
    settings = ("validating.every=2", "validating.keep=9")
    out = run(recipe, *settings)
    (out / "checkpoint-4" / sft_state.COMPLETE).unlink()
    before = {path: path.read_bytes() for path in (out / "checkpoint-2").iterdir()}
    wanted = losses(out)
    result = ran(("-c", SHORT), recipe, *settings)
    assert result.returncode == 2
    assert "cannot be written: File too large" in told(result)
    assert {path: path.read_bytes() for path in (out / "checkpoint-2").iterdir()} == before
    run(recipe, *settings)
    assert losses(out) == wanted


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(recipe: Path, tmp_path: Path) -> None:
    settings = ("validating.every=2", "optimise.steps=2000")
    command = [sys.executable, "-m", "emollm", "train", "run", str(recipe)]
    sets = [part for each in settings for part in ("--set", each)]
    process = subprocess.Popen([*command, *sets], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 200
        while not list((tmp_path / "run").glob("checkpoint-*/complete.json")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1] == "emollm: stopped; the same command goes on from the last whole checkpoint"
    assert sft_state.whole(tmp_path / "run")


def test_the_plan_counts_what_is_too_long_and_no_sample_stops_a_run_later(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Around the limit: each Sample is left out, cut or whole in the plan, and all that are not left out can be learnt from."""
    samples = [sample(tmp_path, k, "train", words="w" * (6 * k)) for k in range(16)]
    for each in samples:
        each["messages"][1]["content"][0]["text"] = "Sadness, or so it seems."
    values = made(recipe, f"data=[{{path: {write(tmp_path / 's.jsonl', samples)}}}]", "batches.max_tokens=128")
    sft.run(values, plan=True)
    read = Samples(values.data, NativeReader(load(values.model).processor), 128)
    rejects = len(read.rejects)
    cut = sum(one.cut > 0 for one in read)
    assert len(read) == 16 - rejects
    assert min(rejects, cut) > 0
    assert f"{16 - rejects} Samples ({rejects} left out, about {cut} too long and cut)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model={streams: {smell: {tower: face-mt}}}", "unknown stream 'smell'; known: face, scene, speech"),
        ("model={streams: {face: {tower: face-mt, conector: {}}}}", "streams.face.conector: Extra inputs are not"),
    ],
)
def test_parts_that_there_are_not_are_refused(recipe: Path, override: str, line: str) -> None:
    text = json.loads(recipe.read_text())
    del text["model"]
    recipe.write_text(json.dumps(text))
    with pytest.raises(ConfigError, match=line):
        made(recipe, override)
