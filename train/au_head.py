"""Distils MediaPipe's blendshapes into the action-unit head of the light face mesh.

The light mesh net is five times cheaper than the bundle it competes with, and its wheel can always be had. A small
perceptron reads the points it gives, the inner feature maps it computed on the way, and the iris net's view of both eyes, and
learns the bundle's 52 blendshapes. Runs on two cores; faces are measured once and kept in ``work``.

    python -m emollm.train.au_head train/recipes/au_head.yaml --set ferplus=FER.npz --set photos=[FOLDER] --set teacher=TASK
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from emollm import assets, config, ferplus
from emollm.errors import ConfigError, EmollmError
from emollm.facs import BLENDSHAPES
from emollm.files import replacing
from emollm.perception.backends import Span
from emollm.perception.litert import Array
from emollm.perception.mesh import FACE_POINTS, MESH_FEATURES
from emollm.perception.mesh_head import BLENDSHAPES_OUT, Head, head_input
from emollm.perception.shape import mean_shape
from emollm.refusal import Refusal
from emollm.train.au_faces import Pairs, ferplus_pairs, photo_pairs
from emollm.train.au_table import markdown, measure, notes, units_of

_LEAST_RANGE = 0.3


class Recipe(config.Settings):
    """Settings of one training run."""

    ferplus: Path | None = None
    """FER+ npz with ``images``, ``votes`` and ``split``; its train split teaches, its valid split selects."""
    photos: tuple[Path, ...] = ()
    """Folders of face photos, varied in many ways."""
    teacher: Path | None = None
    """``face_landmarker.task``; without it the asset ``face-landmarker``."""
    work: Path = Path("runs/au-head")
    """Where measured faces, the log and the table of correlations are kept."""
    out: Path = Path("emollm/pretrained/au-head")
    """Folder of the weights."""
    variations: int = 100
    """Variations of each training photo."""
    hold_out: int = 4
    """Every so-manieth photo is kept for the test."""
    workers: int = 2
    """Processes that measure faces."""
    hidden: int = 112
    """Width of both hidden layers."""
    epochs: int = 45
    """Passes over the data."""
    batch: int = 256
    """Faces a step."""
    rate: float = 2e-3
    """Highest learning rate of the one-cycle schedule."""
    decay: float = 0.05
    """Weight decay."""
    dropout: float = 0.2
    """Share of inputs dropped."""
    features: bool = True
    """Whether the head reads the nets' feature maps beside the points; false only to measure what they bring."""
    eyes: bool = True
    """Whether the head reads what the iris net sees; a head without needs one net run a face instead of three."""
    fit: bool = True
    """Whether to train; false prints the table of the weights that are in ``out``."""
    seed: int = 0
    """Of initial weights, order and dropout."""


class Split(NamedTuple):
    """Tensors of one part of the data."""

    inputs: Tensor
    """(n, F)."""
    targets: Tensor
    """(n, 52)."""


@click.command()
@click.argument("recipe_file", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of the recipe.")
def main(recipe_file: Path, overrides: tuple[str, ...]) -> None:
    """Measure faces, train the head, and print how well the weights follow their teacher."""
    try:
        run(config.load(Recipe, recipe_file, overrides))
    except EmollmError as error:
        raise Refusal(str(error)) from error


def run(recipe: Recipe) -> None:
    """One run: measures faces, trains if asked to, writes the weights, and prints the table of those in ``out``.

    Raises:
        ConfigError: The recipe does not name its data.
        DataError: The data cannot be read.
        AssetError: No teacher is given and the asset cannot be had.
    """
    if recipe.ferplus is None or not recipe.photos:
        raise ConfigError("au_head needs ferplus=FILE and photos=[FOLDER, …]")
    teacher = recipe.teacher or assets.path("face-landmarker")
    valid = ferplus_pairs(recipe.ferplus, "valid", teacher, recipe.work / "ferplus-valid.npz", recipe.workers)
    test = photo_pairs(
        recipe.photos, "test", teacher, recipe.work / "photos-test.npz", recipe.workers, 8, recipe.hold_out
    )
    weights = recipe.out / "model.safetensors"
    if recipe.fit:
        tiles = ferplus_pairs(recipe.ferplus, "train", teacher, recipe.work / "ferplus-train.npz", recipe.workers)
        photos = photo_pairs(
            recipe.photos,
            "train",
            teacher,
            recipe.work / "photos-train.npz",
            recipe.workers,
            recipe.variations,
            recipe.hold_out,
        )
        mean = mean_shape(np.concatenate([tiles.points[::20], photos.points[::20]]))
        if not recipe.eyes:
            mean = mean[:FACE_POINTS]
        train = _join(_split(tiles, mean, recipe), _split(photos, mean, recipe))
        net, centre, scale = fit(train, _split(valid, mean, recipe), recipe)
        save_head(weights, recipe, net, centre, scale, mean, unit_spans(recipe.ferplus, tiles), train.targets.numpy())
    rows = measure(Head(weights), valid, test, features=recipe.features)
    with replacing(recipe.out / "scores.json", "w") as file:
        json.dump([row._asdict() for row in rows], file, indent=1)
        file.write("\n")
    print(markdown(rows))
    print(notes(valid))


def fit(train: Split, valid: Split, recipe: Recipe) -> tuple[nn.Sequential, Tensor, Tensor]:
    """The perceptron with the least validation error, and the centre and scale (F,) of its standardised inputs."""
    torch.manual_seed(recipe.seed)
    centre, scale = train.inputs.mean(0), train.inputs.std(0) + 1e-3
    width = train.inputs.shape[1]
    net = nn.Sequential(
        nn.Dropout(recipe.dropout),
        nn.Linear(width, recipe.hidden),
        nn.ReLU(),
        nn.Dropout(recipe.dropout / 2),
        nn.Linear(recipe.hidden, recipe.hidden),
        nn.ReLU(),
        nn.Linear(recipe.hidden, len(BLENDSHAPES)),
        nn.Sigmoid(),
    )
    weight = 1 / (train.targets.std(0) + 0.03)  # rare, weak shapes count as much as common, strong ones
    optimizer = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=recipe.decay)
    steps = -(-len(train.inputs) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.epochs * steps)
    best, kept = float("inf"), net.state_dict()
    progress = tqdm(range(recipe.epochs), desc="fit", mininterval=5)
    for _ in progress:
        net.train()
        for rows in torch.randperm(len(train.inputs)).split(recipe.batch):
            x = ((train.inputs[rows] - centre) / scale).clamp(-6, 6)
            loss = ((net(x) - train.targets[rows]) * weight).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        error = ((predict(net, centre, scale, valid.inputs) - valid.targets) * weight).square().mean().item()
        if error < best:
            best, kept = error, {name: value.clone() for name, value in net.state_dict().items()}
        progress.set_postfix(valid=f"{error:.4f}", best=f"{best:.4f}")
    net.load_state_dict(kept)
    return net, centre, scale


def predict(net: nn.Sequential, centre: Tensor, scale: Tensor, inputs: Tensor) -> Tensor:
    """Blendshapes (n, 52) of inputs (n, F)."""
    net.eval()
    with torch.no_grad():
        return net(((inputs - centre) / scale).clamp(-6, 6))


def _split(pairs: Pairs, mean: Array, recipe: Recipe) -> Split:
    seen, width = float(recipe.features), None if recipe.eyes else MESH_FEATURES
    rows = [
        head_input(points, features[:width].astype(np.float32) * seen, mean)
        for points, features in zip(pairs.points, pairs.features, strict=True)
    ]
    return Split(torch.from_numpy(np.array(rows)), torch.from_numpy(pairs.targets))


def _join(one: Split, two: Split) -> Split:
    return Split(torch.cat([one.inputs, two.inputs]), torch.cat([one.targets, two.targets]))


def unit_spans(file: Path, pairs: Pairs) -> dict[str, Span]:
    """Teacher's raw values between which each unit's intensity runs.

    It starts above what nine in ten neutral faces show (neutral by the majority of the votes), and is full at what one face in a
    hundred exceeds, or a little above the start where a unit hardly moves.
    """
    votes = ferplus.read(file, "train").votes
    neutral = np.array([ferplus.majority(votes[row]) == "neutral" for row in pairs.source])
    spans = {}
    for code, values in units_of(pairs.targets).items():
        low = float(np.percentile(values[neutral], 90))
        spans[code] = Span(low, max(float(np.percentile(values, 99)), low + _LEAST_RANGE))
    return spans


def save_head(
    path: Path,
    recipe: Recipe,
    net: nn.Sequential,
    centre: Tensor,
    scale: Tensor,
    mean: Array,
    spans: Mapping[str, Span],
    targets: Array,
) -> None:
    """Writes a head as safetensors: the large tensors in half precision, the rest in single.

    Recipe, versions and a hash of the ``targets`` (n, 52) it was trained on go into the file's metadata.
    """
    from safetensors.torch import save

    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    tensors = {
        "centre": centre.half(),
        "scale": scale.half(),
        "mean": torch.from_numpy(mean),
        "low": torch.tensor([span.low for span in spans.values()]),
        "high": torch.tensor([span.high for span in spans.values()]),
    }
    for k, layer in enumerate(layers):
        tensors |= {f"weight.{k}": layer.weight.detach().half(), f"bias.{k}": layer.bias.detach()}
    metadata = {
        "names": json.dumps(BLENDSHAPES_OUT),
        "units": json.dumps(list(spans)),
        "data": sha256(targets.tobytes()).hexdigest(),
        "versions": json.dumps({name: version(name) for name in ("emollm", "torch", "numpy", "ai-edge-litert")}),
        "recipe": recipe.model_dump_json(exclude={"ferplus", "photos", "teacher", "work", "out"}),
    }
    with replacing(path) as file:
        file.write(save({name: value.contiguous() for name, value in tensors.items()}, metadata))


if __name__ == "__main__":
    main()
