"""Trained face nets as folders: ``config.json`` and ``model.safetensors``, with a card (``README.md``) where they are shipped."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from safetensors.torch import save as to_bytes

from emollm import fetch
from emollm.config import Settings
from emollm.encoders.checkpoint import read_config, read_metadata, read_tensors
from emollm.encoders.net import FaceNet, FaceNetConfig
from emollm.errors import ConfigError, ModelError, unknown_name
from emollm.files import replacing

CONFIG, WEIGHTS = "config.json", "model.safetensors"

_LINES = 4
"""Differences between a checkpoint and its net that an error names."""


class TrainedConfig(Settings):
    """``config.json``: all that is needed to use the weights beside it."""

    net: FaceNetConfig
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """By which the expression logits are divided before the softmax (Guo et al. 2017), fitted on validation data."""
    offsets: tuple[float, ...] = ()
    """Added to the expression logits, one a class: takes the class weights of training back out, so that probabilities are those of
    faces as they occur (Menon et al. 2021); empty for none."""
    mirrored: bool = True
    """Whether an answer is the mean of the answers to the face and to its mirror image."""
    label_set: str | None = None
    """Name of the label set whose words the classes are."""
    aligner: str = "mesh@1"
    """How crops are cut; a change of the aligner makes weights stale."""


class Trained(NamedTuple):
    """A net that can be used."""

    name: str
    version: str
    """First 12 digits of the weights' SHA-256."""
    net: FaceNet
    """In evaluation mode."""
    config: TrainedConfig


def shipped() -> tuple[str, ...]:
    """Names of the face nets that come with the package; other weights lie beside them."""
    folder = resources.files("emollm") / "pretrained"
    if not folder.is_dir():
        return ()
    configs = {item.name: item.joinpath(CONFIG) for item in folder.iterdir() if item.is_dir()}
    return tuple(
        sorted(
            name for name, file in configs.items() if file.is_file() and "net" in json.loads(file.read_text("utf-8"))
        )
    )


def load(name: str | Path) -> Trained:
    """The net of a name that is shipped, or of a folder that :func:`save` wrote.

    Raises:
        ModelError: There is no such net, it cannot be read, or the weights are of another architecture than the configuration.
    """
    folder = find(name)
    config = read_config(TrainedConfig, folder / CONFIG, "a face net")
    try:
        net = config.net.architecture().build()
    except ConfigError as error:
        raise ModelError(
            f"{folder / CONFIG}: {error}; put back what training wrote, or install the package that brings the encoder"
        ) from error
    fill(net, folder / WEIGHTS)
    version = fetch.sha256(folder / WEIGHTS)[:12]
    return Trained(folder.name, version, net.eval().requires_grad_(False), config)


def find(name: str | Path) -> Path:
    """Folder of a net that is shipped or lies on this machine.

    Raises:
        ModelError: There is none of that name, or the name is empty.
    """
    if not str(name).strip():
        raise ModelError(
            f"the name of the face net is empty; give one of {', '.join(shipped())} or a folder that training wrote"
        )
    place = Path(str(resources.files("emollm") / "pretrained")) / str(name)
    for folder in (Path(name).expanduser(), place):
        if (folder / CONFIG).is_file():
            return folder
    known = shipped()
    if Path(name).is_dir():
        raise ModelError(f"{name}: this folder has no {CONFIG}; give a folder that training wrote")
    raise ModelError(unknown_name("face net", str(name), known) + "; a folder that training wrote can be given too")


def fill(net: FaceNet, file: Path) -> None:
    """Loads weights into a net.

    Raises:
        ModelError: No readable safetensors, weights of another architecture or for other classes, or not finite.
    """
    tensors = read_tensors(file)
    own = net.state_dict()
    _refuse_other_classes(net, tensors, file)
    wrong = [f"{name} is not there" for name in own if name not in tensors]
    wrong += [f"{name} is not of this net" for name in tensors if name not in own]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - _LINES} more" if len(wrong) > _LINES else ""
        raise ModelError(f"{file}: weights of another architecture: {'; '.join(wrong[:_LINES])}{more}")
    if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise ModelError(f"{file}: {broken[0]} holds numbers that are not finite; take an earlier checkpoint")
    net.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in tensors.items()})


def _refuse_other_classes(net: FaceNet, tensors: Mapping[str, torch.Tensor], file: Path) -> None:
    """Says it in words where only the lists of classes or units differ."""
    for head, names in (("expression", net.config.labels), ("units", net.config.units)):
        bias = tensors.get(f"{head}.bias")
        if names and bias is not None and len(bias) != len(names):
            raise ModelError(
                f"{file}: its {head} head has {len(bias)} outputs but the configuration names {len(names)}: "
                f"{', '.join(names)}; list what it was trained with"
            )


def save(folder: Path, net: FaceNet, config: TrainedConfig, metadata: Mapping[str, str], *, half: bool = False) -> None:
    """Writes ``model.safetensors`` and then ``config.json``, each whole or not at all.

    Args:
        folder: Made if need be.
        net: The net.
        config: How it is used; ``config.net`` is its architecture, and what its training started from is not written.
        metadata: Recipe, versions, data fingerprint: goes into the safetensors header.
        half: Whether matrices are kept in half precision.
    """
    tensors = {
        name: (value.half() if half and value.ndim > 1 else value).contiguous()
        for name, value in net.state_dict().items()
    }
    with replacing(folder / WEIGHTS) as file:
        file.write(to_bytes(tensors, dict(metadata)))
    written = config.model_copy(update={"net": config.net.architecture()})
    with replacing(folder / CONFIG, "w") as file:
        file.write(json.dumps(written.model_dump(mode="json"), indent=1) + "\n")


def metadata(name: str | Path) -> dict[str, str]:
    """What was written beside the weights of a net: recipe, versions, data.

    Raises:
        ModelError: There is no such net, or its weights cannot be read.
    """
    return read_metadata(find(name) / WEIGHTS)


def probabilities(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """(B, C) calibrated probabilities of expression logits (B, C)."""
    return torch.softmax(logits.float() / temperature, -1)
