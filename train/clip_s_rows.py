"""Trains all rows of the comparison that ``python -m emollm.eval.clip_s`` prints: ways of prompting, seeds, classes held out.

python -m emollm.train.clip_s_rows train/recipes/clip_s_rows.yaml --set recipe.data.path=FER.npz
python -m emollm.eval.clip_s runs/clip-s-rows --data FER.npz
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field, ValidationError

from emollm import config
from emollm.config import Settings
from emollm.errors import ConfigError, EmollmError
from emollm.modeling.clip_s_files import open_towers
from emollm.refusal import Refusal, Stop
from emollm.train.clip_s import BEST, run
from emollm.train.clip_s_data import faces
from emollm.train.clip_s_recipe import ClipRecipe


class RowsRecipe(Settings):
    """What is compared."""

    recipe: ClipRecipe
    """Settings that all rows share; ``out`` is the folder of all runs."""
    rows: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    """Name of each row, and the settings in which it differs."""
    seeds: Annotated[int, Field(ge=1)] = 3
    """Runs of each row."""
    zero_shot: tuple[str, ...] = ()
    """Rows that are also trained without each class in turn, once."""


@click.command()
@click.argument("recipe_file", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of the recipe.")
def main(recipe_file: Path, overrides: tuple[str, ...]) -> None:
    """Train every row of the comparison; rows that are done are kept, stopped ones go on."""
    try:
        train_all(config.load(RowsRecipe, recipe_file, overrides))
    except EmollmError as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt as error:
        raise Stop("stopped; the same command goes on from the last whole epoch") from error


def train_all(recipe: RowsRecipe) -> None:
    """All runs, each in a folder of its own; towers are opened and faces prepared once.

    Raises:
        ConfigError: A row that there is not, or one with settings that there are not.
        DataError: The data cannot be read.
        ModelError: A tower cannot be used.
    """
    for name in recipe.zero_shot:
        if name not in recipe.rows:
            raise ConfigError(f"zero_shot: no row {name!r}; there are: {', '.join(recipe.rows)}")
    towers = open_towers(recipe.recipe.vision, recipe.recipe.text)
    seen = faces(recipe.recipe, towers.vision)
    for wanted in runs(recipe, seen.train.labels):
        score = run(wanted, towers, seen)
        print(f"{wanted.out / BEST}: (WAR + UAR) / 2 = {score:.4f}", flush=True)


def runs(recipe: RowsRecipe, labels: tuple[str, ...]) -> Iterator[ClipRecipe]:
    """The recipe of each run.

    Args:
        recipe: What is compared.
        labels: Classes of the data.

    Raises:
        ConfigError: A row with settings that there are not.
    """
    for name in recipe.rows:
        for seed in range(recipe.seeds):
            yield _one(recipe, name, {"seed": seed, "out": recipe.recipe.out / f"{name}-{seed}"})
    for name in recipe.zero_shot:
        for label in labels:
            out = recipe.recipe.out / f"{name}-without-{label.replace(' ', '-')}"
            yield _one(recipe, name, {"hold_out": (label,), "out": out})


def _one(recipe: RowsRecipe, name: str, more: dict[str, Any]) -> ClipRecipe:
    try:
        return ClipRecipe.model_validate(recipe.recipe.model_dump() | recipe.rows[name] | {"row": name} | more)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"row {name}: {place}: {first['msg']}") from error


if __name__ == "__main__":
    main()
