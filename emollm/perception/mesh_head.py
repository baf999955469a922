"""The default action-unit backend: the light mesh with our own small head, distilled from MediaPipe's blendshape model.

The head is a perceptron with two hidden layers (numpy, 0.1 ms a face). It reads the mesh laid onto the mean face, how the head
is turned, and the feature maps that the mesh and iris nets computed anyway. ``emollm.train.au_head`` trains it;
``emollm/pretrained/au-head/README.md`` is its card.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from emollm.errors import ModelError
from emollm.facs import BLENDSHAPES, UNITS
from emollm.perception.backends import Reading, Span
from emollm.perception.blazeface import Detection
from emollm.perception.geometry import Pixels
from emollm.perception.litert import Array
from emollm.perception.mesh import LightMesh, expected_region, open_light_mesh, region_of_detection
from emollm.perception.shape import align_many
from emollm.types import Source

BLENDSHAPES_OUT = list(BLENDSHAPES)
"""Outputs of the head, in order."""
DEAD = frozenset(
    {"_neutral", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "jawForward", "noseSneerLeft", "noseSneerRight"}
)
"""Outputs of the blendshape model that never move: under 0.02 on 99 % of 3,319 FER+ faces (docs/perception.md). What they
stand for (AU06, AU09, AU29, AU34) is not measured, which is not the same as zero."""
LIVE = frozenset(BLENDSHAPES) - DEAD
WEAK = frozenset({"AU05"})
"""Units whose shapes stay low: under 0.45 on 99 % of FER+ faces, although surprise and fear are among them."""
_PRECISE = 0.6
"""Least correlation with the teacher, on FER+ valid and on the photos held out, from which on a unit is used."""
_ROTATION = 9
"""Numbers of the rotation in the input of a head."""
_POINT_GAIN = 5.0
"""Brings deviations from the mean face, about a fifth of its radius, to the size of the other inputs."""


def head_input(points: Array, features: Array, mean: Array) -> Array:
    """Input (F,) of the head.

    Args:
        points: (478, 3) light mesh in image pixels; its first rows are read, as many as the mean face has.
        features: Of :class:`emollm.perception.mesh.Mesh`.
        mean: (478, 3) mean face, or (468, 3) that of a head without irises.
    """
    return head_inputs(points[None], features[None], mean)[0]


def head_inputs(points: Array, features: Array, mean: Array) -> Array:
    """:func:`head_input` of many meshes: (m, F).

    Args:
        points: (m, 478, 3).
        features: (m, F').
        mean: (478, 3) or (468, 3).
    """
    aligned = align_many(points[:, : len(mean)], mean)
    shape = ((aligned.points - mean) * _POINT_GAIN).reshape(len(points), -1)
    return np.concatenate([shape, aligned.rotation.reshape(len(points), -1), features], 1)


class Head:
    """The trained perceptron.

    Args:
        weights: ``model.safetensors``.

    Raises:
        ModelError: The file is not such a head.
    """

    def __init__(self, weights: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(weights, "numpy") as file:
                names, units = (json.loads(file.metadata()[key]) for key in ("names", "units"))
                tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            self.mean: Array = tensors["mean"]
            spans = zip(units, tensors["low"].tolist(), tensors["high"].tolist(), strict=True)
            self.spans = {code: Span(low, high) for code, low, high in spans}
            self._centre, self._scale = tensors["centre"], tensors["scale"]
            self._layers = [(tensors[f"weight.{k}"], tensors[f"bias.{k}"]) for k in range(3)]
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{weights}: not an action-unit head: {error}") from error
        if names != BLENDSHAPES_OUT:
            raise ModelError(
                f"{weights}: its outputs are not the {len(BLENDSHAPES)} blendshapes in their order; train it anew"
            )

    def __call__(self, points: Array, features: Array) -> Array:
        """Blendshapes (52,) in [0, 1] of a light mesh; features that the head does not read may follow those it reads."""
        return self.many(points[None], features[None])[0]

    def many(self, points: Array, features: Array) -> Array:
        """Blendshapes (m, 52) of light meshes (m, 478, 3) with their features (m, F)."""
        read = len(self._centre) - self.mean.size - _ROTATION
        inputs = head_inputs(points, features[:, :read], self.mean)
        x = np.clip((inputs - self._centre) / self._scale, -6, 6)
        for weight, bias in self._layers[:-1]:
            x = np.maximum(x @ weight.T + bias, 0)
        weight, bias = self._layers[-1]
        return 1 / (1 + np.exp(-np.clip(x @ weight.T + bias, -40, 40)))


class HeadMeter:
    """The light mesh with the head, as a face meter."""

    source = Source(backend="mesh-head", version="1", licence="Apache-2.0")

    shapes = LIVE
    unreliable = WEAK

    def __init__(self, mesh: LightMesh, head: Head) -> None:
        self.mesh = mesh
        self.head = head
        self.spans: Mapping[str, Span] = head.spans
        self.imprecise: Mapping[str, str] = imprecise()

    def __call__(self, pixels: Pixels, detection: Detection) -> Reading:
        """Mesh and blendshapes of a detected face."""
        mesh = self.mesh(pixels, expected_region(region_of_detection(detection.box, detection.points)))
        assert mesh.features is not None
        return Reading(mesh, self.head(mesh.points, mesh.features))


def pretrained() -> Head:
    """The head that is shipped."""
    return Head(Path(str(files("emollm").joinpath("pretrained", "au-head", "model.safetensors"))))


@cache
def imprecise() -> dict[str, str]:
    """Units that the shipped head follows too loosely, by its own ``scores.json``, each with the reason."""
    rows = json.loads(files("emollm").joinpath("pretrained", "au-head", "scores.json").read_text(encoding="utf-8"))
    worst = {row["name"]: min(row["valid"], row["test"]) for row in rows if row["name"] in UNITS}
    return {code: "measured too imprecisely by mesh-head" for code, value in worst.items() if value < _PRECISE}


def open_meter() -> HeadMeter:
    """The meter with the head that is shipped, on the assets ``face-mesh`` and ``iris``."""
    return HeadMeter(open_light_mesh(), pretrained())
