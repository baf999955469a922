"""Classifiers as folders: ``config.json`` and ``model.safetensors`` with what was learnt; the towers are named, not copied."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes

from emollm.encoders.checkpoint import read_config, read_tensors
from emollm.encoders.minilm import ASSET, MiniLM
from emollm.encoders.weights import CONFIG, WEIGHTS
from emollm.encoders.weights import load as load_net
from emollm.errors import ConfigError, ModelError, one_line, unknown_name
from emollm.files import replacing
from emollm.modeling.clip_s import ClipConfig, ContextClassifier
from emollm.modeling.clip_s_towers import FaceTower, Towers, open_clip_towers

OPEN_CLIP = "open_clip:"
"""What the name of a pair of open_clip's begins with; a checkpoint follows, as in :mod:`emollm.perception.scene`."""
SHIPPED = "clip-s"


def open_towers(vision: str | Path, text: str | Path = ASSET) -> Towers:
    """The towers of these names, frozen.

    Args:
        vision: A face net that is shipped, a folder of one, or ``open_clip:`` and a checkpoint, which brings its text tower with it.
        text: ``minilm-l6-v2``, or a folder of the same files; not looked at with open_clip.

    Raises:
        ModelError: There is no such net, or it cannot be used.
        AssetError: The text tower cannot be had.
        MissingDependency: A library is not installed.
    """
    if str(vision).startswith(OPEN_CLIP):
        return _open_clip(str(vision))
    return Towers(FaceTower(load_net(vision)), MiniLM.load(None if str(text) == ASSET else Path(text)))


def save(folder: Path, model: ContextClassifier, metadata: Mapping[str, str]) -> None:
    """Writes ``model.safetensors`` and then ``config.json``, each whole or not at all.

    Args:
        folder: Made if need be.
        model: Its vision tower is written too, but only if it was trained.
        metadata: Recipe, versions, data fingerprint: goes into the safetensors header.
    """
    with replacing(folder / WEIGHTS) as file:
        tensors = {name: value.contiguous() for name, value in learnt(model).items()}
        file.write(to_bytes(tensors, dict(metadata)))
    with replacing(folder / CONFIG, "w") as file:
        file.write(json.dumps(model.config.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")


def load(name: str | Path = SHIPPED, towers: Towers | None = None) -> ContextClassifier:
    """The classifier that is shipped, or that of a folder :func:`save` wrote; in evaluation mode.

    Args:
        name: A name or a folder.
        towers: Its towers, if they are open already.

    Raises:
        ModelError: There is none, it cannot be read, or a tower is of another version than the one it was made with.
        AssetError: The text tower cannot be had.
    """
    folder = find(name)
    config = read_config(ClipConfig, folder / CONFIG, "a context classifier")
    towers = towers or open_towers(config.vision.name, config.text.name)
    for made_for, here in ((config.vision, towers.vision), (config.text, towers.text)):
        if made_for.version != here.version:
            raise ModelError(
                f"{folder}: made for {made_for.name} {made_for.version}, but {here.name} {here.version} is here; train it anew"
                " (python -m emollm.train.clip_s)"
            )
    model = ContextClassifier(config, towers)
    _fill(model, folder / WEIGHTS)
    return model.eval()


def learnt(model: ContextClassifier) -> dict[str, torch.Tensor]:
    """All that differs from the towers as they are named."""
    tensors = {f"heads.{name}": value for name, value in model.heads.state_dict().items()}
    if any(parameter.requires_grad for parameter in model.vision.parameters()):
        tensors |= {f"vision.{name}": value for name, value in model.vision.state_dict().items()}
    return tensors


def find(name: str | Path) -> Path:
    """Folder of a classifier that is shipped or lies on this machine.

    Raises:
        ModelError: There is none of that name.
    """
    shipped = Path(str(resources.files("emollm") / "pretrained"))
    for folder in (Path(name).expanduser(), shipped / str(name)):
        if (folder / CONFIG).is_file():
            return folder
    raise ModelError(
        f"{unknown_name('context classifier', str(name), [SHIPPED])}; a folder that training wrote can be given too"
    )


def _fill(model: ContextClassifier, file: Path) -> None:
    tensors = read_tensors(file)
    wanted = [f"heads.{name}" for name in model.heads.state_dict()]
    if any(name.startswith("vision.") for name in tensors):
        wanted += [f"vision.{name}" for name in model.vision.state_dict()]
    own = model.state_dict()
    if odd := [name for name in {*wanted, *tensors} if name not in tensors or name not in wanted]:
        raise ModelError(f"{file}: weights of another classifier: {min(odd)} is missing or too many; see {CONFIG}")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise ModelError(
                f"{file}: weights of another classifier: {name} is {tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
            )
    model.load_state_dict(tensors, strict=False)


def _open_clip(name: str) -> Towers:
    from emollm.perception.scene import open_checkpoint

    opened = open_checkpoint(name.removeprefix(OPEN_CLIP), "cpu")
    import open_clip

    try:
        tokenizer = open_clip.get_tokenizer(opened.architecture)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{name}: its tokenizer cannot be had: {one_line(str(error))}") from error
    return open_clip_towers(opened.model, tokenizer, name, opened.version)
