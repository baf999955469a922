"""The whole frame as a CLIP feature vector: what surrounds the person.

Any image–text pair of towers that open_clip can build serves; no checkpoint is chosen for the user, so without one the
stream ``scene`` is declared missing. Weights are safetensors only, and no code of a checkpoint's repository is run.
"""

import difflib
import os
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from emollm import assets, fetch
from emollm.config import Settings
from emollm.errors import AssetError, MissingDependency, ModelError, one_line
from emollm.perception.geometry import Pixels
from emollm.perception.litert import Array
from emollm.types import Embedding, Missing, Source

HUB = "hf-hub:"
"""What a checkpoint on the Hugging Face hub begins with."""
CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
"""Names of the weights in a checkpoint's folder, in the order in which open_clip prefers them to all others."""
PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".ckpt"})
LICENCE = "as the checkpoint"
_FORMS = "give hf-hub:owner/name, a folder with open_clip_config.json, or ARCHITECTURE:/path/file.safetensors"
_SAME_MOMENT = 0.1
"""Seconds within which two moments are one."""


class SceneSettings(Settings):
    """How the surroundings are embedded."""

    checkpoint: str | None = None
    """CLIP weights in open_clip's form: ``hf-hub:owner/name``, a folder with ``open_clip_config.json`` and
    ``open_clip_model.safetensors``, or ``ViT-B-32:/path/file.safetensors``. Without it there are no scene features."""
    frames: Annotated[int, Field(ge=1)] = 4
    """Moments of a clip that are embedded, evenly spread; the apexes of its faces come on top."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs: ``auto`` is the GPU if there is one."""


class Scene:
    """Embeds frames with the image tower of one checkpoint; may be used from several threads.

    Args:
        model: An open_clip model in evaluation mode; ``encode_image`` gives (B, D).
        preprocess: The checkpoint's own transform: a PIL image to (3, H, W).
        source: Architecture, and hash or revision of the checkpoint.
        device: Where the model is.
    """

    def __init__(self, model: Any, preprocess: Any, source: Source, device: str) -> None:
        self.source = source
        self._model = model
        self._preprocess = preprocess
        self._device = device

    def __call__(self, pixels: Pixels) -> Array:
        """Features (D,) float32 of length 1 of a picture (H, W, 3) uint8 RGB.

        Frames are embedded one by one, so that none depends on which others were asked for with it.
        """
        import torch
        from PIL import Image

        with torch.inference_mode():
            batch = self._preprocess(Image.fromarray(pixels))[None].to(self._device)  # (1, 3, H, W)
            features = self._model.encode_image(batch, normalize=True)[0]  # (D,)
        return np.asarray(features.float().cpu().numpy())


def open_scene(settings: SceneSettings) -> Scene | None:
    """The embedder of these settings, opened once a process; None where no checkpoint is given.

    Raises:
        AssetError: The checkpoint is on the hub and cannot be had from there.
        ModelError: There is no such checkpoint, it is not in safetensors, or it does not fit its architecture.
        MissingDependency: open_clip is not installed.
    """
    if settings.checkpoint is None:
        return None
    with _opening:
        return _open(settings.checkpoint, settings.device)


def embeddings(scene: Scene, frames: Iterable[tuple[float, Pixels]]) -> tuple[Embedding, ...]:
    """The records of some frames.

    Args:
        scene: The embedder.
        frames: Time in seconds and picture (H, W, 3) uint8 RGB of each.
    """
    return tuple(
        Embedding(
            stream="scene",
            time=time,
            values=tuple(round(value, 6) + 0.0 for value in scene(pixels).tolist()),
            source=scene.source,
        )
        for time, pixels in frames
    )


def moments(duration: float, apexes: Sequence[float], settings: SceneSettings) -> tuple[float, ...]:
    """Times in seconds at which a clip is embedded, ascending: the middles of equal parts, and the apexes.

    A middle that falls together with an apex is left out.

    Args:
        duration: Of the clip, in seconds.
        apexes: When its faces are most expressive, in seconds.
        settings: Into how many parts the clip is divided.
    """
    middles = [duration * (part + 0.5) / settings.frames for part in range(settings.frames)]
    apart = [time for time in middles if all(abs(time - apex) > _SAME_MOMENT for apex in apexes)]
    return tuple(sorted({*apexes, *apart}))


def missing(settings: SceneSettings) -> Missing:
    """What is missing where :func:`open_scene` gave nothing."""
    return Missing(stream="scene", reason="no CLIP checkpoint given (perception.scene.checkpoint)")


# ---- opening a checkpoint -------------------------------------------------------------------------------------------


class _Checkpoint(NamedTuple):
    """A checkpoint that lies on this machine."""

    name: str
    """What open_clip calls the architecture: a name of its own, or ``local-dir:`` and a folder."""
    weights: Path
    version: str
    label: str
    """For error messages, and, without its folders, for the source."""


_opening = threading.Lock()


class Opened(NamedTuple):
    """A checkpoint as open_clip built it, with both towers."""

    model: Any
    """In evaluation mode."""
    preprocess: Any
    """The checkpoint's own transform: a PIL image to (3, H, W)."""
    architecture: str
    """What open_clip calls it; ``open_clip.get_tokenizer`` takes this name."""
    label: str
    version: str
    """Hash or revision."""


def open_checkpoint(checkpoint: str, device: str = "auto") -> Opened:
    """The model of a checkpoint.

    Args:
        checkpoint: As :class:`SceneSettings` takes it.
        device: ``auto`` is the GPU if there is one.

    Raises:
        AssetError: It is on the hub and cannot be had from there.
        ModelError: There is no such checkpoint, it is not in safetensors, or it does not fit its architecture.
        MissingDependency: open_clip is not installed.
    """
    open_clip, torch = _packages()
    found = _find(checkpoint)
    config = _config(open_clip, found)
    _refuse_elsewhere(config, found)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model, _, preprocess = open_clip.create_model_and_transforms(
            found.name,
            pretrained=None if found.name.startswith("local-dir:") else str(found.weights),
            device=device,
            pretrained_image=False,
            pretrained_text=False,
            **_preprocessing(open_clip, found.name),
        )
    except _unusable() as error:
        told = one_line(str(error))
        raise ModelError(f"{checkpoint}: the weights do not fit the architecture, or cannot be read: {told}") from error
    return Opened(model.eval(), preprocess, found.name, found.label, found.version)


@cache
def _open(checkpoint: str, device: str) -> Scene:
    opened = open_checkpoint(checkpoint, device)
    model = opened.model
    for name, _ in list(model.named_children()):
        if name != "visual":
            setattr(model, name, None)  # the text tower: a third of the weights, and never asked
    source = Source(backend=f"open_clip:{opened.label}", version=opened.version, licence=LICENCE)
    return Scene(model, opened.preprocess, source, str(next(model.parameters()).device))


def _packages() -> tuple[Any, Any]:
    try:
        import open_clip
        import torch
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"scene features need the package {error.name!r}; pip install 'emollm[scene]'"
        ) from error
    return open_clip, torch


def _unusable() -> tuple[type[Exception], ...]:
    """What open_clip, torch and safetensors raise for a configuration or weights they can do nothing with."""
    from safetensors import SafetensorError

    return (OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError, SafetensorError)


def _find(checkpoint: str) -> _Checkpoint:
    """Where the checkpoint lies; one on the hub is fetched."""
    if checkpoint.startswith(HUB):
        return _from_hub(checkpoint.removeprefix(HUB))
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        weights = _in_folder(folder, checkpoint)
        version = f"{fetch.sha256(weights)[:12]}+{fetch.sha256(folder / CONFIG)[:6]}"
        return _Checkpoint(f"local-dir:{folder}", weights, version, folder.resolve().name)
    architecture, colon, place = checkpoint.partition(":")
    weights = Path(place if colon else checkpoint).expanduser()
    _refuse_pickle(weights)
    if not colon or not architecture or "/" in architecture:
        raise ModelError(f"{checkpoint}: no such CLIP checkpoint; {_FORMS}")
    if not weights.is_file():
        raise ModelError(f"{weights}: no such file; {_FORMS}")
    if weights.suffix != ".safetensors":
        raise ModelError(f"{weights}: not safetensors, and nothing else is read; {_FORMS}")
    return _Checkpoint(architecture, weights.absolute(), fetch.sha256(weights)[:12], architecture)


def _in_folder(folder: Path, checkpoint: str) -> Path:
    """The weights in a checkpoint's folder."""
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{checkpoint}: has no {CONFIG}; {_FORMS}")
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    for file in sorted(folder.iterdir()):
        _refuse_pickle(file)
    raise ModelError(
        f"{checkpoint}: has no {' or '.join(WEIGHTS)}, and nothing else is read; convert it to safetensors"
    )


def _refuse_pickle(file: Path) -> None:
    if file.suffix.lower() in PICKLES:
        raise ModelError(f"{file}: a pickle can run code when it is read; convert it to safetensors")


def _from_hub(name: str) -> _Checkpoint:
    """A checkpoint of the hub, named by its commit: its configuration and safetensors, nothing else."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                name,
                allow_patterns=[CONFIG, *WEIGHTS],
                local_files_only=assets.offline() is not None,
                endpoint=os.environ.get("HF_ENDPOINT") or None,
            )
        )
    except (OSError, ValueError) as error:
        forbids = f" ({variable} forbids the network)" if (variable := assets.offline()) else ""
        raise AssetError(f"{HUB}{name}: cannot be had from the hub{forbids}: {one_line(str(error))}") from error
    return _Checkpoint(f"local-dir:{folder}", _in_folder(folder, HUB + name), folder.name[:12], name)


def _config(open_clip: Any, found: _Checkpoint) -> dict[str, Any]:
    """The architecture: towers and their sizes."""
    try:
        config = open_clip.get_model_config(found.name)
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{found.weights.parent / CONFIG}: cannot be read: {one_line(str(error))}") from error
    if config is None:
        close = difflib.get_close_matches(found.name, open_clip.list_models(), n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ModelError(f"open_clip knows no architecture {found.name!r}{hint}")
    towers = ("vision_cfg", "text_cfg")
    if not isinstance(config, dict) or not all(isinstance(config.get(tower), dict) for tower in towers):
        raise ModelError(f"{found.weights.parent / CONFIG}: expected model_cfg with {' and '.join(towers)}")
    return config


def _refuse_elsewhere(config: dict[str, Any], found: _Checkpoint) -> None:
    """Refuses towers that are defined by another repository, which would be asked for them."""
    text = config["text_cfg"].get("hf_model_name")
    image = str(config["vision_cfg"].get("timm_model_name") or "")
    if text or ":" in image or "/" in image:
        raise ModelError(
            f"{found.label}: the architecture is defined in another repository ({one_line(str(text or image))}); give "
            "a checkpoint that holds its own"
        )


def _preprocessing(open_clip: Any, name: str) -> dict[str, Any]:
    """How frames are prepared for a bare file of weights: as all published checkpoints of its architecture have it.

    Where these disagree, open_clip's default stays. A folder says it itself.
    """
    keys = ("mean", "std", "interpolation", "resize_mode")
    published = [open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]
    ways = [{f"image_{key}": way[key] for key in keys if way.get(key) is not None} for way in published]
    return ways[0] if ways and all(way == ways[0] for way in ways) else {}
