"""Every committed recipe is read by the settings it is for."""

from pathlib import Path

import pytest

from emollm import config
from emollm.modeling.assemble import ModelSettings
from emollm.train.sft_recipe import SftRecipe

RECIPES = Path(__file__).parents[2] / "train" / "recipes"
KINDS = {"sft": SftRecipe, "align": SftRecipe, "model": ModelSettings}


FOLDERS = [(kind, path) for kind in KINDS for path in sorted((RECIPES / kind).glob("*.yaml"))]
STAGES = [
    (path.stem if path.stem in KINDS else "sft", path) for path in sorted((RECIPES / "emollm-135m").glob("*.yaml"))
]


@pytest.mark.parametrize(("kind", "path"), [*FOLDERS, *STAGES])
def test_recipe_is_read(kind: str, path: Path) -> None:
    loaded = config.load(KINDS[kind], path)
    if isinstance(loaded, SftRecipe):
        assert loaded.stage == kind
