"""Aligns connectors (and the gate) to a frozen language model, before :mod:`emollm.train.sft`.

python -m emollm.train.align train/recipes/emollm-135m/align.yaml --set out=runs/align
"""

from pathlib import Path

from emollm.train.sft import command, recipe_command


@recipe_command
def main(recipe_file: Path, overrides: tuple[str, ...], plan: bool, local_rank: int | None) -> None:
    """Train connectors alone by a recipe; a stopped run goes on when it is started again."""
    command("align", recipe_file, overrides, plan)


if __name__ == "__main__":
    main()
