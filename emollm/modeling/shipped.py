"""Models that come with the package: an adapter and connectors that are merged into the parts once, into the cache.

model, processor = open_shipped("emollm-135m")
"""

import hashlib
from functools import partial
from importlib import resources
from pathlib import Path

from emollm import assets
from emollm.cache_folders import made_once
from emollm.config import load as load_settings
from emollm.errors import ModelError, unknown_name
from emollm.files import replacing_folder
from emollm.generate import quiet
from emollm.modeling.adapters import BASE, BESIDE, CONFIG, WEIGHTS, with_adapter
from emollm.modeling.assemble import Built, ModelSettings, assemble, load

PARTS, CARD = "parts.yaml", "README.md"


def shipped() -> tuple[str, ...]:
    """Names of the models that come with the package."""
    folder = resources.files("emollm") / "pretrained"
    return tuple(sorted(item.name for item in folder.iterdir() if item.joinpath(PARTS).is_file()))


def folder_of(name: str) -> Path:
    """Where the files of a shipped model lie.

    Raises:
        ModelError: There is no model of that name.
    """
    if name not in shipped():
        raise ModelError(unknown_name("model", name, shipped()))
    return Path(str(resources.files("emollm") / "pretrained" / name))


def version_of(name: str) -> str:
    """First 12 hex digits of the SHA-256 over what is shipped of a model, its card left out."""
    total = hashlib.sha256()
    for file in (PARTS, CONFIG, WEIGHTS, BESIDE, BASE):
        total.update((folder_of(name) / file).read_bytes())
    return total.hexdigest()[:12]


def base_of(parts: ModelSettings) -> Built:
    """What a shipped adapter belongs to: the parts with connectors and gate of zero, which its own replace.

    Fresh ones differ between processors and between torch's releases.

    Raises:
        AssetError: A part cannot be had.
        ModelError: It cannot be read.
    """
    import torch

    built = assemble(parts)
    own = built.model.model
    fresh = [stream.get_submodule("connector") for stream in own.streams.values()]
    with torch.no_grad():
        for module in (*fresh, *([own.gate] if own.gate is not None else [])):
            for parameter in module.parameters():
                parameter.zero_()
    return built


def open_shipped(name: str) -> Built:
    """A shipped model with its processor; merged when it is first wanted, later read from the cache.

    Raises:
        AssetError: A part cannot be had.
        ModelError: There is no such model, or the parts are not those that it was trained on.
    """
    return load(merged(name))


def merged(name: str) -> Path:
    """Folder of a shipped model as any model in transformers format; one process makes it, others wait.

    Raises:
        AssetError: A part cannot be had.
        ModelError: As of :func:`open_shipped`, or the cache cannot be written.
    """
    folder = assets.cache_root() / "merged" / f"{name}-{version_of(name)}"
    return made_once(
        folder, partial(put_together, folder_of(name)), f"putting {name} together once, about 20 seconds …"
    )


def write_merged(name: str, folder: Path, dtype: str = "float32") -> None:
    """Writes a shipped model as a stand-alone checkpoint: weights, processor, card.

    Args:
        name: Of the model.
        folder: Written whole or not at all.
        dtype: ``float32`` or ``bfloat16``.
    """
    with replacing_folder(folder) as new:
        put_together(folder_of(name), new, dtype)


def put_together(own: Path, folder: Path, dtype: str = "float32") -> None:
    """Fills a folder with the model of what is shipped.

    Args:
        own: Folder with parts, adapter and, if there is one, card.
        folder: An empty one.
        dtype: ``float32`` or ``bfloat16``.
    """
    import torch
    from safetensors.torch import save_file

    built = with_adapter(base_of(load_settings(ModelSettings, own / PARTS)), own)
    model = built.model.to(getattr(torch, dtype))
    model.config.architectures, model.config.dtype = [type(model).__name__], getattr(torch, dtype)
    tied = getattr(model, "all_tied_weights_keys", {})
    # save_pretrained would import deepspeed, which talks
    weights = {key: value.detach().contiguous() for key, value in model.state_dict().items() if key not in tied}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with quiet():
        model.config.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
        built.processor.save_pretrained(folder)
    if (own / CARD).is_file():
        (folder / CARD).write_bytes((own / CARD).read_bytes())
