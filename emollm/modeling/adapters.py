"""Adapters on the base model they were trained on: what fine-tuning with LoRA wrote, merged into its weights.

    model, processor = with_adapter(load("runs/base"), Path("runs/sft/adapter"))

A folder of an adapter holds PEFT's two files, ``beside.safetensors`` with what else was trained (connectors and gate), and
``base.json``, which says of which base model it is and how large each file has to be.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from emollm.errors import ModelError, one_line
from emollm.modeling.assemble import Built

CONFIG, WEIGHTS, BESIDE, BASE = "adapter_config.json", "adapter_model.safetensors", "beside.safetensors", "base.json"
_NO_CONTENT = ("transformers_version", "architectures", "dtype", "torch_dtype", "use_cache", "_name_or_path")
"""Keys of a configuration that depend on how a model was saved or loaded."""


class Base(NamedTuple):
    """The model that an adapter belongs to."""

    name: str
    """What the recipe called it."""
    content: str
    """See :func:`content_of`."""


def content_of(model: Any) -> str:
    """Hash of a model's configuration and weights: the same in memory and saved, and in whichever type it was loaded.

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
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    if getattr(built.model, "is_quantized", False):
        raise ModelError(f"{folder}: an adapter is merged into whole weights; load its base without quantisation")
    told = _told(folder)
    here = content_of(built.model)
    if told["content"] != here:
        raise ModelError(
            f"{folder}: an adapter of another base model, {told['name']} (content {told['content']}), this one is {here}; load that one"
        )
    try:
        config = LoraConfig.from_pretrained(str(folder))
        tensors = load_file(folder / WEIGHTS)
        beside = load_file(folder / BESIDE) if BESIDE in told["files"] else {}
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder}: not an adapter that can be read: {one_line(str(error))}; get it again") from error
    own = built.model.state_dict()
    _refuse_others(folder / BESIDE, beside, {name: own[name] for name in beside if name in own})
    adapted: Any = get_peft_model(built.model, config)
    _refuse_others(folder / WEIGHTS, tensors, get_peft_model_state_dict(adapted, save_embedding_layers=False))
    set_peft_model_state_dict(adapted, tensors)
    merged = adapted.merge_and_unload()
    with torch.no_grad():
        for name, value in beside.items():
            own[name].copy_(value)
    merged.config._name_or_path = ""  # it is no longer what is in that folder
    return Built(merged.eval(), built.processor)


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

    total = blake2b(json.dumps(_content(config), sort_keys=True).encode(), digest_size=8)
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(digest, sorted(names)):
            total.update(each)
    return total.hexdigest()


def _content(config: Any) -> Any:
    """A configuration without what depends on how the model was saved or loaded."""
    if not isinstance(config, dict):
        return config
    return {name: _content(value) for name, value in config.items() if name not in _NO_CONTENT}


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
