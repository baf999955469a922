"""What a context classifier learns from: prepared faces, kept features of the frozen vision tower, and captions of action units."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor
from tqdm import tqdm

from emollm.encoders.predict import as_pixels
from emollm.encoders.text import TextTower
from emollm.errors import ConfigError, DataError
from emollm.face_sets import CropSettings, FaceSet, prepare
from emollm.facs import PRESENT, UNITS
from emollm.files import replacing
from emollm.modeling.clip_s_towers import FaceTower, VisionTower
from emollm.train.clip_s_recipe import ClipRecipe
from emollm.train.face_augment import STORED_MARGIN, STORED_SIZE, Augmentation, vary

_BATCH = 256
_UNITS_SAID = 5
"""Action units that a caption names, at most: the strongest ones."""
_PLAIN = Augmentation.model_validate({name: 0 for name in Augmentation.model_fields if name != "grey"})


class Faces(NamedTuple):
    """Prepared faces of both splits."""

    train: FaceSet
    valid: FaceSet


class Lessons(NamedTuple):
    """The training faces that teach, and what they teach."""

    rows: NDArray[np.int64]
    """(n,) their rows in the face set."""
    shares: Tensor
    """(n, C) of the trained classes; rows sum to 1."""
    features: Tensor | None
    """(views, n, V) of the frozen tower; None where it is trained."""
    captions: Tensor | None
    """(k, D) of length 1, the different wordings of action units; None where they are not wanted."""
    which: Tensor | None
    """(n,) the wording of each face; −1 where no unit was seen."""


def faces(recipe: ClipRecipe, tower: VisionTower) -> Faces:
    """Prepared training and validation faces.

    Training faces are kept larger than the tower wants them, the same ones for all towers and views; validation faces are cut for the
    tower, as perception cuts them.

    Raises:
        ConfigError: Selection on test data, or on what is learnt from.
        DataError: The data cannot be read.
    """
    if recipe.valid_split is not None and "test" in recipe.valid_split.lower():
        raise ConfigError(f"valid_split={recipe.valid_split}: a classifier must not be selected on test data")
    if recipe.train_split == recipe.valid_split:
        raise ConfigError("train_split and valid_split are the same; do not select on what is learnt from")
    teaching = recipe.data.model_copy(update={"split": recipe.train_split})
    selecting = recipe.data.model_copy(update={"split": recipe.valid_split})
    stored = CropSettings(size=STORED_SIZE, margin=STORED_MARGIN, backend=recipe.measure)
    seen = CropSettings(size=tower.size, margin=margin_of(tower), backend=recipe.measure)
    return Faces(
        prepare(teaching, stored, recipe.work, recipe.workers), prepare(selecting, seen, recipe.work, recipe.workers)
    )


def margin_of(tower: VisionTower) -> float:
    """How far the tower's crops reach beyond the mesh; a tower of open_clip's takes what a face net of ours takes."""
    return tower.margin if isinstance(tower, FaceTower) else 0.1


def lessons(recipe: ClipRecipe, faces: Faces, vision: VisionTower, text: TextTower, labels: tuple[str, ...]) -> Lessons:
    """What the training faces teach of the classes that are not held out.

    Args:
        recipe: Settings.
        faces: Prepared.
        vision: The tower.
        text: That of the captions.
        labels: The trained classes, some of those of the data.

    Raises:
        DataError: Fewer labelled faces than a batch has.
    """
    kept = [faces.train.labels.index(label) for label in labels]
    shares = np.array(faces.train.shares)
    ours = np.isin(shares.argmax(-1), kept) & (shares[:, kept].sum(-1) > 0)
    rows = np.flatnonzero(ours)
    if len(rows) < recipe.batch:
        raise DataError(f"{len(rows)} labelled faces are fewer than batch={recipe.batch}; lower it or give more data")
    told = shares[rows][:, kept]
    captions, which = None, None
    if recipe.captions:
        captions, which = caption_features(recipe, faces.train, text)
        which = which[torch.from_numpy(rows)]
    features = None
    if not recipe.unfreeze:
        every = [kept_features(recipe, faces.train, vision, view) for view in range(recipe.views)]
        features = torch.stack(every)[:, torch.from_numpy(rows)]
    return Lessons(rows, torch.from_numpy(told / told.sum(-1, keepdims=True)), features, captions, which)


def pixels(recipe: ClipRecipe, face_set: FaceSet, rows: NDArray[np.int64], tower: VisionTower, view: int) -> Tensor:
    """(n, 3, S, S) in [0, 1] of stored training faces; view 0 is the face as it is."""
    generator = torch.Generator().manual_seed(_number(recipe.seed if recipe.unfreeze else 0, view, int(rows[0])))
    settings = Augmentation() if view else _PLAIN
    stored = torch.from_numpy(face_set.rows(rows).crops)
    return vary(stored, tower.size, margin_of(tower), settings, generator)


def valid_features(recipe: ClipRecipe, faces: Faces, vision: VisionTower) -> Tensor:
    """(n, V) of the validation faces, from the kept file if there is one."""
    count = len(faces.valid)
    return _kept(
        recipe.work / "features" / f"{_digest(faces.valid, vision, 'exact')}.safetensors",
        lambda: _through(vision, count, lambda rows: as_pixels(faces.valid.rows(rows).crops), recipe.device, "valid"),
    )["features"]


def kept_features(recipe: ClipRecipe, face_set: FaceSet, vision: VisionTower, view: int) -> Tensor:
    """(n, V) of one look at all training faces, from the kept file if there is one."""
    return _kept(
        recipe.work / "features" / f"{_digest(face_set, vision, str(view))}.safetensors",
        lambda: _through(
            vision,
            len(face_set),
            lambda rows: pixels(recipe, face_set, rows, vision, view),
            recipe.device,
            f"look {view + 1} of {recipe.views}",
        ),
    )["features"]


def caption(codes: tuple[str, ...], intensities: NDArray[np.float32]) -> str:
    """The wording of the strongest action units that are present; empty where none is.

    Args:
        codes: Of the units.
        intensities: (U,) in [0, 1]; NaN where not measured.
    """
    seen = [k for k in range(len(codes)) if intensities[k] >= PRESENT and _expresses(codes[k])]
    strongest = sorted(seen, key=lambda k: -intensities[k])[:_UNITS_SAID]
    return ", ".join(UNITS[codes[k]].wording(float(intensities[k])) for k in strongest)


def caption_features(recipe: ClipRecipe, face_set: FaceSet, text: TextTower) -> tuple[Tensor, Tensor]:
    """Captions of all faces: (k, D) of the different ones, and (n,) which one a face has, −1 for none; kept as the features are.

    Raises:
        ConfigError: No face has measured units.
    """
    told = sha256(f"{face_set.fingerprint} {text.version} {_UNITS_SAID}".encode()).hexdigest()[:20]
    kept = _kept(recipe.work / "features" / f"captions-{told}.safetensors", lambda: _captions(face_set, text))
    return kept["captions"], kept["which"]


def _captions(face_set: FaceSet, text: TextTower) -> dict[str, Tensor]:
    told = [
        caption(face_set.units, intensities)
        for start in range(0, len(face_set), _BATCH)
        for intensities in face_set.rows(slice(start, start + _BATCH)).units
    ]
    known = sorted(set(told) - {""})
    if not known:
        raise ConfigError("captions > 0 needs faces with measured action units; set captions=0")
    parts = []
    with torch.inference_mode():
        for start in tqdm(range(0, len(known), _BATCH), desc="captions", mininterval=5):
            parts.append(text.encode(text.words(known[start : start + _BATCH])).cpu())
    place = {sentence: number for number, sentence in enumerate(known)}
    return {"captions": torch.cat(parts), "which": torch.tensor([place.get(sentence, -1) for sentence in told])}


def _expresses(code: str) -> bool:
    """Gaze, blinks and the head's turning are no expression."""
    return UNITS[code].speech_weight > 0


def _through(
    vision: VisionTower, count: int, look: Callable[[NDArray[np.int64]], Tensor], device: str, told: str
) -> dict[str, Tensor]:
    """``features`` (n, V) of all faces; ``look`` gives pictures (B, 3, S, S) of some."""
    parts = []
    with torch.inference_mode(), tqdm(total=count, desc=told, unit=" faces", mininterval=5) as bar:
        for start in range(0, count, _BATCH):
            rows = np.arange(start, min(start + _BATCH, count))
            parts.append(vision(look(rows).to(device)).float().cpu())
            bar.update(len(rows))
    return {"features": torch.cat(parts)}


def _kept(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of a file, made unless it is there."""
    if not path.is_file():
        made = make()
        with replacing(path) as file:
            file.write(to_bytes({name: value.contiguous() for name, value in made.items()}))
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def _digest(face_set: FaceSet, vision: VisionTower, look: str) -> str:
    varied = "" if look in ("exact", "0") else Augmentation().model_dump_json()
    told = f"{face_set.fingerprint} {vision.version} {look} {varied}"
    return sha256(told.encode()).hexdigest()[:20]


def _number(*parts: int) -> int:
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:7], "big")
