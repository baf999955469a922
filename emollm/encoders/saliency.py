"""Where a face net looks: Grad-CAM and the activations of its layers, for any row of the table of encoders.

Grad-CAM (Selvaraju et al. 2017): each channel of a layer's map is weighed by the mean gradient of the class's logit over it, and what
is left of the weighed sum above zero is where the picture speaks for the class. Captum does it (package ``captum``). A map tells what
the net used, not what is so; :mod:`emollm.encoders.saliency_sanity` and ``python -m emollm.eval.heatmaps`` test whether it even tells that.

Captum watches a layer by a hook on the net: no other thread may use the same net meanwhile, so load one of its own for maps.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emollm.encoders.net import FaceNet
from emollm.encoders.predict import Crops, as_pixels
from emollm.errors import ConfigError, MissingDependency, ModelError, unknown_name

if TYPE_CHECKING:
    from types import ModuleType

_BATCH = 64

Array = NDArray[np.float32]


class Maps(NamedTuple):
    """Where the net looked in n crops, each for one class."""

    cells: Array
    """(n, h, w) in [0, 1], at the layer's own resolution; the largest of a map is 1, or 0 where nothing speaks for the class."""
    strength: Array
    """(n,) largest value before the maps were scaled; 0: nothing in this layer speaks for the class."""
    layer: str
    """Name of the layer."""

    def at(self, size: int) -> Array:
        """(n, size, size) in [0, 1]: the maps at the size of the crops, bilinear as in the paper."""
        maps = torch.from_numpy(self.cells)[:, None]
        return functional.interpolate(maps, (size, size), mode="bilinear", align_corners=False)[:, 0].numpy()


def grad_cam(
    net: FaceNet, crops: Crops, classes: Sequence[int], *, layer: str | None = None, mirrored: bool = True
) -> Maps:
    """Where a net looks for a class in each crop (Grad-CAM).

    Args:
        net: In evaluation mode, on any device.
        crops: (n, S, S, 3) uint8, as for :func:`emollm.encoders.predict.predict`.
        classes: (n,) indices of the classes, one a crop.
        layer: Name of a layer of the encoder; the last one if not given.
        mirrored: Whether a map is the mean of the maps of the face and of its mirror image, as the net's answer is.

    Raises:
        ConfigError: No such layer, or no such class.
        ModelError: The layer's outputs are no maps.
        MissingDependency: The package ``captum`` is not installed.
    """
    name, module = layer_of(net, layer)
    worst = next((index for index in classes if not 0 <= index < len(net.config.labels)), None)
    if worst is not None:
        raise ConfigError(f"class {worst}: the net has {len(net.config.labels)}, 0 to {len(net.config.labels) - 1}")
    if not len(crops) or len(crops) != len(classes):
        raise ValueError(f"{len(crops)} crops and {len(classes)} classes; expected one class a crop")
    cam = captum().LayerGradCam(lambda pixels: net(pixels).expression, module)
    device, parts = _device(net), []
    for start in range(0, len(crops), _BATCH):
        pixels = as_pixels(crops[start : start + _BATCH]).to(device)  # (b, 3, S, S)
        wanted = torch.as_tensor(classes[start : start + _BATCH], device=device)
        found = _maps(cam.attribute(pixels, wanted, relu_attributions=True), name)  # (b, 1, h, w)
        if mirrored:
            other = cam.attribute(pixels.flip(-1), wanted, relu_attributions=True)
            found = (found + other.flip(-1)) / 2
        parts.append(found.detach()[:, 0].float().cpu())
    raw = torch.cat(parts)  # (n, h, w)
    strength = raw.amax((1, 2))
    cells = torch.where(
        strength[:, None, None] > 0, raw / strength.clamp(min=torch.finfo(raw.dtype).tiny)[:, None, None], 0
    )
    return Maps(cells.clamp(0, 1).numpy(), strength.numpy(), name)


def activations(net: FaceNet, crops: Crops, layers: Sequence[str] | None = None) -> dict[str, Array]:
    """What the layers of a net's encoder give for crops: (n, D', H', W') by name, shallow first.

    Args:
        net: In evaluation mode.
        crops: (n, S, S, 3) uint8.
        layers: Names; all of the encoder's if not given.

    Raises:
        ConfigError: No such layer.
        ModelError: A layer's outputs are no maps.
        MissingDependency: The package ``captum`` is not installed.
    """
    chosen = dict(layer_of(net, name) for name in (net.body.layers if layers is None else layers))
    look = captum().LayerActivation(lambda pixels: net(pixels).expression, list(chosen.values()))
    with torch.no_grad():
        found = look.attribute(as_pixels(crops).to(_device(net)))
    return {name: _maps(maps, name).detach().float().cpu().numpy() for name, maps in zip(chosen, found, strict=True)}


def layer_of(net: FaceNet, name: str | None = None) -> tuple[str, nn.Module]:
    """Name and module of a layer of a net's encoder; of the last one if no name is given.

    Raises:
        ConfigError: The encoder has no layer of that name.
    """
    layers: Mapping[str, nn.Module] = net.body.layers
    name = next(reversed(list(layers))) if name is None else name
    if name not in layers:
        raise ConfigError(unknown_name(f"layer of {net.config.encoder}", name, layers))
    return name, layers[name]


def _maps(found: Tensor, layer: str) -> Tensor:
    if found.ndim != 4:
        raise ModelError(f"layer {layer}: expected maps (B, D, H, W), got {tuple(found.shape)}; choose another layer")
    return found


def _device(net: FaceNet) -> torch.device:
    return next(net.parameters()).device


def captum() -> "ModuleType":
    try:
        from captum import attr
    except ModuleNotFoundError as error:
        raise MissingDependency(f"heat maps need the package {error.name!r}; pip install 'emollm[heatmap]'") from error
    return attr
