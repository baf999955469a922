"""A trained model as a folder that everything else reads: adapters merged into the weights, and kept beside."""

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

MODEL, ADAPTER = "model", "adapter"


def export(model: Any, processor: Any, out: Path, run: Path) -> Path:
    """Writes ``out/model`` (and ``out/adapter`` of a run with LoRA) and gives its folder.

    Args:
        model: As it was trained.
        processor: Its own.
        out: Folder of the run.
        run: ``run.yaml``, which goes along.
    """
    if hasattr(model, "peft_config"):
        _write(out / ADAPTER, lambda folder: model.save_pretrained(folder), run)
        model = model.merge_and_unload()
    model.config.use_cache = True

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)

    _write(out / MODEL, write, run)
    return out / MODEL


def _write(folder: Path, write: Any, run: Path) -> None:
    """Fills a folder beside and renames it, so that a half-written one never has the name."""
    unfinished = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write(unfinished)
        shutil.copyfile(run, unfinished / "run.yaml")
        shutil.rmtree(folder, ignore_errors=True)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
