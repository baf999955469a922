"""Settings of a context classifier's training run."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from emollm.config import Settings
from emollm.encoders.minilm import ASSET
from emollm.face_sets import FaceSource

Amount = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class ClipRecipe(Settings):
    """One training run."""

    row: str = ""
    """What a comparison calls this run."""
    data: FaceSource
    """Where the faces are and how they are laid out."""
    train_split: str | None = "train"
    """Split that teaches."""
    valid_split: str | None = "valid"
    """Split that selects the epoch and fits the temperature; never one called test."""
    vision: str = "face-mt"
    """Vision tower: a face net that is shipped or a folder of one; ``open_clip:CHECKPOINT`` is both towers."""
    text: str = ASSET
    """Text tower: the asset, or a folder of the same files."""
    descriptions: str = "ferplus"
    """Texts of the classes: a name of ``emollm/modeling/descriptions``, or a YAML file."""
    prompts: Literal["word", "description"] = "description"
    """Whether the text of a class is its word or its description."""
    aspects: tuple[str, ...] = ("face",)
    """What of a description is said; a face crop shows neither posture nor objects."""
    contexts: Annotated[int, Field(ge=0, le=64)] = 8
    """Learnt vectors before each text; 0 for fixed prompts."""
    shared: bool = False
    """Whether all classes have the same learnt vectors."""
    hidden: Annotated[int, Field(ge=0)] = 0
    """Width of a hidden layer of the projection; 0 for a linear one."""
    hold_out: tuple[str, ...] = ()
    """Classes that are not trained: faces that mostly show one are left out, votes for one are dropped from the others."""
    captions: Amount = 0.0
    """Weight of the second loss, which draws faces to the wording of their measured action units; 0 for none."""
    views: Annotated[int, Field(ge=1, le=64)] = 1
    """Looks at each training face whose features are kept: the first is the face as it is, the others are varied."""
    unfreeze: bool = False
    """Whether the vision tower is trained too; then there are no kept features, and every step costs a pass of the tower."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """``sgd`` has momentum 0.9, as CLIP-CAER."""
    rate: Positive = 2e-3
    """Highest learning rate of the projection and the scale; it falls along a cosine."""
    prompt_rate: Positive = 1e-3
    """That of the learnt vectors."""
    prompt_every: Annotated[int, Field(ge=1)] = 1
    """Steps from one pass of the text tower to the next; between them its texts stay, and only the projection learns. A pass with
    gradients is what a step costs on a CPU."""
    vision_rate: Positive = 1e-5
    """That of the vision tower, where it is trained."""
    decay: Amount = 1e-4
    """Weight decay of the projection."""
    epochs: Annotated[int, Field(ge=1)] = 15
    """Passes over the data."""
    batch: Annotated[int, Field(ge=2)] = 512
    """Faces a step."""
    seed: int = 0
    """Of initial weights, order and views."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads; 0 leaves the choice to torch."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Processes that find and cut the faces, once."""
    measure: str = "auto"
    """What measures the action units of captions: a backend of perception, as in ``perception.action_units``."""
    device: str = "cpu"
    """Where it is trained."""
    work: Path = Path("runs/face-sets")
    """Where prepared faces and kept features are, for all runs."""
    out: Path = Path("runs/clip-s")
    """Folder of this run: checkpoint, log, and the best classifier in ``best``."""
