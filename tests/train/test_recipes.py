"""Every committed recipe is read by the settings it is for."""

from pathlib import Path

import pytest

from emollm import config
from emollm.modeling.assemble import ModelSettings
from emollm.train.sft_recipe import SftRecipe

RECIPES = Path(__file__).parents[2] / "train" / "recipes"
KINDS = {"sft": SftRecipe, "align": SftRecipe, "model": ModelSettings}


@pytest.mark.parametrize(
    "path", [path for kind in KINDS for path in sorted((RECIPES / kind).glob("*.yaml"))], ids=lambda path: path.stem
)
def test_recipe_is_read(path: Path) -> None:
    loaded = config.load(KINDS[path.parent.name], path)
    if isinstance(loaded, SftRecipe):
        assert loaded.stage == path.parent.name
