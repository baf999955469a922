"""Copies a run's best net to where it is shipped from: half precision, with the run's provenance in its header.

Once trained: ``python -m emollm.train.face_ship runs/face/mt-0 emollm/pretrained/face-mt``.
"""

import json
from pathlib import Path

import click
import yaml

from emollm.encoders import load, save
from emollm.encoders.weights import metadata
from emollm.errors import DataError, EmollmError
from emollm.refusal import Refusal

_NET, _RUN = "net", "run.yaml"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(run: Path, out: Path) -> None:
    """Write the best net of the run in folder RUN to folder OUT."""
    try:
        ship(run, out)
    except EmollmError as error:
        raise Refusal(str(error)) from error


def ship(run: Path, out: Path) -> None:
    """Writes weights in half precision and their configuration; a card that lies in ``out`` is left as it is.

    Raises:
        ModelError: The run has no net.
        DataError: It has no ``run.yaml``.
    """
    trained = load(run / _NET)
    try:
        told = yaml.safe_load((run / _RUN).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{run / _RUN}: cannot be read: {error}; give the folder of a training run") from error
    versions = " ".join(f"{name}={number}" for name, number in told["versions"].items())
    data = " ".join(f"{split}={one}" for split, one in told["data"].items())
    header = metadata(run / _NET)
    recipe = json.loads(header["recipe"])
    recipe["data"]["path"] = Path(recipe["data"]["path"]).name
    recipe["teachers"] = [_named(name) for name in recipe["teachers"]]
    recipe["start"] = recipe["start"] and _named(recipe["start"])
    told_there = {**header, "recipe": json.dumps(recipe), "data": data, "versions": versions}
    save(out, trained.net, trained.config, told_there, half=True)


def _named(net: str) -> str:
    """What a net is called wherever it lies: that in a run's folder like the run, any other by its own name."""
    path = Path(net)
    return path.parent.name if path.name == _NET and path.parent.name else path.name


if __name__ == "__main__":
    main()
