"""The recipe of the embedded model on a machine that has neither its data nor its aligned connectors."""

import subprocess
import sys
from pathlib import Path

import pytest

from emollm import config
from emollm.train.sft_recipe import SftRecipe

RECIPE = Path("train/recipes/emollm-135m/sft.yaml")
ELSEWHERE = ("model=nowhere/model",)


def test_few_steps_try_the_recipe_where_its_model_is_not_here() -> None:
    recipe = config.load(SftRecipe, RECIPE, [*ELSEWHERE, "max_steps=20"])
    assert recipe.optimise.steps == 20
    tried, lacking = recipe.tried()
    assert Path("nowhere/model") in lacking
    assert [source.path.is_file() for source in tried.data] == [True]
    assert tried.validation == ()
    assert tried.out != recipe.out


@pytest.mark.parametrize("steps", [(), ("max_steps=51",)])
def test_a_run_in_earnest_is_never_a_trial(steps: tuple[str, ...]) -> None:
    recipe = config.load(SftRecipe, RECIPE, [*ELSEWHERE, *steps])
    assert recipe.tried() == (recipe, ())


@pytest.mark.slow
def test_the_trial_runs_as_documented(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "emollm.train.sft", str(RECIPE), "--set", "max_steps=20"]
    changed = [f"--set={one}" for one in (*ELSEWHERE, f"out={out}")]
    run = subprocess.run([*command, *changed], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "a trial on train/recipes/emollm-135m/trial.jsonl" in run.stderr
    assert (tmp_path / "out-trial" / "model" / "model.safetensors").is_file()
    assert not out.exists()
