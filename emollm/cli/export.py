"""``emollm export``: a shipped model as a checkpoint that stands alone."""

from pathlib import Path

import click

from emollm.cli import DONE, say


@click.command("export")
@click.argument("name", metavar="NAME")
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder to write; must not be there."
)
@click.option(
    "--dtype",
    type=click.Choice(["bfloat16", "float32"]),
    default="bfloat16",
    show_default=True,
    help="Kind of number of the weights.",
)
def command(name: str, out: Path, dtype: str) -> int:
    """Write the model NAME (emollm-135m) with its adapter merged, as transformers and vLLM read it.

    The folder holds weights (safetensors), processor and card; load it with emollm.modeling.assemble.load, serve it with vLLM, or
    fine-tune it by a recipe with model: DIR.
    """
    from emollm.errors import ConfigError
    from emollm.generate import import_transformers
    from emollm.modeling.shipped import folder_of, write_merged

    import_transformers()
    folder_of(name)
    if out.exists():
        raise ConfigError(f"{out}: is there already; give another folder, or remove it")
    write_merged(name, out, dtype)
    size = sum(path.stat().st_size for path in out.iterdir())
    say(f"{out}: {name}, {size / 1e6:.0f} MB")
    return DONE
