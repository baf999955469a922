"""Pretrained towers by name: our face nets, open_clip, vision models and Whisper of transformers, Whisper as CTranslate2."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoModel

from emollm.encoders import weights as face_nets
from emollm.errors import ConfigError, ModelError, one_line
from emollm.generate import quiet
from emollm.modeling import tone as tones
from emollm.modeling.sources import folder_of
from emollm.modeling.whisper_ct2 import read_encoder

WHISPER = ("whisper-tiny.en",)
"""Assets that are Whisper models in CTranslate2 form."""


class TowerSource(NamedTuple):
    """A pretrained tower."""

    kind: str
    """Name in the table of towers."""
    settings: dict[str, Any]
    """Its architecture."""
    weights: Mapping[str, Tensor] | None
    """Its tensors by the tower's own names; None to start at random."""


def tower_of(
    name: str, checkpoint: Path | None = None, taps: tuple[int, ...] = (), tone: str | None = None
) -> TowerSource:
    """The tower of a name.

    Args:
        name: As in :class:`emollm.modeling.assemble.StreamSource`.
        checkpoint: Weights of an open_clip tower.
        taps: Layers of a Whisper model.
        tone: Tone head of a Whisper model, as :func:`emollm.modeling.tone.read` takes it.

    Raises:
        ModelError: It cannot be had or read.
        ConfigError: The name means nothing, a checkpoint is given for what has its own, layers or a tone head for what is no Whisper model, or
            the head of another one.
    """
    found = _tower_of(name, checkpoint)
    if taps and found.kind != "whisper":
        raise ConfigError(f"tower {name}: only Whisper models give single layers; leave taps out")
    if taps:
        found = found._replace(settings={**found.settings, "taps": taps})
    return found if tone is None else _with_tone(name, found, tone)


def _with_tone(name: str, tower: TowerSource, tone: str) -> TowerSource:
    """A Whisper tower with a tone head."""
    if tower.kind != "whisper" or tower.weights is None:
        raise ConfigError(f"tower {name}: only Whisper models take a tone head; leave tone out")
    config, weight, bias = tones.read(tone)
    width, layers = tower.settings["d_model"], tower.settings["encoder_layers"]
    if config.width != width or max(config.tone.layers) > layers:
        raise ConfigError(
            f"tone {tone}: fitted on layers {config.tone.layers} of {config.tower}, {config.width} numbers wide, but {name} has "
            f"{layers} layers of {width}; give a head that was fitted on it"
        )
    own = {"tone.weight": weight, "tone.bias": bias}
    return tower._replace(
        settings={**tower.settings, "tone": config.tone.model_dump()}, weights={**tower.weights, **own}
    )


def _tower_of(name: str, checkpoint: Path | None) -> TowerSource:
    family, _, architecture = name.partition(":")
    if family == "open_clip":
        return _open_clip(architecture, checkpoint)
    if checkpoint is not None:
        raise ConfigError(f"tower {name}: only open_clip towers take a checkpoint; leave weights out")
    if name in WHISPER:
        return _whisper_ct2(name)
    if name in face_nets.shipped() or ((Path(name) / face_nets.CONFIG).is_file() and _is_face_net(Path(name))):
        net = face_nets.load(name).net
        state = {f"net.{key}": value for key, value in net.state_dict().items()}
        return TowerSource("face_net", {"net": net.config.model_dump()}, state)
    return _transformers(name)


def _is_face_net(folder: Path) -> bool:
    """Whether a folder's configuration is of a face net of ours."""
    return '"net"' in (folder / face_nets.CONFIG).read_text("utf-8", errors="replace")


def _open_clip(architecture: str, checkpoint: Path | None) -> TowerSource:
    """A picture tower of open_clip, with the weights of a safetensors checkpoint of the whole model, or none."""
    if checkpoint is None:
        return TowerSource("open_clip", {"model": architecture}, None)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        whole = load_file(checkpoint)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{checkpoint}: cannot be read as safetensors: {one_line(str(error))}") from error
    own = {key: value for key, value in whole.items() if key.startswith("visual.")}
    if not own:
        raise ModelError(f"{checkpoint}: holds no picture tower; give the weights of an open_clip model")
    return TowerSource("open_clip", {"model": architecture}, own)


def _whisper_ct2(name: str) -> TowerSource:
    """The encoder of a Whisper model in CTranslate2 form."""
    from emollm import assets

    encoder = read_encoder(assets.path(name))
    return TowerSource("whisper", encoder.settings, {f"model.{key}": value for key, value in encoder.weights.items()})


def _no_patches(model: Any) -> int:
    """How many features a vision model puts before those of its patches (a class token, registers)."""
    side, patch = getattr(model.config, "image_size", None), getattr(model.config, "patch_size", None)
    if not isinstance(side, int) or not isinstance(patch, int):
        return 0
    with torch.no_grad():
        features = model(pixel_values=torch.zeros(1, 3, side, side, dtype=model.dtype)).last_hidden_state
    return max(0, int(features.shape[1]) - (side // patch) ** 2) if features.ndim == 3 else 0


def refuse_missing(name: str, keys: Iterable[str]) -> None:
    """Raises ModelError if a checkpoint lacks weights, which transformers would leave at random."""
    if missing := sorted(keys):
        raise ModelError(f"{name}: {len(missing)} weights are missing, {missing[0]} first; get or save the model again")


def _transformers(name: str) -> TowerSource:
    """The encoder of a Whisper model, or a vision model (or the vision part of a pair), of transformers."""
    from safetensors import SafetensorError

    folder = folder_of(name)
    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, **here)
            model, info = AutoModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **here)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name}: not a tower that can be loaded: {one_line(str(error))}") from error
    if config.model_type == "whisper":
        refuse_missing(name, [key for key in info["missing_keys"] if key.startswith("encoder.")])
        keys = ("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins")
        state = {f"model.{key}": value.float() for key, value in model.get_encoder().state_dict().items()}
        return TowerSource("whisper", {key: getattr(config, key) for key in keys}, state)
    part = getattr(model, "vision_model", model)
    own_keys = "" if part is model else "vision_model."
    # Poolers are not looked at, and often not published.
    refuse_missing(name, [key for key in info["missing_keys"] if key.startswith(own_keys) and "pooler" not in key])
    settings: dict[str, Any] = {"config": part.config.to_dict(), "skip": _no_patches(part)}
    try:
        with quiet():
            own = AutoImageProcessor.from_pretrained(folder, **here)
        settings |= {"mean": tuple(own.image_mean), "spread": tuple(own.image_std)}
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: has no image processor that says how pictures are normalised") from error
    return TowerSource("vision", settings, {f"model.{key}": value.float() for key, value in part.state_dict().items()})
