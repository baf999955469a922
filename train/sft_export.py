"""A trained model as a folder that everything else reads: adapters merged into the weights, and kept beside."""

import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from emollm.errors import EmollmError, one_line
from emollm.files import replacing_folder
from emollm.modeling.adapters import BESIDE, Base, write_base
from emollm.train.sft_state import trained

MODEL, ADAPTER = "model", "adapter"


def export(model: Any, processor: Any, out: Path, run: Path, base: Base) -> Path:
    """Writes ``out/model`` (and ``out/adapter`` of a run with LoRA) and gives its folder.

    Args:
        model: As it was trained.
        processor: Its own.
        out: Folder of the run.
        run: ``run.yaml``, which goes along.
        base: The model that was trained, for its adapter.

    Raises:
        EmollmError: It cannot be written; what stood there before is left.
    """
    if hasattr(model, "peft_config"):
        _write(out / ADAPTER, run, lambda folder: write_adapter(model, folder, base))
        model = model.merge_and_unload()
    model.config.use_cache = model.config.get_text_config().use_cache = True

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)

    _write(out / MODEL, run, write)
    return out / MODEL


def write_adapter(model: Any, folder: Path, base: Base) -> None:
    """What :func:`emollm.modeling.adapters.with_adapter` reads: the adapter and what was trained beside it, in the types they have."""
    model.save_pretrained(folder, save_embedding_layers=False)
    prefix = "base_model.model."
    beside = {
        name.removeprefix(prefix): value.detach().cpu().contiguous()
        for name, value in trained(model).items()
        if "lora_" not in name
    }
    if beside:
        save_file(beside, folder / BESIDE, metadata={"format": "pt"})
    write_base(folder, base)


def _write(folder: Path, run: Path, write: Any) -> None:
    """Fills a folder, whole or not at all."""
    try:
        with replacing_folder(folder) as new:
            write(new)
            shutil.copyfile(run, new / "run.yaml")
    except SafetensorError as error:  # the disk is full
        raise EmollmError(f"{folder}: cannot be written: {one_line(str(error))}; it is as it was before") from error
