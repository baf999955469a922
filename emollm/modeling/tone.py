"""Tone heads: what a linear reading of a Whisper encoder's layers tells of a voice, as a folder of ``config.json`` and ``model.safetensors``.

One layer's features are the mean over the frames of the voice itself; ``python -m emollm.train.tone`` writes such a folder.
"""

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from shutil import copy2
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor

from emollm.config import Settings
from emollm.encoders.checkpoint import read_config, read_tensors
from emollm.errors import ModelError, unknown_name
from emollm.files import replacing_folder

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class ToneSettings(Settings):
    """What a tone head tells, and from which layers."""

    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    """Words of the classes, in the order of its outputs."""
    layers: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    """Layers of the encoder, from 1, whose means over the voice stand side by side."""


class ToneConfig(Settings):
    """``config.json`` of a tone head."""

    tone: ToneSettings
    tower: Annotated[str, Field(min_length=1)]
    """The Whisper model that it was fitted on, as :class:`emollm.modeling.assemble.StreamSource` names it."""
    width: Annotated[int, Field(ge=1)]
    """Width of that model's encoder."""

    @model_validator(mode="after")
    def _once(self) -> "ToneConfig":
        if len(set(self.tone.labels)) < len(self.tone.labels):
            raise ValueError("a label stands twice")
        return self


class ToneHead(NamedTuple):
    """A fitted head; how the features were standardised is part of its weights."""

    config: ToneConfig
    weight: Tensor
    """(P, L * width) of P labels and L layers."""
    bias: Tensor
    """(P,)."""


def shipped() -> tuple[str, ...]:
    """Names of the tone heads that come with the package."""
    folder = resources.files("emollm") / "pretrained"
    configs = {item.name: item.joinpath(CONFIG) for item in folder.iterdir() if item.is_dir()}
    texts = {name: file.read_text("utf-8") for name, file in configs.items() if file.is_file()}
    return tuple(sorted(name for name, text in texts.items() if "tone" in json.loads(text)))


def read(name: str) -> ToneHead:
    """The head of a name that is shipped, or of a folder that :func:`write` wrote.

    Raises:
        ModelError: There is none, it cannot be read, or its weights are not those that its configuration names.
    """
    folder = Path(name).expanduser()
    if name in shipped():
        folder = Path(str(resources.files("emollm") / "pretrained" / name))
    elif not folder.is_dir():
        raise ModelError(f"{unknown_name('tone head', name, shipped())}; a folder that training wrote can be given too")
    config = read_config(ToneConfig, folder / CONFIG, "a tone head")
    tensors = read_tensors(folder / WEIGHTS)
    classes = len(config.tone.labels)
    wanted = {"weight": (classes, len(config.tone.layers) * config.width), "bias": (classes,)}
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    if found != wanted:
        raise ModelError(
            f"{folder / WEIGHTS}: expected tensors {wanted}, got {found}; put back what training wrote beside {CONFIG}"
        )
    if not all(value.isfinite().all() for value in tensors.values()):
        raise ModelError(f"{folder / WEIGHTS}: holds numbers that are not finite; train it anew")
    return ToneHead(config, tensors["weight"].float(), tensors["bias"].float())


def write(folder: Path, head: ToneHead, metadata: dict[str, str]) -> None:
    """Writes a head, both files at once; a card that lies in the folder stays.

    Args:
        folder: Where to.
        head: What is written.
        metadata: For the header of the weights.
    """
    from safetensors.torch import save

    kept = [path for path in folder.glob("*") if path.name not in (WEIGHTS, CONFIG)]
    with replacing_folder(folder) as new:
        for path in kept:
            copy2(path, new)
        weights = save({"weight": head.weight.contiguous(), "bias": head.bias.contiguous()}, metadata)
        (new / WEIGHTS).write_bytes(weights)
        (new / CONFIG).write_text(head.config.model_dump_json(indent=1) + "\n", "utf-8")


def layer_means(encoder: Any, extractor: Any, sounds: Sequence[Any]) -> Tensor:
    """Means (n, L, W) of all layers, from 1, of a Whisper encoder over the frames of each voice itself.

    Args:
        encoder: Of transformers, in evaluation mode.
        extractor: Makes its log-mel frames.
        sounds: n voices (samples,) at 16 kHz.
    """
    rows = []
    for sound in sounds:
        heard = extractor(
            [sound], sampling_rate=16_000, padding="max_length", return_attention_mask=True, return_tensors="pt"
        )
        with torch.inference_mode():
            frames = heard["input_features"].to(encoder.device, encoder.dtype)
            layers = encoder(frames, output_hidden_states=True).hidden_states[1:]
            own = own_frames(heard["attention_mask"].sum(1).to(encoder.device), layers[0].shape[1])
            rows.append(torch.stack([own_means(layer.float(), own)[0] for layer in layers]))
    return torch.stack(rows)


def own_frames(lengths: Tensor, most: int) -> Tensor:
    """How many of ``most`` encoder frames belong to voices of these lengths (A,) in log-mel frames, of which two become one; at least 1."""
    return (lengths // 2).clamp(1, most)


def own_means(features: Tensor, own: Tensor) -> Tensor:
    """(A, W) of features (A, N, W): the mean over the first ``own`` (A,) frames of each."""
    inside = torch.arange(features.shape[1], device=features.device) < own[:, None]  # (A, N)
    return (features * inside[..., None]).sum(1) / own[:, None]
