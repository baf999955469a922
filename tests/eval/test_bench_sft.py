"""The training bench: its data, its turns, its arithmetic, what a photo is compared with."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from emollm.errors import EmollmError
from emollm.eval.bench_sft import LORA, Plan, Result, as_text, by_clock, by_processor, rate, recipe_of, times_as_fast
from emollm.eval.bench_sft_data import made, write
from emollm.eval.bench_sft_photo import Trial
from emollm.eval.bench_table import Spread
from emollm.eval.bench_turns import Run, Step
from emollm.modeling.tiny import tiny, tiny_backbone
from tests.modeling.conversations import STREAMS

WORKER = """
import json, sys, time
print("a line of a library")
for step in range(1, 4):
    end = time.process_time() + 0.2
    with open(sys.argv[1], "a") as file:
        while time.process_time() < end:
            file.write("x")
            file.flush()
    print(json.dumps({"versions": {"worker": "1"}} if step == 1 else {}), flush=True)
    print(json.dumps({"step": step, "loss": 2.0}), flush=True)
sys.exit("no more steps")
"""


def worker(folder: Path) -> Run:
    """A run of three steps, each of 0.2 s of writing letters to a file."""
    (folder / "worker.py").write_text(WORKER, encoding="utf-8")
    command = [sys.executable, str(folder / "worker.py"), str(folder / "work")]
    return Run("worker", command, folder / "log", {"OMP_NUM_THREADS": "1"})


def test_a_run_works_only_in_its_turn_and_its_end_says_why(tmp_path: Path) -> None:
    with worker(tmp_path) as run:
        assert run.first.number == 1
        assert run.told == {"versions": {"worker": "1"}}
        assert run.peak > 0
        time.sleep(0.05)  # what it did before the signal reached it
        before = (tmp_path / "work").stat().st_size
        time.sleep(0.1)
        assert (tmp_path / "work").stat().st_size == before
        steps = [run.step() for _ in range(2)]
        assert [step.number for step in steps] == [2, 3]
        assert min(step.cpu for step in steps) > 0.1
        with pytest.raises(EmollmError, match=r"worker ended with code 1: no more steps; its whole log is .*log"):
            run.step()


def test_the_end_of_the_bench_ends_a_run_that_stands_still(tmp_path: Path) -> None:
    with worker(tmp_path) as run:
        process = run.process
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_tokens_and_samples_are_the_same_data(tmp_path: Path) -> None:
    data = write(tiny("llama", ()).processor, tmp_path, 3, ((3, 6), (2, 4)))
    rows = [json.loads(line) for line in data.tokens.read_text(encoding="utf-8").splitlines()]
    assert [len(row["input_ids"]) for row in rows] == data.lengths
    replies = [sample.reply for sample in made(3, ((3, 6), (2, 4)))]
    # Bytes are tokens here: what is learnt is the reply and the token that ends it.
    assert data.learnt == [len(reply.encode()) + 1 for reply in replies]
    assert data.samples.read_text(encoding="utf-8").count("\n") == 3


def test_speed_and_ratio_are_taken_step_by_step() -> None:
    ours = [Step(3, 1.0, 2.0, 4.0), Step(4, 2.0, 3.0, 3.9), Step(5, 1.0, 2.0, 3.8)]
    theirs = [Step(3, 2.0, 3.0, 4.0), Step(4, 2.0, 6.0, 3.9), Step(5, 3.0, 2.0, 3.8)]
    assert rate([100, 300, 120], ours, by_clock) == Spread(120, 100, 150)
    assert times_as_fast(ours, theirs, by_clock) == Spread(2, 1, 3)
    assert times_as_fast(ours, theirs, by_processor) == Spread(1.5, 1, 2)


def test_the_page_names_both_the_ratio_and_what_is_not_counted(tmp_path: Path) -> None:
    steps = {"emollm": [Step(3, 1.0, 2.0, 4.0)], "TRL": [Step(3, 2.0, 3.0, 4.1)]}
    data = write(tiny("llama", ()).processor, tmp_path, 2, ((3, 6), (2, 4)))
    values = {"lora": LORA, "dtype": "float32", "batch": 2, "accumulation": 1, "threads": 2}
    told = {name: {"versions": {"torch": "1"}} for name in steps}
    result = Result(steps, told, {"emollm": 2**20, "TRL": 2**21}, [100], [30], 0.0)
    text = as_text(result, Plan(tmp_path, values, data))
    assert "2.00 (2.00–2.00) by the clock, 1.50 (1.50–1.50) by processor time" in text
    assert "| emollm | 100.0 (100.0–100.0) | 30.0 (30.0–30.0) | 50.0 (50.0–50.0) | 1.00 GiB |" in text
    assert "of which 30% are learnt" in text
    assert str(tmp_path) not in text


def test_a_photo_is_compared_with_as_many_words() -> None:
    trial = Trial(tiny("llama", STREAMS["face"]))
    assert trial.words["input_ids"].shape == trial.photos["input_ids"].shape
    differ = trial.words["input_ids"] != trial.photos["input_ids"]
    assert int(differ.sum()) == trial.placeholders == 2 * trial.processor.face_tokens > 0
    assert "face_values" in trial.photos
    assert "face_values" not in trial.words
    row = trial.cost(1)
    assert row.photos.low > 0
    assert row.words.low > 0


@pytest.mark.slow
def test_our_side_is_the_stage_itself_on_the_same_data(tmp_path: Path) -> None:
    folder = tiny_backbone(tmp_path / "model")
    data = write(tiny("llama", ()).processor, tmp_path, 8, ((3, 6), (2, 4)))
    values = {
        "model": str(folder), "samples": str(data.samples), "out": str(tmp_path / "out"), "dtype": "float32", "threads": 1,
        "batch": 2, "accumulation": 1, "steps": 4, "lora": LORA,
    }  # fmt: skip
    recipe = recipe_of(Plan(tmp_path / "plan.json", values, data))
    command = [sys.executable, "-m", "emollm.train.sft", str(recipe)]
    with Run("emollm", command, tmp_path / "log", {"OMP_NUM_THREADS": "1"}) as run:
        assert set(run.told["versions"]) >= {"emollm", "torch", "transformers", "peft"}
        steps = [run.first, run.step(), run.step()]
    assert [step.number for step in steps] == [1, 2, 3]
    assert all(0 < step.loss < 10 for step in steps)
