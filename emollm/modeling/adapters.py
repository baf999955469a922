"""Adapters on the base model they were trained on: what fine-tuning with LoRA wrote, merged into its weights.

    model, processor = with_adapter(load("runs/base"), Path("runs/sft/adapter"))

A folder of an adapter holds PEFT's two files, ``beside.safetensors`` with what else was trained (connectors and gate), and
``base.json``, which says of which base model it is and how large each file has to be.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from emollm.errors import ModelError, one_line
from emollm.modeling.assemble import Built

CONFIG, WEIGHTS, BESIDE, BASE = "adapter_config.json", "adapter_model.safetensors", "beside.safetensors", "base.json"
_COUNTED: dict[str, Any] = {"streams": {}, "gate": None, "image_token_id": 0, "audio_token_id": 0, "max_faces": 4}
"""Keys of a configuration that count, with what they are if they are not there; the others are transformers' and change with its releases."""
_PLAIN: dict[str, Any] = {
    "peft_type": ("LORA",), "bias": ("none",), "use_dora": (False,), "use_rslora": (False,), "fan_in_fan_out": (False,),
    "rank_pattern": ({},), "alpha_pattern": ({},), "modules_to_save": (None, []),
}  # fmt: skip
"""What an adapter's configuration may say where it says something of these: LoRA as our training writes it."""


class Base(NamedTuple):
    """The model that an adapter belongs to."""

    name: str
    """What the recipe called it."""
    content: str
    """See :func:`content_of`."""


def content_of(model: Any) -> str:
    """Hash of a model's weights and of our part of its configuration: the same in memory and saved, and in whichever type it was loaded.

    Args:
        model: A folder with ``config.json`` and safetensors; or a model, of which the folder it was loaded from counts.

    Raises:
        ModelError: The folder cannot be read.
    """
    if not isinstance(model, Path) and not getattr(model.config, "_name_or_path", ""):
        own = model.state_dict()
        tied = getattr(model, "all_tied_weights_keys", {})
        tensors = {name: own[name] for name in own if name not in tied}
        return _hash(json.loads(model.config.to_json_string()), tensors.keys(), tensors.__getitem__)
    folder = Path(model if isinstance(model, Path) else model.config._name_or_path)
    try:
        with ExitStack() as opened:
            files = [opened.enter_context(safe_open(path, "pt")) for path in sorted(folder.glob("*.safetensors"))]
            where = {name: file for file in files for name in file.keys()}  # noqa: SIM118
            config = json.loads((folder / "config.json").read_text("utf-8"))
            return _hash(config, where.keys(), lambda name: where[name].get_tensor(name))
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(
            f"{folder}: expected a model as config.json and safetensors: {one_line(str(error))}"
        ) from error


def with_adapter(built: Built, folder: Path) -> Built:
    """A model with an adapter merged into its weights; the model that is given is used up.

    Args:
        built: The base model, freshly loaded or assembled, in full precision.
        folder: ``adapter`` of a run.

    Raises:
        ModelError: The adapter is of another base model, half-written or cannot be read; or the model is quantised.
    """
    if getattr(built.model, "is_quantized", False):
        raise ModelError(f"{folder}: an adapter is merged into whole weights; load its base without quantisation")
    told = _told(folder)
    here = content_of(built.model)
    if told["content"] != here:
        raise ModelError(
            f"{folder}: an adapter of another base model, {told['name']} (content {told['content']}), this one is {here}; load that one"
        )
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        tensors = load_file(folder / WEIGHTS)
        beside = load_file(folder / BESIDE) if BESIDE in told["files"] else {}
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder}: not an adapter that can be read: {one_line(str(error))}; get it again") from error
    lora = _lora(folder / CONFIG, config)
    own = built.model.state_dict()
    _refuse_others(folder / BESIDE, beside, {name: own[name] for name in beside if name in own})
    _merge(folder / WEIGHTS, built.model, tensors, lora)
    with torch.no_grad():
        for name, value in beside.items():
            own[name].copy_(value)
    built.model.config._name_or_path = ""  # it is no longer what is in that folder
    return Built(built.model.eval(), built.processor)


def refuse_other_base(folder: Path, base: Path) -> int:
    """Looks whether an adapter can be served beside a base model, without loading either.

    Args:
        folder: ``adapter`` of a run.
        base: Folder of the base model.

    Returns:
        The adapter's rank.

    Raises:
        ModelError: It is of another base model or half-written, or it has weights beside LoRA, which cannot be exchanged while a model is served.
    """
    told = _told(folder)
    if told["content"] != (here := content_of(base)):
        raise ModelError(
            f"{folder}: an adapter of another base model, {told['name']} (content {told['content']}), this one is {here}; serve that one"
        )
    if BESIDE in told["files"]:
        raise ModelError(
            f"{folder}: it trained connectors too, which cannot be exchanged while the base is served; serve the merged model of that run"
        )
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: not an adapter that can be read: {one_line(str(error))}; get it again") from error
    return _lora(folder / CONFIG, config).rank


def write_base(folder: Path, base: Base) -> None:
    """Completes the folder of an adapter, whose other files are there, by what it belongs to."""
    sizes = {
        path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.name in (CONFIG, WEIGHTS, BESIDE)
    }
    (folder / BASE).write_text(json.dumps({**base._asdict(), "files": sizes}, indent=1), "utf-8")


def _hash(config: dict[str, Any], names: Any, tensor_of: Any) -> str:
    def digest(name: str) -> bytes:
        tensor: Tensor = tensor_of(name).detach().to("cpu").contiguous()
        told = blake2b(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode(), digest_size=16)
        told.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
        return told.digest()

    counted = {key: config.get(key, usual) for key, usual in _COUNTED.items()}
    total = blake2b(json.dumps(counted, sort_keys=True).encode(), digest_size=8)
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(digest, sorted(names)):
            total.update(each)
    return total.hexdigest()


class _Lora(NamedTuple):
    """What an adapter's configuration says."""

    rank: int
    scale: float
    """By how much its product counts."""
    where: re.Pattern[str]
    """Whole names of the layers that it is on."""


def _lora(path: Path, config: Any) -> _Lora:
    """Reads the configuration of an adapter, whose layers are named by a pattern or by how their names end.

    Raises:
        ModelError: It is no LoRA adapter as our training writes them.
    """
    try:
        odd = [f"{key}={config[key]}" for key, good in _PLAIN.items() if key in config and config[key] not in good]
        if not odd:
            rank, wanted = int(config["r"]), config["target_modules"]
            if not isinstance(wanted, str):
                wanted = rf"(.*\.)?({'|'.join(re.escape(end) for end in wanted)})"
            return _Lora(rank, float(config["lora_alpha"]) / rank, re.compile(wanted))
        told = odd[0]
    except (TypeError, KeyError, ValueError, ZeroDivisionError, re.error) as error:
        told = one_line(repr(error))
    raise ModelError(f"{path}: expected plain LoRA, as emollm train writes it, got {told}; merge it with PEFT instead")


def _merge(path: Path, model: nn.Module, tensors: dict[str, Tensor], lora: _Lora) -> None:
    """Adds an adapter to the weights of its layers: W + alpha / r * B A (LoRA, Hu et al. 2022, as PEFT merges it).

    Raises:
        ModelError: Its tensors are those of other layers.
    """
    named = ((name, module) for name, module in model.named_modules() if lora.where.fullmatch(name))
    layers = {name: module for name, module in named if isinstance(module, nn.Linear)}
    wanted = {}
    for name, layer in layers.items():
        wanted[_named(name, "A")] = torch.empty(lora.rank, layer.in_features, device="meta")
        wanted[_named(name, "B")] = torch.empty(layer.out_features, lora.rank, device="meta")
    _refuse_others(path, tensors, wanted)
    with torch.no_grad():
        for name, layer in layers.items():
            down, up = (tensors[_named(name, side)].to(layer.weight.device, torch.float32) for side in "AB")
            layer.weight += (up @ down) * lora.scale


def _named(layer: str, side: str) -> str:
    """What PEFT calls a layer's tensor."""
    return f"base_model.model.{layer}.lora_{side}.weight"


def _told(folder: Path) -> dict[str, Any]:
    """What ``base.json`` says.

    Raises:
        ModelError: There is none, or a file is not as large as it was.
    """
    try:
        told = json.loads((folder / BASE).read_text("utf-8"))
        sizes = {str(name): int(size) for name, size in told["files"].items()}
        str(told["name"]), str(told["content"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder}: not a whole adapter ({BASE}: {one_line(str(error))}); give the folder `adapter` of a run"
        ) from error
    for name in dict.fromkeys((CONFIG, WEIGHTS, *sizes)):
        path = folder / Path(name).name
        found = path.stat().st_size if path.is_file() else None
        if found is None or found != sizes.get(name):
            raise ModelError(
                f"{path}: expected {sizes.get(name, 'some')} bytes, found {'no file' if found is None else found}: half an adapter; get it again"
            )
    return {**told, "files": sizes}


def _refuse_others(path: Path, tensors: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Refuses tensors of other names or shapes than the model has."""
    if odd := sorted(tensors.keys() ^ wanted.keys()):
        raise ModelError(
            f"{path}: does not fit this model: {odd[0]} is only in one of them ({len(odd)} such); load its base"
        )
    for name, value in tensors.items():
        if value.shape != wanted[name].shape:
            raise ModelError(
                f"{path}: {name} has shape {tuple(value.shape)}, the model's {tuple(wanted[name].shape)}; load its base"
            )
