"""Checkpoints of a face run: all that is needed to go on exactly, as safetensors."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from emollm.errors import DataError
from emollm.files import replacing

FILE = "checkpoint.safetensors"


def keep(
    folder: Path,
    net: nn.Module,
    mean: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Writes the checkpoint, whole or not at all.

    Args:
        folder: Of the run.
        net: The net that learns.
        mean: Its moving average.
        optimizer: With its moments.
        progress: Epochs done, best score, fingerprint: anything JSON holds.
    """
    tensors: dict[str, Tensor] = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"mean.{name}": value for name, value in mean.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    with replacing(folder / FILE) as file:
        file.write(
            save({name: value.contiguous() for name, value in tensors.items()}, {"progress": json.dumps(progress)})
        )


def resume(
    folder: Path, net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str
) -> dict[str, Any] | None:
    """Goes on from the folder's checkpoint: fills net, average and optimiser and gives the progress; None where there is none.

    Raises:
        DataError: The checkpoint cannot be read, or is of a run with another recipe or other data.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            progress: dict[str, Any] = json.loads((opened.metadata() or {}).get("progress", "{}"))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}; remove it to begin anew") from error
    if progress.get("fingerprint") != fingerprint:
        raise DataError(
            f"{path}: was made with another recipe or other data; give another out=FOLDER, or remove it to begin anew"
        )
    net.load_state_dict(_part(tensors, "net."))
    mean.load_state_dict(_part(tensors, "mean."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        number, _, moment = name.partition(".")
        state.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
