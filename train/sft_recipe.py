"""Settings of the stages that train the model: ``align`` (connectors) and ``sft`` (LoRA, QLoRA or all weights)."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from emollm.config import Settings
from emollm.modeling.assemble import ModelSettings
from emollm.samples import Mark

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class SampleSource(Settings):
    """One set of Samples."""

    path: Path
    """A JSONL file of Samples, or a folder with ``samples-*.jsonl`` as ``emollm data build`` writes it."""
    weight: Positive = 1.0
    """How often each Sample is seen in an epoch, times the Sample's own weight: 2 is twice, 0.5 every second one, another half each epoch."""
    marks: dict[Mark, Positive] = Field(default_factory=dict)
    """Mark -> by how much the weight of a Sample that has it is multiplied, such as ``unsupported: 0.3``."""
    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far rare emotions are seen more often, the others less: 0 as they come, 0.5 by the root of their shares, 1 all alike; whichever
    label set names them."""
    split: str | None = None
    """Only Samples of this split; null for all."""
    root: Path | None = None
    """What relative paths of media are relative to; the folder of the file if not given."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Only so many Samples from the start."""
    outside: bool = False
    """Whether media may lie outside of ``root``; only for Samples of someone you trust, as whatever their paths name is read."""
    broken: Literal["stop", "skip"] = "stop"
    """What a Sample does that cannot be used (no Sample, media that are not there or not taken …): ``stop`` the run before it begins, or be
    left out and listed in ``rejects.jsonl``."""


class LoraSettings(Settings):
    """Low-rank adapters on the language model (Hu et al. 2022)."""

    r: Count = 16
    """Rank."""
    alpha: Positive = 32.0
    """Scale; the adapter counts alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the adapter's inputs that are left out in training."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Layers of the language model that get one, by the end of their names."""
    towers: bool = False
    """Whether the towers' layers of these names get one too."""


class TrainSettings(Settings):
    """What is trained."""

    method: Literal["lora", "qlora", "full"] = "lora"
    """``lora``: adapters; ``qlora``: adapters on a language model in 4-bit NF4 (bitsandbytes); ``full``: all of its weights."""
    lora: LoraSettings = LoraSettings()
    """Of ``lora`` and ``qlora``."""
    connectors: bool = True
    """Whether connectors and gate are trained beside."""
    towers: bool = False
    """Whether the towers are trained as well (``full`` only)."""


class OptimiserSettings(Settings):
    """How weights are found."""

    rate: Positive = 2e-4
    """Highest learning rate."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    """How the rate falls after the warm-up."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the steps over which the rate rises."""
    decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    epochs: Positive = 1.0
    """Passes over the data."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Steps instead of epochs."""
    batch: Count = 4
    """Samples a step of one process."""
    accumulate: Count = 1
    """Steps whose gradients are added up before the weights move."""
    bf16: bool = False
    """Whether the forward pass runs in bfloat16: on a CPU with AVX-512 BF16 or AMX about three times as fast, on others slower."""
    checkpointing: bool = False
    """Whether activations are computed again in the backward pass instead of kept: less memory, a third more time."""


class BatchSettings(Settings):
    """How Samples are put together."""

    max_tokens: Annotated[int, Field(ge=16)] = 1024
    """Longest Sample, media included. A longer one loses its last turns and then the end of its last reply, never tokens of media."""
    layout: Literal["grouped", "packed", "shuffled", "ordered"] = "grouped"
    """``grouped``: a row a Sample, Samples of like length together; ``packed``: the Samples of a step in one row without padding, each seeing
    only itself; ``shuffled``: a row a Sample, as they come; ``ordered``: the same in the order of the files, each epoch."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that read media ahead; 0 reads between the steps."""


class ViewSettings(Settings):
    """What of a picture a model of another family than ours is given; ours has its streams."""

    show: Literal["face", "frame", "both"] = "face"
    """``face``: cut out by its box, pictures without one are not given; ``frame``: the whole picture; ``both``: two pictures, or the frame
    alone where there is no box."""
    margin: Annotated[float, Field(ge=0, le=2)] = 0.25
    """How far the cut reaches beyond the box on each side, in sides of the face."""


class ValidationSettings(Settings):
    """What is validated, and when."""

    every: Annotated[int, Field(ge=1)] | None = None
    """Steps from one validation and checkpoint to the next; once an epoch if not given."""
    generate: Annotated[int, Field(ge=0)] = 64
    """Of how many validation Samples with a gold label the answers are generated and scored; 0 for none."""
    reply_tokens: Count = 160
    """Longest generated answer."""
    select: Literal["loss", "war", "uar"] = "loss"
    """By what the best checkpoint is chosen; never on test data."""
    keep: Count = 2
    """Checkpoints that are kept beside the best one."""


def _kind(model: object) -> str:
    return "parts" if isinstance(model, dict | ModelSettings) else "folder"


BaseModel = Annotated[Annotated[Path, Tag("folder")] | Annotated[ModelSettings, Tag("parts")], Discriminator(_kind)]


class TrialSettings(Settings):
    """What tries a recipe on a machine that has neither its data nor the model it starts from."""

    most: Count = 50
    """Runs of more steps are never trials: they need what the recipe names."""
    model: BaseModel = ModelSettings()
    """Instead of the recipe's."""
    data: Annotated[tuple[SampleSource, ...], Field(min_length=1)]
    """Instead of the recipe's."""
    batch: Count = 2
    """Samples at a time, at most; a step has as many as the recipe's. Two of 768 tokens fit beside a model of 135 M weights in 6 GB."""


class SftRecipe(Settings):
    """One training run."""

    stage: Literal["align", "sft"] = "sft"
    """Which stage ``emollm train run`` takes: connectors alone, or fine-tuning."""
    model: BaseModel = ModelSettings()
    """A folder with a model of our family or a PaliGemma, a hub id of one, or the parts to build one of our family."""
    start: Path | None = None
    """A checkpoint (``checkpoint-…``) of an earlier run that trained the same weights of the same model, or an adapter of that model
    (``adapter`` of a run, or what the package ships): training begins with them, with a fresh optimiser and schedule, and the adapter
    stays one."""
    data: Annotated[tuple[SampleSource, ...], Field(min_length=1)]
    """Samples that teach."""
    validation: tuple[SampleSource, ...] = ()
    """Samples that select the checkpoint; of no one who is in ``data``."""
    train: TrainSettings = TrainSettings()
    """What is trained."""
    optimise: OptimiserSettings = OptimiserSettings()
    """Optimiser and schedule."""
    batches: BatchSettings = BatchSettings()
    """How Samples are put together."""
    view: ViewSettings | None = None
    """What of a picture is given, for PaliGemma alone; its defaults if not given."""
    validating: ValidationSettings = ValidationSettings()
    """Validation and checkpoints."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """``optimise.steps`` by the name that transformers gives it."""
    trial: TrialSettings | None = None
    """What is taken where model or data are not here, to try the recipe; null for nothing."""
    deepspeed: str | None = None
    """``zero2``, ``zero3``, ``zero3-offload`` or a file with DeepSpeed settings; for the ``deepspeed`` launcher."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of fresh weights, order and dropout."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of each process; 0 leaves the choice to torch."""
    progress: Literal["bar", "json"] = "bar"
    """A bar with the time that is left, or a line of JSON on standard output for each step that is logged."""
    log_every: Count = 10
    """Steps from one line of the log to the next."""
    out: Path = Path("runs/sft")
    """Folder of this run."""

    @model_validator(mode="before")
    @classmethod
    def _steps(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("max_steps") is None:
            return values
        optimise = values.get("optimise") or {}
        return (
            {**values, "optimise": {**optimise, "steps": values["max_steps"]}} if isinstance(optimise, dict) else values
        )

    def tried(self) -> tuple["SftRecipe", tuple[Path, ...]]:
        """The recipe as it can run here, and what of it is not here where it is only tried."""
        named = [
            *(each for each in (self.model, self.start) if isinstance(each, Path)),
            *(source.path for source in self.data),
        ]
        lacking = tuple(path for path in named if not path.exists())
        steps = self.optimise.steps
        if self.trial is None or not lacking or steps is None or steps > self.trial.most:
            return self, ()
        validating = self.validating.model_copy(update={"generate": 0, "select": "loss"})
        each = self.optimise.batch * self.optimise.accumulate
        batch = max(size for size in range(1, min(self.trial.batch, each) + 1) if each % size == 0)
        own = {
            "model": self.trial.model,
            "start": None,
            "data": self.trial.data,
            "validation": (),
            "validating": validating,
            "optimise": self.optimise.model_copy(update={"batch": batch, "accumulate": each // batch}),
        }
        return self.model_copy(update={**own, "out": self.out.with_name(f"{self.out.name}-trial")}), lacking

    @model_validator(mode="after")
    def _fits(self) -> "SftRecipe":
        for source in self.validation:
            if "test" in (source.split or "").lower():
                raise ValueError(f"validation: split {source.split!r}: a model must not be selected on test data")
            if any((source.path, source.split) == (other.path, other.split) for other in self.data):
                raise ValueError(f"validation: {source.path} teaches as well; give Samples that are not trained on")
        if self.validating.select != "loss" and not (self.validation and self.validating.generate):
            raise ValueError(
                f"validating.select={self.validating.select} needs validation Samples and validating.generate above 0"
            )
        if self.train.towers and self.train.method != "full":
            raise ValueError(
                f"train.towers trains whole towers beside train.method=full, not {self.train.method}; set train.lora.towers for adapters on them"
            )
        if self.start and self.deepspeed and "zero3" in self.deepspeed:
            raise ValueError("start cannot be given to weights that ZeRO-3 shares out; take zero2")
        if self.train.method == "qlora" and self.deepspeed and "zero3" in self.deepspeed:
            raise ValueError("train.method=qlora cannot be shared out by ZeRO-3; take zero2 or lora")
        return self
