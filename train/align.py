"""Aligns connectors (and the gate) to a frozen language model, before :mod:`emollm.train.sft`.

python -m emollm.train.align train/recipes/align/emollm-135m.yaml --set out=runs/align
"""

from pathlib import Path

import click

from emollm.train.sft import command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe_file", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of the recipe.")
@click.option(
    "--plan", is_flag=True, help="Say what would be trained, with parameters, tokens a step and memory, and stop."
)
@click.option("--local_rank", hidden=True, type=int, help="Given by the deepspeed launcher.")
def main(recipe_file: Path, overrides: tuple[str, ...], plan: bool, local_rank: int | None) -> None:
    """Train connectors alone by a recipe; a stopped run goes on when it is started again."""
    command("align", recipe_file, overrides, plan)


if __name__ == "__main__":
    main()
