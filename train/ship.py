"""Makes what a run trained shippable: adapter and connectors in half precision on the parts that everyone can fetch.

    python -m emollm.train.ship runs/sft/emollm-135m --parts train/recipes/emollm-135m/align.yaml --out emollm/pretrained/emollm-135m

The parts are those that the run's base model was built of before it was aligned; all connectors are among what is shipped, so nothing of
the aligned model is needed beside them. The card (``README.md``) is written by hand and kept.
"""

import json
from pathlib import Path
from typing import Any

import click
import torch
import yaml
from safetensors import safe_open

from emollm.config import load as load_settings
from emollm.errors import ConfigError, DataError, EmollmError
from emollm.files import replacing_folder
from emollm.modeling.adapters import Base, content_of
from emollm.modeling.assemble import ModelSettings
from emollm.modeling.shipped import CARD, PARTS, base_of
from emollm.refusal import Refusal
from emollm.train.sft_export import write_adapter
from emollm.train.sft_model import prepared
from emollm.train.sft_recipe import SftRecipe
from emollm.train.sft_state import TRAINED, load_trained, whole

_ROWS = 64
"""Rows of each weight by which two parts are told apart."""


def ship(run: Path, parts: ModelSettings, out: Path, checkpoint: Path | None = None) -> int:
    """Writes the folder of a shipped model; gives its size in bytes.

    Args:
        run: Folder of a run of ``sft`` with LoRA.
        parts: What its base model was built of.
        out: The folder; its card stays.
        checkpoint: One of the run's checkpoints; the best one if not given.

    Raises:
        EmollmError: The run cannot be read or is of other parts, or ``out`` is a folder of something else.
    """
    from emollm.train.native import Native

    if out.exists() and not (out / PARTS).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"{out}: is no shipped model (it has no {PARTS}) and is not replaced; give a new or empty folder"
        )
    recipe = _recipe(run)
    chosen = checkpoint or _best(run)
    built = base_of(parts)
    _same_towers(run, recipe, built.model)
    base = Base(out.name, content_of(built.model))
    model = prepared(built.model, Native().parts(built.model), recipe, "sft")
    load_trained(model, chosen / TRAINED)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    card = out / CARD
    kept = card.read_bytes() if card.is_file() else None
    with replacing_folder(out) as new:
        write_adapter(model, new, base)
        (new / CARD).unlink(missing_ok=True)  # PEFT's own
        if kept is not None:
            (new / CARD).write_bytes(kept)
        (new / PARTS).write_text(yaml.safe_dump(json.loads(parts.model_dump_json()), sort_keys=False), "utf-8")
    return sum(path.stat().st_size for path in out.iterdir())


def _recipe(run: Path) -> SftRecipe:
    try:
        told = yaml.safe_load((run / "run.yaml").read_text("utf-8"))
        recipe = SftRecipe.model_validate(told["recipe"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise DataError(
            f"{run}: expected a run of emollm train with its run.yaml: {' '.join(str(error).split())}"
        ) from error
    if recipe.train.method != "lora":
        raise ConfigError(f"{run}: trained by method {recipe.train.method}; only adapters are shipped")
    return recipe


def _same_towers(run: Path, recipe: SftRecipe, model: Any) -> None:
    """Raises ConfigError if what the run left as it was is not what the parts are: a tower or language model of the same shape would go unseen."""
    folder = recipe.model
    if not isinstance(folder, Path):
        return
    own = model.state_dict()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118
                theirs = opened.get_slice(name)
                if "connector" in name or ".gate." in name or name not in own or not theirs.get_shape():
                    continue  # trained with the run, or a count
                theirs = theirs[: min(_ROWS, theirs.get_shape()[0])]
                if not torch.allclose(theirs.float(), own[name][: len(theirs)].float(), atol=1e-6):
                    raise ConfigError(
                        f"{run}: {name} of its base {folder} is not that of the parts; give the recipe that built it"
                    )


def _best(run: Path) -> Path:
    """The best checkpoint by validation, or the newest without one."""
    found = whole(run)
    if not found:
        raise DataError(f"{run}: holds no whole checkpoint; train first")
    best = json.loads((found[-1] / "trainer_state.json").read_text("utf-8")).get("best_model_checkpoint")
    return next((path for path in found if best and path.name == Path(best).name), found[-1])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--parts", required=True, metavar="YAML", type=click.Path(path_type=Path), help="Recipe whose model was built."
)
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--checkpoint", metavar="DIR", type=click.Path(path_type=Path), help="Instead of the best one.")
def main(run: Path, parts: Path, out: Path, checkpoint: Path | None) -> None:
    """Write adapter and connectors of RUN as a shipped model."""
    try:
        model = load_settings(SftRecipe, parts).model
        if not isinstance(model, ModelSettings):
            raise ConfigError(f"{parts}: its model is a folder; give the recipe that built the model of parts")
        size = ship(run, model, out, checkpoint)
    except EmollmError as error:
        raise Refusal(str(error)) from error
    click.echo(f"{out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
