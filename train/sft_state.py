"""Checkpoints of a run: trained weights, optimiser, schedule and random numbers, as safetensors and JSON; nothing is pickled.

DeepSpeed keeps the optimiser in files of its own, which it alone reads.
"""

import json
import random
import re
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from emollm.errors import ConfigError, DataError
from emollm.files import replacing
from emollm.modeling.adapters import BESIDE, WEIGHTS

TRAINED, OPTIMISER, COMPLETE = "trained.safetensors", "optimizer.safetensors", "complete.json"
STATE = "trainer_state.json"
"""What transformers' Trainer keeps: step, losses, the best checkpoint."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], told: Mapping[str, Any] | None = None) -> None:
    """A safetensors file, whole or not at all, with a JSON object in its header."""
    ready = {name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}
    with replacing(path) as file:
        file.write(save(ready, {"told": json.dumps(told or {})}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`write_tensors` wrote.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            told = json.loads((opened.metadata() or {}).get("told", "{}"))
            return {name: opened.get_tensor(name) for name in opened.keys()}, told  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read: {error}; remove this checkpoint to go on from the one before"
        ) from error


def trained(model: nn.Module, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The weights that are trained, by their names, and what their modules count beside (BatchNorm's means).

    Args:
        model: The model.
        state: Its weights where they are gathered from several processes; else its own.
    """
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    own = dict(model.named_parameters()) if state is None else state
    modules = {name.rpartition(".")[0] for name in names}
    counted = {name: value for name, value in model.named_buffers() if name.rpartition(".")[0] in modules}
    return {name: own[name] for name in names if name in own} | counted


def load_trained(model: nn.Module, path: Path) -> None:
    """Fills the trained weights of a model from a checkpoint's file.

    Raises:
        DataError: The file cannot be read or is of another run.
    """
    fill(model, read_tensors(path)[0], str(path))


def start_with(model: nn.Module, checkpoint: Path) -> str:
    """Fills the trained weights of a model from a checkpoint of an earlier run, or from an adapter and what lies beside it.

    Returns:
        A hash of that checkpoint's weights.

    Raises:
        ConfigError: It is neither, cannot be read, or trained other weights.
    """
    path, adapter = checkpoint / TRAINED, checkpoint / WEIGHTS
    if not path.is_file() and not adapter.is_file():
        raise ConfigError(
            f"start={checkpoint}: is no checkpoint of a run and no adapter; it has no {TRAINED} and no {WEIGHTS}"
        )
    try:
        if not path.is_file():
            return _start_with_adapter(model, checkpoint)
        load_trained(model, path)
    except DataError as error:
        raise ConfigError(f"start={checkpoint}: cannot be begun with: {str(error).partition(';')[0]}") from error
    return blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _start_with_adapter(model: nn.Module, folder: Path) -> str:
    """The same from what an export or the package holds; its LoRA has to be of the same rank, on the same layers."""
    lora, beside = folder / WEIGHTS, folder / BESIDE
    tensors = {
        re.sub(r"\.(lora_[AB])\.weight$", r".\1.default.weight", name): value
        for name, value in read_tensors(lora)[0].items()
    }
    digest = blake2b(lora.read_bytes(), digest_size=8)
    if beside.is_file():
        tensors |= {f"base_model.model.{name}": value for name, value in read_tensors(beside)[0].items()}
        digest.update(beside.read_bytes())
    fill(model, tensors, str(folder))
    return digest.hexdigest()


def fill(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Fills the trained weights of a model.

    Args:
        model: With what is trained marked so.
        tensors: Its trained weights by name.
        source: Where they come from, for the error message.

    Raises:
        DataError: They are not of this model.
    """
    wanted = trained(model)
    if tensors.keys() != wanted.keys():
        odd = sorted(tensors.keys() ^ wanted.keys())
        raise DataError(f"{source}: is of a run that trains other weights ({odd[0]} …); give another out=FOLDER")
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for name, value in tensors.items():
            if own[name].shape != value.shape:
                raise DataError(f"{source}: {name} has shape {tuple(value.shape)}, the model {tuple(own[name].shape)}")
            own[name].copy_(value)


def write_optimiser(folder: Path, optimizer: torch.optim.Optimizer, schedule: Any) -> None:
    """Optimiser and schedule."""
    state = optimizer.state_dict()
    tensors = {
        f"{number}.{name}": torch.as_tensor(value)
        for number, moments in state["state"].items()
        for name, value in moments.items()
    }
    write_tensors(folder / OPTIMISER, tensors, {"groups": state["param_groups"], "schedule": schedule.state_dict()})


def read_optimiser(folder: Path, optimizer: torch.optim.Optimizer, schedule: Any) -> None:
    """Fills optimiser and schedule."""
    tensors, told = read_tensors(folder / OPTIMISER)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, moment = name.partition(".")
        state.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict({"state": state, "param_groups": told["groups"]})
    schedule.load_state_dict(told["schedule"])


def write_random(folder: Path, rank: int) -> None:
    """The state of all random numbers of a process."""
    version, words, gauss = random.getstate()
    kind, keys, place, has, cached = np.random.get_state()
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{index}": each for index, each in enumerate(torch.cuda.get_rng_state_all())}
    told = {
        "python": [version, list(words), gauss],
        "numpy": [str(kind), np.asarray(keys).tolist(), int(place), int(has), float(cached)],
    }
    write_tensors(folder / f"random-{rank}.safetensors", tensors, told)


def read_random(folder: Path, rank: int) -> None:
    """Sets all random numbers of a process to the state of a checkpoint."""
    tensors, told = read_tensors(folder / f"random-{rank}.safetensors")
    version, words, gauss = told["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, place, has, cached = told["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), place, has, cached))
    torch.set_rng_state(tensors.pop("cpu"))
    if tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([tensors[f"cuda.{index}"] for index in range(len(tensors))])


def mark_complete(folder: Path, fingerprint: str, processes: int) -> None:
    """Says that a checkpoint is whole; written last."""
    with replacing(folder / COMPLETE, "w") as file:
        json.dump({"fingerprint": fingerprint, "processes": processes}, file)


def whole(out: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first; one whose JSON cannot be read is none."""
    found = [path for path in out.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    kept = [path for path in found if _object(path / COMPLETE) and _object(path / STATE)]
    return sorted(kept, key=lambda path: int(path.name.rpartition("-")[2]))


def last_complete(out: Path, fingerprint: str, processes: int) -> Path | None:
    """The newest whole checkpoint of a run; None where there is none.

    Raises:
        DataError: It is of a run with another recipe, base model or other data, or of another number of processes.
    """
    found = whole(out)
    if not found:
        return None
    told = _object(found[-1] / COMPLETE)
    if told.get("fingerprint") != fingerprint:
        raise DataError(
            f"{out}: holds a run with another recipe, other data or another base model; give another out=FOLDER, or remove it to begin anew"
        )
    if told.get("processes") != processes:
        raise DataError(
            f"{out}: holds a run of {told.get('processes')} processes, this one has {processes}; start as many, or give another out=FOLDER"
        )
    return found[-1]


def rotate(out: Path, keep: int, best: str | None) -> None:
    """Removes old checkpoints.

    Args:
        out: Folder of the run.
        keep: So many of the newest stay.
        best: And this one, wherever it lies.
    """
    others = [path for path in whole(out) if best is None or path.name != Path(best).name]
    for path in others[:-keep]:
        (path / COMPLETE).unlink()  # first: what is half removed must not count
        shutil.rmtree(path, ignore_errors=True)


def _object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty where there is none."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
