"""Distils MediaPipe's blendshapes into the action-unit head of the light face mesh.

The light mesh net is five times cheaper than the bundle it competes with, and its wheel can always be had. A small
perceptron reads the points it gives, the inner feature maps it computed on the way, and the iris net's view of both eyes, and
learns the bundle's 52 blendshapes. Runs on two cores; faces are measured once and kept in ``work``.

    python -m emollm.train.au_head train/recipes/au_head.yaml --set ferplus=FER.npz --set photos=[FOLDER] --set teacher=TASK
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from emollm import assets, config
from emollm.errors import ConfigError, EmollmError
from emollm.facs import BLENDSHAPES, UNITS, units_from_blendshapes
from emollm.files import replacing
from emollm.perception.litert import Array
from emollm.perception.mesh_head import BLENDSHAPES_OUT, head_input
from emollm.perception.shape import mean_shape
from emollm.train.au_faces import Pairs, ferplus_pairs, photo_pairs, read_ferplus

_NEUTRAL = 0  # column of FER+ votes
_LEAST_RANGE = 0.2
_DEAD_SPREAD = 0.005
"""Standard deviation of the teacher under which a unit is no unit: it never moves."""


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
    epochs: int = 60
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
    write: bool = True
    """Whether the weights are written to ``out``; false for a measurement."""
    seed: int = 0
    """Of initial weights, order and dropout."""


class Split(NamedTuple):
    """Tensors of one part of the data."""

    inputs: Tensor
    """(n, F)."""
    targets: Tensor
    """(n, 52)."""


def main(arguments: list[str]) -> None:
    """Measures, trains, evaluates and writes weights and table."""
    if not arguments:
        raise ConfigError("usage: python -m emollm.train.au_head RECIPE [--set name=value …]")
    overrides = [value for flag, value in zip(arguments[1::2], arguments[2::2], strict=False) if flag == "--set"]
    recipe = config.load(Recipe, Path(arguments[0]), overrides)
    if recipe.ferplus is None or not recipe.photos:
        raise ConfigError("au_head needs ferplus=FILE and photos=[FOLDER, …]")
    teacher = recipe.teacher or assets.path("face-landmarker")
    tiles = {
        part: ferplus_pairs(recipe.ferplus, part, teacher, recipe.work / f"ferplus-{part}.npz", recipe.workers)
        for part in ("train", "valid")
    }
    photos = {
        part: photo_pairs(
            recipe.photos, part, teacher, recipe.work / f"photos-{part}.npz", recipe.workers, count, recipe.hold_out
        )
        for part, count in (("train", recipe.variations), ("test", 8))
    }
    mean = mean_shape(np.concatenate([tiles["train"].points[::20], photos["train"].points[::20]]))
    data = {
        "train": _join(_split(tiles["train"], mean, recipe), _split(photos["train"], mean, recipe)),
        "valid": _split(tiles["valid"], mean, recipe),
        "test": _split(photos["test"], mean, recipe),
    }
    net, centre, scale = fit(data["train"], data["valid"], recipe)
    rows = table(net, centre, scale, data)
    if recipe.write:
        _write(recipe, net, centre, scale, mean, _range(recipe.ferplus, tiles["train"]), rows)
    print(_markdown(rows))
    print(
        f"mean r: FER+ valid {np.mean([row.valid for row in rows]):.3f}, photos {np.mean([row.test for row in rows]):.3f}"
    )


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


class Row(NamedTuple):
    """How well one unit or shape is followed on faces that were not trained on."""

    name: str
    valid: float
    """Pearson correlation with the teacher on FER+ valid."""
    test: float
    """The same on variations of the photos held out."""
    spread: float
    """Standard deviation of the teacher on FER+ valid."""
    error: float
    """Mean absolute error on FER+ valid."""


def table(net: nn.Sequential, centre: Tensor, scale: Tensor, data: dict[str, Split]) -> list[Row]:
    """One row for each action unit that the teacher moves at all."""
    rows = []
    sides = {
        part: (_units(predict(net, centre, scale, data[part].inputs)), _units(data[part].targets))
        for part in ("valid", "test")
    }
    for code in UNITS:
        (ours, theirs), (ours_test, theirs_test) = ((a.get(code), b.get(code)) for a, b in sides.values())
        if ours is None or theirs is None or ours_test is None or theirs_test is None:
            continue
        if theirs.std() < _DEAD_SPREAD:
            continue
        rows.append(
            Row(
                code,
                _pearson(ours, theirs),
                _pearson(ours_test, theirs_test),
                float(theirs.std()),
                float(np.abs(ours - theirs).mean()),
            )
        )
    return rows


def _units(shapes: Tensor) -> dict[str, Array]:
    """Values (n,) of each unit for blendshapes (n, 52)."""
    units = [units_from_blendshapes(dict(zip(BLENDSHAPES, row, strict=True))) for row in shapes.tolist()]
    return {code: np.array([row[code].value for row in units], np.float32) for code in units[0]}


def _pearson(a: Array, b: Array) -> float:
    """Correlation; 0 where one is constant."""
    if a.std() < 1e-6 or b.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _split(pairs: Pairs, mean: Array, recipe: Recipe) -> Split:
    seen = float(recipe.features)
    rows = [
        head_input(points, features.astype(np.float32) * seen, mean)
        for points, features in zip(pairs.points, pairs.features, strict=True)
    ]
    return Split(torch.from_numpy(np.array(rows)), torch.from_numpy(pairs.targets))


def _join(one: Split, two: Split) -> Split:
    return Split(torch.cat([one.inputs, two.inputs]), torch.cat([one.targets, two.targets]))


def _range(file: Path, pairs: Pairs) -> tuple[Array, Array]:
    """Blendshapes (52,) at which a unit starts and at which it is full.

    It starts above what nine in ten neutral faces show (neutral by most annotators), and is full at what one face in a hundred
    exceeds, or a fifth above the start.
    """
    _, votes = read_ferplus(file, "train")
    chosen = votes[pairs.source]
    neutral = (chosen.argmax(1) == _NEUTRAL) & (chosen[:, _NEUTRAL] > chosen.sum(1) / 2)
    low = np.percentile(pairs.targets[neutral], 90, axis=0)
    high = np.maximum(np.percentile(pairs.targets, 99, axis=0), low + _LEAST_RANGE)
    return low.astype(np.float32), high.astype(np.float32)


def _write(
    recipe: Recipe,
    net: nn.Sequential,
    centre: Tensor,
    scale: Tensor,
    mean: Array,
    span: tuple[Array, Array],
    rows: list[Row],
) -> None:
    """Weights as safetensors: matrices in half precision, the rest in single."""
    from safetensors.torch import save

    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    tensors = {
        "centre": centre,
        "scale": scale,
        "mean": torch.from_numpy(mean),
        "low": torch.from_numpy(span[0]),
        "high": torch.from_numpy(span[1]),
    }
    for k, layer in enumerate(layers):
        tensors |= {f"weight.{k}": layer.weight.detach().half(), f"bias.{k}": layer.bias.detach()}
    tensors |= {name: tensors[name].half() for name in ("centre", "scale")}
    metadata = {
        "names": json.dumps(BLENDSHAPES_OUT),
        "recipe": recipe.model_dump_json(exclude={"ferplus", "photos", "teacher", "work", "out"}),
    }
    with replacing(recipe.out / "model.safetensors") as file:
        file.write(save({name: value.contiguous() for name, value in tensors.items()}, metadata))
    with replacing(recipe.out / "scores.json", "w") as file:
        json.dump([row._asdict() for row in rows], file, indent=1)
        file.write("\n")


def _markdown(rows: list[Row]) -> str:
    lines = [
        "| unit | name | r, FER+ valid | r, photos held out | teacher's sd | mean abs. error |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {UNITS[row.name].name} | {row.valid:.3f} | {row.test:.3f} | {row.spread:.3f} | {row.error:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EmollmError as error:
        sys.exit(f"emollm.train.au_head: {error}")
