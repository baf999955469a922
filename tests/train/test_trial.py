"""The recipe of the embedded model on a machine that has neither its data nor its aligned connectors."""

import subprocess
import sys
from pathlib import Path

import pytest

from emollm import config
from emollm.generate import open_generator
from emollm.modeling.assemble import ModelSettings
from emollm.modeling.shipped import put_together
from emollm.train.sft_recipe import SftRecipe
from emollm.train.ship import ship
from emollm.types import Message, TextPart

RECIPE = Path("train/recipes/emollm-135m/sft.yaml")
PARTS = RECIPE.with_name("model.yaml")
ELSEWHERE = ("model=nowhere/model",)


def test_few_steps_try_the_recipe_where_its_model_is_not_here() -> None:
    recipe = config.load(SftRecipe, RECIPE, [*ELSEWHERE, "max_steps=20"])
    assert recipe.optimise.steps == 20
    tried, lacking = recipe.tried()
    assert Path("nowhere/model") in lacking
    assert [source.path.is_file() for source in tried.data] == [True]
    assert tried.validation == ()
    assert tried.out != recipe.out
    assert (tried.optimise.batch, tried.optimise.accumulate) == (2, 8)  # as many Samples a step, in little memory


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
    tried = tmp_path / "out-trial"
    assert (tried / "model" / "model.safetensors").is_file()
    assert not out.exists()
    small = ship(tried, config.load(ModelSettings, PARTS), tmp_path / "shipped")
    assert small < 25e6
    (tmp_path / "whole").mkdir()
    put_together(tmp_path / "shipped", tmp_path / "whole")
    asked = (Message(role="user", content=(TextPart(text="Movements: AU12 lip corner puller 0.80 strong. Why?"),)),)
    models = [open_generator(str(one)) for one in (tried / "model", tmp_path / "whole")]
    said = [model.generate(asked, max_tokens=24) for model in models]
    assert said[0] == said[1]  # what is shipped in bfloat16 says what was trained
