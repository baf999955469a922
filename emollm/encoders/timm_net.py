"""Any image net of timm, among them those of HSEmotion (Savchenko 2024): EfficientNet-B0 and B2, MobileViT, MobileNetV4.

Weights to start from are safetensors, from a file or from timm's repository on the Hugging Face hub; nothing is unpickled. They and
the hub are asked for when a training starts, never when trained weights are loaded.
"""

import difflib
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from emollm.config import Settings
from emollm.encoders.base import Features, check_pictures, grey, normalised, tokens_of
from emollm.encoders.checkpoint import read_tensors
from emollm.errors import AssetError, ConfigError, MissingDependency, ModelError, one_line


class TimmConfig(Settings):
    """Architecture of a net of timm."""

    name: str = "efficientnet_b0"
    """Name in timm, with or without the tag of its weights: ``efficientnet_b0``, ``mobilevit_xs.cvnets_in1k`` …"""
    size: Annotated[int, Field(ge=16, le=1024)] = 224
    """Side of the picture in pixels."""
    in_chans: Literal[1, 3] = 3
    """Channels that the net gets: 3 for colour, 1 for grey."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability with which the last block is left out in training, for nets that know of it."""
    first_stride_one: bool = False
    """Whether the first convolution keeps the resolution: all maps are twice as large, which small faces need, at four times the work."""
    weights: Path | None = None
    """A safetensors file of this net that training starts from."""
    pretrained: bool = False
    """Whether training starts from the weights that timm has on the Hugging Face hub."""

    def build(self) -> "TimmNet":
        """The net, with fresh weights or those it starts from.

        Raises:
            ConfigError: timm knows no such net, or it cannot be had with these settings.
            ModelError: ``weights`` cannot be read or are of another net.
            AssetError: The hub cannot be reached or has no safetensors of this net.
            MissingDependency: timm is not installed.
        """
        return TimmNet(self)


class TimmNet(nn.Module):
    """A net of timm without its classes; see :class:`TimmConfig`."""

    net: Any
    mean: Tensor
    spread: Tensor

    def __init__(self, config: TimmConfig) -> None:
        super().__init__()
        if config.weights and config.pretrained:
            raise ValueError("weights and pretrained exclude each other; give one")
        self.size, self.in_chans = config.size, config.in_chans
        self.net, published = _built(config)
        self._channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        if config.first_stride_one:
            _keep_resolution(self.net, config.name)
        # Kept with the weights: the picture must look as it did in training whatever a later timm says of this name.
        for name, values in (("mean", published.mean), ("spread", published.std)):
            values = values if config.in_chans == 3 else (sum(values) / len(values),)
            self.register_buffer(name, torch.tensor(values))
        self.last = nn.Identity()
        self.token_width, self.width, self._mapped = self._probe(config.name)
        if config.weights:
            start_from(self.net, config.weights)
        elif config.pretrained:
            start_from(self.net, _from_hub(published.hf_hub_id, config.name))

    @property
    def layers(self) -> Mapping[str, nn.Module]:
        """The net's stages whose outputs are maps, by timm's names, and ``last``.

        A transformer that answers from a class token has no gradient at ``last``.
        """
        return {**{name: self.net.get_submodule(name) for name in self._mapped}, "last": self.last}

    def forward(self, pixels: Tensor) -> Features:
        """Features of faces (B, 3, size, size) in [0, 1]."""
        check_pictures(pixels, self.size)
        return self._features(pixels)

    def _features(self, pixels: Tensor) -> Features:
        pixels = grey(pixels) if self.in_chans == 1 else pixels
        seen = self.net.forward_features(normalised(pixels, self.mean, self.spread))
        if seen.ndim == 3:  # (B, prefix + N, D'), of a vision transformer
            prefix = getattr(self.net, "num_prefix_tokens", 0)
            maps = self.last(_square(seen[:, prefix:]))
            seen = torch.cat([seen[:, :prefix], tokens_of(maps)], 1)
        elif self._channels_last:
            maps = self.last(seen.permute(0, 3, 1, 2))
            seen = maps.permute(0, 2, 3, 1)
        else:
            maps = seen = self.last(seen)
        pooled = self.net.forward_head(seen, pre_logits=True)
        return Features(tokens_of(maps), pooled.flatten(1))  # (B, N, D'), (B, D)

    def _probe(self, name: str) -> tuple[int, int, tuple[str, ...]]:
        """Width of the tokens and of the pooled features, and the names of the stages that give maps."""
        stages = [stage["module"] for stage in getattr(self.net, "feature_info", ())]
        outputs: dict[str, Any] = {}
        hooks = [
            self.net.get_submodule(stage).register_forward_hook(
                lambda _, __, output, stage=stage: outputs.__setitem__(stage, output)
            )
            for stage in stages
        ]
        self.net.eval()  # statistics of batch norm stay as they are
        try:
            with torch.no_grad():
                tokens, pooled = self._features(torch.zeros(1, 3, self.size, self.size))
        except (AssertionError, AttributeError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"{name} cannot take pictures of {self.size} × {self.size} pixels so: {one_line(str(error))}"
            ) from error
        finally:
            for hook in hooks:
                hook.remove()
            self.net.train()
        mapped: tuple[str, ...] = ()
        if not self._channels_last:
            mapped = tuple(stage for stage, given in outputs.items() if isinstance(given, Tensor) and given.ndim == 4)
        return tokens.shape[-1], pooled.shape[-1], mapped


def import_timm() -> Any:
    """The package timm.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"this encoder needs the package {error.name!r}; pip install 'emollm[train]'"
        ) from error
    return timm


def start_from(net: nn.Module, file: Path) -> None:
    """Loads published weights into a net of timm; the classes among them are left out.

    Args:
        net: As timm built it, with whatever size and channels.
        file: Safetensors.

    Raises:
        ModelError: It cannot be read or is of another net.
    """
    tensors: dict[str, Any] = read_tensors(file)
    own = net.state_dict()
    adapt = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)  # old names, other window sizes
    try:
        tensors = {
            name: _resized(tensor, own.get(name)) if name.endswith("relative_position_bias_table") else tensor
            for name, tensor in tensors.items()
        }
        tensors = adapt(tensors, net) if adapt else tensors
        tensors = _channels(net, own, tensors)
    except (AttributeError, LookupError, RuntimeError, ValueError) as error:
        raise ModelError(f"{file}: weights of another net: {one_line(str(error))}") from error
    wrong = [
        f"{name} is {tuple(tensors[name].shape) if name in tensors else 'not there'}, not {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if tensor.ndim and (name not in tensors or tensors[name].shape != tensor.shape)
    ]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ModelError(f"{file}: weights of another net: {wrong[0]}{more}")
    net.load_state_dict({name: tensors.get(name, tensor) for name, tensor in own.items()})


def _built(config: TimmConfig) -> tuple[nn.Module, Any]:
    """The net, and what timm knows of its published weights."""
    timm = import_timm()
    if not timm.is_model(config.name):
        close = difflib.get_close_matches(config.name, timm.list_models(), n=3)
        hint = f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
        raise ConfigError(f"unknown timm net {config.name!r}{hint}; timm.list_models() gives the known ones")
    options: dict[str, Any] = {"drop_path_rate": config.drop_path} if config.drop_path else {}
    try:
        published = timm.get_pretrained_cfg(config.name, allow_unregistered=False)
        if published.fixed_input_size:
            options["img_size"] = config.size
        net = timm.create_model(config.name, num_classes=0, in_chans=config.in_chans, **options)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"timm net {config.name}: cannot be built with these settings: {one_line(str(error))}"
        ) from error
    return net, published


def _keep_resolution(net: nn.Module, name: str) -> None:
    stem = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    if stem is None or any(
        step == 1 or step >= reach for step, reach in zip(stem.stride, stem.kernel_size, strict=True)
    ):
        raise ValueError(
            f"first_stride_one: {name} does not begin with overlapping strides; choose a smaller patch or net"
        )
    stem.stride = (1, 1)


def _resized(table: Tensor, own: Tensor | None) -> Tensor:
    """Position biases ((2 W - 1)², heads) of windows of another size, resampled (bicubic, as in Liu et al. 2021).

    Before timm does it: its own resampling indexes in a way that later versions of torch will read differently.
    """
    if own is None or table.ndim != 2 or own.shape[1:] != table.shape[1:] or own.shape == table.shape:
        return table
    before, after = math.isqrt(len(table)), math.isqrt(len(own))
    if before * before != len(table) or after * after != len(own):
        return table
    maps = table.float().T.unflatten(1, (before, before))[None]  # (1, heads, 2 W - 1, 2 W - 1)
    return (
        functional.interpolate(maps, (after, after), mode="bicubic", align_corners=False)[0].flatten(1).T.contiguous()
    )


def _channels(net: Any, own: Mapping[str, Tensor], tensors: dict[str, Any]) -> dict[str, Any]:
    """The weights with those of the first convolution summed over colours where the net gets grey."""
    from timm.models import adapt_input_conv

    first = net.pretrained_cfg["first_conv"]
    names = [f"{name}.weight" for name in ((first,) if isinstance(first, str) else first or ())]
    wanted = own[names[0]].shape[1] if names and names[0] in own else 3
    return tensors | {
        name: adapt_input_conv(wanted, tensors[name])
        for name in names
        if name in tensors and tensors[name].shape[1] == 3 != wanted
    }


def _from_hub(repository: str | None, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    from emollm import assets

    if not repository:
        raise AssetError(
            f"timm net {name}: its published weights are not on the hub; give weights: and a safetensors file"
        )
    forbids = assets.offline()
    try:
        file = hf_hub_download(
            repository,
            "model.safetensors",
            local_files_only=forbids is not None,
            endpoint=os.environ.get("HF_ENDPOINT") or None,
        )
    except (OSError, ValueError) as error:
        told = f"{forbids} forbids the network" if forbids else one_line(str(error))
        raise AssetError(
            f"{repository}: cannot be had from the hub: {told}; give weights: and a safetensors file"
        ) from error
    return Path(file)


def _square(tokens: Tensor) -> Tensor:
    """Tokens (B, N, D') of a square picture as a map (B, D', √N, √N)."""
    side = math.isqrt(tokens.shape[1])
    if side * side != tokens.shape[1]:
        raise ValueError(f"its {tokens.shape[1]} tokens are no square map")
    return tokens.transpose(1, 2).unflatten(2, (side, side))
