"""Settings of a face encoder's training run."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from emollm.config import Settings
from emollm.encoders.net import FaceNetConfig
from emollm.face_sets import FaceSource
from emollm.train.face_augment import Augmentation

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class NetSettings(Settings):
    """Architecture; classes and action units come from the data."""

    encoder: str = "face_mt"
    """Name in the table of encoders."""
    backbone: dict[str, object] = Field(default_factory=dict)
    """Settings of the encoder; what is not given keeps its default."""
    embedding: Annotated[int, Field(ge=0)] = 128
    """Width of the embedding; 0 for none."""
    affect: bool = False
    """Whether there is a head for valence and arousal, which the data must label (``data.columns``)."""
    units: bool = True
    """Whether there is a head for action units."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the pooled features that the heads do not see in training."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.1
    """How far a crop reaches beyond the mesh on each side, in sides of the face."""

    def config(self, labels: tuple[str, ...], units: tuple[str, ...]) -> FaceNetConfig:
        """The net for some classes and units."""
        return FaceNetConfig(
            encoder=self.encoder,
            backbone=dict(self.backbone),
            labels=labels,
            units=units if self.units else (),
            embedding=self.embedding,
            affect=self.affect,
            dropout=self.dropout,
            margin=self.margin,
        )


class LossSettings(Settings):
    """What counts how much."""

    units: Annotated[float, Field(ge=0)] = 4.0
    """Weight of the action units' loss beside the expression's, whose weight is 1."""
    embedding: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the embedding's loss."""
    affect: Annotated[float, Field(ge=0)] = 1.0
    """Weight of valence and arousal."""
    class_power: Share = 0.4
    """Classes weigh (1 / share of the votes) to this power: 0 is no weighting, 1 makes all classes equal."""
    undo: Share = 0.0
    """Share of the class weights that is taken back out of the finished net's answers: 1 gives probabilities of faces as they occur, 0
    keeps answers in favour of rare classes."""
    distil: Share = 0.0
    """Share of the expression target that comes from the teachers, the rest from the votes."""


class Optimisation(Settings):
    """How weights are found."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with Nesterov momentum .9."""
    rate: Positive = 3e-3
    """Highest learning rate of the cosine schedule."""
    warmup: Annotated[float, Field(ge=0)] = 1.5
    """Epochs over which the rate rises."""
    decay: Annotated[float, Field(ge=0)] = 0.05
    """Weight decay of matrices; biases and norms have none."""
    epochs: Annotated[int, Field(ge=1)] = 40
    """Passes over the data."""
    batch: Annotated[int, Field(ge=2)] = 128
    """Faces a step, over all processes."""
    sam: Annotated[float, Field(ge=0)] = 0.0
    """Radius ρ of sharpness-aware minimisation (Foret et al. 2021); 0 for none. It doubles the work of a step."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """Decay a step of the moving average of the weights, which is what is validated and kept."""
    clip: Annotated[float, Field(ge=0)] = 5.0
    """Largest norm of the gradient; 0 for no limit."""
    bf16: bool = True
    """Whether the forward pass runs in bfloat16."""


class FaceRecipe(Settings):
    """One training run."""

    data: FaceSource
    """Where the faces are and how they are laid out."""
    train_split: str | None = "train"
    """Split that teaches."""
    valid_split: str | None = "valid"
    """Split that selects the epoch and fits the temperature; never one called test."""
    net: NetSettings = NetSettings()
    """Architecture."""
    augment: Augmentation = Augmentation()
    """Variation of the training faces."""
    loss: LossSettings = LossSettings()
    """Losses."""
    optimise: Optimisation = Optimisation()
    """Optimiser and schedule."""
    teachers: tuple[str, ...] = ()
    """Nets whose mean answer to the very same varied faces is learnt from (``loss.distil``): names or folders."""
    start: str | None = None
    """Net whose encoder the run starts from: a name or a folder."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of initial weights, order, variation and dropout."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of each process; 0 leaves the choice to torch."""
    workers: Annotated[int, Field(ge=1)] = 2
    """Processes that find and cut the faces, once."""
    validate_every: Annotated[int, Field(ge=1)] = 1
    """Epochs from one validation to the next; the last one is always validated."""
    measure: str = "auto"
    """Backend of the measured action units (``perception.action_units``)."""
    work: Path = Path("runs/face-sets")
    """Where prepared faces are kept, for all runs."""
    out: Path = Path("runs/face")
    """Folder of this run: checkpoint, log, best net."""
