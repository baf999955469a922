"""Do the heat maps of a face net tell what it uses? Two tests on a set of faces.

Occlusion (after the deletion and insertion games of Petsiuk et al. 2018): the fifth of a face that the map ranks highest is blurred, and
the probability of the class has to fall by more than when other fifths are: the lowest, a random one of blobs as large as the
layer's cells, or the highest by the map of another face. And with all else blurred, that fifth alone has to keep more of it.
Randomisation (Adebayo et al. 2018): with weights drawn anew, from the head down, the map has to become another one.

    python -m emollm.eval.heatmaps --data FILE.npz [--net face-mt] [--split valid] [--limit 300] [--json]
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from emollm.encoders import Trained, load
from emollm.encoders.predict import Crops, predict
from emollm.encoders.saliency import Maps, grad_cam, layer_of
from emollm.encoders.saliency_sanity import cascade, rank_correlation
from emollm.errors import DataError, EmollmError
from emollm.metrics.bootstrap import Estimate, Statistic, bootstrap, difference, mean

SHARE = 0.2
"""Of a face that is blurred, or kept."""
PLACES = ("highest", "lowest", "random", "another face")
"""How that share is chosen; all but the first are controls."""


class Occlusion(NamedTuple):
    """The test by occlusion on n faces: probabilities of each face's likeliest class."""

    whole: NDArray[np.float64]
    """(n,) of the face as it is."""
    without: Mapping[str, NDArray[np.float64]]
    """(n,) with that share blurred, by ``PLACES``."""
    alone: Mapping[str, NDArray[np.float64]]
    """(n,) with all else blurred."""
    blank: int
    """Faces left out because their map is empty."""

    def table(self) -> dict[str, Estimate]:
        """Means and paired differences with 95 % intervals (bootstrap over faces)."""
        drop = {place: mean(self.whole - values) for place, values in self.without.items()}
        kept = {place: mean(values) for place, values in self.alone.items()}
        rows: dict[str, Statistic] = {"probability of the face": mean(self.whole)}
        for title, of in (("fall when blurred", drop), ("left when alone", kept)):
            rows |= {f"{title}: {place}": of[place] for place in PLACES}
            rows |= {f"{title}: highest − {place}": difference(of["highest"], of[place]) for place in PLACES[1:]}
        return bootstrap(rows, len(self.whole))


def occlusion(trained: Trained, crops: Crops, *, layer: str | None = None, seed: int = 0) -> Occlusion:
    """Blurs what the maps rank highest, and controls, and asks the net again.

    Args:
        trained: The net.
        crops: (n, S, S, 3) uint8, cut with the net's size and margin.
        layer: Of the maps; the last one if not given.
        seed: Of the random places.

    Raises:
        DataError: Fewer than two faces have a map.
    """
    chances = predict(trained, crops).expression
    top = chances.argmax(1)
    maps = grad_cam(trained.net, crops, top.tolist(), layer=layer, mirrored=trained.config.mirrored)
    seen = maps.strength > 0
    if seen.sum() < 2:
        raise DataError(f"expected at least 2 faces with a map, got {int(seen.sum())} of {len(crops)}")
    crops, top, chosen = crops[seen], top[seen], _places(maps, seen, len(crops[0]), seed)
    blurred = np.stack([_blurred(crop) for crop in crops])

    def asked(where: NDArray[np.bool_], inside: Crops, outside: Crops) -> NDArray[np.float64]:
        answers = predict(trained, np.where(where[..., None], inside, outside)).expression
        return answers[np.arange(len(top)), top].astype(np.float64)

    return Occlusion(
        whole=chances[seen][np.arange(len(top)), top].astype(np.float64),
        without={place: asked(where, blurred, crops) for place, where in chosen.items()},
        alone={place: asked(where, crops, blurred) for place, where in chosen.items()},
        blank=int((~seen).sum()),
    )


def _places(maps: Maps, seen: NDArray[np.bool_], size: int, seed: int) -> dict[str, NDArray[np.bool_]]:
    """(n, S, S) masks of a share of each face, by ``PLACES``."""
    rng = np.random.default_rng(seed)
    own = maps._replace(cells=maps.cells[seen], strength=maps.strength[seen])
    noise = own._replace(cells=rng.random(own.cells.shape, np.float32))
    values = own.at(size)
    found = (values, -values, noise.at(size), np.roll(values, 1, 0))
    return {place: _highest(each, rng) for place, each in zip(PLACES, found, strict=True)}


def _highest(values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.bool_]:
    """The share of the pixels of each map (n, S, S) with the highest values; among equals (zeros) by chance."""
    flat = values.reshape(len(values), -1)
    order = np.lexsort((rng.random(flat.shape), flat), axis=1)
    mask = np.zeros(flat.shape, bool)
    np.put_along_axis(mask, order[:, flat.shape[1] - round(SHARE * flat.shape[1]) :], True, 1)
    return mask.reshape(values.shape)


def _blurred(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face without features: a grey level stays, so that what is blurred has no hard edge to look at."""
    return cv2.GaussianBlur(crop, (0, 0), len(crop) / 8, borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


class Randomised(NamedTuple):
    """One step of the cascade."""

    name: str
    """What was randomised last."""
    correlation: NDArray[np.float64]
    """(n,) rank correlation of each map with the trained net's; NaN where one of the two is constant."""

    @property
    def row(self) -> tuple[float, float, int]:
        """Mean, largest, and how many are defined."""
        known = self.correlation[~np.isnan(self.correlation)]
        return (float(known.mean()), float(known.max()), len(known)) if len(known) else (float("nan"), float("nan"), 0)


def randomisation(trained: Trained, crops: Crops, *, layer: str | None = None, seed: int = 0) -> list[Randomised]:
    """How alike the maps are to those of nets with more and more random weights.

    Args:
        trained: The net.
        crops: (n, S, S, 3) uint8.
        layer: Of the maps; the last one if not given.
        seed: Of the weights.
    """
    top = predict(trained, crops).expression.argmax(1).tolist()

    def look(net: Any) -> Maps:
        return grad_cam(net, crops, top, layer=layer, mirrored=trained.config.mirrored)

    before = look(trained.net)
    found = []
    for step in cascade(trained.net, seed):
        pairs = zip(before.cells, look(step.net).cells, strict=True)
        found.append(Randomised(step.name, np.array([rank_correlation(one, other) for one, other in pairs])))
    return found


def faces_of(trained: Trained, data: Path, split: str | None, limit: int, work: Path) -> Crops:
    """Crops of a data set's faces as the net takes them; faces that the aligner does not find are left out.

    Raises:
        DataError: The data set cannot be read, or no face is found in it.
    """
    from emollm.face_sets import CropSettings, FaceSource, prepare

    margin = trained.config.net.margin
    faces = prepare(
        FaceSource(path=data, split=split, limit=limit),
        CropSettings(size=trained.net.size, margin=margin, units=False),
        work,
        workers=1,
    ).rows()
    if not faces.found.any():
        raise DataError(f"{data}: no face is found in any of {len(faces.found)} pictures")
    return faces.crops[faces.found]


def page(net: str, layer: str, n: int, tested: Occlusion, steps: list[Randomised]) -> str:
    """Both tests as a text."""
    lines = [f"heat maps of {net}, layer {layer}, {n} faces ({tested.blank} with an empty map)", ""]
    lines.append(f"occlusion of {SHARE:.0%} of the face: probability of its likeliest class, mean (95 % interval)")
    lines += [f"  {name:38s} {e.value:6.3f}  ({e.low:.3f} to {e.high:.3f})" for name, e in tested.table().items()]
    lines += ["", "weights drawn anew from the head down: rank correlation of the maps, mean (largest; faces)"]
    for step in steps:
        middle, largest, known = step.row
        lines.append(f"  {step.name:38s} {middle:6.3f}  ({largest:.3f}; {known})")
    return "\n".join(lines)


@click.command()
@click.option("--net", default="face-mt", show_default=True, metavar="NAME|FOLDER", help="Face net.")
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="FILE", help="An npz as FER+.")
@click.option("--split", default="valid", show_default=True, help="Part of the data set.")
@click.option("--limit", type=click.IntRange(2), default=300, show_default=True, help="At most so many faces.")
@click.option("--layer", metavar="NAME", help="Layer of the maps; default: the last one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random places and weights.")
@click.option(
    "--work", type=click.Path(path_type=Path), metavar="FOLDER", help="Where crops are kept; default: nowhere."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    net: str, data: Path, split: str, limit: int, layer: str | None, seed: int, work: Path | None, as_json: bool
) -> None:
    """Test whether the heat maps of a face net tell what it uses."""
    try:
        trained = load(net)
        name, _ = layer_of(trained.net, layer)
        with tempfile.TemporaryDirectory() as folder:
            crops = faces_of(trained, data, split, limit, work or Path(folder))
        tested, steps = (
            occlusion(trained, crops, layer=name, seed=seed),
            randomisation(trained, crops, layer=name, seed=seed),
        )
    except EmollmError as error:
        raise click.UsageError(str(error)) from error
    version = f"{trained.name}@{trained.version}"
    if not as_json:
        click.echo(page(version, name, len(crops), tested, steps))
        return
    rows = {key: estimate._asdict() for key, estimate in tested.table().items()}
    record = {"net": version, "layer": name, "faces": len(crops), "empty_maps": tested.blank, "occlusion": rows}
    cascaded = [dict(zip(("step", "mean", "largest", "faces"), (step.name, *step.row), strict=True)) for step in steps]
    click.echo(json.dumps({**record, "randomisation": cascaded}, indent=1))


if __name__ == "__main__":
    main()
