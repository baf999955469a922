"""Trains a face encoder with its heads: expression from votes, action units from our own perception, embedding.

Faces are found and cut once and kept in ``work``. A stopped run goes on from its last epoch when it is started again; the best net by
the validation score, (WAR + UAR) / 2, is in ``out/net`` and is calibrated at the end.

    python -m emollm.train.face train/recipes/face/face_mt.yaml --set data.path=FER.npz
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 -m emollm.train.face RECIPE --set data.path=FER.npz
"""

import ctypes
import json
import math
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import yaml

from emollm import config
from emollm.errors import ConfigError, DataError, EmollmError
from emollm.face_sets import CropSettings, FaceSet, prepare
from emollm.files import replacing
from emollm.refusal import Refusal, Stop
from emollm.train.face_augment import STORED_MARGIN, STORED_SIZE
from emollm.train.face_recipe import FaceRecipe

if TYPE_CHECKING:
    from torch import Tensor

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Names of ``malloc.h``."""
_AFFECT = (
    "name columns that have them as data.columns.valence and data.columns.arousal of a csv, or set net.affect=false"
)


@click.command()
@click.argument("recipe_file", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of the recipe.")
def main(recipe_file: Path, overrides: tuple[str, ...]) -> None:
    """Train a face encoder by a recipe; a stopped run goes on when it is started again."""
    try:
        run(config.load(FaceRecipe, recipe_file, overrides))
    except EmollmError as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt as error:
        raise Stop("stopped; the same command goes on from the last whole epoch") from error


def run(recipe: FaceRecipe) -> None:
    """One run, from where it was stopped.

    Raises:
        ConfigError: The recipe does not fit its data.
        DataError: The data cannot be read, or the folder holds another run.
        ModelError: The loss is not finite, or a teacher cannot be used.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    from emollm.train.face_loop import Data, Loop

    keep_memory()
    try:
        recipe.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={recipe.out}: cannot be a folder: {(error.strerror or str(error)).lower()}") from error
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    accelerator = Accelerator(mixed_precision="bf16" if recipe.optimise.bf16 else "no")
    if recipe.optimise.batch % accelerator.num_processes:
        raise ConfigError(
            f"optimise.batch={recipe.optimise.batch} cannot be shared by {accelerator.num_processes} processes"
        )
    with accelerator.main_process_first():
        train, valid = faces(recipe)
    rows = labelled(train, recipe.optimise.batch)
    if recipe.net.affect:
        require_affect(train, rows)
    set_seed(recipe.seed)
    net = recipe.net.config(train.labels, train.units).build()
    if recipe.start is not None:
        begin_from(net, recipe.start)
    if accelerator.is_main_process:
        describe(recipe, train, valid, len(rows), net.parameters_of())
    accelerator.wait_for_everyone()
    loop = Loop(recipe, Data(train, rows, valid, fingerprint(recipe, train, valid)), net, accelerator)
    loop.run()
    if accelerator.is_main_process:
        finish(recipe, valid, loop.classes)
    accelerator.end_training()


def keep_memory() -> None:
    """Lets the C library keep freed memory for the next step: else a third of the time goes into mapping the same pages anew."""
    with suppress(OSError, AttributeError):  # glibc only
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most glibc takes
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def faces(recipe: FaceRecipe) -> tuple[FaceSet, FaceSet]:
    """The prepared training and validation faces.

    Raises:
        ConfigError: The recipe does not fit its data.
        DataError: The data cannot be read.
    """
    columns = recipe.data.columns
    if recipe.net.affect and (recipe.data.layout != "csv" or None in (columns.valence, columns.arousal)):
        raise ConfigError(f"net.affect=true: the data has no valence and arousal; {_AFFECT}")
    if recipe.valid_split is not None and "test" in recipe.valid_split.lower():
        raise ConfigError(f"valid_split={recipe.valid_split}: a net must not be selected on test data")
    cut = CropSettings(size=STORED_SIZE, margin=STORED_MARGIN, backend=recipe.measure)
    size = recipe.net.config(("a", "b"), ()).build().size
    seen = CropSettings(size=size, margin=recipe.net.margin, backend=recipe.measure)
    teaching = recipe.data.model_copy(update={"split": recipe.train_split})
    selecting = recipe.data.model_copy(update={"split": recipe.valid_split})
    if teaching == selecting:
        raise ConfigError("train_split and valid_split are the same; a net must not be selected on what it learns from")
    train = prepare(teaching, cut, recipe.work, recipe.workers)
    valid = prepare(selecting, seen, recipe.work, recipe.workers)
    return train, valid


def labelled(train: FaceSet, batch: int) -> np.ndarray:
    """Rows that teach: those with votes for an emotion.

    Raises:
        DataError: There are fewer than a batch.
    """
    rows = np.flatnonzero(train.shares.sum(-1) > 0)
    if len(rows) < batch:
        raise DataError(
            f"{len(rows)} labelled faces are fewer than optimise.batch={batch}; lower the batch or give more data"
        )
    return rows


def require_affect(train: FaceSet, rows: np.ndarray) -> None:
    """Raises DataError where none of these rows is labelled with valence, or none with arousal: half of the head would learn nothing."""
    known = np.isfinite(train.affect[rows]).any(0)  # (2,)
    if missing := [name for name, is_known in zip(("valence", "arousal"), known, strict=True) if not is_known]:
        raise DataError(
            f"net.affect=true: none of {len(rows)} labelled faces to train on has {' or '.join(missing)}; {_AFFECT}"
        )


def begin_from(net: object, name: str) -> None:
    """Fills a net's encoder with that of another net of the same architecture.

    Raises:
        ConfigError: The other net's encoder is of another architecture.
    """
    from emollm.encoders import FaceNet, load

    assert isinstance(net, FaceNet)
    other = load(name).net
    try:
        net.encoder.load_state_dict(other.encoder.state_dict())
    except RuntimeError as error:
        raise ConfigError(f"start={name}: its encoder ({other.config.encoder}) is of another architecture") from error


def fingerprint(recipe: FaceRecipe, train: FaceSet, valid: FaceSet) -> str:
    """Hash of all that decides what a run computes."""
    told = recipe.model_dump_json(
        exclude={
            "data": True,
            "measure": True,
            "work": True,
            "out": True,
            "threads": True,
            "workers": True,
            "loss": {"undo"},
        }
    )
    return sha256(f"{told} {train.fingerprint} {valid.fingerprint}".encode()).hexdigest()[:16]


def describe(recipe: FaceRecipe, train: FaceSet, valid: FaceSet, rows: int, parameters: int) -> None:
    """Writes the resolved recipe, data fingerprints and versions beside the checkpoints, and prints what is trained."""
    packages = ("emollm", "torch", "accelerate", "datasets", "numpy")
    told = {
        "recipe": recipe.model_dump(mode="json", exclude={"work", "out"}),
        "data": {"train": train.fingerprint, "valid": valid.fingerprint},
        "versions": {name: version(name) for name in packages},
    }
    with replacing(recipe.out / "run.yaml", "w") as file:
        yaml.safe_dump(told, file, sort_keys=False)
    click.echo(
        f"{recipe.net.encoder}: {parameters / 1e6:.2f} M parameters; {rows} labelled of {len(train)} training faces, {len(valid)} to "
        f"validate; {train.rejects + valid.rejects} pictures rejected",
        err=True,
    )


def finish(recipe: FaceRecipe, valid: FaceSet, classes: "Tensor") -> None:
    """Takes class weights back out of the best net's answers if asked to, calibrates them on validation faces, and prints its scores.

    Args:
        recipe: Of the run.
        valid: Validation faces.
        classes: (C,) weights of the classes in training; positive.
    """
    from emollm.encoders import load, save
    from emollm.encoders.predict import predict
    from emollm.encoders.weights import metadata
    from emollm.metrics.calibration import fit_temperature
    from emollm.train.face_loop import BEST
    from emollm.train.face_scores import scores_of

    best, rows = load(recipe.out / BEST), valid.rows()
    undo = recipe.loss.undo
    offsets = (
        tuple(round(-undo * math.log(weight), 4) if weight else 0.0 for weight in classes.tolist()) if undo else ()
    )
    config = best.config.model_copy(update={"mirrored": True, "temperature": 1.0, "offsets": offsets})
    answers = predict(best._replace(config=config), rows.crops)
    kept = rows.label >= 0
    temperature = round(float(fit_temperature(answers.logits[kept], rows.label[kept])), 4)
    kept_config = config.model_copy(update={"temperature": temperature})
    save(recipe.out / BEST, best.net, kept_config, metadata(recipe.out / BEST))
    scores = scores_of(answers, rows)
    with replacing(recipe.out / "scores.json", "w") as file:
        json.dump({**scores._asdict(), "temperature": temperature, "n": int(kept.sum())}, file, indent=1)
    click.echo(f"best net, mirrored: WAR {scores.war:.4f}  UAR {scores.uar:.4f}  temperature {temperature:.3f}")


if __name__ == "__main__":
    main()
